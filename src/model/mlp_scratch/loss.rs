//! The losses and their gradients with respect to the logits: where the backward pass begins.
//!
//! Rows are summed in f64, in order. Deliberately written out here a second time, apart from the kernels the graph
//! network uses, so that the two can be held against each other.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "batch and class counts are small, and gradients are wanted in f32"
)]

use crate::kernels::targets::Part;

/// Mean cross-entropy between softmax(logits) and the labels; writes δ = ∂L/∂logits.
///
/// With p = softmax(z) and targets t (1 for the label and 0 else; smoothing ε takes ε of the 1 and gives ε/K to each
/// class) the loss of an image is −Σ tₖ·ln pₖ. As ∂ ln pₖ/∂zⱼ = \[k = j\] − pⱼ and the targets sum to 1, the gradient
/// is
///
/// ```text
/// ∂L/∂zⱼ = pⱼ·Σₖ tₖ − tⱼ = pⱼ − tⱼ,    over the batch δ = (softmax(z) − t)/B
/// ```
///
/// The largest logit is subtracted first: it changes no p, and keeps exp from overflowing.
///
/// **Shape** logits, delta `[B, K]`, labels `[B]`. **Reference** `torch.nn.CrossEntropyLoss(label_smoothing=ε)`.
pub(crate) fn cross_entropy(
    logits: &[f32],
    labels: &[u32],
    smoothing: f64,
    delta: &mut [f32],
) -> f64 {
    let batch = labels.len().max(1) as f64;
    let classes = (logits.len() / labels.len().max(1)).max(1);
    let spread = smoothing / classes as f64;
    let mut exponentials = vec![0.0; classes];
    let mut total = 0.0;
    let rows = logits
        .chunks_exact(classes)
        .zip(delta.chunks_exact_mut(classes));
    for ((z, delta), label) in rows.zip(labels) {
        let largest = z.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        let shifted = |z: f32| f64::from(z) - f64::from(largest);
        for (e, z) in exponentials.iter_mut().zip(z) {
            *e = shifted(*z).exp();
        }
        let sum: f64 = exponentials.iter().sum();
        for (k, (delta, z)) in delta.iter_mut().zip(z).enumerate() {
            let target = spread
                + if k == *label as usize {
                    1.0 - smoothing
                } else {
                    0.0
                };
            if target > 0.0 {
                // ln pₖ = zₖ − ln Σ exp z
                total -= target * (shifted(*z) - sum.ln());
            }
            *delta = ((exponentials[k] / sum - target) / batch) as f32;
        }
    }
    total / batch
}

/// [`cross_entropy`] with targets for every class, each image times its factor (`kernels::targets`).
///
/// With f the factor and T = Σ tₖ (1 but for rounding) the derivation above gives, over the batch,
///
/// ```text
/// ∂L/∂zⱼ = f·(pⱼ·T − tⱼ)/B
/// ```
///
/// **Shape** logits, delta `[B, K]`. **Reference** `torch.nn.CrossEntropyLoss` with class probabilities as targets.
pub(crate) fn soft_cross_entropy(logits: &[f32], targets: Part<'_>, delta: &mut [f32]) -> f64 {
    let batch = targets.factors.len().max(1) as f64;
    let classes = (logits.len() / targets.factors.len().max(1)).max(1);
    let mut total = 0.0;
    let rows = logits
        .chunks_exact(classes)
        .zip(delta.chunks_exact_mut(classes))
        .zip(targets.rows.chunks_exact(classes))
        .zip(targets.factors);
    for (((z, delta), t), factor) in rows {
        let largest = z.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        let shifted = |z: f32| f64::from(z) - f64::from(largest);
        let sum: f64 = z.iter().map(|z| shifted(*z).exp()).sum();
        let asked: f64 = t.iter().map(|t| f64::from(*t)).sum();
        let factor = f64::from(*factor) / batch;
        for ((delta, z), t) in delta.iter_mut().zip(z).zip(t) {
            let t = f64::from(*t);
            if t > 0.0 {
                total -= factor * t * (shifted(*z) - sum.ln());
            }
            *delta = (factor * (shifted(*z).exp() / sum * asked - t)) as f32;
        }
    }
    total
}

/// Mean squared difference between the outputs and the one-hot labels, over batch and classes; writes
/// δ = 2·(outputs − y)/(B·K).
///
/// **Shape** outputs, delta `[B, K]`, labels `[B]`. **Reference** `torch.nn.MSELoss()` on one-hot labels.
pub(crate) fn mean_squared(outputs: &[f32], labels: &[u32], delta: &mut [f32]) -> f64 {
    let classes = (outputs.len() / labels.len().max(1)).max(1);
    let count = outputs.len().max(1) as f64;
    let mut total = 0.0;
    let rows = outputs
        .chunks_exact(classes)
        .zip(delta.chunks_exact_mut(classes));
    for ((outputs, delta), label) in rows.zip(labels) {
        for (k, (delta, output)) in delta.iter_mut().zip(outputs).enumerate() {
            let target = if k == *label as usize { 1.0 } else { 0.0 };
            let difference = f64::from(*output) - target;
            total += difference * difference;
            *delta = (2.0 * difference / count) as f32;
        }
    }
    total / count
}

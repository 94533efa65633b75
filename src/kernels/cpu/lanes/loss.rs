//! Losses in lanes with their gradients, one block at a time.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts are far below 2²⁴; sums are kept in f64 and rounded once"
)]

use super::LANES;
use crate::kernels::cpu::isa::{Isa, mul_add, per_isa};
use crate::kernels::cpu::math;
use crate::kernels::targets::Part;

/// What a block's images contribute to the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Share {
    /// Sum of the images' losses.
    pub loss: f64,
    /// Images whose largest output is their label's.
    pub correct: usize,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LossKind {
    /// Cross-entropy of softmax, with this much label smoothing.
    CrossEntropy(f64),
    /// Mean squared distance to the one-hot label.
    Mse,
}

/// A block's loss, and its gradient into `gradient`, which becomes 0 in lanes without an image.
///
/// **Shape** logits, gradient `[classes, 32]`; a label for each of the block's images, by which predictions are
/// counted, and their targets where the loss, always cross-entropy then, goes by those. `batch` counts the images of
/// the whole batch, over which the loss is a mean.
pub(crate) fn loss(
    isa: Isa,
    criterion: LossKind,
    batch: usize,
    labels: &[u32],
    targets: Option<Part<'_>>,
    logits: &[f32],
    gradient: &mut [f32],
) -> Share {
    let classes = logits.len() / LANES;
    let loss = match (targets, criterion) {
        (Some(targets), _) => soft_cross_entropy(isa, batch, targets, logits, gradient),
        (None, LossKind::CrossEntropy(smoothing)) => {
            cross_entropy(isa, smoothing, batch, labels, logits, gradient)
        }
        (None, LossKind::Mse) => mse(batch, labels, logits, gradient),
    };
    if labels.len() < LANES {
        for lanes in gradient.chunks_exact_mut(LANES) {
            lanes[labels.len()..].fill(0.0);
        }
    }
    let correct = labels.iter().enumerate().filter(|(lane, label)| {
        let at = |k: usize| logits[k * LANES + lane];
        let best = (1..classes).fold(0, |best, k| if at(k) > at(best) { k } else { best });
        best == **label as usize
    });
    Share {
        loss,
        correct: correct.count(),
    }
}

fn cross_entropy(
    isa: Isa,
    smoothing: f64,
    batch: usize,
    labels: &[u32],
    logits: &[f32],
    gradient: &mut [f32],
) -> f64 {
    let classes = logits.len() / LANES;
    let (mut most, mut sum) = ([0.0; LANES], [0.0; LANES]);
    soft_max(isa, logits, gradient, &mut most, &mut sum);
    let spread = smoothing / classes as f64;
    let mut total = 0.0;
    for (lane, label) in labels.iter().enumerate() {
        let log_sum = f64::from(most[lane]) + f64::from(sum[lane]).ln();
        let at = |k: usize| f64::from(logits[k * LANES + lane]);
        // A probability of exactly zero costs nothing where nothing is asked of it.
        total += (1.0 - smoothing) * (log_sum - at(*label as usize));
        if spread > 0.0 {
            total += (0..classes)
                .map(|k| spread * (log_sum - at(k)))
                .sum::<f64>();
        }
    }
    let share = 1.0 / batch as f64;
    scale_rows(isa, share as f32, (spread * share) as f32, gradient);
    for (lane, label) in labels.iter().enumerate() {
        gradient[*label as usize * LANES + lane] -= ((1.0 - smoothing) * share) as f32;
    }
    total
}

/// The loss is the sum of the images' own times their factors.
fn soft_cross_entropy(
    isa: Isa,
    batch: usize,
    targets: Part<'_>,
    logits: &[f32],
    gradient: &mut [f32],
) -> f64 {
    let classes = logits.len() / LANES;
    let (mut most, mut sum) = ([0.0; LANES], [0.0; LANES]);
    soft_max(isa, logits, gradient, &mut most, &mut sum);
    let mut total = 0.0;
    let rows = targets.rows.chunks_exact(classes).zip(targets.factors);
    for (lane, (row, factor)) in rows.enumerate() {
        let log_sum = f64::from(most[lane]) + f64::from(sum[lane]).ln();
        let asked: f64 = row.iter().map(|t| f64::from(*t)).sum();
        let share = f64::from(*factor) / batch as f64;
        let mut lost = 0.0;
        for (k, target) in row.iter().enumerate() {
            let (at, target) = (k * LANES + lane, f64::from(*target));
            // A probability of exactly zero costs nothing where nothing is asked of it.
            if target > 0.0 {
                lost += target * (log_sum - f64::from(logits[at]));
            }
            gradient[at] = (share * (f64::from(gradient[at]) * asked - target)) as f32;
        }
        total += f64::from(*factor) * lost;
    }
    total
}

per_isa! {
    /// Probabilities, with each lane's largest logit and the sum of its powers.
    fn soft_max<FMA>(logits: &[f32], out: &mut [f32], most: &mut [f32; LANES], sum: &mut [f32; LANES]) {
        most.fill(f32::NEG_INFINITY);
        for row in logits.chunks_exact(LANES) {
            for (most, x) in most.iter_mut().zip(row) {
                *most = if *x > *most || x.is_nan() { *x } else { *most };
            }
        }
        sum.fill(0.0);
        for (row, out) in logits.chunks_exact(LANES).zip(out.chunks_exact_mut(LANES)) {
            for (((out, x), most), sum) in out.iter_mut().zip(row).zip(&*most).zip(&mut *sum) {
                *out = math::exp::<FMA>(*x - *most);
                *sum += *out;
            }
        }
        let mut inverse = [0.0f32; LANES];
        for (inverse, sum) in inverse.iter_mut().zip(&*sum) {
            *inverse = 1.0 / *sum;
        }
        for out in out.chunks_exact_mut(LANES) {
            for (out, inverse) in out.iter_mut().zip(&inverse) {
                *out *= *inverse;
            }
        }
    }
}

per_isa! {
    fn scale_rows<FMA>(factor: f32, less: f32, out: &mut [f32]) {
        for out in out {
            *out = mul_add::<FMA>(*out, factor, -less);
        }
    }
}

fn mse(batch: usize, labels: &[u32], outputs: &[f32], gradient: &mut [f32]) -> f64 {
    let classes = outputs.len() / LANES;
    let count = (batch * classes) as f64;
    let mut total = 0.0;
    for (lane, label) in labels.iter().enumerate() {
        for k in 0..classes {
            let at = k * LANES + lane;
            let one = if k == *label as usize { 1.0 } else { 0.0 };
            let difference = f64::from(outputs[at]) - one;
            total += difference * difference;
            gradient[at] = (2.0 * difference / count) as f32;
        }
    }
    total / classes as f64
}

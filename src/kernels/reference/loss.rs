//! Losses and their gradients, image by image. Both are means over the batch, as PyTorch's default is.

#![expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]

use super::Real;
use crate::kernels::targets::Part;

/// Cross-entropy of softmax(logits) with label smoothing. **Reference**: PyTorch's `cross_entropy`.
///
/// **Shape**: logits, dlogits `[batch, classes]`, labels `[batch]`.
pub fn cross_entropy<T: Real>(
    batch: usize,
    classes: usize,
    logits: &[T],
    labels: &[u32],
    smoothing: f64,
    dlogits: &mut [T],
) -> f64 {
    let mut loss = 0.0;
    for b in 0..batch {
        let row = &logits[b * classes..][..classes];
        let most = row.iter().map(|v| v.get()).fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|v| (v.get() - most).exp()).sum();
        for (k, value) in row.iter().enumerate() {
            let log_p = value.get() - most - sum.ln();
            let target = smoothing / classes as f64
                + if labels[b] as usize == k {
                    1.0 - smoothing
                } else {
                    0.0
                };
            loss -= target * log_p;
            dlogits[b * classes + k] = T::of((log_p.exp() - target) / batch as f64);
        }
    }
    loss / batch as f64
}

/// Cross-entropy of softmax(logits) with targets `[batch, classes]`, each row times its factor `[batch]`.
/// **Reference**: PyTorch's `cross_entropy` with class probabilities.
pub fn soft_cross_entropy<T: Real>(
    batch: usize,
    classes: usize,
    logits: &[T],
    targets: Part<'_>,
    dlogits: &mut [T],
) -> f64 {
    let mut loss = 0.0;
    for b in 0..batch {
        let row = &logits[b * classes..][..classes];
        let wanted = &targets.rows[b * classes..][..classes];
        let factor = f64::from(targets.factors[b]) / batch as f64;
        let most = row.iter().map(|v| v.get()).fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|v| (v.get() - most).exp()).sum();
        let asked: f64 = wanted.iter().map(|t| f64::from(*t)).sum();
        for (k, value) in row.iter().enumerate() {
            let (log_p, target) = (value.get() - most - sum.ln(), f64::from(wanted[k]));
            loss -= factor * target * log_p;
            dlogits[b * classes + k] = T::of(factor * (log_p.exp() * asked - target));
        }
    }
    loss
}

/// Mean squared distance to the one-hot labels. **Reference**: PyTorch's `mse_loss`, mean over batch and classes.
pub fn mse_one_hot<T: Real>(
    batch: usize,
    classes: usize,
    outputs: &[T],
    labels: &[u32],
    doutputs: &mut [T],
) -> f64 {
    let count = (batch * classes) as f64;
    let mut loss = 0.0;
    for (i, value) in outputs.iter().enumerate() {
        let hit = labels[i / classes] as usize == i % classes;
        let difference = value.get() - f64::from(u8::from(hit));
        loss += difference * difference;
        doutputs[i] = T::of(2.0 * difference / count);
    }
    loss / count
}

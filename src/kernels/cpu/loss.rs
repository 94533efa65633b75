//! Losses with their gradients in one pass; both are means over the batch.
//!
//! Computed in f64: logits are few, and what differs between two losses late in training is small.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of pictures and classes are far below 2⁵²"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "gradients are rounded to f32 once"
)]

use super::pieces;
use rayon::prelude::*;

/// Mean cross-entropy of softmax(logits), with label smoothing; writes the loss's gradient into `dlogits`.
///
/// **Shape**: logits, dlogits `[batch, classes]`, labels `[batch]`. **Reference**: PyTorch's `cross_entropy`.
///
/// # Panics
/// When a slice's length is not what the shape says or a label is not below `classes`.
pub fn cross_entropy(
    batch: usize,
    classes: usize,
    logits: &[f32],
    labels: &[u32],
    smoothing: f64,
    dlogits: &mut [f32],
) -> f64 {
    check(batch, classes, logits, labels, dlogits);
    let (count, share) = (batch as f64, smoothing / classes as f64);
    let total = sum_rows(
        classes,
        logits,
        labels,
        dlogits,
        |logits, label, gradient| {
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let above = |value: f32| f64::from(value) - f64::from(most);
            let sum: f64 = logits.iter().map(|v| above(*v).exp()).sum();
            let log_sum = sum.ln();
            let mut loss = 0.0;
            for (k, (value, slot)) in logits.iter().zip(gradient).enumerate() {
                let log_p = above(*value) - log_sum;
                let target = if k == label {
                    1.0 - smoothing + share
                } else {
                    share
                };
                // A probability of exactly zero costs nothing where nothing is asked of it.
                if target > 0.0 {
                    loss -= target * log_p;
                }
                *slot = ((log_p.exp() - target) / count) as f32;
            }
            loss
        },
    );
    total / count
}

/// Mean squared distance of the outputs to the one-hot labels, over batch and classes; writes its gradient.
///
/// **Shape**: outputs, doutputs `[batch, classes]`, labels `[batch]`. **Reference**: PyTorch's `mse_loss`.
///
/// # Panics
/// When a slice's length is not what the shape says or a label is not below `classes`.
pub fn mse_one_hot(
    batch: usize,
    classes: usize,
    outputs: &[f32],
    labels: &[u32],
    doutputs: &mut [f32],
) -> f64 {
    check(batch, classes, outputs, labels, doutputs);
    let count = (batch * classes) as f64;
    let total = sum_rows(
        classes,
        outputs,
        labels,
        doutputs,
        |outputs, label, gradient| {
            let mut loss = 0.0;
            for (k, (value, slot)) in outputs.iter().zip(gradient).enumerate() {
                let difference = f64::from(*value) - if k == label { 1.0 } else { 0.0 };
                loss += difference * difference;
                *slot = (2.0 * difference / count) as f32;
            }
            loss
        },
    );
    total / count
}

/// Σ of `row(values, label, gradient)` over the batch, in its order.
fn sum_rows(
    classes: usize,
    values: &[f32],
    labels: &[u32],
    gradients: &mut [f32],
    row: impl Fn(&[f32], usize, &mut [f32]) -> f64 + Sync,
) -> f64 {
    // exp in f64 costs some hundred times what a piece's usual arithmetic does.
    let rows = (pieces::items(classes) / 16).max(1);
    let losses: Vec<f64> = values
        .par_chunks(rows * classes)
        .zip(labels.par_chunks(rows))
        .zip(gradients.par_chunks_mut(rows * classes))
        .flat_map_iter(|((values, labels), gradients)| {
            let each = values.chunks(classes).zip(gradients.chunks_mut(classes));
            let losses: Vec<f64> = each
                .zip(labels)
                .map(|((values, gradients), label)| row(values, *label as usize, gradients))
                .collect();
            losses
        })
        .collect();
    losses.iter().sum()
}

fn check(batch: usize, classes: usize, logits: &[f32], labels: &[u32], dlogits: &[f32]) {
    assert!(batch > 0 && classes > 0);
    assert!(logits.len() == batch * classes && dlogits.len() == logits.len());
    assert_eq!(labels.len(), batch);
    assert!(labels.iter().all(|l| (*l as usize) < classes));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, numbers};
    use super::*;
    use crate::kernels::reference;

    #[test]
    fn both_agree_with_the_reference() {
        for (batch, classes) in [(1, 1), (1, 10), (7, 3), (300, 10)] {
            let logits: Vec<f32> = numbers(batch * classes, 1)
                .iter()
                .map(|v| v * 20.0)
                .collect();
            let labels: Vec<u32> = (0..batch).map(|b| (b * 7 % classes) as u32).collect();
            let (mut fast, mut exact) = (vec![9.0; logits.len()], vec![0.0; logits.len()]);
            for smoothing in [0.0, 0.1] {
                let a = cross_entropy(batch, classes, &logits, &labels, smoothing, &mut fast);
                let b = reference::loss::cross_entropy(
                    batch, classes, &logits, &labels, smoothing, &mut exact,
                );
                assert!((a - b).abs() < 1e-12 * b.abs().max(1.0));
                assert_close(&fast, &exact, 1e-7, "cross-entropy");
            }
            let a = mse_one_hot(batch, classes, &logits, &labels, &mut fast);
            let b = reference::loss::mse_one_hot(batch, classes, &logits, &labels, &mut exact);
            assert!((a - b).abs() < 1e-12 * b);
            assert_close(&fast, &exact, 1e-7, "mse");
        }
    }

    /// ```python
    /// import torch, torch.nn.functional as F
    /// x = torch.tensor([[1., -2., 0.5], [0., 3., -1.]], dtype=torch.float64, requires_grad=True)
    /// F.cross_entropy(x, torch.tensor([2, 1]), label_smoothing=0.1).backward()
    /// ```
    #[test]
    fn cross_entropy_is_pytorchs() {
        let mut gradient = [0.0; 6];
        let loss = cross_entropy(
            2,
            3,
            &[1.0, -2.0, 0.5, 0.0, 3.0, -1.0],
            &[2, 1],
            0.1,
            &mut gradient,
        );
        assert!((loss - 0.685240403050).abs() < 1e-9, "{loss}");
        assert_close(
            &gradient,
            &[
                0.2852078, -0.0016372, -0.2835706, 0.0066396, 0.0014531, -0.0080928,
            ],
            1e-6,
            "gradient",
        );
    }

    #[test]
    fn threads_do_not_matter() {
        let logits = numbers(5000 * 10, 1);
        let labels: Vec<u32> = (0..5000).map(|b| b % 10).collect();
        assert_thread_invariant(|| {
            let mut gradient = vec![0.0; logits.len()];
            let loss = cross_entropy(5000, 10, &logits, &labels, 0.1, &mut gradient);
            gradient.push(loss as f32);
            gradient
        });
    }

    #[test]
    fn a_confident_wrong_answer_has_a_finite_loss() {
        let mut gradient = [0.0; 2];
        let loss = cross_entropy(1, 2, &[1000.0, -1000.0], &[1], 0.0, &mut gradient);
        assert!((loss - 2000.0).abs() < 1e-9);
        assert_close(&gradient, &[1.0, -1.0], 1e-7, "gradient");
    }
}

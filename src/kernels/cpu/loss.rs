//! Losses with their gradients in one pass; both are means over the batch.
//!
//! Computed in f64: logits are few, and what differs between two losses late in training is small.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of images and classes are far below 2⁵²"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "gradients are rounded to f32 once"
)]

use super::pieces;
use crate::kernels::targets::Part;
use rayon::prelude::*;

/// Mean cross-entropy of softmax(logits), with label smoothing; writes the loss's gradient into `dlogits`.
///
/// **Shape**: logits, dlogits `[batch, classes]`, labels `[batch]`. **Reference**: PyTorch's `cross_entropy`.
///
/// # Panics
/// When a slice's length is not what the shape says or a label is not below `classes`.
pub(crate) fn cross_entropy(
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
            let (most, log_sum) = log_sum(logits);
            let mut loss = 0.0;
            for (k, (value, slot)) in logits.iter().zip(gradient).enumerate() {
                let log_p = f64::from(*value) - most - log_sum;
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

/// Mean cross-entropy of softmax(logits) with targets, each row times its factor; writes the loss's gradient into
/// `dlogits`.
///
/// **Shape**: logits, dlogits `[batch, classes]`; targets as `kernels::targets` gives them. **Reference**: PyTorch's
/// `cross_entropy` with class probabilities.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn soft_cross_entropy(
    batch: usize,
    classes: usize,
    logits: &[f32],
    targets: Part<'_>,
    dlogits: &mut [f32],
) -> f64 {
    assert!(targets.rows.len() == logits.len() && targets.factors.len() == batch);
    // A row is known by its number, which takes a label's place.
    let numbers: Vec<u32> = (0..).take(batch).collect();
    check_lengths(batch, classes, logits, dlogits);
    let count = batch as f64;
    let total = sum_rows(
        classes,
        logits,
        &numbers,
        dlogits,
        |logits, row, gradient| {
            let targets_of = &targets.rows[row * classes..][..classes];
            let factor = f64::from(targets.factors[row]);
            let asked: f64 = targets_of.iter().map(|t| f64::from(*t)).sum();
            let (most, log_sum) = log_sum(logits);
            let mut loss = 0.0;
            let each = logits.iter().zip(targets_of).zip(gradient);
            for ((value, target), slot) in each {
                let (log_p, target) = (f64::from(*value) - most - log_sum, f64::from(*target));
                // A probability of exactly zero costs nothing where nothing is asked of it.
                if target > 0.0 {
                    loss -= target * log_p;
                }
                *slot = (factor * (log_p.exp() * asked - target) / count) as f32;
            }
            factor * loss
        },
    );
    total / count
}

/// The largest logit, and the logarithm of the sum of the powers of those above it.
fn log_sum(logits: &[f32]) -> (f64, f64) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let most = f64::from(most);
    let sum: f64 = logits.iter().map(|v| (f64::from(*v) - most).exp()).sum();
    (most, sum.ln())
}

/// Mean squared distance of the outputs to the one-hot labels, over batch and classes; writes its gradient.
///
/// **Shape**: outputs, doutputs `[batch, classes]`, labels `[batch]`. **Reference**: PyTorch's `mse_loss`.
///
/// # Panics
/// When a slice's length is not what the shape says or a label is not below `classes`.
pub(crate) fn mse_one_hot(
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
    check_lengths(batch, classes, logits, dlogits);
    assert_eq!(labels.len(), batch);
    assert!(labels.iter().all(|l| (*l as usize) < classes));
}

fn check_lengths(batch: usize, classes: usize, logits: &[f32], dlogits: &[f32]) {
    assert!(batch > 0 && classes > 0);
    assert!(logits.len() == batch * classes && dlogits.len() == logits.len());
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, numbers, targets};
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::targets::Targets;
    use crate::rng::{Purpose, Stream};

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
    fn soft_targets_and_weights_agree_with_the_reference() {
        let draw = Stream::new(19, Purpose::Shuffle, 0);
        for case in 0..60 {
            let of = |place: u64, below: u32| draw.word(4 * case + place) % below;
            let (batch, classes) = (1 + of(0, 40) as usize, 1 + of(1, 12) as usize);
            let smoothing = [0.0, 0.1, 0.4][of(2, 3) as usize];
            let scale = [1.0, 20.0, 300.0][of(3, 3) as usize];
            let logits: Vec<f32> = numbers(batch * classes, case)
                .iter()
                .map(|v| v * scale)
                .collect();
            let targets = targets(batch, classes, case, smoothing);
            let (mut fast, mut exact) = (vec![9.0; logits.len()], vec![0.0; logits.len()]);
            let a = soft_cross_entropy(batch, classes, &logits, targets.all(), &mut fast);
            let wide: Vec<f64> = logits.iter().map(|v| f64::from(*v)).collect();
            let b = reference::loss::soft_cross_entropy(
                batch,
                classes,
                &wide,
                targets.all(),
                &mut exact,
            );
            assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{case}: {a} {b}");
            let exact: Vec<f32> = exact.iter().map(|v| *v as f32).collect();
            assert_close(&fast, &exact, 1e-6, "soft cross-entropy");
        }
    }

    #[test]
    fn one_hot_targets_are_labels() {
        for (batch, classes, smoothing) in [(1, 1, 0.0), (7, 3, 0.1), (300, 10, 0.0)] {
            let logits = numbers(batch * classes, 1);
            let labels: Vec<u32> = (0..batch).map(|b| (b * 7 % classes) as u32).collect();
            let mut hard = vec![0.0; logits.len()];
            let expected = cross_entropy(batch, classes, &logits, &labels, smoothing, &mut hard);
            for weights in [None, Some(vec![0.25; batch])] {
                let targets =
                    Targets::new(classes, &labels, None, weights.as_deref(), smoothing).unwrap();
                let mut soft = vec![0.0; logits.len()];
                let loss = soft_cross_entropy(batch, classes, &logits, targets.all(), &mut soft);
                assert!((loss - expected).abs() < 1e-7 * expected.abs().max(1.0));
                assert_close(&soft, &hard, 1e-6, "one-hot targets");
            }
        }
    }

    /// ```python
    /// import torch, torch.nn.functional as F
    /// x = torch.tensor([[1., -2., .5], [0., 3., -1.], [2., 2., -1.]], dtype=torch.float64, requires_grad=True)
    /// t = torch.tensor([[.25, .25, .5], [0., 1., 0.], [.5, .125, .375]], dtype=torch.float64)
    /// w = torch.tensor([1., 2., .5], dtype=torch.float64)
    /// F.cross_entropy(x, t, label_smoothing=0.1).backward()
    /// ((w * F.cross_entropy(x, t, label_smoothing=0.1, reduction='none')).sum() / w.sum()).backward()
    /// F.cross_entropy(x, torch.tensor([2, 1, 0]), weight=w).backward()  # of classes; images have 0.5, 2, 1
    /// ```
    #[test]
    fn soft_targets_and_weights_are_pytorchs() {
        let logits = [1.0, -2.0, 0.5, 0.0, 3.0, -1.0, 2.0, 2.0, -1.0];
        let soft = [0.25, 0.25, 0.5, 0.0, 1.0, 0.0, 0.5, 0.125, 0.375];
        let labels = [2, 1, 0];
        let of =
            |soft, weights, smoothing| Targets::new(3, &labels, soft, weights, smoothing).unwrap();
        for (targets, loss, gradient) in [
            (
                of(Some(&soft), None, 0.1),
                1.2169055749221385,
                [
                    0.11513852,
                    -0.07609148,
                    -0.03904704,
                    0.00442643,
                    0.00096874,
                    -0.00539517,
                    0.00150741,
                    0.11400741,
                    -0.11551481,
                ],
            ),
            (
                of(Some(&soft), Some(&[1.0, 2.0, 0.5][..]), 0.1),
                0.8670902864353789,
                [
                    0.09869016,
                    -0.06522127,
                    -0.03346889,
                    0.00758817,
                    0.0016607,
                    -0.00924886,
                    0.00064603,
                    0.04886032,
                    -0.04950635,
                ],
            ),
            (
                of(None, Some(&[0.5, 2.0, 1.0][..]), 0.0),
                0.38622919352934354,
                [
                    0.08624984,
                    0.00429413,
                    -0.09054397,
                    0.02663578,
                    -0.03643454,
                    0.00979876,
                    -0.14632699,
                    0.1393873,
                    0.00693969,
                ],
            ),
        ] {
            let mut found = [0.0; 9];
            let value = soft_cross_entropy(3, 3, &logits, targets.all(), &mut found);
            assert!((value - loss).abs() < 1e-7, "{value} {loss}");
            assert_close(&found, &gradient, 1e-6, "gradient");
        }
    }

    /// Weights of 0 leave no loss and no gradient, but do not hide an output that is no number; what is asked with a
    /// share of 0 costs nothing, however unlikely.
    #[test]
    fn no_weight_no_share_and_no_number() {
        let soft = [1.0, 0.0, 0.5, 0.5];
        let of = |weights: &[f32], logits: &[f32]| {
            let targets = Targets::new(2, &[0, 0], Some(&soft), Some(weights), 0.0).unwrap();
            let mut gradient = [9.0; 4];
            let loss = soft_cross_entropy(2, 2, logits, targets.all(), &mut gradient);
            (loss, gradient)
        };
        let (loss, gradient) = of(&[0.0; 2], &[1.0, 2.0, 3.0, -4.0]);
        assert_eq!((loss, gradient.map(f32::abs)), (0.0, [0.0; 4]));
        let (loss, gradient) = of(&[1.0, 0.0], &[3.0, f32::NEG_INFINITY, 1.0, 1.0]);
        assert_eq!((loss, gradient.map(f32::abs)), (0.0, [0.0; 4]));
        for wrong in [f32::NAN, f32::INFINITY] {
            assert!(of(&[1.0, 1.0], &[wrong, 0.0, 1.0, 1.0]).0.is_nan());
            assert!(of(&[0.0, 1.0], &[wrong, 0.0, 1.0, 1.0]).0.is_nan());
        }
        let (loss, _) = of(&[1.0, 1.0], &[0.0, 0.0, 0.0, f32::NEG_INFINITY]);
        assert_eq!(loss, f64::INFINITY);
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
        let targets = targets(5000, 10, 1, 0.1);
        assert_thread_invariant(|| {
            let mut gradient = vec![0.0; logits.len()];
            let loss = soft_cross_entropy(5000, 10, &logits, targets.all(), &mut gradient);
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

//! Losses with their gradients in one pass; both are means over the batch.

use crate::kernels::reference;

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
    reference::loss::cross_entropy(batch, classes, logits, labels, smoothing, dlogits)
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
    reference::loss::mse_one_hot(batch, classes, outputs, labels, doutputs)
}

fn check(batch: usize, classes: usize, logits: &[f32], labels: &[u32], dlogits: &[f32]) {
    assert!(batch > 0 && classes > 0);
    assert!(logits.len() == batch * classes && dlogits.len() == logits.len());
    assert_eq!(labels.len(), batch);
    assert!(labels.iter().all(|l| (*l as usize) < classes));
}

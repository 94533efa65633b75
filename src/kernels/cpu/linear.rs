//! Fully connected layers: three matrix products.

use crate::kernels::reference;

/// y = x·wᵀ + bias.
///
/// **Shape**: x `[batch, in_f]`, w `[out_f, in_f]`, bias `[out_f]`, y `[batch, out_f]`. **Reference**: PyTorch's `linear`.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub fn forward(
    batch: usize,
    in_f: usize,
    out_f: usize,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    check(batch, in_f, out_f, x, w, y);
    assert!(bias.is_none_or(|b| b.len() == out_f));
    reference::linear::forward(batch, in_f, out_f, x, w, bias, y);
}

/// dx = dy·w.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub fn backward_input(
    batch: usize,
    in_f: usize,
    out_f: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    check(batch, in_f, out_f, dx, w, dy);
    reference::linear::backward_input(batch, in_f, out_f, dy, w, dx);
}

/// dw = dyᵀ·x and db = Σ dy over the batch.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub fn backward_weights(
    batch: usize,
    in_f: usize,
    out_f: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: Option<&mut [f32]>,
) {
    check(batch, in_f, out_f, x, dw, dy);
    assert!(db.as_ref().is_none_or(|db| db.len() == out_f));
    reference::linear::backward_weights(batch, in_f, out_f, x, dy, dw, db);
}

fn check(batch: usize, in_f: usize, out_f: usize, x: &[f32], w: &[f32], y: &[f32]) {
    assert_eq!(x.len(), batch * in_f);
    assert_eq!(w.len(), out_f * in_f);
    assert_eq!(y.len(), batch * out_f);
}

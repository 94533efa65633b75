//! Convolution and its two gradients.

pub use crate::kernels::shape::ConvShape;

use crate::kernels::reference;

/// y = x ∗ w + bias.
///
/// **Shape**: see [`ConvShape`]; bias `[out_channels]`. **Reference**: PyTorch's `conv2d`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn forward(shape: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    check(shape, x, w, y);
    assert!(bias.is_none_or(|b| b.len() == shape.out_channels));
    reference::conv::forward(shape, x, w, bias, y);
}

/// The gradient to the input, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn backward_input(shape: &ConvShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check(shape, dx, w, dy);
    reference::conv::backward_input(shape, dy, w, dx);
}

/// The gradients to weights and bias, overwriting `dw` and `db`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn backward_weights(
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: Option<&mut [f32]>,
) {
    check(shape, x, dw, dy);
    assert!(db.as_ref().is_none_or(|db| db.len() == shape.out_channels));
    reference::conv::backward_weights(shape, x, dy, dw, db);
}

fn check(shape: &ConvShape, x: &[f32], w: &[f32], y: &[f32]) {
    assert!(shape.stride > 0 && shape.kernel > 0);
    assert_eq!(x.len(), shape.input_len());
    assert_eq!(w.len(), shape.weights_len());
    assert_eq!(y.len(), shape.output_len());
}

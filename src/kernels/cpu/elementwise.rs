//! Activations, dropout and sums.

use crate::kernels::reference;
use crate::profile::Activation;
use crate::rng::Stream;

/// y = f(x).
///
/// # Panics
/// When the lengths differ.
pub fn forward(activation: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    reference::elementwise::forward(activation, x, y);
}

/// dx = dy · f′(x), with y = f(x) as [`forward`] wrote it; ReLU's slope at 0 is 0.
///
/// # Panics
/// When the lengths differ.
pub fn backward(activation: Activation, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(x.len() == y.len() && dy.len() == x.len() && dx.len() == x.len());
    reference::elementwise::backward(activation, x, dy, dx);
}

/// y = x/(1−p) where `stream.uniform(i) ≥ p`, else 0.
///
/// Linear in x: the gradient is the same call on dy.
///
/// # Panics
/// When the lengths differ or p is not in [0, 1).
pub fn dropout(x: &[f32], stream: &Stream, p: f64, y: &mut [f32]) {
    assert!(x.len() == y.len() && (0.0..1.0).contains(&p));
    reference::elementwise::dropout(x, stream, p, y);
}

/// y = a + b.
///
/// # Panics
/// When the lengths differ.
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    assert!(a.len() == y.len() && b.len() == y.len());
    reference::elementwise::add(a, b, y);
}

//! Max, average and global average pooling with exact gradients.

pub use crate::kernels::shape::PoolShape;

use crate::kernels::reference;

/// The maximum of every window and, in `argmax`, its index within the input plane.
///
/// Padding never wins; of equal values the first one does; NaN beats everything. **Reference**: PyTorch's `max_pool2d`.
///
/// # Panics
/// When a slice's length is not the shape's, or padding exceeds half the kernel.
pub fn max_forward(shape: &PoolShape, x: &[f32], y: &mut [f32], argmax: &mut [u32]) {
    check(shape, x, y);
    assert_eq!(argmax.len(), y.len());
    reference::pool::max_forward(shape, x, y, argmax);
}

/// Hands every output's gradient to the input that won, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's, or `argmax` points outside a plane.
pub fn max_backward(shape: &PoolShape, dy: &[f32], argmax: &[u32], dx: &mut [f32]) {
    check(shape, dx, dy);
    assert_eq!(argmax.len(), dy.len());
    reference::pool::max_backward(shape, dy, argmax, dx);
}

/// The mean of every window, padding counted as zeros. **Reference**: PyTorch's `avg_pool2d` with `count_include_pad`.
///
/// # Panics
/// When a slice's length is not the shape's, or padding exceeds half the kernel.
pub fn avg_forward(shape: &PoolShape, x: &[f32], y: &mut [f32]) {
    check(shape, x, y);
    reference::pool::avg_forward(shape, x, y);
}

/// Shares every output's gradient equally over its window, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn avg_backward(shape: &PoolShape, dy: &[f32], dx: &mut [f32]) {
    check(shape, dx, dy);
    reference::pool::avg_backward(shape, dy, dx);
}

/// The mean of every plane. **Shape**: x `[planes, area]`, y `[planes]`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn global_avg_forward(planes: usize, area: usize, x: &[f32], y: &mut [f32]) {
    assert!(area > 0 && x.len() == planes * area && y.len() == planes);
    reference::pool::global_avg_forward(area, x, y);
}

/// Shares every plane's gradient equally over it. **Shape**: dy `[planes]`, dx `[planes, area]`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn global_avg_backward(planes: usize, area: usize, dy: &[f32], dx: &mut [f32]) {
    assert!(area > 0 && dx.len() == planes * area && dy.len() == planes);
    reference::pool::global_avg_backward(area, dy, dx);
}

fn check(shape: &PoolShape, x: &[f32], y: &[f32]) {
    assert!(shape.stride > 0 && 2 * shape.padding <= shape.kernel);
    assert_eq!(x.len(), shape.planes * shape.area());
    assert_eq!(y.len(), shape.planes * shape.out_area());
}

//! Max and average pooling, window by window.

use super::Real;
use crate::kernels::shape::PoolShape;

/// The maximum of every window; padding never wins, of equal values the first does, NaN beats everything.
///
/// `argmax` receives the winner's index within its input plane. **Reference**: PyTorch's `max_pool2d`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an index within one plane fits u32"
)]
pub fn max_forward<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    for (index, (out, arg)) in y.iter_mut().zip(argmax).enumerate() {
        let base = plane(shape, index) * shape.area();
        let mut best = None;
        for at in window(shape, index) {
            let value = x[base + at].get();
            if best.is_none_or(|(_, most)| value > most || value.is_nan()) {
                best = Some((at, value));
            }
        }
        let (at, value) = best.unwrap_or((0, f64::NEG_INFINITY));
        *out = T::of(value);
        *arg = at as u32;
    }
}

/// Every output's gradient goes to the input that won.
pub fn max_backward<T: Real>(shape: &PoolShape, dy: &[T], argmax: &[u32], dx: &mut [T]) {
    let mut sums = vec![0.0; dx.len()];
    for (index, (gradient, arg)) in dy.iter().zip(argmax).enumerate() {
        sums[plane(shape, index) * shape.area() + *arg as usize] += gradient.get();
    }
    for (slot, sum) in dx.iter_mut().zip(sums) {
        *slot = T::of(sum);
    }
}

/// The mean of every window, padding counted as zeros. **Reference**: PyTorch's `avg_pool2d`, `count_include_pad`.
pub fn avg_forward<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T]) {
    for (index, out) in y.iter_mut().enumerate() {
        let base = plane(shape, index) * shape.area();
        let sum: f64 = window(shape, index).map(|at| x[base + at].get()).sum();
        *out = T::of(sum / cells(shape));
    }
}

/// Every input of a window gets an equal share of its gradient.
pub fn avg_backward<T: Real>(shape: &PoolShape, dy: &[T], dx: &mut [T]) {
    let mut sums = vec![0.0; dx.len()];
    for (index, gradient) in dy.iter().enumerate() {
        let base = plane(shape, index) * shape.area();
        for at in window(shape, index) {
            sums[base + at] += gradient.get() / cells(shape);
        }
    }
    for (slot, sum) in dx.iter_mut().zip(sums) {
        *slot = T::of(sum);
    }
}

/// The mean of every plane. **Shape**: x `[planes, area]`, y `[planes]`.
#[expect(clippy::cast_precision_loss, reason = "planes are far below 2⁵²")]
pub fn global_avg_forward<T: Real>(area: usize, x: &[T], y: &mut [T]) {
    for (out, plane) in y.iter_mut().zip(x.chunks(area)) {
        *out = T::of(plane.iter().map(|v| v.get()).sum::<f64>() / area as f64);
    }
}

/// Every input of a plane gets an equal share of its gradient.
#[expect(clippy::cast_precision_loss, reason = "planes are far below 2⁵²")]
pub fn global_avg_backward<T: Real>(area: usize, dy: &[T], dx: &mut [T]) {
    for (gradient, plane) in dy.iter().zip(dx.chunks_mut(area)) {
        plane.fill(T::of(gradient.get() / area as f64));
    }
}

fn plane(shape: &PoolShape, index: usize) -> usize {
    index / shape.out_area()
}

#[expect(clippy::cast_precision_loss, reason = "windows are far below 2⁵²")]
fn cells(shape: &PoolShape) -> f64 {
    (shape.kernel * shape.kernel) as f64
}

/// The indices within its plane that output number `index` looks at, row by row.
fn window(shape: &PoolShape, index: usize) -> impl Iterator<Item = usize> {
    let at = index % shape.out_area();
    let rows = shape.window(at / shape.out_width(), shape.height);
    let columns = shape.window(at % shape.out_width(), shape.width);
    let width = shape.width;
    rows.flat_map(move |r| columns.clone().map(move |c| r * width + c))
}

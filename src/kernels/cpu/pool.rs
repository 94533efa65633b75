//! Max, average and global average pooling with exact gradients, a plane at a time.

pub(crate) use crate::kernels::shape::PoolShape;

use super::isa::{isa, per_isa};
use super::{pieces, reduce};
use rayon::prelude::*;

/// The maximum of every window and, in `argmax`, its index within the input plane.
///
/// Padding never wins; of equal values the first one does; NaN beats everything. **Reference**: PyTorch's `max_pool2d`.
///
/// # Panics
/// When a slice's length is not the shape's, or padding exceeds half the kernel.
pub(crate) fn max_forward(shape: &PoolShape, x: &[f32], y: &mut [f32], argmax: &mut [u32]) {
    check(shape, x, y);
    assert_eq!(argmax.len(), y.len());
    if y.is_empty() {
        return;
    }
    let (isa, planes) = (isa(), pieces::items(shape.area()));
    let (inputs, outputs) = (shape.area(), shape.out_area());
    y.par_chunks_mut(planes * outputs)
        .zip(argmax.par_chunks_mut(planes * outputs))
        .zip(x.par_chunks(planes * inputs))
        .for_each(|((y, argmax), x)| {
            let each = y.chunks_mut(outputs).zip(argmax.chunks_mut(outputs));
            for ((y, argmax), x) in each.zip(x.chunks(inputs)) {
                if shape.kernel == 2 && shape.stride == 2 && shape.padding == 0 {
                    max_quads(isa, shape.width, shape.out_width(), x, y, argmax);
                } else {
                    max_plane(shape, x, y, argmax);
                }
            }
        });
}

/// Hands every output's gradient to the input that won, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's, or `argmax` points outside a plane.
pub(crate) fn max_backward(shape: &PoolShape, dy: &[f32], argmax: &[u32], dx: &mut [f32]) {
    check(shape, dx, dy);
    assert_eq!(argmax.len(), dy.len());
    by_plane(shape, dx, |planes, dx| {
        let outputs = planes.start * shape.out_area()..planes.end * shape.out_area();
        let (dy, argmax) = (&dy[outputs.clone()], &argmax[outputs]);
        dx.fill(0.0);
        for (plane, dx) in dx.chunks_mut(shape.area()).enumerate() {
            let part = plane * shape.out_area()..(plane + 1) * shape.out_area();
            for (gradient, at) in dy[part.clone()].iter().zip(&argmax[part]) {
                dx[*at as usize] += *gradient;
            }
        }
    });
}

/// The mean of every window, padding counted as zeros. **Reference**: PyTorch's `avg_pool2d` with `count_include_pad`.
///
/// # Panics
/// When a slice's length is not the shape's, or padding exceeds half the kernel.
pub(crate) fn avg_forward(shape: &PoolShape, x: &[f32], y: &mut [f32]) {
    check(shape, x, y);
    if y.is_empty() {
        return;
    }
    let (planes, share) = (pieces::items(shape.area()), share(shape));
    y.par_chunks_mut(planes * shape.out_area())
        .zip(x.par_chunks(planes * shape.area()))
        .for_each(|(y, x)| {
            let each = y.chunks_mut(shape.out_area()).zip(x.chunks(shape.area()));
            for (y, x) in each {
                for (at, out) in y.iter_mut().enumerate() {
                    let cells = rows_of_window(shape, at).flat_map(|row| &x[row]);
                    *out = cells.sum::<f32>() * share;
                }
            }
        });
}

/// Shares every output's gradient equally over its window, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub(crate) fn avg_backward(shape: &PoolShape, dy: &[f32], dx: &mut [f32]) {
    check(shape, dx, dy);
    let share = share(shape);
    by_plane(shape, dx, |planes, dx| {
        dx.fill(0.0);
        for (plane, dx) in planes.zip(dx.chunks_mut(shape.area())) {
            let dy = &dy[plane * shape.out_area()..][..shape.out_area()];
            for (at, gradient) in dy.iter().enumerate() {
                for row in rows_of_window(shape, at) {
                    for slot in &mut dx[row] {
                        *slot += *gradient * share;
                    }
                }
            }
        }
    });
}

/// The mean of every plane. **Shape**: x `[planes, area]`, y `[planes]`.
///
/// # Panics
/// When a slice's length is not the shape's.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "areas are far below 2⁵², and the mean is rounded once"
)]
pub(crate) fn global_avg_forward(planes: usize, area: usize, x: &[f32], y: &mut [f32]) {
    assert!(area > 0 && x.len() == planes * area && y.len() == planes);
    let isa = isa();
    y.par_iter_mut()
        .with_min_len(pieces::items(area))
        .zip(x.par_chunks(area))
        .for_each(|(out, plane)| *out = (reduce::sum(isa, plane) / area as f64) as f32);
}

/// Shares every plane's gradient equally over it. **Shape**: dy `[planes]`, dx `[planes, area]`.
///
/// # Panics
/// When a slice's length is not the shape's.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "areas are far below 2⁵², and the mean is rounded once"
)]
pub(crate) fn global_avg_backward(planes: usize, area: usize, dy: &[f32], dx: &mut [f32]) {
    assert!(area > 0 && dx.len() == planes * area && dy.len() == planes);
    let share = 1.0 / area as f64;
    dx.par_chunks_mut(area)
        .with_min_len(pieces::items(area))
        .zip(dy)
        .for_each(|(plane, gradient)| plane.fill((f64::from(*gradient) * share) as f32));
}

/// Calls `work(planes, their part of dx)` for some planes at a time.
fn by_plane(
    shape: &PoolShape,
    dx: &mut [f32],
    work: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) {
    if dx.is_empty() {
        return;
    }
    let planes = pieces::items(shape.area());
    dx.par_chunks_mut(planes * shape.area())
        .enumerate()
        .for_each(|(index, dx)| {
            let first = index * planes;
            work(first..first + dx.len() / shape.area(), dx);
        });
}

/// What one input contributes to a window's mean.
#[expect(clippy::cast_precision_loss, reason = "windows are far below 2²⁴")]
fn share(shape: &PoolShape) -> f32 {
    1.0 / (shape.kernel * shape.kernel) as f32
}

/// The input rows, as ranges within a plane, that output position `at` looks at.
fn rows_of_window(
    shape: &PoolShape,
    at: usize,
) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
    let columns = shape.window(at % shape.out_width(), shape.width);
    let width = shape.width;
    shape
        .window(at / shape.out_width(), shape.height)
        .map(move |row| row * width + columns.start..row * width + columns.end)
}

/// One plane, any window.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an index within one plane fits u32"
)]
fn max_plane(shape: &PoolShape, x: &[f32], y: &mut [f32], argmax: &mut [u32]) {
    for (at, (out, arg)) in y.iter_mut().zip(argmax).enumerate() {
        let (mut most, mut winner) = (f32::NEG_INFINITY, None);
        for row in rows_of_window(shape, at) {
            for (index, value) in row.clone().zip(&x[row]) {
                if *value > most || value.is_nan() || winner.is_none() {
                    (most, winner) = (*value, Some(index));
                }
            }
        }
        (*out, *arg) = (most, winner.unwrap_or(0) as u32);
    }
}

per_isa! {
    /// One plane, windows of 2 × 2 side by side.
    #[expect(clippy::cast_possible_truncation, reason = "an index within one plane fits u32")]
    fn max_quads<FMA>(width: usize, out_width: usize, x: &[f32], y: &mut [f32], argmax: &mut [u32]) {
        for (row, (y, argmax)) in y.chunks_mut(out_width).zip(argmax.chunks_mut(out_width)).enumerate() {
            let above = &x[2 * row * width..][..2 * out_width];
            let below = &x[(2 * row + 1) * width..][..2 * out_width];
            let first = 2 * row * width;
            for at in 0..out_width {
                let (mut most, mut winner) = (above[2 * at], 0);
                let rest = [(above[2 * at + 1], 1), (below[2 * at], width), (below[2 * at + 1], width + 1)];
                for (value, index) in rest {
                    let wins = value > most || value.is_nan();
                    most = if wins { value } else { most };
                    winner = if wins { index as u32 } else { winner };
                }
                y[at] = most;
                argmax[at] = (first + 2 * at) as u32 + winner;
            }
        }
    }
}

fn check(shape: &PoolShape, x: &[f32], y: &[f32]) {
    assert!(shape.stride > 0 && 2 * shape.padding <= shape.kernel);
    assert_eq!(x.len(), shape.planes * shape.area());
    assert_eq!(y.len(), shape.planes * shape.out_area());
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
    use super::*;
    use crate::kernels::reference;

    /// planes, height, width, kernel, stride, padding.
    const SHAPES: [[usize; 6]; 10] = [
        [1, 1, 1, 1, 1, 0],
        [3, 8, 8, 2, 2, 0],
        [5, 9, 7, 2, 2, 0],
        [2, 28, 29, 2, 2, 0],
        [4, 7, 7, 3, 2, 1],
        [3, 6, 5, 3, 1, 1],
        [2, 10, 11, 2, 3, 0],
        [2, 5, 5, 4, 4, 2],
        [300, 12, 12, 2, 2, 0],
        [2, 4, 4, 5, 1, 1],
    ];

    fn shape([planes, height, width, kernel, stride, padding]: [usize; 6]) -> PoolShape {
        PoolShape {
            planes,
            height,
            width,
            kernel,
            stride,
            padding,
        }
    }

    /// Few different values, so that most windows have ties.
    fn ties(count: usize) -> Vec<f32> {
        numbers(count, 5)
            .iter()
            .map(|v| (v * 2.0).round())
            .collect()
    }

    #[test]
    fn max_is_the_references_with_ties_and_without() {
        for s in SHAPES.map(shape) {
            let count = s.planes * s.area();
            let outputs = s.planes * s.out_area();
            let dy = numbers(outputs, 2);
            for x in [
                numbers(count, 1),
                ties(count),
                vec![f32::NEG_INFINITY; count],
            ] {
                let (mut y, mut arg) = (vec![0.0; outputs], vec![0; outputs]);
                let mut dx = vec![0.0; count];
                reference::pool::max_forward(&s, &x, &mut y, &mut arg);
                reference::pool::max_backward(&s, &dy, &arg, &mut dx);
                for_each_isa(|isa| {
                    let (mut fast, mut fast_arg) = (vec![9.0; outputs], vec![9; outputs]);
                    let mut fast_dx = vec![9.0; count];
                    max_forward(&s, &x, &mut fast, &mut fast_arg);
                    max_backward(&s, &dy, &fast_arg, &mut fast_dx);
                    assert_eq!((&fast, &fast_arg), (&y, &arg), "{s:?} with {isa:?}");
                    assert_close(&fast_dx, &dx, 1e-6, "gradient");
                });
            }
        }
    }

    #[test]
    fn not_a_number_wins() {
        for_each_isa(|_| {
            for place in 0..4 {
                let mut x = [1.0; 4];
                x[place] = f32::NAN;
                let (mut y, mut arg) = ([0.0], [9]);
                max_forward(&shape([1, 2, 2, 2, 2, 0]), &x, &mut y, &mut arg);
                assert!(y[0].is_nan() && arg[0] as usize == place);
            }
        });
    }

    #[test]
    fn averages_are_the_references() {
        for s in SHAPES.map(shape) {
            let (x, dy) = (
                numbers(s.planes * s.area(), 1),
                numbers(s.planes * s.out_area(), 2),
            );
            let (mut y, mut dx) = (dy.clone(), x.clone());
            let (mut fast_y, mut fast_dx) = (dy.clone(), x.clone());
            reference::pool::avg_forward(&s, &x, &mut y);
            reference::pool::avg_backward(&s, &dy, &mut dx);
            avg_forward(&s, &x, &mut fast_y);
            avg_backward(&s, &dy, &mut fast_dx);
            assert_close(&fast_y, &y, 1e-6, "average");
            assert_close(&fast_dx, &dx, 1e-6, "average's gradient");
            let (mut y, mut dx) = (vec![0.0; s.planes], x.clone());
            let (mut fast_y, mut fast_dx) = (vec![9.0; s.planes], vec![9.0; x.len()]);
            reference::pool::global_avg_forward(s.area(), &x, &mut y);
            reference::pool::global_avg_backward(s.area(), &x[..s.planes], &mut dx);
            global_avg_forward(s.planes, s.area(), &x, &mut fast_y);
            global_avg_backward(s.planes, s.area(), &x[..s.planes], &mut fast_dx);
            assert_close(&fast_y, &y, 1e-6, "global average");
            assert_close(&fast_dx, &dx, 1e-6, "global average's gradient");
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let s = shape([501, 11, 9, 3, 2, 1]);
        let x = numbers(s.planes * s.area(), 1);
        assert_thread_invariant(|| {
            let mut y = vec![0.0; s.planes * s.out_area()];
            let (mut arg, mut dx) = (vec![0; y.len()], vec![0.0; x.len()]);
            max_forward(&s, &x, &mut y, &mut arg);
            max_backward(&s, &y, &arg, &mut dx);
            avg_forward(&s, &dx, &mut y);
            avg_backward(&s, &y, &mut dx);
            dx
        });
    }
}

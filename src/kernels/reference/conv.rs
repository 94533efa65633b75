//! Convolution as its definition says: one sum per output.

use super::Real;
use crate::kernels::shape::ConvShape;

/// y\[b,o,i,j\] = bias\[o\] + Σ x\[b,c,i·s+u−p,j·s+v−p\] · w\[o,c,u,v\].
pub fn forward<T: Real>(shape: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let area = shape.out_area();
    for (index, out) in y.iter_mut().enumerate() {
        let channel = index / area % shape.out_channels;
        let mut sum = bias.map_or(0.0, |b| b[channel].get());
        for (xi, wi) in taps(shape, index) {
            sum += x[xi].get() * w[wi].get();
        }
        *out = T::of(sum);
    }
}

/// The loss's gradient to the input: every output hands its gradient back along its taps.
pub fn backward_input<T: Real>(shape: &ConvShape, dy: &[T], w: &[T], dx: &mut [T]) {
    let mut sums = vec![0.0; dx.len()];
    for (index, gradient) in dy.iter().enumerate() {
        for (xi, wi) in taps(shape, index) {
            sums[xi] += gradient.get() * w[wi].get();
        }
    }
    write(&sums, dx);
}

/// The loss's gradients to weights and bias.
pub fn backward_weights<T: Real>(
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    db: Option<&mut [T]>,
) {
    let mut sums = vec![0.0; dw.len()];
    let mut bias = vec![0.0; shape.out_channels];
    for (index, gradient) in dy.iter().enumerate() {
        bias[index / shape.out_area() % shape.out_channels] += gradient.get();
        for (xi, wi) in taps(shape, index) {
            sums[wi] += gradient.get() * x[xi].get();
        }
    }
    write(&sums, dw);
    if let Some(db) = db {
        write(&bias, db);
    }
}

/// The pairs (index into x, index into w) that meet in output number `index`, padding left out.
fn taps(shape: &ConvShape, index: usize) -> impl Iterator<Item = (usize, usize)> {
    let s = *shape;
    let (column, rest) = (index % s.out_width(), index / s.out_width());
    let (row, rest) = (rest % s.out_height(), rest / s.out_height());
    let (out, image) = (rest % s.out_channels, rest / s.out_channels);
    (0..s.taps()).filter_map(move |tap| {
        let (v, u) = (tap % s.kernel, tap / s.kernel % s.kernel);
        let channel = tap / (s.kernel * s.kernel);
        let y = (row * s.stride + u)
            .checked_sub(s.padding)
            .filter(|y| *y < s.height)?;
        let x = (column * s.stride + v)
            .checked_sub(s.padding)
            .filter(|x| *x < s.width)?;
        let plane = image * s.in_channels + channel;
        Some(((plane * s.height + y) * s.width + x, out * s.taps() + tap))
    })
}

fn write<T: Real>(sums: &[f64], out: &mut [T]) {
    for (slot, sum) in out.iter_mut().zip(sums) {
        *slot = T::of(*sum);
    }
}

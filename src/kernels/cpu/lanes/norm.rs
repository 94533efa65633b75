//! Batch normalisation in lanes: moments and gradient sums of one block, combined over the blocks in their order.
//!
//! **Reference**: Ioffe and Szegedy, 2015; Chan, Golub and LeVeque, "Updating formulae …", 1979, for the combination.

use std::ops::Range;

use super::{LANES, Row, put, rows, rows_mut};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::scratch;
use crate::kernels::cpu::simd::{Simd, per_vector};

/// Count, mean and sum of squared distances to it of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Moments {
    /// Of two sets together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares
                + other.squares
                + apart * apart * self.count * other.count / count,
        }
    }

    /// 1/√(biased variance + eps).
    #[must_use]
    pub(crate) fn inverse_deviation(&self, eps: f64) -> f64 {
        1.0 / (self.squares / self.count + eps).sqrt()
    }

    /// The variance that running statistics average.
    #[must_use]
    pub(crate) fn unbiased_variance(&self) -> f64 {
        self.squares / (self.count - 1.0).max(1.0)
    }
}

/// Pixels whose sums are kept in f32 before they are added up in f64.
const STRETCH: usize = 32;

/// Numbers that a channel's sums are started from: its first pixels tell about where its mean is.
const GUESS_PIXELS: usize = 16;

/// The moments of some channels of a block's first `images` lanes.
///
/// **Shape** x `[pixels, all channels, 32]`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts are far below 2²⁴; sums are kept in f64 and rounded once"
)]
pub(crate) fn moments(
    isa: Isa,
    channels: &Range<usize>,
    all: usize,
    images: usize,
    x: &[f32],
    out: &mut [Moments],
) {
    let width = channels.len() * LANES;
    let part = |pixel: &'_ [f32]| -> Range<usize> {
        debug_assert_eq!(pixel.len(), all * LANES);
        channels.start * LANES..channels.end * LANES
    };
    let total = |lanes: &[f32]| lanes[..images].iter().map(|v| f64::from(*v)).sum::<f64>();
    let pixels = x.len() / (all * LANES);
    scratch::with(3 * width, |sums| {
        sums.fill(0.0);
        let (guess, sums) = sums.split_at_mut(width);
        let (sum, square) = sums.split_at_mut(width);
        let few = pixels.min(GUESS_PIXELS);
        for pixel in x.chunks_exact(all * LANES).take(few) {
            super::pointwise::accumulate(isa, &pixel[part(pixel)], guess);
        }
        for guess in guess.chunks_exact_mut(LANES) {
            let mean = (total(guess) / (few * images) as f64) as f32;
            guess.fill(mean);
        }
        out.fill(Moments::default());
        for stretch in x.chunks(STRETCH * all * LANES) {
            sum.fill(0.0);
            square.fill(0.0);
            for pixel in stretch.chunks_exact(all * LANES) {
                add_moments(isa, &pixel[part(pixel)], guess, sum, square);
            }
            let count = (stretch.len() / (all * LANES) * images) as f64;
            let each = guess.chunks_exact(LANES).zip(sum.chunks_exact(LANES));
            let each = out.iter_mut().zip(each.zip(square.chunks_exact(LANES)));
            for (out, ((guess, sum), square)) in each {
                let (sum, square) = (total(sum), total(square));
                let squares = (square - sum * sum / count).max(0.0);
                *out = out.and(Moments {
                    count,
                    mean: f64::from(guess[0]) + sum / count,
                    squares: if square.is_nan() { f64::NAN } else { squares },
                });
            }
        }
    });
}

per_vector! {
    fn add_moments<V>(x: &[f32], guess: &[f32], sum: &mut [f32], square: &mut [f32]) {
        let inputs = rows(x).iter().zip(rows(guess));
        for ((x, guess), (sum, square)) in inputs.zip(rows_mut(sum).iter_mut().zip(rows_mut(square))) {
            for v in 0..LANES / V::LANES {
                // SAFETY: inside the rows; the features are the caller's.
                unsafe {
                    let off = x.vector::<V>(v).sub(guess.vector(v));
                    put(sum, v, sum.vector::<V>(v).add(off));
                    put(square, v, off.mul_add(off, square.vector(v)));
                }
            }
        }
    }
}

per_vector! {
    /// y = (x − mean)·scale + shift, then ReLU where asked. **Shape** x, y `[pixels, channels, 32]`.
    pub(crate) fn apply<V>(x: &[f32], affine: &[[f32; 3]], relu: bool, y: &mut [f32]) {
        let size = affine.len() * LANES;
        for (x, y) in x.chunks_exact(size).zip(y.chunks_exact_mut(size)) {
            for ((x, y), [mean, scale, shift]) in rows(x).iter().zip(rows_mut(y)).zip(affine) {
                // SAFETY: inside the rows; the features are the caller's.
                unsafe {
                    let (mean, scale, shift) = (V::splat(*mean), V::splat(*scale), V::splat(*shift));
                    for v in 0..LANES / V::LANES {
                        let value = x.vector::<V>(v).sub(mean).mul_add(scale, shift);
                        put(y, v, if relu { V::zero().max(value) } else { value });
                    }
                }
            }
        }
    }
}

/// Σ g and Σ g·(x − mean) of some channels over a block's first `images` lanes.
///
/// **Shape** x, g `[pixels, all channels, 32]`; means one a channel of all.
pub(crate) fn gradient_sums(
    isa: Isa,
    channels: &Range<usize>,
    all: usize,
    images: usize,
    (x, g): (&[f32], &[f32]),
    means: &[f32],
    out: &mut [[f64; 2]],
) {
    let width = channels.len() * LANES;
    let part = channels.start * LANES..channels.end * LANES;
    let total = |lanes: &[f32]| lanes[..images].iter().map(|v| f64::from(*v)).sum::<f64>();
    scratch::with(2 * width, |sums| {
        let (sum, dot) = sums.split_at_mut(width);
        let size = all * LANES;
        out.fill([0.0; 2]);
        for (x, g) in x.chunks(STRETCH * size).zip(g.chunks(STRETCH * size)) {
            sum.fill(0.0);
            dot.fill(0.0);
            for (x, g) in x.chunks_exact(size).zip(g.chunks_exact(size)) {
                let means = &means[channels.clone()];
                add_gradients(isa, &x[part.clone()], &g[part.clone()], means, sum, dot);
            }
            let each = sum.chunks_exact(LANES).zip(dot.chunks_exact(LANES));
            for (out, (sum, dot)) in out.iter_mut().zip(each) {
                *out = [out[0] + total(sum), out[1] + total(dot)];
            }
        }
    });
}

per_vector! {
    fn add_gradients<V>(x: &[f32], g: &[f32], means: &[f32], sum: &mut [f32], dot: &mut [f32]) {
        let inputs = rows(x).iter().zip(rows(g)).zip(means);
        let sums = rows_mut(sum).iter_mut().zip(rows_mut(dot));
        for (((x, g), mean), (sum, dot)) in inputs.zip(sums) {
            // SAFETY: inside the rows; the features are the caller's.
            unsafe {
                let mean = V::splat(*mean);
                for v in 0..LANES / V::LANES {
                    let g = g.vector::<V>(v);
                    put(sum, v, sum.vector::<V>(v).add(g));
                    put(dot, v, g.mul_add(x.vector::<V>(v).sub(mean), dot.vector(v)));
                }
            }
        }
    }
}

/// What a channel's input gradient is made with: dx = scale·(g − average) + slope·(x − mean).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Back {
    pub mean: f32,
    pub scale: f32,
    pub average: f32,
    pub slope: f32,
}

impl Back {
    /// dx of one vector.
    ///
    /// # Safety
    /// The processor has the instruction set.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "features are the caller's")]
    unsafe fn of<V: Simd>(&self, x: V, g: V) -> V {
        // SAFETY: the caller's.
        unsafe {
            let g = g.sub(V::splat(self.average));
            let off = x.sub(V::splat(self.mean));
            let sloped = off.mul_add(V::splat(self.slope), V::zero());
            V::splat(self.scale).mul_add(g, sloped)
        }
    }
}

per_vector! {
    /// The input's gradient in place of the output's. **Shape** x, g `[pixels, channels, 32]`.
    pub(crate) fn back_in_place<V>(x: &[f32], channels: &[Back], g: &mut [f32]) {
        let size = channels.len() * LANES;
        for (x, g) in x.chunks_exact(size).zip(g.chunks_exact_mut(size)) {
            for ((x, g), c) in rows(x).iter().zip(rows_mut(g)).zip(channels) {
                for v in 0..LANES / V::LANES {
                    // SAFETY: inside the rows; the features are the caller's.
                    unsafe { put(g, v, c.of::<V>(x.vector(v), g.vector(v))) };
                }
            }
        }
    }
}

per_vector! {
    /// The input's gradient. **Shape** x, g, dx `[pixels, channels, 32]`.
    pub(crate) fn back<V>(x: &[f32], channels: &[Back], g: &[f32], dx: &mut [f32]) {
        let size = channels.len() * LANES;
        for ((x, g), dx) in x.chunks_exact(size).zip(g.chunks_exact(size)).zip(dx.chunks_exact_mut(size)) {
            let inputs = rows(x).iter().zip(rows(g));
            for (((x, g), dx), c) in inputs.zip(rows_mut(dx)).zip(channels) {
                for v in 0..LANES / V::LANES {
                    // SAFETY: inside the rows; the features are the caller's.
                    unsafe { put(dx, v, c.of::<V>(x.vector(v), g.vector(v))) };
                }
            }
        }
    }
}

//! Pooling in lanes: whole pixels, all channels and images of them, are compared or added at once.
//!
//! The winner of a window is found again on the way back, as the first pixel that equals the maximum; nothing is kept.

#![expect(
    clippy::float_cmp,
    reason = "a maximum is one of the numbers it was taken of"
)]

use std::ops::Range;

use super::LANES;
use crate::kernels::cpu::isa::{Isa, per_isa};
use crate::kernels::cpu::scratch;

/// A pooling of a map; windows over padding count it as zeros in a mean and not at all in a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Pool {
    #[must_use]
    pub(crate) fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel_height) / self.stride + 1
    }

    #[must_use]
    pub(crate) fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel_width) / self.stride + 1
    }

    /// Numbers of a pixel.
    fn size(&self) -> usize {
        self.channels * LANES
    }

    /// Whether every input pixel is in at most one window, so that the gradient can be cut by output rows.
    fn is_tiling(&self) -> bool {
        self.padding == 0 && self.kernel_height <= self.stride && self.kernel_width <= self.stride
    }

    /// Parts that the output of a block can be cut into.
    #[must_use]
    pub(crate) fn forward_units(&self) -> usize {
        self.out_height()
    }

    /// Parts that the gradient of a block's input can be cut into.
    #[must_use]
    pub(crate) fn backward_units(&self) -> usize {
        if self.is_tiling() {
            self.out_height()
        } else {
            1
        }
    }

    /// The numbers of a block's output that some units write.
    #[must_use]
    pub(crate) fn forward_range(&self, units: &Range<usize>) -> Range<usize> {
        let row = self.out_width() * self.size();
        units.start * row..units.end * row
    }

    /// The numbers of a block's input gradient that some units write.
    #[must_use]
    pub(crate) fn backward_range(&self, units: &Range<usize>) -> Range<usize> {
        let row = self.width * self.size();
        if !self.is_tiling() {
            return 0..self.height * row;
        }
        let end = if units.end == self.out_height() {
            self.height
        } else {
            units.end * self.stride
        };
        units.start * self.stride * row..end * row
    }

    /// The input pixels of output position `at`, in the order of rows.
    fn window(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        let along = |o: usize, kernel: usize, size: usize| {
            let first = (o * self.stride).saturating_sub(self.padding);
            first
                ..(o * self.stride + kernel)
                    .saturating_sub(self.padding)
                    .min(size)
        };
        let columns = along(at % self.out_width(), self.kernel_width, self.width);
        let width = self.width;
        along(at / self.out_width(), self.kernel_height, self.height)
            .flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }

    fn outputs(&self, units: &Range<usize>) -> Range<usize> {
        units.start * self.out_width()..units.end * self.out_width()
    }

    /// Some units of the maxima.
    pub(crate) fn max(&self, isa: Isa, units: &Range<usize>, x: &[f32], y: &mut [f32]) {
        let size = self.size();
        for (y, at) in y.chunks_exact_mut(size).zip(self.outputs(units)) {
            let mut window = self.window(at).map(|pixel| &x[pixel * size..][..size]);
            if let Some(first) = window.next() {
                y.copy_from_slice(first);
            }
            for x in window {
                larger(isa, x, y);
            }
        }
    }

    /// Some units of the maxima's gradient, overwriting `dx`.
    ///
    /// **Shape** x, y, dy: whole blocks; dx: [`backward_range`](Self::backward_range).
    pub(crate) fn max_back(
        &self,
        isa: Isa,
        units: &Range<usize>,
        (x, y): (&[f32], &[f32]),
        dy: &[f32],
        dx: &mut [f32],
    ) {
        let size = self.size();
        let base = self.backward_range(units).start;
        let outputs = if self.is_tiling() {
            self.outputs(units)
        } else {
            0..self.out_height() * self.out_width()
        };
        if (
            self.kernel_height,
            self.kernel_width,
            self.stride,
            self.padding,
        ) == (2, 2, 2, 0)
        {
            return self.quads_back(isa, outputs, (x, y), dy, (base, dx));
        }
        dx.fill(0.0);
        scratch::with(size, |open| {
            for at in outputs {
                open.fill(1.0);
                let (y, dy) = (&y[at * size..][..size], &dy[at * size..][..size]);
                for pixel in self.window(at) {
                    let x = &x[pixel * size..][..size];
                    to_winner(isa, x, y, dy, open, &mut dx[pixel * size - base..][..size]);
                }
            }
        });
    }

    /// [`max_back`](Self::max_back) of windows of 2 × 2 side by side, in one pass.
    fn quads_back(
        &self,
        isa: Isa,
        outputs: Range<usize>,
        (x, y): (&[f32], &[f32]),
        dy: &[f32],
        (base, dx): (usize, &mut [f32]),
    ) {
        let (size, width) = (self.size(), self.out_width());
        let line = self.width * size;
        // What no window sees: a last column, a last row.
        for row in dx.chunks_exact_mut(line) {
            row[2 * width * size..].fill(0.0);
        }
        let seen = (outputs.end.div_ceil(width) * 2 * line).saturating_sub(base);
        let seen = seen.min(dx.len());
        dx[seen..].fill(0.0);
        for at in outputs {
            let (y, dy) = (&y[at * size..][..size], &dy[at * size..][..size]);
            let first = at / width * 2 * line + at % width * 2 * size;
            let (above, below) = (&x[first..][..2 * size], &x[first + line..][..2 * size]);
            let (up, down) = dx[first - base..].split_at_mut(line);
            quad_back(
                isa,
                [above, below],
                y,
                dy,
                &mut up[..2 * size],
                &mut down[..2 * size],
            );
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "windows are far below 2²⁴")]
    fn share(&self) -> f32 {
        1.0 / (self.kernel_height * self.kernel_width) as f32
    }

    /// Some units of the means.
    pub(crate) fn mean(&self, isa: Isa, units: &Range<usize>, x: &[f32], y: &mut [f32]) {
        let size = self.size();
        for (y, at) in y.chunks_exact_mut(size).zip(self.outputs(units)) {
            y.fill(0.0);
            for pixel in self.window(at) {
                super::pointwise::accumulate(isa, &x[pixel * size..][..size], y);
            }
            scale(isa, self.share(), y);
        }
    }

    /// Some units of the means' gradient, overwriting `dx`.
    pub(crate) fn mean_back(&self, isa: Isa, units: &Range<usize>, dy: &[f32], dx: &mut [f32]) {
        let size = self.size();
        let base = self.backward_range(units).start;
        let outputs = if self.is_tiling() {
            self.outputs(units)
        } else {
            0..self.out_height() * self.out_width()
        };
        dx.fill(0.0);
        for at in outputs {
            let dy = &dy[at * size..][..size];
            for pixel in self.window(at) {
                add_share(
                    isa,
                    dy,
                    self.share(),
                    &mut dx[pixel * size - base..][..size],
                );
            }
        }
    }
}

per_isa! {
    fn larger<FMA>(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = if *x > *y || x.is_nan() { *x } else { *y };
        }
    }
}

per_isa! {
    fn to_winner<FMA>(x: &[f32], y: &[f32], dy: &[f32], open: &mut [f32], dx: &mut [f32]) {
        for ((((x, y), dy), open), dx) in x.iter().zip(y).zip(dy).zip(open).zip(dx) {
            let wins = *x == *y || (x.is_nan() && y.is_nan());
            *dx += if wins { *dy * *open } else { 0.0 };
            *open = if wins { 0.0 } else { *open };
        }
    }
}

per_isa! {
    /// One window's gradient to the first of its pixels that equals the maximum.
    fn quad_back<FMA>(x: [&[f32]; 2], y: &[f32], dy: &[f32], up: &mut [f32], down: &mut [f32]) {
        let size = y.len();
        let (a, b) = x[0].split_at(size);
        let (c, d) = x[1].split_at(size);
        let (da, db) = up.split_at_mut(size);
        let (dc, dd) = down.split_at_mut(size);
        let (dy, b, c, d) = (&dy[..size], &b[..size], &c[..size], &d[..size]);
        let (db, dc, dd) = (&mut db[..size], &mut dc[..size], &mut dd[..size]);
        for i in 0..size {
            let (most, gradient) = (y[i], dy[i]);
            // A maximum that is not a number is the last of such pixels'; which one it is leads nowhere anyway.
            let wins = |x: f32| x == most || (x.is_nan() && most.is_nan());
            let (first, second, third) = (wins(a[i]), wins(b[i]), wins(c[i]));
            da[i] = if first { gradient } else { 0.0 };
            db[i] = if second && !first { gradient } else { 0.0 };
            dc[i] = if third && !second && !first { gradient } else { 0.0 };
            dd[i] = if wins(d[i]) && !third && !second && !first { gradient } else { 0.0 };
        }
    }
}

per_isa! {
    fn scale<FMA>(factor: f32, y: &mut [f32]) {
        for y in y {
            *y *= factor;
        }
    }
}

per_isa! {
    pub(super) fn add_share<FMA>(dy: &[f32], share: f32, dx: &mut [f32]) {
        for (dx, dy) in dx.iter_mut().zip(dy) {
            *dx += *dy * share;
        }
    }
}

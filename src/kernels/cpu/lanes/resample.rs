//! Weightless sums of pixels in lanes: adaptive means and the shortcut that takes every second pixel.

use super::LANES;
use super::pool::add_share;
use crate::kernels::cpu::isa::Isa;
use crate::kernels::shape::ResampleShape;

/// A resampling of a block of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resample(ResampleShape);

impl Resample {
    /// Means over `size` × `size` windows that cover a map of these sides.
    #[must_use]
    pub(crate) fn adaptive(channels: usize, (height, width): (usize, usize), size: usize) -> Self {
        Self(ResampleShape::adaptive((channels, height, width), size))
    }

    /// Every `stride`-th pixel of a map of these channels and sides, with channels of zeros on both sides.
    #[must_use]
    pub(crate) fn subsample(
        map: (usize, usize, usize),
        out_channels: usize,
        stride: usize,
    ) -> Self {
        Self(ResampleShape::subsample(map, out_channels, stride))
    }

    /// Channels, height and width of the result.
    #[must_use]
    pub(crate) fn output(&self) -> (usize, usize, usize) {
        self.0.output()
    }

    /// **Shape** x, y: whole blocks.
    pub(crate) fn forward(&self, isa: Isa, x: &[f32], y: &mut [f32]) {
        y.fill(0.0);
        self.each(|from, to, weight, before, channels| {
            let to = &mut y[(to + before) * LANES..][..channels * LANES];
            add_share(isa, &x[from * LANES..][..channels * LANES], weight, to);
        });
    }

    /// The gradient's way back, overwriting `dx`.
    pub(crate) fn backward(&self, isa: Isa, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        self.each(|from, to, weight, before, channels| {
            let dy = &dy[(to + before) * LANES..][..channels * LANES];
            add_share(isa, dy, weight, &mut dx[from * LANES..][..channels * LANES]);
        });
    }

    #[cfg(feature = "cuda")]
    pub(in crate::kernels) fn shape(&self) -> &ResampleShape {
        &self.0
    }

    /// Calls `pair(row of x, row of y, weight, channels of zeros in front, channels)` for every pair of pixels.
    fn each(&self, mut pair: impl FnMut(usize, usize, f32, usize, usize)) {
        let shape = &self.0;
        let (out_channels, ..) = shape.output();
        shape.pairs(|from, to, weight| {
            let rows = (from * shape.channels, to * out_channels);
            pair(
                rows.0,
                rows.1,
                weight,
                shape.channels_before(),
                shape.channels,
            );
        });
    }
}

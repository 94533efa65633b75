//! The shapes kernels work on; plain numbers with the sizes that follow from them.

/// A square convolution (cross-correlation, as everywhere in the field), one group, no dilation.
///
/// **Shape**: x `[batch, in_channels, height, width]`, w `[out_channels, in_channels, kernel, kernel]`,
/// y `[batch, out_channels, out_height, out_width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub batch: usize,
    pub in_channels: usize,
    pub height: usize,
    pub width: usize,
    pub out_channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl ConvShape {
    /// Rows of the output; 0 where the kernel doesn't fit.
    #[must_use]
    pub fn out_height(&self) -> usize {
        positions(self.height, self.kernel, self.stride, self.padding)
    }

    /// Columns of the output; 0 where the kernel doesn't fit.
    #[must_use]
    pub fn out_width(&self) -> usize {
        positions(self.width, self.kernel, self.stride, self.padding)
    }

    /// Products behind one output: `in_channels × kernel × kernel`.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.in_channels * self.kernel * self.kernel
    }

    /// Numbers of one input image.
    #[must_use]
    pub fn image(&self) -> usize {
        self.in_channels * self.height * self.width
    }

    /// Numbers of one output image.
    #[must_use]
    pub fn out_image(&self) -> usize {
        self.out_channels * self.out_area()
    }

    /// Positions of one output channel.
    #[must_use]
    pub fn out_area(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Numbers of the whole input.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.batch * self.image()
    }

    /// Numbers of the weights.
    #[must_use]
    pub fn weights_len(&self) -> usize {
        self.out_channels * self.taps()
    }

    /// Numbers of the whole output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.batch * self.out_image()
    }

    /// Multiply-adds of the forward pass.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        self.output_len() * self.taps()
    }
}

/// Square pooling windows over independent planes.
///
/// **Shape**: x `[planes, height, width]`, y `[planes, out_height, out_width]`; planes is batch × channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    pub planes: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl PoolShape {
    /// Rows of the output; 0 where the window doesn't fit.
    #[must_use]
    pub fn out_height(&self) -> usize {
        positions(self.height, self.kernel, self.stride, self.padding)
    }

    /// Columns of the output; 0 where the window doesn't fit.
    #[must_use]
    pub fn out_width(&self) -> usize {
        positions(self.width, self.kernel, self.stride, self.padding)
    }

    /// Positions of one input plane.
    #[must_use]
    pub fn area(&self) -> usize {
        self.height * self.width
    }

    /// Positions of one output plane.
    #[must_use]
    pub fn out_area(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// The part of the input a window starting at padded (row, column) `at × stride` covers, as a half-open range.
    pub(crate) fn window(&self, at: usize, size: usize) -> std::ops::Range<usize> {
        let start = at * self.stride;
        let end = (start + self.kernel).saturating_sub(self.padding).min(size);
        start.saturating_sub(self.padding).min(end)..end
    }
}

/// How often a window of `kernel` fits into `size` padded on both sides (rounded down, as PyTorch does).
fn positions(size: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    (size + 2 * padding)
        .checked_sub(kernel)
        .map_or(0, |room| room / stride + 1)
}

/// Weightless sums of pixels: what a map becomes when its pixels are averaged on a grid, or left out.
///
/// **Shape**: x `[channels, height, width]`, y `[out_channels, out_height, out_width]`, for each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResampleShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Means over a grid of this many windows a side. **Reference** `torch.nn.AdaptiveAvgPool2d`.
    Adaptive(usize),
    /// Every stride-th pixel; channels of zeros before and behind. **Reference** He et al. 2015, option A.
    Subsample { out_channels: usize, stride: usize },
}

impl ResampleShape {
    /// Means over `size` × `size` windows that cover the map.
    #[must_use]
    pub fn adaptive((channels, height, width): (usize, usize, usize), size: usize) -> Self {
        Self {
            channels,
            height,
            width,
            kind: Kind::Adaptive(size),
        }
    }

    /// Every `stride`-th pixel, with as many channels of zeros before as behind.
    #[must_use]
    pub fn subsample(
        (channels, height, width): (usize, usize, usize),
        out_channels: usize,
        stride: usize,
    ) -> Self {
        Self {
            channels,
            height,
            width,
            kind: Kind::Subsample {
                out_channels,
                stride,
            },
        }
    }

    /// Channels, height and width of y.
    #[must_use]
    pub fn output(&self) -> (usize, usize, usize) {
        match self.kind {
            Kind::Adaptive(size) => (self.channels, size, size),
            Kind::Subsample {
                out_channels,
                stride,
            } => (
                out_channels,
                self.height.div_ceil(stride),
                self.width.div_ceil(stride),
            ),
        }
    }

    /// Channels of zeros before the map's own.
    #[must_use]
    pub fn channels_before(&self) -> usize {
        (self.output().0 - self.channels) / 2
    }

    /// Calls `pair(pixel of x, pixel of y, weight)` for every term of the sums, those of a pixel of y one after the
    /// other.
    #[expect(
        clippy::cast_precision_loss,
        reason = "windows are far below 2²⁴ pixels"
    )]
    pub(crate) fn pairs(&self, mut pair: impl FnMut(usize, usize, f32)) {
        let (_, out_height, out_width) = self.output();
        for (row, column) in (0..out_height).flat_map(|r| (0..out_width).map(move |c| (r, c))) {
            let rows = self.window(row, out_height, self.height);
            let columns = self.window(column, out_width, self.width);
            let weight = 1.0 / (rows.len() * columns.len()) as f32;
            for y in rows {
                for x in columns.clone() {
                    pair(y * self.width + x, row * out_width + column, weight);
                }
            }
        }
    }

    /// The pixels along one side that output `at` of `outputs` sums.
    fn window(&self, at: usize, outputs: usize, size: usize) -> std::ops::Range<usize> {
        match self.kind {
            Kind::Adaptive(_) => at * size / outputs..((at + 1) * size).div_ceil(outputs),
            Kind::Subsample { stride, .. } => at * stride..at * stride + 1,
        }
    }
}

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

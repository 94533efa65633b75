//! Adaptive means, and the shortcut of a residual block that has no weights: sums of pixels without parameters.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::forward::{Forward, Pass, Site};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::resample;
use crate::kernels::shape::ResampleShape;
use crate::layers::{Activation, AdaptiveAvgPool2d, Subsample};

/// The means over a grid of `size` × `size` windows that cover the map.
///
/// **Shape** x `[B,C,H,W]`, y `[B,C,size,size]`. **Reference** `torch.nn.AdaptiveAvgPool2d(size)`.
///
/// # Errors
/// When x is not a map or the device fails.
pub fn adaptive_avg_pool2d(tape: &Tape, x: &Tensor, size: usize) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    run(
        tape,
        x,
        ResampleShape::adaptive((channels, height, width), size),
    )
}

/// Every `stride`-th pixel, with channels of zeros before and behind up to `out_channels`.
///
/// **Shape** x `[B,C,H,W]`, y `[B,out_channels,⌈H/stride⌉,⌈W/stride⌉]`. **Reference** He et al. 2015, option A.
///
/// # Errors
/// When x is not a map or the device fails.
pub fn subsample(tape: &Tape, x: &Tensor, out_channels: usize, stride: usize) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    let shape = ResampleShape::subsample((channels, height, width), out_channels, stride);
    run(tape, x, shape)
}

fn run(tape: &Tape, x: &Tensor, shape: ResampleShape) -> Result<Tensor> {
    if x.device().is_cpu() {
        return tape.op1(x, Resample(shape));
    }
    composed(x, &shape)
}

/// Both of Candle's operations: a product with the matrix of its weights, then channels of zeros.
///
/// # Errors
/// When the device fails.
pub fn composed(x: &Tensor, shape: &ResampleShape) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (out_channels, out_height, out_width) = shape.output();
    let (area, out_area) = (height * width, out_height * out_width);
    let mut weights = vec![0.0f32; area * out_area];
    shape.pairs(|from, to, weight| weights[from * out_area + to] = weight);
    let weights = Tensor::from_vec(weights, (area, out_area), x.device())?;
    let y = x.reshape((batch * channels, area))?.matmul(&weights)?;
    let y = y.reshape((batch, channels, out_height, out_width))?;
    let before = shape.channels_before();
    y.pad_with_zeros(1, before, out_channels - channels - before)
}

impl Forward for AdaptiveAvgPool2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        site.named(adaptive_avg_pool2d(pass.tape, x, self.size))
    }
}

impl Forward for Subsample {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let y = subsample(pass.tape, x, self.out_channels, self.stride);
        site.named(y)
    }
}

struct Resample(ResampleShape);

impl CustomOp1 for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let images = layout.shape().dims4()?.0;
        let (channels, height, width) = self.0.output();
        let mut y = vec![0.0; images * channels * height * width];
        resample::forward(&self.0, slices::of(x, layout)?, &mut y);
        Ok(slices::output(y, (images, channels, height, width)))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        resample::backward(&self.0, &slices::read(&dy)?, &mut dx);
        slices::tensor(dx, x.shape()).map(Some)
    }
}

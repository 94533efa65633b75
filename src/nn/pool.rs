//! Max, average and global average pooling with exact gradients (Candle's own are wrong for ties and odd sizes).

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::{Tape, composed, slices};
use crate::kernels::cpu::pool::{self, PoolShape};

/// The maximum of every window; of equal values the first one takes the gradient.
///
/// **Shape** x `[B,C,H,W]`, y `[B,C,H',W']`. **Reference** `torch.nn.functional.max_pool2d`.
///
/// # Errors
/// When the window does not fit or the device fails.
pub fn max_pool2d(
    tape: &Tape,
    x: &Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let shape = shape(x, kernel, stride, padding)?;
    if !x.device().is_cpu() {
        return composed::max_pool2d(x, kernel, stride, padding);
    }
    tape.op1(
        x,
        MaxPool {
            shape,
            winners: OnceLock::new(),
        },
    )
}

/// The mean of every window, padding counted as zeros.
///
/// **Shape** x `[B,C,H,W]`, y `[B,C,H',W']`. **Reference** `torch.nn.functional.avg_pool2d`.
///
/// # Errors
/// When the window does not fit or the device fails.
pub fn avg_pool2d(
    tape: &Tape,
    x: &Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let shape = shape(x, kernel, stride, padding)?;
    if !x.device().is_cpu() {
        return composed::avg_pool2d(x, kernel, stride, padding);
    }
    tape.op1(x, AvgPool(shape))
}

/// The mean of every channel.
///
/// **Shape** x `[B,C,H,W]`, y `[B,C]`. **Reference** `torch.nn.AdaptiveAvgPool2d(1)` and flatten.
///
/// # Errors
/// When x is not a map or the device fails.
pub fn global_avg_pool(tape: &Tape, x: &Tensor) -> Result<Tensor> {
    x.dims4()?;
    if !x.device().is_cpu() {
        return composed::global_avg_pool(x);
    }
    tape.op1(x, GlobalAvgPool)
}

fn shape(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<PoolShape> {
    let (batch, channels, height, width) = x.dims4()?;
    let fits = kernel <= height + 2 * padding && kernel <= width + 2 * padding;
    if stride == 0 || kernel == 0 || !fits || 2 * padding > kernel {
        bail!(
            "pooling window {kernel} with stride {stride} does not fit into {height} × {width} padded by {padding}"
        );
    }
    Ok(PoolShape {
        planes: batch * channels,
        height,
        width,
        kernel,
        stride,
        padding,
    })
}

fn pooled(shape: &PoolShape, layout: &Layout) -> Result<Shape> {
    let (batch, channels, _, _) = layout.shape().dims4()?;
    Ok((batch, channels, shape.out_height(), shape.out_width()).into())
}

struct MaxPool {
    shape: PoolShape,
    /// Written by the forward pass, read by the backward pass.
    winners: OnceLock<Vec<u32>>,
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let count = self.shape.planes * self.shape.out_area();
        let (mut y, mut winners) = (vec![0.0; count], vec![0; count]);
        pool::max_forward(&self.shape, slices::of(x, layout)?, &mut y, &mut winners);
        self.winners.get_or_init(|| winners);
        Ok(slices::output(y, pooled(&self.shape, layout)?))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let Some(winners) = self.winners.get() else {
            bail!("max-pool2d: backward before forward");
        };
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        pool::max_backward(&self.shape, &slices::read(&dy)?, winners, &mut dx);
        slices::tensor(dx, x.shape()).map(Some)
    }
}

struct AvgPool(PoolShape);

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = vec![0.0; self.0.planes * self.0.out_area()];
        pool::avg_forward(&self.0, slices::of(x, layout)?, &mut y);
        Ok(slices::output(y, pooled(&self.0, layout)?))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        pool::avg_backward(&self.0, &slices::read(&dy)?, &mut dx);
        slices::tensor(dx, x.shape()).map(Some)
    }
}

struct GlobalAvgPool;

impl CustomOp1 for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global-avg-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, height, width) = layout.shape().dims4()?;
        let planes = batch * channels;
        let mut y = vec![0.0; planes];
        pool::global_avg_forward(planes, height * width, slices::of(x, layout)?, &mut y);
        Ok(slices::output(y, (batch, channels)))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (batch, channels, height, width) = x.dims4()?;
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        pool::global_avg_backward(
            batch * channels,
            height * width,
            &slices::read(&dy)?,
            &mut dx,
        );
        slices::tensor(dx, x.shape()).map(Some)
    }
}

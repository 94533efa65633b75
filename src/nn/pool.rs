//! Max, average and global average pooling with exact gradients (Candle's own are wrong for ties and odd sizes).

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::forward::{Forward, Pass, Site};
use super::taps::{Window, with_gradient};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::pool::{self, PoolShape};
use crate::layers::{self, Activation, AvgPool2d, MaxPool2d};

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
        return composed_max(x, kernel, stride, padding);
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
        return composed_avg(x, kernel, stride, padding);
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
        return composed_global_avg(x);
    }
    tape.op1(x, GlobalAvgPool)
}

/// [`max_pool2d`] of Candle's operations, with its own gradient.
///
/// # Errors
/// When the device fails.
pub fn composed_max(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let sized = sized(x, kernel, stride, padding)?;
    let window = Window::new(kernel, stride, padding, &sized)?;
    let taps = move |x: &Tensor| -> Result<Vec<Tensor>> {
        let padded = window.pad(x, f32::NEG_INFINITY)?;
        (0..kernel * kernel)
            .map(|tap| window.tap(&padded, tap))
            .collect()
    };
    let y = Tensor::stack(&taps(&x.detach())?, 0)?.max(0)?;
    let maximum = y.clone();
    with_gradient(x, &y, &y, move |x, _, dy| {
        // The first tap equal to the maximum takes the gradient.
        let mut free = dy.ones_like()?;
        let mut shares = Vec::new();
        for value in taps(&x.detach())? {
            let hit = (value.eq(&maximum)?.to_dtype(dy.dtype())? * &free)?;
            free = (free - &hit)?;
            shares.push((hit * dy)?);
        }
        Ok((Some(window.collect(x, &shares)?), None))
    })
}

/// [`avg_pool2d`] of Candle's operations, with its own gradient.
///
/// # Errors
/// When the device fails.
#[expect(clippy::cast_precision_loss, reason = "windows are small")]
pub fn composed_avg(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let sized = sized(x, kernel, stride, padding)?;
    let window = Window::new(kernel, stride, padding, &sized)?;
    let padded = window.pad(&x.detach(), 0.0)?;
    let taps = (0..kernel * kernel)
        .map(|tap| window.tap(&padded, tap))
        .collect::<Result<Vec<_>>>()?;
    let y = Tensor::stack(&taps, 0)?.mean(0)?;
    with_gradient(x, &y, &y, move |x, _, dy| {
        let share = (dy / (kernel * kernel) as f64)?;
        let shares = vec![share; kernel * kernel];
        Ok((Some(window.collect(x, &shares)?), None))
    })
}

/// [`global_avg_pool`] of Candle's operations.
///
/// # Errors
/// When the device fails.
pub fn composed_global_avg(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(2)?.mean(2)
}

/// A pooled tensor's shape as zeros, to take sizes from.
fn sized(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    Tensor::zeros(
        (batch, channels, out(height), out(width)),
        x.dtype(),
        x.device(),
    )
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

impl Forward for MaxPool2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let y = max_pool2d(pass.tape, x, self.kernel_size, self.stride(), self.padding);
        site.named(y)
    }
}

impl Forward for AvgPool2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let y = avg_pool2d(pass.tape, x, self.kernel_size, self.stride(), self.padding);
        site.named(y)
    }
}

impl Forward for layers::GlobalAvgPool {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        site.named(global_avg_pool(pass.tape, x))
    }
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

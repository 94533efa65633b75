//! The layers composed of Candle's own operations, for devices without own kernels.
//!
//! Avoids what Candle gets wrong: its pooling gradients, its convolution's weight gradient on Metal, ReLU's slope at 0.
//! Convolution and pooling therefore carry their own gradient, built from shifted copies of the input (one per kernel
//! position, a "tap"), matrix products and forward convolutions. Right first, fast later.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "window sizes and class counts are small; tensors are f32"
)]

use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, Layout, MetalStorage, Result, Shape, Tensor,
    backend::BackendStorage,
};

use super::norm::{EPSILON, Statistics};
use crate::kernels::shape::ResampleShape;
use crate::profile::{Activation, Loss};

/// As [`super::conv::conv2d`].
///
/// # Errors
/// When the device fails.
pub fn conv2d(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let y = x
        .detach()
        .contiguous()?
        .conv2d(&w.detach().contiguous()?, padding, stride, 1, 1)?;
    let y = with_gradient(x, w, &y, move |x, w, dy| {
        // Detached: the gradient's own operations need no graph.
        let (plain_x, plain_w) = (x.detach(), w.detach());
        let dx = x
            .track_op()
            .then(|| conv2d_input_gradient(&plain_x, &plain_w, dy, stride, padding));
        let dw = w
            .track_op()
            .then(|| conv2d_weight_gradient(&plain_x, &plain_w, dy, stride, padding));
        Ok((dx.transpose()?, dw.transpose()?))
    })?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// The convolution of the spread-out, padded dy with the flipped kernel, cut to x's size.
fn conv2d_input_gradient(
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let kernel = w.dim(2)?;
    let edge = kernel - 1;
    let spread = spread(dy, stride)?;
    let fill = |dim: usize, size: usize| (size + 2 * padding).saturating_sub(spread.dims()[dim]);
    let padded = spread
        .pad_with_zeros(2, edge, fill(2, height))?
        .pad_with_zeros(3, edge, fill(3, width))?;
    let flipped = w.flip(&[2, 3])?.transpose(0, 1)?.contiguous()?;
    padded
        .contiguous()?
        .conv2d(&flipped, 0, 1, 1, 1)?
        .narrow(2, padding, height)?
        .narrow(3, padding, width)?
        .contiguous()
}

/// For every tap the product of dy with the shifted input, summed over pictures and positions.
fn conv2d_weight_gradient(
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let kernel = w.dim(2)?;
    let window = Window::new(kernel, stride, padding, dy)?;
    let rows = |t: &Tensor| -> Result<Tensor> {
        let channels = t.dim(1)?;
        t.transpose(0, 1)?.contiguous()?.reshape((channels, ()))
    };
    let gradient = rows(dy)?;
    let padded = window.pad(x, 0.0)?;
    let products = (0..kernel * kernel)
        .map(|tap| gradient.matmul(&rows(&window.tap(&padded, tap)?)?.t()?))
        .collect::<Result<Vec<_>>>()?;
    Tensor::stack(&products, 2)?.reshape(w.shape())
}

/// As [`super::pool::max_pool2d`].
///
/// # Errors
/// When the device fails.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let sized = pooled(x, kernel, stride, padding)?;
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

/// As [`super::pool::avg_pool2d`].
///
/// # Errors
/// When the device fails.
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let sized = pooled(x, kernel, stride, padding)?;
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

/// As [`super::pool::global_avg_pool`].
///
/// # Errors
/// When the device fails.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(2)?.mean(2)
}

/// As [`super::resample`]: a product with the matrix of its weights, then channels of zeros.
///
/// # Errors
/// When the device fails.
pub fn resample(x: &Tensor, shape: &ResampleShape) -> Result<Tensor> {
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

/// As [`super::norm::batch_norm_train`].
///
/// # Errors
/// When the device fails.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    relu: bool,
) -> Result<(Tensor, Statistics)> {
    let values = x.reshape((x.dim(0)?, x.dim(1)?, ()))?;
    let count = (values.dim(0)? * values.dim(2)?) as f64;
    let mean = values.mean_keepdim((0, 2))?;
    let centred = values.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim((0, 2))?;
    let statistics = Statistics {
        mean: mean.detach().flatten_all()?,
        variance: (variance.detach().flatten_all()? * (count / (count - 1.0)))?,
    };
    let normal = centred.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
    let y = scale_and_shift(&normal, gamma, beta)?.reshape(x.shape())?;
    Ok((relu_if(relu, &y)?, statistics))
}

/// As [`super::norm::batch_norm_eval`].
///
/// # Errors
/// When the device fails.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    relu: bool,
) -> Result<Tensor> {
    let values = x.reshape((x.dim(0)?, x.dim(1)?, ()))?;
    let deviation = (variance.detach() + EPSILON)?.sqrt()?;
    let normal = values
        .broadcast_sub(&mean.detach().reshape((1, (), 1))?)?
        .broadcast_div(&deviation.reshape((1, (), 1))?)?;
    let y = scale_and_shift(&normal, gamma, beta)?.reshape(x.shape())?;
    relu_if(relu, &y)
}

fn scale_and_shift(normal: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    normal
        .broadcast_mul(&gamma.reshape((1, (), 1))?)?
        .broadcast_add(&beta.reshape((1, (), 1))?)
}

fn relu_if(relu: bool, y: &Tensor) -> Result<Tensor> {
    if relu {
        activate(y, Activation::Relu)
    } else {
        Ok(y.clone())
    }
}

/// As [`super::linear::linear`].
///
/// # Errors
/// When the device fails.
pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.matmul(&w.t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// As [`super::activation::activate`].
///
/// # Errors
/// When the device fails.
pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    // Sigmoid through tanh: neither it nor its gradient overflows.
    let sigmoid = |x: &Tensor| ((x * 0.5)?.tanh()? * 0.5)? + 0.5;
    let positive = |x: &Tensor| x.gt(0.0)?.to_dtype(x.dtype());
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => x * positive(x)?,
        Activation::LeakyRelu => x * ((positive(x)? * 0.99)? + 0.01)?,
        Activation::Gelu => x.gelu_erf(),
        Activation::Silu => x * sigmoid(x)?,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// As [`super::loss::mean`], labels checked before.
///
/// # Errors
/// When the device fails.
pub fn loss(kind: Loss, label_smoothing: f64, logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let (batch, classes) = logits.dims2()?;
    let smoothing = match kind {
        Loss::CrossEntropy => label_smoothing,
        Loss::Mse => 0.0,
    };
    let mut targets = vec![(smoothing / classes as f64) as f32; batch * classes];
    for (row, label) in targets.chunks_mut(classes).zip(labels) {
        row[*label as usize] += (1.0 - smoothing) as f32;
    }
    let targets = Tensor::from_vec(targets, (batch, classes), logits.device())?;
    match kind {
        Loss::CrossEntropy => {
            let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
            let total = shifted.exp()?.sum_keepdim(1)?.log()?;
            let log_probabilities = shifted.broadcast_sub(&total)?;
            (log_probabilities * targets)?.sum_all()? / -(batch as f64)
        }
        Loss::Mse => (logits - targets)?.sqr()?.mean_all(),
    }
}

/// A pooled tensor's shape as zeros, to take sizes from.
fn pooled(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    Tensor::zeros(
        (batch, channels, out(height), out(width)),
        x.dtype(),
        x.device(),
    )
}

/// Where a square window falls on a padded map.
#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
    out_height: usize,
    out_width: usize,
}

impl Window {
    /// The window whose results have y's height and width.
    fn new(kernel: usize, stride: usize, padding: usize, y: &Tensor) -> Result<Self> {
        let (_, _, out_height, out_width) = y.dims4()?;
        Ok(Self {
            kernel,
            stride,
            padding,
            out_height,
            out_width,
        })
    }

    /// x with its padding, and stride − 1 more rows and columns so that every tap is a whole number of strides.
    fn pad(&self, x: &Tensor, value: f32) -> Result<Tensor> {
        let mut padded = x.clone();
        for dim in [2, 3] {
            let side = |length: usize, dims: &[usize]| -> Result<Tensor> {
                let mut dims = dims.to_vec();
                dims[dim] = length;
                Tensor::full(value, dims, x.device())
            };
            // CUDA refuses to fill a tensor of no numbers.
            let mut parts = vec![padded.clone()];
            if self.padding > 0 {
                parts.insert(0, side(self.padding, padded.dims())?);
            }
            let after = self.padding + self.stride - 1;
            if after > 0 {
                parts.push(side(after, padded.dims())?);
            }
            padded = Tensor::cat(&parts, dim)?;
        }
        padded.contiguous()
    }

    /// Every window's number at one kernel position.
    fn tap(&self, padded: &Tensor, tap: usize) -> Result<Tensor> {
        let (batch, channels, _, _) = padded.dims4()?;
        let (s, oh, ow) = (self.stride, self.out_height, self.out_width);
        padded
            .narrow(2, tap / self.kernel, oh * s)?
            .narrow(3, tap % self.kernel, ow * s)?
            .contiguous()?
            .reshape((batch, channels, oh, s, ow, s))?
            .narrow(3, 0, 1)?
            .narrow(5, 0, 1)?
            .contiguous()?
            .reshape((batch, channels, oh, ow))
    }

    /// The reverse of the taps: every tap's numbers added where they were read, without the padding.
    fn collect(&self, x: &Tensor, taps: &[Tensor]) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let extra = 2 * self.padding + self.stride - 1;
        let (rows, columns) = (height + extra, width + extra);
        let mut sum: Option<Tensor> = None;
        for (tap, values) in taps.iter().enumerate() {
            let (top, left) = (tap / self.kernel, tap % self.kernel);
            let spread = spread(values, self.stride)?;
            let (_, _, h, w) = spread.dims4()?;
            let placed = spread
                .pad_with_zeros(2, top, rows - top - h)?
                .pad_with_zeros(3, left, columns - left - w)?;
            sum = Some(match sum {
                Some(sum) => (sum + placed)?,
                None => placed,
            });
        }
        match sum {
            Some(sum) => sum
                .narrow(2, self.padding, height)?
                .narrow(3, self.padding, width)?
                .contiguous(),
            None => x.zeros_like(),
        }
    }
}

/// Puts stride − 1 zeros after every row and column.
fn spread(x: &Tensor, stride: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(x.clone());
    }
    let (batch, channels, height, width) = x.dims4()?;
    x.reshape((batch, channels, height, 1, width, 1))?
        .pad_with_zeros(3, 0, stride - 1)?
        .pad_with_zeros(5, 0, stride - 1)?
        .reshape((batch, channels, height * stride, width * stride))
}

/// Gives `y`, computed outside the graph from `a` and `b`, a gradient: `gradient(a, b, dy)`.
fn with_gradient<F>(a: &Tensor, b: &Tensor, y: &Tensor, gradient: F) -> Result<Tensor>
where
    F: Fn(&Tensor, &Tensor, &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)>
        + Send
        + Sync
        + 'static,
{
    a.apply_op3(b, &y.contiguous()?, WithGradient(gradient))
}

struct WithGradient<F>(F);

impl<F> CustomOp3 for WithGradient<F>
where
    F: Fn(&Tensor, &Tensor, &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)>,
{
    fn name(&self) -> &'static str {
        "with-gradient"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        y: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        y: &CudaStorage,
        layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        y: &MetalStorage,
        layout: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (da, db) = (self.0)(a, b, dy)?;
        Ok((da, db, None))
    }
}

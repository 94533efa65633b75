//! Convolution with both its gradients; those that nobody asks for (the image's, frozen weights') are not computed.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::forward::{Forward, Pass, Site};
use super::taps::{Window, spread, with_gradient};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::conv::{self, ConvShape};
use crate::layers::{self, Activation};

/// y = x ∗ w + bias.
///
/// **Shape** x `[B,C,H,W]`, w `[O,C,k,k]`, bias `[O]`, y `[B,O,H',W']`. **Reference** `torch.nn.functional.conv2d`.
///
/// # Errors
/// When the shapes do not fit each other or the device fails.
pub fn conv2d(
    tape: &Tape,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let shape = shape(x, w, stride, padding)?;
    if !x.device().is_cpu() {
        return composed(x, w, bias, stride, padding);
    }
    match bias {
        Some(bias) => tape.op3(x, w, bias, Conv2d(shape)),
        None => tape.op2(x, w, Conv2d(shape)),
    }
}

/// [`conv2d`] of Candle's operations, with its own gradient.
///
/// # Errors
/// When the device fails.
pub fn composed(
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
            .then(|| input_gradient(&plain_x, &plain_w, dy, stride, padding));
        let dw = w
            .track_op()
            .then(|| weight_gradient(&plain_x, &plain_w, dy, stride, padding));
        Ok((dx.transpose()?, dw.transpose()?))
    })?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// The convolution of the spread-out, padded dy with the flipped kernel, cut to x's size.
fn input_gradient(
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

/// For every tap the product of dy with the shifted input, summed over images and positions.
fn weight_gradient(
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

fn shape(x: &Tensor, w: &Tensor, stride: usize, padding: usize) -> Result<ConvShape> {
    let (batch, in_channels, height, width) = x.dims4()?;
    let (out_channels, w_channels, kernel, kernel_width) = w.dims4()?;
    if w_channels != in_channels || kernel != kernel_width {
        bail!(
            "conv2d of {:?} with weights {:?}: channels differ or the kernel is not square",
            x.dims(),
            w.dims()
        );
    }
    if stride == 0 || kernel > height + 2 * padding || kernel > width + 2 * padding {
        bail!(
            "conv2d: kernel {kernel} with stride {stride} does not fit into {height} × {width} padded by {padding}"
        );
    }
    Ok(ConvShape {
        batch,
        in_channels,
        height,
        width,
        out_channels,
        kernel,
        stride,
        padding,
    })
}

impl Forward for layers::Conv2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let (weight, bias) = pass.weight_and_bias(site, self.bias)?;
        let y = conv2d(
            pass.tape,
            x,
            &weight,
            bias.as_ref(),
            self.stride,
            self.padding,
        );
        site.named(y)
    }
}

struct Conv2d(ConvShape);

/// Gradients to input, weights and bias.
type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

impl Conv2d {
    fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> (CpuStorage, Shape) {
        let s = &self.0;
        let mut y = vec![0.0; s.output_len()];
        conv::forward(s, x, w, bias, &mut y);
        slices::output(y, (s.batch, s.out_channels, s.out_height(), s.out_width()))
    }

    fn backward(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        dy: &Tensor,
    ) -> Result<Gradients> {
        let dy = dy.contiguous()?;
        let dy = slices::read(&dy)?;
        let bias = bias.filter(|b| b.track_op());
        let mut gradients = (None, None, None);
        if w.track_op() || bias.is_some() {
            let mut dw = vec![0.0; w.elem_count()];
            let mut db = bias.map(|b| vec![0.0; b.elem_count()]);
            conv::backward_weights(&self.0, &slices::read(x)?, &dy, &mut dw, db.as_deref_mut());
            gradients.1 = Some(slices::tensor(dw, w.shape())?);
            if let (Some(db), Some(bias)) = (db, bias) {
                gradients.2 = Some(slices::tensor(db, bias.shape())?);
            }
        }
        if x.track_op() {
            let mut dx = vec![0.0; x.elem_count()];
            conv::backward_input(&self.0, &dy, &slices::read(w)?, &mut dx);
            gradients.0 = Some(slices::tensor(dx, x.shape())?);
        }
        Ok(gradients)
    }
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(slices::of(x, x_layout)?, slices::of(w, w_layout)?, None))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward(x, w, None, dy)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d with bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = slices::of(bias, bias_layout)?;
        Ok(self.forward(
            slices::of(x, x_layout)?,
            slices::of(w, w_layout)?,
            Some(bias),
        ))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<Gradients> {
        self.backward(x, w, Some(bias), dy)
    }
}

//! Fully connected layers.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::forward::{Forward, Pass, Site};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::linear as kernel;
use crate::layers::{self, Activation};

/// y = x·wᵀ + bias.
///
/// **Shape** x `[B,in]`, w `[out,in]`, bias `[out]`, y `[B,out]`. **Reference** `torch.nn.functional.linear`.
///
/// # Errors
/// When the shapes do not fit each other or the device fails.
pub fn linear(tape: &Tape, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (batch, in_features) = x.dims2()?;
    let (out_features, w_features) = w.dims2()?;
    if in_features != w_features {
        bail!(
            "linear of {:?} with weights {:?}: features differ",
            x.dims(),
            w.dims()
        );
    }
    if !x.device().is_cpu() {
        return composed(x, w, bias);
    }
    let op = Linear {
        batch,
        in_features,
        out_features,
    };
    match bias {
        Some(bias) => tape.op3(x, w, bias, op),
        None => tape.op2(x, w, op),
    }
}

/// [`linear`] of Candle's operations.
///
/// # Errors
/// When the device fails.
pub fn composed(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.matmul(&w.t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

impl Forward for layers::Linear {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let (weight, bias) = pass.weight_and_bias(site, self.bias)?;
        site.named(linear(pass.tape, x, &weight, bias.as_ref()))
    }
}

struct Linear {
    batch: usize,
    in_features: usize,
    out_features: usize,
}

/// Gradients to input, weights and bias.
type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

impl Linear {
    fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> (CpuStorage, Shape) {
        let mut y = vec![0.0; self.batch * self.out_features];
        kernel::forward(
            self.batch,
            self.in_features,
            self.out_features,
            x,
            w,
            bias,
            &mut y,
        );
        slices::output(y, (self.batch, self.out_features))
    }

    fn backward(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        dy: &Tensor,
    ) -> Result<Gradients> {
        let (batch, in_f, out_f) = (self.batch, self.in_features, self.out_features);
        let dy = dy.contiguous()?;
        let dy = slices::read(&dy)?;
        let bias = bias.filter(|b| b.track_op());
        let mut gradients = (None, None, None);
        if w.track_op() || bias.is_some() {
            let mut dw = vec![0.0; w.elem_count()];
            let mut db = bias.map(|b| vec![0.0; b.elem_count()]);
            let x = slices::read(x)?;
            kernel::backward_weights(batch, in_f, out_f, &x, &dy, &mut dw, db.as_deref_mut());
            gradients.1 = Some(slices::tensor(dw, w.shape())?);
            if let (Some(db), Some(bias)) = (db, bias) {
                gradients.2 = Some(slices::tensor(db, bias.shape())?);
            }
        }
        if x.track_op() {
            let mut dx = vec![0.0; x.elem_count()];
            kernel::backward_input(batch, in_f, out_f, &dy, &slices::read(w)?, &mut dx);
            gradients.0 = Some(slices::tensor(dx, x.shape())?);
        }
        Ok(gradients)
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear with bias"
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

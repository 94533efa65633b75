//! Activations as PyTorch defines them; ReLU's slope at 0 is 0.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::forward::{Forward, Pass, Site};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::elementwise;
use crate::layers;
use crate::layers::Activation;

/// Applies `activation` to every number.
///
/// # Errors
/// When the device fails.
pub fn activate(tape: &Tape, x: &Tensor, activation: Activation) -> Result<Tensor> {
    if activation.is_none() {
        return Ok(x.clone());
    }
    if !x.device().is_cpu() {
        return composed(x, activation);
    }
    tape.op1(x, Activate(activation))
}

/// [`activate`] of Candle's operations.
///
/// # Errors
/// When the device fails.
pub fn composed(x: &Tensor, activation: Activation) -> Result<Tensor> {
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

impl Forward for layers::Activate {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        site.named(activate(pass.tape, x, self.function))
    }
}

struct Activate(Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slices::of(x, layout)?;
        let mut y = vec![0.0; x.len()];
        elementwise::forward(self.0, x, &mut y);
        Ok(slices::output(y, layout.shape()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        elementwise::backward(
            self.0,
            &slices::read(x)?,
            &slices::read(y)?,
            &slices::read(&dy)?,
            &mut dx,
        );
        slices::tensor(dx, x.shape()).map(Some)
    }
}

//! Layer normalisation.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::forward::{Forward, Pass, Site};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::layer_norm::{self, Groups, STATISTICS};
use crate::layers::{self, Activation};

impl Forward for layers::LayerNorm {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let [gamma, beta] = [
            pass.parameter(site, "weight")?,
            pass.parameter(site, "bias")?,
        ];
        // Its result has the shape of its input.
        let [outer, count, inner] = self.groups(site.output);
        let groups = Groups {
            outer: outer * x.dims()[0],
            count,
            inner,
        };
        site.named(layer_norm(
            pass.tape,
            x,
            &gamma,
            &beta,
            groups,
            self.epsilon,
        ))
    }
}

/// Brings every group of numbers to mean 0 and deviation 1, then scales and shifts each by its place in the group.
///
/// **Shape** x, y as large as the groups, gamma and beta `[count]`. **Reference** `torch.nn.functional.layer_norm`.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn layer_norm(
    tape: &Tape,
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: Groups,
    epsilon: f64,
) -> Result<Tensor> {
    let vectors = [gamma, beta].map(Tensor::dims);
    if x.elem_count() != groups.outer * groups.part() || vectors != [[groups.count]; 2] {
        bail!(
            "layer normalisation of {:?} in {groups:?} by vectors of {vectors:?}",
            x.dims()
        );
    }
    if !x.device().is_cpu() {
        return composed(x, gamma, beta, groups, epsilon);
    }
    let kept = OnceLock::new();
    let op = LayerNorm {
        groups,
        epsilon,
        kept,
    };
    tape.op3(x, gamma, beta, op)
}

/// [`layer_norm()`] of Candle's operations.
///
/// # Errors
/// When the device fails.
pub fn composed(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: Groups,
    epsilon: f64,
) -> Result<Tensor> {
    let values = x.reshape((groups.outer, groups.count, groups.inner))?;
    let centred = values.broadcast_sub(&values.mean_keepdim(1)?)?;
    let variance = centred.sqr()?.mean_keepdim(1)?;
    let normal = centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?;
    normal
        .broadcast_mul(&gamma.reshape((1, (), 1))?)?
        .broadcast_add(&beta.reshape((1, (), 1))?)?
        .reshape(x.shape())
}

struct LayerNorm {
    groups: Groups,
    epsilon: f64,
    /// The groups' statistics: written by the forward pass, read by the backward pass.
    kept: OnceLock<Vec<f32>>,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = slices::of(x, layout)?;
        let affine = [
            slices::of(gamma, gamma_layout)?,
            slices::of(beta, beta_layout)?,
        ];
        let mut y = vec![0.0; x.len()];
        let mut kept = vec![0.0; self.groups.outer * self.groups.inner * STATISTICS];
        layer_norm::forward(self.groups, self.epsilon, x, affine, &mut y, &mut kept);
        self.kept.get_or_init(|| kept);
        Ok(slices::output(y, layout.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _beta: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(kept) = self.kept.get() else {
            bail!("layer normalisation: backward before forward");
        };
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        let [mut dgamma, mut dbeta] = [(); 2].map(|()| vec![0.0; self.groups.count]);
        layer_norm::backward(
            self.groups,
            &slices::read(x)?,
            kept,
            &slices::read(gamma)?,
            &slices::read(&dy)?,
            &mut dx,
            [&mut dgamma, &mut dbeta],
        );
        Ok((
            Some(slices::tensor(dx, x.shape())?),
            Some(slices::tensor(dgamma, gamma.shape())?),
            Some(slices::tensor(dbeta, gamma.shape())?),
        ))
    }
}

//! Batch normalisation, optionally with the ReLU that follows it in the same pass.
//!
//! The batch's statistics are handed back instead of being written to the running ones: the caller commits them once
//! the step has proved finite.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::forward::{Forward, Pass, Site};
use super::statistics::Statistics;
use super::{Tape, activation, slices};
use crate::error::{self, Error};
use crate::kernels::cpu::norm;
use crate::layers;
use crate::layers::Activation;

/// Added to variances (PyTorch's default).
pub const EPSILON: f64 = 1e-5;
/// Numbers per channel in a batch.
///
/// # Errors
/// When x has no channel dimension.
pub fn per_channel(x: &Tensor) -> Result<usize> {
    match x.dims() {
        [batch, _, area @ ..] => Ok(batch * area.iter().product::<usize>()),
        other => bail!("batch normalisation of {other:?}: no channels"),
    }
}

/// Normalises with the batch's own statistics; with `relu` the ReLU of it.
///
/// **Shape** x, y `[B,C]` or `[B,C,H,W]`, gamma and beta `[C]`. **Reference** `torch.nn.BatchNorm1d/2d` in training
/// mode.
///
/// # Errors
/// When there is only one number per channel, shapes do not fit, or the device fails.
pub fn batch_norm_train(
    tape: &Tape,
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    relu: bool,
) -> Result<(Tensor, Statistics)> {
    check(x, gamma, beta)?;
    if per_channel(x)? < 2 {
        bail!("batch normalisation needs more than one number per channel to train on");
    }
    if !x.device().is_cpu() {
        return composed_train(x, gamma, beta, relu);
    }
    let saved = Arc::new(OnceLock::new());
    let y = tape.op3(
        x,
        gamma,
        beta,
        BatchNorm {
            relu,
            saved: Arc::clone(&saved),
        },
    )?;
    let Some(saved) = saved.get() else {
        bail!("batch normalisation kept no statistics");
    };
    let statistics = Statistics {
        mean: slices::tensor(saved.mean.clone(), gamma.shape())?,
        variance: slices::tensor(saved.variance.clone(), gamma.shape())?,
    };
    Ok((y, statistics))
}

/// Normalises with given statistics, as constants; with `relu` the ReLU of it.
///
/// **Shape** as [`batch_norm_train`]. **Reference** `torch.nn.BatchNorm1d/2d` in evaluation mode.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    relu: bool,
) -> Result<Tensor> {
    check(x, gamma, beta)?;
    check(x, mean, variance)?;
    let tracked = x.track_op() || gamma.track_op() || beta.track_op();
    if tracked || !x.device().is_cpu() {
        return composed_eval(x, gamma, beta, mean, variance, relu);
    }
    let x = x.contiguous()?;
    let (batch, channels, area) = sizes(&x)?;
    let mut y = vec![0.0; x.elem_count()];
    let forward = if relu {
        norm::eval_forward_relu
    } else {
        norm::eval_forward
    };
    forward(
        batch,
        channels,
        area,
        &slices::read(&x)?,
        &slices::read(gamma)?,
        &slices::read(beta)?,
        &slices::read(mean)?,
        &slices::read(variance)?,
        EPSILON,
        &mut y,
    );
    slices::tensor(y, x.shape())
}

/// [`batch_norm_train`] of Candle's operations.
///
/// # Errors
/// When the device fails.
#[expect(
    clippy::cast_precision_loss,
    reason = "a batch has far below 2^52 numbers"
)]
pub fn composed_train(
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

/// [`batch_norm_eval`] of Candle's operations.
///
/// # Errors
/// When the device fails.
pub fn composed_eval(
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
        activation::composed(y, Activation::Relu)
    } else {
        Ok(y.clone())
    }
}

fn check(x: &Tensor, first: &Tensor, second: &Tensor) -> Result<()> {
    let (_, channels, _) = sizes(x)?;
    if first.dims() != [channels] || second.dims() != [channels] {
        bail!(
            "batch normalisation of {:?} by vectors of {:?} and {:?}",
            x.dims(),
            first.dims(),
            second.dims()
        );
    }
    Ok(())
}

/// Batch, channels, numbers per image and channel.
fn sizes(x: &Tensor) -> Result<(usize, usize, usize)> {
    match *x.dims() {
        [batch, channels, ref area @ ..] => Ok((batch, channels, area.iter().product())),
        ref other => bail!("batch normalisation of {other:?}: no channels"),
    }
}

impl<const MAPS: bool> Forward for layers::BatchNorm<MAPS> {
    fn takes(&self, activation: Activation) -> bool {
        activation == Activation::Relu
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let relu = site.activation == Activation::Relu;
        let [gamma, beta] = [
            pass.parameter(site, "weight")?,
            pass.parameter(site, "bias")?,
        ];
        if !pass.mode.training {
            let mean = pass.parameter(site, "running_mean")?;
            let var = pass.parameter(site, "running_var")?;
            return site.named(batch_norm_eval(x, &gamma, &beta, &mean, &var, relu));
        }
        if site.named(per_channel(x))? < 2 {
            return Err(Error::input(
                site.doing(),
                "batch normalisation cannot train on a batch of one image: its variance is undefined",
                "choose a train.batch_size that leaves no single image over",
            ));
        }
        let (y, statistics) = site.named(batch_norm_train(pass.tape, x, &gamma, &beta, relu))?;
        pass.pending.push((site.name.to_owned(), statistics));
        Ok(y)
    }
}

struct Saved {
    mean: Vec<f32>,
    inv_std: Vec<f32>,
    /// Unbiased.
    variance: Vec<f32>,
}

struct BatchNorm {
    relu: bool,
    saved: Arc<OnceLock<Saved>>,
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
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
        let (batch, channels, area) = match *layout.dims() {
            [batch, channels, ref area @ ..] => (batch, channels, area.iter().product()),
            ref other => bail!("batch normalisation of {other:?}: no channels"),
        };
        let x = slices::of(x, layout)?;
        let mut y = vec![0.0; x.len()];
        let [mut mean, mut inv_std, mut variance] = [(); 3].map(|()| vec![0.0; channels]);
        let forward = if self.relu {
            norm::train_forward_relu
        } else {
            norm::train_forward
        };
        forward(
            batch,
            channels,
            area,
            x,
            slices::of(gamma, gamma_layout)?,
            slices::of(beta, beta_layout)?,
            EPSILON,
            &mut y,
            &mut mean,
            &mut inv_std,
            &mut variance,
        );
        self.saved.get_or_init(|| Saved {
            mean,
            inv_std,
            variance,
        });
        Ok(slices::output(y, layout.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(saved) = self.saved.get() else {
            bail!("batch normalisation: backward before forward");
        };
        let (batch, channels, area) = sizes(x)?;
        let dy = dy.contiguous()?;
        let (dy, values) = (slices::read(&dy)?, slices::read(x)?);
        let (gamma_values, beta_values) = (slices::read(gamma)?, slices::read(beta)?);
        let mut dx = vec![0.0; values.len()];
        let [mut dgamma, mut dbeta] = [(); 2].map(|()| vec![0.0; channels]);
        let (mean, inv_std) = (&saved.mean, &saved.inv_std);
        if self.relu {
            norm::backward_relu(
                batch,
                channels,
                area,
                &values,
                &gamma_values,
                &beta_values,
                mean,
                inv_std,
                &dy,
                &mut dx,
                &mut dgamma,
                &mut dbeta,
            );
        } else {
            norm::backward(
                batch,
                channels,
                area,
                &values,
                &gamma_values,
                mean,
                inv_std,
                &dy,
                &mut dx,
                &mut dgamma,
                &mut dbeta,
            );
        }
        let shape = gamma.shape();
        Ok((
            Some(slices::tensor(dx, x.shape())?),
            Some(slices::tensor(dgamma, shape)?),
            Some(slices::tensor(dbeta, shape)?),
        ))
    }
}

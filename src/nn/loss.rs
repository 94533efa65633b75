//! Losses: means over the batch, as PyTorch's defaults are.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::{Tape, slices};
use crate::kernels::cpu::loss as kernel;
use crate::kernels::targets::{Part, Targets};
use crate::profile::Loss;

/// A loss to go backward from, and its value.
#[derive(Clone, Debug)]
pub struct Value {
    /// **Shape** `[]`, on the device.
    pub tensor: Tensor,
    pub value: f64,
}

/// The mean loss of a batch; label smoothing belongs to cross-entropy only.
///
/// **Shape** logits `[B,K]`, labels `[B]`. **Reference** `torch.nn.CrossEntropyLoss(label_smoothing=…)` and
/// `torch.nn.MSELoss()` against the one-hot labels.
///
/// # Errors
/// When the shapes do not fit, a label is not below K, or the device fails.
pub fn mean(
    tape: &Tape,
    kind: Loss,
    label_smoothing: f64,
    logits: &Tensor,
    labels: &[u32],
) -> Result<Value> {
    let (batch, classes) = logits.dims2()?;
    if batch != labels.len() || batch == 0 {
        bail!("{} labels for {batch} outputs", labels.len());
    }
    if let Some(label) = labels.iter().find(|l| **l as usize >= classes) {
        bail!("label {label} with {classes} classes");
    }
    if !logits.device().is_cpu() {
        return on_device(composed(kind, label_smoothing, logits, labels)?);
    }
    let goal = Goal::Labels(kind, label_smoothing, labels.to_vec());
    on_cpu(tape, logits, goal)
}

/// The mean cross-entropy of a batch with targets.
///
/// **Shape** logits `[B,K]`. **Reference** `torch.nn.CrossEntropyLoss()` with class probabilities.
///
/// # Errors
/// When the targets are those of another batch, or the device fails.
pub fn mean_of_targets(tape: &Tape, logits: &Tensor, targets: &Targets) -> Result<Value> {
    if logits.dims2()? != (targets.labels().len(), targets.classes()) {
        bail!("targets of another batch for {:?}", logits.shape());
    }
    if !logits.device().is_cpu() {
        return on_device(composed_of_targets(logits, targets)?);
    }
    on_cpu(tape, logits, Goal::Targets(targets.clone()))
}

fn on_device(tensor: Tensor) -> Result<Value> {
    // Device synchronisation: the loss is checked before anything is written.
    let value = f64::from(tensor.to_scalar::<f32>()?);
    Ok(Value { tensor, value })
}

fn on_cpu(tape: &Tape, logits: &Tensor, goal: Goal) -> Result<Value> {
    let result = Arc::new(OnceLock::new());
    let loss = MeanLoss {
        goal,
        result: Arc::clone(&result),
    };
    let tensor = tape.op1(logits, loss)?;
    match result.get() {
        Some((value, _)) => Ok(Value {
            tensor,
            value: *value,
        }),
        None => bail!("the loss kept no value"),
    }
}

/// [`mean`] of Candle's operations, labels checked before.
///
/// # Errors
/// When the device fails.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "classes and batches are small; tensors are f32"
)]
pub fn composed(
    kind: Loss,
    label_smoothing: f64,
    logits: &Tensor,
    labels: &[u32],
) -> Result<Tensor> {
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
        Loss::CrossEntropy => cross_entropy(logits, targets),
        Loss::Mse => (logits - targets)?.sqr()?.mean_all(),
    }
}

/// [`mean_of_targets`] of Candle's operations, shapes checked before.
///
/// # Errors
/// When the device fails.
pub fn composed_of_targets(logits: &Tensor, targets: &Targets) -> Result<Tensor> {
    let Part { rows, factors } = targets.all();
    let of_factors = factors.iter().zip(rows.chunks_exact(targets.classes()));
    let rows = of_factors.flat_map(|(factor, row)| row.iter().map(move |t| t * factor));
    let rows = Tensor::from_vec(rows.collect::<Vec<_>>(), logits.shape(), logits.device())?;
    cross_entropy(logits, rows)
}

#[expect(clippy::cast_precision_loss, reason = "batches are small")]
fn cross_entropy(logits: &Tensor, targets: Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let total = shifted.exp()?.sum_keepdim(1)?.log()?;
    let log_probabilities = shifted.broadcast_sub(&total)?;
    (log_probabilities * targets)?.sum_all()? / -(logits.dim(0)? as f64)
}

/// What the logits should be.
enum Goal {
    /// With the loss's kind and label smoothing.
    Labels(Loss, f64, Vec<u32>),
    Targets(Targets),
}

struct MeanLoss {
    goal: Goal,
    /// The value and its gradient, both known after the forward pass.
    result: Arc<OnceLock<(f64, Vec<f32>)>>,
}

impl CustomOp1 for MeanLoss {
    fn name(&self) -> &'static str {
        "mean-loss"
    }

    #[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, classes) = layout.shape().dims2()?;
        let logits = slices::of(logits, layout)?;
        let mut gradient = vec![0.0; logits.len()];
        let into = &mut gradient;
        let value = match &self.goal {
            Goal::Labels(Loss::CrossEntropy, smoothing, labels) => {
                kernel::cross_entropy(batch, classes, logits, labels, *smoothing, into)
            }
            Goal::Labels(Loss::Mse, _, labels) => {
                kernel::mse_one_hot(batch, classes, logits, labels, into)
            }
            Goal::Targets(targets) => {
                kernel::soft_cross_entropy(batch, classes, logits, targets.all(), into)
            }
        };
        self.result.get_or_init(|| (value, gradient));
        Ok(slices::output(vec![value as f32], ()))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, outer: &Tensor) -> Result<Option<Tensor>> {
        let Some((_, gradient)) = self.result.get() else {
            bail!("loss: backward before forward");
        };
        let outer = outer.to_scalar::<f32>()?;
        let gradient = gradient.iter().map(|g| g * outer).collect();
        slices::tensor(gradient, logits.shape()).map(Some)
    }
}

//! Losses: means over the batch, as PyTorch's defaults are.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::{Tape, slices};
use crate::kernels::cpu::loss as kernel;
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
        let tensor = composed(kind, label_smoothing, logits, labels)?;
        // Device synchronisation: the loss is checked before anything is written.
        let value = f64::from(tensor.to_scalar::<f32>()?);
        return Ok(Value { tensor, value });
    }
    let result = Arc::new(OnceLock::new());
    let tensor = tape.op1(
        logits,
        MeanLoss {
            kind,
            label_smoothing,
            labels: labels.to_vec(),
            result: Arc::clone(&result),
        },
    )?;
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
        Loss::CrossEntropy => {
            let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
            let total = shifted.exp()?.sum_keepdim(1)?.log()?;
            let log_probabilities = shifted.broadcast_sub(&total)?;
            (log_probabilities * targets)?.sum_all()? / -(batch as f64)
        }
        Loss::Mse => (logits - targets)?.sqr()?.mean_all(),
    }
}

struct MeanLoss {
    kind: Loss,
    label_smoothing: f64,
    labels: Vec<u32>,
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
        let value = match self.kind {
            Loss::CrossEntropy => kernel::cross_entropy(
                batch,
                classes,
                logits,
                &self.labels,
                self.label_smoothing,
                &mut gradient,
            ),
            Loss::Mse => kernel::mse_one_hot(batch, classes, logits, &self.labels, &mut gradient),
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

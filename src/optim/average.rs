//! An exponential moving average of the weights.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result as CandleResult, Var, bail};

use crate::error::Result;
use crate::kernels::cpu::optimizer::ema;
use crate::nn::{During, Parameters};

/// Moves `average` towards `current`: average = decay·average + (1−decay)·current; the first time it takes `current`
/// over.
///
/// Buffers are left alone. **Reference** `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`.
///
/// # Errors
/// `Compute` when the two differ in their parameters or the device fails.
pub fn update_average(
    average: &Parameters,
    current: &Parameters,
    decay: f64,
    first: bool,
) -> Result<()> {
    for (name, var) in current.trainable() {
        let own = average.get(name)?;
        if first {
            own.set(var)
        } else {
            blend(own, var, decay)
        }
        .during("averaging weights")?;
    }
    Ok(())
}

fn blend(average: &Var, current: &Var, decay: f64) -> CandleResult<()> {
    if average.device().is_cpu() {
        return average.as_tensor().inplace_op2(current, &Average(decay));
    }
    let kept = (average.as_detached_tensor() * decay)?;
    average.set(&(kept + (current.as_detached_tensor() * (1.0 - decay))?)?)
}

struct Average(f64);

impl InplaceOp2 for Average {
    fn name(&self) -> &'static str {
        "average"
    }

    fn cpu_fwd(
        &self,
        average: &mut CpuStorage,
        layout: &Layout,
        current: &CpuStorage,
        current_layout: &Layout,
    ) -> CandleResult<()> {
        match (
            average,
            layout.contiguous_offsets(),
            current,
            current_layout.contiguous_offsets(),
        ) {
            (
                CpuStorage::F32(average),
                Some((start, end)),
                CpuStorage::F32(current),
                Some((from, to)),
            ) => {
                ema(self.0, &mut average[start..end], &current[from..to]);
                Ok(())
            }
            _ => bail!("weights are contiguous f32"),
        }
    }
}

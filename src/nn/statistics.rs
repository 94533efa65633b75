//! What batch normalisation keeps of the batches: running means and variances.

use candle_core::{Result, Tensor, Var};

/// Share of the new batch in the running statistics (PyTorch's default).
pub const MOMENTUM: f64 = 0.1;

/// What a batch says about each channel.
///
/// **Shape** `[C]` each; the variance is the unbiased one.
#[derive(Clone, Debug)]
pub struct Statistics {
    pub mean: Tensor,
    pub variance: Tensor,
}

impl Statistics {
    /// Moves the running statistics towards these: running = 0.9·running + 0.1·new.
    ///
    /// # Errors
    /// When the shapes differ or the device fails.
    pub fn commit(&self, running_mean: &Var, running_var: &Var) -> Result<()> {
        for (running, new) in [(running_mean, &self.mean), (running_var, &self.variance)] {
            let kept = (running.as_detached_tensor() * (1.0 - MOMENTUM))?;
            running.set(&(kept + (new * MOMENTUM)?)?)?;
        }
        Ok(())
    }
}

/// Those still to be written, by the layer's name.
pub type PendingStatistics = Vec<(String, Statistics)>;

//! The gradients of one step beside their parameters, in name order, and their norm.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Storage, Tensor, Var};

use crate::error::Result;
use crate::kernels::cpu::optimizer::squared_norm;
use crate::nn::{During, Parameters};

/// Name, parameter, gradient.
pub struct Gradients(Vec<(String, Var, Tensor)>);

impl Gradients {
    /// Takes the parameters' gradients out of Candle's store; a parameter the loss does not depend on has none.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn collect(parameters: &Parameters, mut store: GradStore) -> Result<Self> {
        let mut all = Vec::new();
        for (name, var) in parameters.trainable() {
            if let Some(gradient) = store.remove(var) {
                let gradient = gradient.contiguous().during("collecting gradients")?;
                all.push((name.to_string(), var.clone(), gradient));
            }
        }
        Ok(Self(all))
    }

    /// In name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var, &Tensor)> {
        self.0.iter().map(|(n, v, g)| (n.as_str(), v, g))
    }

    /// L2 norm over all of them. A device synchronisation.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn norm(&self) -> Result<f64> {
        let mut total = 0.0;
        for (_, _, gradient) in self.iter() {
            total += squares(gradient).during("measuring gradients")?;
        }
        Ok(total.sqrt())
    }
}

fn squares(gradient: &Tensor) -> candle_core::Result<f64> {
    let (storage, layout) = gradient.storage_and_layout();
    if let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
        (&*storage, layout.contiguous_offsets())
    {
        return Ok(squared_norm(&values[start..end]));
    }
    drop(storage);
    Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?))
}

//! A network's numbers by name: trainable ones and buffers (running statistics), always in name order.
//!
//! Loading is all or nothing. Knows no layer and no file format.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};

use super::state::{Array, StateDict, expect, refuse_unknown};
use super::{During, slices};
use crate::error::{Error, Result};

/// Named variables. Cloning shares them; [`Parameters::copy_trainable`] does not.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    trainable: BTreeMap<String, Var>,
    buffers: BTreeMap<String, Var>,
}

impl Parameters {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a trainable array.
    ///
    /// # Errors
    /// `Compute` when the device has no room, `Input` when the name is taken.
    pub fn add_trainable(&mut self, name: &str, array: Array, device: &Device) -> Result<()> {
        self.check_free(name)?;
        self.trainable
            .insert(name.into(), variable(name, array, device)?);
        Ok(())
    }

    /// Adds a buffer: part of the state, not trained.
    ///
    /// # Errors
    /// `Compute` when the device has no room, `Input` when the name is taken.
    pub fn add_buffer(&mut self, name: &str, array: Array, device: &Device) -> Result<()> {
        self.check_free(name)?;
        self.buffers
            .insert(name.into(), variable(name, array, device)?);
        Ok(())
    }

    fn check_free(&self, name: &str) -> Result<()> {
        if self.trainable.contains_key(name) || self.buffers.contains_key(name) {
            return Err(Error::input(
                name,
                "is the name of two parameters",
                "give every layer its own name",
            ));
        }
        Ok(())
    }

    /// The trainable variables in name order.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.trainable.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// The buffers in name order.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.buffers.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// The variable called `name`.
    ///
    /// # Errors
    /// `Compute` when there is none.
    pub fn get(&self, name: &str) -> Result<&Var> {
        self.trainable
            .get(name)
            .or_else(|| self.buffers.get(name))
            .ok_or_else(|| Error::compute("building the network", format!("no parameter {name}")))
    }

    /// Count of trainable numbers.
    #[must_use]
    pub fn trainable_elements(&self) -> usize {
        self.trainable.values().map(|v| v.elem_count()).sum()
    }

    /// The same buffers beside a copy of the trainable variables.
    ///
    /// # Errors
    /// `Compute` when the device has no room.
    pub fn copy_trainable(&self) -> Result<Self> {
        let mut trainable = BTreeMap::new();
        for (name, var) in &self.trainable {
            let copy = var.as_tensor().copy().and_then(|t| Var::from_tensor(&t));
            trainable.insert(name.clone(), copy.during("copying weights")?);
        }
        Ok(Self {
            trainable,
            buffers: self.buffers.clone(),
        })
    }

    /// All trainable arrays and buffers. A device synchronisation.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn export(&self) -> Result<StateDict> {
        self.trainable
            .iter()
            .chain(&self.buffers)
            .map(|(name, var)| Ok((name.clone(), array(var)?)))
            .collect()
    }

    /// Sets every variable from the array of its name; unknown names are refused.
    ///
    /// # Errors
    /// `Input` when a name is missing, unknown or has another shape; nothing has been set then.
    pub fn import(&self, state: &StateDict) -> Result<()> {
        refuse_unknown(state, |name| self.contains(name))?;
        self.check(state)?;
        self.set(state)
    }

    /// True when `name` is one of the variables.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.trainable.contains_key(name) || self.buffers.contains_key(name)
    }

    /// Checks that `state` holds every variable in its shape.
    ///
    /// # Errors
    /// `Input` naming the first that it does not.
    pub fn check(&self, state: &StateDict) -> Result<()> {
        for (name, var) in self.trainable.iter().chain(&self.buffers) {
            expect(state, name, var.dims())?;
        }
        Ok(())
    }

    /// Sets the variables after [`check`](Self::check).
    ///
    /// # Errors
    /// `Input` as `check`, `Compute` when the device fails.
    pub fn set(&self, state: &StateDict) -> Result<()> {
        for (name, var) in self.trainable.iter().chain(&self.buffers) {
            set(var, &expect(state, name, var.dims())?.values)?;
        }
        Ok(())
    }
}

fn variable(name: &str, array: Array, device: &Device) -> Result<Var> {
    Var::from_vec(array.values, array.shape, device).during(&format!("placing {name}"))
}

/// Overwrites a variable.
///
/// # Errors
/// `Compute` when the count of values differs or the device fails.
pub(crate) fn set(var: &Var, values: &[f32]) -> Result<()> {
    Tensor::from_slice(values, var.shape(), var.device())
        .and_then(|t| var.set(&t))
        .during("setting weights")
}

/// The numbers of a tensor on any device. A device synchronisation.
///
/// # Errors
/// `Compute` when the device fails.
pub(crate) fn array(tensor: &Tensor) -> Result<Array> {
    let values = if tensor.device().is_cpu() && tensor.is_contiguous() {
        slices::read(tensor).map(|v| v.to_vec())
    } else {
        tensor.flatten_all().and_then(|t| t.to_vec1())
    };
    Ok(Array {
        shape: tensor.dims().to_vec(),
        values: values.during("reading weights")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Parameters {
        let mut p = Parameters::new();
        let array = |shape: &[usize], value| Array {
            shape: shape.to_vec(),
            values: vec![value; shape.iter().product()],
        };
        p.add_trainable("fc.weight", array(&[2, 3], 1.0), &Device::Cpu)
            .unwrap();
        p.add_trainable("bn.weight", array(&[2], 2.0), &Device::Cpu)
            .unwrap();
        p.add_buffer("bn.running_mean", array(&[2], 3.0), &Device::Cpu)
            .unwrap();
        p
    }

    #[test]
    fn export_then_import_gives_the_same() {
        let p = sample();
        let mut state = p.export().unwrap();
        assert_eq!(
            state.keys().collect::<Vec<_>>(),
            ["bn.running_mean", "bn.weight", "fc.weight"]
        );
        state.get_mut("fc.weight").unwrap().values[4] = -7.5;
        p.import(&state).unwrap();
        assert_eq!(p.export().unwrap(), state);
    }

    #[test]
    fn a_state_that_does_not_fit_sets_nothing() {
        let p = sample();
        let before = p.export().unwrap();
        let changed = || {
            let mut s = before.clone();
            for a in s.values_mut() {
                a.values.fill(9.0);
            }
            s
        };
        let mut missing = changed();
        missing.remove("fc.weight");
        let mut shape = changed();
        shape.get_mut("fc.weight").unwrap().shape = vec![3, 2];
        let mut short = changed();
        short.get_mut("fc.weight").unwrap().values.pop();
        let mut unknown = changed();
        unknown.insert("zz".into(), unknown["bn.weight"].clone());
        for (state, named) in [
            (missing, "fc.weight"),
            (shape, "fc.weight"),
            (short, "fc.weight"),
            (unknown, "zz"),
        ] {
            let error = p.import(&state).unwrap_err();
            assert!(error.to_string().starts_with(named), "{error}");
            assert_eq!(p.export().unwrap(), before);
        }
    }

    #[test]
    fn a_copy_has_its_own_weights_and_shares_buffers() {
        let p = sample();
        let copy = p.copy_trainable().unwrap();
        set(p.get("bn.weight").unwrap(), &[5.0, 5.0]).unwrap();
        set(p.get("bn.running_mean").unwrap(), &[6.0, 6.0]).unwrap();
        let state = copy.export().unwrap();
        assert_eq!(state["bn.weight"].values, [2.0, 2.0]);
        assert_eq!(state["bn.running_mean"].values, [6.0, 6.0]);
    }
}

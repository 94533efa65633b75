//! Optimizers with PyTorch's exact formulas, gradient clipping and averaged weights; all state can be taken out and put
//! back.
//!
//! On the CPU one fused pass per parameter, elsewhere Candle's operations. Knows neither networks nor losses.

mod average;
mod composed;
mod fused;
mod gradients;

pub use crate::kernels::cpu::optimizer::{Rule, clip_factor, update};
pub use average::update_average;
pub use gradients::Gradients;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Var};

use crate::error::Result;
use crate::kernels::cpu::optimizer::{Adam, RmsProp, Sgd};
use crate::nn::parameters::{self, Parameters};
use crate::nn::state::{Array, StateDict, expect};
use crate::nn::{During, state};
use crate::profile::{Optimizer as Settings, OptimizerKind};

/// Where the count of steps lies in the state.
pub(crate) const STEP: &str = "optimizer.step";
/// First moment (Adam) or velocity (SGD, `RMSprop`).
pub(crate) const FIRST: &str = "optimizer.m.";
/// Running mean of squared gradients (Adam, `RMSprop`).
pub(crate) const SECOND: &str = "optimizer.v.";

/// Turns gradients into updates.
///
/// **Reference** `torch.optim.{SGD, RMSprop, Adam, AdamW}`: L2 is added to the gradient except in `AdamW`.
#[derive(Debug)]
pub struct Optimizer {
    settings: Settings,
    /// Steps taken.
    steps: u64,
    slots: BTreeMap<String, Slots>,
}

/// What an optimizer remembers of one parameter.
#[derive(Debug)]
struct Slots {
    shape: Vec<usize>,
    /// Factor on the learning rate.
    rate: f64,
    first: Option<Slot>,
    second: Option<Slot>,
}

/// An array of optimizer state where its parameter lives.
#[derive(Debug)]
enum Slot {
    Host(Vec<f32>),
    Device(Var),
}

/// What one step needs beside the gradients.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    pub learning_rate: f64,
    /// Factor on every gradient, from clipping; 1 leaves them alone.
    pub gradient_scale: f64,
}

/// The rule of an optimizer's step of this number, from 1.
#[must_use]
pub fn rule(settings: &Settings, step: StepSettings, number: u64) -> Rule {
    let StepSettings {
        learning_rate,
        gradient_scale,
    } = step;
    let weight_decay = settings.weight_decay;
    let adam = Adam {
        learning_rate,
        beta1: settings.betas[0],
        beta2: settings.betas[1],
        epsilon: settings.epsilon,
        weight_decay,
        step: number,
        gradient_scale,
    };
    match settings.kind {
        OptimizerKind::Adam => Rule::Adam(adam),
        OptimizerKind::Adamw => Rule::AdamW(adam),
        OptimizerKind::Sgd => Rule::Sgd(Sgd {
            learning_rate,
            momentum: settings.momentum,
            nesterov: settings.nesterov,
            weight_decay,
            gradient_scale,
        }),
        OptimizerKind::Rmsprop => Rule::RmsProp(RmsProp {
            learning_rate,
            alpha: settings.alpha,
            epsilon: settings.epsilon,
            momentum: settings.momentum,
            weight_decay,
            gradient_scale,
        }),
    }
}

impl Optimizer {
    /// An optimizer without memory of any step.
    ///
    /// # Errors
    /// `Compute` when the device has no room.
    pub fn new(settings: &Settings, parameters: &Parameters) -> Result<Self> {
        let [first, second] = settings.keeps();
        let slots = parameters
            .trainable()
            .map(|(name, var)| {
                let slots = Slots {
                    shape: var.dims().to_vec(),
                    rate: 1.0,
                    first: first.then(|| Slot::zeros(var)).transpose()?,
                    second: second.then(|| Slot::zeros(var)).transpose()?,
                };
                Ok((name.to_string(), slots))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            settings: settings.clone(),
            steps: 0,
            slots,
        })
    }

    /// The same with a factor on each parameter's learning rate.
    #[must_use]
    pub fn with_rates(mut self, rate: impl Fn(&str) -> f64) -> Self {
        for (name, slots) in &mut self.slots {
            slots.rate = rate(name);
        }
        self
    }

    /// Steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Updates every parameter that has a gradient.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn step(&mut self, gradients: &Gradients, step: StepSettings) -> Result<()> {
        self.steps += 1;
        for (name, var, gradient) in gradients.iter() {
            let Some(slots) = self.slots.get_mut(name) else {
                continue;
            };
            let step = VarUpdate {
                settings: &self.settings,
                varying: StepSettings {
                    learning_rate: step.learning_rate * slots.rate,
                    ..step
                },
                number: self.steps,
            };
            if var.device().is_cpu() {
                fused::update(step, var, gradient, slots)
            } else {
                composed::update(step, var, gradient, slots)
            }
            .during(&format!("updating {name}"))?;
        }
        Ok(())
    }

    /// Moments and step count by name.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn export(&self) -> Result<StateDict> {
        let mut out = StateDict::new();
        out.insert(STEP.into(), step_array(self.steps));
        for (name, slots) in &self.slots {
            for (prefix, slot) in slots.named() {
                let values = slot.values()?;
                let shape = slots.shape.clone();
                out.insert(format!("{prefix}{name}"), Array { shape, values });
            }
        }
        Ok(out)
    }

    /// True when `name` is an array of this optimizer's state.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        name == STEP
            || [FIRST, SECOND].iter().any(|prefix| {
                name.strip_prefix(prefix)
                    .and_then(|p| self.slots.get(p))
                    .is_some_and(|s| s.named().any(|(own, _)| own == *prefix))
            })
    }

    /// Checks that `state` holds all of this optimizer's state.
    ///
    /// # Errors
    /// `Input` naming the first array that is missing or has another shape.
    pub fn check(&self, state: &StateDict) -> Result<()> {
        expect(state, STEP, &[2])?;
        for (name, slots) in &self.slots {
            for (prefix, _) in slots.named() {
                expect(state, &format!("{prefix}{name}"), &slots.shape)?;
            }
        }
        Ok(())
    }

    /// Takes up what [`export`](Self::export) gave; other names are ignored.
    ///
    /// # Errors
    /// `Input` as [`check`](Self::check) (nothing is set then), `Compute` when the device fails.
    pub fn import(&mut self, state: &StateDict) -> Result<()> {
        self.check(state)?;
        self.steps = step_count(state::expect(state, STEP, &[2])?);
        for (name, slots) in &mut self.slots {
            let Slots {
                shape,
                first,
                second,
                ..
            } = slots;
            for (prefix, slot) in [(FIRST, first), (SECOND, second)] {
                if let Some(slot) = slot {
                    let array = expect(state, &format!("{prefix}{name}"), shape)?;
                    slot.set(&array.values)?;
                }
            }
        }
        Ok(())
    }
}

/// One step of one parameter.
#[derive(Clone, Copy)]
struct VarUpdate<'a> {
    settings: &'a Settings,
    varying: StepSettings,
    /// From 1.
    number: u64,
}

impl Slots {
    fn named(&self) -> impl Iterator<Item = (&'static str, &Slot)> {
        [(FIRST, &self.first), (SECOND, &self.second)]
            .into_iter()
            .filter_map(|(prefix, slot)| slot.as_ref().map(|s| (prefix, s)))
    }
}

impl Slot {
    fn zeros(var: &Var) -> Result<Self> {
        match var.device() {
            Device::Cpu => Ok(Self::Host(vec![0.0; var.elem_count()])),
            device => Var::zeros(var.shape(), DType::F32, device)
                .map(Self::Device)
                .during("placing the optimizer's state"),
        }
    }

    fn values(&self) -> Result<Vec<f32>> {
        match self {
            Self::Host(values) => Ok(values.clone()),
            Self::Device(var) => Ok(parameters::array(var)?.values),
        }
    }

    fn set(&mut self, values: &[f32]) -> Result<()> {
        match self {
            Self::Host(own) => {
                own.copy_from_slice(values);
                Ok(())
            }
            Self::Device(var) => parameters::set(var, values),
        }
    }
}

/// A count as two f32 that hold it exactly up to 2⁴⁸.
#[expect(clippy::cast_precision_loss, reason = "both halves are below 2^24")]
pub(crate) fn step_array(steps: u64) -> Array {
    Array {
        shape: vec![2],
        values: vec![(steps >> 24) as f32, (steps & 0xFF_FFFF) as f32],
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "written by step_array; anything else saturates"
)]
pub(crate) fn step_count(array: &Array) -> u64 {
    ((array.values[0] as u64) << 24) | (array.values[1] as u64)
}

#[cfg(test)]
mod tests;

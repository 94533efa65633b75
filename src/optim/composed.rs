//! The update by Candle's operations, for devices without a fused one.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a step number beyond i32 has a bias correction of 1 anyway"
)]

use candle_core::{Result, Tensor, Var, bail};

use super::{Slot, Slots, VarUpdate};
use crate::profile::OptimizerKind;

/// Updates `var` and its slots.
pub(super) fn update(
    step: VarUpdate,
    var: &Var,
    gradient: &Tensor,
    slots: &mut Slots,
) -> Result<()> {
    let s = step.settings;
    let rate = step.varying.learning_rate;
    let weight = var.as_detached_tensor();
    let mut gradient = (gradient.detach() * step.varying.gradient_scale)?;
    if s.weight_decay != 0.0 && s.kind != OptimizerKind::Adamw {
        gradient = (gradient + (&weight * s.weight_decay)?)?;
    }
    let first = device(slots.first.as_ref());
    let second = device(slots.second.as_ref());
    let new = match (s.kind, first, second) {
        (OptimizerKind::Sgd, velocity, _) => {
            let direction = match velocity {
                None => gradient,
                Some(velocity) => {
                    let moved = ((velocity.as_detached_tensor() * s.momentum)? + &gradient)?;
                    velocity.set(&moved)?;
                    if s.nesterov {
                        (gradient + (moved * s.momentum)?)?
                    } else {
                        moved
                    }
                }
            };
            (weight - (direction * rate)?)?
        }
        (OptimizerKind::Rmsprop, velocity, Some(square)) => {
            let mean = blend(square, s.alpha, &gradient.sqr()?)?;
            let mut direction = (gradient / (mean.sqrt()? + s.epsilon)?)?;
            if let Some(velocity) = velocity {
                direction = (direction + (velocity.as_detached_tensor() * s.momentum)?)?;
                velocity.set(&direction)?;
            }
            (weight - (direction * rate)?)?
        }
        (OptimizerKind::Adam | OptimizerKind::Adamw, Some(m), Some(v)) => {
            let weight = if s.kind == OptimizerKind::Adamw {
                (weight * (1.0 - rate * s.weight_decay))?
            } else {
                weight
            };
            let mean = blend(m, s.betas[0], &gradient)?;
            let square = blend(v, s.betas[1], &gradient.sqr()?)?;
            let number = step.number.min(i32::MAX as u64) as i32;
            let correction = s.betas.map(|beta| 1.0 - beta.powi(number));
            let deviation = ((square.sqrt()? / correction[1].sqrt())? + s.epsilon)?;
            (weight - ((mean / deviation)? * (rate / correction[0]))?)?
        }
        _ => bail!("the optimizer's state is not on the device"),
    };
    var.set(&new)
}

/// state = share·state + (1−share)·new.
fn blend(state: &Var, share: f64, new: &Tensor) -> Result<Tensor> {
    let blended = ((state.as_detached_tensor() * share)? + (new * (1.0 - share))?)?;
    state.set(&blended)?;
    Ok(blended)
}

fn device(slot: Option<&Slot>) -> Option<&Var> {
    match slot {
        Some(Slot::Device(var)) => Some(var),
        _ => None,
    }
}

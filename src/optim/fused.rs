//! The update on the CPU: one pass over parameter, gradient and state, in place.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var, bail};

use super::{Rule, Slot, Slots};
use crate::kernels::cpu::optimizer::{self, Adam, RmsProp, Sgd};
use crate::profile::OptimizerKind;

/// Updates `var` and its slots.
pub(super) fn update(
    rule: Rule<'_>,
    var: &Var,
    gradient: &Tensor,
    slots: &mut Slots,
) -> Result<()> {
    let update = Update {
        rule,
        slots: RefCell::new(slots),
    };
    var.as_tensor().inplace_op2(gradient, &update)
}

struct Update<'a> {
    rule: Rule<'a>,
    slots: RefCell<&'a mut Slots>,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(p), CpuStorage::F32(g)) = (parameter, gradient) else {
            bail!("parameters and gradients are f32");
        };
        let (Some((start, end)), Some((from, to))) = (
            layout.contiguous_offsets(),
            gradient_layout.contiguous_offsets(),
        ) else {
            bail!("parameters and gradients are contiguous");
        };
        let mut slots = self.slots.borrow_mut();
        let Slots { first, second, .. } = &mut **slots;
        apply(
            &self.rule,
            &mut p[start..end],
            &g[from..to],
            host(first),
            host(second),
        )
    }
}

fn host(slot: &mut Option<Slot>) -> Option<&mut [f32]> {
    match slot {
        Some(Slot::Host(values)) => Some(values),
        _ => None,
    }
}

fn apply(
    rule: &Rule<'_>,
    weights: &mut [f32],
    gradient: &[f32],
    first: Option<&mut [f32]>,
    second: Option<&mut [f32]>,
) -> Result<()> {
    let settings = rule.settings;
    let (learning_rate, gradient_scale) = (rule.step.learning_rate, rule.step.gradient_scale);
    match (settings.kind, first, second) {
        (OptimizerKind::Sgd, velocity, _) => optimizer::sgd(
            &Sgd {
                learning_rate,
                momentum: settings.momentum,
                nesterov: settings.nesterov,
                weight_decay: settings.weight_decay,
                gradient_scale,
            },
            weights,
            gradient,
            velocity,
        ),
        (OptimizerKind::Rmsprop, velocity, Some(square)) => optimizer::rmsprop(
            &RmsProp {
                learning_rate,
                alpha: settings.alpha,
                epsilon: settings.epsilon,
                momentum: settings.momentum,
                weight_decay: settings.weight_decay,
                gradient_scale,
            },
            weights,
            gradient,
            square,
            velocity,
        ),
        (OptimizerKind::Adam | OptimizerKind::Adamw, Some(m), Some(v)) => {
            let step = Adam {
                learning_rate,
                beta1: settings.betas[0],
                beta2: settings.betas[1],
                epsilon: settings.epsilon,
                weight_decay: settings.weight_decay,
                step: rule.number,
                gradient_scale,
            };
            if settings.kind == OptimizerKind::Adam {
                optimizer::adam(&step, weights, gradient, m, v);
            } else {
                optimizer::adamw(&step, weights, gradient, m, v);
            }
        }
        _ => bail!("the optimizer's state is not on the CPU"),
    }
    Ok(())
}

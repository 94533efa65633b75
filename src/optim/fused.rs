//! The update on the CPU: one pass over parameter, gradient and state, in place.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var, bail};

use super::{Slot, Slots, VarUpdate};

/// Updates `var` and its slots.
pub(super) fn update(
    step: VarUpdate<'_>,
    var: &Var,
    gradient: &Tensor,
    slots: &mut Slots,
) -> Result<()> {
    let update = Update {
        step,
        slots: RefCell::new(slots),
    };
    var.as_tensor().inplace_op2(gradient, &update)
}

struct Update<'a> {
    step: VarUpdate<'a>,
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
        let (first, second) = (host(first), host(second));
        let VarUpdate {
            settings,
            varying,
            number,
        } = self.step;
        if settings.keeps() != [first.is_some(), second.is_some()] {
            bail!("the optimizer's state is not on the CPU");
        }
        let rule = super::rule(settings, varying, number);
        super::update(&rule, &mut p[start..end], &g[from..to], first, second);
        Ok(())
    }
}

fn host(slot: &mut Option<Slot>) -> Option<&mut [f32]> {
    match slot {
        Some(Slot::Host(values)) => Some(values),
        _ => None,
    }
}

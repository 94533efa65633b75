//! What varies from step to step, as the kernels take it.

use crate::kernels::cpu::optimizer::Adam;
use crate::kernels::launch::arguments::Head;
use crate::kernels::plan::{Rule, Settings};

/// A step's settings as the kernels take them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once a step, as on the CPU"
)]
pub(super) fn head(rows: u64, count: usize, settings: &Settings<'_>) -> Head {
    let mut head = Head {
        rows,
        seed: settings.seed,
        step: settings.step,
        clip: settings.clip,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        average_decay: settings.average_decay as f32,
        average_rest: (1.0 - settings.average_decay) as f32,
        rated: u32::from(!settings.rates.is_empty()),
        ..Head::default()
    };
    match settings.rule {
        Rule::Sgd(s) => {
            head.rule = 0;
            head.learning_rate = s.learning_rate as f32;
            head.l2 = s.weight_decay as f32;
            head.momentum = s.momentum as f32;
            head.nesterov = u32::from(s.nesterov);
        }
        Rule::RmsProp(s) => {
            head.rule = 1;
            head.learning_rate = s.learning_rate as f32;
            head.l2 = s.weight_decay as f32;
            head.momentum = s.momentum as f32;
            head.beta2 = s.alpha as f32;
            head.rest2 = (1.0 - s.alpha) as f32;
            head.epsilon = s.epsilon as f32;
        }
        Rule::Adam(s) => adam(&mut head, &s, false),
        Rule::AdamW(s) => adam(&mut head, &s, true),
    }
    head
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once a step, as on the CPU"
)]
fn adam(head: &mut Head, s: &Adam, decoupled: bool) {
    let step = i32::try_from(s.step).unwrap_or(i32::MAX);
    head.rule = 2;
    if decoupled {
        head.decay = (s.learning_rate * s.weight_decay) as f32;
    } else {
        head.l2 = s.weight_decay as f32;
    }
    head.beta1 = s.beta1 as f32;
    head.rest1 = (1.0 - s.beta1) as f32;
    head.beta2 = s.beta2 as f32;
    head.rest2 = (1.0 - s.beta2) as f32;
    head.step_size = (s.learning_rate / (1.0 - s.beta1.powi(step))) as f32;
    head.correction2 = (1.0 / (1.0 - s.beta2.powi(step)).sqrt()) as f32;
    head.epsilon = s.epsilon as f32;
}

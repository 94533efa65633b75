//! The optimizer's step on plain slices: which rule, with which settings, on which numbers.

use crate::kernels::cpu::optimizer::{self, Adam, RmsProp, Sgd};
use crate::model::mlp_scratch::Dense;
use crate::profile::{Optimizer, OptimizerKind};
use crate::train::Update;

/// Which of a layer's two arrays.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Weight,
    Bias,
}

impl Part {
    pub(super) fn of(self, dense: &Dense) -> &[f32] {
        match self {
            Self::Weight => &dense.weight,
            Self::Bias => &dense.bias,
        }
    }

    pub(super) fn of_mut(self, dense: &mut Dense) -> &mut [f32] {
        match self {
            Self::Weight => &mut dense.weight,
            Self::Bias => &mut dense.bias,
        }
    }
}

/// Whether the optimizer keeps a first and a second number per weight.
pub(super) fn remembers(rule: &Optimizer) -> (bool, bool) {
    match rule.kind {
        OptimizerKind::Sgd => (rule.momentum != 0.0, false),
        OptimizerKind::Rmsprop => (rule.momentum != 0.0, true),
        OptimizerKind::Adam | OptimizerKind::Adamw => (true, true),
    }
}

/// One array with what its update needs.
pub(super) struct Updated<'a> {
    pub weights: &'a mut [f32],
    pub gradients: &'a [f32],
    pub first: Option<&'a mut [f32]>,
    pub second: Option<&'a mut [f32]>,
}

impl Updated<'_> {
    /// One step of the rule, which finds the numbers it keeps where [`remembers`] says that it has some.
    pub(super) fn by(self, rule: &Optimizer, update: Update, gradient_scale: f64) {
        let Self {
            weights,
            gradients,
            first,
            second,
        } = self;
        let (learning_rate, weight_decay) = (update.learning_rate, rule.weight_decay);
        let adam = Adam {
            learning_rate,
            beta1: rule.betas[0],
            beta2: rule.betas[1],
            epsilon: rule.epsilon,
            weight_decay,
            step: update.step + 1,
            gradient_scale,
        };
        match (rule.kind, first, second) {
            (OptimizerKind::Sgd, velocity, _) => {
                let settings = Sgd {
                    learning_rate,
                    momentum: rule.momentum,
                    nesterov: rule.nesterov,
                    weight_decay,
                    gradient_scale,
                };
                optimizer::sgd(&settings, weights, gradients, velocity);
            }
            (OptimizerKind::Rmsprop, velocity, Some(square)) => {
                let settings = RmsProp {
                    learning_rate,
                    alpha: rule.alpha,
                    epsilon: rule.epsilon,
                    momentum: rule.momentum,
                    weight_decay,
                    gradient_scale,
                };
                optimizer::rmsprop(&settings, weights, gradients, square, velocity);
            }
            (OptimizerKind::Adam, Some(m), Some(v)) => {
                optimizer::adam(&adam, weights, gradients, m, v);
            }
            (OptimizerKind::Adamw, Some(m), Some(v)) => {
                optimizer::adamw(&adam, weights, gradients, m, v);
            }
            (OptimizerKind::Rmsprop | OptimizerKind::Adam | OptimizerKind::Adamw, ..) => {}
        }
    }
}

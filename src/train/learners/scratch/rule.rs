//! The optimizer's step on plain slices: which rule, with which settings, on which numbers.

use crate::model::mlp_scratch::Dense;
use crate::optim::{self, Rule};

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

/// One array with what its update needs.
pub(super) struct Updated<'a> {
    pub weights: &'a mut [f32],
    pub gradients: &'a [f32],
    pub first: Option<&'a mut [f32]>,
    pub second: Option<&'a mut [f32]>,
}

impl Updated<'_> {
    /// One step of the rule, which finds the numbers that it keeps.
    pub(super) fn by(self, rule: &Rule) {
        optim::update(rule, self.weights, self.gradients, self.first, self.second);
    }
}

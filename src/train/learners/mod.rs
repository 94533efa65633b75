//! The things that learn: through autograd, by hand, by the perceptron rule.

pub mod graph;
pub mod perceptron;
pub mod plan;
pub mod scratch;

use super::Learner;
use crate::error::Result;
use crate::model::Architecture;
use crate::profile::Profile;

/// The learner a profile asks for, freshly initialised.
///
/// # Errors
/// What building it says.
pub fn build(
    profile: &Profile,
    architecture: &Architecture,
    classes: usize,
) -> Result<Box<dyn Learner>> {
    Ok(match profile.model.architecture.as_str() {
        "perceptron" => Box::new(perceptron::PerceptronLearner::new(
            profile,
            architecture,
            classes,
        )?),
        "mlp-scratch" => Box::new(scratch::ScratchLearner::new(
            profile,
            architecture,
            classes,
        )?),
        _ => Box::new(graph::GraphLearner::new(profile, architecture, classes)?),
    })
}

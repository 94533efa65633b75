//! The things that learn: through autograd, by hand, by the perceptron rule.

pub mod graph;
pub mod perceptron;
pub mod scratch;

use super::Learner;
use crate::error::{Error, Result};
use crate::model::Architecture;
use crate::profile::{ComputePath, Profile};

/// A learner and the program that computes its steps.
pub struct Built {
    pub learner: Box<dyn Learner>,
    /// `plan`, `graph`, `scratch` or `perceptron`.
    pub path: &'static str,
}

impl Built {
    fn new(path: &'static str, learner: impl Learner + 'static) -> Self {
        Self {
            learner: Box::new(learner),
            path,
        }
    }
}

/// The learner a profile asks for, freshly initialised.
///
/// # Errors
/// `Input` when `train.path` asks for a plan and there is none; else what building it says.
pub fn build(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Built> {
    Ok(match profile.model.architecture.as_str() {
        "perceptron" => Built::new(
            "perceptron",
            perceptron::PerceptronLearner::new(profile, architecture, classes)?,
        ),
        "mlp-scratch" => Built::new(
            "scratch",
            scratch::ScratchLearner::new(profile, architecture, classes)?,
        ),
        _ => network(profile, architecture, classes)?,
    })
}

/// A learner for a network of layers, on the path that `train.path` names.
fn network(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Built> {
    let path = profile.train.path;
    if path != ComputePath::Graph
        && let Some(learner) = planned(profile, architecture, classes)?
    {
        return Ok(Built {
            learner,
            path: "plan",
        });
    }
    if path == ComputePath::Plan {
        return Err(Error::input(
            "train.path",
            "there is no plan for this network on this device",
            "set train.path = \"auto\" or \"graph\"",
        ));
    }
    let learner = graph::GraphLearner::new(profile, architecture, classes)?;
    Ok(Built::new("graph", learner))
}

/// The planned step, where it knows the device and every layer; `None` where it does not.
///
/// # Errors
/// What building it says.
#[expect(
    clippy::unnecessary_wraps,
    reason = "building a plan will be able to fail"
)]
fn planned(
    _profile: &Profile,
    _architecture: &Architecture,
    _classes: usize,
) -> Result<Option<Box<dyn Learner>>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Shape, presets, resolve};

    fn built(preset: &str, path: ComputePath) -> Result<Built> {
        let mut profile = presets::find(preset).unwrap().profile().unwrap();
        profile.train.path = path;
        profile.train.device = "cpu".into();
        let side = profile.data.image_size.max(28);
        let input = Shape::Map {
            channels: profile.data.channels,
            height: side,
            width: side,
        };
        let architecture = resolve(&profile.model, input, 10)?;
        build(&profile, &architecture, 10)
    }

    #[test]
    fn a_path_is_taken_or_refused_by_name() {
        use ComputePath::{Auto, Graph, Plan};
        assert_eq!(built("lenet5", Graph).unwrap().path, "graph");
        assert!(["plan", "graph"].contains(&built("lenet5", Auto).unwrap().path));
        match built("lenet5", Plan) {
            Ok(built) => assert_eq!(built.path, "plan"),
            Err(e) => {
                let message = e.to_string();
                assert!(
                    message.starts_with("train.path: there is no plan"),
                    "{message}"
                );
                assert_eq!(e.exit_code(), 2);
            }
        }
    }

    #[test]
    fn learners_of_their_own_have_one_path() {
        for path in [ComputePath::Auto, ComputePath::Plan, ComputePath::Graph] {
            assert_eq!(built("perceptron", path).unwrap().path, "perceptron");
            assert_eq!(built("mlp-scratch", path).unwrap().path, "scratch");
        }
    }
}

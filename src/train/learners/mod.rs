//! The things that learn: by plan, through autograd, by hand, by the perceptron rule.

pub(crate) mod frozen;
pub mod graph;
pub(crate) mod perceptron;
pub mod plan;
pub mod scratch;
mod targets;

use self::frozen::FrozenLearner;
use super::{Learner, StateDict};
use crate::error::{Error, Result};
use crate::layers::{Flatten, Layer};
use crate::model::architectures::{Rule, rule};
use crate::model::freeze::{self, Cut};
use crate::model::summary::summarise;
use crate::model::{Architecture, Node, Shape};
use crate::nn::device;
use crate::optim;
use crate::profile::{Backend, OptimizerKind, Profile, RunRecord, Train};

/// The learner a profile asks for, freshly initialised.
///
/// # Errors
/// `Input` when `train.backend` asks for a plan and there is none; else what building it says.
pub fn build(
    profile: &Profile,
    architecture: &Architecture,
    classes: usize,
) -> Result<Box<dyn Learner>> {
    Ok(match rule(&profile.model.architecture) {
        Rule::Perceptron => Box::new(perceptron::PerceptronLearner::new(
            profile,
            architecture,
            classes,
        )?),
        Rule::ByHand => Box::new(scratch::ScratchLearner::new(
            profile,
            architecture,
            classes,
        )?),
        Rule::Gradient => match freeze::cut(architecture, &profile.model.freeze)? {
            None => network(profile, architecture, classes)?,
            Some(cut) => Box::new(frozen(profile, cut, classes)?),
        },
    })
}

/// The weights and statistics in a learner's state, without what optimizer and averages remember.
#[must_use]
pub fn without_memory(state: StateDict) -> StateDict {
    let is_memory = |name: &str| {
        [optim::STEP, optim::FIRST, optim::SECOND, graph::AVERAGE]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    state
        .into_iter()
        .filter(|(name, _)| !is_memory(name))
        .collect()
}

/// A learner for what is trained, on top of one that only predicts.
fn frozen(profile: &Profile, mut cut: Cut, classes: usize) -> Result<FrozenLearner> {
    let shape = cut.frozen.output();
    if matches!(shape, Shape::Map { .. }) {
        let output = Shape::Flat(shape.elements());
        let flatten = Node::plain("features", Layer::Flatten(Flatten {}), shape, output);
        cut.frozen.nodes.push(flatten);
    }
    let predicting = predicting(profile);
    let backbone = network(&predicting, &cut.frozen, shape.elements())?;
    let head = network(profile, &cut.trained, classes)?;
    let is_unaugmented = profile.augment.is_none();
    FrozenLearner::new(backbone, head, shape, is_unaugmented)
}

/// The profile for a learner that takes no step: it needs no memory for large batches, no moments, no averages.
#[must_use]
pub(super) fn predicting(profile: &Profile) -> Profile {
    let mut predicting = profile.clone();
    let train = &mut predicting.train;
    train.batch_size = 1;
    train.ema = 0.0;
    train.optimizer.kind = OptimizerKind::Sgd;
    train.optimizer.momentum = 0.0;
    predicting
}

/// **Units** bytes of a checkpoint beside its arrays: names, the history of some thousand epochs.
const BESIDES: u64 = 1 << 20;

/// Images' features that are kept at most.
const MOST_FEATURES: u64 = 2 << 30;

/// About how much memory of the CPU's a learner takes for this profile, without building it.
///
/// **Units** bytes: weights, gradients, what the optimizer keeps, activations of a batch, features of `images` images
/// where layers are frozen, and the copies that are made to save all that. The data set comes on top.
///
/// # Errors
/// `Input` when `model.freeze` names nothing that could be frozen.
pub fn memory_bytes(profile: &Profile, architecture: &Architecture, images: usize) -> Result<u64> {
    let train = &profile.train;
    let of = |train: &Train, architecture: &Architecture| {
        let has_own_rule = rule(&profile.model.architecture) != Rule::Gradient;
        let summary = summarise(architecture);
        if has_own_rule || backend_of(profile) == Backend::Graph {
            summary.memory_bytes(train)
        } else {
            plan::memory_bytes(train, architecture)
        }
    };
    let saved = 3 * state_bytes(train, architecture.parameters());
    Ok(saved
        + match freeze::cut(architecture, &profile.model.freeze)? {
            None => of(train, architecture),
            Some(cut) => {
                let features = cut.frozen.output().elements() as u64 * 4 * images as u64;
                let predicting = Train {
                    batch_size: 1,
                    ..train.clone()
                };
                let features = if profile.augment.is_none() {
                    features
                } else {
                    0
                };
                of(&predicting, &cut.frozen) + of(train, &cut.trained) + features.min(MOST_FEATURES)
            }
        })
}

/// The room that a checkpoint takes at most, with the best weights beside it.
///
/// **Units** bytes.
#[must_use]
pub fn checkpoint_bytes(train: &Train, parameters: u64) -> u64 {
    state_bytes(train, parameters) + parameters * 4 + BESIDES
}

/// A checkpoint's arrays: weights, moments, averages.
fn state_bytes(train: &Train, parameters: u64) -> u64 {
    let momentum = u64::from(train.optimizer.momentum != 0.0);
    let kept = match train.optimizer.kind {
        OptimizerKind::Sgd => momentum,
        OptimizerKind::Rmsprop => 1 + momentum,
        OptimizerKind::Adam | OptimizerKind::Adamw => 2,
    };
    parameters * 4 * (1 + kept + u64::from(train.ema > 0.0))
}

/// The backend that `train.backend` names; with `auto`, the one that a run to be repeated or resumed was on, since they
/// differ in rounding.
fn backend_of(profile: &Profile) -> Backend {
    let by_graph = |run: &RunRecord| run.backend == "graph";
    match profile.train.backend {
        Backend::Auto if profile.run.as_ref().is_some_and(by_graph) => Backend::Graph,
        backend => backend,
    }
}

/// A learner for a network of layers: `auto` plans it where the device can.
fn network(
    profile: &Profile,
    architecture: &Architecture,
    classes: usize,
) -> Result<Box<dyn Learner>> {
    let backend = backend_of(profile);
    if backend == Backend::Graph {
        let learner = graph::GraphLearner::new(profile, architecture, classes)?;
        return Ok(Box::new(learner));
    }
    let (device, _) = device::select(&profile.train.device)?;
    match plan::why_not_on(&device) {
        None => Ok(Box::new(plan::PlanLearner::new(
            profile,
            architecture,
            classes,
        )?)),
        Some(why) if backend == Backend::Plan => Err(Error::input(
            "train.backend",
            format!("there is no plan on this device: {why}"),
            "set train.backend = \"auto\" or \"graph\"",
        )),
        Some(why) => {
            let learner = graph::GraphLearner::new(profile, architecture, classes)?;
            let note = format!("uses the slower autograd backend (graph): {why}");
            Ok(Box::new(learner.because(note)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{presets, resolve};

    fn built(preset: &str, path: Backend) -> Result<Box<dyn Learner>> {
        let mut profile = presets::find(preset).unwrap().profile().unwrap();
        profile.train.backend = path;
        profile.train.device = "cpu".into();
        let architecture = resolve(&profile.model, profile.data.input([1, 28, 28]), 10)?;
        build(&profile, &architecture, 10)
    }

    #[test]
    fn a_path_is_taken_or_refused_by_name() {
        use Backend::{Auto, Graph, Plan};
        assert_eq!(built("lenet5", Graph).unwrap().backend(), "graph");
        for path in [Auto, Plan] {
            for preset in presets::all().iter().map(|p| p.name) {
                if !["perceptron", "mlp-scratch"].contains(&preset) {
                    assert_eq!(built(preset, path).unwrap().backend(), "plan", "{preset}");
                }
            }
        }
    }

    /// Networks that 0.1 could not plan are planned now; their runs keep their bits.
    #[test]
    fn a_run_by_graph_is_repeated_by_graph() {
        let mut profile = presets::find("lenet5").unwrap().profile().unwrap();
        profile.train.device = "cpu".into();
        let input = Shape::Map {
            channels: 1,
            height: 32,
            width: 32,
        };
        let architecture = resolve(&profile.model, input, 10).unwrap();
        for path in ["", "plan", "graph"] {
            profile.run = Some(RunRecord {
                backend: path.into(),
                ..RunRecord::default()
            });
            let learner = build(&profile, &architecture, 10).unwrap();
            let wanted = if path.is_empty() { "plan" } else { path };
            assert_eq!(learner.backend(), wanted);
        }
    }

    #[test]
    fn learners_of_their_own_have_one_path() {
        for path in [Backend::Auto, Backend::Plan, Backend::Graph] {
            assert_eq!(
                built("perceptron", path).unwrap().backend(),
                "perceptron rule"
            );
            assert_eq!(built("mlp-scratch", path).unwrap().backend(), "by hand");
        }
    }
}

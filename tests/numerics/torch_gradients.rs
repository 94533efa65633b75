//! The gradients of every preset against PyTorch's in float64, on the same weights and images, on every path.
//!
//! The expected values in `torch_gradients/values.rs` are written by `scripts/torch_gradients.py`, which also says how
//! eight numbers stand for a whole gradient, and how the seeds were chosen: no ReLU's input and no max pool's choice is
//! a tie up to rounding (`nearest_miss`), for there the gradient jumps and float32 may take the other branch. With a
//! ResNet's seed 0, whose nearest miss is 8e-8, PyTorch's own float32 is 4e-3 off its float64. Dropout is left out (p =
//! 0).

#[rustfmt::skip]
#[allow(clippy::unreadable_literal, reason = "printed by a script")]
mod values;

use crate::formula::{fill, fnv, hash};
use fmtui::data::Batch;
use fmtui::layers::{Layer, Shape};
use fmtui::model::{Architecture, Node, presets, resolve};
use fmtui::profile::{OptimizerKind, Profile};
use fmtui::train::learners::graph::GraphLearner;
use fmtui::train::learners::plan::PlanLearner;
use fmtui::train::learners::scratch::ScratchLearner;
use fmtui::train::{Array, Learner, StateDict, Update};

/// What PyTorch says of an architecture's gradients.
pub struct Expected {
    /// Those with this architecture.
    presets: &'static [&'static str],
    batch: u32,
    seed: u32,
    /// How near a tie came, in units of the layer's root mean square.
    nearest_miss: f64,
    loss: f64,
    /// Name; the gradient's norm and its products with eight vectors of ±1.
    parameters: &'static [(&'static str, [f64; 9])],
}

/// Largest error of a parameter's gradient, |g − PyTorch's| / |PyTorch's| with |·| the L2 norm.
const TOLERANCE: f64 = 1e-5;

/// The gradient's norm and its products with eight vectors of ±1.
fn measures(gradient: &[f32]) -> [f64; 9] {
    let stream = fnv("projections");
    let mut sums = [0.0; 9];
    for (i, value) in (0..).zip(gradient) {
        let (value, word) = (f64::from(*value), hash(stream, i));
        sums[0] += value * value;
        for (k, sum) in sums[1..].iter_mut().enumerate() {
            *sum += if word >> (8 + k) & 1 == 0 {
                value
            } else {
                -value
            };
        }
    }
    sums[0] = sums[0].sqrt();
    sums
}

/// The preset's network without dropout, its profile with an optimizer whose first velocity is the gradient.
fn prepare(preset: &str, case: &Expected) -> (Profile, Architecture) {
    let mut profile = presets::find(preset).unwrap().profile().unwrap();
    let train = &mut profile.train;
    train.device = "cpu".into();
    train.threads = 2;
    train.batch_size = case.batch as usize;
    train.ema = 0.0;
    train.clip = 0.0;
    train.optimizer.kind = OptimizerKind::Sgd;
    train.optimizer.momentum = 0.9;
    train.optimizer.weight_decay = 0.0;
    // Of the set that the preset is for.
    let set = match profile.data.name.as_str() {
        "cifar10" => [3, 32, 32],
        _ => [1, 28, 28],
    };
    let input = profile.data.input(set);
    let mut architecture = resolve(&profile.model, input, 10).unwrap();
    for node in &mut architecture.nodes {
        if let Layer::Dropout(dropout) = &mut node.layer {
            dropout.p = 0.0;
        }
    }
    (profile, architecture)
}

fn batch(case: &Expected, architecture: &Architecture) -> Batch {
    let Shape::Map {
        channels,
        height,
        width,
    } = architecture.input
    else {
        unreachable!("presets take images")
    };
    let count = case.batch as usize * channels * height * width;
    Batch {
        images: fill(&format!("pictures {}", case.seed), count, 1.7, 0.0),
        labels: (0..case.batch).map(|i| (7 * i + 3) % 10).collect(),
        channels,
        height,
        width,
        ..Batch::default()
    }
}

fn norms(nodes: &[Node], names: &mut Vec<String>) {
    for node in nodes {
        if matches!(node.layer, Layer::BatchNorm1d(_) | Layer::BatchNorm2d(_)) {
            names.push(node.name.clone());
        }
        for branch in &node.branches {
            norms(branch, names);
        }
    }
}

fn set_weights(learner: &mut dyn Learner, case: &Expected, architecture: &Architecture) {
    let mut of_norms = Vec::new();
    norms(&architecture.nodes, &mut of_norms);
    let mut weights = learner.weights().unwrap();
    for (name, array) in &mut weights {
        let (layer, which) = name.rsplit_once('.').unwrap();
        let (scale, shift) = match which {
            "running_mean" | "running_var" => continue,
            "bias" => (0.1, 0.0),
            _ if of_norms.iter().any(|n| n == layer) => (0.25, 1.0),
            _ => {
                let fan_in: usize = array.shape.iter().skip(1).product();
                ((3.0 / fan_in as f64).sqrt(), 0.0)
            }
        };
        let stream = format!("{name} {}", case.seed);
        array.values = fill(&stream, array.values.len(), scale, shift);
    }
    learner.set_weights(&weights).unwrap();
}

/// The velocities after one step.
fn velocities(learner: &dyn Learner) -> StateDict {
    let state = learner.state().unwrap();
    let velocity = |(name, array): (String, Array)| {
        let name = name.strip_prefix("optimizer.m.")?;
        Some((name.to_string(), array))
    };
    state.into_iter().filter_map(velocity).collect()
}

/// The largest error of all parameters' gradients, each relative to its norm, and whose it is.
///
/// The mean square of an error's products with vectors of ±1 estimates its squared norm.
fn worst(case: &Expected, gradients: &StateDict) -> (f64, &'static str) {
    assert_eq!(gradients.len(), case.parameters.len());
    let norm = |wanted: &str| {
        let found = case.parameters.iter().find(|(name, _)| *name == wanted);
        found.unwrap().1[0]
    };
    let mut worst = (0.0, "");
    for (name, expected) in case.parameters {
        let layer = name.rsplit_once('.').unwrap().0;
        let weights = norm(&format!("{layer}.weight"));
        // A bias before a batch norm has no gradient but rounding: it is held to the weights beside it.
        let scale = if expected[0] > 1e-9 * weights {
            expected[0]
        } else {
            weights
        };
        let measured = measures(&gradients[*name].values);
        let off = |k: usize| (measured[k] - expected[k]) / scale;
        let squares: f64 = (1..9).map(|k| off(k).powi(2)).sum();
        let error = (squares / 8.0).sqrt().max(off(0).abs());
        if error > worst.0 || error.is_nan() {
            worst = (error, name);
        }
    }
    worst
}

/// The paths whose gradients are off, in words.
fn check(case: &Expected) -> Vec<String> {
    let mut missed = Vec::new();
    for preset in case.presets {
        let (profile, architecture) = prepare(preset, case);
        let batch = batch(case, &architecture);
        let update = Update {
            learning_rate: 1e-3,
            step: 0,
        };
        let run = |path: &str, learner: &mut dyn Learner| {
            set_weights(learner, case, &architecture);
            let loss = learner.step(&batch, update).unwrap().loss;
            let error = (loss / case.loss - 1.0).abs();
            assert!(error < 1e-6, "{preset} by {path}: loss off by {error:e}");
        };
        let mut found = Vec::new();
        if *preset == "mlp-scratch" {
            let mut scratch = ScratchLearner::new(&profile, &architecture, 10).unwrap();
            run("hand", &mut scratch);
            found.push(("hand", velocities(&scratch)));
        } else {
            let mut plan = PlanLearner::new(&profile, &architecture, 10).unwrap();
            run("plan", &mut plan);
            found.push(("plan", plan.gradients().unwrap()));
            #[cfg(feature = "cuda")]
            if fmtui::nn::device::select("cuda").is_ok() {
                let mut profile = profile.clone();
                profile.train.device = "cuda".into();
                let mut plan = PlanLearner::new(&profile, &architecture, 10).unwrap();
                run("plan on the GPU", &mut plan);
                found.push(("cuda", plan.gradients().unwrap()));
            }
            let mut graph = GraphLearner::new(&profile, &architecture, 10).unwrap();
            run("graph", &mut graph);
            found.push(("graph", velocities(&graph)));
        }
        for (path, gradients) in found {
            let (error, name) = worst(case, &gradients);
            eprintln!(
                "{preset:20} by {path:5}: {error:.1e} ({name}); nearest tie {:.1e}",
                case.nearest_miss
            );
            if error > TOLERANCE || error.is_nan() {
                missed.push(format!("{preset} by {path}: {name} is off by {error:.1e}"));
            }
        }
    }
    missed
}

fn check_group(belongs: impl Fn(&str) -> bool) {
    let cases = || values::CASES.iter().filter(|case| belongs(case.presets[0]));
    assert!(cases().count() > 0);
    let missed: Vec<String> = cases().flat_map(check).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn mlps() {
    check_group(|name| name.starts_with("mlp"));
}

#[test]
fn lenets() {
    check_group(|name| name.contains("lenet"));
}

#[test]
fn improved_cnn() {
    check_group(|name| name == "improved-cnn");
}

#[test]
fn resnet18() {
    check_group(|name| name == "resnet18-scratch");
}

#[test]
fn resnet20() {
    check_group(|name| name == "resnet20-cifar-scratch");
}

#[test]
fn vggs() {
    check_group(|name| name.starts_with("vgg"));
}

#[test]
fn custom_cnn() {
    check_group(|name| name == "custom-cnn");
}

/// All presets that learn by gradients are there.
#[test]
fn none_is_left_out() {
    let checked: Vec<&str> = values::CASES
        .iter()
        .flat_map(|c| c.presets)
        .copied()
        .collect();
    for preset in presets::all() {
        assert_eq!(
            checked.contains(&preset.name),
            preset.name != "perceptron",
            "{}",
            preset.name
        );
    }
}

//! Residual networks and VGGs against torchvision's in float64, on the same weights and images, on both paths.
//!
//! The expected values in `torchvision_parity/values.rs` are written by `scripts/torchvision_parity.py`.

#[rustfmt::skip]
#[allow(clippy::unreadable_literal, reason = "printed by a script")]
mod values;

use crate::formula::fill;
use fmtui::data::Batch;
use fmtui::model::{Architecture, Shape, resolve};
use fmtui::profile::{OptimizerKind, Profile};
use fmtui::train::learners::graph::GraphLearner;
use fmtui::train::learners::plan::PlanLearner;
use fmtui::train::{Learner, Update};

/// What torchvision says of a network.
pub struct Expected {
    architecture: &'static str,
    /// Side of the images; logits of two.
    logits: &'static [(u32, [f64; 20])],
    /// Side of the images, learning rate and losses of steps one after the other in training mode.
    side: u32,
    rate: f64,
    losses: [f64; 6],
}

/// Of logits, the largest of which are near 10, and of losses as shares of them: over five steps of a ResNet-50
/// PyTorch's own float32 is 1.5e-4 off.
const TOLERANCE: f64 = 1e-4;
const TRAINED: u32 = 16;

fn input(side: u32) -> Shape {
    Shape::Map {
        channels: 3,
        height: side as usize,
        width: side as usize,
    }
}

fn prepare(case: &Expected, side: u32) -> (Profile, Architecture) {
    let mut profile = Profile::new(case.architecture);
    if case.architecture.starts_with("vgg") {
        profile.model.dropout = Some(0.0);
    }
    let train = &mut profile.train;
    train.device = "cpu".into();
    train.threads = 2;
    train.batch_size = TRAINED as usize;
    train.optimizer.kind = OptimizerKind::Sgd;
    train.optimizer.momentum = 0.0;
    train.optimizer.weight_decay = 0.0;
    let architecture = resolve(&profile.model, input(side), 10).unwrap();
    (profile, architecture)
}

fn batch(count: u32, side: u32) -> Batch {
    let pixels = (side * side) as usize;
    Batch {
        images: fill(
            &format!("pictures {side}"),
            count as usize * 3 * pixels,
            1.7,
            0.0,
        ),
        labels: (0..count).map(|i| (7 * i + 3) % 10).collect(),
        channels: 3,
        height: side as usize,
        width: side as usize,
        ..Batch::default()
    }
}

fn set_weights(learner: &mut dyn Learner) {
    let mut weights = learner.weights().unwrap();
    let is_norm = |name: &str, shape: &[usize]| name.ends_with(".weight") && shape.len() == 1;
    let normalised = weights
        .iter()
        .any(|(name, array)| is_norm(name, &array.shape));
    let gain = if normalised { 3.0 } else { 6.0f64 };
    for (name, array) in &mut weights {
        let (scale, shift) = match name.rsplit_once('.').unwrap().1 {
            "bias" | "running_mean" => (0.1, 0.0),
            "running_var" => (0.25, 1.0),
            _ if is_norm(name, &array.shape) => (0.25, 1.0),
            _ => {
                let fan_in: usize = array.shape.iter().skip(1).product();
                ((gain / fan_in as f64).sqrt(), 0.0)
            }
        };
        array.values = fill(name, array.values.len(), scale, shift);
    }
    learner.set_weights(&weights).unwrap();
}

/// Prints the largest differences of logits and of losses.
fn check(
    case: &Expected,
    path: &str,
    learner: impl Fn(&Profile, &Architecture) -> Box<dyn Learner>,
) {
    let mut worst = [0.0f64; 2];
    for (side, expected) in case.logits {
        let (profile, architecture) = prepare(case, *side);
        let mut learner = learner(&profile, &architecture);
        set_weights(learner.as_mut());
        let logits = learner.logits(&batch(2, *side)).unwrap();
        for (found, expected) in logits.iter().zip(expected) {
            worst[0] = worst[0].max((f64::from(*found) - expected).abs());
        }
        assert!(
            worst[0] < TOLERANCE,
            "{} by {path} at {side} pixels: {logits:?} for {expected:?}",
            case.architecture
        );
    }
    let (profile, architecture) = prepare(case, case.side);
    let mut learner = learner(&profile, &architecture);
    set_weights(learner.as_mut());
    let batch = batch(TRAINED, case.side);
    for (step, expected) in (0..).zip(case.losses) {
        let update = Update {
            learning_rate: case.rate,
            step,
        };
        let loss = learner.step(&batch, update).unwrap().loss;
        worst[1] = worst[1].max((loss - expected).abs() / expected.max(1.0));
        assert!(
            worst[1] < TOLERANCE,
            "{} by {path}, step {step}: {loss} for {expected}",
            case.architecture
        );
    }
    eprintln!(
        "{:10} by {path:5}: logits {:.1e}, losses {:.1e}",
        case.architecture, worst[0], worst[1]
    );
}

fn check_both(architecture: &str) {
    let case = values::CASES
        .iter()
        .find(|case| case.architecture == architecture)
        .unwrap();
    check(case, "plan", |profile, architecture| {
        Box::new(PlanLearner::new(profile, architecture, 10).unwrap())
    });
    check(case, "graph", |profile, architecture| {
        Box::new(GraphLearner::new(profile, architecture, 10).unwrap())
    });
}

#[test]
fn residual_networks_agree() {
    for architecture in ["resnet18", "resnet34", "resnet50", "resnet20"] {
        check_both(architecture);
    }
}

#[test]
fn vggs_agree() {
    for architecture in ["vgg11", "vgg11-bn", "vgg16"] {
        check_both(architecture);
    }
}

/// torchvision fails there too: after five poolings nothing is left of 28 pixels.
#[test]
fn a_vgg_says_how_large_images_must_be() {
    let error = resolve(&Profile::new("vgg16").model, input(28), 10).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("raise data.image_size"),
        "{error}"
    );
}

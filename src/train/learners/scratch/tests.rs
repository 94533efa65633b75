//! Steps against PyTorch's optimizers and against the graph learner; repeatability, resuming, refusing numbers that are
//! none.

#![expect(clippy::cast_possible_truncation, reason = "small test numbers")]

use std::sync::Arc;

use super::*;
use crate::data::{SplitDataset, mini};
use crate::model::{Shape, resolve};
use crate::profile::{Activation, Optimizer, OptimizerKind};
use crate::train::learners::graph::GraphLearner;

fn profile(hidden: &[usize]) -> Profile {
    let mut profile = Profile::new("mlp-scratch");
    profile.model.hidden = hidden.into();
    profile.train.threads = 2;
    profile
}

fn learner(profile: &Profile, input: Shape, classes: usize) -> ScratchLearner {
    let architecture = resolve(&profile.model, input, classes).unwrap();
    ScratchLearner::new(profile, &architecture, classes).unwrap()
}

/// 6 → 5 → 4 → 3 with weights ½·sin 1.7k and four images of cos 0.9i.
fn small(train: Train) -> (ScratchLearner, Batch) {
    let mut profile = profile(&[5, 4]);
    profile.model.activation = Some(Activation::Relu);
    profile.train = train;
    let mut learner = learner(&profile, Shape::Flat(6), 3);
    let mut state = learner.weights().unwrap();
    let mut k = 0;
    for name in ["fc1", "fc2", "fc3"] {
        for what in ["weight", "bias"] {
            for value in &mut state.get_mut(&format!("{name}.{what}")).unwrap().values {
                *value = ((1.7 * f64::from(k)).sin() * 0.5) as f32;
                k += 1;
            }
        }
    }
    learner.set_weights(&state).unwrap();
    let batch = Batch {
        images: (0..24).map(|i| (0.9 * f64::from(i)).cos() as f32).collect(),
        labels: vec![2, 0, 1, 2],
        channels: 1,
        height: 1,
        width: 6,
        ..Batch::default()
    };
    (learner, batch)
}

/// The network and batch of `model/mlp_scratch/tests.rs` with `nn.ReLU()` and cross-entropy; losses of steps 0, 4 and
/// 9.
///
/// ```python
/// O.SGD(p, 0.1)
/// O.SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=0.01)
/// O.RMSprop(p, 0.01, alpha=0.9, momentum=0.5, weight_decay=0.01)
/// O.Adam(p, 0.02, weight_decay=0.01)
/// O.AdamW(p, 0.02, weight_decay=0.1)
/// O.SGD(p, 0.5)  # with clip_grad_norm_(m.parameters(), 0.1)
/// ```
#[test]
fn ten_steps_are_pytorchs() {
    use OptimizerKind::{Adam, Adamw, Rmsprop, Sgd};
    let rule = |kind, learning_rate, weight_decay, momentum| Optimizer {
        kind,
        learning_rate,
        weight_decay,
        momentum,
        ..Optimizer::default()
    };
    let nesterov = Optimizer {
        nesterov: true,
        ..rule(Sgd, 0.05, 0.01, 0.9)
    };
    let rmsprop = Optimizer {
        alpha: 0.9,
        ..rule(Rmsprop, 0.01, 0.01, 0.5)
    };
    for (optimizer, clip, fifth, tenth) in [
        (rule(Sgd, 0.1, 0.0, 0.0), 0.0, 1.284_688_327, 1.187_102_608),
        (nesterov, 0.0, 1.227_094_147, 1.060_945_953),
        (rmsprop, 0.0, 1.228_525_900, 1.083_657_262),
        (
            rule(Adam, 0.02, 0.01, 0.0),
            0.0,
            1.287_323_714,
            1.197_696_791,
        ),
        (
            rule(Adamw, 0.02, 0.1, 0.0),
            0.0,
            1.283_833_065,
            1.192_637_755,
        ),
        (rule(Sgd, 0.5, 0.0, 0.0), 0.1, 1.302_306_755, 1.190_247_909),
    ] {
        let kind = optimizer.kind;
        let learning_rate = optimizer.learning_rate;
        let (mut learner, batch) = small(Train {
            clip,
            optimizer,
            ..Train::default()
        });
        let losses: Vec<f64> = (0..10)
            .map(|step| {
                let update = Update {
                    learning_rate,
                    step,
                };
                learner.step(&batch, update).unwrap().loss
            })
            .collect();
        for (step, want) in [(0, 1.418_846_906), (4, fifth), (9, tenth)] {
            let got: f64 = losses[step];
            assert!((got - want).abs() < 2e-6, "{kind:?} {step}: {got}, {want}");
        }
    }
}

/// Images of the built-in set, ready for `count` batches of 50.
fn batches(count: usize) -> Vec<Batch> {
    let mut profile = Profile::new("mlp-scratch");
    profile.data.name = mini::NAME.into();
    profile.data.validation = 0.0;
    let data = SplitDataset::new(Arc::new(mini::load().unwrap()), &profile.data).unwrap();
    let order = data.order(1, 0);
    order
        .chunks(50)
        .take(count)
        .map(|indices| {
            let mut batch = Batch::default();
            data.batch(indices, &mut batch).unwrap();
            batch
        })
        .collect()
}

const IMAGES: Shape = Shape::Map {
    channels: 1,
    height: 28,
    width: 28,
};

fn losses(learner: &mut dyn Learner, batches: &[Batch], from: u64) -> Vec<f64> {
    (from..)
        .zip(batches)
        .map(|(step, batch)| {
            let update = Update {
                learning_rate: 1e-3,
                step,
            };
            learner.step(batch, update).unwrap().loss
        })
        .collect()
}

/// The study's network on real images: both learners start alike and follow each other for 30 steps of Adam.
#[test]
fn it_follows_the_graph_learner() {
    let mut profile = profile(&[100, 100, 50]);
    profile.train.ema = 0.9;
    profile.train.clip = 1.0;
    profile.train.label_smoothing = 0.1;
    let architecture = resolve(&profile.model, IMAGES, 10).unwrap();
    let mut by_hand = ScratchLearner::new(&profile, &architecture, 10).unwrap();
    profile.train.device = "cpu".into();
    let mut by_graph = GraphLearner::new(&profile, &architecture, 10).unwrap();
    assert_eq!(by_hand.weights().unwrap(), by_graph.weights().unwrap());

    let batches = batches(30);
    let ours = losses(&mut by_hand, &batches, 0);
    let theirs = losses(&mut by_graph, &batches, 0);
    assert!(
        (ours[0] - 10.0f64.ln()).abs() < 0.1,
        "starts at {}",
        ours[0]
    );
    assert!(ours[29] < 0.6 * ours[0], "learns: {ours:?}");
    for (step, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert!((a / b - 1.0).abs() < 1e-4, "step {step}: {a} and {b}");
    }
    // The averaged weights are followed as well.
    let (a, b) = (by_hand.weights().unwrap(), by_graph.weights().unwrap());
    for (name, array) in &a {
        for (x, y) in array.values.iter().zip(&b[name].values) {
            assert!((x - y).abs() < 1e-4, "{name}: {x} and {y}");
        }
    }
    let own_names: Vec<String> = by_hand.state().unwrap().into_keys().collect();
    let theirs = by_graph.state().unwrap();
    assert!(own_names.iter().all(|name| theirs.contains_key(name)));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let batches = batches(6);
    let run = |threads| {
        let mut profile = profile(&[40, 20]);
        profile.train.threads = threads;
        let mut learner = learner(&profile, IMAGES, 10);
        losses(&mut learner, &batches, 0);
        learner.state().unwrap()
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(5));
}

#[test]
fn a_state_taken_up_goes_on_with_the_same_bits() {
    let batches = batches(8);
    for kind in [
        OptimizerKind::Sgd,
        OptimizerKind::Rmsprop,
        OptimizerKind::Adam,
        OptimizerKind::Adamw,
    ] {
        let mut profile = profile(&[30]);
        profile.train.optimizer.kind = kind;
        profile.train.optimizer.momentum = 0.9;
        profile.train.ema = 0.9;
        let mut whole = learner(&profile, IMAGES, 10);
        losses(&mut whole, &batches, 0);
        let mut first = learner(&profile, IMAGES, 10);
        losses(&mut first, &batches[..3], 0);
        profile.train.seed = 7;
        let mut second = learner(&profile, IMAGES, 10);
        second.set_state(&first.state().unwrap()).unwrap();
        losses(&mut second, &batches[3..], 3);
        assert_eq!(second.state().unwrap(), whole.state().unwrap(), "{kind:?}");
        assert_eq!(
            second.logits(&batches[0]).unwrap(),
            whole.logits(&batches[0]).unwrap()
        );
    }
}

#[test]
fn a_state_that_does_not_fit_changes_nothing() {
    let (mut learner, batch) = small(Train::default());
    let update = Update {
        learning_rate: 0.01,
        step: 0,
    };
    learner.step(&batch, update).unwrap();
    let before = learner.state().unwrap();
    let mut missing = before.clone();
    missing.remove("fc2.bias");
    let mut reshaped = before.clone();
    reshaped.get_mut("optimizer.v.fc3.weight").unwrap().shape = vec![4, 3];
    let mut unknown = before.clone();
    unknown.insert("fc9.bias".into(), before["fc1.bias"].clone());
    for (mut state, named) in [
        (missing, "fc2.bias"),
        (reshaped, "optimizer.v.fc3.weight"),
        (unknown, "fc9.bias"),
    ] {
        for array in state.values_mut() {
            array.values.fill(9.0);
        }
        let message = learner.set_state(&state).unwrap_err().to_string();
        assert!(message.starts_with(named), "{message}");
        assert_eq!(learner.state().unwrap(), before);
    }
    let mut unknown = learner.weights().unwrap();
    unknown.insert("fc9.bias".into(), before["fc1.bias"].clone());
    assert!(learner.set_weights(&unknown).is_err());
    assert_eq!(learner.state().unwrap(), before);
}

#[test]
fn what_is_no_number_is_refused_before_anything_is_written() {
    let (mut learner, mut batch) = small(Train::default());
    let before = learner.state().unwrap();
    batch.images[3] = f32::INFINITY;
    let update = Update {
        learning_rate: 0.01,
        step: 12,
    };
    let error = learner.step(&batch, update).unwrap_err();
    assert!(
        matches!(error, Error::NotFinite { step: 12, .. }),
        "{error}"
    );
    assert_eq!(learner.state().unwrap(), before);
    batch.images[3] = 0.0;
    batch.labels[0] = 3;
    assert!(learner.step(&batch, update).is_err());
    assert!(learner.logits(&Batch::default()).is_err());
}

#[test]
fn sixty_four_images_are_learned_by_heart() {
    let mut batch = batches(2).remove(0);
    let other = batches(2).remove(1);
    batch.images.extend(&other.images[..14 * 784]);
    batch.labels.extend(&other.labels[..14]);
    let mut learner = learner(&profile(&[100, 100, 50]), IMAGES, 10);
    let mut correct = 0;
    for step in 0..150 {
        let update = Update {
            learning_rate: 2e-3,
            step,
        };
        correct = learner.step(&batch, update).unwrap().correct;
    }
    assert_eq!((batch.len(), correct), (64, 64));
}

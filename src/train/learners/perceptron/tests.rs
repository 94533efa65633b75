//! The rule on real images, its state, and what it refuses.

#![expect(clippy::cast_precision_loss, reason = "counts of images")]

use std::sync::Arc;

use super::*;
use crate::data::locate::{SearchPath, load};
use crate::data::{Dataset, SplitDataset, mini};
use crate::model::{presets, resolve};

/// The preset's data, made of `dataset`.
fn prepared(profile: &Profile, dataset: Dataset) -> SplitDataset {
    SplitDataset::new(Arc::new(dataset), &profile.data).unwrap()
}

fn preset() -> Profile {
    presets::find("perceptron").unwrap().profile().unwrap()
}

fn learner(profile: &Profile) -> Result<PerceptronLearner> {
    let input = crate::model::Shape::Map {
        channels: 1,
        height: 28,
        width: 28,
    };
    let architecture = resolve(&profile.model, input, 10)?;
    PerceptronLearner::new(profile, &architecture, 10)
}

/// One pass; mean loss and accuracy as they were while learning.
fn pass(learner: &mut PerceptronLearner, data: &SplitDataset, epoch: usize) -> (f64, f64) {
    let (mut batch, mut loss, mut correct) = (Batch::default(), 0.0, 0);
    let first = (epoch * data.train.len().div_ceil(200)) as u64;
    for (step, indices) in (first..).zip(data.order(42, epoch).chunks(200)) {
        data.batch(indices, &mut batch).unwrap();
        let update = Update {
            learning_rate: 1.0,
            step,
        };
        let outcome = learner.step(&batch, update).unwrap();
        loss += outcome.loss * indices.len() as f64;
        correct += outcome.correct;
    }
    let count = data.train.len() as f64;
    (loss / count, correct as f64 / count)
}

fn accuracy(learner: &mut PerceptronLearner, data: &SplitDataset, indices: &[u32]) -> f64 {
    let (mut batch, mut correct) = (Batch::default(), 0);
    for indices in indices.chunks(500) {
        data.batch(indices, &mut batch).unwrap();
        let logits = learner.logits(&batch).unwrap();
        let rows = logits.chunks_exact(10).zip(&batch.labels);
        correct += rows
            .filter(|(row, label)| row.iter().all(|s| *s <= row[**label as usize]))
            .count();
    }
    correct as f64 / indices.len() as f64
}

#[test]
fn it_learns_real_images() {
    let mut profile = preset();
    // The rule alone, without the averaging that needs more passes than these.
    profile.train.ema = 0.0;
    let data = prepared(&profile, mini::load().unwrap());
    let mut learner = learner(&profile).unwrap();
    let (first, _) = pass(&mut learner, &data, 0);
    let mut last = first;
    for epoch in 1..15 {
        (last, _) = pass(&mut learner, &data, epoch);
    }
    assert!(last < first / 4.0, "{first} → {last}");
    let reached = accuracy(&mut learner, &data, &data.test);
    assert!(reached > 0.7, "{reached}");
}

#[test]
fn the_size_of_a_batch_changes_no_weight() {
    let profile = preset();
    let data = prepared(&profile, mini::load().unwrap());
    let run = |size| {
        let mut learner = learner(&profile).unwrap();
        let mut batch = Batch::default();
        for indices in data.train[..600].chunks(size) {
            data.batch(indices, &mut batch).unwrap();
            let update = Update {
                learning_rate: 1.0,
                step: 0,
            };
            learner.step(&batch, update).unwrap();
        }
        learner.state().unwrap()
    };
    assert_eq!(run(600), run(1));
    assert_eq!(run(600), run(64));
}

#[test]
fn state_goes_out_and_in() {
    let mut profile = preset();
    profile.train.ema = 0.9;
    let data = prepared(&profile, mini::load().unwrap());
    let mut one = learner(&profile).unwrap();
    pass(&mut one, &data, 0);
    let state = one.state().unwrap();
    assert_eq!(state[WEIGHT].shape, [10, 784]);
    assert_eq!(state["ema.fc.weight"], one.weights().unwrap()[WEIGHT]);
    assert_ne!(state["ema.fc.weight"], state[WEIGHT]);
    assert_eq!(state[BIAS].shape, [10]);
    let mut other = learner(&profile).unwrap();
    other.set_state(&state).unwrap();
    pass(&mut one, &data, 1);
    pass(&mut other, &data, 1);
    assert_eq!(one.state().unwrap(), other.state().unwrap());

    let mut wrong = state.clone();
    wrong.remove("ema.fc.bias");
    let before = other.state().unwrap();
    assert!(other.set_state(&wrong).is_err());
    assert_eq!(other.state().unwrap(), before);
}

#[test]
fn targets_and_weights_are_refused() {
    let mut learner = learner(&preset()).unwrap();
    let plain = Batch {
        images: vec![1.0; 2 * 784],
        labels: vec![3, 4],
        channels: 1,
        height: 28,
        width: 28,
        ..Batch::default()
    };
    let update = Update {
        learning_rate: 1.0,
        step: 0,
    };
    let (soft, weights) = (vec![0.1; 20], vec![1.0; 2]);
    for batch in [
        Batch {
            targets: Some(soft),
            ..plain.clone()
        },
        Batch {
            weights: Some(weights),
            ..plain.clone()
        },
    ] {
        let before = learner.state().unwrap();
        let error = learner.step(&batch, update).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{error}");
        assert_eq!(learner.state().unwrap(), before);
    }
    learner.step(&plain, update).unwrap();
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let mut learner = learner(&preset()).unwrap();
    let mut batch = Batch {
        images: vec![1.0; 2 * 784],
        labels: vec![3, 4],
        channels: 1,
        height: 28,
        width: 28,
        ..Batch::default()
    };
    batch.images[800] = f32::INFINITY;
    let before = learner.state().unwrap();
    let update = Update {
        learning_rate: 1.0,
        step: 5,
    };
    let error = learner.step(&batch, update).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 5, .. }), "{error}");
    assert_eq!(learner.state().unwrap(), before);
    batch.images.pop();
    assert!(learner.step(&batch, update).is_err());
}

/// Averaging leaves the learning alone and the answers steadier.
#[test]
fn averaged_weights_answer_better() {
    let mut profile = preset();
    let data = prepared(&profile, mini::load().unwrap());
    profile.train.ema = 0.0;
    let mut plain = learner(&profile).unwrap();
    profile.train.ema = 0.98;
    let mut averaged = learner(&profile).unwrap();
    for epoch in 0..15 {
        assert_eq!(
            pass(&mut plain, &data, epoch),
            pass(&mut averaged, &data, epoch)
        );
    }
    let [plain, averaged] =
        [&mut plain, &mut averaged].map(|learner| accuracy(learner, &data, &data.test));
    assert!(averaged > plain, "{averaged} is not above {plain}");
}

#[test]
fn settings_of_gradients_are_refused() {
    let mut profile = preset();
    profile.train.clip = 1.0;
    let Err(error) = learner(&profile) else {
        panic!("clipping was accepted");
    };
    assert!(error.to_string().starts_with("train.clip: "), "{error}");

    let mut profile = preset();
    profile.model.architecture = "mlp".into();
    profile.model.hidden = vec![20];
    assert!(learner(&profile).is_err());
}

/// The study's figure on the full pooled split: 0.81. Takes some seconds in a release build.
#[test]
#[ignore = "needs the full data set"]
fn the_study_is_reached_on_the_full_set() {
    let profile = preset();
    let Ok(dataset) = load(&profile.data.name, &SearchPath::default()) else {
        eprintln!("skipped: fashion-mnist is not installed");
        return;
    };
    let data = prepared(&profile, dataset);
    let mut learner = learner(&profile).unwrap();
    let (mut best, mut without, mut epoch) = (f64::INFINITY, 0, 0);
    while without < profile.train.early_stop.patience && epoch < profile.train.epochs {
        let start = Instant::now();
        let (loss, train) = pass(&mut learner, &data, epoch);
        let seconds = start.elapsed().as_secs_f64();
        without = if loss > best - profile.train.early_stop.min_delta {
            without + 1
        } else {
            0
        };
        best = best.min(loss);
        let test = accuracy(&mut learner, &data, &data.test);
        eprintln!("{epoch:3} loss {loss:.4} train {train:.4} test {test:.4} {seconds:.2} s");
        epoch += 1;
    }
    let test = accuracy(&mut learner, &data, &data.test);
    assert!(test > 0.805, "{test}");
}

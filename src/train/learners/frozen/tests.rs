//! A frozen backbone keeps its weights and statistics, and the head learns the same on every path and after a resume.

use std::sync::Arc;

use super::*;
use crate::data::{Examples, InMemory, mini};
use crate::model::resolve;
use crate::profile::{Backend, Profile};
use crate::train::learners::build;

fn profile(freeze: &str, path: Backend) -> Profile {
    let mut profile = Profile::new("resnet20");
    profile.data.name = mini::NAME.into();
    profile.data.channels = crate::profile::Channels::Of(3);
    profile.data.validation = 0.0;
    profile.model.freeze = freeze.into();
    let train = &mut profile.train;
    train.device = "cpu".into();
    train.threads = 2;
    train.batch_size = 16;
    train.backend = path;
    profile
}

fn learner(profile: &Profile) -> (Box<dyn Learner>, SplitDataset) {
    let data = SplitDataset::new(Arc::new(mini::load().unwrap()), &profile.data).unwrap();
    let input = Shape::Map {
        channels: 3,
        height: 28,
        width: 28,
    };
    let architecture = resolve(&profile.model, input, 10).unwrap();
    (build(profile, &architecture, 10).unwrap(), data)
}

/// Losses of some steps; an epoch's order goes on from `start`.
fn losses(learner: &mut dyn Learner, data: &SplitDataset, steps: std::ops::Range<u64>) -> Vec<f64> {
    let mut batch = Batch::default();
    let order = data.order(1, 1);
    steps
        .map(|step| {
            let start = 16 * usize::try_from(step).unwrap();
            let update = Update {
                learning_rate: 1e-2,
                step,
            };
            learner
                .step_on(data, &order[start..start + 16], &mut batch, update)
                .unwrap()
                .loss
        })
        .collect()
}

#[test]
fn frozen_arrays_stay_and_the_others_learn() {
    for freeze in ["backbone", "layer2"] {
        let (mut learner, data) = learner(&profile(freeze, Backend::Plan));
        let before = learner.weights().unwrap();
        losses(learner.as_mut(), &data, 0..3);
        let after = learner.weights().unwrap();
        for (name, array) in &after {
            let first = name.split('.').next().unwrap();
            let is_frozen = match freeze {
                "backbone" => first != "linear",
                _ => !["layer3", "linear"].contains(&first),
            };
            assert_eq!(
                *array == before[name],
                is_frozen,
                "{name} with {freeze} frozen"
            );
        }
    }
}

/// Features are maps where a stage is frozen, and computed in another order by plan than by graph.
#[test]
fn plan_and_graph_learn_the_same() {
    for freeze in ["backbone", "layer2"] {
        let [by_plan, by_graph] = [Backend::Plan, Backend::Graph].map(|path| {
            let (mut learner, data) = learner(&profile(freeze, path));
            losses(learner.as_mut(), &data, 0..3)
        });
        for (a, b) in by_plan.iter().zip(&by_graph) {
            assert!((a - b).abs() < 1e-4, "{freeze}: {by_plan:?} {by_graph:?}");
        }
    }
}

#[test]
fn kept_features_are_those_of_the_images() {
    let (mut learner, data) = learner(&profile("layer1", Backend::Plan));
    let indices: Vec<u32> = vec![3, 2100, 0, 57];
    let mut batch = Batch::default();
    let kept = learner.logits_on(&data, &indices, &mut batch).unwrap();
    let again = learner.logits_on(&data, &indices, &mut batch).unwrap();
    data.batch(&indices, &mut batch).unwrap();
    let fresh = learner.logits(&batch).unwrap();
    assert!(kept == again && kept == fresh);
}

#[test]
fn features_are_computed_ahead_and_as_far_as_wanted() {
    let (mut learner, data) = learner(&profile("backbone", Backend::Plan));
    let mut told = Vec::new();
    let mut once = |done, all| {
        told.push((done, all));
        false
    };
    assert!(!learner.precompute_features(&data, &mut once).unwrap());
    let mut all_of_it = |done, all| {
        told.push((done, all));
        true
    };
    assert!(learner.precompute_features(&data, &mut all_of_it).unwrap());
    assert_eq!(told, [(1024, 2500), (2048, 2500), (2500, 2500)]);
    let mut never = |_, _| panic!("there is nothing left");
    assert!(learner.precompute_features(&data, &mut never).unwrap());
    let kept = losses(learner.as_mut(), &data, 0..3);
    let (mut other, data) = self::learner(&profile("backbone", Backend::Plan));
    assert_eq!(losses(other.as_mut(), &data, 0..3), kept);
}

#[test]
fn a_resume_goes_on_bit_for_bit() {
    let profile = profile("backbone", Backend::Auto);
    let (mut first, data) = learner(&profile);
    losses(first.as_mut(), &data, 0..2);
    let state = first.state().unwrap();
    let rest = losses(first.as_mut(), &data, 2..4);
    let (mut second, data) = learner(&profile);
    losses(second.as_mut(), &data, 0..1);
    second.set_state(&state).unwrap();
    assert_eq!(losses(second.as_mut(), &data, 2..4), rest);
    assert_eq!(first.state().unwrap(), second.state().unwrap());
}

#[test]
fn other_weights_forget_the_features() {
    let (mut learner, data) = learner(&profile("backbone", Backend::Plan));
    let mut batch = Batch::default();
    let before = learner.logits_on(&data, &[1, 2], &mut batch).unwrap();
    let mut weights = learner.weights().unwrap();
    weights
        .get_mut("conv1.weight")
        .unwrap()
        .values
        .iter_mut()
        .for_each(|v| *v *= 2.0);
    learner.set_weights(&weights).unwrap();
    let after = learner.logits_on(&data, &[1, 2], &mut batch).unwrap();
    assert!(before != after);
    let whole = learner.state().unwrap();
    let mut broken = weights.clone();
    broken.remove("conv1.weight");
    broken.get_mut("linear.bias").unwrap().values.fill(7.0);
    assert!(learner.set_weights(&broken).is_err());
    assert_eq!(learner.state().unwrap(), whole, "nothing is replaced");
    assert_eq!(learner.weights().unwrap(), weights);
}

#[test]
fn another_transform_or_data_set_forgets_the_features() {
    let settings = profile("backbone", Backend::Plan);
    let (mut learner, data) = learner(&settings);
    let mut other = settings.data.clone();
    other.normalize = crate::profile::Normalize::Imagenet;
    let transformed = SplitDataset::new(Arc::clone(&data.dataset), &other).unwrap();
    let mut dataset = mini::load().unwrap();
    let mut pixels: Vec<u8> = (0..dataset.train.len())
        .flat_map(|index| dataset.image(index).unwrap())
        .collect();
    pixels[784..2 * 784].fill(7);
    let images = InMemory {
        pixels,
        channels: 1,
        height: 28,
        width: 28,
    };
    dataset.train = Examples::in_memory(images, dataset.train.labels);
    dataset.sha256 = "another".into();
    let changed = SplitDataset::new(Arc::new(dataset), &settings.data).unwrap();
    let mut batch = Batch::default();
    for data in [&data, &transformed, &changed, &data] {
        let kept = learner.logits_on(data, &[1, 2], &mut batch).unwrap();
        data.batch(&[1, 2], &mut batch).unwrap();
        assert_eq!(kept, learner.logits(&batch).unwrap());
    }
}

/// Where not all fit, the features of the first are kept, and those of the others are the same each time.
#[test]
fn what_does_not_fit_is_computed_again() {
    let profile = profile("layer2", Backend::Plan);
    let (mut whole, data) = learner(&profile);
    let input = Shape::Map {
        channels: 3,
        height: 28,
        width: 28,
    };
    let architecture = resolve(&profile.model, input, 10).unwrap();
    let cut = crate::model::freeze::cut(&architecture, "layer2").unwrap();
    let mut part = crate::train::learners::frozen(&profile, cut.unwrap(), 10).unwrap();
    part.most_kept = 4 * 1500 * part.features.elements();
    let mut batch = Batch::default();
    let order: Vec<u32> = (0..2400).rev().collect();
    for indices in order.chunks(700).chain([&[2399, 5, 5, 1200][..]]) {
        let all = whole.logits_on(&data, indices, &mut batch).unwrap();
        let some = part.logits_on(&data, indices, &mut batch).unwrap();
        assert_eq!(all, some);
    }
    let kept = part.kept.as_ref().unwrap();
    assert_eq!((kept.used, kept.room), (1500, 1500));
    assert_eq!(
        losses(whole.as_mut(), &data, 0..3),
        losses(&mut part, &data, 0..3)
    );
    let note = part.note(2500).unwrap();
    assert!(
        note.contains("features of 1,500 images are computed once"),
        "{note}"
    );
    assert!(note.contains("the other 1,000 at every step"), "{note}");
    assert!(
        whole
            .note(2500)
            .unwrap()
            .ends_with("once per image and cached")
    );
}

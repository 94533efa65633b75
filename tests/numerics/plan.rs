//! The planned step on real images: the same bits on any number of threads, and no memory that grows.
//!
//! The long versions, as the documentation cites them: `cargo test --release --test numerics plan:: -- --ignored
//! --nocapture`.

use std::sync::{Arc, Mutex};

use fmtui::data::{Batch, SplitDataset, mini};
use fmtui::model::{Shape, presets, resolve};
use fmtui::profile::Profile;
use fmtui::storage;
use fmtui::train::learners::plan::PlanLearner;
use fmtui::train::{Learner, Update};

/// Held by the long versions: one of them measures the memory of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// A preset on the built-in images.
fn profile(preset: &str, batch_size: usize, threads: usize) -> Profile {
    let mut profile = presets::find(preset).unwrap().profile().unwrap();
    profile.data.name = mini::NAME.into();
    profile.train.batch_size = batch_size;
    profile.train.threads = threads;
    profile
}

struct Training {
    data: SplitDataset,
    learner: PlanLearner,
    batch: Batch,
    order: Vec<u32>,
    step: u64,
}

impl Training {
    fn new(profile: &Profile) -> Self {
        let data = SplitDataset::new(Arc::new(mini::load().unwrap()), &profile.data).unwrap();
        let input = Shape::Map {
            channels: data.channels,
            height: data.height,
            width: data.width,
        };
        let architecture = resolve(&profile.model, input, 10).unwrap();
        Self {
            learner: PlanLearner::new(profile, &architecture, 10).unwrap(),
            data,
            batch: Batch::default(),
            order: Vec::new(),
            step: 0,
        }
    }

    /// Takes steps, epoch after epoch, with the smaller last batch of each.
    fn take(&mut self, steps: usize, batch_size: usize) {
        for _ in 0..steps {
            if self.order.is_empty() {
                self.order = self.data.order(1, usize::try_from(self.step).unwrap());
            }
            let count = batch_size.min(self.order.len());
            let indices: Vec<u32> = self.order.drain(..count).collect();
            let update = Update {
                learning_rate: 1e-3,
                step: self.step,
            };
            self.learner
                .step_on(&self.data, &indices, &mut self.batch, update)
                .unwrap();
            self.step += 1;
        }
    }

    /// SHA-256 over weights, moments and running statistics, in the order of their names.
    fn sha256(&self) -> String {
        let mut bytes = Vec::new();
        for (name, array) in self.learner.state().unwrap() {
            bytes.extend(name.as_bytes());
            bytes.extend(array.values.iter().flat_map(|v| v.to_le_bytes()));
        }
        storage::sha256(&bytes)
    }
}

fn hashes(preset: &str, steps: usize, batch_size: usize) -> Vec<(usize, String)> {
    let of = |threads: usize| {
        let mut training = Training::new(&profile(preset, batch_size, threads));
        training.take(steps, batch_size);
        (threads, training.sha256())
    };
    [1, 2, 3, 8].map(of).to_vec()
}

#[test]
fn threads_change_no_bit() {
    for (preset, steps, batch_size) in [
        ("mlp-100-100-50", 20, 64),
        ("modern-lenet", 3, 100),
        ("improved-cnn", 2, 70),
        ("resnet18-scratch", 2, 40),
    ] {
        let found = hashes(preset, steps, batch_size);
        assert!(
            found.iter().all(|(_, hash)| *hash == found[0].1),
            "{preset}: {found:?}"
        );
    }
}

#[test]
#[ignore = "minutes; the figure of the documentation"]
fn threads_change_no_bit_in_200_steps() {
    let _alone = ALONE.lock().unwrap();
    for preset in ["improved-cnn", "resnet18-scratch"] {
        let found = hashes(preset, 200, 64);
        for (threads, hash) in &found {
            println!("{preset}, 200 steps, {threads} threads: {hash}");
        }
        assert!(found.iter().all(|(_, hash)| *hash == found[0].1));
    }
}

/// **Units** pages.
#[cfg(target_os = "linux")]
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a minute or two; the figure of the documentation"]
fn ten_thousand_steps_take_no_more_memory() {
    let _alone = ALONE.lock().unwrap();
    let mut training = Training::new(&profile("modern-lenet", 64, 2));
    training.take(500, 64);
    let before = resident();
    training.take(10_000, 64);
    let growth = resident() / before - 1.0;
    println!(
        "resident memory after 10,000 steps: {:+.2} %",
        growth * 100.0
    );
    assert!(growth < 0.01);
}

//! How fast a learner is: the clock around what a run does for every step, and around passes over the test images.
//!
//! Deliberately leaves out what a run does between steps (meter, checkpoints), and never says whether a figure is good.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of images are below 2^53"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::trainer::{architecture, peak_memory};
use super::{Learner, PieceTime, Update, learners};
use crate::data::{Batch, Dataset, SplitDataset};
use crate::error::{Error, Result};
use crate::event::Breakdown;
use crate::model::summary::summarise;
use crate::nn;
use crate::profile::{Data, Profile, Train};

/// Images of a forward pass.
const EVALUATION_BATCH: usize = 1000;

/// A chunk of evaluation passes over the test images again until it has taken this long.
const SHORTEST_EVALUATION: Duration = Duration::from_millis(100);

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BenchOptions {
    /// Steps that are not counted.
    pub warm_up: usize,
    /// Steps that are counted, in equal chunks; a rest is left out.
    pub steps: usize,
    /// Figures of training, and as many of evaluation.
    pub chunks: usize,
    /// Whether every piece of a planned step's work is timed too.
    pub pieces: bool,
}

/// What was measured, chunk by chunk where there are several.
#[derive(Clone, Debug)]
pub(crate) struct BenchResult {
    /// The program that computed the steps, as [`Learner::backend`] names it.
    pub backend: &'static str,
    /// In words, such as `cpu`.
    pub device: String,
    pub threads: usize,
    pub parameters: u64,
    /// Where a planned step's time went, warm-up included, where that was asked for.
    pub pieces: Vec<PieceTime>,
    /// **Units** images a second, with gathering them.
    pub training: Vec<f64>,
    /// **Units** images a second, with gathering them.
    pub evaluation: Vec<f64>,
    /// Shares of the counted steps.
    pub breakdown: Breakdown,
    /// Of the last step.
    pub loss: f64,
    /// On the test images, after the last step.
    pub accuracy: f64,
    /// **Units** bytes: the process's peak after training, and after evaluation.
    pub peak_memory: [u64; 2],
}

/// The recipe that is measured: the profile's network and input, all else alike for every network. Adam at 1e-3 without
/// weight decay, cross-entropy, no averages, no validation set, the data set's one mean and deviation.
#[must_use]
pub(crate) fn recipe(profile: &Profile, dataset: &str) -> Profile {
    Profile {
        data: Data {
            name: dataset.into(),
            validation: 0.0,
            image_size: profile.data.image_size,
            channels: profile.data.channels,
            ..Data::default()
        },
        train: Train::default(),
        ..profile.recipe()
    }
}

/// Trains and evaluates a profile for as long as the effort says. The process's peak memory is its own only where it
/// does nothing else.
///
/// # Errors
/// `Input` when profile, data and effort do not fit; else what the learner says.
pub(crate) fn measure(
    profile: &Profile,
    dataset: Dataset,
    effort: BenchOptions,
) -> Result<BenchResult> {
    let classes = dataset.classes.len();
    let data = SplitDataset::new(Arc::new(dataset), &profile.data)?.reading_ahead()?;
    if profile.train.batch_size > data.train.len() {
        return Err(Error::input(
            "train.batch_size",
            format!(
                "is {}, and there are {} training images",
                profile.train.batch_size,
                data.train.len()
            ),
            "give a smaller one",
        ));
    }
    let architecture = architecture(profile, &data, classes)?;
    let (_, device) = nn::device::select(&profile.train.device)?;
    let mut learner = learners::build(profile, &architecture, classes)?;
    let mut training = Training::new(profile, &data);
    if effort.pieces {
        learner.time_pieces();
    }
    let chunks = training.measure(learner.as_mut(), effort)?;
    let after_training = peak_memory();
    let (evaluation, accuracy) = evaluate(learner.as_mut(), &data, classes, effort.chunks)?;
    Ok(BenchResult {
        backend: learner.backend(),
        device,
        threads: profile.train.thread_count(),
        parameters: summarise(&architecture).parameters,
        pieces: learner.pieces(),
        training: chunks,
        evaluation,
        breakdown: training.breakdown(),
        loss: training.loss,
        accuracy,
        peak_memory: [after_training, peak_memory()],
    })
}

/// Steps one after the other, epoch after epoch, in full batches only.
struct Training<'a> {
    profile: &'a Profile,
    data: &'a SplitDataset,
    batch: Batch,
    epoch: usize,
    /// Of the epoch under way, from `position` on still to be trained on.
    order: Vec<u32>,
    position: usize,
    step: u64,
    loss: f64,
    /// Seconds in loading, forward, backward, update, and in whole steps.
    parts: [f64; 4],
    seconds: f64,
    /// Of these, waiting for images.
    wait: f64,
}

impl<'a> Training<'a> {
    fn new(profile: &'a Profile, data: &'a SplitDataset) -> Self {
        Self {
            profile,
            data,
            batch: Batch::default(),
            epoch: 0,
            order: Vec::new(),
            position: 0,
            step: 0,
            loss: 0.0,
            parts: [0.0; 4],
            seconds: 0.0,
            wait: 0.0,
        }
    }

    /// Images a second, chunk by chunk.
    fn measure(&mut self, learner: &mut dyn Learner, effort: BenchOptions) -> Result<Vec<f64>> {
        for _ in 0..effort.warm_up {
            self.step(learner)?;
        }
        (self.parts, self.seconds, self.wait) = ([0.0; 4], 0.0, 0.0);
        let per_chunk = effort.steps / effort.chunks;
        let images = (per_chunk * self.profile.train.batch_size) as f64;
        let chunk = |_| {
            let begun = Instant::now();
            for _ in 0..per_chunk {
                self.step(learner)?;
            }
            Ok(images / begun.elapsed().as_secs_f64())
        };
        (0..effort.chunks).map(chunk).collect()
    }

    fn step(&mut self, learner: &mut dyn Learner) -> Result<()> {
        let (begun, waited) = (Instant::now(), self.data.waited());
        let size = self.profile.train.batch_size;
        if self.position + size > self.order.len() {
            self.epoch += 1;
            self.order = self.data.order(self.profile.train.seed, self.epoch);
            self.position = 0;
            self.data.expect(&self.order, size);
        }
        let indices = &self.order[self.position..self.position + size];
        self.position += size;
        let update = Update {
            learning_rate: self.profile.train.optimizer.learning_rate,
            step: self.step,
        };
        let outcome = learner.step_on(self.data, indices, &mut self.batch, update)?;
        self.parts[0] += outcome.load_seconds;
        self.step += 1;
        self.loss = outcome.loss;
        for (sum, part) in self.parts[1..].iter_mut().zip(outcome.seconds) {
            *sum += part;
        }
        self.seconds += begun.elapsed().as_secs_f64();
        let waited = self.data.waited().saturating_sub(waited);
        self.wait += waited.as_secs_f64() / self.profile.train.thread_count() as f64;
        Ok(())
    }

    fn breakdown(&self) -> Breakdown {
        let [load, forward, backward, update] = self.parts.map(|p| p / self.seconds.max(1e-9));
        Breakdown {
            load,
            forward,
            backward,
            update,
            wait: self.wait / self.seconds.max(1e-9),
        }
    }
}

/// Images a second on the test images, chunk by chunk, and the share of all of them that is right.
fn evaluate(
    learner: &mut dyn Learner,
    data: &SplitDataset,
    classes: usize,
    chunks: usize,
) -> Result<(Vec<f64>, f64)> {
    let mut batch = Batch::default();
    let mut pass = |indices: &[u32]| -> Result<usize> {
        let mut correct = 0;
        for indices in indices.chunks(EVALUATION_BATCH) {
            let logits = learner.logits_on(data, indices, &mut batch)?;
            let rows = logits.chunks_exact(classes).zip(&batch.labels);
            correct += rows.filter(|(row, label)| largest(row) == **label).count();
        }
        Ok(correct)
    };
    let test = &data.test;
    data.expect(test, EVALUATION_BATCH);
    // Warms up and tells how good the weights are.
    let accuracy = pass(test)? as f64 / test.len().max(1) as f64;
    let mut parts = test.chunks(EVALUATION_BATCH).cycle();
    let chunk = |_| {
        let begun = Instant::now();
        let mut images = 0;
        while begun.elapsed() < SHORTEST_EVALUATION {
            let Some(part) = parts.next() else { break };
            std::hint::black_box(pass(part)?);
            images += part.len();
        }
        Ok(images as f64 / begun.elapsed().as_secs_f64())
    };
    let speeds: Result<Vec<f64>> = (0..chunks).map(chunk).collect();
    Ok((speeds?, accuracy))
}

/// The place of the largest number, the first of equal ones.
fn largest(row: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, value) in (0_u32..).zip(row) {
        if *value > best.1 {
            best = (place, *value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;
    use crate::model::presets;

    fn mlp() -> Profile {
        let preset = presets::find("mlp-100-100-50").unwrap().profile().unwrap();
        recipe(&preset, mini::NAME)
    }

    const LITTLE: BenchOptions = BenchOptions {
        warm_up: 1,
        steps: 65,
        chunks: 2,
        pieces: false,
    };

    /// 64 steps of 64 are two epochs of the built-in set: enough to see that it learns, and that epochs follow each
    /// other.
    #[test]
    fn what_is_measured_is_training() {
        let measured = measure(&mlp(), mini::load().unwrap(), LITTLE).unwrap();
        assert_eq!(measured.training.len(), 2);
        assert_eq!(measured.evaluation.len(), 2);
        assert!(measured.training.iter().all(|v| *v > 0.0 && v.is_finite()));
        assert_eq!(measured.parameters, 94_160);
        assert!(measured.loss < 1.5, "{}", measured.loss);
        assert!(measured.accuracy > 0.5, "{}", measured.accuracy);
        let b = measured.breakdown;
        let sum = b.load + b.forward + b.backward + b.update;
        assert!((0.5..1.001).contains(&sum), "{b:?}");
        let [training, whole] = measured.peak_memory;
        assert!(training <= whole);
    }

    #[test]
    fn a_batch_larger_than_the_set_is_refused() {
        let mut profile = mlp();
        profile.train.batch_size = 2001;
        let error = measure(&profile, mini::load().unwrap(), LITTLE).unwrap_err();
        assert!(
            error.to_string().contains("2000 training images"),
            "{error}"
        );
    }

    #[test]
    fn the_recipe_keeps_the_network_and_its_input_and_nothing_else() {
        let preset = presets::find("resnet18-scratch").unwrap();
        let mut profile = preset.profile().unwrap();
        profile.train.ema = 0.9;
        profile.train.optimizer.weight_decay = 0.1;
        profile.data.image_size = 32;
        let recipe = recipe(&profile, mini::NAME);
        assert_eq!(recipe.model, profile.model);
        assert_eq!(recipe.data.image_size, 32);
        assert_eq!(recipe.data.channels, crate::profile::Channels::Of(3));
        assert_eq!(recipe.train, Train::default());
        assert_eq!(recipe.data.validation, 0.0);
    }
}

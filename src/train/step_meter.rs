//! Which steps are told, and the means over the steps between.

#![expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]

use std::time::{Duration, Instant};

use super::StepOutcome;
use super::checkpoint::TrainingProgress;
use crate::event::{Breakdown, Step};

/// An epoch is told in about this many steps.
const TOLD_PER_EPOCH: u64 = 100;
/// A step is told at least this often.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);
/// … and at most this often, unless the epoch ends.
const SHORTEST: Duration = Duration::from_millis(40);

/// Sums since the step told last.
pub(super) struct StepMeter {
    every: u64,
    steps: u64,
    images: u64,
    loss: f64,
    correct: u64,
    gradient_norm: f64,
    load: f64,
    wait: f64,
    parts: [f64; 3],
    seconds: f64,
    since: Instant,
}

impl StepMeter {
    pub(super) fn new(steps_per_epoch: u64) -> Self {
        Self {
            every: steps_per_epoch.div_ceil(TOLD_PER_EPOCH),
            steps: 0,
            images: 0,
            loss: 0.0,
            correct: 0,
            gradient_norm: 0.0,
            load: 0.0,
            wait: 0.0,
            parts: [0.0; 3],
            seconds: 0.0,
            since: Instant::now(),
        }
    }

    /// Adds a step of so many images and seconds, of which it waited `wait` seconds for images.
    pub(super) fn add(&mut self, outcome: &StepOutcome, images: usize, seconds: f64, wait: f64) {
        self.steps += 1;
        self.images += images as u64;
        self.loss += outcome.loss * images as f64;
        self.correct += outcome.correct as u64;
        self.gradient_norm += outcome.gradient_norm;
        self.load += outcome.load_seconds;
        self.wait += wait;
        for (sum, part) in self.parts.iter_mut().zip(outcome.seconds) {
            *sum += part;
        }
        self.seconds += seconds;
    }

    /// The step to tell, if one is due.
    pub(super) fn due(
        &mut self,
        progress: &TrainingProgress,
        epoch: usize,
        learning_rate: f64,
        last: bool,
    ) -> Option<Step> {
        let silence = self.since.elapsed();
        let due = (self.steps >= self.every && silence >= SHORTEST) || silence >= LONGEST_SILENCE;
        if !(due || last) || self.steps == 0 {
            return None;
        }
        let (images, seconds) = (self.images as f64, self.seconds.max(1e-9));
        let step = Step {
            step: progress.step,
            epoch,
            loss: self.loss / images,
            accuracy: self.correct as f64 / images,
            learning_rate,
            gradient_norm: self.gradient_norm / self.steps as f64,
            images_per_second: images / seconds,
            elapsed_seconds: progress.elapsed_seconds,
            breakdown: Breakdown {
                load: self.load / seconds,
                forward: self.parts[0] / seconds,
                backward: self.parts[1] / seconds,
                update: self.parts[2] / seconds,
                wait: self.wait / seconds,
            },
        };
        *self = Self {
            every: self.every,
            ..Self::new(1)
        };
        Some(step)
    }
}

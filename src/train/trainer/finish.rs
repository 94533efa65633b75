//! The end of a run: the last word on train, validation and test, and what it took.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of steps and images are below 2^53"
)]

use super::Trainer;
use crate::error::Result;
use crate::event::Event;
use crate::metrics::predictions;
use crate::profile::ResultRecord;
use crate::train::checkpoint::{self, kept};
use crate::train::{Outcome, TrainingContext};
use crate::{storage, text};
use std::ops::ControlFlow;

impl Trainer<'_> {
    pub(super) fn finish(
        &mut self,
        flow: ControlFlow<()>,
        context: &mut dyn TrainingContext,
    ) -> Result<Outcome> {
        let mut complete = flow == ControlFlow::Continue(());
        let mut result = self.result_so_far();
        if complete {
            complete = self.final_scores(&mut result, context)?;
        } else {
            self.save_state(context)?;
        }
        result.weights_sha256 = checkpoint::state_sha256(&self.learner.weights()?);
        let reason = match (&self.early, complete) {
            (_, false) => format!("stopped at step {}", self.progress.step),
            (Some(early), true) => early.clone(),
            (None, true) => format!("all {} done", text::count(self.progress.epoch, "epoch")),
        };
        Ok(Outcome {
            complete,
            reason,
            result,
            interventions: std::mem::take(&mut self.progress.interventions),
        })
    }

    /// The end where the disk has no room for the state: a resume goes on from the newest checkpoint that is there.
    pub(super) fn stop_without_saving(&self) -> Outcome {
        let kept = checkpoint::newest_progress(self.setup.directory).unwrap_or_default();
        Outcome {
            complete: false,
            reason: format!(
                "stopped at step {}; the disk is full: a resume starts from step {}",
                self.progress.step, kept.step
            ),
            result: self.result_so_far(),
            interventions: kept.interventions,
        }
    }

    /// The end of a stage: its checkpoint is saved, and another recipe goes on from it.
    pub(super) fn leave_at_fork(&mut self) -> Outcome {
        Outcome {
            complete: false,
            reason: format!("epoch {} is done", self.progress.epoch),
            result: self.result_so_far(),
            interventions: std::mem::take(&mut self.progress.interventions),
        }
    }

    fn result_so_far(&self) -> ResultRecord {
        let images: f64 = self.progress.step as f64 / self.steps_per_epoch() as f64
            * self.data.train.len() as f64;
        // Without what was computed ahead of the first step.
        let training = self.progress.training_seconds + self.progress.epoch_seconds;
        ResultRecord {
            parameters: self.summary.parameters,
            trained_parameters: self.summary.trained_parameters,
            multiply_adds: self.summary.multiply_adds,
            epochs: self.progress.epoch,
            best_epoch: self.progress.best.as_ref().map_or(0, |b| b.epoch),
            best_file_sha256: self
                .progress
                .best
                .as_ref()
                .map_or_else(String::new, |b| b.file_sha256.clone()),
            seconds: self.progress.elapsed_seconds,
            images_per_second: images / training.max(1e-9),
            peak_memory_bytes: peak_memory(),
            ..ResultRecord::default()
        }
    }

    /// The last word: train, validation and test scores of the best weights, of the parts that there are; false when
    /// told to stop meanwhile.
    fn final_scores(
        &mut self,
        result: &mut ResultRecord,
        context: &mut dyn TrainingContext,
    ) -> Result<bool> {
        let last = checkpoint::to_safetensors(&self.learner.weights()?, "last")?;
        let path = self.setup.directory.join(checkpoint::LAST);
        let step = self.progress.step;
        self.control
            .retrying(step, context, || storage::commit(&path, &last))?;
        result.last_file_sha256 = storage::sha256(&last);
        let epoch = self.take_best(result, context)?;
        let (train, validation, test) = (
            self.data.train.clone(),
            self.data.validation.clone(),
            self.data.test.clone(),
        );
        for (part, slot) in [
            (&train, &mut result.train),
            (&validation, &mut result.validation),
        ] {
            if part.is_empty() {
                continue;
            }
            let Some(evaluation) = self.evaluate(part, context)? else {
                return Ok(false);
            };
            *slot = Some(evaluation.scores);
        }
        if !test.is_empty() {
            let Some(evaluation) = self.evaluate(&test, context)? else {
                return Ok(false);
            };
            let predicted = &evaluation.predictions;
            self.keep_predictions(predictions::TEST, epoch, true, predicted, context);
            result.test = Some(evaluation.scores);
        }
        result.peak_memory_bytes = peak_memory();
        Ok(true)
    }

    /// Puts the best weights in place of the last ones, where a validation set has chosen them; gives the epoch of
    /// those that are in place then. Where they are not what was recorded, the last ones stay, and the result says so.
    fn take_best(
        &mut self,
        result: &mut ResultRecord,
        context: &mut dyn TrainingContext,
    ) -> Result<usize> {
        let (directory, last) = (self.setup.directory, self.progress.epoch);
        let Some(best) = self.progress.best.clone().filter(|_| !self.curve_is_test()) else {
            return Ok(last);
        };
        if kept::restore(directory, &self.progress, || self.learner.weights())?
            && let Some(bytes) = kept::read(directory, &best.file_sha256)?
        {
            let path = directory.join(checkpoint::BEST);
            self.learner
                .set_weights(&checkpoint::from_safetensors(&bytes, &path)?)?;
            return Ok(best.epoch);
        }
        result.note = format!(
            "the best weights, of epoch {}, are missing or damaged: the scores are those of the last weights, of epoch {last}",
            best.epoch
        );
        context.emit(Event::Warning {
            message: result.note.clone(),
        });
        Ok(last)
    }
}

/// The most memory this process has had, in bytes; 0 where the system does not tell.
#[must_use]
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

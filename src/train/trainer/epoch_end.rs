//! What is kept of an epoch: its row, whether it was the best, checkpoints and predictions.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of steps and images are below 2^53"
)]

use super::Trainer;
use super::saving::Saving;
use crate::error::Result;
use crate::event::Event;
use crate::metrics::Scores;
use crate::metrics::predictions::Predictions;
use crate::profile::{EpochRecord, Monitor};
use crate::train::TrainingContext;
use crate::train::checkpoint::{self, Best, kept};
use crate::{schedule, storage, text};

impl Trainer<'_> {
    pub(super) fn record_epoch(&self, scores: &Scores) -> EpochRecord {
        let (p, train) = (&self.progress, self.train_settings());
        let (per_epoch, images) = (self.steps_per_epoch(), p.epoch_images.max(1) as f64);
        let rate = schedule::learning_rate(
            &train.schedule,
            train.optimizer.learning_rate,
            p.step.saturating_sub(1),
            per_epoch * train.epochs as u64,
            per_epoch,
        );
        EpochRecord {
            epoch: p.epoch + 1,
            train_loss: p.epoch_loss / images,
            train_accuracy: p.epoch_correct as f64 / images,
            held_out_loss: scores.loss,
            held_out_accuracy: scores.accuracy,
            learning_rate: rate * p.learning_rate_factor,
            seconds: p.epoch_seconds,
            images_per_second: images / p.epoch_seconds.max(1e-9),
        }
    }

    /// Early stopping: counts the epochs since the monitored figure last improved.
    pub(super) fn judge(&mut self, record: &EpochRecord) {
        let stop = self.train_settings().early_stop.clone();
        let figure = match stop.monitor {
            Monitor::ValidationLoss => record.held_out_loss,
            Monitor::ValidationAccuracy => record.held_out_accuracy,
            Monitor::TrainLoss => record.train_loss,
        };
        let progress = &mut self.progress;
        if stop.improves(figure, progress.monitored) {
            progress.monitored = Some(figure);
            progress.stale_epochs = 0;
        } else {
            progress.stale_epochs += 1;
        }
        if stop.patience > 0 && progress.stale_epochs >= stop.patience {
            let by = match stop.min_delta {
                0.0 => String::new(),
                least => format!(" by more than {least}"),
            };
            self.early = Some(format!(
                "stopped early after epoch {}: {} has not improved{by} for {}",
                record.epoch,
                stop.monitor.name(),
                text::count(progress.stale_epochs, "epoch"),
            ));
        }
    }

    /// Best by validation accuracy, then loss; by training loss where there is no validation set, so that the test
    /// set chooses nothing.
    pub(super) fn is_best(&self, record: &EpochRecord) -> bool {
        let Some(best) = &self.progress.best else {
            return true;
        };
        if self.curve_is_test() {
            return record.train_loss < best.loss;
        }
        let by_accuracy = record.held_out_accuracy.total_cmp(&best.accuracy);
        by_accuracy.is_gt() || (by_accuracy.is_eq() && record.held_out_loss < best.loss)
    }

    /// Keeps the weights and what they predicted as the best so far. The links are set last, and what nothing names any
    /// more goes after that.
    pub(super) fn save_best(
        &mut self,
        record: &EpochRecord,
        predicted: Option<&Predictions>,
        context: &mut dyn TrainingContext,
    ) -> Result<()> {
        let loss = if self.curve_is_test() {
            record.train_loss
        } else {
            record.held_out_loss
        };
        // Every number beats a loss that is not finite, and the checkpoint's JSON has no word for it.
        let loss = if loss.is_finite() { loss } else { f64::MAX };
        let (epoch, accuracy) = (record.epoch, record.held_out_accuracy);
        let bytes = kept::pack(&self.learner.weights()?, epoch)?;
        let sha256 = storage::sha256(&bytes);
        let (directory, step) = (self.setup.directory, self.progress.step);
        self.control
            .retrying(step, context, || kept::write(directory, &sha256, &bytes))?;
        if let Some(predicted) = predicted {
            let file = kept::predictions_name(&sha256);
            self.keep_predictions(&file, epoch, self.curve_is_test(), predicted, context);
        }
        self.control
            .retrying(step, context, || kept::point(directory, &sha256))?;
        self.progress.best = Some(Best {
            epoch,
            accuracy,
            loss,
            file_sha256: sha256,
        });
        kept::sweep(directory, self.progress.best.as_ref());
        context.emit(Event::CheckpointSaved {
            kind: "best".into(),
            epoch,
            step,
        });
        Ok(())
    }

    pub(super) fn save_state(&mut self, context: &mut dyn TrainingContext) -> Result<()> {
        self.progress.log_length = context.log_length();
        self.progress.early = Some(self.early.clone().unwrap_or_default());
        let state = self.learner.state()?;
        let (directory, progress) = (self.setup.directory, &self.progress);
        let saved = self.control.retrying(progress.step, context, || {
            checkpoint::save(directory, &state, progress)
        });
        match saved {
            // Whoever stops the run now wants this state more than the one before the last.
            Err(error) if error.is_disk_full() && self.control.is_stopping() => {
                checkpoint::make_room(directory)?;
                checkpoint::save(directory, &state, progress)?;
            }
            other => other?,
        }
        let (epoch, step) = (progress.epoch, progress.step);
        self.saving = Saving::new(step);
        context.emit(Event::CheckpointSaved {
            kind: "last".into(),
            epoch,
            step,
        });
        Ok(())
    }

    pub(super) fn keep_predictions(
        &self,
        file: &str,
        epoch: usize,
        is_test: bool,
        predictions: &Predictions,
        context: &mut dyn TrainingContext,
    ) {
        let epoch = u32::try_from(epoch).unwrap_or(u32::MAX);
        let bytes = predictions.encode_as(is_test, epoch);
        if let Err(error) = storage::commit(&self.setup.directory.join(file), &bytes) {
            context.emit(Event::Warning {
                message: format!("predictions of this epoch could not be saved: {error}"),
            });
        }
    }
}

//! The loop, in the order one explains it: prepare, then for each epoch take its steps, measure, record, save.
//!
//! Everything that varies comes from (seed, epoch, step), so a resumed run goes on bit for bit.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of steps and pictures are below 2^53"
)]

mod beginning;
mod ending;
mod recording;
mod saving;

use std::time::{Duration, Instant};

use saving::Saving;

pub use beginning::{check, check_resumable};
pub use ending::peak_memory;

use super::checkpoint::Progress;
use super::control::{Control, Due, Flow};
use super::evaluate::{self, Criterion, Evaluation};
use super::telling::Telling;
use super::{Host, Learner, Outcome, Setup, Update, learners};
use crate::data::{Batch, Prepared};
use crate::error::{Error, Result};
use crate::event::{EpochEnd, Event, Features};
use crate::metrics::{Scores, predictions};
use crate::model::summary::{Summary, summarise};
use crate::model::{self, Architecture};
use crate::profile::Profile;
use crate::{schedule, text};

/// How often it is told how far the features of frozen layers are.
const FEATURES_EVERY: Duration = Duration::from_millis(500);

/// Trains a profile to its end, or until it is told to stop.
///
/// # Errors
/// `Input` when profile, data and checkpoint do not fit; `NotFinite` when training diverges; `Compute` and `Io` as they come.
pub fn train(setup: Setup<'_>, host: &mut dyn Host) -> Result<Outcome> {
    let mut session = Session::prepare(setup, host)?;
    session.announce(host);
    host.keep_room(learners::checkpoint_bytes(
        session.train_settings(),
        session.summary.parameters,
    ));
    let trained = match session.train_epochs(host) {
        Ok(flow) => session.finish(flow, host),
        Err(error) => Err(error),
    };
    match trained {
        // Somebody does not want to wait for room: what is on disk is what there is.
        Err(error) if error.is_disk_full() && session.control.is_stopping() => {
            Ok(session.stop_without_saving())
        }
        other => other,
    }
}

pub(super) struct Session<'a> {
    setup: SetupRest<'a>,
    data: Prepared,
    classes: usize,
    criterion: Criterion,
    architecture: Architecture,
    learner: Box<dyn Learner>,
    summary: Summary,
    pub(super) progress: Progress,
    control: Control,
    /// What was made of pretrained weights, in a line.
    begun_from: Option<String>,
    /// Steps taken before this process began.
    resumed_at: u64,
    saving: Saving,
    /// Whether the learner has computed what it needs ahead.
    is_ahead: bool,
    warnings: Vec<String>,
    /// Reason why training ended before all epochs were done.
    early: Option<String>,
}

/// The parts of [`Setup`] that are needed to the end.
struct SetupRest<'a> {
    profile: &'a Profile,
    directory: &'a std::path::Path,
}

impl Session<'_> {
    fn train_settings(&self) -> &crate::profile::Train {
        &self.setup.profile.train
    }

    fn steps_per_epoch(&self) -> u64 {
        self.data
            .train
            .len()
            .div_ceil(self.train_settings().batch_size) as u64
    }

    /// The part the epoch curve is drawn on: the validation set, or the test set where there is none.
    fn held_out(&self) -> &[u32] {
        if self.data.validation.is_empty() {
            &self.data.test
        } else {
            &self.data.validation
        }
    }

    fn curve_is_test(&self) -> bool {
        self.data.validation.is_empty()
    }

    fn train_epochs(&mut self, host: &mut dyn Host) -> Result<Flow> {
        while self.progress.epoch < self.train_settings().epochs && self.early.is_none() {
            self.thaw(host)?;
            if self.train_epoch(host)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            if self.end_epoch(host)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::GoOn)
    }

    /// Trains more of the network from here on, where the profile says so.
    fn thaw(&mut self, host: &mut dyn Host) -> Result<()> {
        let profile = self.setup.profile;
        let epoch = self.progress.epoch + 1;
        let frozen = profile.model.freeze_in(epoch);
        if self.progress.frozen.as_deref() == Some(frozen) {
            return Ok(());
        }
        let mut learner =
            learners::build(&thawed(profile, frozen), &self.architecture, self.classes)?;
        learner.set_weights(&learners::without_memory(self.learner.state()?))?;
        self.learner = learner;
        self.is_ahead = false;
        self.progress.frozen = Some(frozen.to_owned());
        self.summary = summarise(&self.architecture).with_frozen(&self.architecture, frozen)?;
        host.emit(Event::Note {
            message: format!(
                "from epoch {epoch} on {} of {} weights are trained; the optimizer begins anew",
                text::grouped(self.summary.trained_parameters),
                text::grouped(self.summary.parameters)
            ),
        });
        if let Some(message) = self.learner.note(self.data.dataset.len()) {
            host.emit(Event::Note { message });
        }
        Ok(())
    }

    /// Takes the steps that are left of the epoch under way.
    fn train_epoch(&mut self, host: &mut dyn Host) -> Result<Flow> {
        let train = self.train_settings().clone();
        let (per_epoch, number) = (self.steps_per_epoch(), self.progress.epoch + 1);
        let total = per_epoch * train.epochs as u64;
        let order = self.data.order(train.seed, number);
        let mut telling = Telling::new(per_epoch);
        let mut batch = Batch::default();
        for chunk in order.chunks(train.batch_size).skip(self.progress.batch) {
            let scheduled = |step| {
                schedule::learning_rate(
                    &train.schedule,
                    train.optimizer.learning_rate,
                    step,
                    total,
                    per_epoch,
                )
            };
            let rate = scheduled(self.progress.step);
            if self.before_step(rate, host)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            let begun = Instant::now();
            let learning_rate = rate * self.progress.learning_rate_factor;
            let update = Update {
                learning_rate,
                step: self.progress.step,
            };
            let outcome = match self.learner.step_on(&self.data, chunk, &mut batch, update) {
                Ok(outcome) => outcome,
                Err(e) => {
                    // The steps before a failure are told too, so that nothing says it failed at another.
                    let before = telling.due(&self.progress, number, learning_rate, true);
                    if let Some(step) = before {
                        host.emit(Event::Step(step));
                    }
                    return Err(numbered_from_one(e));
                }
            };
            let seconds = begun.elapsed().as_secs_f64();
            let progress = &mut self.progress;
            progress.step += 1;
            progress.batch += 1;
            progress.epoch_loss += outcome.loss * chunk.len() as f64;
            progress.epoch_correct += outcome.correct as u64;
            progress.epoch_images += chunk.len() as u64;
            progress.epoch_seconds += seconds;
            progress.elapsed_seconds += seconds;
            telling.add(&outcome, chunk.len(), seconds);
            let last = progress.batch as u64 == per_epoch;
            if let Some(step) = telling.due(progress, number, learning_rate, last) {
                host.emit(Event::Step(step));
            }
        }
        Ok(Flow::GoOn)
    }

    /// Does what is asked, and computes what the learner needs ahead.
    fn before_step(&mut self, rate: f64, host: &mut dyn Host) -> Result<Flow> {
        loop {
            match self.control.before_step(&mut self.progress, rate, host) {
                Due::Stop => return Ok(Flow::Stop),
                Due::Save => {
                    self.save_state(host)?;
                    continue;
                }
                Due::Step => {}
            }
            self.is_ahead = self.is_ahead || self.compute_ahead(host)?;
            if self.is_ahead {
                return Ok(Flow::GoOn);
            }
        }
    }

    fn compute_ahead(&mut self, host: &mut dyn Host) -> Result<bool> {
        let begun = Instant::now();
        let mut told = begun;
        let control = &mut self.control;
        let mut go_on = |done, all| {
            if done == all || told.elapsed() >= FEATURES_EVERY {
                told = Instant::now();
                let seconds = begun.elapsed().as_secs_f64();
                host.emit(Event::Features(Features { done, all, seconds }));
            }
            !control.is_asked(host)
        };
        let is_ahead = self.learner.compute_ahead(&self.data, &mut go_on)?;
        self.progress.elapsed_seconds += begun.elapsed().as_secs_f64();
        Ok(is_ahead)
    }

    /// Measures, records, decides what is best and whether to go on, saves.
    fn end_epoch(&mut self, host: &mut dyn Host) -> Result<Flow> {
        let begun = Instant::now();
        let held_out = self.held_out().to_vec();
        let Some(Evaluation {
            scores,
            predictions,
        }) = self.evaluate(&held_out, host)?
        else {
            return Ok(Flow::Stop);
        };
        let evaluation_seconds = begun.elapsed().as_secs_f64();
        let record = self.record_epoch(&scores);
        self.judge(&record);
        let is_over = record.epoch == self.train_settings().epochs || self.early.is_some();
        let is_due = is_over
            || self
                .saving
                .is_due(self.progress.step, self.steps_per_epoch());
        if is_due {
            let is_test = self.curve_is_test();
            self.keep_predictions(
                predictions::LATEST,
                record.epoch,
                is_test,
                &predictions,
                host,
            );
        }
        let is_best = self.is_best(&record);
        let mut end = EpochEnd {
            epoch: record.epoch,
            step: self.progress.step,
            train: Scores::running(record.train_loss, record.train_accuracy),
            held_out: scores,
            learning_rate: record.learning_rate,
            seconds: record.seconds,
            evaluation_seconds,
            images_per_second: record.images_per_second,
            best_epoch: record.epoch,
            stale_epochs: self.progress.stale_epochs,
        };
        let epoch = record.epoch;
        self.progress.epoch = epoch;
        self.progress.training_seconds += record.seconds;
        self.progress.batch = 0;
        self.progress.epoch_loss = 0.0;
        self.progress.epoch_correct = 0;
        self.progress.epoch_images = 0;
        self.progress.epoch_seconds = 0.0;
        if is_best {
            self.save_best(&record, &predictions, host)?;
        }
        end.best_epoch = self.progress.best.as_ref().map_or(epoch, |b| b.epoch);
        host.emit(Event::EpochEnd(Box::new(end)));
        self.saving.is_wanted |= epoch.is_multiple_of(self.train_settings().checkpoint_every);
        if is_over || (self.saving.is_wanted && is_due) {
            self.save_state(host)?;
        }
        Ok(Flow::GoOn)
    }

    fn evaluate(&mut self, indices: &[u32], host: &mut dyn Host) -> Result<Option<Evaluation>> {
        let (control, progress) = (&mut self.control, &mut self.progress);
        evaluate::evaluate(
            self.learner.as_mut(),
            &self.data,
            indices,
            self.classes,
            self.criterion,
            &mut || control.during_evaluation(progress, host) == Flow::GoOn,
        )
    }
}

/// The architecture of a profile on prepared data.
pub(in crate::train) fn architecture(
    profile: &Profile,
    data: &Prepared,
    classes: usize,
) -> Result<Architecture> {
    let input = profile.data.input(data.dataset.shape());
    model::resolve(&profile.model, input, classes)
}

/// The profile with something else frozen.
fn thawed(profile: &Profile, freeze: &str) -> Profile {
    let mut profile = profile.clone();
    freeze.clone_into(&mut profile.model.freeze);
    profile
}

/// A learner counts the steps before; people count from one, as the log does.
fn numbered_from_one(mut error: Error) -> Error {
    if let Error::NotFinite { step, .. } = &mut error {
        *step += 1;
    }
    error
}

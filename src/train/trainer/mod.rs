//! The loop, in the order one explains it: prepare, then for each epoch take its steps, measure, record, save.
//!
//! Everything that varies comes from (seed, epoch, step), so a resumed run goes on bit for bit.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of steps and images are below 2^53"
)]

mod epoch_end;
mod finish;
mod saving;
mod setup;

use std::time::{Duration, Instant};

use saving::Saving;

pub use finish::peak_memory;
pub use setup::{check, check_resumable};

use super::checkpoint::TrainingProgress;
use super::control::{Control, Due};
use super::evaluate::{self, Evaluation, LossKind};
use super::step_meter::StepMeter;
use super::{Learner, Outcome, Setup, TrainingContext, Update, learners};
use crate::data::input::{self, Input};
use crate::data::{Batch, SplitDataset};
use crate::error::{Error, Result};
use crate::event::{EpochEnd, Event, Features};
use crate::metrics::{Scores, predictions};
use crate::model::summary::{Summary, summarise};
use crate::model::{self, Architecture};
use crate::profile::Profile;
use crate::{schedule, storage, text};
use std::ops::ControlFlow;

/// How often it is told how far the features of frozen layers are.
const FEATURES_EVERY: Duration = Duration::from_millis(500);

/// Trains a profile to its end, or until it is told to stop.
///
/// # Errors
/// `Input` when profile, data and checkpoint do not fit; `NotFinite` when training diverges; `Compute` and `Io` as they
/// come.
pub fn train(setup: Setup<'_>, context: &mut dyn TrainingContext) -> Result<Outcome> {
    let mut session = Trainer::prepare(setup, context)?;
    session.announce(context);
    session.record_input(context)?;
    context.keep_room(learners::checkpoint_bytes(
        session.train_settings(),
        session.summary.parameters,
    ));
    let trained = match session.train_epochs(context) {
        Ok(ControlFlow::Continue(())) if session.is_at_fork() => Ok(session.leave_at_fork()),
        Ok(flow) => session.finish(flow, context),
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

pub(super) struct Trainer<'a> {
    setup: SetupRest<'a>,
    data: SplitDataset,
    classes: usize,
    criterion: LossKind,
    architecture: Architecture,
    learner: Box<dyn Learner>,
    summary: Summary,
    pub(super) progress: TrainingProgress,
    control: Control,
    /// What was made of pretrained weights, in a line.
    begun_from: Option<String>,
    /// Steps taken before this process began.
    resumed_at: u64,
    saving: Saving,
    /// Whether the learner has computed what it needs ahead.
    features_ready: bool,
    warnings: Vec<String>,
    /// Reason why training ended before all epochs were done.
    early: Option<String>,
}

/// The parts of [`Setup`] that are needed to the end.
struct SetupRest<'a> {
    profile: &'a Profile,
    directory: &'a std::path::Path,
    until: Option<usize>,
}

impl Trainer<'_> {
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

    /// Keeps what is done to images beside the run, for those that are predicted later.
    fn record_input(&mut self, context: &mut dyn TrainingContext) -> Result<()> {
        let path = self.setup.directory.join(input::FILE);
        let json = Input::of(&self.data)?.to_json()?;
        let is_there = storage::read(&path, input::LONGEST).is_ok_and(|there| there == json);
        if is_there {
            return Ok(());
        }
        let step = self.progress.step;
        self.control
            .retrying(step, context, || storage::commit(&path, &json))
    }

    /// Whether the epoch is done after which another recipe takes over.
    fn is_at_fork(&self) -> bool {
        self.setup
            .until
            .is_some_and(|until| self.progress.epoch >= until)
    }

    fn train_epochs(&mut self, context: &mut dyn TrainingContext) -> Result<ControlFlow<()>> {
        while self.progress.epoch < self.train_settings().epochs
            && self.early.is_none()
            && !self.is_at_fork()
        {
            self.thaw(context)?;
            if self.train_epoch(context)? == ControlFlow::Break(()) {
                return Ok(ControlFlow::Break(()));
            }
            if self.end_epoch(context)? == ControlFlow::Break(()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Trains more of the network from here on, where the profile says so.
    fn thaw(&mut self, context: &mut dyn TrainingContext) -> Result<()> {
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
        self.features_ready = false;
        self.progress.frozen = Some(frozen.to_owned());
        self.summary = summarise(&self.architecture).with_frozen(&self.architecture, frozen)?;
        context.emit(Event::Note {
            message: format!(
                "from epoch {epoch} on {} of {} parameters are trained; the optimizer state is reset",
                text::grouped(self.summary.trained_parameters),
                text::grouped(self.summary.parameters)
            ),
        });
        if let Some(message) = self.learner.note(self.data.dataset.len()) {
            context.emit(Event::Note { message });
        }
        Ok(())
    }

    /// Takes the steps that are left of the epoch under way.
    fn train_epoch(&mut self, context: &mut dyn TrainingContext) -> Result<ControlFlow<()>> {
        let train = self.train_settings().clone();
        let (per_epoch, number) = (self.steps_per_epoch(), self.progress.epoch + 1);
        let total = per_epoch * train.epochs as u64;
        let order = self.data.order(train.seed, number);
        let mut meter = StepMeter::new(per_epoch);
        let threads = train.thread_count() as f64;
        let mut batch = Batch::default();
        let done = self.progress.batch * train.batch_size;
        let rest = order.get(done..).unwrap_or_default();
        self.data.expect(rest, train.batch_size);
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
            if self.before_step(rate, context)? == ControlFlow::Break(()) {
                return Ok(ControlFlow::Break(()));
            }
            let (begun, waited) = (Instant::now(), self.data.waited());
            let learning_rate = rate * self.progress.learning_rate_factor;
            let update = Update {
                learning_rate,
                step: self.progress.step,
            };
            let outcome = match self.learner.step_on(&self.data, chunk, &mut batch, update) {
                Ok(outcome) => outcome,
                Err(e) => {
                    // The steps before a failure are told too, so that nothing says it failed at another.
                    let before = meter.due(&self.progress, number, learning_rate, true);
                    if let Some(step) = before {
                        context.emit(Event::Step(step));
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
            let wait = self.data.waited().saturating_sub(waited).as_secs_f64() / threads;
            meter.add(&outcome, chunk.len(), seconds, wait);
            let last = progress.batch as u64 == per_epoch;
            if let Some(step) = meter.due(progress, number, learning_rate, last) {
                context.emit(Event::Step(step));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Does what is asked, and computes what the learner needs ahead.
    fn before_step(
        &mut self,
        rate: f64,
        context: &mut dyn TrainingContext,
    ) -> Result<ControlFlow<()>> {
        loop {
            match self.control.before_step(&mut self.progress, rate, context) {
                Due::Stop => return Ok(ControlFlow::Break(())),
                Due::Save => {
                    self.save_state(context)?;
                    continue;
                }
                Due::Step => {}
            }
            self.features_ready = self.features_ready || self.precompute_features(context)?;
            if self.features_ready {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    fn precompute_features(&mut self, context: &mut dyn TrainingContext) -> Result<bool> {
        let begun = Instant::now();
        let mut told = begun;
        let control = &mut self.control;
        let mut go_on = |done, all| {
            if done == all || told.elapsed() >= FEATURES_EVERY {
                told = Instant::now();
                let seconds = begun.elapsed().as_secs_f64();
                context.emit(Event::Features(Features { done, all, seconds }));
            }
            !control.is_asked(context)
        };
        let features_ready = self.learner.precompute_features(&self.data, &mut go_on)?;
        self.progress.elapsed_seconds += begun.elapsed().as_secs_f64();
        Ok(features_ready)
    }

    /// Measures, records, decides what is best and whether to go on, saves.
    fn end_epoch(&mut self, context: &mut dyn TrainingContext) -> Result<ControlFlow<()>> {
        let begun = Instant::now();
        let (scores, predictions) = if self.train_settings().curve {
            let held_out = self.held_out().to_vec();
            let Some(evaluation) = self.evaluate(&held_out, context)? else {
                return Ok(ControlFlow::Break(()));
            };
            (evaluation.scores, Some(evaluation.predictions))
        } else {
            (Scores::unknown(), None)
        };
        let evaluation_seconds = begun.elapsed().as_secs_f64();
        let record = self.record_epoch(&scores);
        self.judge(&record);
        let is_over = record.epoch == self.train_settings().epochs
            || self.early.is_some()
            || self.setup.until == Some(record.epoch);
        let is_due = is_over
            || self
                .saving
                .is_due(self.progress.step, self.steps_per_epoch());
        if let Some(predictions) = predictions.as_ref().filter(|_| is_due) {
            let is_test = self.curve_is_test();
            self.keep_predictions(
                predictions::LATEST,
                record.epoch,
                is_test,
                predictions,
                context,
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
            self.save_best(&record, predictions.as_ref(), context)?;
        }
        end.best_epoch = self.progress.best.as_ref().map_or(epoch, |b| b.epoch);
        context.emit(Event::EpochEnd(Box::new(end)));
        self.saving.is_wanted |= epoch.is_multiple_of(self.train_settings().checkpoint_every);
        if is_over || (self.saving.is_wanted && is_due) {
            self.save_state(context)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn evaluate(
        &mut self,
        indices: &[u32],
        context: &mut dyn TrainingContext,
    ) -> Result<Option<Evaluation>> {
        let (control, progress) = (&mut self.control, &mut self.progress);
        evaluate::evaluate(
            self.learner.as_mut(),
            &self.data,
            indices,
            self.classes,
            self.criterion,
            &mut || control.during_evaluation(progress, context) == ControlFlow::Continue(()),
        )
    }
}

/// The architecture of a profile on prepared data.
pub(in crate::train) fn architecture(
    profile: &Profile,
    data: &SplitDataset,
    classes: usize,
) -> Result<Architecture> {
    let input = profile.data.input(data.dataset.shape());
    model::resolve(&profile.model, input, classes)
}

/// The profile with something else frozen.
pub(in crate::train) fn thawed(profile: &Profile, freeze: &str) -> Profile {
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

//! A run as its events tell it: folded into curves, figures and messages, ready to draw. Pure.

use super::{Breakdown, EpochEnd, Event, Features, ResourceUsage, Stamped, Started, Step};
use crate::profile::{ResultRecord, Standing, Subset, Weights, why_untested};

/// Where a run stands, as its log tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No event yet.
    #[default]
    Waiting,
    Running,
    Paused,
    Finished,
    Stopped,
    Failed,
}

/// A told step, with its place on the epoch axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepPoint {
    pub step: u64,
    /// Position on the epoch axis: 1.5 is the middle of the second epoch.
    pub epoch: f64,
    pub loss: f64,
    pub accuracy: f64,
    pub learning_rate: f64,
    pub gradient_norm: f64,
    pub images_per_second: f64,
    pub elapsed_seconds: f64,
    pub breakdown: Breakdown,
    pub at: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Info,
    Good,
    Warning,
    Error,
}

/// A line of the Train tab's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub at: f64,
    pub severity: Severity,
    pub text: String,
}

/// Everything known of a run from its events so far.
#[derive(Clone, Debug, Default)]
pub struct RunHistory {
    pub started: Option<Started>,
    pub phase: Phase,
    pub steps: Vec<StepPoint>,
    pub epochs: Vec<EpochEnd>,
    pub load: Option<ResourceUsage>,
    /// What the worker waits for, where nobody has paused it.
    pub waiting: Option<String>,
    /// Features of frozen layers, while they are computed.
    pub features: Option<Features>,
    /// Seconds that such features took.
    pub features_seconds: f64,
    pub messages: Vec<Message>,
    /// What the next step is taken with, as far as told.
    pub learning_rate: Option<f64>,
    pub result: Option<ResultRecord>,
    /// Message and remedy of a failed run.
    pub failure: Option<(String, String)>,
    pub first_at: f64,
    pub last_at: f64,
}

impl RunHistory {
    /// Folds one event in. Events repeated after a resume replace what they repeat.
    pub fn apply(&mut self, stamped: &Stamped) {
        if self.first_at == 0.0 {
            self.first_at = stamped.at;
        }
        self.last_at = stamped.at;
        if !matches!(
            stamped.event,
            Event::Warning { .. } | Event::Note { .. } | Event::Load(_)
        ) {
            self.waiting = None;
        }
        match &stamped.event {
            Event::Started(started) => self.on_started(stamped.at, started),
            Event::Features(features) => self.on_features(stamped.at, *features),
            Event::Step(step) => self.on_step(stamped.at, step),
            Event::EpochEnd(end) => self.epochs.push((**end).clone()),
            Event::CheckpointSaved { kind, epoch, step } => {
                self.on_checkpoint(stamped.at, kind, *epoch, *step);
            }
            Event::Paused { step } => {
                self.phase = Phase::Paused;
                self.say(
                    stamped.at,
                    Severity::Info,
                    format!("paused after step {step}"),
                );
            }
            Event::Continued { step } => {
                self.phase = Phase::Running;
                self.say(
                    stamped.at,
                    Severity::Info,
                    format!("continued at step {step}"),
                );
            }
            Event::Waiting { step, why } => {
                self.phase = Phase::Paused;
                self.waiting = Some(why.clone());
                let text = format!("waiting after step {step}: {why}");
                self.say(stamped.at, Severity::Warning, text);
            }
            Event::Changed {
                what,
                from,
                to,
                step,
            } => {
                if what == "learning_rate" {
                    self.learning_rate = Some(*to);
                }
                let text = super::changed(what, *from, *to, *step);
                self.say(stamped.at, Severity::Info, text);
            }
            Event::Warning { message } => self.say(stamped.at, Severity::Warning, message.clone()),
            Event::Note { message } => self.say(stamped.at, Severity::Info, message.clone()),
            Event::Load(load) => self.load = Some(*load),
            Event::Finished {
                complete,
                reason,
                result,
            } => {
                self.phase = if *complete {
                    Phase::Finished
                } else {
                    Phase::Stopped
                };
                self.result = Some((**result).clone());
                self.say(stamped.at, Severity::Good, reason.clone());
                if let Some(verdict) = result.verdict() {
                    self.say(stamped.at, Severity::Warning, verdict);
                }
            }
            Event::Failed { message, remedy } => {
                self.phase = Phase::Failed;
                self.failure = Some((message.clone(), remedy.clone()));
                self.say(stamped.at, Severity::Error, message.clone());
            }
        }
    }

    fn on_step(&mut self, at: f64, step: &Step) {
        self.features = None;
        let per_epoch = self.steps_per_epoch();
        self.phase = Phase::Running;
        self.learning_rate = Some(step.learning_rate);
        self.steps.push(StepPoint {
            step: step.step,
            epoch: ratio(step.step, per_epoch),
            loss: step.loss,
            accuracy: step.accuracy,
            learning_rate: step.learning_rate,
            gradient_norm: step.gradient_norm,
            images_per_second: step.images_per_second,
            elapsed_seconds: step.elapsed_seconds,
            breakdown: step.breakdown,
            at,
        });
    }

    fn on_features(&mut self, at: f64, features: Features) {
        if features.done < features.all {
            self.features = Some(features);
            return;
        }
        self.features = None;
        self.features_seconds += features.seconds;
        self.say(at, Severity::Info, features.told());
    }

    fn on_started(&mut self, at: f64, started: &Started) {
        self.features = None;
        self.phase = Phase::Running;
        self.failure = None;
        self.result = None;
        let kept = started.resumed_at_step;
        self.steps.retain(|s| s.step <= kept);
        let whole_epochs = kept / started.steps_per_epoch.max(1);
        self.epochs.retain(|e| e.epoch as u64 <= whole_epochs);
        let last = self.steps.last().map(|s| s.learning_rate);
        self.learning_rate = last.or(Some(started.learning_rate));
        let text = if kept > 0 {
            format!(
                "resumed from the checkpoint at step {kept} on {}",
                started.device
            )
        } else {
            format!(
                "started on {} with {}",
                started.device,
                crate::text::count(started.threads, "thread")
            )
        };
        self.started = Some(started.clone());
        self.say(at, Severity::Info, text);
    }

    fn on_checkpoint(&mut self, at: f64, kind: &str, epoch: usize, step: u64) {
        // Without a validation set the best is the lowest training loss, which is news at every epoch; and every epoch
        // ends with a checkpoint.
        let text = match kind {
            "best" if !self.curve_is_test() => format!("best checkpoint is now epoch {epoch}"),
            "last" if !step.is_multiple_of(self.steps_per_epoch()) => {
                format!("checkpoint saved after step {step}")
            }
            _ => return,
        };
        self.say(at, Severity::Good, text);
    }

    fn say(&mut self, at: f64, severity: Severity, text: String) {
        self.messages.push(Message { at, severity, text });
    }

    fn steps_per_epoch(&self) -> u64 {
        self.started
            .as_ref()
            .map_or(1, |s| s.steps_per_epoch.max(1))
    }

    /// Steps taken, as far as told.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.steps.last().map_or(0, |s| s.step)
    }

    /// The share of its steps that are taken; while features of frozen layers are computed, of those. `None` before it
    /// has started.
    #[must_use]
    pub fn share_done(&self) -> Option<f64> {
        let started = self.started.as_ref()?;
        Some(match &self.features {
            Some(features) => ratio(features.done as u64, features.all as u64),
            None => ratio(self.step(), started.epochs as u64 * started.steps_per_epoch),
        })
    }

    /// Seconds of training left at the present pace, evaluation included; `None` before there is a pace.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "step counts are below 2^53")]
    pub fn seconds_left(&self) -> Option<f64> {
        let started = self.started.as_ref()?;
        let last = self.steps.last()?;
        let total = started.epochs as u64 * started.steps_per_epoch;
        let left = total.saturating_sub(last.step) as f64;
        let done = (last.step - started.resumed_at_step.min(last.step)) as f64;
        if done < 1.0 {
            return None;
        }
        let evaluation = self.epochs.last().map_or(0.0, |e| e.evaluation_seconds);
        let epochs_left = (left / started.steps_per_epoch.max(1) as f64).ceil();
        let seconds = (last.elapsed_seconds - self.features_seconds).max(0.0);
        Some(left * seconds / last.step.max(1) as f64 + evaluation * epochs_left)
    }

    /// The epoch that the best weights are of, as far as told.
    #[must_use]
    pub fn best(&self) -> Option<&EpochEnd> {
        let kept = self.kept_epoch()?;
        self.epochs.iter().rev().find(|e| e.epoch == kept)
    }

    /// What the weights that were scored at the end make of each part of the data, and whose they are; `None` before.
    #[must_use]
    pub fn scored(&self) -> Option<(&ResultRecord, Weights)> {
        let result = self.result.as_ref()?;
        let is_scored = result.is_scored(self.is_tested());
        is_scored.then(|| (result, result.weights(self.curve_is_test())))
    }

    /// Training and held-out accuracy of the same weights; `None` before the first epoch.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let on_test = self.curve_is_test();
        let newest = self
            .epochs
            .last()
            .map(|e| Standing::of_epoch(e.epoch, e.train.accuracy, e.held_out.accuracy, on_test));
        Standing::new(self.scored().map(|(result, _)| result), newest, on_test)
    }

    /// The epoch whose weights are in `best.safetensors`, as far as told.
    #[must_use]
    pub fn kept_epoch(&self) -> Option<usize> {
        self.epochs.last().map(|e| e.best_epoch)
    }

    /// The test set draws the curve, so that it chooses nothing: the lowest training loss does.
    #[must_use]
    pub fn curve_is_test(&self) -> bool {
        self.started.as_ref().is_some_and(|s| s.curve_is_test)
    }

    /// Whether its epochs are evaluated, as far as told.
    #[must_use]
    pub fn is_evaluated(&self) -> bool {
        self.epochs.last().is_none_or(|e| e.held_out.is_known())
    }

    /// Whether the run ends with the test set's scores.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        self.started.as_ref().is_none_or(|s| s.test_images > 0)
    }

    /// Why it ends without test scores; `None` where it ends with them.
    #[must_use]
    pub fn untested(&self) -> Option<&'static str> {
        let started = self.started.as_ref().filter(|_| !self.is_tested());
        started.map(|s| why_untested(s.no_test_set))
    }

    /// `validation` or `test`: what the held-out curve is.
    #[must_use]
    pub fn held_out_name(&self) -> &'static str {
        Subset::held_out(self.curve_is_test()).name()
    }
}

/// A changed setting in words: `learning rate 1.0e-3 → 2.0e-3`.
#[must_use]
pub fn change(what: &str, from: f64, to: f64) -> String {
    let [from, to] = [from, to].map(|rate| crate::text::figure::learning_rate(rate, 9));
    format!("{} {from} → {to}", what.replace('_', " "))
}

#[expect(clippy::cast_precision_loss, reason = "step counts are below 2^53")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scores;

    fn told(events: Vec<Event>) -> RunHistory {
        let mut history = RunHistory::default();
        for event in events {
            history.apply(&Stamped { at: 1.0, event });
        }
        history
    }

    fn epoch(epoch: usize, held_out_accuracy: f64, best_epoch: usize) -> Event {
        Event::EpochEnd(Box::new(EpochEnd {
            epoch,
            train: Scores::running(0.1, 0.9),
            held_out: Scores::running(0.1, held_out_accuracy),
            best_epoch,
            ..EpochEnd::default()
        }))
    }

    #[test]
    fn a_log_and_its_record_say_the_same_of_a_run() {
        let scores = |accuracy| {
            Some(Scores {
                accuracy,
                ..Scores::default()
            })
        };
        let epochs = || vec![epoch(1, 0.8, 1), epoch(2, 0.85, 2), epoch(3, 0.7, 2)];
        let running = told(epochs());
        assert_eq!(running.best().unwrap().epoch, 2);
        assert!(running.scored().is_none());
        assert_eq!(running.standing().unwrap().weights, Weights::Epoch(3));
        let mut events = epochs();
        events.push(Event::Finished {
            complete: true,
            reason: "all 3 epochs done".into(),
            result: Box::new(ResultRecord {
                epochs: 3,
                best_epoch: 2,
                train: scores(0.95),
                validation: scores(0.85),
                test: scores(0.84),
                ..ResultRecord::default()
            }),
        });
        let over = told(events);
        assert_eq!(over.scored().unwrap().1, Weights::Best(2));
        let mut profile = crate::profile::Profile::new("mlp");
        profile.data.validation = 0.1;
        profile.result.clone_from(&over.result);
        assert_eq!(over.standing(), profile.standing());
    }

    #[test]
    fn what_learned_nothing_is_warned_of() {
        let counts = vec![vec![100, 0], vec![100, 0]];
        let test = Scores::new(0.7, 200, crate::metrics::Confusion { counts });
        let history = told(vec![Event::Finished {
            complete: true,
            reason: "all 1 epochs done".into(),
            result: Box::new(ResultRecord {
                test: Some(test),
                ..ResultRecord::default()
            }),
        }]);
        let last = history.messages.last().unwrap();
        assert_eq!(last.severity, Severity::Warning);
        assert!(
            last.text.starts_with("no better than chance: "),
            "{}",
            last.text
        );
    }
}

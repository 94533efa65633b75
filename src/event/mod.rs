//! What a worker tells everyone, and what anyone may ask of it. Plain numbers, serialised as the lines of the event
//! log; a figure that is not finite stands there as null and is read as NaN; so is one that a line of another version
//! lacks.
//!
//! Knows no file, no socket and no screen.

mod history;

pub use history::{Message, Phase, RunHistory, Severity, StepPoint, change};

use serde::{Deserialize, Serialize};

use crate::metrics::{Confusion, Scores, figure, lean, unknown};
use crate::profile::{EpochRecord, ResultRecord};
use crate::text;

/// The version of the event log's lines; in the first line of every log.
pub const FORMAT: u32 = 2;

/// An event and when it happened: one line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Seconds since 1970.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub at: f64,
    #[serde(flatten)]
    pub event: Event,
}

impl Stamped {
    /// Stamps an event with the present moment.
    #[must_use]
    pub fn now(event: Event) -> Self {
        Self {
            at: crate::text::now(),
            event,
        }
    }
}

/// What happens in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Training begins, or goes on after a resume.
    Started(Box<Started>),
    /// A step (one optimizer update) was taken; only some steps are told.
    Step(Step),
    /// What frozen layers give for the images is computed before the first step.
    Features(Features),
    /// An epoch and its evaluation are done.
    EpochEnd(Box<EpochEnd>),
    CheckpointSaved {
        /// `best` or `last`.
        #[serde(default)]
        kind: String,
        #[serde(default)]
        epoch: usize,
        #[serde(default)]
        step: u64,
    },
    /// Real: no step is taken until `Continued`.
    Paused {
        #[serde(default)]
        step: u64,
    },
    #[serde(alias = "resumed")]
    Continued {
        #[serde(default)]
        step: u64,
    },
    /// As real as `Paused`, but nobody has asked for it: the worker goes on by itself once it can.
    Waiting {
        #[serde(default)]
        step: u64,
        /// What for, such as `disk full`.
        #[serde(default)]
        why: String,
    },
    /// Somebody changed a setting.
    Changed {
        #[serde(default)]
        step: u64,
        #[serde(default)]
        what: String,
        #[serde(default = "unknown", deserialize_with = "figure")]
        from: f64,
        #[serde(default = "unknown", deserialize_with = "figure")]
        to: f64,
    },
    Warning {
        #[serde(default)]
        message: String,
    },
    /// Something worth knowing that nothing is wrong with.
    Note {
        #[serde(default)]
        message: String,
    },
    /// What the machine is doing, once a second.
    Load(ResourceUsage),
    /// The run is over: by itself, by early stopping, or because somebody stopped it.
    Finished {
        /// False when somebody stopped it.
        #[serde(default)]
        complete: bool,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        result: Box<ResultRecord>,
    },
    Failed {
        #[serde(default)]
        message: String,
        #[serde(default)]
        remedy: String,
    },
}

/// Everything a screen must know to draw a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Started {
    pub format: u32,
    pub run: String,
    pub name: String,
    pub architecture: String,
    pub dataset: String,
    pub classes: Vec<String>,
    pub parameters: u64,
    pub trained_parameters: u64,
    pub multiply_adds: u64,
    pub epochs: usize,
    pub steps_per_epoch: u64,
    pub batch_size: usize,
    #[serde(alias = "train_pictures")]
    pub train_images: usize,
    #[serde(alias = "validation_pictures")]
    pub validation_images: usize,
    /// 0 where no test scores are wanted (`train.test = false`).
    #[serde(alias = "test_pictures")]
    pub test_images: usize,
    /// There are no test scores because the data set has no part for them.
    #[serde(alias = "no_test_part", skip_serializing_if = "std::ops::Not::not")]
    pub no_test_set: bool,
    /// The epoch curve is the test set's, not a validation set's (`data.validation = 0`).
    pub curve_is_test: bool,
    pub device: String,
    pub threads: usize,
    /// What computes a step, such as `graph`; empty in logs that are older than it.
    #[serde(alias = "path")]
    pub backend: String,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub learning_rate: f64,
    pub patience: usize,
    /// Steps already taken when this worker began; 0 for a new run.
    pub resumed_at_step: u64,
}

/// A step and the figures since the step told before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Steps taken in the whole run, this one included.
    pub step: u64,
    /// 1-based.
    pub epoch: usize,
    /// Means over the images since the step told before, in training mode.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub loss: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub accuracy: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub learning_rate: f64,
    /// L2 norm of the whole gradient, before clipping.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub gradient_norm: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub images_per_second: f64,
    /// Training time so far, features of frozen layers included, pauses and evaluation left out.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub elapsed_seconds: f64,
    /// Where the time since the step told before went.
    pub breakdown: Breakdown,
}

/// How far the features of frozen layers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    /// Images whose features are kept.
    pub done: usize,
    /// Images whose features will be.
    pub all: usize,
    /// Since this process began with them.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub seconds: f64,
}

impl Features {
    /// Seconds until they are all there, at the present pace.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of images are below 2^53"
    )]
    pub fn seconds_left(&self) -> f64 {
        self.all.saturating_sub(self.done) as f64 * self.seconds / self.done.max(1) as f64
    }

    /// What is said of them once they are all there.
    #[must_use]
    pub fn told(&self) -> String {
        let time = if self.seconds < 1.0 {
            "less than a second".into()
        } else {
            text::seconds(self.seconds)
        };
        let images = text::count(self.all, "image");
        format!("features of the frozen layers for {images} took {time}")
    }
}

/// Shares of a step's time; they add up to about 1, `wait` aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breakdown {
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub load: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub forward: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub backward: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub update: f64,
    /// What of `load` is waiting for the disk. 0 where images are in memory.
    #[serde(skip_serializing_if = "is_zero")]
    pub wait: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// One finished epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenEpoch")]
pub struct EpochEnd {
    /// 1-based.
    pub epoch: usize,
    pub step: u64,
    /// Means over the epoch, as it was trained: no more than loss and accuracy is known.
    #[serde(serialize_with = "lean")]
    pub train: Scores,
    /// On the validation set, or the test set where `curve_is_test`.
    #[serde(serialize_with = "lean")]
    pub held_out: Scores,
    pub learning_rate: f64,
    /// Training time of this epoch, evaluation left out.
    pub seconds: f64,
    pub evaluation_seconds: f64,
    pub images_per_second: f64,
    /// The best epoch so far by the monitored figure.
    pub best_epoch: usize,
    /// Epochs without improvement.
    pub stale_epochs: usize,
}

impl From<&EpochEnd> for EpochRecord {
    fn from(end: &EpochEnd) -> Self {
        Self {
            epoch: end.epoch,
            train_loss: end.train.loss,
            train_accuracy: end.train.accuracy,
            held_out_loss: end.held_out.loss,
            held_out_accuracy: end.held_out.accuracy,
            learning_rate: end.learning_rate,
            seconds: end.seconds,
            images_per_second: end.images_per_second,
        }
    }
}

/// [`EpochEnd`] as it stands in logs; the first format had the figures beside each other.
#[derive(Deserialize)]
#[serde(default)]
struct WrittenEpoch {
    epoch: usize,
    step: u64,
    train: Option<Scores>,
    held_out: Option<Scores>,
    #[serde(deserialize_with = "figure")]
    train_loss: f64,
    #[serde(deserialize_with = "figure")]
    train_accuracy: f64,
    #[serde(deserialize_with = "figure")]
    held_out_loss: f64,
    #[serde(deserialize_with = "figure")]
    held_out_accuracy: f64,
    #[serde(deserialize_with = "figure")]
    held_out_top3: f64,
    confusion: Confusion,
    #[serde(deserialize_with = "figure")]
    learning_rate: f64,
    #[serde(deserialize_with = "figure")]
    seconds: f64,
    #[serde(deserialize_with = "figure")]
    evaluation_seconds: f64,
    #[serde(deserialize_with = "figure")]
    images_per_second: f64,
    best_epoch: usize,
    stale_epochs: usize,
}

impl Default for WrittenEpoch {
    fn default() -> Self {
        let none = unknown();
        Self {
            epoch: 0,
            step: 0,
            train: None,
            held_out: None,
            train_loss: none,
            train_accuracy: none,
            held_out_loss: none,
            held_out_accuracy: none,
            held_out_top3: none,
            confusion: Confusion::default(),
            learning_rate: none,
            seconds: none,
            evaluation_seconds: none,
            images_per_second: none,
            best_epoch: 0,
            stale_epochs: 0,
        }
    }
}

impl From<WrittenEpoch> for EpochEnd {
    fn from(w: WrittenEpoch) -> Self {
        let first_format = || Scores {
            loss: w.held_out_loss,
            accuracy: w.held_out_accuracy,
            top3_accuracy: w.held_out_top3,
            confusion: w.confusion.clone().squared(),
        };
        Self {
            epoch: w.epoch,
            step: w.step,
            train: w
                .train
                .unwrap_or_else(|| Scores::running(w.train_loss, w.train_accuracy)),
            held_out: w.held_out.unwrap_or_else(first_format),
            learning_rate: w.learning_rate,
            seconds: w.seconds,
            evaluation_seconds: w.evaluation_seconds,
            images_per_second: w.images_per_second,
            best_epoch: w.best_epoch,
            stale_epochs: w.stale_epochs,
        }
    }
}

/// What the worker's machine is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceUsage {
    /// Of the worker, 100 % is one core.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub cpu_percent: f64,
    /// Resident memory of the worker.
    pub memory_bytes: u64,
    pub gpu_percent: Option<f64>,
    pub gpu_memory_bytes: Option<u64>,
}

/// What anyone may ask of a worker; applied between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    Pause,
    #[serde(alias = "resume")]
    Continue,
    SaveCheckpoint,
    /// Save and end; wins over a pause, whichever comes first.
    Stop,
    SetLearningRate {
        value: f64,
    },
    /// One of 1, 2, 5 × 10ⁿ up or down from the rate that the worker has then.
    StepLearningRate {
        up: bool,
    },
}

/// Where events go. One that fails does not stop the others.
pub trait Observer: Send {
    /// Takes note of one event.
    ///
    /// # Errors
    /// When the event could not be recorded; training goes on and says so.
    fn on_event(&mut self, event: &Stamped) -> crate::error::Result<()>;

    /// Whether it takes note of such an event; where it does not, that it did not fail says nothing.
    fn takes(&self, _event: &Event) -> bool {
        true
    }
}

/// A setting that somebody changed, in words.
#[must_use]
pub fn changed(what: &str, from: f64, to: f64, step: u64) -> String {
    format!("{} from step {step}", change(what, from, to))
}

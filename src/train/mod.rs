//! Training: the loop, what learns in it, evaluation and checkpoints. Prints nothing and knows no screen.

pub(crate) mod bench;
pub mod checkpoint;
pub(crate) mod classifier;
mod control;
pub(crate) mod evaluate;
pub(crate) mod learner;
pub mod learners;
mod step_meter;
mod trainer;

use std::path::Path;
use std::time::Duration;

pub use control::DISK_FULL;
pub use trainer::{check, check_resumable, peak_memory, train};

pub use learner::{Learner, PieceTime, StepOutcome, Update};

pub use crate::state::{Array, StateDict};

use crate::data::Dataset;
use crate::error::Result;
use crate::event::{Command, Event};
use crate::model::pretrained::Found;
use crate::profile::{Intervention, Profile, ResultRecord, Stage};

/// Everything a training needs to begin.
pub struct Setup<'a> {
    /// Validated. Its `run.interventions` are applied again at their steps.
    pub profile: &'a Profile,
    pub dataset: Dataset,
    /// The run's own directory for checkpoints and predictions.
    pub directory: &'a Path,
    /// Go on from the newest valid checkpoint in `directory`.
    pub resume: bool,
    /// Stop after this epoch with its checkpoint saved and without a last evaluation: what follows has another recipe.
    pub until: Option<usize>,
    /// The recipe up to the epoch at which this one takes over from it: a checkpoint of its end is one of this run.
    pub trunk: Option<&'a Stage>,
    /// Weights to start from, by their names in the file.
    pub pretrained: Option<Found>,
    /// What is to be told at the start.
    pub warnings: Vec<String>,
}

/// Who a training speaks with: the worker, or a test.
pub trait TrainingContext {
    /// The next command; waits up to `wait` for one, forever never.
    fn next_command(&mut self, wait: Duration) -> Option<Command>;

    /// Tells everyone.
    fn emit(&mut self, event: Event);

    /// Length of the event log in bytes; a checkpoint remembers it.
    fn log_length(&self) -> u64;

    /// Cuts the event log back to what it was when the checkpoint was written.
    ///
    /// # Errors
    /// `Io` when the log cannot be cut.
    fn rewind_log(&mut self, length: u64) -> Result<()>;

    /// Keeps room on the disk for a checkpoint of so many bytes, which a run that is stopped on a full disk then saves.
    fn keep_room(&mut self, _bytes: u64) {}

    /// Gives that room back.
    fn give_room_back(&mut self) {}
}

/// How a training ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// False when it was stopped by a command.
    pub complete: bool,
    /// For people: "all 20 epochs done", "stopped early: …", "stopped at step 310".
    pub reason: String,
    pub result: ResultRecord,
    pub interventions: Vec<Intervention>,
}

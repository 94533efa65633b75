//! The one way in which a run's training begins: by its worker, or again to compare.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Workspace, fork, pretrained, record};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::event::{Command, Event};
use crate::profile::{Profile, RunRecord, Stage};
use crate::train::{self, Outcome, Setup, TrainingContext, checkpoint};

/// Automatic differentiation walks the graph recursively.
pub(crate) const STACK: usize = 64 << 20;

/// A run with its data set, as it is trained on this machine.
pub(crate) struct Ready {
    pub profile: Profile,
    dataset: Dataset,
    /// Whether its images were decoded to other pixels when it began.
    has_other_pixels: bool,
}

impl Ready {
    /// Reads the data set of a recorded run.
    ///
    /// # Errors
    /// `Input` when it is not there or does not fit.
    pub(crate) fn read(workspace: &Workspace, recorded: &Profile) -> Result<Self> {
        let dataset = workspace.dataset(&recorded.data)?;
        let profile = record::on_this_machine(recorded, &dataset)?;
        let then = recorded.run.as_ref().map_or("", |run| &run.pixels_sha256);
        let has_other_pixels = !then.is_empty() && *then != dataset.pixels_sha256;
        Ok(Self {
            profile,
            dataset,
            has_other_pixels,
        })
    }

    /// Trains in `directory`: from the newest checkpoint there, or from the weights that the profile names.
    ///
    /// # Errors
    /// As [`train::train`]; `Input` when these weights, or the pixels of a resumed run, are others than they were.
    pub(crate) fn train(
        self,
        workspace: &Workspace,
        directory: &Path,
        resume: bool,
        warnings: Vec<String>,
        context: &mut dyn TrainingContext,
    ) -> Result<Outcome> {
        if resume && self.has_other_pixels {
            return Err(Error::input(
                format!("data set {}", self.dataset.name),
                "is decoded to other pixels than when the run began",
                "resume with the version of fmtui that began it, or train a new run",
            ));
        }
        let Self {
            mut profile,
            dataset,
            ..
        } = self;
        let stages = profile.trunk()?;
        let mut warnings = warnings;
        let done = || checkpoint::newest_progress(directory).map_or(0, |progress| progress.epoch);
        if let (Some(last), Some(run)) = (stages.last(), &mut profile.run)
            && done() <= last.until
            && fork::is_own(workspace, run, directory)
        {
            // What it was on when it ended was its trunk's.
            run.backend = run.forks.last().map_or_else(String::new, fork::backend);
        }
        for (nth, stage) in stages.iter().enumerate() {
            if done() >= stage.until {
                continue;
            }
            let mut recipe = stage.recipe.clone();
            recipe.run = profile.run.clone().map(|run| RunRecord {
                backend: stage.backend.clone(),
                ..run
            });
            let before = nth.checked_sub(1).and_then(|before| stages.get(before));
            let until = (Some(stage.until), before);
            let told = std::mem::take(&mut warnings);
            let setup = (&recipe, dataset.clone(), directory, resume);
            let outcome = train_stage(workspace, setup, until, told, context)?;
            if done() < stage.until {
                // Somebody stopped it.
                return Ok(outcome);
            }
        }
        if !stages.is_empty()
            && let Err(error) = fork::check_trunk(workspace, &profile, directory)
        {
            // Nobody goes on from there.
            checkpoint::forget(directory)?;
            return Err(error);
        }
        let rung = profile.run.as_ref().and_then(|run| run.until);
        let setup = (&profile, dataset, directory, resume);
        train_stage(workspace, setup, (rung, stages.last()), warnings, context)
    }

    /// Trains the run `id` again from its beginning, in a directory that goes afterwards; `tell` hears what happens.
    ///
    /// # Errors
    /// As [`train`](Self::train); `Io` when the directory cannot be made.
    pub(crate) fn rerun(
        self,
        workspace: &Workspace,
        id: &str,
        tell: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Outcome> {
        let scratch = Scratch::new(id)?;
        std::thread::scope(|scope| {
            let training = std::thread::Builder::new()
                .name("training".into())
                .stack_size(STACK)
                .spawn_scoped(scope, || {
                    let mut context = Listener { tell };
                    self.train(workspace, &scratch.path, false, Vec::new(), &mut context)
                })
                .map_err(|e| Error::compute("starting the training thread", e))?;
            training.join().unwrap_or_else(|panic| {
                Err(Error::compute("training", panic_message(panic.as_ref())))
            })
        })
    }
}

/// Trains the epochs of one recipe.
fn train_stage(
    workspace: &Workspace,
    (profile, dataset, directory, resume): (&Profile, Dataset, &Path, bool),
    (until, trunk): (Option<usize>, Option<&Stage>),
    warnings: Vec<String>,
    context: &mut dyn TrainingContext,
) -> Result<Outcome> {
    let is_staged = until.is_some() || trunk.is_some();
    let resume = resume || (is_staged && checkpoint::exists(directory));
    let pretrained = if resume {
        None
    } else {
        pretrained::load(workspace, &profile.model)?
    };
    let setup = Setup {
        profile,
        dataset,
        directory,
        resume,
        until,
        trunk,
        pretrained,
        warnings,
    };
    train::train(setup, context)
}

/// Passes events on; gives no commands and keeps no log.
struct Listener<'a> {
    tell: &'a mut (dyn FnMut(&Event) + Send),
}

impl TrainingContext for Listener<'_> {
    fn next_command(&mut self, wait: Duration) -> Option<Command> {
        std::thread::sleep(wait);
        None
    }

    fn emit(&mut self, event: Event) {
        (self.tell)(&event);
    }

    fn log_length(&self) -> u64 {
        0
    }

    fn rewind_log(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
}

/// A directory that goes when this does.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(id: &str) -> Result<Self> {
        let name = format!("fmtui-verify-{id}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of it lies in the directory for what may go.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// What a panic said.
#[must_use]
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

//! A run that leaves another one at the end of an epoch: the same bits up to there, another recipe from there on.
//!
//! Where the other run has a checkpoint of that epoch's end, the fork begins with a copy of it and of the log up to
//! there. Where it has none, the fork trains up to there by the other run's recipe, and what comes out is held against
//! that run's log, figure by figure.

use std::fs;
use std::path::Path;

use super::client;
use super::{Workspace, history};
use crate::error::{Error, Result};
use crate::profile::{EpochRecord, Fork, Profile, RunRecord, settings};
use crate::storage;
use crate::train::checkpoint::{self, TrainingProgress};

/// **Units** bytes of the longest log that is copied.
const LONGEST_LOG: u64 = 4 << 30;

/// A run at the end of one of its epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub run: String,
    pub epoch: usize,
}

/// A fork that is written down.
#[derive(Clone, Debug)]
pub(crate) struct Forked {
    pub id: String,
    /// It begins with a checkpoint, and does not train up to the epoch again.
    pub from_checkpoint: bool,
}

impl Point {
    /// Reads `RUN@EPOCH`; `RUN@best`, `RUN@last` and `RUN` alone name epochs too.
    ///
    /// # Errors
    /// `Input` where there is no such run or epoch.
    pub(crate) fn parse(workspace: &Workspace, text: &str) -> Result<Self> {
        let (run, epoch) = text.rsplit_once('@').unwrap_or((text, "last"));
        let run = match (workspace.resolve(run), workspace.group(run)) {
            (Err(_), Ok(Some((name, members)))) => {
                let one = members.first().map_or("", |member| member.id.as_str());
                return Err(Error::input(
                    format!("group {name}"),
                    "is not one run",
                    format!("fork one of its runs, such as {one}"),
                ));
            }
            (resolved, _) => resolved?,
        };
        let profile = workspace.load_with_history(&run)?;
        let last = profile.epochs_done();
        let epoch = match epoch {
            "last" => Some(last),
            "best" => profile.best_epoch().map(|row| row.epoch),
            number => number.parse().ok(),
        };
        match epoch {
            Some(epoch) if (1..=last).contains(&epoch) => Ok(Self { run, epoch }),
            _ if last == 0 => Err(Error::input(
                format!("run {run}"),
                "has no finished epoch",
                "fork it once it has one",
            )),
            _ => Err(Error::input(
                format!("run {run}"),
                format!(
                    "has no epoch `{}`",
                    crate::text::sanitize(text.rsplit('@').next().unwrap_or_default())
                ),
                format!("give one from 1 to {last}, best or last"),
            )),
        }
    }
}

/// The recipe of a fork: that of the run with settings changed.
///
/// # Errors
/// `Input` where a setting cannot be changed, nothing is, or nothing is left to train.
pub(crate) fn recipe(workspace: &Workspace, point: &Point, changes: &[String]) -> Result<Profile> {
    let parent = workspace.load(&point.run)?;
    super::record::check_known(&parent)?;
    let mut profile = parent.clone();
    for change in changes {
        let (key, value) = change.split_once('=').ok_or_else(|| {
            let remedy = "write it as train.optimizer.learning_rate=0.001";
            Error::input(format!("--set {change}"), "has no `=`", remedy)
        })?;
        put(&mut profile, key.trim(), value)?;
    }
    if profile.train.epochs <= point.epoch {
        return Err(Error::input(
            "train.epochs",
            format!(
                "is {}, and the fork begins after epoch {}",
                profile.train.epochs, point.epoch
            ),
            format!("set train.epochs={} or more", point.epoch + 1),
        ));
    }
    let before = parent.run.clone().unwrap_or_default();
    // Up to there it may have been a recipe before one of its own forks.
    let own = || (parent.clone(), before.backend.clone());
    let stage = parent
        .trunk()?
        .into_iter()
        .find(|stage| stage.until >= point.epoch);
    let (trunk, backend) = stage.map_or_else(own, |stage| (stage.recipe, stage.backend));
    crate::nn::device::select(&profile.train.device)?;
    let was = trunk.unlike(&profile);
    if was.is_empty() {
        return Err(Error::input(
            "fork",
            "changes no setting, so the same run would come out",
            "change one, such as --set train.epochs=40",
        ));
    }
    profile.validate()?;
    let mut forks = before.forks;
    // What the parent became after that epoch is no part of the fork.
    forks.retain(|fork| fork.epoch < point.epoch);
    forks.push(Fork {
        run: point.run.clone(),
        epoch: point.epoch,
        backend,
        was,
    });
    profile.run = Some(RunRecord {
        forks,
        interventions: before.interventions,
        ..RunRecord::default()
    });
    profile.result = None;
    profile.history.clear();
    Ok(profile)
}

/// A setting by its whole key, or by its own name in the tables that a fork may change.
fn whole(key: &str) -> String {
    let tables = [
        "train",
        "train.optimizer",
        "train.schedule",
        "train.early_stop",
        "augment",
    ];
    let key = crate::profile::current_key(key);
    let mut within = tables.iter().map(|table| format!("{table}.{key}"));
    if settings::find(&key).is_some() {
        return key;
    }
    within
        .find(|key| settings::find(key).is_some())
        .unwrap_or(key)
}

fn put(profile: &mut Profile, key: &str, value: &str) -> Result<()> {
    let key = whole(key);
    // Whether there is such a key, and what it takes.
    let read = settings::read(&key, value)?;
    let is_free = ["train.", "augment."]
        .iter()
        .any(|table| key.starts_with(table));
    if !is_free || key == "train.batch_size" {
        let why = match key.as_str() {
            "train.batch_size" => "cannot change in a fork, whose steps are counted in batches",
            _ => "cannot change in a fork, which has the network and the images of its run",
        };
        return Err(Error::input(key, why, "train a new run for that"));
    }
    match settings::find(&key) {
        Some(setting) => setting.put(profile, read),
        None => Err(Error::input(
            key,
            "is a part of a setting",
            "set it as a whole",
        )),
    }
}

/// Writes a fork down, with a checkpoint to begin from where there is one.
///
/// # Errors
/// `Input` naming what does not fit; `Io` when the workspace cannot be written: then there is no fork.
pub(crate) fn create(
    workspace: &Workspace,
    point: &Point,
    mut profile: Profile,
    queued: bool,
) -> Result<Forked> {
    let found = checkpoint::at_epoch(&workspace.run_dir(&point.run), point.epoch);
    if let (Some((_, progress)), Some(run)) = (&found, &mut profile.run) {
        run.interventions
            .retain(|change| change.step <= progress.step && change.what != "stop");
    } else if let Some(run) = &mut profile.run {
        let step = step_of(workspace, point);
        run.interventions
            .retain(|change| change.step < step && change.what != "stop");
    }
    let id = if queued {
        workspace.create_queued(&profile, "")?
    } else {
        workspace.create(&profile)?
    };
    let copied = match &found {
        Some((generation, progress)) => copy(workspace, point, &id, generation, progress),
        None => Ok(false),
    };
    match copied {
        Ok(from_checkpoint) => Ok(Forked {
            id,
            from_checkpoint,
        }),
        Err(error) => {
            // The error that is about to be told says more.
            let _ = workspace.delete(&id);
            Err(error)
        }
    }
}

/// Brings up the worker of a fork that [`create`] has written down.
///
/// # Errors
/// As [`client::start`].
pub(crate) fn start(workspace: &Workspace, forked: &Forked) -> Result<()> {
    client::begin(workspace, &forked.id, forked.from_checkpoint)
}

/// The step at which an epoch ended, by the log.
fn step_of(workspace: &Workspace, point: &Point) -> u64 {
    history::step_of_epoch(&workspace.events_path(&point.run), point.epoch).unwrap_or(u64::MAX)
}

/// Copies a checkpoint with the files that it names, and the log up to it; false where it went meanwhile.
fn copy(
    workspace: &Workspace,
    point: &Point,
    id: &str,
    generation: &Path,
    progress: &TrainingProgress,
) -> Result<bool> {
    let (from, to) = (workspace.run_dir(&point.run), workspace.run_dir(id));
    let _owned = workspace.own(id)?;
    checkpoint::copy(&from, &to, generation, progress)?;
    if checkpoint::newest_progress(&to).is_none_or(|copied| copied != *progress) {
        checkpoint::forget(&to)?;
        return Ok(false);
    }
    let path = workspace.events_path(&point.run);
    let mut log = storage::read(&path, LONGEST_LOG).map_err(|e| Error::io("read", &path, e))?;
    log.truncate(usize::try_from(progress.log_length).unwrap_or(usize::MAX));
    let path = workspace.events_path(id);
    fs::write(&path, log).map_err(|e| Error::io("write", &path, e))?;
    Ok(true)
}

/// Holds the epochs that a fork has trained again against the run that it left, where that is still there.
///
/// # Errors
/// `Input` naming the first epoch that came out differently.
pub(super) fn check_trunk(
    workspace: &Workspace,
    profile: &Profile,
    directory: &Path,
) -> Result<()> {
    let own = profile.run.as_ref();
    let Some(run) = own.filter(|run| is_own(workspace, run, directory)) else {
        // It is trained again to be verified: against its own record.
        return Ok(());
    };
    let own = history::of_log(&workspace.events_path(&run.id));
    for fork in run.forks.iter().filter(|fork| !fork.run.is_empty()) {
        let others = history::of_log(&workspace.events_path(&fork.run));
        for epoch in 1..=fork.epoch {
            let of = |rows: &[EpochRecord]| rows.iter().find(|row| row.epoch == epoch).cloned();
            let (Some(own), Some(other)) = (of(&own), of(&others)) else {
                continue;
            };
            if bits(&own) != bits(&other) {
                return Err(Error::input(
                    format!("run {}", run.id),
                    format!(
                        "is not a fork of {}: epoch {epoch} came out differently (training loss {} instead of {})",
                        fork.run, own.train_loss, other.train_loss
                    ),
                    "use the machine and the version of fmtui that trained it, or a checkpoint's epoch",
                ));
            }
        }
    }
    Ok(())
}

/// The backend that a fork goes on with: that of the run it left, unless it sets another one.
#[must_use]
pub(super) fn backend(fork: &Fork) -> String {
    if fork.was.contains_key("train.backend") {
        return String::new();
    }
    fork.backend.clone()
}

/// Whether this is where the run itself is trained, and not another time to compare.
#[must_use]
pub(super) fn is_own(workspace: &Workspace, run: &RunRecord, directory: &Path) -> bool {
    directory == workspace.run_dir(&run.id)
}

/// All figures of an epoch but its time, bit by bit.
fn bits(row: &EpochRecord) -> [u64; 5] {
    [
        row.train_loss,
        row.train_accuracy,
        row.held_out_loss,
        row.held_out_accuracy,
        row.learning_rate,
    ]
    .map(f64::to_bits)
}

#[cfg(test)]
mod tests;

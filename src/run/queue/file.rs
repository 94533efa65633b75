//! `queue/queue.json`: jobs in their order, and how the queue is worked off.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::slots::Place;
use crate::error::{Error, Result};
use crate::profile::Status;

/// **Units** bytes of the longest queue that is read.
pub(super) const LONGEST: u64 = 16 << 20;

/// The version of the file.
const FORMAT: u32 = 1;

/// The queue as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Queue {
    pub format: u32,
    pub settings: Settings,
    /// Nothing more is started.
    pub held: bool,
    /// Why, where it was not somebody.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub held_because: String,
    pub jobs: Vec<Job>,
    /// The sweeps that are seen to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sweeps: Vec<ActiveSweep>,
    /// What has left the queue, the newest last.
    pub ended: Vec<Ended>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            format: FORMAT,
            settings: Settings::default(),
            held: false,
            held_because: String::new(),
            jobs: Vec::new(),
            sweeps: Vec::new(),
            ended: Vec::new(),
        }
    }
}

/// How the queue is worked off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Runs on the CPU at a time, which share its cores.
    pub jobs: usize,
    /// Runs on each GPU at a time.
    pub per_gpu: usize,
    pub on_failure: OnFailure,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            jobs: 1,
            per_gpu: 1,
            on_failure: OnFailure::default(),
        }
    }
}

/// What becomes of the rest when a job fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFailure {
    /// The next job is started.
    #[default]
    Continue,
    /// Everything that waits is held.
    Hold,
    /// What waits of its group leaves the queue.
    Skip,
}

/// A sweep whose trials become jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ActiveSweep {
    pub name: String,
    /// Why nothing was done for it when it was looked at last, where that is so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// A run that waits or runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Job {
    pub run: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Where it was started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// How often its worker was gone without having come further, and the step it stood at.
    #[serde(skip_serializing_if = "is_zero")]
    pub crashes: u32,
    pub step: u64,
    /// Why its worker did not come up, where it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Job {
    /// After so many crashes in a row at the same step a run is given up.
    pub(crate) const MOST_CRASHES: u32 = 10;
}

/// What has left the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub run: String,
    pub status: Status,
    /// Why its worker did not come up, where it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

impl Queue {
    /// # Errors
    /// `Input` naming the file where it is damaged, or a newer fmtui's.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let bad = |problem: String| {
            Error::input(
                path.display().to_string(),
                problem,
                "mend it, or delete it: the queued runs stay and can be resumed",
            )
        };
        let queue: Self =
            serde_json::from_slice(bytes).map_err(|e| bad(format!("is damaged ({e})")))?;
        if queue.format > FORMAT {
            return Err(Error::input(
                path.display().to_string(),
                format!("has format {} of a newer fmtui", queue.format),
                "use the version of fmtui that wrote it",
            ));
        }
        Ok(queue)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|e| Error::compute("writing the queue", e))
    }

    pub(super) fn add(&mut self, runs: &[String], first: bool, held: bool) {
        let at = if first { 0 } else { self.jobs.len() };
        let jobs = runs.iter().map(|run| Job {
            run: run.clone(),
            held,
            ..Job::default()
        });
        self.jobs.splice(at..at, jobs);
        self.ended.retain(|ended| !runs.contains(&ended.run));
    }

    #[must_use]
    pub(crate) fn job(&mut self, run: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.run == run)
    }

    /// Holds or releases a job; where the whole queue is held, only the others are from then on.
    pub(crate) fn hold(&mut self, run: &str, held: bool) {
        if !held && std::mem::take(&mut self.held) {
            self.held_because.clear();
            self.jobs.iter_mut().for_each(|job| job.held = true);
        }
        if let Some(job) = self.job(run) {
            job.held = held;
        }
    }

    /// Takes jobs out, whatever becomes of their runs.
    pub(crate) fn remove(&mut self, runs: &[String]) {
        self.jobs.retain(|job| !runs.contains(&job.run));
    }

    /// Moves jobs together to a place, from 0, in the order in which they are named.
    pub(crate) fn place(&mut self, runs: &[String], at: usize) {
        let mut moved = Vec::new();
        for run in runs {
            if let Some(found) = self.jobs.iter().position(|job| job.run == *run) {
                moved.push(self.jobs.remove(found));
            }
        }
        let at = at.min(self.jobs.len());
        self.jobs.splice(at..at, moved);
    }

    /// Takes a job out whose run is over.
    pub(super) fn end(&mut self, run: &str, status: Status) {
        let problem = self.job(run).map(|job| job.problem.clone());
        self.jobs.retain(|job| job.run != run);
        self.ended.retain(|ended| ended.run != run);
        self.ended.push(Ended {
            run: run.into(),
            status,
            problem: problem.unwrap_or_default(),
        });
    }

    pub(super) fn forget_older(&mut self, most: usize) {
        let excess = self.ended.len().saturating_sub(most);
        self.ended.drain(..excess);
    }
}

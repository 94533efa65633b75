//! A trial as runs: which these are, how each stands, and what they have reported.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::event::Event;
use crate::metrics::Scores;
use crate::profile::{Profile, ResultRecord, Status};
use crate::run::queue::Queue;
use crate::run::{RunList, Workspace, log};
use crate::search::{Objective, Trial};
use crate::storage;
use crate::train::checkpoint;

/// The attribute with the ids of a trial's runs.
pub(super) const RUNS: &str = "fmtui:runs";

/// The attribute that says why a trial failed.
pub(super) const REASON: &str = "fmtui:reason";

/// The attribute of a trial whose runs were stopped with the whole sweep.
pub(super) const STOPPED: &str = "fmtui:stopped_with_sweep";

/// The attribute that says which of several workers has a trial.
pub(super) const OWNER: &str = "fmtui:owner";

/// Which worker has a trial; empty where the workspace's own scheduler has it.
#[must_use]
pub(crate) fn owner(trial: &Trial) -> &str {
    let owner = trial.system.get(OWNER).and_then(Value::as_str);
    owner.unwrap_or_default()
}

/// The runs of a trial; none where another program runs it.
#[must_use]
pub(crate) fn runs(trial: &Trial) -> Vec<&str> {
    let list = trial.system.get(RUNS).and_then(Value::as_array);
    let list = list.map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).collect()
}

/// Why a trial failed, where that is known.
#[must_use]
pub(crate) fn reason(trial: &Trial) -> Option<&str> {
    trial.user.get(REASON)?.as_str()
}

/// How a trial's run stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// It was deleted.
    Missing,
    /// The queue has it.
    Waiting,
    /// It waits, and no queue has it.
    Unqueued,
    Running,
    /// It has come to the epoch at which it was to stop.
    AtRung(usize),
    Stopped,
    Failed(String),
    /// It failed, and has checkpoints of which none can be read.
    Damaged,
    Finished(Box<ResultRecord>),
}

impl Standing {
    pub(super) fn of(workspace: &Workspace, id: &str, list: &RunList, queue: &Queue) -> Self {
        let Some(summary) = list.find(id) else {
            // One that was made since the list was read is not missing.
            return if workspace.profile_path(id).exists() {
                Self::Waiting
            } else {
                Self::Missing
            };
        };
        let is_queued = queue.jobs.iter().any(|job| job.run == id);
        let waits = if is_queued {
            Self::Waiting
        } else {
            Self::Unqueued
        };
        let profile = match &summary.profile {
            Ok(profile) => profile,
            Err(problem) => return Self::Failed(problem.clone()),
        };
        let run = profile.run.as_ref();
        match summary.status {
            Status::Finished => {
                Self::Finished(Box::new(profile.result.clone().unwrap_or_default()))
            }
            Status::Failed if is_damaged(&workspace.run_dir(id)) => Self::Damaged,
            Status::Failed => Self::Failed(run.map_or_else(String::new, |run| run.error.clone())),
            status if status.has_worker() => Self::Running,
            Status::Stopped => match run.and_then(|run| run.until) {
                _ if run.is_some_and(|run| run.interrupted) => waits,
                Some(rung) if epochs(profile) >= rung => Self::AtRung(rung),
                _ => Self::Stopped,
            },
            Status::Lost => match queue.ended.iter().find(|ended| ended.run == id) {
                Some(ended) if !is_queued && ended.status == Status::Lost => {
                    Self::Failed("its worker crashed again and again at the same step".into())
                }
                _ => waits,
            },
            _ => waits,
        }
    }
}

fn is_damaged(directory: &Path) -> bool {
    checkpoint::exists(directory) && checkpoint::load_newest(directory).is_err()
}

fn epochs(profile: &Profile) -> usize {
    profile.epochs_done()
}

/// The epochs of runs that train, read from their logs as these grow.
#[derive(Default)]
pub(super) struct Logs {
    read: HashMap<String, Followed>,
}

/// A log that was read up to somewhere.
#[derive(Default)]
struct Followed {
    /// **Units** bytes of whole lines.
    position: u64,
    /// The last line.
    last: String,
    /// Scores on the validation set, by epoch from 1.
    epochs: Vec<(usize, Scores)>,
}

impl Logs {
    /// The values of an objective after each epoch of some runs together: means over all, as far as all have come.
    pub(super) fn values(
        &mut self,
        workspace: &Workspace,
        ids: &[&str],
        objective: &Objective,
    ) -> Vec<(usize, f64)> {
        let Some(metric) = objective.metric() else {
            return Vec::new();
        };
        let mut sums: Vec<(usize, f64)> = Vec::new();
        for (nth, id) in ids.iter().enumerate() {
            let followed = self.read.entry((*id).to_owned()).or_default();
            followed.read_on(&workspace.events_path(id));
            let own = followed.epochs.iter();
            let own = own.map(|(epoch, scores)| (*epoch, (metric.of)(scores)));
            if nth == 0 {
                sums = own.collect();
                continue;
            }
            let own: HashMap<usize, f64> = own.collect();
            sums.retain_mut(|(epoch, sum)| own.get(epoch).map(|value| *sum += value).is_some());
        }
        let count = as_f64(ids.len().max(1));
        for (_, sum) in &mut sums {
            *sum /= count;
        }
        sums
    }

    /// Keeps nothing of runs that are over.
    pub(super) fn forget(&mut self, id: &str) {
        self.read.remove(id);
    }
}

impl Followed {
    fn read_on(&mut self, path: &Path) {
        let Ok((mut file, length)) = storage::open(path) else {
            return;
        };
        if !log::still_has(&mut file, self.position, self.last.as_bytes()) {
            *self = Self::default();
        }
        if length == self.position || file.seek(SeekFrom::Start(self.position)).is_err() {
            return;
        }
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        loop {
            line.clear();
            let read = reader.read_line(&mut line).unwrap_or(0);
            if !line.ends_with('\n') {
                return;
            }
            self.position += read as u64;
            self.take(&line);
            self.last.clone_from(&line);
        }
    }

    fn take(&mut self, line: &str) {
        if !line.contains("\"event\":\"epoch-end\"") && !line.contains("\"event\":\"started\"") {
            return;
        }
        match log::parse_line(line).map(|stamped| stamped.event) {
            Some(Event::Started(started)) => {
                let whole = started.resumed_at_step / started.steps_per_epoch.max(1);
                self.epochs.retain(|(epoch, _)| *epoch as u64 <= whole);
            }
            Some(Event::EpochEnd(end)) => {
                self.epochs.retain(|(epoch, _)| *epoch < end.epoch);
                self.epochs.push((end.epoch, end.held_out));
            }
            _ => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of seeds")]
pub(super) fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that resumes shortens its log, and writes on: what is read then is what the log has, however long it is.
    #[test]
    fn a_log_that_was_shortened_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |followed: &mut Followed, text: &str| {
            std::fs::write(file.path(), text).unwrap();
            followed.read_on(file.path());
            (followed.position, followed.last.clone())
        };
        let mut followed = Followed::default();
        assert_eq!(read(&mut followed, "one\ntwo\nthr"), (8, "two\n".into()));
        assert_eq!(
            read(&mut followed, "one\ntwo\nthree\n"),
            (14, "three\n".into())
        );
        assert_eq!(read(&mut followed, "one\n"), (4, "one\n".into()));
        // Longer than before, of the same length, and empty.
        for text in ["uno\nand more\n", "was\nand more\n"] {
            followed.epochs = vec![(1, Scores::default())];
            assert_eq!(read(&mut followed, text), (13, "and more\n".into()));
            assert!(followed.epochs.is_empty(), "{text}");
            followed.last = "nothing\n".into();
        }
        assert_eq!(read(&mut followed, ""), (0, String::new()));
    }
}

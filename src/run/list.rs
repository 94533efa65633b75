//! The list of a workspace's runs, kept up to date without reading again what has not changed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::history::Logged;
use super::index::{self, Index, Known, Stamp, in_parallel};
use super::store::Workspace;
use super::{history, id};
use crate::error::{Error, Result};
use crate::profile::{Profile, Status};

/// A directory that was changed less long ago than this may change again without its time telling.
const GRAIN: Duration = Duration::from_secs(2);

/// A run as the list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub id: String,
    /// The live one: a run whose file says `running` or `paused` but whose worker is gone is `lost`. `Failed` for a
    /// broken file.
    pub status: Status,
    /// The profile with everything the run wrote, of long histories some epochs; or why it cannot be read.
    pub profile: Result<Arc<Profile>, String>,
}

/// The runs of a workspace, as they were when they were last looked at.
pub struct RunList {
    workspace: Workspace,
    index: Index,
    known: HashMap<String, Known>,
    /// The epochs of runs whose logs have grown since they were read first, as long as their records are the same.
    logged: HashMap<String, (Stamp, Logged)>,
    /// How those stand that are not over, whatever their records say.
    live: HashMap<String, Status>,
    /// When the directory of the records had changed last, where that was long enough ago to be told from now.
    seen: Option<SystemTime>,
    /// Counts the times that something had changed; 0 before the first look.
    version: u64,
}

impl RunList {
    #[must_use]
    pub fn new(workspace: &Workspace) -> Self {
        Self {
            workspace: workspace.clone(),
            index: Index::new(&workspace.profiles_dir()),
            known: HashMap::new(),
            logged: HashMap::new(),
            live: HashMap::new(),
            seen: None,
            version: 0,
        }
    }

    /// Looks what has changed, and reads that. Gives a number that is another one where something has.
    ///
    /// # Errors
    /// `Io` when the directory of the records is there and cannot be read.
    pub fn refresh(&mut self) -> Result<u64> {
        let directory = self.workspace.profiles_dir();
        let is_first = self.version == 0;
        if is_first {
            self.known = self.index.read();
        }
        let changed = std::fs::metadata(&directory)
            .and_then(|m| m.modified())
            .ok();
        // Every change of a record is one of its directory too.
        let mut is_other = is_first;
        if changed.is_none() || changed != self.seen {
            is_other |= self.read_changed(&directory)?;
            let is_old = |at: &SystemTime| at.elapsed().is_ok_and(|age| age > GRAIN);
            self.seen = changed.filter(is_old);
        }
        is_other |= self.follow_logs();
        let live = self.look_who_lives();
        is_other |= live != self.live;
        self.live = live;
        self.version += u64::from(is_other);
        Ok(self.version)
    }

    /// The runs that are not over, with how they stand now.
    fn look_who_lives(&self) -> HashMap<String, Status> {
        let mut live = HashMap::new();
        for (id, known) in &self.known {
            let written = written(known);
            // Whoever takes up again what is over writes that down.
            let is_over = matches!(
                written,
                Status::Finished | Status::Stopped | Status::Failed | Status::Unknown
            );
            if !is_over {
                live.insert(id.clone(), self.workspace.live_status(id, written));
            }
        }
        live
    }

    /// Whether there was something to read, or to forget.
    fn read_changed(&mut self, directory: &Path) -> Result<bool> {
        let ids = self
            .workspace
            .ids_by_second()
            .map_err(|e| Error::io("read", directory, e))?;
        let stamps = in_parallel(&ids, |id| Stamp::of(&self.workspace.profile_path(id)));
        let there: HashMap<&String, Stamp> = ids
            .iter()
            .zip(stamps)
            .map(|(id, stamp)| (id, stamp.unwrap_or_default()))
            .collect();
        let before = self.known.len();
        self.known
            .retain(|id, known| there.get(id) == Some(&known.record));
        let mut is_other = self.known.len() < before;
        let missing: Vec<(String, Stamp)> = there
            .into_iter()
            .filter(|(id, _)| !self.known.contains_key(*id))
            .map(|(id, stamp)| (id.clone(), stamp))
            .collect();
        is_other |= !missing.is_empty();
        let read = in_parallel(&missing, |(id, record)| self.read(id, *record));
        let ids: Vec<String> = missing.into_iter().map(|(id, _)| id).collect();
        self.known.extend(ids.iter().cloned().zip(read));
        // What goes on is another thing in a moment.
        let stays =
            |(id, known): &(&String, &Known)| known.log.is_none() || !self.workspace.is_running(id);
        let new = ids.iter().filter_map(|id| Some((id, self.known.get(id)?)));
        self.index.add(new.filter(stays), &self.known);
        Ok(is_other)
    }

    fn read(&self, id: &str, record: Stamp) -> Known {
        let events = self.workspace.events_path(id);
        let mut log = None;
        let read = self.workspace.load(id).map(|mut profile| {
            if profile.history.is_empty() {
                log = Stamp::of(&events);
                profile.history = history::of_log(&events);
            }
            index::shorten(&mut profile);
            Arc::new(profile)
        });
        Known {
            record,
            log,
            profile: read.map_err(|e| e.to_string()),
        }
    }

    /// Reads the epochs of runs that go on, and of those that ended without their record saying so.
    fn follow_logs(&mut self) -> bool {
        let mut grown = Vec::new();
        for (id, known) in &self.known {
            let now = known
                .log
                .and_then(|_| Stamp::of(&self.workspace.events_path(id)));
            if now.is_some() && now != known.log {
                grown.push((id.clone(), known.record));
            }
        }
        let is_other = !grown.is_empty();
        for (id, record) in grown {
            self.read_on(id, record);
        }
        is_other
    }

    /// Takes the new epochs of a run whose log has grown.
    fn read_on(&mut self, id: String, record: Stamp) {
        let events = self.workspace.events_path(&id);
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        known.log = Stamp::of(&events).or(known.log);
        if let Ok(profile) = &mut known.profile {
            // A resume, which cuts the log, writes the record.
            let entry = self.logged.entry(id);
            let (of, logged) = entry.or_insert_with(|| (record, Logged::default()));
            if *of != record {
                (*of, *logged) = (record, Logged::default());
            }
            logged.read_on(&events);
            let profile = Arc::make_mut(profile);
            profile.history.clone_from(&logged.history);
            index::shorten(profile);
        }
    }

    /// All runs as they were at the last look, newest first; one that cannot be read with the reason.
    #[must_use]
    pub fn runs(&self) -> Vec<RunSummary> {
        let mut runs: Vec<RunSummary> = self
            .known
            .iter()
            .map(|(id, known)| self.summary(id, known))
            .collect();
        // Of one second the records tell which is the newest.
        let started = |run: &RunSummary| {
            let profile = run.profile.as_ref().ok();
            profile
                .and_then(|p| p.run.as_ref())
                .map(|run| run.started.clone())
        };
        runs.sort_by(|a, b| b.id.cmp(&a.id));
        for tied in runs.chunk_by_mut(|a, b| id::second(&a.id) == id::second(&b.id)) {
            tied.sort_by_cached_key(|run| Reverse(started(run)));
        }
        runs
    }

    /// The run of this id as it was at the last look.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<RunSummary> {
        self.known.get(id).map(|known| self.summary(id, known))
    }

    /// Those that have a worker, newest first.
    #[must_use]
    pub fn with_worker(&self) -> Vec<RunSummary> {
        let has_worker = |(_, status): &(&String, &Status)| status.has_worker();
        let live = self.live.iter().filter(has_worker);
        let mut runs: Vec<RunSummary> = live
            .filter_map(|(id, _)| Some(self.summary(id, self.known.get(id)?)))
            .collect();
        runs.sort_by(|a, b| b.id.cmp(&a.id));
        runs
    }

    fn summary(&self, id: &str, known: &Known) -> RunSummary {
        let mut profile = known.profile.clone();
        let written = written(known);
        let status = self.live.get(id).copied().unwrap_or(written);
        if let Ok(profile) = &mut profile
            && status != written
            && let Some(run) = &mut Arc::make_mut(profile).run
        {
            run.status = status;
        }
        RunSummary {
            id: id.into(),
            status,
            profile,
        }
    }
}

/// How a run stood when its record was written; a broken record's has failed.
fn written(known: &Known) -> Status {
    let Ok(profile) = &known.profile else {
        return Status::Failed;
    };
    profile
        .run
        .as_ref()
        .map_or(Status::Created, |run| run.status)
}

impl Workspace {
    /// All runs, newest first; a file that cannot be read is listed with the reason.
    ///
    /// # Errors
    /// `Io` when the directory is there and cannot be read.
    pub fn runs(&self) -> Result<Vec<RunSummary>> {
        let mut list = RunList::new(self);
        list.refresh()?;
        Ok(list.runs())
    }

    /// One run as the list shows it.
    #[must_use]
    pub fn summary(&self, id: &str) -> RunSummary {
        let profile = self
            .load_with_history(id)
            .map(|mut profile| {
                if let Some(run) = &mut profile.run {
                    run.status = self.live_status(id, run.status);
                }
                Arc::new(profile)
            })
            .map_err(|e| e.to_string());
        let status = match &profile {
            Ok(p) => p.run.as_ref().map_or(Status::Created, |r| r.status),
            Err(_) => Status::Failed,
        };
        RunSummary {
            id: id.into(),
            status,
            profile,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::event::{EpochEnd, Event, Stamped};
    use crate::run::lock::RunLock;

    #[test]
    fn a_list_follows_the_log_of_a_run_and_reads_the_same_as_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        let id = workspace.create(&Profile::new("mlp")).unwrap();
        let mut log = std::fs::File::create(workspace.events_path(&id)).unwrap();
        let mut record = workspace.load(&id).unwrap();
        record.run.as_mut().unwrap().status = Status::Running;
        workspace.save(&record).unwrap();
        let lock = RunLock::acquire(&workspace.lock_path(&id), &id).unwrap();
        let mut list = RunList::new(&workspace);
        let mut seen = list.refresh().unwrap();
        assert_eq!(list.refresh().unwrap(), seen);
        for epoch in 1..=600 {
            let event = Event::EpochEnd(Box::new(EpochEnd {
                epoch,
                ..EpochEnd::default()
            }));
            let line = serde_json::to_string(&Stamped { at: 1.0, event }).unwrap();
            writeln!(log, "{line}").unwrap();
            if epoch % 100 > 0 {
                continue;
            }
            let now = list.refresh().unwrap();
            assert!(now > seen, "{epoch}");
            seen = now;
            let runs = list.runs();
            let profile = runs[0].profile.as_ref().unwrap();
            assert_eq!(
                (profile.epochs_done(), runs[0].status),
                (epoch, Status::Running)
            );
            assert!(profile.history.len() <= index::EPOCHS);
            assert_eq!(list.with_worker().len(), 1);
        }
        drop(lock);
        list.refresh().unwrap();
        assert_eq!(list.runs()[0].status, Status::Lost);
        // Made anew, read from the index, and without one.
        for _ in 0..2 {
            assert_eq!(workspace.runs().unwrap().len(), 1);
            let new = workspace.runs().unwrap().remove(0).profile.unwrap();
            assert_eq!(
                new.history.len(),
                list.runs()[0].profile.as_ref().unwrap().history.len()
            );
            std::fs::remove_file(workspace.profiles_dir().join("index.jsonl")).unwrap();
        }
        workspace.delete(&id).unwrap();
        list.refresh().unwrap();
        assert!(list.runs().is_empty());
    }
}

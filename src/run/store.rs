//! The workspace on disk: where data, profiles and runs lie, which runs there are, and how each of them stands.
//!
//! Creates nothing until something is saved. Starts and stops no worker.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::lock::{self, RunLock};
use super::{history, id, record};
use crate::data::locate::SearchPath;
use crate::error::{Error, Result};
use crate::net::{self, hub::Hub};
use crate::profile::{self, Profile, RunRecord, Status};
use crate::{storage, text};

/// **Units** bytes of the end of `worker.log` in which a dead worker's last words are looked for.
const LAST_WORDS: u64 = 64 << 10;

/// How often the removal of a directory is tried.
const REMOVALS: usize = 10;

/// A worker on another machine writes its log every second; after this long without a line it is gone.
const SILENCE: Duration = Duration::from_mins(1);

/// A directory with `data/`, `profiles/`, `profiles/runs/` and `checkpoints/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub root: PathBuf,
    /// `--data-dir`: looked in before everything else.
    pub data_override: Option<PathBuf>,
    /// Open no socket to anywhere.
    pub offline: bool,
    /// The directory of the queue, where it is that of one of several workers (`$FMTUI_QUEUE`); the workspace has one
    /// of its own.
    pub queue: Option<PathBuf>,
}

impl Workspace {
    /// A workspace at this place, without data override, online.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            data_override: None,
            offline: false,
            queue: None,
        }
    }

    /// Finds the workspace: `given` (`--workspace`), else `$FMTUI_HOME`, else the current directory when it holds
    /// `profiles/`, else the platform's data directory. `$FMTUI_DATA_DIR`, `$FMTUI_OFFLINE` and `$HF_HUB_OFFLINE` are
    /// read here.
    ///
    /// # Errors
    /// `Input` when there is no home directory to fall back to.
    pub fn locate(given: Option<&Path>) -> Result<Self> {
        let home = std::env::var_os("FMTUI_HOME").filter(|v| !v.is_empty());
        let here = std::env::current_dir().ok();
        let root = if let Some(path) = given {
            storage::expand_home(path)
        } else if let Some(path) = home {
            storage::expand_home(Path::new(&path))
        } else if let Some(path) = here.as_ref().filter(|h| h.join("profiles").is_dir()) {
            path.clone()
        } else {
            directories::ProjectDirs::from("", "", "fmtui")
                .map(|d| d.data_dir().to_path_buf())
                .ok_or_else(|| {
                    Error::input(
                        "workspace",
                        "there is no home directory to put one in",
                        "give a directory with --workspace",
                    )
                })?
        };
        let root = match here {
            Some(here) if root.is_relative() => here.join(root),
            _ => root,
        };
        if root.exists() && !root.is_dir() {
            return Err(Error::input(
                format!("workspace {}", root.display()),
                "is not a directory",
                "give a directory with --workspace",
            ));
        }
        Ok(Self {
            root,
            data_override: std::env::var_os("FMTUI_DATA_DIR")
                .filter(|v| !v.is_empty())
                .map(|dir| storage::expand_home(Path::new(&dir))),
            offline: net::is_offline(),
            queue: std::env::var_os("FMTUI_QUEUE")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from),
        })
    }

    /// Where downloaded data sets lie.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where weights of elsewhere are looked for, beside the current directory.
    #[must_use]
    pub fn weights_dir(&self) -> PathBuf {
        self.root.join("weights")
    }

    /// The hub, with what was fetched from it in this workspace.
    #[must_use]
    pub fn hub(&self) -> Hub {
        Hub::from_environment(self.root.join("hub"), self.offline)
    }

    /// Where data sets are looked for.
    #[must_use]
    pub fn search_path(&self) -> SearchPath {
        SearchPath {
            data_dir: self.data_override.clone(),
            workspace_data: self.data_dir(),
        }
    }

    /// Presets of the user's own.
    #[must_use]
    pub fn presets_dir(&self) -> PathBuf {
        self.root.join("profiles")
    }

    /// The profiles of all runs.
    #[must_use]
    pub fn profiles_dir(&self) -> PathBuf {
        self.presets_dir().join("runs")
    }

    /// The directories of all runs.
    #[must_use]
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    #[must_use]
    pub fn profile_path(&self, id: &str) -> PathBuf {
        self.profiles_dir().join(format!("{id}.toml"))
    }

    /// Checkpoints, predictions, event log and lock of one run.
    #[must_use]
    pub fn run_dir(&self, id: &str) -> PathBuf {
        self.runs_dir().join(id)
    }

    #[must_use]
    pub fn events_path(&self, id: &str) -> PathBuf {
        self.run_dir(id).join("events.jsonl")
    }

    #[must_use]
    pub fn lock_path(&self, id: &str) -> PathBuf {
        self.run_dir(id).join("lock")
    }

    #[must_use]
    pub fn worker_log_path(&self, id: &str) -> PathBuf {
        self.run_dir(id).join("worker.log")
    }

    /// The end of what a run's worker has printed; empty where there is nothing.
    #[must_use]
    pub fn worker_log_end(&self, id: &str) -> String {
        storage::read_end(&self.worker_log_path(id), LAST_WORDS).unwrap_or_default()
    }

    /// Writes the profile of a new run and makes its directory; the id is new in this workspace.
    ///
    /// # Errors
    /// `Io` when the workspace cannot be written.
    pub fn create(&self, profile: &Profile) -> Result<String> {
        self.create_as(profile, |_| {})
    }

    /// [`create`](Self::create), for a run that waits in the queue, as one of a group where that is named.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(super) fn create_queued(&self, profile: &Profile, group: &str) -> Result<String> {
        self.create_as(profile, |run| {
            run.status = Status::Queued;
            group.clone_into(&mut run.group);
        })
    }

    /// [`create`](Self::create), for a run of a trial of a sweep, which waits and stops at an epoch where that is
    /// named.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(super) fn create_trial(
        &self,
        profile: &Profile,
        (sweep, trial): (&str, usize),
        until: Option<usize>,
    ) -> Result<String> {
        self.create_as(profile, |run| {
            run.status = Status::Queued;
            sweep.clone_into(&mut run.sweep);
            run.trial = Some(trial);
            run.until = until;
        })
    }

    fn create_as(&self, profile: &Profile, describe: impl Fn(&mut RunRecord)) -> Result<String> {
        let runs = self.runs_dir();
        fs::create_dir_all(&runs).map_err(|e| Error::io("create", &runs, e))?;
        let name = if profile.name.is_empty() {
            &profile.model.architecture
        } else {
            &profile.name
        };
        loop {
            let now = text::now();
            let id = id::generate(name, now);
            let dir = self.run_dir(&id);
            match fs::create_dir(&dir) {
                // Making the directory is what decides between two processes with the same idea.
                Ok(()) => {
                    let mut created = record::created(profile, &id);
                    if let Some(run) = &mut created.run {
                        run.started = text::exact_timestamp(now);
                        describe(run);
                    }
                    self.save(&created).inspect_err(|_| {
                        // Nothing of a run that could not be written down stays.
                        let _ = fs::remove_dir(&dir);
                    })?;
                    return Ok(id);
                }
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create", &dir, e)),
            }
        }
    }

    /// Saves the profile of the run it names.
    ///
    /// # Errors
    /// `Io` when the file cannot be written, `Input` when the profile names no run.
    pub fn save(&self, profile: &Profile) -> Result<()> {
        let id = profile.run.as_ref().map_or("", |r| r.id.as_str());
        if !id::is_plausible(id) {
            return Err(Error::input("run.id", "is not a run id", "leave [run] out"));
        }
        record::check_known(profile)?;
        storage::commit(&self.profile_path(id), profile.to_toml().as_bytes())
    }

    /// Reads the profile of a run.
    ///
    /// # Errors
    /// `Input` when there is no such run or its profile is broken.
    pub fn load(&self, id: &str) -> Result<Profile> {
        if !id::is_plausible(id) {
            return Err(self.unknown(id));
        }
        let path = self.profile_path(id);
        let source = format!("profiles/runs/{id}.toml");
        let text = match storage::read_text(&path, profile::LONGEST) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(self.unknown(id)),
            Err(e) => return Err(Error::io("read", &path, e)),
        };
        let mut profile = Profile::parse_record(&text, &source)?;
        record::sanitize(&mut profile);
        match &profile.run {
            Some(run) if run.id == id => Ok(profile),
            _ => Err(Error::input(
                source,
                "its [run] id differs from its file name",
                "give the file its old name back",
            )),
        }
    }

    /// [`load`](Self::load), with the epochs from the log where the record does not have them yet.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_history(&self, id: &str) -> Result<Profile> {
        let mut profile = self.load(id)?;
        self.add_history(&mut profile);
        Ok(profile)
    }

    /// Gives a record the epochs of its log, where it is one of this workspace and does not have them yet.
    pub fn add_history(&self, profile: &mut Profile) {
        let id = profile.run.as_ref().map_or("", |run| &run.id);
        if profile.history.is_empty() && id::is_plausible(id) {
            profile.history = history::of_log(&self.events_path(id));
        }
    }

    pub(super) fn unknown(&self, id: &str) -> Error {
        let ids = self.ids();
        let remedy = match text::nearest(id, ids.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}? `fmtui runs` lists all"),
            None => "`fmtui runs` lists all".into(),
        };
        Error::input(
            format!("run {id}"),
            format!("is not in {}", self.root.display()),
            remedy,
        )
    }

    /// Takes a run for oneself as long as what is given lives: nobody else trains, resumes or deletes it meanwhile. Its
    /// directory is there then.
    ///
    /// # Errors
    /// `Busy` when somebody has it, `Input` when there is no such run (any more), `Io` when its lock cannot be used.
    pub fn own(&self, id: &str) -> Result<RunLock> {
        let is_there = || id::is_plausible(id) && self.profile_path(id).exists();
        if !is_there() {
            return Err(self.unknown(id));
        }
        let dir = self.run_dir(id);
        let locked = fs::create_dir_all(&dir)
            .map_err(|e| Error::io("create", &dir, e))
            .and_then(|()| RunLock::acquire(&self.lock_path(id), id));
        if is_there() {
            return locked;
        }
        // It was deleted meanwhile: what was made just now goes too.
        if let Ok(lock) = locked {
            let _ = lock.remove();
            let _ = fs::remove_dir(&dir);
        }
        Err(self.unknown(id))
    }

    /// Why nothing can be asked of a run that nobody trains here, and what can be done.
    #[must_use]
    pub fn not_running(&self, id: &str) -> Error {
        let profile = match self.load(id) {
            Ok(profile) => profile,
            Err(error) => return error,
        };
        let written = profile.run.map_or(Status::Created, |run| run.status);
        let (problem, remedy) = match self.live_status(id, written) {
            Status::Finished => (
                "is finished".into(),
                format!("train its recipe again with `fmtui train {id}`"),
            ),
            Status::Queued => (
                "waits in the queue".into(),
                format!(
                    "`fmtui queue` shows what is before it, and `fmtui queue drop {id}` takes it out"
                ),
            ),
            status if status.has_worker() => (
                "is trained on another machine".into(),
                format!(
                    "control it there, on {}",
                    lock::holder(&self.lock_path(id)).host
                ),
            ),
            status => (
                format!("is not running ({})", status.name()),
                format!("resume it with `fmtui resume {id}`"),
            ),
        };
        Error::input(format!("run {id}"), problem, remedy)
    }

    /// Whether a worker has it now.
    #[must_use]
    pub fn is_running(&self, id: &str) -> bool {
        lock::is_held(&self.lock_path(id))
    }

    /// The status as it is, not as it was last written.
    #[must_use]
    pub fn live_status(&self, id: &str, written: Status) -> Status {
        if self.is_running(id) {
            // Whatever else the file says is from before this worker.
            return match written {
                // On a full disk the file says what was before.
                _ if lock::waits_for(&self.lock_path(id)).is_some() => Status::Waiting,
                Status::Paused => Status::Paused,
                _ => Status::Running,
            };
        }
        if !written.has_worker() {
            return written;
        }
        let elsewhere = lock::holder(&self.lock_path(id)).host != lock::host_name();
        if elsewhere && !self.is_silent(id) {
            written
        } else {
            Status::Lost
        }
    }

    /// Whether nothing was logged for a while.
    #[must_use]
    pub fn is_silent(&self, id: &str) -> bool {
        fs::metadata(self.events_path(id))
            .and_then(|m| m.modified())
            .ok()
            .and_then(|t| SystemTime::now().duration_since(t).ok())
            .is_none_or(|age| age > SILENCE)
    }

    /// The ids of all runs, newest first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let mut ids = self.ids_by_second().unwrap_or_default();
        // Of one second the records tell which is the newest.
        let of_one_second = |a: &String, b: &String| id::second(a) == id::second(b);
        for tied in ids.chunk_by_mut(of_one_second).filter(|t| t.len() > 1) {
            tied.sort_by_cached_key(|id| {
                let profile = self.load(id).ok();
                Reverse(profile.map(|profile| started(&profile).to_owned()))
            });
        }
        ids
    }

    /// The ids of all runs, those of the newest second first; none where there is no directory.
    pub(super) fn ids_by_second(&self) -> std::io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.profiles_dir()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut ids: Vec<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter_map(|n| n.strip_suffix(".toml").map(String::from))
            .filter(|n| id::is_plausible(n))
            .collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Deletes a run with everything it wrote.
    ///
    /// # Errors
    /// `Busy` while somebody has it, `Input` when there is no such run, `Io` when files cannot be removed.
    pub fn delete(&self, id: &str) -> Result<()> {
        let run = self.load(id).ok().and_then(|profile| profile.run);
        let is_elsewhere =
            |run: RunRecord| !self.is_running(id) && self.live_status(id, run.status).has_worker();
        let (dir, lock_path) = (self.run_dir(id), self.lock_path(id));
        if run.is_some_and(is_elsewhere) {
            return Err(Error::Busy {
                run: id.into(),
                pid: lock::holder(&lock_path).pid,
            });
        }
        let lock = self.own(id)?;
        // The record goes after what it stands for, so that after a crash in between the run is still listed and can be
        // deleted again; the lock goes last, so that nobody begins with what is half there.
        for entry in fs::read_dir(&dir).map_err(|e| Error::io("read", &dir, e))? {
            let path = entry.map_err(|e| Error::io("read", &dir, e))?.path();
            if path != lock_path {
                remove_all(&path)?;
            }
        }
        storage::remove(&self.profile_path(id))?;
        lock.remove()?;
        // Whoever waited for the lock finds no record and leaves nothing either.
        let _ = remove_tree(&dir);
        Ok(())
    }
}

fn remove_all(path: &Path) -> Result<()> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
    if !is_dir {
        return storage::remove(path);
    }
    remove_tree(path)
}

/// Removes a directory with all that is in it. A command that is just being left there lets a removal fail; after that
/// nobody makes the directory again.
fn remove_tree(path: &Path) -> Result<()> {
    let mut removed = fs::remove_dir_all(path);
    for _ in 1..REMOVALS {
        match &removed {
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(Duration::from_millis(5));
                removed = fs::remove_dir_all(path);
            }
            _ => break,
        }
    }
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", path, e)),
        _ => Ok(()),
    }
}

/// When a run was started, as its record says it.
fn started(profile: &Profile) -> &str {
    profile.run.as_ref().map_or("", |run| &run.started)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::lock::Holder;

    fn workspace() -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        (dir, workspace)
    }

    #[test]
    fn an_empty_workspace_has_no_runs_and_stays_empty() {
        let (dir, w) = workspace();
        assert!(w.runs().unwrap().is_empty());
        assert!(w.resolve("last").is_err());
        assert!(w.load("20261123-160211-x-0000").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_run_is_a_profile_from_its_first_second() {
        let (_dir, w) = workspace();
        let id = w.create(&Profile::new("lenet5")).unwrap();
        let profile = w.load(&id).unwrap();
        assert_eq!(profile.recipe(), Profile::new("lenet5"));
        assert_eq!(profile.run.unwrap().id, id);
        assert_eq!(w.summary(&id).status, Status::Created);
    }

    #[test]
    fn a_running_run_without_its_worker_is_lost() {
        let (_dir, w) = workspace();
        let id = w.create(&Profile::new("lenet5")).unwrap();
        let write = |status| {
            let mut profile = w.load(&id).unwrap();
            profile.run.as_mut().unwrap().status = status;
            w.save(&profile).unwrap();
        };
        write(Status::Running);
        let mut lock = RunLock::acquire(&w.lock_path(&id), &id).unwrap();
        lock.describe(&Holder {
            pid: 1,
            host: lock::host_name(),
            socket: None,
            kills: None,
        })
        .unwrap();
        assert_eq!(w.summary(&id).status, Status::Running);
        assert!(matches!(w.delete(&id), Err(Error::Busy { .. })));
        write(Status::Paused);
        assert_eq!(w.summary(&id).status, Status::Paused);
        assert!(matches!(w.delete(&id), Err(Error::Busy { .. })));
        drop(lock);
        assert_eq!(w.summary(&id).status, Status::Lost);
        write(Status::Running);
        assert_eq!(w.summary(&id).status, Status::Lost);
        w.delete(&id).unwrap();
        assert!(w.runs().unwrap().is_empty());
        assert!(!w.run_dir(&id).exists());
    }

    #[test]
    fn a_broken_profile_is_listed_with_the_reason() {
        let (_dir, w) = workspace();
        let id = w.create(&Profile::new("lenet5")).unwrap();
        fs::write(w.profile_path(&id), "[model\n").unwrap();
        let runs = w.runs().unwrap();
        assert_eq!(runs.len(), 1);
        let reason = runs[0].profile.as_ref().unwrap_err();
        assert!(reason.contains("is not TOML"), "{reason}");
        w.delete(&id).unwrap();
    }

    #[test]
    fn runs_are_found_by_what_people_type() {
        let (_dir, w) = workspace();
        for id in ["20260101-000000-mlp-aaaa", "20260102-000000-mlp-bbbb"] {
            w.save(&record::created(&Profile::new("mlp"), id)).unwrap();
        }
        let found = |t: &str| w.resolve(t);
        assert_eq!(found("last").unwrap(), "20260102-000000-mlp-bbbb");
        assert_eq!(found("20260101").unwrap(), "20260101-000000-mlp-aaaa");
        assert_eq!(found("mlp-bbbb").unwrap(), "20260102-000000-mlp-bbbb");
        for several in ["2026", "mlp"] {
            let error = found(several).unwrap_err().to_string();
            assert!(
                error.contains("matches 2 runs: 20260102-000000-mlp-bbbb, "),
                "{error}"
            );
        }
        w.save(&record::created(
            &Profile::new("mine"),
            "20260103-000000-mlp-cccc",
        ))
        .unwrap();
        assert_eq!(found("mine").unwrap(), "20260103-000000-mlp-cccc");
        let record = w.profile_path("20260101-000000-mlp-aaaa");
        assert_eq!(
            found(record.to_str().unwrap()).unwrap(),
            "20260101-000000-mlp-aaaa"
        );
        let (_other, elsewhere) = workspace();
        let error = elsewhere.resolve(record.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("--workspace"), "{error}");
        for wrong in ["", "../x", "nothing", "a\0b"] {
            assert!(matches!(found(wrong), Err(Error::Input { .. })), "{wrong}");
        }
    }

    #[test]
    fn eight_threads_never_share_an_id() {
        let (_dir, w) = workspace();
        let ids: Vec<String> = std::thread::scope(|s| {
            let workers: Vec<_> = (0..8)
                .map(|_| {
                    s.spawn(|| {
                        (0..20)
                            .map(|_| w.create(&Profile::new("mlp")).unwrap())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|t| t.join().unwrap())
                .collect()
        });
        let different: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!((different.len(), w.runs().unwrap().len()), (160, 160));
    }

    /// A record of a run that began then.
    fn put(w: &Workspace, id: &str, started: &str) {
        let mut profile = record::created(&Profile::new("mlp"), id);
        profile.run.as_mut().unwrap().started = started.into();
        w.save(&profile).unwrap();
    }

    #[test]
    fn the_newest_of_one_second_is_the_last() {
        let (_dir, w) = workspace();
        let create = |name: &str| {
            let mut profile = Profile::new("mlp");
            profile.name = name.into();
            std::thread::sleep(Duration::from_millis(2));
            w.create(&profile).unwrap()
        };
        let mut ids = ["zeta", "alpha", "mid"].map(create);
        ids.reverse();
        assert_eq!(w.ids(), ids);
        assert_eq!(w.resolve("last").unwrap(), ids[0]);
        let listed: Vec<String> = w.runs().unwrap().into_iter().map(|run| run.id).collect();
        assert_eq!(listed, ids);

        let (_dir, w) = workspace();
        let [early, late, older, broken] = [
            "20260101-000000-zeta-0000",
            "20260101-000000-alpha-0000",
            "20251231-235959-zeta-ffff",
            "20260101-000000-mid-0000",
        ];
        put(&w, early, "2026-01-01T00:00:00.100Z");
        put(&w, late, "2026-01-01T00:00:00.101Z");
        put(&w, older, "2025-12-31T23:59:59Z");
        fs::write(w.profile_path(broken), "[").unwrap();
        assert_eq!(w.ids(), [late, early, broken, older]);
    }

    #[test]
    fn one_bad_file_hides_no_other() {
        let (_dir, w) = workspace();
        let good = w.create(&Profile::new("mlp")).unwrap();
        let bad = |name: &str| {
            let id = format!("20260101-000000-{name}-0000");
            fs::create_dir_all(w.run_dir(&id)).unwrap();
            (w.profile_path(&id), id)
        };
        let fifo = |path: &Path| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
        };
        fifo(&bad("fifo").0);
        fs::create_dir(bad("directory").0).unwrap();
        let sparse = fs::File::create(bad("sparse").0).unwrap();
        sparse.set_len(4 << 30).unwrap();
        fs::write(bad("bytes").0, [0xff, 0xfe]).unwrap();
        std::os::unix::fs::symlink("/dev/zero", bad("device").0).unwrap();
        let (_, locked) = bad("locked");
        put(&w, &locked, "2026-01-01T00:00:00Z");
        fifo(&w.lock_path(&locked));
        let since = std::time::Instant::now();
        let runs = w.runs().unwrap();
        let read: Vec<&String> = runs
            .iter()
            .filter(|run| run.profile.is_ok())
            .map(|run| &run.id)
            .collect();
        assert_eq!((runs.len(), read), (7, vec![&good, &locked]));
        assert!(since.elapsed() < Duration::from_secs(1));
        for run in &runs {
            // None of them is waited for.
            let _ = w.delete(&run.id);
        }
        assert!(since.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn who_is_late_finds_no_run_and_leaves_nothing() {
        let (_dir, w) = workspace();
        let id = w.create(&Profile::new("mlp")).unwrap();
        let owned = w.own(&id).unwrap();
        assert!(matches!(w.delete(&id), Err(Error::Busy { pid: 0, .. })));
        drop(owned);
        fs::write(w.run_dir(&id).join("best.safetensors"), "x").unwrap();
        let said = w.not_running(&id).to_string();
        assert!(said.contains("fmtui resume"), "{said}");
        let done = std::thread::scope(|scope| {
            let others: Vec<_> = (0..4).map(|_| scope.spawn(|| w.delete(&id))).collect();
            let is_done =
                |other: std::thread::ScopedJoinHandle<Result<()>>| other.join().unwrap().is_ok();
            others
                .into_iter()
                .map(is_done)
                .filter(|is_done| *is_done)
                .count()
        });
        assert_eq!(done, 1);
        assert!(matches!(w.own(&id), Err(Error::Input { .. })));
        assert!(!w.run_dir(&id).exists() && !w.profile_path(&id).exists());
        assert!(w.not_running(&id).to_string().contains("is not in"));
    }
}

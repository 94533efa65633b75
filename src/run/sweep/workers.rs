//! Several workers of one sweep, as on a cluster: each with a queue of its own beside the journal that all share.
//!
//! A worker says that it is there by a number that goes up in its file. Whose number has stood still, and whom SLURM
//! does not know as running, is gone; another one takes its trials, which resume from their checkpoints.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::Control;
use crate::error::{Error, Result};
use crate::run::queue;
use crate::run::queue::scheduler::{self, Tending};
use crate::run::signals::{Ending, Watch};
use crate::run::{Workspace, lock};
use crate::{storage, text};

/// How often a worker's number goes up.
const BEAT: Duration = Duration::from_secs(4);

/// Whose number stands still for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);

/// The same for whoever looks only once. Clocks of machines differ.
const LONG_SILENCE: Duration = Duration::from_mins(1);

/// How long runs may take to save, once the worker is told to end.
const PATIENCE: Duration = Duration::from_secs(100);

/// The file with the number.
const ALIVE: &str = "alive";

/// States in which SLURM runs a job, or will at once.
const RUNNING: [&str; 5] = [
    "RUNNING",
    "SUSPENDED",
    "STOPPED",
    "CONFIGURING",
    "COMPLETING",
];

/// Who works with this workspace's queue: empty for its own scheduler.
pub(super) fn me(workspace: &Workspace) -> String {
    let name = workspace.queue.as_deref().and_then(Path::file_name);
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn directory(workspace: &Workspace, sweep: &str, worker: &str) -> PathBuf {
    workspace.sweep_dir(sweep).join("workers").join(worker)
}

/// What is known of other workers, and what they are told.
#[derive(Default)]
pub(super) struct Others {
    /// Their numbers, and since when these are the same.
    seen: HashMap<String, (String, Instant)>,
    beats: u64,
    beaten: Option<Instant>,
}

impl Others {
    /// Says that this worker is there.
    pub(super) fn beat(&mut self, workspace: &Workspace) {
        let is_due = self.beaten.is_none_or(|at| at.elapsed() >= BEAT);
        if let Some(directory) = workspace.queue.as_ref().filter(|_| is_due) {
            self.beats += 1;
            let beat = format!("{} {}\n", text::now(), self.beats);
            // Where it cannot be written, the disk says so elsewhere.
            let _ = fs::write(directory.join(ALIVE), beat);
            self.beaten = Some(Instant::now());
        }
    }

    /// Whether a worker was seen to be silent, and SLURM does not run it.
    pub(super) fn is_gone(&mut self, workspace: &Workspace, sweep: &str, worker: &str) -> bool {
        let now = Instant::now();
        let number = number(workspace, sweep, worker);
        let seen = self.seen.entry(worker.to_owned());
        let (before, since) = seen.or_insert_with(|| (number.clone(), now));
        if *before != number {
            *before = number;
            *since = now;
        }
        if since.elapsed() < SILENCE {
            return false;
        }
        // It is not asked again at once.
        *since = now;
        !is_run_by_slurm(worker)
    }
}

/// What changes as long as a worker is there.
fn number(workspace: &Workspace, sweep: &str, worker: &str) -> String {
    if worker.is_empty() {
        let own = Workspace {
            queue: None,
            ..workspace.clone()
        };
        let queued = own
            .queue()
            .map_or_else(|_| Vec::new(), |queue| queue.sweeps);
        let is_named = queued.iter().any(|active| active.name == sweep);
        let is_there = is_named && scheduler::process(&own).is_some();
        return if is_there {
            text::now().to_string()
        } else {
            String::new()
        };
    }
    let path = directory(workspace, sweep, worker).join(ALIVE);
    storage::read_text(&path, 1 << 10).unwrap_or_default()
}

/// Whether SLURM has a job of this name that runs; not where there is no SLURM.
fn is_run_by_slurm(worker: &str) -> bool {
    let is_job = worker.starts_with(|c: char| c.is_ascii_digit())
        && worker.chars().all(|c| c.is_ascii_digit() || c == '_');
    if !is_job {
        return false;
    }
    let asked = Command::new("squeue")
        .args(["--noheader", "--format=%T", "--jobs", worker])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let states = asked.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    states.is_ok_and(|states| states.lines().any(|state| RUNNING.contains(&state.trim())))
}

/// The workers of a sweep that have said so lately, by their names.
#[must_use]
pub(crate) fn alive(workspace: &Workspace, sweep: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(workspace.sweep_dir(sweep).join("workers")) else {
        return Vec::new();
    };
    let is_alive = |entry: &fs::DirEntry| {
        let written = fs::metadata(entry.path().join(ALIVE)).and_then(|file| file.modified());
        let age = written.ok().map(|at| SystemTime::now().duration_since(at));
        age.is_some_and(|age| age.unwrap_or_default() < LONG_SILENCE)
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(is_alive)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Whether anybody sees to a sweep: the workspace's scheduler, or workers.
///
/// # Errors
/// `Input` where the queue is damaged.
pub(crate) fn is_active(workspace: &Workspace, sweep: &str) -> Result<bool> {
    let queued = workspace.queue()?.sweeps;
    Ok(queued.iter().any(|active| active.name == sweep) || !alive(workspace, sweep).is_empty())
}

/// The name of this process among the workers: its job of SLURM, or its machine and number.
#[must_use]
pub(crate) fn own_name() -> String {
    let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (
        of("SLURM_ARRAY_JOB_ID"),
        of("SLURM_ARRAY_TASK_ID"),
        of("SLURM_JOB_ID"),
    ) {
        (Some(job), Some(task), _) => format!("{job}_{task}"),
        (_, _, Some(job)) => job,
        _ => format!("{}-{}", lock::host_name(), std::process::id()),
    }
}

/// Checks that a worker can be called so.
///
/// # Errors
/// `Input` where it cannot.
pub(crate) fn check_name(worker: &str) -> Result<()> {
    if super::is_name(worker) {
        return Ok(());
    }
    Err(Error::input(
        "--as",
        format!("is `{}`", text::sanitize(worker)),
        "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit",
    ))
}

/// Works on a sweep until it is over or at rest, or a signal comes: then its runs are saved, and resume with whoever
/// works on. Gives the signal.
///
/// # Errors
/// `Input` where there is no such sweep, it is stopped or paused, or the worker of this name is there already; as the
/// scheduler.
pub(crate) fn work(
    workspace: &Workspace,
    sweep: &str,
    worker: &str,
    jobs: Option<usize>,
    tending: &mut dyn Tending,
) -> Result<Option<Ending>> {
    let open = workspace.open_sweep(sweep)?;
    let jobs = jobs.unwrap_or(open.own()?.settings.jobs);
    let control = Control::of(open.study()?);
    if control != Control::Running {
        return Err(Error::input(
            format!("sweep {sweep}"),
            format!("is {}", control.name()),
            "begin it again: `fmtui sweep FILE --slurm`, with --print for workers of your own",
        ));
    }
    drop(open);
    let own = Workspace {
        queue: Some(directory(workspace, sweep, worker)),
        ..workspace.clone()
    };
    if let Some(process) = scheduler::process(&own) {
        return Err(Error::input(
            format!("worker {worker}"),
            format!("is there already, as process {process}"),
            "give another name with --as",
        ));
    }
    own.edit_queue(|queue| {
        queue.settings.jobs = jobs;
        Ok(())
    })?;
    queue::enter_sweep(&own, sweep, jobs)?;
    let told = listen()?;
    scheduler::serve(&own, tending, &told.ends)?;
    let ending = *told.first.lock().unwrap_or_else(PoisonError::into_inner);
    if ending.is_some() {
        save_runs(&own)?;
    }
    let _ = fs::remove_file(directory(workspace, sweep, worker).join(ALIVE));
    Ok(ending)
}

/// Whether a signal has come, and which was the first.
#[derive(Clone, Default)]
struct Told {
    ends: Arc<AtomicBool>,
    first: Arc<Mutex<Option<Ending>>>,
}

/// Waits for signals on a thread.
fn listen() -> Result<Told> {
    let mut signals = Watch::begin()?;
    signals.hold()?;
    let failed = |e| Error::compute("waiting for signals", e);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let told = Told::default();
    let theirs = told.clone();
    std::thread::Builder::new()
        .name("ending".into())
        .spawn(move || {
            loop {
                let ending = runtime.block_on(signals.next());
                let mut first = theirs.first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(ending);
                theirs.ends.store(true, Ordering::SeqCst);
            }
        })
        .map_err(failed)?;
    Ok(told)
}

/// Has the runs of this worker saved, and waits until they are.
fn save_runs(own: &Workspace) -> Result<()> {
    let jobs = own.queue()?.jobs;
    let mut asked = Vec::new();
    for job in jobs.iter().filter(|job| own.is_running(&job.run)) {
        let holder = lock::holder(&own.lock_path(&job.run));
        let process = i32::try_from(holder.pid).ok();
        let process = process.and_then(rustix::process::Pid::from_raw);
        if let Some(process) = process.filter(|_| holder.host == lock::host_name()) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
            asked.push(&job.run);
        }
    }
    let begun = Instant::now();
    while asked.iter().any(|run| own.is_running(run)) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_gone_after_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        let own = Workspace {
            queue: Some(directory(&workspace, "s", "host-1")),
            ..workspace.clone()
        };
        fs::create_dir_all(own.queue.as_ref().unwrap()).unwrap();
        assert_eq!((me(&workspace), me(&own)), (String::new(), "host-1".into()));
        let mut others = Others::default();
        let mut gone = |workspace: &Workspace, later: Duration| {
            // As if that time had passed.
            if let Some((_, since)) = others.seen.get_mut("host-1") {
                *since = since.checked_sub(later).unwrap();
            }
            others.is_gone(workspace, "s", "host-1")
        };
        assert!(!gone(&workspace, Duration::ZERO));
        for _ in 0..2 {
            // Each a worker that began anew.
            Others::default().beat(&own);
            assert_eq!(alive(&workspace, "s"), ["host-1"]);
            assert!(!gone(&workspace, SILENCE));
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(!gone(&workspace, SILENCE / 2));
        assert!(gone(&workspace, SILENCE / 2));
        // Asked again, it is told again only after as long.
        assert!(!gone(&workspace, Duration::ZERO));
        fs::remove_file(own.queue.unwrap().join(ALIVE)).unwrap();
        assert_eq!(alive(&workspace, "s"), Vec::<String>::new());
    }

    #[test]
    fn only_jobs_of_slurm_are_asked_for() {
        for other in ["", "node7-1234", "a_1", "12;rm"] {
            assert!(!is_run_by_slurm(other), "{other}");
        }
    }
}

//! The process that starts queued runs: one per workspace, by a lock, and only as long as something waits or runs.
//!
//! It keeps nothing that is not in the workspace's files: whoever finds that it is gone starts another one
//! ([`ensure`]), which goes on where it was. Workers run in sessions of their own and do not notice.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::slots::{Machine, Place, Wish};
use super::{Job, OnFailure, Queue, Standing};
use crate::error::{Error, Result};
use crate::profile::Status;
use crate::run::lock::{Holder, RunLock};
use crate::run::signals::Watch;
use crate::run::{RunList, RunSummary, Workspace, client, lock};
use crate::train::checkpoint;

/// How often it is looked what has changed.
const LOOK: Duration = Duration::from_millis(500);

/// A run whose worker has crashed is not taken up again sooner than this; each further time twice as late.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a job is started, and what its worker may use.
#[derive(Clone, Debug, PartialEq)]
struct Launch {
    run: String,
    resumes: bool,
    place: Place,
    threads: usize,
}

fn lock_path(workspace: &Workspace) -> PathBuf {
    workspace.queue_dir().join("scheduler.lock")
}

/// The process that starts queued runs; none where there is none.
#[must_use]
pub(crate) fn process(workspace: &Workspace) -> Option<u32> {
    let path = lock_path(workspace);
    lock::is_held(&path).then(|| lock::holder(&path).pid)
}

/// Brings up a scheduler where something waits and there is none.
///
/// # Errors
/// `Input` when the queue is damaged, `Io` when none can be started.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let queue = workspace.queue()?;
    let waits = !queue.held && queue.jobs.iter().any(|job| !job.held);
    if !waits || process(workspace).is_some() {
        return Ok(());
    }
    let path = workspace.queue_dir().join("scheduler.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|e| Error::io("open", &path, e))?;
    let mut command = client::own_program(workspace)?;
    client::outside_a_seat(&mut command);
    command
        .arg("scheduler")
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let mut child = command
        .spawn()
        .map_err(|e| Error::io("start", command.get_program(), e))?;
    // Takes note of the child's end, so that it leaves no zombie behind while this process lives.
    std::thread::spawn(move || {
        let _ = child.wait();
    });
    Ok(())
}

/// Starts queued runs as there is room, until none waits or runs, or a signal comes. Runs go on without it.
///
/// # Errors
/// `Input` when the queue is damaged; `Io` when its files cannot be read or written.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let _ = rustix::process::setsid();
    let signals = Watch::begin()?;
    let ends = signals.cancels();
    let Some(mut lock) = own(workspace)? else {
        // Another one was faster.
        return Ok(());
    };
    lock.describe(&Holder {
        pid: std::process::id(),
        host: lock::host_name(),
        ..Holder::default()
    })?;
    let mut scheduler = Scheduler {
        workspace,
        machine: Machine::here(),
        list: RunList::new(workspace),
        not_before: HashMap::new(),
    };
    while !ends.load(Ordering::SeqCst) {
        if scheduler.turn()? {
            // With nobody adding anything meanwhile: what is added from now on finds no scheduler, and starts one.
            let _alone = workspace.alone_with_queue()?;
            if scheduler.is_idle(&workspace.queue()?) {
                drop(lock);
                return Ok(());
            }
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn own(workspace: &Workspace) -> Result<Option<RunLock>> {
    let directory = workspace.queue_dir();
    std::fs::create_dir_all(&directory).map_err(|e| Error::io("create", &directory, e))?;
    match RunLock::acquire(&lock_path(workspace), "") {
        Ok(lock) => Ok(Some(lock)),
        Err(Error::Busy { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What the process knows from one look to the next; none of it is missed where it is gone.
struct Scheduler<'a> {
    workspace: &'a Workspace,
    machine: Machine,
    list: RunList,
    /// When crashed runs may be taken up again.
    not_before: HashMap<String, Instant>,
}

impl Scheduler<'_> {
    /// Looks once, and starts what there is room for; whether nothing waits or runs any more.
    fn turn(&mut self) -> Result<bool> {
        self.list.refresh()?;
        let launches = self.workspace.edit_queue(|queue| Ok(self.decide(queue)))?;
        for launch in &launches {
            // Why a worker did not come up is in the record of its run, or it is tried again.
            let _ = client::launch(self.workspace, &launch.run, launch.resumes, &launch.seat());
        }
        Ok(launches.is_empty() && self.is_idle(&self.workspace.queue()?))
    }

    fn standing(&self, queue: &Queue, job: &Job) -> Standing {
        super::queue_standing(job, queue.held, self.list.find(&job.run).as_ref())
    }

    fn is_idle(&self, queue: &Queue) -> bool {
        let is_left = |job: &Job| {
            matches!(
                self.standing(queue, job),
                Standing::Running | Standing::Waiting { .. }
            )
        };
        // A run that was made since the last look is not on the list yet.
        let is_new = |job: &Job| self.list.find(&job.run).is_none() && !job.held && !queue.held;
        !queue.jobs.iter().any(|job| is_left(job) || is_new(job))
    }

    /// Brings the queue up to date, and gives what is to be started.
    fn decide(&mut self, queue: &mut Queue) -> Vec<Launch> {
        self.take_out(queue);
        self.count_crashes(queue);
        let mut taken = self.taken(queue);
        let mut launches = Vec::new();
        let settings = queue.settings.clone();
        let waiting: Vec<(String, bool)> = queue
            .jobs
            .iter()
            .filter_map(|job| match self.standing(queue, job) {
                Standing::Waiting { resumes } => Some((job.run.clone(), resumes)),
                _ => None,
            })
            .collect();
        for (run, resumes) in waiting {
            let is_early = |at: &Instant| Instant::now() < *at;
            if self.not_before.get(&run).is_some_and(is_early) {
                continue;
            }
            let wish = Wish::of(&self.device(&run), self.machine.gpus.len());
            let Some(place) = self.machine.free(wish, &taken, &settings) else {
                continue;
            };
            taken.push(place.clone());
            if let Some(job) = queue.job(&run) {
                job.place = Some(place.clone());
            }
            launches.push(Launch {
                threads: self.machine.threads(&place, &settings),
                run,
                resumes,
                place,
            });
        }
        launches
    }

    /// Takes what is over or deleted out of the queue, and does what is to be done where a job has failed.
    fn take_out(&self, queue: &mut Queue) {
        for job in queue.jobs.clone() {
            match self.standing(queue, &job) {
                // One that was made since the last look is not gone.
                Standing::Gone if !self.workspace.profile_path(&job.run).exists() => {
                    queue.remove(&[job.run]);
                }
                Standing::Over(status) => {
                    queue.end(&job.run, status);
                    if matches!(status, Status::Failed | Status::Lost) {
                        self.on_failure(queue, &job.run, status);
                    }
                }
                _ => {}
            }
        }
    }

    fn on_failure(&self, queue: &mut Queue, run: &str, status: Status) {
        match queue.settings.on_failure {
            OnFailure::Continue => {}
            OnFailure::Hold => {
                queue.held = true;
                queue.held_because = format!("{run} {}", status.name());
            }
            OnFailure::Skip => {
                let group = self.group(run);
                let is_one = |job: &&Job| {
                    !group.is_empty()
                        && self.group(&job.run) == group
                        && matches!(
                            self.standing(queue, job),
                            Standing::Waiting { .. } | Standing::Held
                        )
                };
                let rest: Vec<String> = queue
                    .jobs
                    .iter()
                    .filter(is_one)
                    .map(|job| job.run.clone())
                    .collect();
                queue.remove(&rest);
                for run in &rest {
                    super::forget_unstarted(self.workspace, run);
                }
            }
        }
    }

    fn group(&self, run: &str) -> String {
        let summary = self.list.find(run);
        let profile = summary.and_then(|summary| summary.profile.ok());
        let record = profile.and_then(|profile| profile.run.clone());
        record.map_or_else(String::new, |run| run.group)
    }

    /// Takes note of jobs that were started and wait again.
    fn count_crashes(&mut self, queue: &mut Queue) {
        for mut job in queue.jobs.clone() {
            let standing = super::queue_standing(&job, false, self.list.find(&job.run).as_ref());
            if job.place.is_none() || !matches!(standing, Standing::Waiting { .. } | Standing::Held)
            {
                continue;
            }
            job.place = None;
            let stopped = self.list.find(&job.run).map(|run| run.status) == Some(Status::Stopped);
            if !stopped {
                let progress = checkpoint::newest_progress(&self.workspace.run_dir(&job.run));
                let step = progress.map_or(0, |progress| progress.step);
                job.crashes = if step > job.step { 1 } else { job.crashes + 1 };
                job.step = step;
                let later = PATIENCE.saturating_mul(1 << job.crashes.min(8).saturating_sub(1));
                self.not_before
                    .insert(job.run.clone(), Instant::now() + later);
            }
            let run = job.run.clone();
            if let Some(there) = queue.job(&run) {
                *there = job;
            }
        }
    }

    /// The places that runs have now: those of the queue, and those that somebody started beside it.
    fn taken(&self, queue: &Queue) -> Vec<Place> {
        let here = lock::host_name();
        let mut taken = Vec::new();
        for run in self.list.with_worker() {
            if lock::holder(&self.workspace.lock_path(&run.id)).host != here {
                continue;
            }
            let queued = queue.jobs.iter().find(|job| job.run == run.id);
            let place = queued.and_then(|job| job.place.clone());
            taken.push(place.unwrap_or_else(|| self.place_of(&run)));
        }
        taken
    }

    /// Where a run is that has no place of the queue's.
    fn place_of(&self, run: &RunSummary) -> Place {
        let record = run.profile.as_ref().ok().and_then(|p| p.run.as_ref());
        let device = record.map_or("", |run| &run.device);
        let number = device.strip_prefix("cuda:").and_then(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits?.parse::<usize>().ok()
        });
        match number.and_then(|number| self.machine.gpus.get(number)) {
            Some(gpu) => Place::Gpu(gpu.clone()),
            None => Place::Cpu(usize::MAX),
        }
    }

    fn device(&self, run: &str) -> String {
        let profile = self.list.find(run).and_then(|run| run.profile.ok());
        profile.map_or_else(String::new, |profile| profile.train.device.clone())
    }
}

impl Launch {
    fn seat(&self) -> client::Seat {
        client::Seat {
            threads: self.threads,
            gpu: match &self.place {
                Place::Gpu(name) => Some(name.clone()),
                Place::Cpu(_) => None,
            },
        }
    }
}

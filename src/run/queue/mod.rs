//! The queue: runs that are written down and wait for room, and which of them go on in which order.
//!
//! A job is a run: its record, its lock and its checkpoints say how it stands, so that no job is begun twice or lost,
//! whatever is killed. `queue/queue.json` holds the order, what is held, and where each job runs; it is changed under
//! `queue/edit.lock`. The process that starts jobs is [`scheduler`]'s.

mod file;
pub(crate) mod scheduler;
pub(crate) mod slots;

pub(crate) use file::{ActiveSweep, Job, OnFailure, Queue, Settings};

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{RunList, RunSummary, Workspace, group, lock};
use crate::error::{Error, Result};
use crate::profile::{Profile, Status};
use crate::{storage, text};

/// Ended jobs that the file still names.
const REMEMBERED: usize = 50;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has a worker, here or elsewhere.
    Running,
    /// It waits for room: to begin, or to go on where its worker is gone.
    Waiting {
        resumes: bool,
    },
    Held,
    Over(Status),
    /// Its run was deleted.
    Gone,
}

impl Standing {
    /// How a job stands by its run, as the list shows it.
    #[must_use]
    pub(crate) fn of(job: &Job, run: Option<&RunSummary>) -> Self {
        let Some(run) = run else {
            return Self::Gone;
        };
        let is_interrupted =
            |profile: &Arc<Profile>| profile.run.as_ref().is_some_and(|run| run.interrupted);
        let waiting = |resumes| {
            if job.held {
                Self::Held
            } else {
                Self::Waiting { resumes }
            }
        };
        match run.status {
            status if status.has_worker() => Self::Running,
            Status::Queued | Status::Created => waiting(false),
            // Whoever ended the machine or the login did not mean the run.
            Status::Stopped if run.profile.as_ref().is_ok_and(is_interrupted) => waiting(true),
            Status::Lost if job.crashes < Job::MOST_CRASHES => waiting(true),
            over => Self::Over(over),
        }
    }
}

impl Standing {
    /// In a word, or a few.
    #[must_use]
    pub(crate) fn word(self, job: &Job) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting { .. } if job.crashes > 0 => "crashed, resumes",
            Self::Waiting { resumes: true } => "resumes",
            Self::Waiting { resumes: false } => "queued",
            Self::Held => "held",
            Self::Over(status) => status.name(),
            Self::Gone => "deleted",
        }
    }
}

impl Workspace {
    fn queue_dir(&self) -> PathBuf {
        let own = self.queue.clone();
        own.unwrap_or_else(|| self.root.join("queue"))
    }

    fn queue_path(&self) -> PathBuf {
        self.queue_dir().join("queue.json")
    }

    /// The queue as it is written; an empty one where there is none.
    ///
    /// # Errors
    /// `Input` when the file is damaged, `Io` when it cannot be read.
    pub(crate) fn queue(&self) -> Result<Queue> {
        let path = self.queue_path();
        match storage::read(&path, file::LONGEST) {
            Ok(bytes) => Queue::parse(&bytes, &path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Queue::default()),
            Err(e) => Err(Error::io("read", path, e)),
        }
    }

    /// Changes the queue, with nobody else doing so meanwhile, and writes it where it has become another one.
    ///
    /// # Errors
    /// As [`queue`](Self::queue), and whatever `change` says; nothing is written then.
    pub(crate) fn edit_queue<T>(&self, change: impl FnOnce(&mut Queue) -> Result<T>) -> Result<T> {
        let _alone = self.alone_with_queue()?;
        let before = self.queue()?;
        let mut queue = before.clone();
        let done = change(&mut queue)?;
        queue.forget_older(REMEMBERED);
        if queue != before {
            storage::commit(&self.queue_path(), &queue.to_json()?)?;
        }
        Ok(done)
    }

    /// Nobody else changes the queue as long as this lives.
    fn alone_with_queue(&self) -> Result<File> {
        let directory = self.queue_dir();
        fs::create_dir_all(&directory).map_err(|e| Error::io("create", &directory, e))?;
        lock::exclusive(&directory.join("edit.lock"))
    }

    /// Writes runs down that wait in the queue, in this order, behind or before all others; gives their ids.
    ///
    /// # Errors
    /// `Io` when the workspace cannot be written: then none is queued. `Input` when the queue is damaged.
    pub(crate) fn enqueue(
        &self,
        recipes: &[Recipe],
        first: bool,
        held: bool,
    ) -> Result<Vec<String>> {
        self.edit_queue(|queue| {
            let mut ids = Vec::new();
            for recipe in recipes {
                match self.create_queued(&recipe.profile, &recipe.group) {
                    Ok(id) => ids.push(id),
                    Err(e) => {
                        for id in &ids {
                            // The error that is about to be told says more.
                            let _ = self.delete(id);
                        }
                        return Err(e);
                    }
                }
            }
            queue.add(&ids, first, held);
            Ok(ids)
        })
    }
}

/// What is to be queued.
pub(crate) struct Recipe {
    pub profile: Profile,
    /// Empty where it belongs to none.
    pub group: String,
}

/// A run that waits in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub run: String,
    pub is_held: bool,
}

/// How many jobs run and wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub running: usize,
    pub waiting: usize,
    pub held: usize,
}

impl Counts {
    #[must_use]
    pub(crate) fn of<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> Self {
        let mut counts = Self::default();
        for standing in standings {
            match standing {
                Standing::Running => counts.running += 1,
                Standing::Waiting { .. } => counts.waiting += 1,
                Standing::Held => counts.held += 1,
                Standing::Over(_) | Standing::Gone => {}
            }
        }
        counts
    }

    /// `2 running · 3 queued`, with what is held; empty where there is nothing.
    #[must_use]
    pub(crate) fn words(self) -> String {
        let part = |number: usize, of: &str| (number > 0).then(|| format!("{number} {of}"));
        let parts = [
            part(self.running, "running"),
            part(self.waiting, "queued"),
            part(self.held, "held"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

/// The jobs of the queue with how each stands, in their order.
///
/// # Errors
/// As [`Workspace::queue`].
pub(crate) fn standings(workspace: &Workspace, list: &RunList) -> Result<Vec<(Job, Standing)>> {
    let queue = workspace.queue()?;
    Ok(queue
        .jobs
        .into_iter()
        .map(|job| {
            let standing = queue_standing(&job, queue.held, list.find(&job.run).as_ref());
            (job, standing)
        })
        .collect())
}

/// Changes something about a job that waits; `change` is told how many before all that wait are running.
///
/// # Errors
/// `Input` where the run is not in the queue; as [`Workspace::queue`].
pub(crate) fn change(
    workspace: &Workspace,
    run: &str,
    change: impl FnOnce(&mut Queue, usize),
) -> Result<()> {
    workspace.edit_queue(|queue| {
        find(workspace, queue, run)?;
        let is_started = |job: &&Job| workspace.is_running(&job.run);
        let started = queue.jobs.iter().take_while(is_started).count();
        change(queue, started);
        Ok(())
    })
}

/// Whether a run has ever had a worker.
pub(crate) fn has_begun(workspace: &Workspace, run: &str) -> bool {
    fs::metadata(workspace.events_path(run)).is_ok_and(|log| log.len() > 0)
}

/// How many jobs run and wait now.
///
/// # Errors
/// As [`Workspace::queue`], and as reading the runs.
pub(crate) fn counts(workspace: &Workspace) -> Result<Counts> {
    let mut list = RunList::new(workspace);
    list.refresh()?;
    let jobs = standings(workspace, &list)?;
    Ok(Counts::of(jobs.iter().map(|(_, standing)| standing)))
}

/// Puts a run that has stopped, failed or crashed into the queue, to go on from its newest checkpoint.
///
/// # Errors
/// As resuming it.
pub(crate) fn resume(workspace: &Workspace, run: &str) -> Result<()> {
    let (progress, never) = (&mut |_| (), AtomicBool::new(false));
    super::client::check_resumable(workspace, run, false, progress, &never)?;
    {
        let _owned = workspace.own(run)?;
        let mut profile = workspace.load(run)?;
        if let Some(run) = &mut profile.run {
            run.status = Status::Queued;
        }
        workspace.save(&profile)?;
    }
    enqueue_existing(workspace, run)
}

/// Queues a checked recipe with so many seeds; gives the name of the group, which one run alone has none of, and the
/// ids of its runs.
///
/// # Errors
/// As [`Workspace::enqueue`]; `Input` where a seed is too large.
pub(crate) fn enqueue_seeds(
    workspace: &Workspace,
    profile: &Profile,
    seeds: usize,
    (first, held): (bool, bool),
) -> Result<(String, Vec<String>)> {
    let (name, profiles) = match seeds {
        0 | 1 => (String::new(), vec![profile.clone()]),
        _ => group::recipes(profile, seeds),
    };
    // The last seed may be too large.
    profiles.iter().try_for_each(Profile::validate)?;
    let recipe = |profile| Recipe {
        profile,
        group: name.clone(),
    };
    let recipes: Vec<Recipe> = profiles.into_iter().map(recipe).collect();
    let ids = workspace.enqueue(&recipes, first, held)?;
    Ok((name, ids))
}

/// Puts a run that is written down as queued behind all others.
///
/// # Errors
/// As [`Workspace::queue`]; `Io` when it cannot be written.
pub(crate) fn enqueue_existing(workspace: &Workspace, run: &str) -> Result<()> {
    workspace.edit_queue(|queue| {
        queue.remove(&[run.into()]);
        queue.add(&[run.into()], false, false);
        Ok(())
    })
}

/// Has a sweep seen to from now on.
///
/// # Errors
/// As [`Workspace::queue`]; `Io` when it cannot be written.
pub(crate) fn enter_sweep(workspace: &Workspace, name: &str, jobs: usize) -> Result<()> {
    workspace.edit_queue(|queue| {
        if !queue.sweeps.iter().any(|sweep| sweep.name == name) {
            queue.sweeps.push(ActiveSweep {
                name: name.into(),
                ..ActiveSweep::default()
            });
        }
        queue.settings.jobs = queue.settings.jobs.max(jobs);
        Ok(())
    })
}

/// Sees to a sweep no longer.
///
/// # Errors
/// As [`enter_sweep`].
pub(crate) fn leave_sweep(workspace: &Workspace, name: &str) -> Result<()> {
    workspace.edit_queue(|queue| {
        queue.sweeps.retain(|sweep| sweep.name != name);
        Ok(())
    })
}

/// [`Standing::of`], with the whole queue held or not.
fn queue_standing(job: &Job, all_held: bool, run: Option<&RunSummary>) -> Standing {
    match Standing::of(job, run) {
        Standing::Waiting { .. } if all_held => Standing::Held,
        other => other,
    }
}

/// The jobs that somebody names: one by its place in the queue, from 1, or by its run, or those of a group.
///
/// # Errors
/// `Input` where it is none.
pub(crate) fn find(workspace: &Workspace, queue: &Queue, named: &str) -> Result<Vec<String>> {
    if let Ok(place) = named.parse::<usize>()
        && named.len() < 5
    {
        let job = place.checked_sub(1).and_then(|at| queue.jobs.get(at));
        return job.map(|job| vec![job.run.clone()]).ok_or_else(|| {
            Error::input(
                format!("number {place}"),
                format!(
                    "is not in the queue of {}",
                    text::count(queue.jobs.len(), "run")
                ),
                "`fmtui queue list` numbers them",
            )
        });
    }
    let mut runs = workspace.resolve_all(named)?;
    runs.retain(|run| queue.jobs.iter().any(|job| job.run == *run));
    if !runs.is_empty() {
        return Ok(runs);
    }
    Err(Error::input(
        text::sanitize(named),
        "is not in the queue",
        "`fmtui queue list` shows what is",
    ))
}

/// Deletes a run, and takes it out of the queue.
///
/// # Errors
/// As [`Workspace::delete`] and [`Workspace::queue`].
pub(crate) fn delete(workspace: &Workspace, run: &str) -> Result<()> {
    workspace.delete(run)?;
    let is_queued = workspace.queue()?.jobs.iter().any(|job| job.run == run);
    if is_queued {
        workspace.edit_queue(|queue| {
            queue.remove(&[run.into()]);
            Ok(())
        })?;
    }
    Ok(())
}

/// Deletes a run that was queued and never begun; one that had begun before is stopped, as it was.
pub(crate) fn forget_unstarted(workspace: &Workspace, run: &str) {
    let written = workspace.load(run).ok().and_then(|profile| profile.run);
    let is_queued = written.is_some_and(|run| run.status == Status::Queued);
    if is_queued && has_begun(workspace, run) {
        // Whoever has it meanwhile writes what it is.
        if let Ok(_owned) = workspace.own(run)
            && let Ok(mut profile) = workspace.load(run)
            && let Some(record) = &mut profile.run
        {
            record.status = Status::Stopped;
            let _ = workspace.save(&profile);
        }
    } else if is_queued {
        // Where somebody has just begun it, it stays.
        let _ = workspace.delete(run);
    }
}

#[cfg(test)]
mod tests;

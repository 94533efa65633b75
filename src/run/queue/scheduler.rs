//! The process that starts queued runs: one per workspace, by a lock, and only as long as something waits or runs.
//!
//! It keeps nothing that is not in the workspace's files: whoever finds that it is gone starts another one
//! ([`ensure`]), which goes on where it was. Workers run in sessions of their own and do not notice.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::slots::{Machine, Place, Wish};
use super::{Job, OnFailure, Queue, Standing};
use crate::error::{Error, Result};
use crate::profile::Status;
use crate::run::lock::{Holder, RunLock};
use crate::run::signals::Watch;
use crate::run::{RunList, RunSummary, Workspace, client, lock, worker};
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
    if workspace.queue.is_some() {
        // One of several workers: where it is gone, its allocation may be, and another worker takes over.
        return Ok(());
    }
    let queue = workspace.queue()?;
    let waits = !queue.held && queue.jobs.iter().any(|job| !job.held);
    let waits = waits || !queue.sweeps.is_empty();
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
pub(crate) fn run(workspace: &Workspace, tending: &mut dyn Tending) -> Result<()> {
    let _ = rustix::process::setsid();
    worker::call_it_fmtui();
    let signals = Watch::begin()?;
    serve(workspace, tending, &signals.cancels())
}

/// As [`run`], in a process that is there for something else, too; until `ends` says so.
///
/// # Errors
/// As [`run`].
pub(crate) fn serve(
    workspace: &Workspace,
    tending: &mut dyn Tending,
    ends: &AtomicBool,
) -> Result<()> {
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
        tending,
        has_sweeps: false,
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
        std::thread::sleep(match &workspace.queue {
            // Many look at the same files, over a network.
            Some(_) => LOOK * 2,
            // A trial takes seconds, often.
            None if scheduler.has_sweeps => LOOK / 4,
            None => LOOK,
        });
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

/// Whoever sees to the sweeps that the queue names.
pub(crate) trait Tending {
    /// Looks once at a sweep, as the runs are now; whether it is over, or at rest.
    ///
    /// # Errors
    /// Whatever keeps it from going on; it is tried again.
    fn turn(&mut self, workspace: &Workspace, sweep: &str, list: &RunList) -> Result<bool>;
}

/// What the process knows from one look to the next; none of it is missed where it is gone.
struct Scheduler<'a> {
    workspace: &'a Workspace,
    machine: Machine,
    list: RunList,
    /// When crashed runs may be taken up again.
    not_before: HashMap<String, Instant>,
    tending: &'a mut dyn Tending,
    has_sweeps: bool,
}

impl Scheduler<'_> {
    /// Looks once, and starts what there is room for; whether nothing waits or runs any more.
    fn turn(&mut self) -> Result<bool> {
        self.list.refresh()?;
        self.has_sweeps = self.tend_sweeps()?;
        if self.has_sweeps {
            self.list.refresh()?;
        }
        let launches = self.workspace.edit_queue(|queue| Ok(self.decide(queue)))?;
        for launch in &launches {
            let begun = client::launch(
                self.workspace,
                &launch.run,
                launch.resumes || super::has_begun(self.workspace, &launch.run),
                &launch.seat(),
            );
            self.note(&launch.run, begun.err())?;
        }
        Ok(launches.is_empty() && self.is_idle(&self.workspace.queue()?))
    }

    /// Sees to the sweeps; whether there are any. What goes wrong with one holds up nothing else, and is tried again.
    fn tend_sweeps(&mut self) -> Result<bool> {
        let sweeps = self.workspace.queue()?.sweeps;
        for sweep in &sweeps {
            let name = &sweep.name;
            let turned = self.tending.turn(self.workspace, name, &self.list);
            let problem = match turned {
                Ok(false) => String::new(),
                Ok(true) => {
                    super::leave_sweep(self.workspace, name)?;
                    continue;
                }
                Err(error) => error.to_string(),
            };
            if problem != sweep.problem {
                self.workspace.edit_queue(|queue| {
                    let there = queue.sweeps.iter_mut().find(|s| s.name == *name);
                    if let Some(there) = there {
                        there.problem.clone_from(&problem);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(!sweeps.is_empty())
    }

    /// Takes note of why a worker did not come up; it is tried again later.
    fn note(&self, run: &str, error: Option<Error>) -> Result<()> {
        let problem = error.map_or_else(String::new, |error| error.to_string());
        self.workspace.edit_queue(|queue| {
            if let Some(job) = queue.job(run) {
                job.problem = problem;
            }
            Ok(())
        })
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
        queue.sweeps.is_empty() && !queue.jobs.iter().any(|job| is_left(job) || is_new(job))
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
                let later = PATIENCE.saturating_mul(1 << job.crashes.min(7).saturating_sub(1));
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
            if queued.is_none() && self.workspace.queue.is_some() {
                // Another worker's on this machine, which has cores and GPUs of its own.
                continue;
            }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::run::queue::Recipe;

    /// There are none.
    struct NoSweeps;

    impl Tending for NoSweeps {
        fn turn(&mut self, _: &Workspace, _: &str, _: &RunList) -> Result<bool> {
            Ok(true)
        }
    }

    /// A workspace whose workers are the test.
    pub(crate) struct Fake {
        _dir: tempfile::TempDir,
        pub(crate) workspace: Workspace,
    }

    pub(crate) fn fake() -> Fake {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        Fake {
            _dir: dir,
            workspace,
        }
    }

    impl Fake {
        fn queue(&self, number: usize, group: &str) -> Vec<String> {
            let recipes: Vec<Recipe> = (0..number)
                .map(|_| Recipe {
                    profile: Profile::new("mlp"),
                    group: group.into(),
                })
                .collect();
            self.workspace.enqueue(&recipes, false, false).unwrap()
        }

        fn write(&self, run: &str, change: impl FnOnce(&mut crate::profile::RunRecord)) {
            let mut profile = self.workspace.load(run).unwrap();
            change(profile.run.as_mut().unwrap());
            self.workspace.save(&profile).unwrap();
        }

        fn begin(&self, run: &str) -> RunLock {
            self.write(run, |run| run.status = Status::Running);
            let mut lock = RunLock::acquire(&self.workspace.lock_path(run), run).unwrap();
            let holder = Holder {
                pid: 1,
                host: lock::host_name(),
                ..Holder::default()
            };
            lock.describe(&holder).unwrap();
            lock
        }

        fn end(&self, run: &str, status: Status, lock: RunLock) {
            drop(lock);
            self.write(run, |run| run.status = status);
        }

        fn scheduler(&self) -> Scheduler<'_> {
            Scheduler {
                tending: Box::leak(Box::new(NoSweeps)),
                workspace: &self.workspace,
                machine: Machine {
                    cores: 4,
                    gpus: Vec::new(),
                },
                list: RunList::new(&self.workspace),
                not_before: HashMap::new(),
                has_sweeps: false,
            }
        }

        fn set(&self, change: impl FnOnce(&mut Queue)) {
            let changed = self.workspace.edit_queue(|queue| {
                change(queue);
                Ok(())
            });
            changed.unwrap();
        }
    }

    /// What a look would start.
    fn decided(scheduler: &mut Scheduler) -> Vec<(String, bool, usize)> {
        scheduler.list.refresh().unwrap();
        let workspace = scheduler.workspace;
        let launches = workspace.edit_queue(|queue| Ok(scheduler.decide(queue)));
        let launches = launches.unwrap().into_iter();
        launches.map(|l| (l.run, l.resumes, l.threads)).collect()
    }

    #[test]
    fn jobs_start_in_their_order_as_there_is_room() {
        let fake = fake();
        let runs = fake.queue(3, "");
        let mut scheduler = fake.scheduler();
        assert_eq!(decided(&mut scheduler), [(runs[0].clone(), false, 4)]);
        let first = fake.begin(&runs[0]);
        assert_eq!(decided(&mut scheduler), []);
        fake.set(|queue| queue.settings.jobs = 2);
        assert_eq!(decided(&mut scheduler), [(runs[1].clone(), false, 2)]);
        let second = fake.begin(&runs[1]);
        fake.end(&runs[0], Status::Finished, first);
        assert_eq!(decided(&mut scheduler), [(runs[2].clone(), false, 2)]);
        let third = fake.begin(&runs[2]);
        assert!(!scheduler.is_idle(&fake.workspace.queue().unwrap()));
        fake.end(&runs[1], Status::Stopped, second);
        fake.end(&runs[2], Status::Finished, third);
        assert_eq!(decided(&mut scheduler), []);
        let queue = fake.workspace.queue().unwrap();
        assert!(scheduler.is_idle(&queue));
        let ended: Vec<Status> = queue.ended.iter().map(|ended| ended.status).collect();
        assert_eq!(ended, [Status::Finished, Status::Stopped, Status::Finished]);
    }

    #[test]
    fn a_run_that_nobody_queued_has_its_place() {
        let fake = fake();
        let beside = fake.workspace.create(&Profile::new("mlp")).unwrap();
        let lock = fake.begin(&beside);
        let runs = fake.queue(1, "");
        let mut scheduler = fake.scheduler();
        assert_eq!(decided(&mut scheduler), []);
        // It waits: there will be room.
        assert!(!scheduler.is_idle(&fake.workspace.queue().unwrap()));
        fake.end(&beside, Status::Finished, lock);
        assert_eq!(decided(&mut scheduler), [(runs[0].clone(), false, 4)]);
    }

    #[test]
    fn what_crashed_is_resumed_and_given_up_where_it_comes_no_further() {
        let fake = fake();
        let runs = fake.queue(2, "");
        let mut scheduler = fake.scheduler();
        decided(&mut scheduler);
        for crash in 1..=Job::MOST_CRASHES {
            drop(fake.begin(&runs[0]));
            let error = Error::input("the worker", "is away", "wait");
            scheduler.note(&runs[0], Some(error)).unwrap();
            // Not at once, and whoever waits meanwhile takes no place for good.
            let started = decided(&mut scheduler);
            assert!(started.iter().all(|(run, ..)| *run != runs[0]), "{crash}");
            fake.set(|queue| queue.job(&runs[1]).unwrap().place = None);
            scheduler.not_before.clear();
            let again = decided(&mut scheduler);
            let given_up = crash == Job::MOST_CRASHES;
            let expected = (runs[usize::from(given_up)].clone(), !given_up, 4);
            assert_eq!(again, [expected], "{crash}");
        }
        let queue = fake.workspace.queue().unwrap();
        assert_eq!(queue.ended.len(), 1);
        assert_eq!(queue.ended[0].status, Status::Lost);
        assert!(queue.ended[0].problem.contains("is away"), "{queue:?}");
    }

    #[test]
    fn only_what_somebody_stopped_is_over() {
        for (interrupted, resumes) in [(true, true), (false, false)] {
            let fake = fake();
            let runs = fake.queue(1, "");
            let mut scheduler = fake.scheduler();
            decided(&mut scheduler);
            let lock = fake.begin(&runs[0]);
            fake.end(&runs[0], Status::Stopped, lock);
            fake.write(&runs[0], |run| run.interrupted = interrupted);
            let again = decided(&mut scheduler);
            assert_eq!(again.iter().any(|(_, resumes, _)| *resumes), resumes);
            assert_eq!(
                fake.workspace.queue().unwrap().jobs.len(),
                usize::from(resumes)
            );
        }
    }

    #[test]
    fn a_failure_holds_or_skips_or_leaves_the_rest() {
        for (on_failure, left, held) in [
            (OnFailure::Continue, 3, false),
            (OnFailure::Hold, 3, true),
            (OnFailure::Skip, 1, false),
        ] {
            let fake = fake();
            let group = fake.queue(3, "mlp-x3-0001");
            let other = fake.queue(1, "");
            fake.set(|queue| queue.settings.on_failure = on_failure);
            let mut scheduler = fake.scheduler();
            decided(&mut scheduler);
            let lock = fake.begin(&group[0]);
            fake.end(&group[0], Status::Failed, lock);
            let started = decided(&mut scheduler);
            let queue = fake.workspace.queue().unwrap();
            assert_eq!(
                (queue.jobs.len(), queue.held),
                (left, held),
                "{on_failure:?}"
            );
            let next = match on_failure {
                OnFailure::Continue => Some(&group[1]),
                OnFailure::Hold => None,
                OnFailure::Skip => Some(&other[0]),
            };
            assert_eq!(started.first().map(|(run, ..)| run), next, "{on_failure:?}");
            // What failed is kept; what never began is not.
            assert!(fake.workspace.load(&group[0]).is_ok());
            let is_there = fake.workspace.load(&group[2]).is_ok();
            assert_eq!(is_there, on_failure != OnFailure::Skip);
        }
    }

    #[test]
    fn what_is_held_or_deleted_does_not_start() {
        let fake = fake();
        let runs = fake.queue(3, "");
        fake.set(|queue| queue.job(&runs[0]).unwrap().held = true);
        fake.workspace.delete(&runs[1]).unwrap();
        let mut scheduler = fake.scheduler();
        assert_eq!(decided(&mut scheduler), [(runs[2].clone(), false, 4)]);
        fake.set(|queue| queue.held = true);
        fake.set(|queue| queue.job(&runs[2]).unwrap().place = None);
        assert_eq!(decided(&mut scheduler), []);
        assert!(scheduler.is_idle(&fake.workspace.queue().unwrap()));
        assert_eq!(fake.workspace.queue().unwrap().jobs.len(), 2);
    }

    #[test]
    fn there_is_one_scheduler_and_it_says_who() {
        let fake = fake();
        assert_eq!(process(&fake.workspace), None);
        let mut lock = own(&fake.workspace).unwrap().unwrap();
        lock.describe(&Holder {
            pid: 7,
            host: lock::host_name(),
            ..Holder::default()
        })
        .unwrap();
        assert_eq!(process(&fake.workspace), Some(7));
        assert!(own(&fake.workspace).unwrap().is_none());
        drop(lock);
        assert_eq!(process(&fake.workspace), None);
        // Nothing waits: none is needed.
        ensure(&fake.workspace).unwrap();
        assert_eq!(process(&fake.workspace), None);
    }
}

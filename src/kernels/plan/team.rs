//! Threads that work on one step together: started once, they wait for the next job spinning, then asleep.
//!
//! Knows nothing of what the jobs do.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Looks at a flag before a waiting thread gives its core away.
const SPINS: u32 = 6000;

/// Times it gives its core away before a worker without a job falls asleep.
const YIELDS: u32 = 200;

/// What all members run, with their number; erased to a thin pointer to a fat one.
type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// Some threads, the calling one among them.
pub(super) struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    members: usize,
    /// Number of the job under way; workers wait for it to change.
    round: AtomicUsize,
    job: AtomicPtr<Job<'static>>,
    /// Workers that are through with the job.
    done: AtomicUsize,
    barrier: Barrier,
    stop: AtomicBool,
    asleep: Mutex<usize>,
    wake: Condvar,
}

/// Where all members of a team wait for each other.
#[derive(Default)]
struct Barrier {
    arrived: AtomicUsize,
    round: AtomicUsize,
    /// A member panicked: nobody waits for it.
    broken: AtomicBool,
}

/// Spins, then yields, until `ready`.
fn wait_until(ready: impl Fn() -> bool) {
    let mut spins = 0;
    while !ready() {
        spins += 1;
        if spins < SPINS {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

impl Team {
    /// A team of `members` threads, at least one: the one that calls [`run`](Self::run).
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub(super) fn new(members: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            members: members.max(1),
            round: AtomicUsize::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            done: AtomicUsize::new(0),
            barrier: Barrier::default(),
            stop: AtomicBool::new(false),
            asleep: Mutex::new(0),
            wake: Condvar::new(),
        });
        let mut team = Self {
            shared: Arc::clone(&shared),
            workers: Vec::new(),
        };
        for member in 1..members {
            let shared = Arc::clone(&shared);
            let worker = std::thread::Builder::new()
                .name(format!("compute-{member}"))
                .spawn(move || shared.work(member))?;
            team.workers.push(worker);
        }
        Ok(team)
    }

    #[must_use]
    pub(super) fn members(&self) -> usize {
        self.shared.members
    }

    /// Runs `job(member)` once on every member and returns when all are through.
    ///
    /// # Panics
    /// When a member did.
    pub(super) fn run(&mut self, job: &(dyn Fn(usize) + Sync)) {
        let shared = &*self.shared;
        if shared.members == 1 {
            return job(0);
        }
        let mut job: Job<'_> = job;
        shared.done.store(0, Ordering::Relaxed);
        shared
            .job
            .store((&raw mut job).cast::<Job<'static>>(), Ordering::Relaxed);
        shared.round.fetch_add(1, Ordering::Release);
        let asleep = *shared.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        if asleep > 0 {
            shared.wake.notify_all();
        }
        let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(0)));
        if own.is_err() {
            shared.barrier.broken.store(true, Ordering::Release);
        }
        // The job lies on this stack: nobody may be left with it.
        wait_until(|| shared.done.load(Ordering::Acquire) == shared.members - 1);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(
            !shared.barrier.broken.load(Ordering::Acquire),
            "a compute thread panicked"
        );
    }

    /// What members wait at while [`run`](Self::run) borrows the team.
    #[must_use]
    pub(super) fn barrier(&self) -> TeamBarrier {
        TeamBarrier(Arc::clone(&self.shared))
    }
}

/// A team's barrier.
#[derive(Clone)]
pub(super) struct TeamBarrier(Arc<Shared>);

impl TeamBarrier {
    /// Waits, within a job, until every member has come here.
    pub(super) fn wait(&self) {
        self.0.barrier.wait(self.0.members);
    }
}

impl Barrier {
    fn wait(&self, members: usize) {
        if members == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) == members - 1 {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        wait_until(|| {
            self.round.load(Ordering::Acquire) != round || self.broken.load(Ordering::Relaxed)
        });
        assert!(
            !self.broken.load(Ordering::Acquire),
            "a compute thread panicked"
        );
    }
}

impl Shared {
    fn work(&self, member: usize) {
        let mut seen = 0;
        loop {
            self.await_round(seen);
            seen = self.round.load(Ordering::Acquire);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            // SAFETY: `run` keeps the job alive until every member has counted itself done.
            let job: Job<'_> = unsafe { *self.job.load(Ordering::Relaxed) };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(member)));
            if result.is_err() {
                self.barrier.broken.store(true, Ordering::Release);
            }
            self.done.fetch_add(1, Ordering::Release);
        }
    }

    /// Returns when the round is another than `seen`.
    fn await_round(&self, seen: usize) {
        let changed = || self.round.load(Ordering::Acquire) != seen;
        for turn in 0..SPINS + YIELDS {
            if changed() {
                return;
            }
            if turn < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        *asleep += 1;
        while !changed() {
            asleep = self
                .wake
                .wait(asleep)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *asleep -= 1;
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.round.fetch_add(1, Ordering::Release);
        drop(
            self.shared
                .asleep
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker's panic has been told by `run`.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_runs_every_job_and_meets_the_others() {
        for members in [1, 2, 5] {
            let mut team = Team::new(members).unwrap();
            let barrier = team.barrier();
            let count = AtomicUsize::new(0);
            for round in 1..=200 {
                team.run(&|_| {
                    count.fetch_add(1, Ordering::Relaxed);
                    barrier.wait();
                    assert_eq!(count.load(Ordering::Relaxed), round * members);
                    barrier.wait();
                });
                if round % 50 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "compute thread panicked")]
    fn a_panic_is_passed_on_and_nobody_waits_for_ever() {
        let mut team = Team::new(3).unwrap();
        let barrier = team.barrier();
        team.run(&|member| {
            assert!(member != 2, "on purpose");
            barrier.wait();
        });
    }
}

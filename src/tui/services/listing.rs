//! The lists that are read over and over: the runs, and which of them have a worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::problem;
use crate::error::{Error, Result};
use crate::run::concurrent_runs::{self, Live};
use crate::run::ended::Ended;
use crate::run::queue::{self, Counts, Queued, Standing, scheduler};
use crate::run::{RunList, RunSummary, Workspace, example};
use crate::tui::message::Message;
use crate::tui::tabs::runs::RunRow;

/// How often the list of runs is read while it is looked at, and which of them have a worker at any time.
const RUNS_EVERY: Duration = Duration::from_secs(1);

/// The list of runs, which all who look share.
pub(super) type Shared = Arc<Mutex<RunList>>;

/// Looks what has changed; gives the list's number, and what `of` makes of the list where it is not the one seen
/// before.
async fn look<T: Send + 'static>(
    list: &Shared,
    seen: u64,
    of: impl FnOnce(&RunList) -> T + Send + 'static,
) -> Option<Result<(u64, Option<T>)>> {
    let list = Arc::clone(list);
    let looking = tokio::task::spawn_blocking(move || {
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        let version = list.refresh()?;
        Ok((version, (version != seen).then(|| of(&list))))
    });
    looking.await.ok()
}

/// The runs that have a worker, what became of those that had one before, and how the queue stands.
fn busy(workspace: &Workspace, list: &Shared, before: &[Live]) -> Busy {
    // Where it was killed; what cannot be started is told by whoever queues something.
    let _ = scheduler::ensure(workspace);
    let list = list.lock().unwrap_or_else(PoisonError::into_inner);
    let (jobs, problem) = match queue::standings(workspace, &list) {
        Ok(jobs) => (jobs, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let live = concurrent_runs::live(&list);
    let waiting = jobs.iter().filter_map(|(job, standing)| match standing {
        Standing::Waiting { .. } => Some((job, false)),
        Standing::Held => Some((job, true)),
        _ => None,
    });
    Busy {
        waiting: waiting
            .map(|(job, is_held)| Queued {
                run: job.run.clone(),
                is_held,
            })
            .collect(),
        ended: ended(workspace, &list, before, &live),
        live,
        queue: Counts::of(jobs.iter().map(|(_, standing)| standing)),
        problem,
    }
}

struct Busy {
    live: Vec<Live>,
    ended: Vec<Ended>,
    queue: Counts,
    waiting: Vec<Queued>,
    /// Why the queue cannot be read.
    problem: Option<Error>,
}

/// Looks which runs have a worker and how the queue stands, and tells it when it changed; and what became of runs that
/// have none any more.
pub(super) async fn tell_live(workspace: Workspace, list: Shared, out: mpsc::Sender<Message>) {
    let (mut told, mut queued) = (Vec::new(), (Counts::default(), Vec::new()));
    let mut told_problem = None;
    loop {
        let (list, home, before) = (Arc::clone(&list), workspace.clone(), told.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let refreshed = list
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .refresh();
            refreshed.map(|_| busy(&home, &list, &before))
        });
        let Ok(looked) = looked.await else { return };
        // What cannot be read is told to whoever looks at the list.
        if let Ok(busy) = looked {
            let problem_now = busy.problem.as_ref().map(ToString::to_string);
            if problem_now != told_problem {
                told_problem = problem_now;
                if let Some(error) = &busy.problem
                    && out.send(problem(error)).await.is_err()
                {
                    return;
                }
            }
            let now = (busy.queue, busy.waiting);
            if now != queued {
                queued.clone_from(&now);
                let (counts, waiting) = now;
                let queue = Message::Queue { counts, waiting };
                if out.send(queue).await.is_err() {
                    return;
                }
            }
            let (live, ended) = (busy.live, busy.ended);
            if live != told {
                told.clone_from(&live);
                let while_away = false;
                let ended = Message::Ended { ended, while_away };
                if out.send(Message::Live(live)).await.is_err() || out.send(ended).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RUNS_EVERY).await;
    }
}

/// Those that had a worker before and have none now.
fn ended(workspace: &Workspace, list: &RunList, before: &[Live], live: &[Live]) -> Vec<Ended> {
    let is_gone = |id: &str| before.iter().any(|b| b.id == id) && live.iter().all(|l| l.id != id);
    if !before.iter().any(|b| is_gone(&b.id)) {
        return Vec::new();
    }
    let gone = list.runs().into_iter().filter(|run| is_gone(&run.id));
    gone.filter_map(|run| Ended::of(workspace, &run)).collect()
}

/// The runs; while there are none, the example.
fn listed(mut runs: Vec<RunSummary>) -> Vec<RunRow> {
    if runs.is_empty() {
        runs.push(example::summary());
    }
    runs.into_iter().map(row).collect()
}

/// Looks at the list of runs while it is wanted, and tells it when it changed.
pub(super) async fn tell_runs(
    list: Shared,
    out: mpsc::Sender<Message>,
    mut wanted: watch::Receiver<bool>,
) {
    let mut seen = 0;
    loop {
        if wanted.wait_for(|on| *on).await.is_err() {
            return;
        }
        let Some(looked) = look(&list, seen, RunList::runs).await else {
            return;
        };
        let message = match looked {
            Ok((version, runs)) => {
                seen = version;
                runs.map(|runs| Message::Runs(listed(runs)))
            }
            Err(e) => Some(problem(&e)),
        };
        if let Some(message) = message
            && out.send(message).await.is_err()
        {
            return;
        }
        tokio::time::sleep(RUNS_EVERY).await;
    }
}

fn row(summary: RunSummary) -> RunRow {
    let RunSummary {
        id,
        status,
        profile,
    } = summary;
    RunRow {
        id,
        status,
        profile,
    }
}

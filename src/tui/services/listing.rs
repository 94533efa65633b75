//! The lists that are read over and over: the runs, and which of them have a worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::problem;
use crate::error::Result;
use crate::run::{RunList, RunSummary, concurrent_runs, example};
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
    of: fn(&RunList) -> T,
) -> Option<Result<(u64, Option<T>)>> {
    let list = Arc::clone(list);
    let looking = tokio::task::spawn_blocking(move || {
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        let version = list.refresh()?;
        Ok((version, (version != seen).then(|| of(&list))))
    });
    looking.await.ok()
}

/// Looks which runs have a worker, and tells it when it changed.
pub(super) async fn tell_live(list: Shared, out: mpsc::Sender<Message>) {
    let (mut seen, mut told) = (0, Vec::new());
    loop {
        let Some(looked) = look(&list, seen, concurrent_runs::live).await else {
            return;
        };
        // What cannot be read is told to whoever looks at the list.
        if let Ok((version, live)) = looked {
            seen = version;
            if let Some(live) = live.filter(|live| *live != told) {
                told.clone_from(&live);
                if out.send(Message::Live(live)).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RUNS_EVERY).await;
    }
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

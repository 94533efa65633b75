//! What somebody should notice who looks elsewhere: runs that have ended since the last screen, and runs that stall.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Services;
use super::listing::Shared;
use crate::profile::Status;
use crate::run::stall::{self, Stalls};
use crate::run::{Workspace, digest, ended};
use crate::tui::message::Message;

/// How often it is looked whether a run stalls, at most.
const STALLS_EVERY: Duration = Duration::from_secs(5);

impl Services {
    /// Tells what has ended since somebody looked at this workspace, and notes that somebody does.
    pub(in crate::tui) fn welcome(&self) {
        let (workspace, list) = (self.workspace.clone(), self.list.clone());
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            // What cannot be read is told to whoever looks at the list.
            if let Some(seen) = digest::seen(&workspace)
                && list.refresh().is_ok()
            {
                let ended = digest::since(&workspace, &list, seen);
                let _ = out.blocking_send(Message::Ended {
                    ended,
                    while_away: true,
                });
            }
            let _ = digest::mark_seen(&workspace);
        });
    }

    /// Notes that somebody looks at this workspace now.
    pub(in crate::tui) fn mark_seen(&self) {
        let workspace = self.workspace.clone();
        // A workspace that is read-only stays as it is.
        tokio::task::spawn_blocking(move || digest::mark_seen(&workspace));
    }
}

/// Looks whether one of the runs that train stalls.
pub(super) async fn tell_stalled(
    workspace: Workspace,
    list: Shared,
    after: Option<Duration>,
    out: mpsc::Sender<Message>,
) {
    let Some(after) = after else { return };
    let pause = STALLS_EVERY.min(after / 4).max(Duration::from_millis(100));
    let mut stalls = Stalls::new(after);
    loop {
        tokio::time::sleep(pause).await;
        let (workspace, list) = (workspace.clone(), list.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let alerts = look(&workspace, &list, &mut stalls);
            (stalls, alerts)
        });
        let Ok((back, stalled)) = looking.await else {
            return;
        };
        stalls = back;
        for alert in stalled {
            if out.send(Message::Stalled(alert)).await.is_err() {
                return;
            }
        }
    }
}

fn look(workspace: &Workspace, list: &Shared, stalls: &mut Stalls) -> Vec<crate::notify::Alert> {
    let runs = {
        let list = list.lock().unwrap_or_else(PoisonError::into_inner);
        list.with_worker()
    };
    let training = runs.iter().filter(|run| run.status == Status::Running);
    let running: Vec<_> = training
        .map(|run| {
            let newest = stall::newest(&workspace.events_path(&run.id));
            (run.id.clone(), newest)
        })
        .collect();
    let stalled = stalls.look(Instant::now(), &running);
    let seconds = stalls.after().as_secs_f64();
    let told = runs.iter().filter(|run| stalled.contains(&run.id));
    told.map(|run| {
        let name = run.profile.as_ref().map_or("", |p| p.run_name());
        ended::stalled(&run.id, name, seconds)
    })
    .collect()
}

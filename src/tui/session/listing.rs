//! The lists that are read over and over: the runs, and which of them have a worker.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::problem;
use crate::profile::Status;
use crate::run::{RunSummary, Workspace, company};
use crate::tui::message::Message;
use crate::tui::tabs::runs::RunRow;

/// How often the list of runs is read while it is looked at, and which of them have a worker at any time.
const RUNS_EVERY: Duration = Duration::from_secs(1);

/// Looks which runs have a worker, and tells it when it changed.
pub async fn tell_live(workspace: Workspace, out: mpsc::Sender<Message>) {
    let mut told = Vec::new();
    loop {
        let workspace = workspace.clone();
        let Ok(live) = tokio::task::spawn_blocking(move || company::live(&workspace)).await else {
            return;
        };
        if live != told {
            told.clone_from(&live);
            if out.send(Message::Live(live)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(RUNS_EVERY).await;
    }
}

/// Reads the list of runs while it is wanted, and tells it when it changed.
pub async fn tell_runs(
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    mut wanted: watch::Receiver<bool>,
) {
    let mut told: Option<Vec<RunRow>> = None;
    loop {
        if wanted.wait_for(|on| *on).await.is_err() {
            return;
        }
        let workspace = workspace.clone();
        let read = tokio::task::spawn_blocking(move || workspace.runs()).await;
        match read {
            Ok(Ok(runs)) => {
                let rows: Vec<RunRow> = runs.into_iter().map(row).collect();
                if told.as_ref() != Some(&rows) {
                    told = Some(rows.clone());
                    if out.send(Message::Runs(rows)).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(e)) => {
                if out.send(problem(&e)).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
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
    let status = if profile.is_err() {
        Status::Failed
    } else {
        status
    };
    RunRow {
        id,
        status,
        profile: profile.map(Box::new),
    }
}

//! Whoever speaks with workers, data sets and files for the screens: what is asked for is done off the screen's thread
//! and answered with messages. Nothing else of the screens does.

mod adding;
mod assessing;
mod averaging;
mod check;
mod comparing;
mod counting;
mod datasets;
mod download;
mod follow;
mod listing;
mod noticing;
mod predicting;
mod starting;
mod sweeping;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::config::KeptTheme;
use super::context::KeptPredictions;
use super::editor;
use super::message::Message;
use super::theme::Palette;
use crate::data::locate::SearchPath;
use crate::error::{self, Error, Result};
use crate::event::Command;
use crate::profile::{Data, Model, Profile};
use crate::run::{
    Connection, RunList, Sender, Workspace, client, example, kept_predictions, log, queue,
    user_profiles, weights_info,
};
use crate::{notify, storage};

/// Messages that may wait for the screen.
const BACKLOG: usize = 64;

/// Does what is asked for. Dropping it stops watching; runs go on.
pub(super) struct Services {
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    watched: Option<Sender>,
    /// Commands for runs that are not watched.
    others: mpsc::UnboundedSender<(String, Command)>,
    watching: Option<JoinHandle<()>>,
    runs_wanted: watch::Sender<bool>,
    sweeps_wanted: watch::Sender<bool>,
    list: listing::Shared,
    datasets: Arc<datasets::Kept>,
    fetch_cancelled: Arc<AtomicBool>,
    check_cancelled: Arc<AtomicBool>,
    add_cancelled: Arc<AtomicBool>,
    average_cancelled: Arc<AtomicBool>,
    /// Of the weights that a run to be started begins with.
    weights_cancelled: Arc<AtomicBool>,
    kept_theme: Arc<KeptTheme>,
}

impl Services {
    /// To be called within a tokio runtime.
    #[must_use]
    pub(super) fn new(
        workspace: Workspace,
        notify: &notify::Settings,
    ) -> (Self, mpsc::Receiver<Message>) {
        let (out, messages) = mpsc::channel(BACKLOG);
        let (runs_wanted, wanted) = watch::channel(false);
        let (sweeps_wanted, sweeps) = watch::channel(false);
        let (others, asked) = mpsc::unbounded_channel();
        let list: listing::Shared = Arc::new(Mutex::new(RunList::new(&workspace)));
        tokio::spawn(listing::tell_runs(Arc::clone(&list), out.clone(), wanted));
        tokio::spawn(sweeping::tell_sweeps(
            workspace.clone(),
            out.clone(),
            sweeps,
        ));
        tokio::spawn(listing::tell_live(
            workspace.clone(),
            Arc::clone(&list),
            out.clone(),
        ));
        tokio::spawn(noticing::tell_stalled(
            workspace.clone(),
            Arc::clone(&list),
            notify.stalled_after,
            out.clone(),
        ));
        tokio::spawn(send_to_others(workspace.clone(), out.clone(), asked));
        let services = Self {
            workspace,
            out,
            watched: None,
            others,
            watching: None,
            runs_wanted,
            sweeps_wanted,
            list,
            datasets: Arc::default(),
            fetch_cancelled: Arc::default(),
            check_cancelled: Arc::default(),
            add_cancelled: Arc::default(),
            average_cancelled: Arc::default(),
            weights_cancelled: Arc::default(),
            kept_theme: Arc::new(KeptTheme::new(storage::config_path())),
        };
        (services, messages)
    }

    /// Lets the user edit a recipe in their own editor and tells what came of it. The screen has been left.
    pub(super) fn edit(&self, profile: &Profile) {
        let edited = std::fs::create_dir_all(&self.workspace.root)
            .map_err(|e| Error::io("create", &self.workspace.root, e))
            .and_then(|()| editor::edit(profile, &self.workspace.root));
        let message = match edited {
            Ok(Some(profile)) => Message::Edited(Box::new(profile)),
            Ok(None) => Message::Say("The recipe is unchanged".into()),
            Err(e) => problem(&e),
        };
        let out = self.out.clone();
        tokio::spawn(async move { out.send(message).await });
    }

    /// Finds the user's own profiles and tells them.
    pub(super) fn tell_own(&self) {
        let workspace = self.workspace.clone();
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let mut profiles = Vec::new();
            for found in user_profiles::profiles(&workspace) {
                match found {
                    Ok(profile) => profiles.push(profile),
                    Err(e) => drop(out.blocking_send(problem(&e))),
                }
            }
            let _ = out.blocking_send(Message::Own(profiles));
        });
    }

    /// Opens the newest run that is running, and turns to it; where none is, the newest that has begun.
    pub(super) fn open_newest(&mut self) {
        let ids = self.workspace.ids();
        let running = ids.iter().find(|id| self.workspace.is_running(id));
        let begun = || ids.iter().find(|id| queue::has_begun(&self.workspace, id));
        if let Some(run) = running.or_else(begun).or(ids.first()) {
            self.watch(run.clone(), running.is_some());
        }
    }

    fn search(&self) -> SearchPath {
        self.workspace.search_path()
    }

    /// Runs something slow on a thread of its own and tells its outcome.
    fn blocking(&self, work: impl FnOnce() -> Result<Message> + Send + 'static) {
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let message = work().unwrap_or_else(|e| problem(&e));
            // Fails only when the screen has gone.
            let _ = out.blocking_send(message);
        });
    }

    /// Watches a run and turns to it.
    pub(super) fn open(&mut self, run: String) {
        self.watch(run, true);
    }

    fn watch(&mut self, run: String, turn_to_it: bool) {
        if let Some(before) = self.watching.take() {
            before.abort();
        }
        let home = example::home(&self.workspace, &run);
        let opened = home.and_then(|home| Ok((Connection::open(&home, &run)?, home)));
        let (connection, workspace) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                let out = self.out.clone();
                tokio::spawn(async move { out.send(problem(&e)).await });
                return;
            }
        };
        self.watched = Some(connection.sender());
        let out = self.out.clone();
        self.watching = Some(tokio::spawn(async move {
            // Ends when the screen has gone.
            let _ = follow::follow(&workspace, connection, run, turn_to_it, &out).await;
        }));
    }

    /// Asks a run's worker.
    pub(super) fn send(&self, run: String, command: Command) {
        let watched = self.watched.as_ref();
        let Some(sender) = watched.filter(|w| w.run() == run && w.is_live()) else {
            // Read until the screen goes.
            let _ = self.others.send((run, command));
            return;
        };
        let answer = sender.ask(command);
        let out = self.out.clone();
        tokio::spawn(async move {
            if let Err(e) = answer.await {
                let _ = out.send(Message::NotSent(run)).await;
                let _ = out.send(problem(&e)).await;
            }
        });
    }

    /// Reads a run's whole log.
    pub(super) fn replay(&self, run: String, speed: f64) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let workspace = example::home(&workspace, &run)?;
            let events = log::read(&workspace.events_path(&run))?;
            if events.is_empty() {
                return Err(nothing_to_replay(&run));
            }
            Ok(Message::Replay { run, events, speed })
        });
    }

    /// Deletes a run.
    pub(super) fn delete(&self, run: String) {
        let workspace = self.workspace.clone();
        self.blocking(move || queue::delete(&workspace, &run).map(|()| Message::Deleted(run)));
    }

    /// Gives up whatever is being downloaded, added, checked or decoded.
    pub(super) fn cancel_fetch(&self) {
        self.fetch_cancelled.store(true, Ordering::Relaxed);
        self.weights_cancelled.store(true, Ordering::Relaxed);
        self.check_cancelled.store(true, Ordering::Relaxed);
        self.add_cancelled.store(true, Ordering::Relaxed);
        self.average_cancelled.store(true, Ordering::Relaxed);
    }

    /// Finds out about the weights that a model begins with.
    pub(super) fn describe_weights(&self, model: Box<Model>) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let card = weights_info::card(&workspace, &model);
            let pretrained = model.pretrained;
            Ok(Message::Weights { pretrained, card })
        });
    }

    /// Reads what was predicted in a run.
    pub(super) fn load_predictions(&self, run: String) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let home = example::home(&workspace, &run)?;
            let read = kept_predictions::read(&home, &run);
            let kept = Box::new(KeptPredictions {
                latest: read.latest,
                best: read.best,
                test: read.test,
                damaged: read.damaged,
                data: home.load(&run).map_or_else(|_| Data::default(), |p| p.data),
                awaited: false,
            });
            Ok(Message::Predictions { run, kept })
        });
    }

    /// Reads the list of runs, and goes on reading it, from now on or no longer.
    pub(super) fn watch_runs(&self, on: bool) {
        self.runs_wanted.send_replace(on);
    }

    /// Writes a theme into the user's settings.
    pub(super) fn keep_theme(&self, palette: Palette) {
        self.kept_theme.choose(palette);
        let (kept, out) = (Arc::clone(&self.kept_theme), self.out.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(e) = kept.write() {
                let _ = out.blocking_send(problem(&e));
            }
        });
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.cancel_fetch();
        if let Some(watching) = &self.watching {
            watching.abort();
        }
    }
}

/// Cancels what is under way; gives what cancels that which takes its place.
fn replaced(cancelled: &mut Arc<AtomicBool>) -> Arc<AtomicBool> {
    cancelled.store(true, Ordering::Relaxed);
    *cancelled = Arc::default();
    Arc::clone(cancelled)
}

fn nothing_to_replay(run: &str) -> Error {
    Error::input(
        format!("run {run}"),
        "its event log is empty or gone",
        "choose another run on the Runs tab",
    )
}

/// An error as the bar above the footer shows it.
pub(super) fn problem(error: &Error) -> Message {
    let remedy = error.remedy().unwrap_or_default().to_string();
    let problem = match error {
        Error::Input {
            subject, problem, ..
        } => error::statement(subject, problem),
        Error::Download { file, problem, .. } => format!("cannot download {file}: {problem}"),
        cancelled @ Error::Cancelled { .. } => return Message::Say(cancelled.to_string()),
        other => other.to_string(),
    };
    Message::Problem { problem, remedy }
}

/// Asks the workers of runs that are not watched, one after the other.
async fn send_to_others(
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    mut asked: mpsc::UnboundedReceiver<(String, Command)>,
) {
    while let Some((run, command)) = asked.recv().await {
        let (workspace, id) = (workspace.clone(), run.clone());
        let sent = tokio::task::spawn_blocking(move || client::send(&workspace, &id, &command));
        if let Ok(Err(e)) = sent.await {
            let _ = out.send(Message::NotSent(run)).await;
            let _ = out.send(problem(&e)).await;
        }
    }
}

//! Starting runs: the weights that one begins with, then its worker.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Services, download, replaced};
use crate::error::Result;
use crate::profile::Profile;
use crate::run::fork::{self, Point};
use crate::run::preflight::{Checked, Network, Preparation};
use crate::run::queue::{self, scheduler};
use crate::run::{Workspace, client, concurrent_runs, id};
use crate::text;
use crate::tui::message::Message;
use crate::tui::request::{QueueChange, Start};

/// How often it is said how a download stands.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

impl Services {
    /// Starts a run's worker.
    pub(crate) fn start(&mut self, start: Start) {
        match start {
            Start::New(profile) => self.start_new(profile),
            Start::Resumed(run) => self.resume(run),
        }
    }

    /// Puts a run into the queue.
    pub(crate) fn queue(&mut self, start: Start) {
        match start {
            Start::New(profile) => self.queue_seeds(profile, 1),
            Start::Resumed(run) => {
                let (workspace, out) = (self.workspace.clone(), self.out.clone());
                self.blocking(move || {
                    let asked = queue::resume(&workspace, &run).and_then(|()| queued(&workspace));
                    asked.inspect_err(|_| drop(out.blocking_send(Message::NotStarted)))
                });
            }
        }
    }

    /// Puts a recipe into the queue, with so many seeds.
    pub(crate) fn queue_seeds(&mut self, profile: Box<Profile>, seeds: usize) {
        self.prepared(
            profile,
            |_| Ok(()),
            move |workspace, checked| {
                queue::enqueue_seeds(workspace, &checked.profile, seeds, (false, false))?;
                queued(workspace)
            },
        );
    }

    /// Changes the queue; its new order is told with the next look.
    pub(crate) fn change_queue(&self, run: String, change: QueueChange) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let words = match change {
                QueueChange::Hold(true) => "is held",
                QueueChange::Hold(false) => "is released",
                QueueChange::To(_) => "is moved",
            };
            queue::change(&workspace, &run, |queue, started| match change {
                QueueChange::Hold(held) => queue.hold(&run, held),
                QueueChange::To(place) => queue.place(std::slice::from_ref(&run), started + place),
            })?;
            scheduler::ensure(&workspace)?;
            Ok(Message::Say(format!("{} {words}", id::name(&run))))
        });
    }

    /// Forks a run, and starts or queues the fork.
    pub(crate) fn fork(&mut self, point: String, changes: Vec<String>, is_queued: bool) {
        let (workspace, out) = (self.workspace.clone(), self.out.clone());
        self.blocking(move || {
            let begin = || {
                let point = Point::parse(&workspace, &point)?;
                let recipe = fork::recipe(&workspace, &point, &changes)?;
                let forked = fork::create(&workspace, &point, recipe, is_queued)?;
                if is_queued {
                    queue::enqueue_existing(&workspace, &forked.id)?;
                    return queued(&workspace);
                }
                fork::start(&workspace, &forked)?;
                Ok(Message::Started {
                    run: forked.id,
                    note: None,
                })
            };
            begin().inspect_err(|_| drop(out.blocking_send(Message::NotStarted)))
        });
    }

    fn start_new(&mut self, profile: Box<Profile>) {
        self.prepared(
            profile,
            |_| Ok(()),
            |workspace, checked| {
                let run = client::start(workspace, &checked)?;
                let note = checked
                    .warning
                    .or_else(|| concurrent_runs::note(workspace, &run));
                Ok(Message::Started { run, note })
            },
        );
    }

    /// Makes a new run ready, and does `begin` with it once `check` has found nothing wrong.
    pub(super) fn prepared(
        &mut self,
        profile: Box<Profile>,
        check: impl FnOnce(&Network) -> Result<()> + Send + 'static,
        begin: impl FnOnce(&Workspace, Checked) -> Result<Message> + Send + 'static,
    ) {
        let cancelled = replaced(&mut self.weights_cancelled);
        let (workspace, out) = (self.workspace.clone(), self.out.clone());
        self.blocking(move || {
            let mut told: Option<Instant> = None;
            let mut tell = |p: Preparation| {
                if told.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                    if told.is_none() {
                        let _ = out.try_send(Message::Fetching(true));
                    }
                    told = Some(Instant::now());
                    let _ = out.try_send(Message::Preparing(words(&p)));
                }
            };
            let network = Network::with_weights(&workspace, *profile, false, &mut tell, &cancelled);
            // Where another start took this one's place, the download under way is that one's.
            if told.is_some() && !(cancelled.load(Ordering::Relaxed) && network.is_err()) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            let checked = network.and_then(|network| {
                check(&network)?;
                network.check(&workspace)
            });
            let answer = checked.and_then(|checked| begin(&workspace, checked));
            answer.inspect_err(|_| drop(out.blocking_send(Message::NotStarted)))
        });
    }

    fn resume(&mut self, run: String) {
        let (workspace, out) = (self.workspace.clone(), self.out.clone());
        self.blocking(move || {
            client::resume(&workspace, &run).inspect_err(|_| {
                let _ = out.blocking_send(Message::NotStarted);
            })?;
            let note = concurrent_runs::note(&workspace, &run);
            Ok(Message::Started { run, note })
        });
    }
}

/// Starts what there is room for, and tells how the queue stands.
fn queued(workspace: &Workspace) -> Result<Message> {
    scheduler::ensure(workspace)?;
    let counts = queue::counts(workspace)?;
    Ok(Message::Queued(counts.words()))
}

/// How far a run is that is made ready.
fn words(preparation: &Preparation) -> String {
    match preparation {
        Preparation::Weights(progress) => download::words(progress),
        Preparation::Images { set, done, all } => format!(
            "decoding {}: {} of {}; Esc cancels",
            text::sanitize(set),
            text::grouped(*done as u64),
            text::count(*all, "image")
        ),
    }
}

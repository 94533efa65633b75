//! Starting runs: the weights that one begins with, then its worker.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Services, download, replaced};
use crate::profile::Profile;
use crate::run::preflight::{Network, Preparation};
use crate::run::{client, concurrent_runs};
use crate::text;
use crate::tui::message::Message;
use crate::tui::request::Start;

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

    fn start_new(&mut self, profile: Box<Profile>) {
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
            let begin = || {
                let checked = network?.check(&workspace)?;
                let run = client::start(&workspace, &checked)?;
                let note = checked
                    .warning
                    .or_else(|| concurrent_runs::note(&workspace, &run));
                Ok(Message::Started { run, note })
            };
            begin().inspect_err(|_| drop(out.blocking_send(Message::NotStarted)))
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

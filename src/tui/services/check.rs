//! Checking data sets.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Services, datasets};
use crate::data::check::{self, Checked, Source};
use crate::data::exclude;
use crate::error::Result;
use crate::profile::Data;
use crate::text;
use crate::tui::message::Message;

/// How often it is said how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

impl Services {
    /// Checks a data set.
    pub(crate) fn check(&mut self, name: String) {
        // A second check replaces the first.
        self.check_cancelled.store(true, Ordering::Relaxed);
        self.check_cancelled = Arc::default();
        let cancelled = Arc::clone(&self.check_cancelled);
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let last = Mutex::new(Instant::now());
            let progress = |done: usize, all: usize| {
                let Ok(mut last) = last.try_lock() else {
                    return;
                };
                if last.elapsed() >= PROGRESS_EVERY {
                    *last = Instant::now();
                    let (done, all) = (text::grouped(done as u64), text::count(all, "image"));
                    let words = format!("checking {name}: {done} of {all}; Esc cancels");
                    // A full queue loses a line of progress, nothing else.
                    let _ = out.try_send(Message::DatasetStatus(words));
                }
            };
            let check = || -> Result<Checked> {
                let search = workspace.search_path();
                let dataset = datasets::load(&name, &search, &kept)?;
                let source = if dataset.train.images.name(0).is_some() {
                    Source::find(&name, 1, &search)?
                } else {
                    Source::of_dataset((*dataset).clone())
                };
                let figures = check::figures(&source, &Data::default());
                let mut survey = check::survey(source, &progress, &cancelled)?;
                let path = workspace.exclusions(&name);
                if let Some(list) = exclude::read(&path)? {
                    survey.leave_out(&list, &path)?;
                }
                Ok(survey.checked(figures.as_ref()))
            };
            let checked = check();
            // Where another check took this one's place, the one under way is that one.
            if !cancelled.load(Ordering::Relaxed) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            let message = match checked {
                Ok(checked) => Message::Checked(Arc::new(checked)),
                Err(e) => Message::DatasetStatus(e.to_string()),
            };
            let _ = out.blocking_send(message);
        });
    }
}

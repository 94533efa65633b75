//! Adding data sets where they lie, and removing them again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counting::Counting;
use super::{Services, datasets, replaced};
use crate::data::register::{self, Options, Outcome, Summary};
use crate::error::Error;
use crate::tui::message::Message;
use crate::tui::tabs::data::BrokenFiles;
use crate::{storage, text};

/// Broken files that are named.
const NAMED: usize = 40;

impl Services {
    /// Adds the data set at a path, then reads it.
    pub(crate) fn add(&mut self, path: String, skips_broken: bool) {
        let cancelled = replaced(&mut self.add_cancelled);
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let shown = text::sanitize(&path);
            let progress = Counting::new(format!("adding {shown}"), out.clone());
            let options = Options {
                skips_broken,
                ..Options::default()
            };
            let added = register::add(
                &storage::expand_home(Path::new(&path)),
                &options,
                &workspace.data_dir(),
                &|done, all| progress.tell(done, all),
                &cancelled,
            );
            // Where another one took this one's place, the one under way is that one.
            if !cancelled.load(Ordering::Relaxed) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            let refused = |e: &Error| drop(out.blocking_send(Message::NotAdded(e.to_string())));
            match added {
                Ok(Outcome::Added(summary)) => {
                    datasets::tell_sets(&workspace, &out);
                    datasets::show(&summary.name, &workspace, &kept, &out);
                    let _ = out.blocking_send(Message::Say(words(&summary)));
                }
                Ok(Outcome::Broken(files)) => {
                    let broken = broken(path, &files);
                    let _ = out.blocking_send(Message::Broken(broken));
                }
                Err(e @ Error::Cancelled { .. }) => datasets::tell_failure(&e, &out),
                Err(e) => refused(&e),
            }
        });
    }

    /// Removes a data set that was added; its images stay.
    pub(crate) fn remove(&self, name: String) {
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        self.blocking(move || {
            let removed = register::remove(&name, &workspace.data_dir())?;
            datasets::forget(&name, &kept);
            datasets::tell_sets(&workspace, &out);
            Ok(Message::Say(removed.words()))
        });
    }
}

fn words(summary: &Summary) -> String {
    let passed = summary.skipped.len() + summary.ignored + summary.beside;
    let passed = (passed > 0).then(|| format!("{} passed over", text::count(passed, "other file")));
    let remarks = passed.into_iter().chain(summary.remarks.iter().cloned());
    let words: Vec<String> = std::iter::once(summary.words()).chain(remarks).collect();
    words.join("; ")
}

fn broken(path: String, files: &BTreeMap<String, String>) -> BrokenFiles {
    let named = files.iter().take(NAMED);
    let named = named.map(|(file, problem)| text::sanitize(&format!("{file} {problem}")));
    BrokenFiles {
        path,
        named: named.collect(),
        count: files.len(),
    }
}

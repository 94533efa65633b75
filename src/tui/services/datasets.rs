//! Finding, reading and downloading data sets.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::{Services, download, problem, replaced};
use crate::catalog;
use crate::data::locate::{self, Found, SearchPath};
use crate::data::{Dataset, DatasetInfo, exclude, fetch};
use crate::error::{Error, Result};
use crate::net::DownloadProgress;
use crate::run::Workspace;
use crate::tui::message::Message;
use crate::tui::tabs::data::{Excluded, FoundSet};

/// How many read data sets are kept: the Data tab's and the run's.
const KEPT: usize = 2;

/// The data sets that were read last.
pub(super) type Kept = Mutex<Vec<Arc<Dataset>>>;

impl Services {
    /// Reads the data set that the Data tab shows first: the full one where there is one.
    pub(crate) fn load_first_dataset(&mut self) {
        let sets = locate::available(&self.search());
        // Sent at the start, when the queue is empty.
        let _ = self.out.try_send(listed(&sets));
        let there = sets.iter().any(|f| f.name == catalog::DEFAULT);
        let name = if there {
            catalog::DEFAULT
        } else {
            catalog::BUILT_IN
        };
        self.load_dataset(name.into(), true);
    }

    /// Looks which data sets are here, and what runs leave out of the shown one; reads that again where it is another
    /// one now.
    pub(crate) fn find_datasets(&self, shown: Option<String>) {
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let sets = tell_sets(&workspace, &out);
            let outdated = forget_outdated(&sets, &kept);
            let is_there = |name: &String| sets.iter().any(|set| set.name == *name);
            let Some(name) = shown.filter(is_there) else {
                return;
            };
            if outdated.contains(&name) {
                show(&name, &workspace, &kept, &out);
            } else if let Some(dataset) = find(&name, &kept) {
                tell_excluded(&dataset, &workspace, &out);
            }
        });
    }

    /// Reads a data set, for the Data tab or for the shown run.
    pub(crate) fn load_dataset(&self, name: String, for_data_tab: bool) {
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            if for_data_tab {
                return show(&name, &workspace, &kept, &out);
            }
            let message = match load(&name, &workspace.search_path(), &kept) {
                Ok(dataset) => Message::Dataset {
                    dataset,
                    for_data_tab,
                },
                Err(e) => problem(&e),
            };
            let _ = out.blocking_send(message);
        });
    }

    /// Finds out about a data set, which is read for it.
    pub(crate) fn describe_dataset(&self, name: String) {
        let (search, kept) = (self.search(), Arc::clone(&self.datasets));
        self.blocking(move || {
            let info = load(&name, &search, &kept)
                .map(|dataset| DatasetInfo::from(&*dataset))
                .map_err(|e| e.to_string());
            Ok(Message::DatasetInfo { name, info })
        });
    }

    /// Downloads a data set, then reads it.
    pub(crate) fn fetch(&mut self, name: String) {
        let cancelled = replaced(&mut self.fetch_cancelled);
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let mut tell = |p: DownloadProgress| {
                let status = download::words(&p);
                // A full queue loses a line of progress, nothing else.
                let _ = out.try_send(Message::DatasetStatus(status));
            };
            let (directory, offline) = (workspace.data_dir(), workspace.offline);
            let fetched = fetch::fetch(&name, &directory, offline, &mut tell, &cancelled);
            if !cancelled.load(Ordering::Relaxed) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            match fetched {
                Ok(_) => {
                    forget(&name, &kept);
                    tell_sets(&workspace, &out);
                    show(&name, &workspace, &kept, &out);
                }
                Err(e) => tell_failure(&e, &out),
            }
        });
    }
}

fn listed(sets: &[Found]) -> Message {
    let row = |set: &Found| FoundSet {
        name: set.name.clone(),
        place: set.place(),
        is_added: set.is_added(),
    };
    Message::Sets(sets.iter().map(row).collect())
}

/// Tells the data sets that are here. Blocks.
pub(super) fn tell_sets(workspace: &Workspace, out: &mpsc::Sender<Message>) -> Vec<Found> {
    let sets = locate::available(&workspace.search_path());
    // Fails only when the screen has gone.
    let _ = out.blocking_send(listed(&sets));
    sets
}

/// Reads a data set for the Data tab. Blocks.
pub(super) fn show(name: &str, workspace: &Workspace, kept: &Kept, out: &mpsc::Sender<Message>) {
    match load(name, &workspace.search_path(), kept) {
        Ok(dataset) => {
            let _ = out.blocking_send(Message::Dataset {
                dataset: Arc::clone(&dataset),
                for_data_tab: true,
            });
            tell_excluded(&dataset, workspace, out);
        }
        Err(e) => tell_failure(&e, out),
    }
}

/// Says on the Data tab what went wrong; what was cancelled, in passing. Blocks.
pub(super) fn tell_failure(error: &Error, out: &mpsc::Sender<Message>) {
    let message = if matches!(error, Error::Cancelled { .. }) {
        let _ = out.blocking_send(Message::DatasetStatus(String::new()));
        Message::Say(error.to_string())
    } else {
        Message::DatasetFailed(error.to_string())
    };
    let _ = out.blocking_send(message);
}

/// What runs leave out of a data set.
pub(super) fn excluded(dataset: &Dataset, workspace: &Workspace) -> Excluded {
    let path = workspace.exclusions(&dataset.name);
    exclude::read(&path)
        .and_then(|list| exclude::reasons(dataset, &list.unwrap_or_default(), &path))
        .map_err(|e| e.to_string())
}

fn tell_excluded(dataset: &Dataset, workspace: &Workspace, out: &mpsc::Sender<Message>) {
    let excluded = excluded(dataset, workspace);
    let set = dataset.name.clone();
    let _ = out.blocking_send(Message::Excluded { set, excluded });
}

fn find(name: &str, kept: &Kept) -> Option<Arc<Dataset>> {
    let kept = kept.lock().ok()?;
    kept.iter().find(|d| d.name == name).map(Arc::clone)
}

/// Has a data set read again when it is asked for.
pub(super) fn forget(name: &str, kept: &Kept) {
    if let Ok(mut kept) = kept.lock() {
        kept.retain(|d| d.name != name);
    }
}

/// Forgets the data sets that are no longer here, or that somebody added again with other content; gives their names.
fn forget_outdated(sets: &[Found], kept: &Kept) -> Vec<String> {
    let Ok(mut kept) = kept.lock() else {
        return Vec::new();
    };
    let is_current = |dataset: &Dataset| {
        let found = sets.iter().find(|set| set.name == dataset.name);
        found.is_some_and(|set| set.is_current(dataset))
    };
    let outdated = kept.extract_if(.., |dataset| !is_current(dataset));
    outdated.map(|dataset| dataset.name.clone()).collect()
}

pub(super) fn load(name: &str, search: &SearchPath, kept: &Kept) -> Result<Arc<Dataset>> {
    if let Some(dataset) = find(name, kept) {
        return Ok(dataset);
    }
    let dataset = Arc::new(locate::load(name, search)?);
    if let Ok(mut kept) = kept.lock() {
        kept.retain(|d| d.name != name);
        kept.push(Arc::clone(&dataset));
        while kept.len() > KEPT {
            kept.remove(0);
        }
    }
    Ok(dataset)
}

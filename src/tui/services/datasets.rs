//! Finding, reading and downloading data sets.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::{Services, download, problem};
use crate::catalog;
use crate::data::locate::{self, SearchPath};
use crate::data::{Dataset, DatasetInfo, fetch};
use crate::error::Result;
use crate::net::DownloadProgress;
use crate::tui::message::Message;

/// How many read data sets are kept: the Data tab's and the run's.
const KEPT: usize = 2;

impl Services {
    /// Reads the data set that the Data tab shows first: the full one where there is one.
    pub(crate) fn load_first_dataset(&mut self) {
        let sets = self.tell_sets();
        let there = sets.iter().any(|f| f.name == catalog::DEFAULT);
        let name = if there {
            catalog::DEFAULT
        } else {
            catalog::BUILT_IN
        };
        self.load_dataset(name.into(), true);
    }

    /// Finds the data sets that are here and tells them.
    fn tell_sets(&self) -> Vec<locate::Found> {
        let sets = locate::available(&self.search());
        // Sent at the start, when the queue is empty.
        let _ = self.out.try_send(named(&sets));
        sets
    }

    /// Reads a data set, for the Data tab or for the shown run.
    pub(crate) fn load_dataset(&self, name: String, for_data_tab: bool) {
        let (search, kept) = (self.search(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let message = match load(&name, &search, &kept) {
                Ok(dataset) => Message::Dataset {
                    dataset,
                    for_data_tab,
                },
                Err(e) if for_data_tab => Message::DatasetStatus(e.to_string()),
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
        // A second download replaces the first.
        self.fetch_cancelled.store(true, Ordering::Relaxed);
        self.fetch_cancelled = Arc::default();
        let cancelled = Arc::clone(&self.fetch_cancelled);
        let (search, kept) = (self.search(), Arc::clone(&self.datasets));
        let (directory, offline) = (self.workspace.data_dir(), self.workspace.offline);
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let mut tell = |p: DownloadProgress| {
                let status = download::words(&p);
                // A full queue loses a line of progress, nothing else.
                let _ = out.try_send(Message::DatasetStatus(status));
            };
            let fetched = fetch::fetch(&name, &directory, offline, &mut tell, &cancelled)
                .and_then(|_| load(&name, &search, &kept));
            if !cancelled.load(Ordering::Relaxed) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            let message = match fetched {
                Ok(dataset) => {
                    let _ = out.blocking_send(named(&locate::available(&search)));
                    Message::Dataset {
                        dataset,
                        for_data_tab: true,
                    }
                }
                Err(e) => Message::DatasetStatus(e.to_string()),
            };
            let _ = out.blocking_send(message);
        });
    }
}

fn named(sets: &[locate::Found]) -> Message {
    Message::Sets(sets.iter().map(|f| (f.name.clone(), f.place())).collect())
}

pub(super) fn load(
    name: &str,
    search: &SearchPath,
    kept: &Mutex<Vec<Arc<Dataset>>>,
) -> Result<Arc<Dataset>> {
    let find = || {
        let kept = kept.lock().ok()?;
        kept.iter().find(|d| d.name == name).map(Arc::clone)
    };
    if let Some(dataset) = find() {
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

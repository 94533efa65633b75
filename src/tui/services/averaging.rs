//! The mean images of a set whose images lie in files, all of which are decoded for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counting::Counting;
use super::{Services, datasets, replaced};
use crate::tui::message::Message;
use crate::tui::tabs::data::means_of;

impl Services {
    /// Works out the mean image of each class of a data set, without what runs leave out.
    pub(crate) fn average(&mut self, set: String) {
        let cancelled = replaced(&mut self.average_cancelled);
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let means = datasets::load(&set, &workspace.search_path(), &kept).and_then(|dataset| {
                let progress = Counting::new(format!("averaging {set}"), out.clone());
                let excluded = datasets::excluded(&dataset, &workspace);
                let excluded: BTreeMap<usize, String> = excluded.unwrap_or_default();
                let all = dataset.train.len();
                means_of(&dataset, |index| {
                    progress.tell(*index, all);
                    !cancelled.load(Ordering::Relaxed) && !excluded.contains_key(index)
                })
            });
            let means = means.map_err(|e| e.to_string());
            let means = if cancelled.load(Ordering::Relaxed) {
                Err("they were cancelled; choose the set again to work them out".into())
            } else {
                let _ = out.blocking_send(Message::Fetching(false));
                means
            };
            let _ = out.blocking_send(Message::Means { set, means });
        });
    }
}

//! Checking data sets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counting::Counting;
use super::{Services, datasets, replaced};
use crate::data::check::{self, Checked, Source};
use crate::data::exclude;
use crate::error::Result;
use crate::profile::Data;
use crate::tui::message::Message;

impl Services {
    /// Checks a data set.
    pub(crate) fn check(&mut self, name: String) {
        let cancelled = replaced(&mut self.check_cancelled);
        let (workspace, kept) = (self.workspace.clone(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let progress = Counting::new(format!("checking {name}"), out.clone());
            let progress = |done, all| progress.tell(done, all);
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
            match checked {
                Ok(checked) => drop(out.blocking_send(Message::Checked(Arc::new(checked)))),
                Err(e) => datasets::tell_failure(&e, &out),
            }
        });
    }
}

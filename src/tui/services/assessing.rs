//! What a run's predictions say, worked out off the screen's thread: a hundred classes take a second.

use super::Services;
use crate::metrics::certainty;
use crate::run::{example, kept_predictions};
use crate::tui::context::KeptCertainty;
use crate::tui::message::Message;

impl Services {
    /// Always answers: the next is asked for when this one has come.
    pub(crate) fn assess_predictions(&self, run: String) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let home = example::home(&workspace, &run);
            let kept = home.map_or_else(
                |_| KeptCertainty::default(),
                |home| {
                    let read = kept_predictions::read(&home, &run);
                    KeptCertainty {
                        found: certainty::of(&read),
                        damaged: read.damaged,
                        awaited: false,
                    }
                },
            );
            Ok(Message::Certainty { run, kept })
        });
    }
}

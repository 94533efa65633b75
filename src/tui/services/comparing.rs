//! What may be concluded from runs side by side.

use std::sync::Arc;

use super::Services;
use crate::run::verdict::{self, Side};
use crate::tui::message::Message;
use crate::tui::tabs::runs::Compared;

impl Services {
    /// Works it out and tells it, with the images that decide.
    pub(crate) fn compare(&self, sides: Vec<Side>) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let (verdicts, notes) = verdict::verdicts(&workspace, &sides);
            let data = sides
                .first()
                .and_then(|side| Some(side.profiles().first()?.data.clone()));
            let data = data.unwrap_or_default();
            // Without it there are no images, and all else.
            let dataset = workspace.dataset(&data).ok().map(Arc::new);
            Ok(Message::Compared(Box::new(Compared {
                names: sides.iter().map(|side| side.name().into()).collect(),
                verdicts,
                notes,
                dataset,
                data,
                shows_first: false,
            })))
        });
    }
}

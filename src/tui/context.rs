//! What the app owns and lends to the tabs: whatever more than one of them looks at.

use std::sync::Arc;

use super::run_view::RunView;
use super::theme::Theme;
use crate::data::Dataset;
use crate::event::RunHistory;
use crate::metrics::Confusion;
use crate::metrics::certainty::Certainty;
use crate::metrics::predictions::Predictions;
use crate::profile::{Background, Data};

/// See the module.
#[derive(Debug)]
pub(crate) struct Context {
    pub theme: Theme,
    /// The run on the screen.
    pub run: RunView,
    /// The images that this run was trained on, once they are read.
    pub dataset: Option<Arc<Dataset>>,
    /// What this run predicted.
    pub predictions: KeptPredictions,
    /// What these predictions say of how sure it is.
    pub certainty: KeptCertainty,
    /// The run to compare with: its name and its counts on the test set.
    pub other: Option<(String, Confusion)>,
    /// What the recipe that is open lays under images that are not opaque.
    pub background: Background,
}

/// A run's predictions, as far as there are files.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptPredictions {
    /// Of the newest epoch.
    pub latest: Option<Predictions>,
    /// Of the best epoch.
    pub best: Option<Predictions>,
    /// Of the test at the end.
    pub test: Option<Predictions>,
    /// Files that are there and cannot be read.
    pub damaged: Vec<String>,
    /// How the run's images are prepared.
    pub data: Data,
    /// Newer ones are on their way.
    pub awaited: bool,
}

/// What a run's predictions say, worked out beside the screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptCertainty {
    /// By time; empty where no predictions are kept.
    pub found: Vec<Certainty>,
    /// Files that are there and cannot be read.
    pub damaged: Vec<String>,
    /// What is newer is on its way.
    pub awaited: bool,
}

impl Context {
    /// With no run on the screen.
    #[must_use]
    pub(crate) fn new(theme: Theme) -> Self {
        Self {
            theme,
            run: RunView::default(),
            dataset: None,
            predictions: KeptPredictions::default(),
            certainty: KeptCertainty::default(),
            other: None,
            background: Background::default(),
        }
    }

    /// The history of the run on the screen.
    #[must_use]
    pub(crate) fn history(&self) -> Option<&RunHistory> {
        self.run.history().map(|(_, history)| history)
    }

    /// Name of the run on the screen, its id until it has told its name.
    #[must_use]
    pub(crate) fn run_name(&self) -> &str {
        self.run.history().map_or("", |(run, history)| {
            let started = history.started.as_ref();
            started.map_or(run, |s| s.name.as_str())
        })
    }

    /// The classes of the run on the screen.
    #[must_use]
    pub(crate) fn classes(&self) -> &[String] {
        let started = self.history().and_then(|h| h.started.as_ref());
        started.map_or(&[], |s| &s.classes)
    }
}

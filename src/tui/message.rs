//! What the world outside the screen tells the app.

use std::sync::Arc;

use super::context::{KeptCertainty, KeptPredictions};
use super::run_view::Link;
use super::tabs::confusion::Outcome;
use super::tabs::data::{BrokenFiles, Excluded, FoundSet};
use super::tabs::runs::{Compared, RunRow};
use super::tabs::sweep::SweepShown;
use crate::data::check::Checked;
use crate::data::{Dataset, DatasetInfo};
use crate::event::Stamped;
use crate::notify::Alert;
use crate::profile::Profile;
use crate::run::concurrent_runs::Live;
use crate::run::ended::Ended;
use crate::run::queue::{Counts, Queued};
use crate::run::weights_info::Card;

/// What the app is told.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A watched run with everything its log holds so far.
    Opened {
        run: String,
        link: Link,
        events: Vec<Stamped>,
    },
    /// A sweep was begun, under this name.
    SweepBegun(String),
    /// A run was started or resumed; it is not watched yet.
    Started {
        run: String,
        /// What is worth knowing beside it.
        note: Option<String>,
    },
    /// A run waits in the queue, which is described.
    Queued(String),
    /// How many runs the queue runs and how many wait, and which, in their order.
    Queue {
        counts: Counts,
        waiting: Vec<Queued>,
    },
    /// What was to be started or resumed was not; why follows.
    NotStarted,
    /// A command did not reach the worker of this run; why follows.
    NotSent(String),
    /// The runs that have a worker now.
    Live(Vec<Live>),
    /// Runs that have ended: since the last look, or while there was no screen.
    Ended {
        ended: Vec<Ended>,
        while_away: bool,
    },
    /// A run tells nothing any more.
    Stalled(Alert),
    /// New events of the watched run.
    Events {
        run: String,
        events: Vec<Stamped>,
    },
    Link {
        run: String,
        link: Link,
    },
    /// Turn to the Train tab.
    ShowTrain,
    /// A log to be replayed.
    Replay {
        run: String,
        events: Vec<Stamped>,
        speed: f64,
    },
    Runs(Vec<RunRow>),
    /// The sweeps, the newest first.
    Sweeps(Vec<Arc<SweepShown>>),
    /// What may be concluded from runs side by side.
    Compared(Box<Compared>),
    /// The user's own profiles, by name.
    Own(Vec<(String, Profile)>),
    /// The shown recipe as the user's editor left it.
    Edited(Box<Profile>),
    Deleted(String),
    Dataset {
        dataset: Arc<Dataset>,
        for_data_tab: bool,
    },
    /// The data sets that can be loaded now.
    Sets(Vec<FoundSet>),
    /// What runs leave out of a data set.
    Excluded {
        set: String,
        excluded: Excluded,
    },
    /// The mean image of each class of a data set, or why there are none.
    Means {
        set: String,
        means: Result<Vec<Vec<u8>>, String>,
    },
    /// What is being done about a data set; nothing, where that is empty.
    DatasetStatus(String),
    /// What went wrong with a data set.
    DatasetFailed(String),
    /// Why a data set was not added.
    NotAdded(String),
    /// The files that keep a data set from being added.
    Broken(BrokenFiles),
    /// A check of a data set is done.
    Checked(Arc<Checked>),
    /// What is known of a data set, or why it cannot be read.
    DatasetInfo {
        name: String,
        info: Result<DatasetInfo, String>,
    },
    /// What is known of the weights that `model.pretrained` names.
    Weights {
        pretrained: String,
        card: Card,
    },
    Predictions {
        run: String,
        kept: Box<KeptPredictions>,
    },
    /// What a run's predictions say.
    Certainty {
        run: String,
        kept: KeptCertainty,
    },
    /// What came of an image of the user's own.
    Predicted {
        run: String,
        path: String,
        is_inverted: bool,
        outcome: Outcome,
    },
    /// Whether something is being downloaded, added, checked or decoded, which can be cancelled.
    Fetching(bool),
    /// How far a run is that is made ready; said until it is.
    Preparing(String),
    /// Said in the footer for a while.
    Say(String),
    /// Said until it is dismissed.
    Problem {
        problem: String,
        remedy: String,
    },
}

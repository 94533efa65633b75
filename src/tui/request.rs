//! What is asked for beyond the app's own state: of workers, files and the terminal.

use super::theme::Palette;
use crate::event::Command;
use crate::profile::{Model, Profile};
use crate::run::id;
use crate::run::sweep::Control;
use crate::run::verdict::Side;
use crate::search::Sweep;

/// A run to be started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Start {
    /// A new one of this profile.
    New(Box<Profile>),
    /// This run, from its last checkpoint.
    Resumed(String),
}

impl Start {
    /// What the run is called.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::New(profile) => &profile.name,
            Self::Resumed(run) => id::name(run),
        }
    }
}

/// What is done to a run that waits in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueChange {
    /// Hold it, or release it.
    Hold(bool),
    /// To this place among those that wait, from 0.
    To(usize),
}

/// What is done to a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SweepChange {
    Control(Control),
    /// So many trials in all, and on with it.
    Allow(usize),
    /// The trial with this number.
    StopTrial(usize),
}

/// What the app asks for; answered, if at all, by a message. All are carried out at one place, `event_loop::Outside`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// Start a run and watch it.
    Start(Start),
    /// Put a run into the queue.
    Queue(Start),
    /// Put a recipe into the queue, with so many seeds.
    QueueSeeds {
        profile: Box<Profile>,
        seeds: usize,
    },
    /// Hold, release or move a run that waits in the queue.
    ChangeQueue {
        run: String,
        change: QueueChange,
    },
    /// Fork a run at `RUN@EPOCH` with these settings, `key=value`.
    Fork {
        point: String,
        changes: Vec<String>,
        queued: bool,
    },
    /// Watch this run, shown on Train, Metrics and Confusion.
    Open(String),
    /// Ask this run's worker. What is asked one after the other is done in that order.
    Send {
        run: String,
        command: Command,
    },
    /// Read this run's whole log, to play it on the Train tab.
    Replay {
        run: String,
        speed: f64,
    },
    /// Delete this run; already confirmed.
    Delete(String),
    /// Read a data set for the Data tab.
    LoadDataset(String),
    /// Read the data set of the shown run.
    LoadRunDataset(String),
    /// Download a data set, with progress on the Data tab, then read it.
    FetchDataset(String),
    /// Look again which data sets are here, and what runs leave out of the shown one.
    FindDatasets {
        shown: Option<String>,
    },
    /// Add the data set at this path, with progress on the Data tab, then read it.
    AddDataset {
        path: String,
        skips_broken: bool,
    },
    /// Remove a data set that was added; already confirmed.
    RemoveDataset(String),
    /// Check a data set for the Data tab, with progress there.
    CheckDataset(String),
    /// Work out the mean image of each class of a data set, with progress on the Data tab.
    AverageClasses(String),
    /// Give up whatever is being downloaded, added, checked or decoded.
    CancelFetch,
    /// Find out about the weights that this model begins with.
    DescribeWeights(Box<Model>),
    /// Find out about the shape of this data set.
    DescribeDataset(String),
    /// Read what was predicted in this run.
    LoadPredictions(String),
    /// Work out what this run's predictions say of how sure it is.
    AssessPredictions(String),
    /// Predict an image of the user's own with this run's network.
    Predict {
        run: String,
        path: String,
        is_inverted: bool,
    },
    /// Work out what may be concluded from these.
    Compare(Vec<Side>),
    /// Begin a sweep, and show it.
    StartSweep(Box<Sweep>),
    /// Pause, stop or extend a sweep, or stop one of its trials.
    ChangeSweep {
        sweep: String,
        change: SweepChange,
    },
    /// Whether the sweeps are looked at.
    WatchSweeps(bool),
    /// Whether the list of runs is looked at.
    WatchRuns(bool),
    /// Read the user's own profiles again.
    ReadOwn,
    /// Write this theme into the user's settings.
    KeepTheme(Palette),
    /// Open this recipe in the user's editor.
    EditText(Box<Profile>),
    Suspend,
    Redraw,
    Leave,
}

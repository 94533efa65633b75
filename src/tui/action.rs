//! What a key or click means. The keymap turns input into actions; tabs know only actions.

use super::tab_id::TabId;

/// One thing the user asks for. The same key gives the same action on every tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    GoToTab(TabId),
    NextTab,
    PreviousTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Enter.
    Open,
    /// Esc.
    Back,
    /// `/`: type a filter.
    Filter,
    /// `s`: next sort order.
    Sort,
    /// Space.
    PauseOrResume,
    /// `t`.
    Train,
    /// `Q`: queue a recipe, with one seed or several.
    Queue,
    /// `x`.
    Stop,
    LearningRateUp,
    LearningRateDown,
    /// `c`.
    Checkpoint,
    /// `n`: cycle number format (counts, row share, column share); split (training, validation, test).
    CycleNumbers,
    /// `m`: compare or mark.
    Mark,
    /// `<` and `>`: earlier or later epoch, slower or faster replay.
    Earlier,
    Later,
    /// `v`: next view of the tab (grid / balance / means; layers / TOML; curves / table; table / calibration / curves).
    CycleView,
    /// `e`: edit the field under the cursor.
    Edit,
    /// `*`: search the field under the cursor in a sweep.
    Vary,
    /// `S`: start a sweep over the marked fields.
    Sweep,
    /// `E`: edit the whole recipe in the user's editor.
    EditText,
    /// `C`: check the data set.
    CheckDataset,
    /// `a`: add a data set.
    Add,
    /// `d`: delete, asks first. On the Data tab: download or remove.
    Delete,
    /// `i`: predict an image of one's own.
    Predict,
    /// `r`: replay.
    Replay,
    /// `u`: resume a stopped or lost run.
    ResumeRun,
    /// `f`: fork a run after an epoch.
    Fork,
    /// `T`: the next theme.
    NextTheme,
    /// `?`.
    Help,
    /// `:`.
    Palette,
    /// `q`.
    Leave,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    Redraw,
}

impl Action {
    /// Moves something on the screen, or dismisses it: where there is nothing to be moved, nothing need be said.
    #[must_use]
    pub(crate) fn is_move(self) -> bool {
        matches!(
            self,
            Self::Up
                | Self::Down
                | Self::Left
                | Self::Right
                | Self::PageUp
                | Self::PageDown
                | Self::Home
                | Self::End
                | Self::Open
                | Self::Back
        )
    }

    /// Asks something of a run that is under way.
    #[must_use]
    pub(crate) fn commands_a_run(self) -> bool {
        matches!(
            self,
            Self::PauseOrResume
                | Self::Stop
                | Self::LearningRateUp
                | Self::LearningRateDown
                | Self::Checkpoint
        )
    }
}

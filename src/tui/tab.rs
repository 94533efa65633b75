//! What every tab is: it takes actions, clicks and typed text, asks for effects, and draws itself.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::action::Action;
use super::context::Context;
use super::request::Request;
use super::run_view::Playback;
use super::tab_id::TabId;

/// What the app does for a tab: everything that is not the tab's own state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    None,
    /// The tab has nothing that this action could do.
    Ignored,
    GoToTab(TabId),
    /// Train the recipe that is open on the Model tab on this data set.
    TrainOn(String),
    /// Go to this class on the Confusion tab.
    OpenClass(usize),
    /// Ask whether to stop this run, and stop it then.
    AskToStop {
        run: String,
        name: String,
    },
    /// Ask for the settings of a fork of this run after this epoch, the last one where none is named.
    AskToFork {
        run: String,
        epoch: Option<usize>,
    },
    /// Do this to the replay on the Train tab.
    PlayBack(Playback),
    /// Say this in the footer for a few seconds.
    Say(String),
    /// Beyond the app. A start beside other runs is asked about first.
    Request(Request),
}

impl From<Request> for Effect {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

/// A mouse event inside the tab's area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mouse {
    Click(Position),
    ScrollUp(Position),
    ScrollDown(Position),
}

/// A key and what it does here, for the footer and the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub keys: &'static str,
    pub does: &'static str,
}

/// One tab. All methods are quick; nothing here reads files or waits.
pub(crate) trait Tab {
    /// Reacts to an action; the app has already handled tab changes, help, palette, leave, suspend and redraw.
    fn on_action(&mut self, action: Action, cx: &Context) -> Effect;

    fn on_mouse(&mut self, _mouse: Mouse, _cx: &Context) -> Effect {
        Effect::None
    }

    /// True while the tab takes typed text (a filter, a field): then keys come as text, not as actions.
    fn takes_text(&self) -> bool {
        false
    }

    /// A key while [`takes_text`](Self::takes_text).
    fn on_text(&mut self, _key: ratatui::crossterm::event::KeyEvent) -> Effect {
        Effect::None
    }

    /// Up to five hints for the footer, most useful first.
    fn hints(&self, cx: &Context) -> Vec<Hint>;

    /// Another run is on the screen than before.
    fn on_other_run(&mut self) {}

    /// Draws the tab into `area`, which can have any size. Takes `&mut self` to remember where things lie for the
    /// mouse.
    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context);
}

//! The Train tab: a run as it goes, or as it was recorded.

mod control;
mod curves;
mod epochs;
mod figures;
#[cfg(test)]
mod tests;
mod view;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::event::{Command, Phase};
use crate::profile::Profile;
use crate::tui::REPLAY_SPEED;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::request::Request;
use crate::tui::run_view::{Link, Playback};
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;

/// What the lower part of the tab is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Curves,
    Epochs,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TrainTab {
    first: Option<Profile>,
    view: View,
    scroll: usize,
    replay_bar: Rect,
}

impl TrainTab {
    /// `first` is trained by the Train key while there is no run.
    #[must_use]
    pub(crate) fn new(first: Option<Profile>) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// Back to the newest lines.
    pub(crate) fn scroll_to_top(&mut self) {
        self.scroll = 0;
    }
}

/// Asks for a fork of the shown run after the newest epoch on the screen.
fn fork(cx: &Context) -> Effect {
    match cx.run.history() {
        Some((run, history)) => Effect::AskToFork {
            run: run.to_owned(),
            epoch: history.epochs.last().map(|epoch| epoch.epoch),
        },
        None => Effect::Say("There is no run to fork yet".into()),
    }
}

impl Tab for TrainTab {
    fn on_action(&mut self, action: Action, cx: &Context) -> Effect {
        if action == Action::Fork {
            return fork(cx);
        }
        if cx.run.replay().is_some()
            && let Some(effect) = control::on_replay(action)
        {
            return effect;
        }
        match action {
            Action::PauseOrResume => control::pause_or_resume(cx),
            Action::Stop => control::stop(cx),
            Action::LearningRateUp => control::ask(cx, Command::StepLearningRate { up: true }),
            Action::LearningRateDown => control::ask(cx, Command::StepLearningRate { up: false }),
            Action::Checkpoint => control::ask(cx, Command::SaveCheckpoint),
            Action::Train => self.train(cx),
            Action::Replay => match cx.run.history() {
                Some((run, _)) => Request::Replay {
                    run: run.to_string(),
                    speed: REPLAY_SPEED,
                }
                .into(),
                None => Effect::Say("There is no run to replay".into()),
            },
            Action::ResumeRun => control::resume_run(cx),
            Action::CycleView => {
                self.view = match self.view {
                    View::Curves => View::Epochs,
                    View::Epochs => View::Curves,
                };
                self.scroll = 0;
                Effect::None
            }
            Action::Up => self.scroll_by(-1, cx),
            Action::Down => self.scroll_by(1, cx),
            Action::PageUp => self.scroll_by(-10, cx),
            Action::PageDown => self.scroll_by(10, cx),
            Action::Home | Action::Back => {
                self.scroll = 0;
                Effect::None
            }
            _ => Effect::Ignored,
        }
    }

    fn on_mouse(&mut self, mouse: Mouse, cx: &Context) -> Effect {
        match mouse {
            Mouse::ScrollUp(_) => self.scroll_by(-1, cx),
            Mouse::ScrollDown(_) => self.scroll_by(1, cx),
            Mouse::Click(at) => {
                let bar = self.replay_bar;
                let Some(replay) = cx.run.replay().filter(|_| bar.contains(at)) else {
                    return Effect::None;
                };
                let share = f64::from(at.x - bar.x) / f64::from(bar.width.max(2) - 1);
                Effect::PlayBack(Playback::Seek(share * replay.length()))
            }
        }
    }

    fn hints(&self, cx: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        if let Some(replay) = cx.run.replay() {
            return vec![
                hint("Space", if replay.playing { "pause" } else { "play" }),
                hint("h l", "scrub"),
                hint("< >", "speed"),
                hint("Esc", "end the replay"),
            ];
        }
        let Some(shown) = cx.run.shown() else {
            return vec![
                hint("t", "train"),
                hint(TabId::Model.key(), "choose a model"),
                hint(TabId::Runs.key(), "runs"),
            ];
        };
        let other_view = match self.view {
            View::Curves => hint("v", "epochs"),
            View::Epochs => hint("v", "curves"),
        };
        if shown.link == Link::Live {
            let paused = shown.history.phase == Phase::Paused;
            return vec![
                hint("Space", if paused { "continue" } else { "pause" }),
                hint("x", "stop"),
                hint("+ −", "learning rate"),
                hint("c", "checkpoint"),
                other_view,
            ];
        }
        let mut hints = vec![hint("r", "replay"), other_view, hint("t", "train another")];
        if cx.run.is_lost() || matches!(shown.history.phase, Phase::Stopped | Phase::Failed) {
            hints.insert(0, hint("u", "resume"));
        }
        hints
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        view::render(self, frame, area, cx);
    }
}

//! What keys do on the Train tab: ask the worker, play the replay, start and resume runs.

use super::{Awaited, Link, TrainTab, View};
use crate::event::{Command, Phase};
use crate::tui::action::Action;
use crate::tui::request::{Request, Start};
use crate::tui::tab::Effect;
use crate::tui::tab_id::TabId;

impl TrainTab {
    /// Asks the worker, or says why it cannot be asked.
    pub(super) fn ask(&mut self, command: Command) -> Effect {
        match self.reachable() {
            Ok((run, _)) => Request::Send { run, command }.into(),
            Err(why) => Effect::Say(why),
        }
    }

    /// Id and name of the shown run, where its worker can be asked something; else why it cannot.
    fn reachable(&self) -> Result<(String, String), String> {
        let (Some(shown), Some(name)) = (&self.shown, self.shown_name()) else {
            return Err("There is no run. Press t to train one".into());
        };
        match shown.link {
            Link::Live => Ok((shown.run.clone(), name.into())),
            // A worker that just comes up, or one on another machine.
            Link::ReadOnly => Err(format!(
                "{name} is only followed: its worker cannot be reached from here"
            )),
            Link::Ended if self.is_lost() => Err(format!(
                "The worker of {name} is gone. Press u on the Train tab to resume it"
            )),
            Link::Ended => Err(format!(
                "{name} is {}: its worker is gone",
                self.state_word()
            )),
        }
    }

    pub(super) fn stop(&self) -> Effect {
        match self.reachable() {
            Ok((run, name)) => Effect::AskToStop { run, name },
            Err(why) => Effect::Say(why),
        }
    }

    /// The other way of what was asked last, whether or not the worker has got so far.
    pub(super) fn pause_or_resume(&mut self) -> Effect {
        let phase = self.shown.as_ref().map(|s| s.history.phase);
        let is_paused = match self.awaited {
            Some(Awaited::Pause) => true,
            Some(Awaited::Resume) => false,
            _ => phase == Some(Phase::Paused),
        };
        self.ask(if is_paused {
            Command::Continue
        } else {
            Command::Pause
        })
    }

    pub(super) fn train(&self) -> Effect {
        match (&self.first, self.history()) {
            (Some(profile), None) => Request::Start(Start::New(Box::new(profile.clone()))).into(),
            _ => Effect::GoToTab(TabId::Model),
        }
    }

    pub(super) fn resume_run(&self) -> Effect {
        let Some(shown) = &self.shown else {
            return Effect::Say("There is no run. Press t to train one".into());
        };
        if self.is_lost() || matches!(shown.history.phase, Phase::Stopped | Phase::Failed) {
            Request::Start(Start::Resumed(shown.run.clone())).into()
        } else {
            Effect::Say(format!(
                "This run is {}: there is nothing to resume",
                self.state_word()
            ))
        }
    }

    pub(super) fn on_replay_action(&mut self, action: Action) -> Option<Effect> {
        let replay = self.replay.as_mut()?;
        match action {
            Action::PauseOrResume => replay.toggle(),
            Action::Left => replay.scrub(-0.02),
            Action::Right => replay.scrub(0.02),
            Action::PageUp => replay.scrub(-0.1),
            Action::PageDown => replay.scrub(0.1),
            Action::Home => replay.seek(0.0),
            Action::End => replay.seek(f64::MAX),
            Action::Earlier => replay.slower(),
            Action::Later => replay.faster(),
            Action::Back => self.replay = None,
            Action::Stop
            | Action::Checkpoint
            | Action::LearningRateUp
            | Action::LearningRateDown => {
                return Some(Effect::Say(
                    "This is a replay: nothing can be changed in it".into(),
                ));
            }
            _ => return None,
        }
        Some(Effect::None)
    }

    pub(super) fn scroll_by(&mut self, lines: isize) -> Effect {
        let most = self.history().map_or(0, |(_, h)| match self.view {
            View::Curves => h.messages.len(),
            View::Epochs => h.epochs.len(),
        });
        self.scroll = self
            .scroll
            .saturating_add_signed(lines)
            .min(most.saturating_sub(1));
        Effect::None
    }
}

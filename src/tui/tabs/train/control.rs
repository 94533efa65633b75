//! What keys do on the Train tab: ask the worker, play the replay, start and resume runs.

use super::{Awaited, Link, TrainTab, View};
use crate::event::{Command, Phase};
use crate::tui::action::Action;
use crate::tui::tab::Effect;

impl TrainTab {
    /// Asks the worker, or says why it cannot be asked.
    pub(super) fn ask(&mut self, awaited: Awaited, command: Command) -> Effect {
        let Some(shown) = &self.shown else {
            return Effect::Say("There is no run. Press t to train one".into());
        };
        match shown.link {
            Link::Live => {
                self.awaited = Some(awaited);
                Effect::Command(command)
            }
            // A worker that just comes up, or one on another machine.
            Link::ReadOnly => Effect::Say(
                "This run is only followed: its worker cannot be reached from here".into(),
            ),
            Link::Ended if self.is_lost() => {
                Effect::Say("The worker of this run is gone. Press u to resume it".into())
            }
            Link::Ended => Effect::Say(format!("This run is {}", self.state_word())),
        }
    }

    pub(super) fn pause_or_resume(&mut self) -> Effect {
        let phase = self
            .shown
            .as_ref()
            .map_or(Phase::Waiting, |s| s.history.phase);
        if phase == Phase::Paused {
            self.ask(Awaited::Resume, Command::Resume)
        } else {
            self.ask(Awaited::Pause, Command::Pause)
        }
    }

    pub(super) fn change_rate(&mut self, up: bool) -> Effect {
        let Some(shown) = &self.shown else {
            return Effect::Say("There is no run. Press t to train one".into());
        };
        let told = shown.history.steps.last().map(|s| s.learning_rate);
        let planned = shown.history.started.as_ref().map(|s| s.learning_rate);
        let now = match self.awaited {
            Some(Awaited::LearningRate(value)) => Some(value),
            _ => told.or(planned),
        };
        match now.and_then(|rate| neighbour_rate(rate, up)) {
            Some(value) => self.ask(
                Awaited::LearningRate(value),
                Command::SetLearningRate { value },
            ),
            None => Effect::Say("The learning rate is not known yet".into()),
        }
    }

    pub(super) fn train(&self) -> Effect {
        match (&self.first, self.history()) {
            (Some(profile), None) => Effect::Train(Box::new(profile.clone())),
            _ => Effect::GoToTab(1),
        }
    }

    pub(super) fn resume_run(&self) -> Effect {
        let Some(shown) = &self.shown else {
            return Effect::None;
        };
        if self.is_lost() || matches!(shown.history.phase, Phase::Stopped | Phase::Failed) {
            Effect::ResumeRun(shown.run.clone())
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

/// The next of 1, 2, 5 × 10ⁿ above or below.
pub(super) fn neighbour_rate(rate: f64, up: bool) -> Option<f64> {
    if !(rate.is_finite() && rate > 0.0) {
        return None;
    }
    let power = rate.log10().floor();
    let mut rates: Vec<f64> = [-1.0, 0.0, 1.0]
        .iter()
        .flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powf(power + d)))
        .collect();
    if !up {
        rates.reverse();
    }
    let beyond = |r: &f64| {
        if up {
            *r > rate * 1.01
        } else {
            *r < rate * 0.99
        }
    };
    rates
        .into_iter()
        .find(beyond)
        .filter(|r| (1e-9..=100.0).contains(r))
}

//! What keys do on the Train tab: ask the worker, play the replay, start and resume runs.

use super::{TrainTab, View};
use crate::event::{Command, Phase};
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::request::{Request, Start};
use crate::tui::run_view::{Link, Playback};
use crate::tui::tab::Effect;
use crate::tui::tab_id::TabId;

/// Asks the worker, or says why it cannot be asked.
pub(super) fn ask(cx: &Context, command: Command) -> Effect {
    match reachable(cx) {
        Ok((run, _)) => Request::Send { run, command }.into(),
        Err(why) => Effect::Say(why),
    }
}

/// Id and name of the shown run, where its worker can be asked something; else why it cannot.
fn reachable(cx: &Context) -> Result<(String, String), String> {
    let (Some(shown), Some(name)) = (cx.run.shown(), cx.run.shown_name()) else {
        return Err("There is no run. Press t to train one".into());
    };
    match shown.link {
        Link::Live => Ok((shown.run.clone(), name.into())),
        // A worker that just comes up, or one on another machine.
        Link::ReadOnly => Err(format!(
            "{name} is read-only here: its worker is on another machine"
        )),
        Link::Ended if cx.run.is_lost() => Err(format!(
            "The worker of {name} exited. Press u on the Train tab to resume it"
        )),
        Link::Ended => Err(format!(
            "{name} is {}: there is nothing to control",
            cx.run.state_word()
        )),
    }
}

pub(super) fn stop(cx: &Context) -> Effect {
    match reachable(cx) {
        Ok((run, name)) => Effect::AskToStop { run, name },
        Err(why) => Effect::Say(why),
    }
}

/// The other way of what was asked last, whether or not the worker has got so far.
pub(super) fn pause_or_resume(cx: &Context) -> Effect {
    let command = if cx.run.will_be_paused() {
        Command::Continue
    } else {
        Command::Pause
    };
    ask(cx, command)
}

pub(super) fn resume_run(cx: &Context) -> Effect {
    let Some(shown) = cx.run.shown() else {
        return Effect::Say("There is no run. Press t to train one".into());
    };
    if cx.run.is_lost() || matches!(shown.history.phase, Phase::Stopped | Phase::Failed) {
        Request::Start(Start::Resumed(shown.run.clone())).into()
    } else {
        Effect::Say(format!(
            "This run is {}: there is nothing to resume",
            cx.run.state_word()
        ))
    }
}

/// What a key means while a run is replayed, where it means something else than otherwise.
pub(super) fn on_replay(action: Action) -> Option<Effect> {
    Some(Effect::PlayBack(match action {
        Action::PauseOrResume => Playback::Toggle,
        Action::Left => Playback::Scrub(-0.02),
        Action::Right => Playback::Scrub(0.02),
        Action::PageUp => Playback::Scrub(-0.1),
        Action::PageDown => Playback::Scrub(0.1),
        Action::Home => Playback::Seek(0.0),
        Action::End => Playback::Seek(f64::MAX),
        Action::Earlier => Playback::Slower,
        Action::Later => Playback::Faster,
        Action::Back => Playback::End,
        other if other.commands_a_run() => {
            return Some(Effect::Say(
                "This is a replay: nothing can be changed in it".into(),
            ));
        }
        _ => return None,
    }))
}

impl TrainTab {
    pub(super) fn train(&self, cx: &Context) -> Effect {
        match (&self.first, cx.history()) {
            (Some(profile), None) => Request::Start(Start::New(Box::new(profile.clone()))).into(),
            _ => Effect::GoToTab(TabId::Model),
        }
    }

    pub(super) fn scroll_by(&mut self, lines: isize, cx: &Context) -> Effect {
        let most = cx.history().map_or(0, |h| match self.view {
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

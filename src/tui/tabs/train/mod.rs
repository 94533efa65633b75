//! The Train tab: a run as it goes, or as it was recorded. Shows only what events have confirmed.
//!
//! Owns the shown run's history; the app lends it to Metrics and Confusion. Never speaks with a worker itself.

mod curves;
mod epochs;
mod figures;
mod replay;
#[cfg(test)]
mod tests;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

pub use curves::{epoch_points, epoch_range};
pub use replay::Replay;

use crate::event::{Command, Event, Load, Phase, RunHistory, Severity, Stamped};
use crate::profile::Profile;
use crate::tui::action::Action;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::theme::Theme;
use crate::tui::widgets::popup::{self, Answer};

/// How many measurements of load are kept for the sparklines.
const LOADS: usize = 240;
/// How long a new epoch's figures stay bright.
const BRIGHT: Duration = Duration::from_secs(1);

/// How the screen hangs together with the shown run's worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Its worker listens.
    Live,
    /// The log is followed without a worker to speak with.
    ReadOnly,
    /// Nobody writes the log any more.
    Ended,
}

/// What was asked of the worker and is not yet confirmed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Awaited {
    Pause,
    Resume,
    Stop,
    Checkpoint,
    LearningRate(f64),
}

impl Awaited {
    fn name(self) -> &'static str {
        match self {
            Self::Pause => "pausing…",
            Self::Resume => "resuming…",
            Self::Stop => "stopping…",
            Self::Checkpoint => "saving…",
            Self::LearningRate(_) => "changing the learning rate…",
        }
    }

    fn confirmed_by(self, event: &Event) -> bool {
        matches!(event, Event::Finished { .. } | Event::Failed { .. })
            || match self {
                Self::Pause => matches!(event, Event::Paused { .. }),
                Self::Resume => matches!(event, Event::Resumed { .. }),
                Self::Stop => false,
                Self::Checkpoint => matches!(event, Event::CheckpointSaved { .. }),
                Self::LearningRate(_) => matches!(event, Event::Changed { .. }),
            }
    }
}

/// What the lower part of the tab is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Curves,
    Epochs,
}

/// A run that is shown as it is now.
#[derive(Debug)]
struct Shown {
    run: String,
    history: Arc<RunHistory>,
    link: Link,
    loads: VecDeque<Load>,
}

/// See the module.
#[derive(Debug)]
pub struct TrainTab {
    first: Option<Profile>,
    shown: Option<Shown>,
    replay: Option<Replay>,
    awaited: Option<Awaited>,
    asks_to_stop: bool,
    view: View,
    scroll: usize,
    bright_until: Option<Instant>,
    last_tick: Option<Instant>,
    replay_bar: Rect,
}

impl TrainTab {
    /// `first` is trained by the Train key while there is no run.
    #[must_use]
    pub fn new(first: Option<Profile>) -> Self {
        Self {
            first,
            shown: None,
            replay: None,
            awaited: None,
            asks_to_stop: false,
            view: View::default(),
            scroll: 0,
            bright_until: None,
            last_tick: None,
            replay_bar: Rect::ZERO,
        }
    }

    /// Shows a run with everything its log holds so far.
    pub fn open(&mut self, run: String, link: Link, events: &[Stamped]) {
        let mut history = RunHistory::default();
        let mut loads = VecDeque::new();
        for event in events {
            history.apply(event);
            note_load(&mut loads, event);
        }
        self.shown = Some(Shown {
            run,
            history: Arc::new(history),
            link,
            loads,
        });
        self.replay = None;
        self.awaited = None;
        self.asks_to_stop = false;
        self.bright_until = None;
        self.scroll = 0;
    }

    /// Adds an event of the run `run`; events of other runs are ignored.
    pub fn on_event(&mut self, run: &str, event: &Stamped) {
        let Some(shown) = self.shown.as_mut().filter(|s| s.run == run) else {
            return;
        };
        Arc::make_mut(&mut shown.history).apply(event);
        note_load(&mut shown.loads, event);
        if self.awaited.is_some_and(|a| a.confirmed_by(&event.event)) {
            self.awaited = None;
        }
        match event.event {
            Event::EpochEnd(_) => self.bright_until = Some(Instant::now() + BRIGHT),
            Event::Finished { .. } | Event::Failed { .. } => {
                shown.link = Link::Ended;
                self.asks_to_stop = false;
            }
            _ => {}
        }
    }

    /// The worker of `run` came or went.
    pub fn on_link(&mut self, run: &str, link: Link) {
        if let Some(shown) = self.shown.as_mut().filter(|s| s.run == run) {
            shown.link = link;
            if link != Link::Live {
                self.awaited = None;
                self.asks_to_stop = false;
            }
        }
    }

    /// Forgets a run that was deleted.
    pub fn forget(&mut self, run: &str) {
        if self.shown.as_ref().is_some_and(|s| s.run == run) {
            self.shown = None;
        }
        if self.replay.as_ref().is_some_and(|r| r.run == run) {
            self.replay = None;
        }
    }

    /// Plays a recorded log.
    pub fn play(&mut self, run: String, events: Vec<Stamped>, speed: f64) {
        self.replay = Some(Replay::new(run, events, speed));
        self.asks_to_stop = false;
        self.scroll = 0;
        self.last_tick = None;
    }

    /// Lets time pass; true when the screen should be drawn again.
    pub fn tick(&mut self, now: Instant) -> bool {
        let passed = self.last_tick.map_or(0.0, |t| (now - t).as_secs_f64());
        self.last_tick = Some(now);
        let mut changed = self.replay.as_mut().is_some_and(|r| r.advance(passed));
        if self.bright_until.is_some_and(|t| now >= t) {
            self.bright_until = None;
            changed = true;
        }
        changed
    }

    /// True while a replay moves by itself.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.replay.as_ref().is_some_and(|r| r.playing)
    }

    /// The run on the screen and its history: the replay's, where one is played.
    #[must_use]
    pub fn history(&self) -> Option<(&str, &Arc<RunHistory>)> {
        match (&self.replay, &self.shown) {
            (Some(r), _) => Some((&r.run, &r.history)),
            (None, Some(s)) => Some((&s.run, &s.history)),
            (None, None) => None,
        }
    }

    /// The run that goes on when the screen is left.
    #[must_use]
    pub fn live_run(&self) -> Option<&str> {
        let shown = self.shown.as_ref()?;
        let alive = matches!(
            shown.history.phase,
            Phase::Waiting | Phase::Running | Phase::Paused
        );
        (alive && shown.link != Link::Ended).then_some(shown.run.as_str())
    }

    /// `modern-lenet · running`, for the header.
    #[must_use]
    pub fn state(&self) -> String {
        let Some((run, history)) = self.history() else {
            return "no run".into();
        };
        let name = history.started.as_ref().map_or(run, |s| s.name.as_str());
        if let Some(replay) = &self.replay {
            return format!("{name} · replay {}×", replay.speed);
        }
        format!("{name} · {}", self.state_word())
    }

    fn is_lost(&self) -> bool {
        self.shown.as_ref().is_some_and(|s| {
            s.link == Link::Ended
                && matches!(
                    s.history.phase,
                    Phase::Waiting | Phase::Running | Phase::Paused
                )
        })
    }

    fn state_word(&self) -> &'static str {
        if let Some(awaited) = self.awaited {
            return awaited.name();
        }
        if self.is_lost() {
            return "lost";
        }
        match self.history().map_or(Phase::Waiting, |(_, h)| h.phase) {
            Phase::Waiting => "starting",
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Finished => "finished",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }

    /// How good the news of [`state`](Self::state) are.
    #[must_use]
    pub fn state_severity(&self) -> Severity {
        if self.replay.is_some() || self.is_lost() {
            return Severity::Warning;
        }
        match self.history().map(|(_, h)| h.phase) {
            Some(Phase::Paused) => Severity::Warning,
            Some(Phase::Finished) => Severity::Good,
            Some(Phase::Failed) => Severity::Error,
            _ => Severity::Info,
        }
    }

    /// Asks the worker, or says why it cannot be asked.
    fn ask(&mut self, awaited: Awaited, command: Command) -> Effect {
        let Some(shown) = &self.shown else {
            return Effect::Say("There is no run. Press t to train one".into());
        };
        match shown.link {
            Link::Live => {
                self.awaited = Some(awaited);
                Effect::Command(command)
            }
            Link::ReadOnly => Effect::Say(
                "This run is followed read-only: its worker is not on this machine".into(),
            ),
            Link::Ended if self.is_lost() => {
                Effect::Say("The worker of this run is gone. Press u to resume it".into())
            }
            Link::Ended => Effect::Say(format!("This run is {}", self.state_word())),
        }
    }

    fn pause_or_resume(&mut self) -> Effect {
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

    fn change_rate(&mut self, up: bool) -> Effect {
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

    fn train(&self) -> Effect {
        match (&self.first, self.history()) {
            (Some(profile), None) => Effect::Train(Box::new(profile.clone())),
            _ => Effect::GoToTab(1),
        }
    }

    fn resume_run(&self) -> Effect {
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

    fn on_replay_action(&mut self, action: Action) -> Option<Effect> {
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
}

fn note_load(loads: &mut VecDeque<Load>, event: &Stamped) {
    if let Event::Load(load) = event.event {
        if loads.len() == LOADS {
            loads.pop_front();
        }
        loads.push_back(load);
    }
}

/// The next of 1, 2, 5 × 10ⁿ above or below.
fn neighbour_rate(rate: f64, up: bool) -> Option<f64> {
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

impl Tab for TrainTab {
    fn on_action(&mut self, action: Action) -> Effect {
        if let Some(effect) = self.on_replay_action(action) {
            return effect;
        }
        match action {
            Action::PauseOrResume => self.pause_or_resume(),
            Action::Stop => {
                self.asks_to_stop = self.shown.as_ref().is_some_and(|s| s.link == Link::Live);
                if self.asks_to_stop {
                    Effect::None
                } else {
                    self.ask(Awaited::Stop, Command::Stop)
                }
            }
            Action::LearningRateUp => self.change_rate(true),
            Action::LearningRateDown => self.change_rate(false),
            Action::Checkpoint => self.ask(Awaited::Checkpoint, Command::SaveCheckpoint),
            Action::Train => self.train(),
            Action::Replay => match self.history() {
                Some((run, _)) => Effect::Replay(run.to_string()),
                None => Effect::Say("There is no run to replay".into()),
            },
            Action::ResumeRun => self.resume_run(),
            Action::CycleView => {
                self.view = match self.view {
                    View::Curves => View::Epochs,
                    View::Epochs => View::Curves,
                };
                self.scroll = 0;
                Effect::None
            }
            Action::Up => self.scroll_by(-1),
            Action::Down => self.scroll_by(1),
            Action::PageUp => self.scroll_by(-10),
            Action::PageDown => self.scroll_by(10),
            Action::Home | Action::Back => {
                self.scroll = 0;
                Effect::None
            }
            _ => Effect::None,
        }
    }

    fn on_mouse(&mut self, mouse: Mouse) -> Effect {
        match mouse {
            Mouse::ScrollUp(_) => self.scroll_by(-1),
            Mouse::ScrollDown(_) => self.scroll_by(1),
            Mouse::Click(at) => {
                let bar = self.replay_bar;
                if let Some(replay) = self.replay.as_mut().filter(|_| bar.contains(at)) {
                    let share = f64::from(at.x - bar.x) / f64::from(bar.width.max(2) - 1);
                    replay.seek(share * replay.length());
                }
                Effect::None
            }
        }
    }

    fn takes_text(&self) -> bool {
        self.asks_to_stop
    }

    fn on_text(&mut self, key: KeyEvent) -> Effect {
        match popup::answer(key) {
            Some(Answer::Yes) => {
                self.asks_to_stop = false;
                self.ask(Awaited::Stop, Command::Stop)
            }
            Some(Answer::No) => {
                self.asks_to_stop = false;
                Effect::None
            }
            None => Effect::None,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        if let Some(replay) = &self.replay {
            return vec![
                hint("Space", if replay.playing { "pause" } else { "play" }),
                hint("h l", "scrub"),
                hint("< >", "speed"),
                hint("Esc", "end the replay"),
            ];
        }
        let Some(shown) = &self.shown else {
            return vec![
                hint("t", "train"),
                hint("2", "choose a model"),
                hint("6", "runs"),
            ];
        };
        if shown.link == Link::Live {
            let paused = shown.history.phase == Phase::Paused;
            return vec![
                hint("Space", if paused { "go on" } else { "pause" }),
                hint("x", "stop"),
                hint("+ −", "learning rate"),
                hint("c", "checkpoint"),
                hint(
                    "v",
                    if self.view == View::Curves {
                        "epochs"
                    } else {
                        "curves"
                    },
                ),
            ];
        }
        let mut hints = vec![
            hint("r", "replay"),
            hint(
                "v",
                if self.view == View::Curves {
                    "epochs"
                } else {
                    "curves"
                },
            ),
            hint("t", "train another"),
        ];
        if self.is_lost() || matches!(shown.history.phase, Phase::Stopped | Phase::Failed) {
            hints.insert(0, hint("u", "resume"));
        }
        hints
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, theme: &Theme) {
        view::render(self, frame, area, theme);
        if self.asks_to_stop {
            popup::question(
                frame,
                area,
                "stop the run",
                "The worker saves a checkpoint, tests the best epoch and ends. A stopped run can be resumed.",
                "stop it",
                theme,
            );
        }
    }
}

impl TrainTab {
    fn scroll_by(&mut self, lines: isize) -> Effect {
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

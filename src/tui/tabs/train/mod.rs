//! The Train tab: a run as it goes, or as it was recorded. Shows only what events have confirmed.
//!
//! Owns the shown run's history; the app lends it to Metrics and Confusion. Never speaks with a worker itself.

mod control;
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
use ratatui::layout::Rect;

pub use curves::{epoch_points, epoch_range};
pub use replay::Replay;

use crate::event::{Command, Event, Load, Phase, RunHistory, Severity, Stamped, change};
use crate::profile::{Profile, Status};
use crate::run::id;
use crate::tui::REPLAY_SPEED;
use crate::tui::action::Action;
use crate::tui::request::Request;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::theme::Theme;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Pause,
    Resume,
    Stop,
    Checkpoint,
    LearningRate,
}

impl Awaited {
    fn name(self) -> &'static str {
        match self {
            Self::Pause => "pausing…",
            Self::Resume => "resuming…",
            Self::Stop => "stopping…",
            Self::Checkpoint => "saving…",
            Self::LearningRate => "changing the learning rate…",
        }
    }

    fn of(command: &Command) -> Self {
        match command {
            Command::Pause => Self::Pause,
            Command::Continue => Self::Resume,
            Command::SaveCheckpoint => Self::Checkpoint,
            Command::Stop => Self::Stop,
            Command::SetLearningRate { .. } | Command::StepLearningRate { .. } => {
                Self::LearningRate
            }
        }
    }

    fn confirmed_by(self, event: &Event) -> bool {
        matches!(event, Event::Finished { .. } | Event::Failed { .. })
            || match self {
                Self::Pause => matches!(event, Event::Paused { .. }),
                Self::Resume => matches!(event, Event::Continued { .. }),
                Self::Stop => false,
                Self::Checkpoint => {
                    matches!(event, Event::CheckpointSaved { kind, .. } if kind == "last")
                }
                // A warning says why it stays as it is.
                Self::LearningRate => {
                    matches!(event, Event::Changed { .. } | Event::Warning { .. })
                }
            }
    }
}

/// What was asked for and is done, in a line.
fn done(event: &Event) -> Option<String> {
    Some(match event {
        Event::Paused { step } => format!("paused after step {step}"),
        Event::Continued { step } => format!("goes on from step {step}"),
        Event::CheckpointSaved { step, .. } => format!("checkpoint saved at step {step}"),
        Event::Changed { what, from, to, .. } => change(what, *from, *to),
        Event::Warning { message } => message.clone(),
        _ => return None,
    })
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
#[derive(Debug, Default)]
pub struct TrainTab {
    first: Option<Profile>,
    shown: Option<Shown>,
    replay: Option<Replay>,
    awaited: Option<Awaited>,
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
            ..Self::default()
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
        self.bright_until = None;
        self.scroll = 0;
    }

    /// Adds an event of the run `run`; events of other runs are ignored. Gives what was asked for and is done by it.
    pub fn on_event(&mut self, run: &str, event: &Stamped) -> Option<String> {
        let shown = self.shown.as_mut().filter(|s| s.run == run)?;
        Arc::make_mut(&mut shown.history).apply(event);
        note_load(&mut shown.loads, event);
        match event.event {
            Event::EpochEnd(_) => self.bright_until = Some(Instant::now() + BRIGHT),
            Event::Finished { .. } | Event::Failed { .. } => shown.link = Link::Ended,
            _ => {}
        }
        if !self.awaited.is_some_and(|a| a.confirmed_by(&event.event)) {
            return None;
        }
        self.awaited = None;
        done(&event.event)
    }

    /// A command goes to the worker of `run`.
    pub fn asked(&mut self, run: &str, command: &Command) {
        if self.shown.as_ref().is_some_and(|s| s.run == run) {
            self.awaited = Some(Awaited::of(command));
        }
    }

    /// A command did not reach the worker of `run`.
    pub fn not_asked(&mut self, run: &str) {
        if self.shown.as_ref().is_some_and(|s| s.run == run) {
            self.awaited = None;
        }
    }

    /// The worker of `run` came or went.
    pub fn on_link(&mut self, run: &str, link: Link) {
        if let Some(shown) = self.shown.as_mut().filter(|s| s.run == run) {
            shown.link = link;
            if link != Link::Live {
                self.awaited = None;
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

    /// Whether the shown run takes no steps at the moment.
    pub fn is_paused(&self) -> bool {
        let shown = self.shown.as_ref();
        shown.is_some_and(|shown| shown.history.phase == Phase::Paused)
    }

    /// The run whose worker is asked by keys on the other tabs: the one that is shown, replays left out.
    #[must_use]
    pub fn shown_run(&self) -> Option<&str> {
        let shown = self.shown.as_ref().filter(|_| self.replay.is_none());
        shown.map(|s| s.run.as_str())
    }

    /// What the shown run is called; replays left out.
    fn shown_name(&self) -> Option<&str> {
        let shown = self.shown.as_ref()?;
        let started = shown.history.started.as_ref();
        Some(started.map_or_else(|| id::name(&shown.run), |s| s.name.as_str()))
    }

    /// `modern-lenet · running`, for the header.
    #[must_use]
    pub fn state(&self) -> String {
        let Some((run, history)) = self.history() else {
            return "no run".into();
        };
        let started = history.started.as_ref();
        let name = started.map_or_else(|| id::name(run), |s| s.name.as_str());
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
        let history = self.history();
        if history.is_some_and(|(_, h)| h.waiting.is_some()) {
            return Status::Waiting.name();
        }
        match history.map_or(Phase::Waiting, |(_, h)| h.phase) {
            Phase::Waiting => "starting",
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Finished => "finished",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }

    /// A run that finished, but whose figures want a word: there is a note, or it learned nothing.
    fn is_flawed(&self) -> bool {
        let result = self.history().and_then(|(_, h)| h.result.as_ref());
        result.is_some_and(|r| !r.note.is_empty() || r.verdict().is_some())
    }

    /// How good the news of [`state`](Self::state) are.
    #[must_use]
    pub fn state_severity(&self) -> Severity {
        if self.replay.is_some() || self.is_lost() {
            return Severity::Warning;
        }
        match self.history().map(|(_, h)| h.phase) {
            Some(Phase::Paused) => Severity::Warning,
            Some(Phase::Finished) if self.is_flawed() => Severity::Warning,
            Some(Phase::Finished) => Severity::Good,
            Some(Phase::Failed) => Severity::Error,
            _ => Severity::Info,
        }
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

impl Tab for TrainTab {
    fn on_action(&mut self, action: Action) -> Effect {
        if let Some(effect) = self.on_replay_action(action) {
            return effect;
        }
        match action {
            Action::PauseOrResume => self.pause_or_resume(),
            Action::Stop => self.stop(),
            Action::LearningRateUp => self.ask(Command::StepLearningRate { up: true }),
            Action::LearningRateDown => self.ask(Command::StepLearningRate { up: false }),
            Action::Checkpoint => self.ask(Command::SaveCheckpoint),
            Action::Train => self.train(),
            Action::Replay => match self.history() {
                Some((run, _)) => Request::Replay {
                    run: run.to_string(),
                    speed: REPLAY_SPEED,
                }
                .into(),
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
            _ => Effect::Ignored,
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
                hint(TabId::Model.key(), "choose a model"),
                hint(TabId::Runs.key(), "runs"),
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
    }
}

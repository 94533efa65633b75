//! The run on the screen: followed as it goes, or played from its log. Shows only what events have confirmed.
//!
//! Never speaks with a worker itself.

mod replay;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) use replay::{Playback, Replay};

use crate::event::{Command, Event, Phase, ResourceUsage, RunHistory, Severity, Stamped, change};
use crate::profile::Status;
use crate::run::id;
use crate::run::queue::Queued;

/// How many measurements of load are kept for the sparklines.
const LOADS: usize = 240;
/// How long a new epoch's figures stay bright.
const BRIGHT: Duration = Duration::from_secs(1);

/// How the screen hangs together with the shown run's worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
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
        Event::Continued { step } => format!("continues from step {step}"),
        Event::CheckpointSaved { step, .. } => format!("checkpoint saved at step {step}"),
        Event::Changed { what, from, to, .. } => change(what, *from, *to),
        Event::Warning { message } => message.clone(),
        _ => return None,
    })
}

/// A run that is shown as it is now.
#[derive(Debug)]
pub(crate) struct Shown {
    pub run: String,
    pub history: RunHistory,
    pub link: Link,
    loads: VecDeque<ResourceUsage>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RunView {
    shown: Option<Shown>,
    replay: Option<Replay>,
    awaited: Option<Awaited>,
    /// The runs that wait in the queue.
    queue: Vec<Queued>,
    fresh_until: Option<Instant>,
    last_tick: Option<Instant>,
}

impl RunView {
    /// A run whose history is known.
    #[cfg(test)]
    pub(crate) fn of(run: &str, history: RunHistory) -> Self {
        let shown = Shown {
            run: run.into(),
            history,
            link: Link::Live,
            loads: VecDeque::new(),
        };
        Self {
            shown: Some(shown),
            ..Self::default()
        }
    }

    /// Shows a run with everything its log holds so far.
    pub(crate) fn open(&mut self, run: String, link: Link, events: &[Stamped]) {
        let mut history = RunHistory::default();
        let mut loads = VecDeque::new();
        for event in events {
            history.apply(event);
            note_load(&mut loads, event);
        }
        self.shown = Some(Shown {
            run,
            history,
            link,
            loads,
        });
        self.replay = None;
        self.awaited = None;
        self.fresh_until = None;
    }

    /// Adds an event of the run `run`, told at `now`; events of other runs are ignored. Gives what was asked for and is
    /// done by it.
    pub(crate) fn on_event(&mut self, run: &str, event: &Stamped, now: Instant) -> Option<String> {
        let shown = self.shown.as_mut().filter(|s| s.run == run)?;
        shown.history.apply(event);
        note_load(&mut shown.loads, event);
        match event.event {
            Event::EpochEnd(_) => self.fresh_until = Some(now + BRIGHT),
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
    pub(crate) fn asked(&mut self, run: &str, command: &Command) {
        if self.shown.as_ref().is_some_and(|s| s.run == run) {
            self.awaited = Some(Awaited::of(command));
        }
    }

    /// A command did not reach the worker of `run`.
    pub(crate) fn not_asked(&mut self, run: &str) {
        if self.shown.as_ref().is_some_and(|s| s.run == run) {
            self.awaited = None;
        }
    }

    /// The worker of `run` came or went.
    pub(crate) fn on_link(&mut self, run: &str, link: Link) {
        if let Some(shown) = self.shown.as_mut().filter(|s| s.run == run) {
            shown.link = link;
            if link != Link::Live {
                self.awaited = None;
            }
        }
    }

    /// Forgets a run that was deleted.
    pub(crate) fn forget(&mut self, run: &str) {
        if self.shown.as_ref().is_some_and(|s| s.run == run) {
            self.shown = None;
        }
        if self.replay.as_ref().is_some_and(|r| r.run == run) {
            self.replay = None;
        }
    }

    /// Plays a recorded log.
    pub(crate) fn play(&mut self, run: String, events: Vec<Stamped>, speed: f64) {
        self.replay = Some(Replay::new(run, events, speed));
        self.last_tick = None;
    }

    /// Lets time pass; true when the screen should be drawn again.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let passed = self.last_tick.map_or(0.0, |t| (now - t).as_secs_f64());
        self.last_tick = Some(now);
        let mut changed = self.replay.as_mut().is_some_and(|r| r.advance(passed));
        if self.fresh_until.is_some_and(|t| now >= t) {
            self.fresh_until = None;
            changed = true;
        }
        changed
    }

    /// Plays on, pauses, moves or ends the replay.
    pub(crate) fn play_back(&mut self, playback: Playback) {
        match (&mut self.replay, playback) {
            (replay, Playback::End) => *replay = None,
            (Some(replay), playback) => replay.apply(playback),
            (None, _) => {}
        }
    }

    /// The run as it is now, also while another is played.
    #[must_use]
    pub(crate) fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }

    /// What is played.
    #[must_use]
    pub(crate) fn replay(&self) -> Option<&Replay> {
        self.replay.as_ref()
    }

    /// Whether an epoch's figures have only just come.
    #[must_use]
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh_until.is_some()
    }

    /// Whether the shown run is paused, or will be when its worker has done what it was asked last.
    #[must_use]
    pub(crate) fn will_be_paused(&self) -> bool {
        match self.awaited {
            Some(Awaited::Pause) => true,
            Some(Awaited::Resume) => false,
            _ => self.is_paused(),
        }
    }

    /// The last measurements of load, the newest at the end.
    #[must_use]
    pub(crate) fn loads(&self) -> Vec<ResourceUsage> {
        let Some(replay) = &self.replay else {
            let shown = self.shown.iter();
            return shown.flat_map(|s| &s.loads).copied().collect();
        };
        let loads = replay.played().iter().rev().filter_map(|e| match e.event {
            Event::Load(load) => Some(load),
            _ => None,
        });
        let mut loads: Vec<ResourceUsage> = loads.take(LOADS).collect();
        loads.reverse();
        loads
    }

    /// True while a replay moves by itself.
    #[must_use]
    pub(crate) fn is_playing(&self) -> bool {
        self.replay.as_ref().is_some_and(|r| r.playing)
    }

    /// The run on the screen and its history: the replay's, where one is played.
    #[must_use]
    pub(crate) fn history(&self) -> Option<(&str, &RunHistory)> {
        match (&self.replay, &self.shown) {
            (Some(r), _) => Some((&r.run, &r.history)),
            (None, Some(s)) => Some((&s.run, &s.history)),
            (None, None) => None,
        }
    }

    /// The run that goes on when the screen is left.
    #[must_use]
    pub(crate) fn live_run(&self) -> Option<&str> {
        let shown = self.shown.as_ref()?;
        let alive = matches!(
            shown.history.phase,
            Phase::Waiting | Phase::Running | Phase::Paused
        );
        (alive && shown.link != Link::Ended).then_some(shown.run.as_str())
    }

    /// Whether the shown run takes no steps at the moment.
    #[must_use]
    pub(crate) fn is_paused(&self) -> bool {
        let shown = self.shown.as_ref();
        shown.is_some_and(|shown| shown.history.phase == Phase::Paused)
    }

    /// The run whose worker is asked by keys on the other tabs: the one that is shown, replays left out.
    #[must_use]
    pub(crate) fn shown_run(&self) -> Option<&str> {
        let shown = self.shown.as_ref().filter(|_| self.replay.is_none());
        shown.map(|s| s.run.as_str())
    }

    /// What the shown run is called; replays left out.
    #[must_use]
    pub(crate) fn shown_name(&self) -> Option<&str> {
        let shown = self.shown.as_ref()?;
        let started = shown.history.started.as_ref();
        Some(started.map_or_else(|| id::name(&shown.run), |s| s.name.as_str()))
    }

    /// `modern-lenet · running`, for the header.
    #[must_use]
    pub(crate) fn state(&self) -> String {
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

    /// Whether the shown run's worker is gone and has not said why.
    #[must_use]
    pub(crate) fn is_lost(&self) -> bool {
        self.shown.as_ref().is_some_and(|s| {
            s.link == Link::Ended
                && self.waits_in_queue().is_none()
                && matches!(
                    s.history.phase,
                    Phase::Waiting | Phase::Running | Phase::Paused
                )
        })
    }

    pub(crate) fn set_queue(&mut self, queue: Vec<Queued>) {
        self.queue = queue;
    }

    /// Where the shown run waits in the queue: whether it is held.
    #[must_use]
    pub(crate) fn waits_in_queue(&self) -> Option<bool> {
        let shown = self.shown.as_ref()?;
        let queued = self.queue.iter().find(|queued| queued.run == shown.run)?;
        (shown.history.phase == Phase::Waiting && shown.link != Link::Live)
            .then_some(queued.is_held)
    }

    /// What the run does, or what it is about to do.
    #[must_use]
    pub(crate) fn state_word(&self) -> &'static str {
        if let Some(awaited) = self.awaited {
            return awaited.name();
        }
        if self.is_lost() {
            return Status::Lost.name();
        }
        let history = self.history();
        if history.is_some_and(|(_, h)| h.waiting.is_some()) {
            return Status::Waiting.name();
        }
        match history.map_or(Phase::Waiting, |(_, h)| h.phase) {
            Phase::Waiting => match self.waits_in_queue() {
                Some(true) => "held",
                Some(false) => "queued",
                None => "starting",
            },
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
    pub(crate) fn state_severity(&self) -> Severity {
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

fn note_load(loads: &mut VecDeque<ResourceUsage>, event: &Stamped) {
    if let Event::Load(load) = event.event {
        if loads.len() == LOADS {
            loads.pop_front();
        }
        loads.push_back(load);
    }
}

//! Which runs are under way, starting one more, and asking something of one: once each, however often a key bounces.

use std::time::Duration;

use super::App;
use super::question::Question;
use crate::event::Command;
use crate::profile::Profile;
use crate::run::concurrent_runs::Live;
use crate::run::id;
use crate::text;
use crate::tui::action::Action;
use crate::tui::request::{Request, Start};
use crate::tui::tab::Effect;
use crate::tui::tab_id::TabId;

/// For this long after a start no key starts another: it was meant for the one before.
const BOUNCE: Duration = Duration::from_secs(1);

impl App {
    /// Starts a run; asks first where another one is under way.
    pub(super) fn start(&mut self, start: Start) -> Vec<Request> {
        if self.has_just_started() {
            return Vec::new();
        }
        let mut others = self.under_way();
        if let Start::Resumed(run) = &start {
            others.retain(|live| live.id != *run);
        }
        if others.is_empty() {
            return self.start_now(start);
        }
        self.question = Some(Question::beside(start, &others));
        Vec::new()
    }

    /// Trains the recipe that is open on the Model tab on this data set; where it cannot be, goes there and says why.
    pub(super) fn train_on(&mut self, set: &str) -> Vec<Request> {
        match self.tabs.model.start_on(set) {
            Ok(start) => self.start(start),
            Err(why) => {
                let requests = self.go_to(TabId::Model);
                self.say(why.to_string());
                requests
            }
        }
    }

    pub(super) fn start_now(&mut self, start: Start) -> Vec<Request> {
        let name = start.name().to_owned();
        self.say(match &start {
            Start::New(profile) => format!("Starting {name} on {}…", profile.data.name),
            Start::Resumed(run) => format!("Resuming {run}…"),
        });
        self.starting = Some(name);
        vec![Request::Start(start)]
    }

    /// Puts a run into the queue, where it starts when there is room.
    pub(super) fn queue_now(&mut self, start: Start) -> Vec<Request> {
        let name = start.name().to_owned();
        self.say(format!("Queueing {name}…"));
        self.starting = Some(name);
        vec![Request::Queue(start)]
    }

    /// Forks a run; where others are under way, the fork waits in the queue.
    pub(super) fn fork_now(&mut self, point: String, changes: Vec<String>) -> Vec<Request> {
        if self.has_just_started() {
            return Vec::new();
        }
        self.say(format!("Forking {point}…"));
        self.starting = Some(point.clone());
        let queued = !self.under_way().is_empty();
        vec![Request::Fork {
            point,
            changes,
            queued,
        }]
    }

    /// Puts a recipe with some seeds into the queue.
    pub(super) fn queue_seeds(&mut self, profile: Box<Profile>, seeds: usize) -> Vec<Request> {
        if self.has_just_started() {
            return Vec::new();
        }
        let runs = text::count(seeds, "run");
        self.say(format!("Queueing {runs} of {}…", profile.name));
        self.starting = Some(match seeds {
            1 => profile.name.clone(),
            _ => format!("a group of {runs} of {}", profile.name),
        });
        vec![Request::QueueSeeds { profile, seeds }]
    }

    /// Asks with how many seeds the recipe is queued that the Train key would train here.
    pub(super) fn ask_for_seeds(&mut self) -> Vec<Request> {
        let tab = self.tabs.get_mut(self.active);
        let effect = match tab.on_action(Action::Queue, &self.context) {
            Effect::Ignored => tab.on_action(Action::Train, &self.context),
            own => own,
        };
        let start = match effect {
            Effect::Request(Request::Start(start)) => Ok(start),
            Effect::TrainOn(set) => self.tabs.model.start_on(&set).map_err(|e| e.to_string()),
            other => return self.on_effect(other),
        };
        match start {
            Ok(Start::New(profile)) => self.question = Some(Question::seeds(profile)),
            Ok(resumed @ Start::Resumed(_)) => return self.queue_now(resumed),
            Err(why) => self.say(why),
        }
        Vec::new()
    }

    /// A run waits in the queue.
    pub(super) fn on_queued(&mut self, words: &str) {
        let name = self.starting.take().unwrap_or_else(|| "the run".into());
        self.settled = Some(self.now + BOUNCE);
        self.say(format!("{name} waits in the queue: {words}"));
    }

    /// Whether a start is under way or has only just been answered, which is said then.
    pub(super) fn has_just_started(&mut self) -> bool {
        let words = match &self.starting {
            Some(name) if self.fetching => format!(
                "{name} is being made ready; {} cancels",
                self.keymap.shown("Esc")
            ),
            Some(name) => format!("{name} is already starting"),
            None if self.settled.is_some_and(|at| self.now < at) => {
                "A run has just been started; press again for another".into()
            }
            None => return false,
        };
        self.say(words);
        true
    }

    /// A run has been started; it is under way until somebody says otherwise.
    pub(super) fn on_started(&mut self, run: &str) {
        let name = self.starting.take();
        self.settled = Some(self.now + BOUNCE);
        if !self.live.iter().any(|live| live.id == *run) {
            let name = name.unwrap_or_else(|| id::name(run).to_owned());
            let id = run.to_owned();
            let is_paused = false;
            self.live.insert(
                0,
                Live {
                    id,
                    name,
                    is_paused,
                },
            );
        }
        self.watch_runs();
    }

    pub(super) fn on_live(&mut self, live: Vec<Live>) {
        self.live = live;
        self.watch_runs();
        self.drop_stale_question();
    }

    /// A run that has ended can no longer be stopped.
    pub(super) fn drop_stale_question(&mut self) {
        let needed = self.question.as_ref().and_then(Question::needs);
        let is_there = |run: &str| {
            self.context.run.live_run() == Some(run) || self.live.iter().any(|live| live.id == run)
        };
        if needed.is_some_and(|run| !is_there(run)) {
            self.question = None;
        }
    }

    /// The shown run has ended, whatever was known of it.
    pub(super) fn on_ended(&mut self, run: &str) {
        self.live.retain(|live| live.id != run);
        self.drop_stale_question();
    }

    /// Sends a command to the worker of a run, and says so where nothing else on the screen does.
    pub(super) fn command(&mut self, run: String, name: &str, command: Command) -> Vec<Request> {
        self.context.run.asked(&run, &command);
        if command == Command::Stop {
            self.news.on_stop(&run);
        }
        let is_seen = self.active == TabId::Train && self.context.run.shown_run() == Some(&run);
        if !is_seen {
            let words = match &command {
                Command::Pause => format!("Pausing {name}…"),
                Command::Continue => format!("continuing {name}…"),
                Command::SaveCheckpoint => format!("Saving a checkpoint of {name}…"),
                Command::Stop => format!("Stopping {name}…"),
                Command::StepLearningRate { up: true } => {
                    format!("Raising the learning rate of {name}…")
                }
                Command::StepLearningRate { up: false } => {
                    format!("Lowering the learning rate of {name}…")
                }
                Command::SetLearningRate { .. } => {
                    format!("Changing the learning rate of {name}…")
                }
            };
            self.say(words);
        }
        vec![Request::Send { run, command }]
    }

    /// What a run is called.
    pub(super) fn name_of(&self, run: &str) -> String {
        let live = self.live.iter().find(|live| live.id == run);
        live.map_or_else(|| id::name(run).to_owned(), |live| live.name.clone())
    }

    /// Every run under way, the shown one too where it has only just come up.
    fn under_way(&self) -> Vec<Live> {
        let mut runs = self.live.clone();
        let Some(shown) = self.context.run.live_run() else {
            return runs;
        };
        // What is shown is known sooner than what is looked up.
        let is_paused = self.context.run.is_paused();
        match runs.iter_mut().find(|live| live.id == shown) {
            Some(live) => live.is_paused = is_paused,
            None => runs.push(Live {
                id: shown.to_owned(),
                name: id::name(shown).to_owned(),
                is_paused,
            }),
        }
        runs
    }

    /// The runs under way beside the one that is shown.
    pub(super) fn others(&self) -> Vec<&Live> {
        let shown = self.context.run.shown_run();
        let others = self.live.iter();
        others
            .filter(|live| Some(live.id.as_str()) != shown)
            .collect()
    }

    /// Says why a key does nothing here; moves that move nothing speak for themselves.
    pub(super) fn on_ignored(&mut self, action: Action) -> Vec<Request> {
        if action == Action::Train {
            return self.go_to(TabId::Model);
        }
        let binding = self.keymap.bindings().iter().find(|b| b.action == action);
        if let Some(binding) = binding.filter(|_| !action.is_move()) {
            let words = format!(
                "{} ({}) does nothing on the {} tab",
                binding.shown,
                binding.does,
                self.active.title()
            );
            self.say(words);
        }
        Vec::new()
    }
}

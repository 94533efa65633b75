//! What tabs ask for and what the app is told: into requests, and into the tabs concerned.

use std::sync::Arc;

use super::question::Question;
use super::{App, Problem, Trainable};
use crate::data::DatasetInfo;
use crate::event::{Event, Phase, Stamped};
use crate::profile::Profile;
use crate::tui::context::{KeptCertainty, KeptPredictions};
use crate::tui::message::Message;
use crate::tui::request::Request;
use crate::tui::tab::Effect;
use crate::tui::tab_id::TabId;

impl App {
    pub(super) fn on_effect(&mut self, effect: Effect) -> Vec<Request> {
        match effect {
            Effect::None | Effect::Ignored => Vec::new(),
            Effect::GoToTab(tab) => self.go_to(tab),
            Effect::TrainOn(set) => self.train_on(&set),
            Effect::OpenClass(class) => {
                let requests = self.go_to(TabId::Confusion);
                self.tabs.confusion.select_class(class, &self.context);
                requests
            }
            Effect::AskToStop { run, name } => {
                self.question = Some(Question::stop(run, name));
                Vec::new()
            }
            Effect::AskToFork { run, epoch } => {
                let name = self.name_of(&run);
                self.question = Some(Question::fork(run, name, epoch));
                Vec::new()
            }
            Effect::PlayBack(playback) => {
                self.context.run.play_back(playback);
                Vec::new()
            }
            Effect::Say(text) => {
                self.say(text);
                Vec::new()
            }
            Effect::Request(Request::Start(start)) => self.start(start),
            Effect::Request(Request::Send { run, command }) => {
                let name = self.name_of(&run);
                self.command(run, &name, command)
            }
            Effect::Request(request) => vec![request],
        }
    }

    pub(super) fn on_message(&mut self, message: Message) -> Vec<Request> {
        match message {
            Message::Opened { run, link, events } => {
                self.context.run.open(run, link, &events);
                self.tabs.train.scroll_to_top();
                (self.predictions_of, self.certainty_of) = (None, None);
            }
            Message::Started { run, note } => {
                self.on_started(&run);
                self.said = None;
                self.preparing = None;
                self.problem = None;
                if let Some(note) = note {
                    self.say(note);
                }
                return vec![Request::Open(run)];
            }
            Message::SweepBegun(name) => return self.on_sweep_begun(name),
            Message::Events { run, events } => {
                for event in &events {
                    self.on_event(&run, event);
                }
            }
            Message::NotStarted => {
                self.starting = None;
                self.preparing = None;
            }
            Message::NotSent(run) => {
                self.context.run.not_asked(&run);
                self.news.on_not_sent(&run);
            }
            Message::Ended { ended, while_away } => self.on_ended_runs(ended, while_away),
            Message::Stalled(alert) => self.on_stalled(alert),
            Message::Live(live) => self.on_live(live),
            Message::Link { run, link } => {
                self.context.run.on_link(&run, link);
                self.drop_stale_question();
            }
            Message::Replay { run, events, speed } => {
                self.context.run.play(run, events, speed);
                self.tabs.train.scroll_to_top();
                (self.predictions_of, self.certainty_of) = (None, None);
                return self.go_to(TabId::Train);
            }
            Message::ShowTrain => return self.go_to(TabId::Train),
            Message::Runs(rows) => {
                self.tabs.runs.set_rows(rows);
                return self.tabs.runs.asks_for_conclusion().into_iter().collect();
            }
            Message::Sweeps(sweeps) => self.tabs.sweep.set_sweeps(sweeps),
            Message::Own(profiles) => self.on_own(profiles),
            Message::Edited(profile) => self.tabs.model.set_recipe(*profile),
            Message::Deleted(run) => {
                self.context.run.forget(&run);
                self.say(format!("{run} is deleted"));
            }
            Message::Weights { pretrained, card } => self.tabs.model.set_card(pretrained, card),
            Message::Predictions { run, kept } => {
                if self.run.as_ref() == Some(&run) {
                    self.context.predictions = *kept;
                }
            }
            Message::Certainty { run, kept } => {
                if self.run.as_ref() == Some(&run) {
                    self.context.certainty = kept;
                }
            }
            Message::Predicted {
                run,
                path,
                is_inverted,
                outcome,
            } => {
                if self.run.as_ref() == Some(&run) {
                    self.tabs
                        .confusion
                        .set_predicted(&path, is_inverted, outcome);
                }
            }
            Message::Fetching(is) => {
                self.fetching = is;
                if !is {
                    self.preparing = None;
                }
            }
            // What comes after a cancellation was on its way before.
            Message::Preparing(words) if self.fetching => self.preparing = Some(words),
            Message::Preparing(_) => {}
            Message::Say(text) => self.say(text),
            Message::Problem { problem, remedy } => {
                self.said = None;
                self.problem = Some(Problem { problem, remedy });
            }
            of_queue @ (Message::Queued(_) | Message::Queue { .. } | Message::Compared(_)) => {
                self.on_queue(of_queue);
            }
            of_data => self.on_data(of_data),
        }
        Vec::new()
    }

    fn on_sweep_begun(&mut self, name: String) -> Vec<Request> {
        self.preparing = None;
        self.problem = None;
        self.tabs.sweep.show(name);
        self.go_to(TabId::Sweep)
    }

    fn on_own(&mut self, profiles: Vec<(String, Profile)>) {
        self.presets.truncate(self.built_in);
        self.presets
            .extend(profiles.iter().map(|(name, profile)| Trainable {
                name: name.clone(),
                title: "of your own".into(),
                profile: profile.clone(),
            }));
        self.tabs.model.set_own(profiles);
    }

    /// What is told of the queue, and of runs side by side.
    fn on_queue(&mut self, message: Message) {
        match message {
            Message::Queued(words) => {
                self.preparing = None;
                self.problem = None;
                self.on_queued(&words);
            }
            Message::Queue { counts, waiting } => {
                self.queue = counts;
                self.context.run.set_queue(waiting.clone());
                self.tabs.runs.set_queue(waiting);
            }
            Message::Compared(compared) => self.tabs.runs.set_compared(*compared),
            _ => {}
        }
    }

    /// What is told of data sets.
    fn on_data(&mut self, message: Message) {
        match message {
            Message::Dataset {
                dataset,
                for_data_tab,
            } => {
                let info = DatasetInfo::from(&*dataset);
                self.tabs.model.set_info(info.name.clone(), Ok(info));
                if self.run_dataset.as_ref() == Some(&dataset.name) {
                    self.context.dataset = Some(Arc::clone(&dataset));
                }
                if for_data_tab {
                    self.tabs.data.set_dataset(dataset);
                }
            }
            Message::DatasetInfo { name, info } => self.tabs.model.set_info(name, info),
            Message::Sets(sets) => {
                let names = sets.iter().map(|set| set.name.clone()).collect();
                self.tabs.model.set_sets(names);
                self.tabs.data.set_sets(sets);
            }
            Message::Excluded { set, excluded } => self.tabs.data.set_excluded(&set, excluded),
            Message::Means { set, means } => self.tabs.data.set_means(&set, means),
            Message::DatasetStatus(status) => self.tabs.data.set_status(status),
            Message::DatasetFailed(problem) => self.tabs.data.set_failed(problem),
            Message::NotAdded(problem) => self.tabs.data.set_refused(problem),
            Message::Broken(broken) => self.tabs.data.set_broken(broken),
            Message::Checked(checked) => self.tabs.data.set_checked(checked),
            _ => {}
        }
    }

    /// Takes note of an event, and says what was asked for and is done where the Train tab is not looked at; that a
    /// checkpoint is saved is seen nowhere.
    fn on_event(&mut self, run: &str, event: &Stamped) {
        let done = self.context.run.on_event(run, event, self.now);
        if matches!(event.event, Event::Finished { .. } | Event::Failed { .. }) {
            self.on_ended(run);
        }
        let is_unseen = matches!(event.event, Event::CheckpointSaved { .. });
        if let Some(done) = done.filter(|_| is_unseen || self.active != TabId::Train) {
            let words = format!("{}: {done}", self.name_of(run));
            self.say(words);
        }
    }

    /// Asks for what the Data tab wants to show and has not.
    pub(super) fn follow_data(&mut self, requests: &mut Vec<Request>) {
        if self.active == TabId::Data {
            let asked = self.tabs.data.asks_for_means();
            requests.extend(asked.map(Request::AverageClasses));
        }
    }

    /// Asks for what the Model tab wants to know of weights and data sets.
    pub(super) fn follow_model(&mut self, requests: &mut Vec<Request>) {
        if self.active != TabId::Model {
            return;
        }
        let model = self.tabs.model.asks_about_weights();
        requests.extend(model.map(|model| Request::DescribeWeights(Box::new(model))));
        requests.extend(
            self.tabs
                .model
                .asks_about_set()
                .map(Request::DescribeDataset),
        );
    }

    /// Keeps what is lent of the shown run up to date, and asks for what that run needs and is not there yet.
    pub(super) fn follow_run(&mut self, requests: &mut Vec<Request>) {
        let Some((run, history)) = self.context.run.history() else {
            return;
        };
        if self.run.as_deref() != Some(run) {
            self.run = Some(run.to_owned());
            self.context.predictions = KeptPredictions::default();
            self.context.certainty = KeptCertainty::default();
            for tab in TabId::ALL {
                self.tabs.get_mut(*tab).on_other_run();
            }
        }
        let looked_at = self.active == TabId::Confusion;
        if looked_at && self.dirty {
            self.context.other = self.tabs.runs.counterpart(run);
        }
        let Some(started) = &history.started else {
            return;
        };
        if self.run_dataset.as_ref() != Some(&started.dataset) {
            self.run_dataset = Some(started.dataset.clone());
            requests.push(Request::LoadRunDataset(started.dataset.clone()));
        }
        let ended = matches!(history.phase, Phase::Finished | Phase::Stopped);
        let known = (run.to_string(), history.epochs.len(), ended);
        if history.epochs.is_empty() {
            return;
        }
        if looked_at && self.predictions_of.as_ref() != Some(&known) {
            requests.push(Request::LoadPredictions(known.0.clone()));
            self.context.predictions.awaited = true;
            self.predictions_of = Some(known.clone());
        }
        let looked_at = self.active == TabId::Metrics && self.tabs.metrics.shows_certainty();
        let kept = &mut self.context.certainty;
        // One at a time, however short the epochs are.
        if looked_at && !kept.awaited && self.certainty_of.as_ref() != Some(&known) {
            requests.push(Request::AssessPredictions(known.0.clone()));
            kept.awaited = true;
            self.certainty_of = Some(known);
        }
    }
}

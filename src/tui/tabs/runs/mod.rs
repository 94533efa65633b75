//! The Runs tab: every run of the workspace in a table; sort, filter, open, replay, resume, delete; several marked ones
//! compared.
//!
//! Rows come from the app, which has them read once in a while off this thread.

mod compare;
mod entries;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use entries::Entry;

use crate::data::Dataset;
use crate::event::Command;
use crate::metrics::Confusion;
use crate::metrics::MACRO_F1;
use crate::profile::{Data, Measured, Profile, Status};
use crate::run::group::Member;
use crate::run::queue::Queued;
use crate::run::verdict::{Deciding, Side, Test, Verdict};
use crate::run::{comparison, example};
use crate::tui::REPLAY_SPEED;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::request::{QueueChange, Request, Start};
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::tabs::gallery::{Gallery, Move};
use crate::tui::widgets::input::{Input, Typed};
use crate::tui::widgets::popup::{self, Answer};

/// One run as its file tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunRow {
    pub id: String,
    pub status: Status,
    /// The profile, or why it cannot be read.
    pub profile: Result<Arc<Profile>, String>,
}

impl RunRow {
    fn architecture(&self) -> &str {
        self.profile.as_ref().map_or("–", |p| &p.model.architecture)
    }

    fn name(&self) -> &str {
        self.profile.as_ref().map_or(self.id.as_str(), |p| &p.name)
    }

    /// The end of the id, which tells runs of one name apart.
    fn short_id(&self) -> &str {
        self.id.rsplit('-').next().unwrap_or(&self.id)
    }

    fn parameters(&self) -> Option<u64> {
        let result = self.profile.as_ref().ok()?.result.as_ref()?;
        (result.parameters > 0).then_some(result.parameters)
    }

    /// Test accuracy, or the held-out one of the best epoch while there is no test yet.
    fn accuracy(&self) -> Option<Measured> {
        self.profile.as_ref().ok()?.accuracy()
    }

    /// What to know of its figures besides themselves.
    fn notes(&self) -> Vec<String> {
        let of = |profile: &Profile| comparison::notes(profile);
        self.profile.as_ref().map_or_else(|_| Vec::new(), |p| of(p))
    }

    fn macro_f1(&self) -> Option<String> {
        let scores = self.profile.as_ref().ok()?.known_scores()?;
        Some(MACRO_F1.text(scores, 1, 6))
    }

    fn training_mode(&self) -> String {
        self.profile.as_ref().map_or_else(
            |_| String::new(),
            |profile| comparison::training_mode(profile),
        )
    }

    fn seconds(&self) -> Option<f64> {
        comparison::seconds(self.profile.as_ref().ok()?)
    }

    fn started(&self) -> &str {
        self.profile
            .as_ref()
            .ok()
            .and_then(|p| p.run.as_ref())
            .map_or("", |r| &r.started)
    }

    fn is_alive(&self) -> bool {
        self.status == Status::Created || self.status.has_worker()
    }
}

/// What may be concluded from runs side by side.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    /// Of which ones.
    pub names: Vec<String>,
    pub verdicts: Vec<Verdict>,
    pub notes: Vec<String>,
    /// The images that were tested on.
    pub dataset: Option<Arc<Dataset>>,
    /// How they were prepared.
    pub data: Data,
    /// The gallery shows what the first run said, not the second.
    pub shows_first: bool,
}

impl Compared {
    /// The images that decide, of the first verdict that has some: those for the second run first.
    pub(super) fn deciding(&self) -> Vec<Deciding> {
        let images = self
            .verdicts
            .iter()
            .find_map(|verdict| match &verdict.test {
                Test::Paired { deciding, .. } => Some(deciding.clone()),
                Test::Welch { .. } => None,
            });
        let mut images = images.unwrap_or_default();
        images.sort_by_key(|image| !image.is_for_second());
        images
    }
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Newest,
    Accuracy,
    Parameters,
    Time,
    Name,
}

impl Order {
    const ALL: [Self; 5] = [
        Self::Newest,
        Self::Accuracy,
        Self::Parameters,
        Self::Time,
        Self::Name,
    ];

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|o| *o == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Accuracy => "most accurate first",
            Self::Parameters => "fewest parameters first",
            Self::Time => "fastest first",
            Self::Name => "by name",
        }
    }

    fn sort(self, rows: &mut [&RunRow]) {
        let ascending = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        rows.sort_by(|a, b| {
            let first = match self {
                Self::Newest => b.started().cmp(a.started()),
                Self::Accuracy => {
                    let least = |row: &RunRow| row.accuracy().map(|a| -a.accuracy);
                    ascending(least(a), least(b))
                }
                Self::Parameters => a
                    .parameters()
                    .unwrap_or(u64::MAX)
                    .cmp(&b.parameters().unwrap_or(u64::MAX)),
                Self::Time => ascending(a.seconds(), b.seconds()),
                Self::Name => a.name().cmp(b.name()),
            };
            first.then_with(|| b.id.cmp(&a.id))
        });
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Table,
    Filtering,
    /// Asks whether to delete this run.
    Deleting(String),
    Comparing,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RunsTab {
    /// `None` until they have been read once.
    rows: Option<Vec<RunRow>>,
    /// The groups among them.
    groups: BTreeMap<String, Vec<Member>>,
    /// The groups whose runs are shown.
    open: BTreeSet<String>,
    /// Ids of runs, and names of groups.
    /// In the order of marking.
    marked: Vec<String>,
    /// Id of the run, or name of the group, under the cursor.
    cursor: Option<String>,
    /// What waits in the queue, in its order.
    queue: Vec<Queued>,
    /// What may be concluded from the marked ones, once it is worked out.
    compared: Option<Compared>,
    /// Runs among them that had ended then.
    ended: usize,
    /// The images that decide, where they are looked at.
    gallery: Option<Gallery>,
    /// The run that was paused (or not any more) last, until the rows are read again.
    asked: Option<(String, bool)>,
    order: Order,
    filter: Input,
    mode: Mode,
    scroll: usize,
    /// First shown row and where the rows lie, for the mouse.
    first: usize,
    rows_area: Rect,
}

impl RunsTab {
    /// Takes the runs as they are now; the cursor stays on its run.
    pub(crate) fn set_rows(&mut self, mut rows: Vec<RunRow>) {
        // Trials are on the Sweep tab.
        rows.retain(|row| !row.profile.as_ref().is_ok_and(|profile| profile.is_trial()));
        self.groups = entries::groups(&rows);
        let groups = &self.groups;
        self.marked
            .retain(|id| groups.contains_key(id) || rows.iter().any(|r| r.id == *id));
        self.rows = Some(rows);
        self.asked = None;
        let shown = self.shown_ids();
        if !self.cursor.as_ref().is_some_and(|c| shown.contains(c)) {
            self.cursor = shown.into_iter().next();
        }
    }

    /// Takes what waits in the queue, in its order.
    pub(crate) fn set_queue(&mut self, queue: Vec<Queued>) {
        self.queue = queue;
    }

    /// The place of a run among those that wait, from 1, and whether it is held.
    fn queued(&self, run: &str) -> Option<(usize, bool)> {
        let at = self.queue.iter().position(|queued| queued.run == run)?;
        Some((at + 1, self.queue[at].is_held))
    }

    /// Holds, releases or moves a run that waits.
    fn change_queue(&self, run: String, action: Action) -> Effect {
        let Some((place, is_held)) = self.queued(&run) else {
            return Effect::Say("It waits in the queue".into());
        };
        let change = match action {
            Action::PauseOrResume => QueueChange::Hold(!is_held),
            Action::LearningRateUp => QueueChange::To(place.saturating_sub(2)),
            Action::LearningRateDown => QueueChange::To(place),
            _ => return Effect::Say("It has not started: d takes it out of the queue".into()),
        };
        Request::ChangeQueue { run, change }.into()
    }

    /// What is compared, where one of it has ended since it was.
    pub(crate) fn asks_for_conclusion(&mut self) -> Option<Request> {
        if self.mode != Mode::Comparing {
            return None;
        }
        let sides = self.sides();
        let ended = sides
            .iter()
            .flat_map(Side::profiles)
            .filter(|run| run.result.is_some())
            .count();
        (std::mem::replace(&mut self.ended, ended) != ended).then_some(Request::Compare(sides))
    }

    fn shown(&self) -> Vec<&RunRow> {
        let matches = |r: &&RunRow| {
            let text = format!(
                "{} {} {} {} {} {}",
                entries::group_of(r).unwrap_or_default(),
                r.id,
                r.architecture(),
                r.training_mode(),
                r.name(),
                table::status_word(r)
            );
            self.filter.matches(&text)
        };
        let mut rows: Vec<&RunRow> = self.rows.iter().flatten().filter(matches).collect();
        self.order.sort(&mut rows);
        rows
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        entries::arranged(&self.shown(), &self.groups, &self.open)
    }

    fn shown_ids(&self) -> Vec<String> {
        let entries = self.entries().into_iter();
        entries.map(|entry| entry.id().to_owned()).collect()
    }

    /// The group under the cursor.
    fn selected_group(&self) -> Option<&str> {
        let cursor = self.cursor.as_ref()?;
        self.groups.contains_key(cursor).then_some(cursor.as_str())
    }

    /// What is marked, in the order of marking.
    fn sides(&self) -> Vec<Side> {
        let side = |marked: &String| {
            if let Some(members) = self.groups.get(marked) {
                return Some(Side::Group {
                    name: marked.clone(),
                    members: members.clone(),
                });
            }
            let row = self.rows.iter().flatten().find(|row| row.id == *marked)?;
            Some(Side::Run {
                id: row.id.clone(),
                profile: row.profile.as_ref().ok()?.clone(),
            })
        };
        self.marked.iter().filter_map(side).collect()
    }

    /// Takes what may be concluded from what was compared.
    pub(crate) fn set_compared(&mut self, compared: Compared) {
        self.compared = Some(compared);
    }

    /// What may be concluded from what is marked now.
    fn conclusion(&self) -> Option<&Compared> {
        let names: Vec<String> = self.sides().iter().map(|side| side.name().into()).collect();
        self.compared
            .as_ref()
            .filter(|compared| compared.names == names)
    }

    fn on_gallery(&mut self, action: Action) -> Effect {
        let count = self
            .conclusion()
            .map_or(0, |compared| compared.deciding().len());
        let towards = match action {
            Action::Back => {
                self.gallery = None;
                return Effect::None;
            }
            Action::CycleView => {
                if let Some(compared) = &mut self.compared {
                    compared.shows_first = !compared.shows_first;
                }
                return Effect::None;
            }
            Action::Left => Move::Left,
            Action::Right => Move::Right,
            Action::Up => Move::Up,
            Action::Down => Move::Down,
            Action::PageUp => Move::PageUp,
            Action::PageDown => Move::PageDown,
            Action::Home => Move::Home,
            Action::End => Move::End,
            _ => return Effect::Ignored,
        };
        if let Some(gallery) = &mut self.gallery {
            gallery.step(towards, count);
        }
        Effect::None
    }

    /// Shows the images that decide, or says why there are none.
    fn open_gallery(&mut self) -> Effect {
        match self.conclusion() {
            None => return Effect::Say("Still being compared…".into()),
            Some(compared) if compared.deciding().is_empty() => {
                return Effect::Say(
                    "Images decide where two runs were tested on the same ones".into(),
                );
            }
            Some(compared) if compared.dataset.is_none() => {
                return Effect::Say("The data set of these runs cannot be read".into());
            }
            Some(_) => self.gallery = Some(Gallery::default()),
        }
        Effect::None
    }

    fn selected(&self) -> Option<&RunRow> {
        let cursor = self.cursor.as_ref()?;
        self.rows.iter().flatten().find(|r| r.id == *cursor)
    }

    /// The marked run to compare `run` with, by its name, and its counts on the test set.
    #[must_use]
    pub(crate) fn counterpart(&self, run: &str) -> Option<(String, Confusion)> {
        self.marked_rows().into_iter().find_map(|row| {
            let result = row.profile.as_ref().ok()?.result.as_ref()?;
            let test = result.test.as_ref()?;
            let own = self.rows.iter().flatten().find(|r| r.id == run);
            let name = if own.is_some_and(|own| own.name() == row.name()) {
                format!("{} {}", row.name(), row.short_id())
            } else {
                row.name().to_string()
            };
            (row.id != run).then(|| (name, test.confusion.clone()))
        })
    }

    fn marked_rows(&self) -> Vec<&RunRow> {
        self.rows
            .iter()
            .flatten()
            .filter(|r| self.marked.contains(&r.id))
            .collect()
    }

    fn move_by(&mut self, lines: isize) -> Effect {
        if self.mode == Mode::Comparing {
            self.scroll = self.scroll.saturating_add_signed(lines);
            return Effect::None;
        }
        let ids = self.shown_ids();
        let at = self
            .cursor
            .as_ref()
            .and_then(|c| ids.iter().position(|id| id == c))
            .unwrap_or(0);
        let to = at
            .saturating_add_signed(lines)
            .min(ids.len().saturating_sub(1));
        self.cursor = ids.into_iter().nth(to);
        Effect::None
    }

    /// Calls `then` with the selected run, if it can be read.
    fn with_selected(&mut self, then: impl FnOnce(&mut Self, String, bool) -> Effect) -> Effect {
        if let Some(group) = self.selected_group() {
            return Effect::Say(format!("{group} is a group: Enter shows its runs"));
        }
        let Some(row) = self.selected() else {
            return Effect::Say("There is no run here yet. Press t to train one".into());
        };
        if let Err(problem) = &row.profile {
            return Effect::Say(format!("This run's profile is broken: {problem}"));
        }
        let (id, alive) = (row.id.clone(), row.is_alive());
        then(self, id, alive)
    }

    /// Asks the worker of the selected run, or says why nothing can be asked of it.
    fn command(&mut self, action: Action) -> Effect {
        if self.mode == Mode::Comparing {
            return Effect::Say("Esc goes back to the table, where a run is chosen".into());
        }
        if let Some(group) = self.selected_group() {
            return Effect::Say(format!("{group} is a group: Enter shows its runs"));
        }
        let Some(row) = self.selected() else {
            return Effect::Say("There is no run here yet. Press t to train one".into());
        };
        let (run, name) = (row.id.clone(), row.name().to_owned());
        if row.status == Status::Queued {
            return self.change_queue(run, action);
        }
        if !row.status.has_worker() {
            let word = table::status_word(row);
            return Effect::Say(match row.status {
                Status::Created => format!("{name} has no worker yet"),
                Status::Stopped | Status::Failed | Status::Lost if row.profile.is_ok() => {
                    format!("{name} is {word}: it has no worker. Press u to resume it")
                }
                _ => format!("{name} is {word}: it has no worker"),
            });
        }
        let command = match action {
            Action::PauseOrResume => self.pause_or_resume(),
            Action::Checkpoint => Command::SaveCheckpoint,
            Action::LearningRateUp => Command::StepLearningRate { up: true },
            Action::LearningRateDown => Command::StepLearningRate { up: false },
            _ => return Effect::AskToStop { run, name },
        };
        Request::Send { run, command }.into()
    }

    /// The other way of what was asked of the selected run last, whether or not it is seen in the table.
    fn pause_or_resume(&mut self) -> Command {
        let Some(row) = self.selected() else {
            return Command::Pause;
        };
        let id = row.id.clone();
        let is_paused = match &self.asked {
            Some((asked, is_paused)) if *asked == id => *is_paused,
            _ => row.status == Status::Paused,
        };
        self.asked = Some((id, !is_paused));
        if is_paused {
            Command::Continue
        } else {
            Command::Pause
        }
    }

    fn delete(&mut self) -> Effect {
        match self.selected().map(|r| (r.id.clone(), r.is_alive())) {
            None if self.selected_group().is_some() => {
                Effect::Say("Open the group with Enter and delete its runs one by one".into())
            }
            None => Effect::Say("There is no run here yet. Press t to train one".into()),
            Some((_, true)) => {
                Effect::Say("This run is still running: stop it first with x".into())
            }
            Some((id, _)) if id == example::ID => {
                Effect::Say("The built-in example is read-only".into())
            }
            Some((id, false)) => {
                self.mode = Mode::Deleting(id);
                Effect::None
            }
        }
    }

    /// The recipe of the selected run, or of the selected group, to be trained once more.
    fn recipe_again(&self) -> Effect {
        let of_group = || Some(&self.groups.get(self.selected_group()?)?.first()?.profile);
        let row = self.selected().and_then(|row| row.profile.as_ref().ok());
        match row.or_else(of_group) {
            Some(profile) => {
                let recipe = Box::new(profile.recipe());
                Request::Start(Start::New(recipe)).into()
            }
            None => Effect::Say("There is no recipe here".into()),
        }
    }

    fn mark(&mut self) -> Effect {
        if let Some(group) = self.selected_group() {
            let group = group.to_owned();
            return self.toggle_mark(group);
        }
        self.with_selected(|tab, id, _| tab.toggle_mark(id))
    }

    fn toggle_mark(&mut self, id: String) -> Effect {
        if let Some(at) = self.marked.iter().position(|marked| *marked == id) {
            self.marked.remove(at);
        } else if self.marked.len() >= compare::MOST {
            return Effect::Say(format!("At most {} runs can be compared", compare::MOST));
        } else {
            self.marked.push(id);
        }
        self.move_by(1)
    }

    /// Opens a run, or shows and hides the runs of a group.
    fn open(&mut self) -> Effect {
        if self.mode == Mode::Comparing {
            return self.open_gallery();
        }
        if let Some(group) = self.selected_group() {
            let group = group.to_owned();
            if !self.open.remove(&group) {
                self.open.insert(group);
            }
            return Effect::None;
        }
        self.with_selected(|_, id, _| Request::Open(id).into())
    }

    fn compare(&mut self) -> Effect {
        if self.mode == Mode::Comparing {
            self.mode = Mode::Table;
        } else if self.marked.len() < 2 {
            return Effect::Say(
                "Mark two or more runs with m, then press v to compare them".into(),
            );
        } else {
            self.mode = Mode::Comparing;
            self.scroll = 0;
            return Request::Compare(self.sides()).into();
        }
        Effect::None
    }
}

impl Tab for RunsTab {
    fn on_action(&mut self, action: Action, _: &Context) -> Effect {
        if self.gallery.is_some() {
            return self.on_gallery(action);
        }
        match action {
            Action::Up => self.move_by(-1),
            Action::Down => self.move_by(1),
            Action::PageUp => self.move_by(-10),
            Action::PageDown => self.move_by(10),
            Action::Home => self.move_by(isize::MIN),
            Action::End => self.move_by(isize::MAX),
            Action::CycleView => self.compare(),
            Action::Back if self.mode == Mode::Comparing => self.compare(),
            Action::Back if !self.filter.is_empty() => {
                self.filter = Input::default();
                Effect::None
            }
            Action::Back => {
                self.marked.clear();
                Effect::None
            }
            Action::Filter => {
                self.mode = Mode::Filtering;
                Effect::None
            }
            Action::Sort => {
                self.order = self.order.next();
                Effect::Say(format!("Runs {}", self.order.name()))
            }
            Action::Open => self.open(),
            Action::Replay => self.with_selected(|_, run, _| {
                let speed = REPLAY_SPEED;
                Request::Replay { run, speed }.into()
            }),
            Action::ResumeRun => self.with_selected(|_, id, alive| {
                if alive {
                    Effect::Say("This run is running already".into())
                } else {
                    Request::Start(Start::Resumed(id)).into()
                }
            }),
            Action::Delete => self.delete(),
            Action::Fork => self.with_selected(|_, run, _| Effect::AskToFork { run, epoch: None }),
            Action::Queue => self.recipe_again(),
            Action::Mark => self.mark(),
            Action::Train => Effect::GoToTab(TabId::Model),
            _ if action.commands_a_run() => self.command(action),
            _ => Effect::Ignored,
        }
    }

    fn on_mouse(&mut self, mouse: Mouse, cx: &Context) -> Effect {
        match mouse {
            Mouse::ScrollUp(_) => self.move_by(-1),
            Mouse::ScrollDown(_) => self.move_by(1),
            Mouse::Click(at) if self.mode != Mode::Comparing && self.rows_area.contains(at) => {
                let index = self.first + usize::from(at.y - self.rows_area.y);
                let Some(id) = self.shown_ids().into_iter().nth(index) else {
                    return Effect::None;
                };
                if self.cursor.as_ref() == Some(&id) {
                    return self.on_action(Action::Open, cx);
                }
                self.cursor = Some(id);
                Effect::None
            }
            Mouse::Click(_) => Effect::None,
        }
    }

    fn takes_text(&self) -> bool {
        matches!(self.mode, Mode::Filtering | Mode::Deleting(_))
    }

    fn on_text(&mut self, key: KeyEvent) -> Effect {
        match &self.mode {
            Mode::Deleting(id) => match popup::answer(key) {
                Some(Answer::Yes) => {
                    let id = id.clone();
                    self.mode = Mode::Table;
                    Request::Delete(id).into()
                }
                Some(Answer::No) => {
                    self.mode = Mode::Table;
                    Effect::None
                }
                None => Effect::None,
            },
            Mode::Filtering => {
                match self.filter.on_search_key(key) {
                    Typed::Accepted => self.mode = Mode::Table,
                    Typed::Cancelled => {
                        self.filter = Input::default();
                        self.mode = Mode::Table;
                    }
                    Typed::Edited => {
                        let shown = self.shown_ids();
                        if !self.cursor.as_ref().is_some_and(|c| shown.contains(c)) {
                            self.cursor = shown.into_iter().next();
                        }
                    }
                    Typed::Ignored => {}
                }
                Effect::None
            }
            Mode::Table | Mode::Comparing => Effect::None,
        }
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        match self.mode {
            Mode::Filtering => vec![hint("Enter", "keep the filter"), hint("Esc", "show all")],
            Mode::Deleting(_) => vec![hint("Enter", "delete"), hint("Esc", "keep")],
            Mode::Comparing if self.gallery.is_some() => {
                vec![hint("v", "the other run's answers"), hint("Esc", "back")]
            }
            Mode::Comparing => {
                let is_there = |compared: &Compared| !compared.deciding().is_empty();
                let mut hints = Vec::new();
                if self.conclusion().is_some_and(is_there) {
                    hints.push(hint("Enter", "images that decide"));
                }
                hints.extend([hint("j k", "scroll"), hint("Esc", "back to the table")]);
                hints
            }
            Mode::Table if self.marked.len() >= 2 => vec![
                hint("v", "compare the marked"),
                hint("m", "mark"),
                hint("Esc", "unmark all"),
            ],
            Mode::Table => match self.selected().map(|r| r.status) {
                None if self.selected_group().is_some() => vec![
                    hint("Enter", "show its runs"),
                    hint("m", "mark"),
                    hint("v", "compare"),
                ],
                None => vec![hint("t", "train")],
                Some(Status::Queued) => vec![
                    hint("Space", "hold/release"),
                    hint("+ −", "earlier/later"),
                    hint("d", "delete"),
                    hint("m", "mark"),
                ],
                Some(Status::Running | Status::Paused) => vec![
                    hint("Enter", "open"),
                    hint("Space", "pause/continue"),
                    hint("x", "stop"),
                    hint("+ −", "learning rate"),
                    hint("m", "mark"),
                ],
                Some(_) if self.selected().is_some_and(|r| r.id == example::ID) => vec![
                    hint("Enter", "open"),
                    hint("r", "replay"),
                    hint("t", "train"),
                ],
                Some(Status::Finished) => vec![
                    hint("Enter", "open"),
                    hint("r", "replay"),
                    hint("m", "mark"),
                    hint("d", "delete"),
                ],
                Some(_) => vec![
                    hint("Enter", "open"),
                    hint("r", "replay"),
                    hint("u", "resume"),
                    hint("m", "mark"),
                    hint("d", "delete"),
                ],
            },
        }
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        let theme = &cx.theme;
        let inner = Rect {
            x: area.x + 1.min(area.width),
            width: area.width.saturating_sub(2),
            ..area
        };
        if inner.is_empty() {
            return;
        }
        if self.mode == Mode::Comparing {
            let sides = self.sides();
            let compared = self.conclusion().cloned();
            match (&mut self.gallery, &compared) {
                (Some(gallery), Some(compared)) => {
                    compare::render_gallery(compared, gallery, frame, inner, theme);
                }
                _ => compare::render(
                    &sides,
                    compared.as_ref(),
                    &mut self.scroll,
                    frame,
                    inner,
                    theme,
                ),
            }
        } else {
            table::render(self, frame, inner, theme);
        }
        if let Mode::Deleting(id) = &self.mode {
            let text = format!(
                "Delete {id} with its profile, event log and checkpoints? This cannot be undone."
            );
            popup::question(frame, area, "delete a run", &text, "delete it", theme);
        }
    }
}

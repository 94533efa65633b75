//! The Data tab: the images of a set in a grid or one by one, how the classes are balanced, what each looks like on
//! average.
//!
//! Draws what it is handed; loading and downloading are asked for as effects, their progress comes back as a line of
//! text.

mod balance;
mod draw;
mod filter;
mod grid;
mod means;
mod report;
mod sets;
mod status;
mod thumbnails;
mod zoom;

use std::collections::BTreeMap;
use std::sync::Arc;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::data::check::Checked;
use crate::data::{Dataset, Part};
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::request::Request;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::input::{Input, Typed};
use filter::Filter;
use grid::Grid;
use means::Means;
pub(crate) use means::means_of;
use report::ReportView;
use sets::{Ask, Sets};
pub(crate) use sets::{BrokenFiles, FoundSet};
use status::Status;
use thumbnails::Thumbnails;

/// The images of a set that runs leave out, by their pooled indices, and why each is; or what is wrong with their list.
pub(crate) type Excluded = Result<BTreeMap<usize, String>, String>;

/// Classes of the balance that a page has, about.
const PAGE: usize = 10;

/// What is drawn below the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Images at true size.
    Large,
    /// At half size.
    Small,
    Balance,
    Means,
}

impl View {
    const ALL: [Self; 4] = [Self::Large, Self::Small, Self::Balance, Self::Means];

    fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Small => "small",
            Self::Balance => "balance",
            Self::Means => "means",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|v| *v == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// What takes the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Browse,
    /// One image large.
    Zoom,
    /// Typing a filter; the message of a refused one.
    Filter(Input, String),
    /// Choosing another set.
    Sets,
    /// Typing the path of a set to be added; what was wrong with the one before.
    Adding(Input, String),
    /// What a check of the set came to.
    Report,
}

/// The tab.
#[derive(Default)]
pub(crate) struct DataTab {
    dataset: Option<Arc<Dataset>>,
    /// Of the shown set.
    excluded: BTreeMap<usize, String>,
    /// What is wrong with the list of these.
    excluded_problem: String,
    status: Status,
    asks: Option<Ask>,
    sets: Sets,
    /// Chosen by the first drawn width until somebody chooses.
    view: Option<View>,
    mode: Mode,
    filter: Filter,
    /// Pooled indices that pass the filter.
    shown: Vec<usize>,
    /// What the last check of the shown set came to.
    report: Option<ReportView>,
    /// The images of a finding, which alone are shown, and what they are.
    found: Option<(String, Vec<usize>)>,
    /// Whether the set's images have one size.
    is_uniform: bool,
    /// Worked out when first looked at.
    means: Means,
    grid: Grid,
    thumbnails: Thumbnails,
    mean_grid: Grid,
    balance_offset: usize,
    view_areas: Vec<(Rect, View)>,
}

impl DataTab {
    /// Shows this set.
    pub(crate) fn set_dataset(&mut self, dataset: Arc<Dataset>) {
        self.filter.class = self.filter.class.filter(|c| *c < dataset.classes.len());
        let parts = filter::parts(&dataset);
        self.filter.part = self.filter.part.filter(|p| parts.contains(p));
        self.filter.is_excluded = false;
        self.is_uniform = dataset.is_uniform();
        self.found = None;
        self.excluded.clear();
        self.excluded_problem.clear();
        self.thumbnails.clear();
        if self
            .report
            .as_ref()
            .is_some_and(|r| r.set() != dataset.name)
        {
            self.report = None;
        }
        self.dataset = Some(dataset);
        self.means = Means::Unknown;
        self.status.end();
        self.mode = Mode::Browse;
        self.mean_grid.cursor = 0;
        self.balance_offset = 0;
        self.refresh();
    }

    /// Shows no set any longer.
    fn show_nothing(&mut self) {
        (self.dataset, self.report, self.found) = (None, None, None);
        self.excluded.clear();
        self.excluded_problem.clear();
        self.thumbnails.clear();
        self.filter = Filter::default();
        self.refresh();
    }

    /// What runs leave out of the set called so, where that is the one that is shown.
    pub(crate) fn set_excluded(&mut self, set: &str, excluded: Excluded) {
        if self.dataset.as_ref().is_none_or(|d| d.name != set) {
            return;
        }
        let (images, problem) = match excluded {
            Ok(images) => (images, String::new()),
            Err(problem) => (BTreeMap::new(), problem),
        };
        self.excluded_problem = problem;
        if images != self.excluded {
            self.excluded = images;
            self.means = Means::Unknown;
            let cursor = self.grid.cursor;
            self.refresh();
            self.grid.cursor = cursor;
        }
    }

    /// The shown set, where its means are looked at and have to be worked out of its files; told once.
    pub(crate) fn asks_for_means(&mut self) -> Option<String> {
        let dataset = self.dataset.as_ref()?;
        let is_asked = self.view() == View::Means && matches!(self.means, Means::Unknown);
        if !is_asked || dataset.is_in_memory() {
            return None;
        }
        self.means = Means::Asked;
        self.shown_set()
    }

    /// The mean images of the set called so, or why there are none.
    pub(crate) fn set_means(&mut self, set: &str, means: Result<Vec<Vec<u8>>, String>) {
        self.status.end();
        if self.dataset.as_ref().is_some_and(|d| d.name == set) {
            self.means = Means::Known(means);
        }
    }

    /// What is being waited for; nothing is, where that is empty.
    pub(crate) fn set_status(&mut self, status: String) {
        self.status.begin(status);
    }

    /// What went wrong; it stays until it is dismissed.
    pub(crate) fn set_failed(&mut self, problem: String) {
        self.status.fail(problem);
    }

    /// The tab is left: what was said on it has been seen.
    pub(crate) fn on_left(&mut self) {
        self.status.dismiss();
    }

    /// The set that is shown.
    pub(crate) fn shown_set(&self) -> Option<String> {
        self.dataset.as_ref().map(|d| d.name.clone())
    }

    /// Shows what a check came to, where the set is still the one that is shown.
    pub(crate) fn set_checked(&mut self, checked: Arc<Checked>) {
        self.status.end();
        if self.shown_set().as_ref() == Some(&checked.source.set) {
            self.report = Some(ReportView::new(checked));
            self.mode = Mode::Report;
        }
    }

    /// The sets that are here. Those that can be downloaded can be chosen too.
    pub(crate) fn set_sets(&mut self, sets: Vec<FoundSet>) {
        self.sets.set(sets);
    }

    fn refresh(&mut self) {
        self.shown = match (&self.dataset, &self.found) {
            (Some(dataset), Some((_, images))) => self.filter.only(dataset, images),
            (Some(dataset), None) => self.filter.indices(dataset),
            (None, _) => Vec::new(),
        };
        if self.filter.is_excluded {
            self.shown.retain(|index| self.excluded.contains_key(index));
        }
        self.grid.cursor = 0;
    }

    fn classes(&self) -> &[String] {
        self.dataset.as_ref().map_or(&[], |d| &d.classes)
    }

    fn parts(&self) -> Vec<Part> {
        self.dataset.as_deref().map_or_else(Vec::new, filter::parts)
    }

    fn view(&self) -> View {
        self.view.unwrap_or(View::Small)
    }

    fn on_browse(&mut self, action: Action) -> Effect {
        match action {
            Action::CycleView => self.view = Some(self.view().next()),
            Action::Filter => self.mode = Mode::Filter(Input::default(), String::new()),
            Action::CycleNumbers => {
                let parts = self.parts();
                self.filter.step_part(&parts);
                self.refresh();
            }
            Action::Later | Action::Earlier => {
                let classes = self.classes().len();
                self.filter.step(action == Action::Later, classes);
                self.refresh();
            }
            Action::Back if self.status.dismiss() => {}
            Action::Back if self.found.is_some() => {
                self.found = None;
                self.refresh();
                if self.report.is_some() {
                    self.mode = Mode::Report;
                }
            }
            Action::Back => {
                self.filter = Filter::default();
                self.refresh();
            }
            Action::Open => return self.on_open(),
            Action::Train => return self.on_train(),
            Action::CheckDataset => return self.on_check(),
            Action::Add => {
                let effect = self.choose_set();
                self.ask_for_path(String::new());
                return effect;
            }
            _ if action.is_move() => self.on_move(action),
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    fn on_train(&self) -> Effect {
        self.shown_set()
            .map_or(Effect::GoToTab(TabId::Model), Effect::TrainOn)
    }

    /// Opens the last report; where there is none, or it is open, asks for a check.
    fn on_check(&mut self) -> Effect {
        let Some(dataset) = &self.dataset else {
            return Effect::Say("no data set is loaded that could be checked".into());
        };
        if self.report.is_some() && self.mode != Mode::Report {
            self.mode = Mode::Report;
            return Effect::None;
        }
        let name = dataset.name.clone();
        self.mode = Mode::Browse;
        self.status.begin(format!("checking {name} …; Esc cancels"));
        Request::CheckDataset(name).into()
    }

    fn on_report(&mut self, action: Action) -> Effect {
        let Some(report) = &mut self.report else {
            self.mode = Mode::Browse;
            return Effect::None;
        };
        match action {
            Action::Back => self.mode = Mode::Browse,
            Action::CheckDataset => return self.on_check(),
            Action::Train => return self.on_train(),
            Action::Open => match report.images() {
                Some(found) => {
                    self.found = Some(found);
                    self.filter = Filter::default();
                    self.view = Some(View::Small);
                    self.mode = Mode::Browse;
                    self.refresh();
                }
                None => return Effect::Say("this line is about no single images".into()),
            },
            action if report.step(action) => {}
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    fn on_open(&mut self) -> Effect {
        match self.view() {
            _ if self.dataset.is_none() => return self.choose_set(),
            View::Large | View::Small if !self.shown.is_empty() => self.mode = Mode::Zoom,
            // A mean image opens the images it is the mean of.
            View::Means if !self.classes().is_empty() => {
                self.filter.class = Some(self.mean_grid.cursor);
                self.view = Some(View::Small);
                self.refresh();
            }
            _ => {}
        }
        Effect::None
    }

    fn on_move(&mut self, action: Action) {
        match self.view() {
            View::Large | View::Small => {
                self.grid.step(action, self.shown.len());
            }
            View::Means => {
                let classes = self.classes().len();
                self.mean_grid.step(action, classes);
            }
            View::Balance => {
                let last = self.classes().len().saturating_sub(1);
                let at = self.balance_offset;
                let next = match action {
                    Action::Up => at.saturating_sub(1),
                    Action::Down => at + 1,
                    Action::PageUp => at.saturating_sub(PAGE),
                    Action::PageDown => at + PAGE,
                    Action::Home => 0,
                    Action::End => last,
                    _ => at,
                };
                self.balance_offset = next.min(last);
            }
        }
    }

    fn on_zoom(&mut self, action: Action) {
        let last = self.shown.len().saturating_sub(1);
        let cursor = self.grid.cursor;
        self.grid.cursor = match action {
            Action::Left | Action::Up => cursor.saturating_sub(1),
            Action::Right | Action::Down => (cursor + 1).min(last),
            Action::PageUp => cursor.saturating_sub(10),
            Action::PageDown => (cursor + 10).min(last),
            Action::Home => 0,
            Action::End => last,
            Action::Back | Action::Open => {
                self.mode = Mode::Browse;
                cursor
            }
            _ => cursor,
        };
    }

    fn on_click(&mut self, at: Position) -> Effect {
        if self.mode == Mode::Sets {
            return self.click_set(at);
        }
        if matches!(self.mode, Mode::Zoom | Mode::Report) {
            self.mode = Mode::Browse;
            return Effect::None;
        }
        if let Some((_, view)) = self.view_areas.iter().find(|(area, _)| area.contains(at)) {
            self.view = Some(*view);
            return Effect::None;
        }
        let classes = self.classes().len();
        let (grid, count) = match self.view() {
            View::Means => (&mut self.mean_grid, classes),
            View::Large | View::Small => (&mut self.grid, self.shown.len()),
            View::Balance => return Effect::None,
        };
        if let Some(index) = grid.at(at, count) {
            if index == grid.cursor {
                return self.on_open();
            }
            grid.cursor = index;
        }
        Effect::None
    }
}

impl Tab for DataTab {
    fn on_action(&mut self, action: Action, _: &Context) -> Effect {
        if action == Action::Delete {
            return self.ask_to_fetch_or_remove();
        }
        match self.mode {
            Mode::Sets | Mode::Adding(..) => self.on_sets(action),
            Mode::Report => self.on_report(action),
            _ if action == Action::Edit => self.choose_set(),
            Mode::Zoom => {
                self.on_zoom(action);
                Effect::None
            }
            Mode::Browse | Mode::Filter(..) => self.on_browse(action),
        }
    }

    fn on_mouse(&mut self, mouse: Mouse, cx: &Context) -> Effect {
        if self.asks.is_some() || matches!(self.mode, Mode::Adding(..)) {
            return Effect::None;
        }
        match mouse {
            Mouse::Click(at) => self.on_click(at),
            Mouse::ScrollUp(_) => self.on_action(Action::Up, cx),
            Mouse::ScrollDown(_) => self.on_action(Action::Down, cx),
        }
    }

    fn takes_text(&self) -> bool {
        self.asks.is_some() || matches!(self.mode, Mode::Filter(..) | Mode::Adding(..))
    }

    fn on_text(&mut self, key: KeyEvent) -> Effect {
        if let Some(ask) = self.asks.take() {
            return self.on_answer(ask, key);
        }
        let mut input = match std::mem::take(&mut self.mode) {
            Mode::Adding(input, _) => return self.on_path(input, key),
            Mode::Filter(input, _) => input,
            other => {
                self.mode = other;
                return Effect::None;
            }
        };
        match input.on_search_key(key) {
            Typed::Cancelled => {}
            Typed::Accepted => match Filter::parse(&input.text(), self.classes(), &self.parts()) {
                Ok(filter) if filter.is_excluded && self.excluded.is_empty() => {
                    let refused = "no image of this set is excluded".into();
                    self.mode = Mode::Filter(input, refused);
                }
                Ok(filter) => {
                    self.filter = filter;
                    self.refresh();
                }
                Err(refused) => self.mode = Mode::Filter(input, refused.to_string()),
            },
            Typed::Edited | Typed::Ignored => self.mode = Mode::Filter(input, String::new()),
        }
        Effect::None
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        if let Some(ask) = &self.asks {
            return ask.hints();
        }
        match self.mode {
            Mode::Filter(..) => vec![hint("Enter", "filter"), hint("Esc", "cancel")],
            Mode::Adding(..) => vec![hint("Enter", "add"), hint("Esc", "cancel")],
            Mode::Sets => self.hints_of_sets(),
            Mode::Report => vec![
                hint("Enter", "its images"),
                hint("C", "check again"),
                hint("Esc", "back"),
            ],
            Mode::Zoom => vec![hint("h l", "previous, next"), hint("Esc", "back")],
            Mode::Browse if self.dataset.is_none() => {
                let download = self.sets.wants_download().then(|| hint("d", "download"));
                let hints = [hint("e", "choose a set"), hint("a", "add a folder or file")];
                hints.into_iter().chain(download).collect()
            }
            Mode::Browse => {
                let enter = match self.view {
                    Some(View::Balance) => None,
                    Some(View::Means) => Some(hint("Enter", "images")),
                    _ => Some(hint("Enter", "enlarge")),
                };
                let others = [
                    hint("t", "train"),
                    hint("e", "sets"),
                    hint("/ < >", "filter"),
                    hint("v", "view"),
                    hint("C", "check"),
                ];
                enter.into_iter().chain(others).collect()
            }
        }
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        let theme = &cx.theme;
        let mut canvas = Canvas::new(frame.buffer_mut(), area);
        self.view_areas.clear();
        if self.view.is_none() && area.width > 0 {
            let roomy = area.width >= 100 && area.height >= 34;
            self.view = Some(if roomy { View::Large } else { View::Small });
        }
        let dataset = self.dataset.clone();
        match (&self.mode, &dataset) {
            (Mode::Sets | Mode::Adding(..), _) => self.draw_sets(&mut canvas, theme),
            (_, None) => self.draw_empty(&mut canvas, theme),
            (Mode::Zoom, Some(dataset)) => {
                if let Some(index) = self.shown.get(self.grid.cursor) {
                    let shown = zoom::Shown::new(dataset, *index, cx.background);
                    let place = (self.grid.cursor, self.shown.len());
                    let reason = self.excluded.get(index).map(String::as_str);
                    shown.draw(&mut canvas, place, reason, theme);
                }
            }
            (_, Some(dataset)) => {
                self.draw_head(&mut canvas, dataset, theme);
                self.draw_body(&mut canvas, dataset, cx);
            }
        }
        if theme.ascii {
            canvas.make_ascii();
        }
        if self.mode == Mode::Report
            && let Some(report) = &mut self.report
        {
            report.draw(frame, area, theme);
        }
        if let Some(ask) = &self.asks {
            ask.draw(frame, area, theme);
        }
    }
}

#[cfg(test)]
mod tests;

//! The Confusion tab: which class is taken for which, at any finished epoch, down to the single picture.
//!
//! Draws what it is handed (a run's history, predictions, a data set); reads no files.

mod draw;
mod gallery;
mod matrix;

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::mistakes::{class_name, mistakes, share};
use super::timeline::{Stop, Timeline};
use crate::data::Dataset;
use crate::event::RunHistory;
use crate::metrics::Confusion;
use crate::metrics::predictions::{Prediction, Predictions};
use crate::text;
use crate::tui::action::Action;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use gallery::{Gallery, Move};
use matrix::{Layout, Numbers};

/// Tab number of the Runs tab, where a run to compare with is marked.
const RUNS: &str = "mark another run on the Runs tab with m, then compare here";

/// The tab.
#[derive(Default)]
pub struct ConfusionTab {
    history: Option<Arc<RunHistory>>,
    run_id: String,
    dataset: Option<Arc<Dataset>>,
    latest: Option<Predictions>,
    best: Option<Predictions>,
    test: Option<Predictions>,
    /// The newest evaluation's predictions are on their way: till then the pictures of the one before stay.
    awaits: bool,
    other: Option<(String, Confusion)>,
    difference: bool,
    timeline: Timeline,
    numbers: Numbers,
    cursor: (usize, usize),
    offset: (usize, usize),
    gallery: Option<Gallery>,
    layout: Layout,
    matrix_area: Rect,
}

impl ConfusionTab {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows this run, or more of it.
    pub fn show(&mut self, history: &Arc<RunHistory>, run_id: &str) {
        if self.run_id != run_id {
            run_id.clone_into(&mut self.run_id);
            self.timeline.reset();
            self.gallery = None;
            self.cursor = (0, 0);
            self.offset = (0, 0);
            (self.latest, self.best, self.test) = (None, None, None);
        }
        let shown = self.history.as_ref().map_or(0, |h| Timeline::len(h));
        self.awaits |= Timeline::len(history) > shown;
        self.history = Some(Arc::clone(history));
    }

    /// The pictures the predictions are of.
    pub fn set_dataset(&mut self, dataset: Arc<Dataset>) {
        self.dataset = Some(dataset);
    }

    /// What was predicted at the newest epoch, the best epoch and the final test, as far as there are files.
    pub fn set_predictions(
        &mut self,
        latest: Option<Predictions>,
        best: Option<Predictions>,
        test: Option<Predictions>,
    ) {
        (self.latest, self.best, self.test) = (latest, best, test);
        self.awaits = false;
    }

    /// The run to compare with: its name and counts.
    pub fn set_other(&mut self, other: Option<(String, Confusion)>) {
        self.difference &= other.is_some();
        self.other = other;
    }

    fn stop(&self) -> Option<Stop<'_>> {
        self.timeline.shown(self.history.as_ref()?)
    }

    fn classes(&self) -> &[String] {
        let started = self.history.as_ref().and_then(|h| h.started.as_ref());
        started.map_or(&[], |s| &s.classes)
    }

    /// The predictions of the shown evaluation.
    fn predictions(&self) -> Option<&Predictions> {
        let kept = match self.stop()? {
            Stop::Test(_) => self.test.as_ref(),
            Stop::Epoch(point) => [&self.latest, &self.best]
                .into_iter()
                .flatten()
                .find(|p| p.epoch as usize == point.epoch),
        };
        let before = || {
            self.latest
                .as_ref()
                .filter(|_| self.awaits && self.timeline.follows())
        };
        kept.or_else(before)
    }

    fn items(&self) -> Vec<Prediction> {
        self.predictions()
            .map(|p| gallery::of_cell(p, self.cursor.0, self.cursor.1))
            .unwrap_or_default()
    }

    /// The data set, where it is the one the run was trained on.
    fn pictures(&self) -> Result<&Dataset, String> {
        let wanted = self.history.as_ref().and_then(|h| h.started.as_ref());
        let wanted = wanted.map_or("", |s| s.dataset.as_str());
        match &self.dataset {
            Some(d) if wanted.is_empty() || d.name == wanted => Ok(d),
            _ => Err(format!(
                "The pictures of {wanted} are not loaded; choose it on the Data tab."
            )),
        }
    }

    /// Why there are no pictures for the shown evaluation, and where there are.
    fn kept_where(&self) -> String {
        let mut places = Vec::new();
        for (name, kept) in [("newest", &self.latest), ("best", &self.best)] {
            if let Some(kept) = kept {
                places.push(format!("the {name} epoch ({})", kept.epoch));
            }
        }
        if self.test.is_some() {
            places.push("the final test".into());
        }
        if places.is_empty() {
            return "No predictions are kept for this run yet; they come with each epoch.".into();
        }
        format!(
            "Pictures are kept for {}; go there with < and >.",
            places.join(", ")
        )
    }

    fn move_cursor(&mut self, down: isize, right: isize) {
        let Some(classes) = self.stop().map(|s| s.confusion().classes()) else {
            return;
        };
        let last = classes.saturating_sub(1);
        self.cursor.0 = self.cursor.0.saturating_add_signed(down).min(last);
        self.cursor.1 = self.cursor.1.saturating_add_signed(right).min(last);
    }

    fn on_gallery(&mut self, action: Action) -> Effect {
        let towards = match action {
            Action::Left => Move::Left,
            Action::Right => Move::Right,
            Action::Up => Move::Up,
            Action::Down => Move::Down,
            Action::PageUp => Move::PageUp,
            Action::PageDown => Move::PageDown,
            Action::Home => Move::Home,
            Action::End => Move::End,
            Action::Back | Action::Open => {
                self.gallery = None;
                return Effect::None;
            }
            Action::CycleView => {
                if let Some(gallery) = &mut self.gallery {
                    gallery.toggle_size();
                }
                return Effect::None;
            }
            _ => return self.on_matrix(action),
        };
        let count = self.items().len();
        if let Some(gallery) = &mut self.gallery {
            gallery.step(towards, count);
        }
        Effect::None
    }

    fn on_matrix(&mut self, action: Action) -> Effect {
        match action {
            Action::Up => self.move_cursor(-1, 0),
            Action::Down => self.move_cursor(1, 0),
            Action::Left => self.move_cursor(0, -1),
            Action::Right => self.move_cursor(0, 1),
            Action::PageUp => self.move_cursor(-5, 0),
            Action::PageDown => self.move_cursor(5, 0),
            Action::Home => self.cursor = (0, 0),
            Action::End => self.move_cursor(isize::MAX / 2, isize::MAX / 2),
            Action::Sort => self.find_next_mistake(),
            Action::CycleNumbers => self.numbers = self.numbers.next(),
            Action::Mark if self.other.is_some() => self.difference = !self.difference,
            Action::Mark => return Effect::Say(RUNS.into()),
            Action::Earlier | Action::Later => {
                if let Some(history) = &self.history {
                    let by = if action == Action::Later { 1 } else { -1 };
                    self.timeline.step(history, by);
                }
            }
            Action::Open if self.stop().is_some() => self.gallery = Some(Gallery::default()),
            Action::Train if self.stop().is_none() => return Effect::GoToTab(TabId::Model),
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    /// Goes to what this class is most often taken for; to its own cell where it never is.
    pub fn select_class(&mut self, class: usize) {
        let Some(stop) = self.stop().filter(|s| class < s.confusion().classes()) else {
            return;
        };
        let found = mistakes(stop.confusion());
        let worst = found.iter().find(|m| m.label == class);
        self.cursor = (class, worst.map_or(class, |m| m.prediction));
        self.gallery = None;
    }

    /// Moves the cursor to the next most frequent mistake.
    fn find_next_mistake(&mut self) {
        let Some(stop) = self.stop() else { return };
        let found = mistakes(stop.confusion());
        let here = found
            .iter()
            .position(|m| (m.label, m.prediction) == self.cursor);
        let next = here.map_or(0, |at| (at + 1) % found.len().max(1));
        if let Some(mistake) = found.get(next) {
            self.cursor = (mistake.label, mistake.prediction);
        }
    }

    /// The cell under the cursor in words.
    fn reading(&self, confusion: &Confusion, minus: Option<&Confusion>) -> String {
        let (label, prediction) = self.cursor;
        let classes = self.classes();
        let count = confusion.counts[label][prediction];
        let all = confusion.row_total(label);
        let name = class_name(classes, label);
        let said = class_name(classes, prediction);
        if let (Some(minus), Some((other, _))) = (minus, &self.other) {
            let before = minus.counts[label][prediction];
            return format!(
                "true {name} → predicted {said}: {count} of {all} here, {before} of {} in {other}",
                minus.row_total(label)
            );
        }
        let part = text::percent(share(u64::from(count), all));
        let verb = if label == prediction {
            format!("true {name}, predicted right")
        } else {
            format!("true {name} → predicted {said}")
        };
        format!("{verb}: {count} of {all} ({part})")
    }

    /// The cell's count at each finished epoch.
    fn cell_trend(&self) -> Vec<f64> {
        let (label, prediction) = self.cursor;
        let epochs = self.history.iter().flat_map(|h| &h.epochs);
        epochs
            .filter_map(|e| e.held_out.confusion.counts.get(label)?.get(prediction))
            .map(|c| f64::from(*c))
            .collect()
    }

    fn on_click(&mut self, at: Position) -> Effect {
        if self.gallery.is_some() {
            let count = self.items().len();
            if let Some(gallery) = &mut self.gallery {
                gallery.click(at, count);
            }
            return Effect::None;
        }
        if let Some(history) = &self.history
            && self.timeline.click(history, at)
        {
            return Effect::None;
        }
        if let Some((row, column)) = self.layout.cell_at(self.matrix_area, at) {
            let cell = (self.offset.0 + row, self.offset.1 + column);
            if cell == self.cursor {
                return self.on_matrix(Action::Open);
            }
            self.cursor = cell;
        }
        Effect::None
    }
}

impl Tab for ConfusionTab {
    fn on_action(&mut self, action: Action) -> Effect {
        if self.gallery.is_some() {
            self.on_gallery(action)
        } else {
            self.on_matrix(action)
        }
    }

    fn on_mouse(&mut self, mouse: Mouse) -> Effect {
        match mouse {
            Mouse::Click(at) => self.on_click(at),
            Mouse::ScrollUp(_) => self.on_action(Action::Up),
            Mouse::ScrollDown(_) => self.on_action(Action::Down),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        if self.gallery.is_some() {
            return vec![
                hint("Esc", "matrix"),
                hint("hjkl", "move"),
                hint("PgDn", "page"),
                hint("v", "size"),
                hint("< >", "epoch"),
            ];
        }
        if self.stop().is_none() {
            return vec![hint("t", "train"), hint("?", "help")];
        }
        vec![
            hint("Enter", "pictures"),
            hint("s", "next mistake"),
            hint("n", "numbers"),
            hint("< >", "epoch"),
            hint("m", "difference"),
        ]
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let mut canvas = Canvas::new(frame.buffer_mut(), area);
        self.matrix_area = Rect::ZERO;
        let history = self.history.clone().unwrap_or_default();
        if self.gallery.is_some() && self.stop().is_some() {
            self.draw_gallery(&mut canvas, &history, theme);
        } else {
            self.draw_matrix_screen(&mut canvas, &history, theme);
        }
        if theme.ascii {
            canvas.to_ascii();
        }
    }
}

#[cfg(test)]
mod tests;

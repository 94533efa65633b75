//! The Confusion tab: which class is taken for which, at any finished epoch, down to the single picture.
//!
//! Draws what it is handed (a run's history, predictions, a data set); reads no files.

mod gallery;
mod matrix;

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::mistakes::{class_name, mistakes, share};
use super::timeline::{Stop, Timeline};
use crate::data::Dataset;
use crate::event::RunHistory;
use crate::metrics::Confusion;
use crate::metrics::predictions::{Prediction, Predictions};
use crate::text;
use crate::tui::action::Action;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use gallery::{Gallery, Move};
use matrix::{Layout, Matrix, Numbers, to_u16};

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
        match self.stop()? {
            Stop::Test(_) => self.test.as_ref(),
            Stop::Epoch(point) => [&self.latest, &self.best]
                .into_iter()
                .flatten()
                .find(|p| p.epoch as usize == point.epoch),
        }
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
            Action::Sort => self.to_next_mistake(),
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
            Action::Train if self.stop().is_none() => return Effect::GoToTab(1),
            _ => {}
        }
        Effect::None
    }

    /// Moves the cursor to the next most frequent mistake.
    fn to_next_mistake(&mut self) {
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
            .filter_map(|e| e.confusion.counts.get(label)?.get(prediction))
            .map(|c| f64::from(*c))
            .collect()
    }

    fn draw_title(&self, canvas: &mut Canvas, stop: Stop, history: &RunHistory, theme: &Theme) {
        let shown = match (&self.other, self.difference) {
            (Some((other, _)), true) => format!("difference with {other}"),
            _ => self.numbers.name().into(),
        };
        let name = history
            .started
            .as_ref()
            .map_or(self.run_id.as_str(), |s| s.name.as_str());
        let mut line = Line::from(vec![
            Span::styled(name.to_owned(), theme.title()),
            Span::styled(" · ", theme.dim()),
            Span::styled(stop.label(history), theme.held_out()),
        ]);
        let count = text::grouped(stop.confusion().total());
        let count = format!(" · {count} pictures");
        let room = usize::from(canvas.width()).saturating_sub(shown.width() + 4);
        if line.width() + count.width() <= room {
            line.push_span(Span::styled(count, theme.dim()));
        }
        canvas.put(1, 0, line);
        if room > 0 {
            let line = Line::styled(format!("  {shown}"), theme.accent());
            canvas.put_right(canvas.width() - 1, 0, line);
        }
    }

    fn draw_mistakes(
        &self,
        canvas: &mut Canvas,
        confusion: &Confusion,
        columns: u16,
        theme: &Theme,
    ) {
        let found = mistakes(confusion);
        canvas.put(
            0,
            0,
            Line::styled("taken for another most often", theme.dim()),
        );
        if found.is_empty() {
            canvas.put(
                0,
                1,
                Line::styled("nothing: every picture is right", theme.good()),
            );
        }
        let rows = canvas.height().saturating_sub(1);
        let width = usize::from(canvas.width() / columns.max(1)).saturating_sub(2);
        let most = found.first().map_or(1, |m| m.count);
        let shown = usize::from(rows) * usize::from(columns);
        for (place, mistake) in found.iter().take(shown).enumerate() {
            let place = to_u16(place);
            let x = place / rows.max(1) * (canvas.width() / columns.max(1));
            let y = 1 + place % rows.max(1);
            let classes = self.classes();
            let words = format!(
                "{} → {}",
                class_name(classes, mistake.label),
                class_name(classes, mistake.prediction)
            );
            let bar_width = width.saturating_sub(24 + 5 + 8).min(24);
            let words_width = width.saturating_sub(5 + 8 + bar_width + usize::from(bar_width > 0));
            let here = (mistake.label, mistake.prediction) == self.cursor;
            let style = if here { theme.accent() } else { theme.text() };
            let part = share(u64::from(mistake.count), mistake.support);
            canvas.put(
                x,
                y,
                Line::from(vec![
                    Span::styled(fit::left(&words, words_width), style),
                    Span::styled(fit::right(&mistake.count.to_string(), 5), theme.text()),
                    Span::styled(fit::right(&text::percent(part), 8), theme.dim()),
                    Span::raw(" "),
                    Span::styled(
                        fit::bar(f64::from(mistake.count) / f64::from(most), bar_width),
                        theme.bad().remove_modifier(ratatui::style::Modifier::BOLD),
                    ),
                ]),
            );
        }
    }

    fn draw_gallery(&mut self, canvas: &mut Canvas, history: &RunHistory, theme: &Theme) {
        let items = self.items();
        let Some(stop) = self.timeline.shown(history) else {
            return;
        };
        let (label, prediction) = self.cursor;
        let name = class_name(self.classes(), label);
        let title = if label == prediction {
            format!("{name}, predicted right")
        } else {
            format!(
                "true {name} → predicted {}",
                class_name(self.classes(), prediction)
            )
        };
        let order = if label == prediction {
            "least confident first"
        } else {
            "most confident first"
        };
        canvas.put(
            1,
            0,
            Line::from(vec![
                Span::styled(title, theme.title()),
                Span::styled(" · ", theme.dim()),
                Span::styled(stop.label(history), theme.held_out()),
                Span::styled(format!(" · {} pictures", items.len()), theme.dim()),
                Span::styled(
                    if canvas.width() >= 110 {
                        format!(", {order}")
                    } else {
                        String::new()
                    },
                    theme.dim(),
                ),
            ]),
        );
        let trouble = if self.predictions().is_none() {
            Some(self.kept_where())
        } else if items.is_empty() {
            Some("No picture in this cell. Esc goes back to the matrix.".into())
        } else {
            self.pictures().err()
        };
        if let Some(trouble) = trouble {
            let width = usize::from(canvas.width().saturating_sub(2));
            for (row, line) in fit::wrap(&trouble, width).into_iter().enumerate() {
                canvas.put(1, 2 + to_u16(row), Line::styled(line, theme.text()));
            }
            return;
        }
        let dataset = self.dataset.clone();
        if let (Some(gallery), Some(dataset)) = (&mut self.gallery, dataset) {
            let height = canvas.height().saturating_sub(1);
            let mut body = canvas.part(0, 1, canvas.width(), height);
            gallery.draw(&mut body, &items, &dataset, theme);
        }
    }

    fn draw_matrix_screen(&mut self, canvas: &mut Canvas, history: &RunHistory, theme: &Theme) {
        let Some(stop) = self.timeline.shown(history) else {
            draw_empty(canvas, history, theme);
            return;
        };
        let confusion = stop.confusion();
        let classes = confusion.classes();
        self.cursor.0 = self.cursor.0.min(classes.saturating_sub(1));
        self.cursor.1 = self.cursor.1.min(classes.saturating_sub(1));
        self.draw_title(canvas, stop, history, theme);
        if classes == 0 {
            canvas.put(1, 2, Line::styled("This run has no classes.", theme.dim()));
            return;
        }
        let minus = self.other.as_ref().map(|(_, c)| c).filter(|c| {
            self.difference
                && c.classes() == classes
                && c.counts.iter().all(|row| row.len() == classes)
        });
        let (width, height) = (canvas.width(), canvas.height());
        let roomy = height >= 30;
        let top = 1 + u16::from(roomy);
        // Below the matrix: a gap, the reading, and at the very bottom the slider.
        let below = if height >= 20 { 3 } else { 2 };
        let strip = if height >= 46 || (30..=40).contains(&height) {
            17
        } else {
            0
        };
        let names = self.classes().to_vec();
        let mut matrix = Matrix {
            confusion,
            minus,
            classes: &names,
            numbers: self.numbers,
            cursor: self.cursor,
            offset: self.offset,
        };
        let room = height.saturating_sub(top + below + strip);
        let layout = Layout::new(&matrix, width.saturating_sub(1), room);
        matrix.offset = (
            follow(self.offset.0, self.cursor.0, layout.rows, classes),
            follow(self.offset.1, self.cursor.1, layout.columns, classes),
        );
        let offset = matrix.offset;
        let (matrix_width, matrix_height) = layout.size();
        let area = canvas.rect(1, top, matrix_width, matrix_height);
        matrix.draw(
            &mut canvas.part(1, top, matrix_width, matrix_height),
            &layout,
            theme,
        );
        let reading = self.reading(confusion, minus);
        let side = width.saturating_sub(matrix_width + 4);
        let has_side = side >= 30;
        if has_side {
            let mut part = canvas.part(matrix_width + 4, top, side - 1, matrix_height);
            self.draw_mistakes(&mut part, confusion, if side > 90 { 2 } else { 1 }, theme);
        }
        let mut y = top + matrix_height + u16::from(below == 3);
        canvas.put(1, y, Line::styled(reading.clone(), theme.title()));
        let trend = self.cell_trend();
        let from = to_u16(reading.chars().count()) + 4;
        if trend.len() > 1 && from + 30 < width {
            let bars = fit::trend(&trend, usize::from(width - from - 16).min(40));
            canvas.put(
                from,
                y,
                Line::from(vec![
                    Span::styled("over epochs ", theme.dim()),
                    Span::styled(bars, theme.held_out()),
                ]),
            );
        }
        y += 1 + u16::from(roomy);
        let left = height.saturating_sub(y + 2);
        if left >= 2 {
            let mut part = canvas.part(1, y + u16::from(!roomy), width.saturating_sub(2), left);
            let items = self.items();
            match self.pictures() {
                Ok(dataset) if left >= 8 && !items.is_empty() => {
                    gallery::draw_strip(&mut part, &items, dataset, theme);
                }
                _ if !has_side => {
                    let columns = (width / 38).max(1);
                    self.draw_mistakes(&mut part, confusion, columns, theme);
                }
                Ok(_) if self.predictions().is_none() => {
                    part.put(0, 0, Line::styled(self.kept_where(), theme.dim()));
                }
                Ok(_) => {}
                Err(why) => part.put(0, 0, Line::styled(why, theme.dim())),
            }
        }
        self.timeline
            .draw(canvas, height.saturating_sub(1), history, theme);
        self.layout = layout;
        self.matrix_area = area;
        self.offset = offset;
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

/// The first shown index so that `cursor` is in view.
fn follow(offset: usize, cursor: usize, shown: usize, all: usize) -> usize {
    let least = (cursor + 1).saturating_sub(shown.max(1));
    offset
        .clamp(least.min(cursor), cursor)
        .min(all.saturating_sub(shown))
        .max(least)
}

fn draw_empty(canvas: &mut Canvas, history: &RunHistory, theme: &Theme) {
    let (head, text) = if history.started.is_some() {
        (
            "Waiting for the first epoch.",
            "The matrix appears when the first epoch has been evaluated, and grows with each one after it.",
        )
    } else {
        (
            "No run yet.",
            "Press t on the Model tab to train one, or open one on the Runs tab. Then this shows which class is taken for which.",
        )
    };
    canvas.put(1, 1, Line::styled(head, theme.title()));
    let width = usize::from(canvas.width().saturating_sub(2)).min(76);
    for (row, line) in fit::wrap(text, width).into_iter().enumerate() {
        canvas.put(1, 3 + to_u16(row), Line::styled(line, theme.dim()));
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

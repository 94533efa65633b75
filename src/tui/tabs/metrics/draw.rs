//! The table's screen: head, classes, the parts of the data beside or below them, the most confused pair; and the empty
//! screen.

use ratatui::text::{Line, Span};

use super::table::Table;
use super::{MetricsTab, Shown, parts};
use crate::event::RunHistory;
use crate::metrics::Scores;
use crate::metrics::{class_name, worst_pair};
use crate::text::{self, figure};
use crate::tui::context::Context;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

impl MetricsTab {
    pub(super) fn draw_filled(
        &mut self,
        canvas: &mut Canvas,
        history: &RunHistory,
        shown: &Shown,
        cx: &Context,
    ) {
        let (classes, theme) = (cx.classes(), &cx.theme);
        let (width, height) = (canvas.width(), canvas.height());
        let note = note_lines(history, width, height);
        let head = 1 + u16::try_from(note.len()).unwrap_or(0);
        let rows = shown.scores.confusion.classes();
        let roomy = height >= 30;
        let top = head + u16::from(roomy || height >= 22);
        // Below the rows: macro, weighted, a gap, the parts' head, four figures and the confused pair.
        let wide = width >= 118 && height >= 16;
        let parts_height = if wide { 0 } else { 6 };
        let slider = u16::from(roomy);
        let below = 2 + parts_height + 1 + 2 * slider + u16::from(roomy);
        let fit_rows = height.saturating_sub(top + 1 + below).max(1);
        let shown_rows = usize::from(fit_rows).min(rows);
        let table_width = if wide { width - 51 } else { width };
        let table = Table {
            scores: &shown.scores,
            classes,
            history,
            order: self.order,
        };
        let order = table.sorted();
        self.cursor = self.cursor.min(rows.saturating_sub(1));
        let lowest = (self.cursor + 1).saturating_sub(shown_rows.max(1));
        self.offset = self.offset.clamp(lowest, self.cursor.max(lowest));
        let part = &mut canvas.part(0, top, table_width, height.saturating_sub(top));
        let end = table.draw(part, &order, self.cursor, self.offset, shown_rows, theme);
        let place = if shown_rows < rows {
            let (from, to) = (self.offset + 1, self.offset + shown_rows);
            format!("  {from}–{to} of {rows} ")
        } else {
            String::new()
        };
        // Where it is wide, a line of its own says it.
        let untested = history.untested().filter(|_| !wide);
        draw_head(canvas, shown, (note, &place), untested, cx);
        let shown_height = u16::try_from(shown_rows).unwrap_or(u16::MAX);
        self.head_area = canvas.rect(0, top, table_width, 1);
        self.rows_area = canvas.rect(0, top + 1, table_width, shown_height);
        let mut y = top + end + u16::from(height >= 22);
        if wide {
            let x = table_width + 2;
            let part = &mut canvas.part(x, top, width - x, height - top);
            parts::draw(part, history, shown, theme);
        } else {
            let part = &mut canvas.part(0, y, width, parts_height);
            parts::draw(part, history, shown, theme);
            y += 5;
        }
        draw_confused(
            canvas,
            y.min(height.saturating_sub(1 + slider)),
            &shown.scores,
            classes,
            theme,
        );
        if wide && roomy && height > y + 5 {
            let part = &mut canvas.part(0, y + 2, table_width, height - y - 4);
            parts::draw_classes(part, history, &order, theme);
        }
        if roomy {
            self.timeline.draw(canvas, height - 1, history, theme);
        }
    }
}

/// Draws what is shown of which run, which of its classes, and the note on it.
fn draw_head(
    canvas: &mut Canvas,
    shown: &Shown,
    (note, place): (Vec<String>, &str),
    untested: Option<&str>,
    cx: &Context,
) {
    let (name, theme) = (cx.run_name(), &cx.theme);
    let images = text::grouped(shown.scores.confusion.total());
    let untested = untested.map_or_else(String::new, |why| format!(" · {why}"));
    let images = format!(" · {images} images{untested}");
    let place_width = place.chars().count();
    let width = usize::from(canvas.width()).saturating_sub(place_width);
    // What the figures are of comes before the whole of a long name.
    let used = 4 + shown.label.chars().count() + images.chars().count();
    let line = Line::from(vec![
        Span::styled(
            fit::cut(name, width.saturating_sub(used).max(8)),
            theme.title(),
        ),
        Span::styled(" · ", theme.dim()),
        Span::styled(shown.label.clone(), theme.held_out()),
        Span::styled(images, theme.dim()),
    ]);
    let room = u16::try_from(width.saturating_sub(1)).unwrap_or(u16::MAX);
    canvas.put_in(1, 0, room, line);
    canvas.put_right(
        canvas.width(),
        0,
        Line::styled(place.to_owned(), theme.dim()),
    );
    for (y, line) in (1..).zip(note) {
        canvas.put(1, y, Line::styled(line, theme.warn()));
    }
}

/// The note on a run's figures, in lines.
fn note_lines(history: &RunHistory, width: u16, height: u16) -> Vec<String> {
    let note = history.result.as_ref().map_or("", |r| r.note.as_str());
    let most = if height < 18 { 1 } else { 3 };
    fit::wrap_to(note, usize::from(width.saturating_sub(2)), most)
}

fn draw_confused(canvas: &mut Canvas, y: u16, scores: &Scores, classes: &[String], theme: &Theme) {
    let line = match worst_pair(&scores.confusion) {
        Some((a, b, count)) => {
            let wrong = scores.confusion.total() - scores.confusion.correct();
            let part = figure::percent(crate::metrics::share(count, wrong), 1, 7);
            let count = figure::count(count, figure::ANY);
            Line::from(vec![
                Span::styled("most confused: ", theme.dim()),
                Span::styled(
                    format!("{} and {}", class_name(classes, a), class_name(classes, b)),
                    theme.title(),
                ),
                Span::styled(
                    format!(", {count} times, {part} of all errors"),
                    theme.text(),
                ),
            ])
        }
        None => Line::styled("no errors: every image is correct", theme.good()),
    };
    canvas.put(1, y, line);
}

pub(super) fn draw_empty(canvas: &mut Canvas, cx: &Context) {
    let theme = &cx.theme;
    let is_started = cx.history().is_some_and(|h| h.started.is_some());
    let (head, words) = if is_started {
        (
            "Waiting for the first epoch.",
            "Precision, recall and F1 of each class appear when the first epoch has been evaluated.",
        )
    } else {
        (
            "No run yet.",
            "Press t on the Model tab to train one, or open one on the Runs tab. Then this shows how well each class is recognised.",
        )
    };
    canvas.put(1, 1, Line::styled(head, theme.title()));
    let width = usize::from(canvas.width().saturating_sub(2)).min(76);
    for (row, line) in (3..).zip(fit::wrap(words, width)) {
        canvas.put(1, row, Line::styled(line, theme.dim()));
    }
}

//! Draws the Confusion tab: title, matrix, reading, strip, list of mistakes, slider; or the gallery of a cell.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::ConfusionTab;
use super::matrix::{Layout, Matrix, to_u16};
use super::{images, kept_where};
use crate::event::RunHistory;
use crate::metrics::Confusion;
use crate::metrics::{class_name, mistakes, share};
use crate::text;
use crate::tui::context::Context;
use crate::tui::tabs::gallery;
use crate::tui::tabs::timeline::Stop;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

impl ConfusionTab {
    pub(super) fn draw_title(
        &self,
        canvas: &mut Canvas,
        stop: Stop,
        history: &RunHistory,
        cx: &Context,
    ) {
        let theme = &cx.theme;
        let shown = match (&cx.other, self.difference) {
            (Some((other, _)), true) => format!("difference with {other}"),
            _ => self.numbers.name().into(),
        };
        let mut line = Line::from(vec![
            Span::styled(cx.run_name().to_owned(), theme.title()),
            Span::styled(" · ", theme.dim()),
            Span::styled(stop.label(history), theme.held_out()),
        ]);
        let room = usize::from(canvas.width()).saturating_sub(shown.width() + 4);
        if let Some(why) = history.untested() {
            let long = format!(" · no test scores: {why}");
            let fits = line.width() + long.width() <= room;
            let words = if fits { long } else { format!(" · {why}") };
            line.push_span(Span::styled(words, theme.dim()));
        }
        let count = text::grouped(stop.confusion().total());
        let count = format!(" · {count} images");
        if line.width() + count.width() <= room {
            line.push_span(Span::styled(count, theme.dim()));
        }
        canvas.put(1, 0, line);
        if room > 0 {
            let line = Line::styled(format!("  {shown}"), theme.accent());
            canvas.put_right(canvas.width() - 1, 0, line);
        }
    }

    pub(super) fn draw_mistakes(
        &self,
        canvas: &mut Canvas,
        confusion: &Confusion,
        columns: u16,
        cx: &Context,
    ) {
        let theme = &cx.theme;
        let found = mistakes(confusion);
        canvas.put(
            0,
            0,
            Line::styled(
                if self.difference {
                    "mistakes of this run"
                } else {
                    "most frequent confusions"
                },
                theme.dim(),
            ),
        );
        if found.is_empty() {
            canvas.put(
                0,
                1,
                Line::styled("no errors: every image is correct", theme.good()),
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
            let classes = cx.classes();
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

    pub(super) fn draw_gallery(
        &mut self,
        canvas: &mut Canvas,
        history: &RunHistory,
        stop: Stop,
        cx: &Context,
    ) {
        let theme = &cx.theme;
        let items = self.items(cx);
        let (label, prediction) = self.cursor;
        let name = class_name(cx.classes(), label);
        let title = if label == prediction {
            format!("{name}, correct")
        } else {
            format!(
                "true {name} → predicted {}",
                class_name(cx.classes(), prediction)
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
                Span::styled(format!(" · {} images", items.len()), theme.dim()),
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
        let images = if self.predictions(cx).is_none() {
            Err(kept_where(cx))
        } else if items.is_empty() {
            Err("No image in this cell. Esc goes back to the matrix.".into())
        } else {
            images(cx)
        };
        let images = match images {
            Ok(images) => images,
            Err(trouble) => {
                let width = usize::from(canvas.width().saturating_sub(2));
                for (row, line) in fit::wrap(&trouble, width).into_iter().enumerate() {
                    canvas.put(1, 2 + to_u16(row), Line::styled(line, theme.text()));
                }
                return;
            }
        };
        if let Some(gallery) = &mut self.gallery {
            let height = canvas.height().saturating_sub(1);
            let mut body = canvas.part(0, 1, canvas.width(), height);
            gallery.draw(&mut body, &items, images, theme);
        }
    }

    pub(super) fn draw_matrix_screen(
        &mut self,
        canvas: &mut Canvas,
        history: &RunHistory,
        stop: Stop,
        cx: &Context,
    ) {
        let theme = &cx.theme;
        let confusion = stop.confusion();
        let classes = confusion.classes();
        self.cursor.0 = self.cursor.0.min(classes.saturating_sub(1));
        self.cursor.1 = self.cursor.1.min(classes.saturating_sub(1));
        self.draw_title(canvas, stop, history, cx);
        if classes == 0 {
            canvas.put(1, 2, Line::styled("This run has no classes.", theme.dim()));
            return;
        }
        let minus = cx.other.as_ref().map(|(_, c)| c).filter(|c| {
            self.difference
                && c.classes() == classes
                && c.counts.iter().all(|row| row.len() == classes)
        });
        let (width, height) = (canvas.width(), canvas.height());
        let roomy = height >= 30;
        let top = 1 + u16::from(roomy);
        // Below the matrix: a gap, the reading, and at the very bottom the slider.
        let below = if height >= 20 { 3 } else { 2 };
        // Images below only where the whole matrix stays.
        let strip = if height >= 46 || (30..=40).contains(&height) {
            let whole = to_u16(classes).saturating_add(3);
            17.min(height.saturating_sub(top + below + whole))
        } else {
            0
        };
        let mut matrix = Matrix {
            confusion,
            minus,
            classes: cx.classes(),
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
        let reading = self.reading(confusion, minus, cx);
        let side = width.saturating_sub(matrix_width + 4);
        let has_side = side >= 30;
        if has_side {
            let mut part = canvas.part(matrix_width + 4, top, side - 1, matrix_height);
            self.draw_mistakes(&mut part, confusion, if side > 90 { 2 } else { 1 }, cx);
        }
        let mut y = top + matrix_height + u16::from(below == 3);
        canvas.put(1, y, Line::styled(reading.clone(), theme.title()));
        let trend = self.cell_trend(cx);
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
            let items = self.items(cx);
            match images(cx) {
                Ok(images) if left >= 8 && !items.is_empty() => {
                    gallery::draw_strip(&mut part, &items, images, theme);
                }
                _ if !has_side => {
                    let columns = (width / 38).max(1);
                    self.draw_mistakes(&mut part, confusion, columns, cx);
                }
                Ok(_) if self.predictions(cx).is_none() => {
                    part.put(0, 0, Line::styled(kept_where(cx), theme.dim()));
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
}

/// The first shown index so that `cursor` is in view.
fn follow(offset: usize, cursor: usize, shown: usize, all: usize) -> usize {
    let least = (cursor + 1).saturating_sub(shown.max(1));
    offset
        .clamp(least.min(cursor), cursor)
        .min(all.saturating_sub(shown))
        .max(least)
}

pub(super) fn draw_empty(canvas: &mut Canvas, cx: &Context) {
    let theme = &cx.theme;
    let is_started = cx.history().is_some_and(|h| h.started.is_some());
    let (head, text) = if is_started {
        (
            "Waiting for the first epoch.",
            "The matrix appears when the first epoch has been evaluated, and grows with each one after it.",
        )
    } else {
        (
            "No run yet.",
            "Press t on the Model tab to train one, or open one on the Runs tab. Then this shows which classes are confused with which.",
        )
    };
    canvas.put(1, 1, Line::styled(head, theme.title()));
    let width = usize::from(canvas.width().saturating_sub(2)).min(76);
    for (row, line) in fit::wrap(text, width).into_iter().enumerate() {
        canvas.put(1, 3 + to_u16(row), Line::styled(line, theme.dim()));
    }
}

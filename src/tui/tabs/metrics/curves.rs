//! The curves view: ROC and precision–recall of the class under the cursor against the rest, and the areas of all
//! classes.

use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::certain::{draw_head, notes};
use crate::event::RunHistory;
use crate::metrics::certainty::{Certainty, OneAgainstRest, macro_mean};
use crate::metrics::class_name;
use crate::text::figure;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::tab::Effect;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::chart::{self, Chart, Number, Series};
use crate::tui::widgets::fit;

/// The tallest charts.
const TALLEST: u16 = 36;

/// What the classes are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Class,
    /// The worst first.
    Auc,
    AveragePrecision,
    /// The largest first.
    Images,
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::Class => Self::Auc,
            Self::Auc => Self::AveragePrecision,
            Self::AveragePrecision => Self::Images,
            Self::Images => Self::Class,
        }
    }
}

/// The view's own state.
#[derive(Debug, Default)]
pub(super) struct Curves {
    order: Order,
    /// Place in the sorted list.
    cursor: usize,
    offset: usize,
    rows_area: Rect,
    head_area: Rect,
}

type Points = Vec<(f64, f64)>;

/// A column of the list.
struct Column {
    order: Order,
    name: &'static str,
    width: usize,
}

impl Curves {
    /// Class numbers in the order of the rows.
    fn sorted(&self, all: &[OneAgainstRest]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..all.len()).collect();
        match self.order {
            Order::Class => {}
            Order::Auc => order.sort_by(|a, b| all[*a].auc.total_cmp(&all[*b].auc)),
            Order::AveragePrecision => {
                order.sort_by(|a, b| {
                    let of = |class: &usize| all[*class].average_precision;
                    of(a).total_cmp(&of(b))
                });
            }
            Order::Images => order.sort_by_key(|class| std::cmp::Reverse(all[*class].images)),
        }
        order
    }

    /// The class under the cursor.
    #[must_use]
    pub(super) fn class(&self, all: &[OneAgainstRest]) -> Option<usize> {
        self.sorted(all).get(self.cursor).copied()
    }

    /// Puts the cursor on a class.
    pub(super) fn select(&mut self, class: usize, all: &[OneAgainstRest]) {
        let place = self.sorted(all).iter().position(|c| *c == class);
        // Until the curves are there they are in the order of the classes.
        self.cursor = place.unwrap_or(class);
    }

    fn move_cursor(&mut self, by: isize, all: &[OneAgainstRest]) {
        let last = all.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    pub(super) fn on_action(&mut self, action: Action, all: &[OneAgainstRest]) -> Effect {
        match action {
            Action::Up => self.move_cursor(-1, all),
            Action::Down => self.move_cursor(1, all),
            Action::PageUp => self.move_cursor(-10, all),
            Action::PageDown => self.move_cursor(10, all),
            Action::Home => self.cursor = 0,
            Action::End => self.move_cursor(isize::MAX / 2, all),
            Action::Sort => {
                self.order = self.order.next();
                self.cursor = 0;
            }
            Action::Open => return self.class(all).map_or(Effect::Ignored, Effect::OpenClass),
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    pub(super) fn on_click(&mut self, at: Position, all: &[OneAgainstRest]) -> Effect {
        if self.head_area.contains(at) {
            return self.on_action(Action::Sort, all);
        }
        if self.rows_area.contains(at) {
            let place = self.offset + usize::from(at.y - self.rows_area.y);
            if place == self.cursor {
                return self.on_action(Action::Open, all);
            }
            self.cursor = place.min(all.len().saturating_sub(1));
        }
        Effect::None
    }

    /// Where a row of the list lies on the screen.
    #[cfg(test)]
    pub(super) fn row(&self, row: u16) -> u16 {
        self.rows_area.y + row
    }

    /// Draws all of it.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        certainty: &Certainty,
        history: &RunHistory,
        cx: &Context,
    ) {
        (self.rows_area, self.head_area) = (Rect::ZERO, Rect::ZERO);
        draw_head(canvas, certainty, history, cx);
        let theme = &cx.theme;
        let width = usize::from(canvas.width().saturating_sub(2)).min(100);
        let mut y = 1;
        for line in notes(certainty, width, cx) {
            canvas.put(1, y, line);
            y += 1;
        }
        match &certainty.curves {
            Ok(all) => self.draw_filled(canvas, y, all, cx),
            Err(why) => {
                for line in fit::wrap_to(&format!("no curves: {why}"), width, 4) {
                    y += 1;
                    canvas.put(1, y, Line::styled(line, theme.warn()));
                }
            }
        }
    }

    fn draw_filled(&mut self, canvas: &mut Canvas, y: u16, all: &[OneAgainstRest], cx: &Context) {
        let theme = &cx.theme;
        self.cursor = self.cursor.min(all.len().saturating_sub(1));
        let order = self.sorted(all);
        let Some(class) = order.get(self.cursor).copied() else {
            return;
        };
        let (width, height) = (canvas.width(), canvas.height().saturating_sub(y));
        let roomy = u16::from(height >= 28);
        // Head and mean are always there.
        let most = if roomy > 0 {
            (height / 3).max(10)
        } else {
            height.saturating_sub(13).max(1)
        };
        let rows = u16::try_from(all.len()).unwrap_or(u16::MAX).min(most);
        let charts = height.saturating_sub(rows + 2 + 2 * roomy).min(TALLEST);
        let half = width.saturating_sub(3) / 2;
        let name = class_name(cx.classes(), class);
        let y = y + roomy;
        let one = &all[class];
        draw_roc(&mut canvas.part(1, y, half, charts), one, &name, theme);
        let x = width - half;
        let images: usize = all.iter().map(|c| c.images).sum();
        let part = &mut canvas.part(x, y, half, charts);
        draw_precision_recall(part, one, images, &name, theme);
        let y = y + charts + roomy;
        let lowest = (self.cursor + 1).saturating_sub(usize::from(rows));
        self.offset = self.offset.clamp(lowest, self.cursor.max(lowest));
        if usize::from(rows) < all.len() {
            let (from, to) = (self.offset + 1, self.offset + usize::from(rows));
            let place = format!("  {from}–{to} of {} ", all.len());
            canvas.put_right(width, 0, Line::styled(place, theme.dim()));
        }
        self.head_area = canvas.rect(0, y, width, 1);
        self.rows_area = canvas.rect(0, y + 1, width, rows);
        let part = &mut canvas.part(0, y, width, rows + 2);
        self.draw_list(part, all, &order, cx);
    }

    fn draw_list(
        &self,
        canvas: &mut Canvas,
        all: &[OneAgainstRest],
        order: &[usize],
        cx: &Context,
    ) {
        let theme = &cx.theme;
        let width = usize::from(canvas.width());
        let name = (width / 4).clamp(6, 20);
        let bar = (width.saturating_sub(name + 2 + 9 + 8 + 10 + 4) / 2).min(30);
        let columns = [
            Column {
                order: Order::Class,
                name: "class",
                width: name,
            },
            Column {
                order: Order::Images,
                name: "images",
                width: 9,
            },
            Column {
                order: Order::Auc,
                name: "AUC",
                width: 8,
            },
            Column {
                order: Order::AveragePrecision,
                name: "avg. prec.",
                width: bar + 2 + 11,
            },
        ];
        canvas.put(0, 0, self.head(&columns, theme));
        let rows = usize::from(canvas.height().saturating_sub(2));
        let shown = order.iter().enumerate().skip(self.offset).take(rows);
        for (y, (place, class)) in (1..).zip(shown) {
            let is_here = place == self.cursor;
            let (mark, style) = if is_here {
                ("▸", theme.accent())
            } else {
                (" ", theme.text())
            };
            let one = &all[*class];
            let label = format!("{mark}{}", class_name(cx.classes(), *class));
            let mut spans = vec![Span::styled(fit::left(&label, name + 1), style)];
            let images = figure::count(one.images as u64, 8);
            spans.push(Span::styled(fit::right(&images, 9), theme.dim()));
            spans.extend(areas(one.auc, one.average_precision, bar, theme));
            canvas.put(0, y, Line::from(spans));
        }
        let (auc, known) = macro_mean(all, |c| c.auc);
        let (average, _) = macro_mean(all, |c| c.average_precision);
        let of = if known == all.len() {
            String::new()
        } else {
            format!(" of {known}")
        };
        let label = fit::left(&format!(" macro mean{of}"), name + 1);
        let images: usize = all.iter().map(|c| c.images).sum();
        let images = fit::right(&figure::count(images as u64, 8), 9);
        let mut spans = vec![
            Span::styled(label, theme.title()),
            Span::styled(images, theme.dim()),
        ];
        spans.extend(areas(auc, average, bar, theme));
        let y = u16::try_from(rows.min(order.len())).unwrap_or(u16::MAX);
        canvas.put(0, y.saturating_add(1), Line::from(spans));
    }

    fn head(&self, columns: &[Column], theme: &Theme) -> Line<'static> {
        let mut spans = vec![Span::raw(" ")];
        for column in columns {
            let is_sorted = column.order == self.order;
            let mark = match (is_sorted, column.order) {
                (false, _) => "",
                (true, Order::Images) => "▾",
                (true, _) => "▴",
            };
            let name = format!("{}{mark}", column.name);
            let text = if column.order == Order::Class {
                fit::left(&name, column.width)
            } else {
                fit::right(&name, column.width)
            };
            let style = if is_sorted {
                theme.accent()
            } else {
                theme.dim()
            };
            spans.push(Span::styled(text, style));
        }
        Line::from(spans)
    }
}

/// Both areas with their bars; a dash where one is not known.
fn areas(auc: f64, average_precision: f64, bar: usize, theme: &Theme) -> Vec<Span<'static>> {
    let number = |value: f64| {
        if value.is_nan() {
            "–".into()
        } else {
            figure::fixed(value, 4, 7)
        }
    };
    let bar = |value: f64| fit::left(&fit::bar(value, bar), bar + 2);
    vec![
        Span::styled(fit::right(&number(auc), 8), theme.title()),
        // Chance is half.
        Span::styled(format!("  {}", bar(auc * 2.0 - 1.0)), theme.held_out()),
        Span::styled(fit::right(&number(average_precision), 9), theme.title()),
        Span::styled(format!("  {}", bar(average_precision)), theme.held_out()),
    ]
}

fn draw_roc(canvas: &mut Canvas, one: &OneAgainstRest, name: &str, theme: &Theme) {
    let chance = vec![(0.0, 0.0), (50.0, 0.5), (100.0, 1.0)];
    let points = in_percent(&one.roc);
    let axes = ("ROC: true positives", "false positives, %");
    draw_curve(canvas, axes, (points, chance), name, theme);
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn draw_precision_recall(
    canvas: &mut Canvas,
    one: &OneAgainstRest,
    images: usize,
    name: &str,
    theme: &Theme,
) {
    let share = one.images as f64 / images.max(1) as f64;
    let chance = [0.0, 50.0, 100.0].map(|x| (x, share)).into();
    let points = in_percent(&one.precision_recall);
    draw_curve(
        canvas,
        ("precision by recall", "recall, %"),
        (points, chance),
        name,
        theme,
    );
}

fn in_percent(points: &[(f64, f64)]) -> Points {
    points.iter().map(|(x, y)| (x * 100.0, *y)).collect()
}

/// A class's curve beside the one of a network that knows nothing.
fn draw_curve(
    canvas: &mut Canvas,
    (title, x_name): (&str, &str),
    (points, chance): (Points, Points),
    name: &str,
    theme: &Theme,
) {
    let is_empty = points.is_empty();
    let series = [
        Series {
            name: name.to_owned(),
            points,
            style: theme.held_out(),
            dashed: false,
        },
        Series {
            name: "chance".into(),
            points: chance,
            style: theme.dim(),
            dashed: true,
        },
    ];
    let chart = Chart {
        x_log: false,
        title,
        x_name,
        x: (0.0, 100.0),
        y: chart::Span {
            low: 0.0,
            high: 1.0,
            log: false,
        },
        number: Number::Share,
        series: &series,
        mark: None,
    };
    let plot = canvas.chart(&chart, theme);
    if let Some(mut plot) = plot.filter(|_| is_empty) {
        let words = Line::styled("no image of this class", theme.warn());
        plot.put(1, plot.height() / 2, words);
    }
}

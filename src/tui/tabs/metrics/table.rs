//! The table of classes: precision, recall, F1 with a bar, support, and on wide screens how F1 went over the epochs.

use ratatui::text::{Line, Span};

use crate::event::RunHistory;
use crate::metrics::class_name;
use crate::metrics::{ClassScore, Scores};
use crate::text::figure;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Class,
    /// The worst first.
    F1,
    Precision,
    Recall,
    /// The largest first.
    Support,
}

impl Order {
    #[must_use]
    pub(super) fn next(self) -> Self {
        match self {
            Self::Class => Self::F1,
            Self::F1 => Self::Precision,
            Self::Precision => Self::Recall,
            Self::Recall => Self::Support,
            Self::Support => Self::Class,
        }
    }
}

pub(super) struct Table<'a> {
    pub scores: &'a Scores,
    pub classes: &'a [String],
    pub history: &'a RunHistory,
    pub order: Order,
}

/// Widths of the name, the bar and the trend; the numbers have fixed widths.
struct Widths {
    name: usize,
    bar: usize,
    trend: usize,
}

impl Widths {
    /// Numbers take 11 + 9 + 8 columns, support 9.
    fn new(width: u16, epochs: usize) -> Self {
        let width = usize::from(width);
        let name = (width / 4).clamp(6, 16);
        let rest = width.saturating_sub(2 + name + 28 + 9 + 2);
        let trend = if rest > 34 && epochs > 1 {
            (rest / 2).min(24)
        } else {
            0
        };
        let bar = rest
            .saturating_sub(trend + 2 * usize::from(trend > 0))
            .min(60);
        Self { name, bar, trend }
    }
}

impl Table<'_> {
    /// Class numbers in the order of the rows.
    #[must_use]
    pub(super) fn sorted(&self) -> Vec<usize> {
        let scores = &self.scores.per_class();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let ascending = |f: fn(&ClassScore) -> f64| {
            move |a: &usize, b: &usize| f(&scores[*a]).total_cmp(&f(&scores[*b]))
        };
        match self.order {
            Order::Class => {}
            Order::F1 => order.sort_by(ascending(|c| c.f1)),
            Order::Precision => order.sort_by(ascending(|c| c.precision)),
            Order::Recall => order.sort_by(ascending(|c| c.recall)),
            Order::Support => order.sort_by_key(|c| std::cmp::Reverse(scores[*c].support)),
        }
        order
    }

    /// Draws head, rows and means; returns the rows used.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        order: &[usize],
        cursor: usize,
        offset: usize,
        rows: usize,
        theme: &Theme,
    ) -> u16 {
        let widths = Widths::new(canvas.width(), self.history.epochs.len());
        self.draw_head(canvas, &widths, theme);
        let scores = self.scores.per_class();
        let mut y = 1;
        for (place, class) in order.iter().enumerate().skip(offset).take(rows) {
            let style = if place == cursor {
                theme.accent()
            } else {
                theme.text()
            };
            let mark = if place == cursor { "▸" } else { " " };
            let name = format!("{mark}{}", class_name(self.classes, *class));
            let score = &scores[*class];
            let mut spans = vec![Span::styled(fit::left(&name, widths.name + 1), style)];
            spans.extend(figures(score, &widths, theme));
            if widths.trend > 0 {
                let trend = fit::trend(&self.trend(*class), widths.trend);
                spans.push(Span::styled(format!("  {trend}"), theme.dim()));
            }
            canvas.put(0, y, Line::from(spans));
            y += 1;
        }
        for (name, score) in self.means() {
            let name = fit::left(&format!(" {name}"), widths.name + 1);
            let mut spans = vec![Span::styled(name, theme.title())];
            spans.extend(figures(&score, &widths, theme));
            canvas.put(0, y, Line::from(spans));
            y += 1;
        }
        y
    }

    fn means(&self) -> [(&'static str, ClassScore); 2] {
        let scores = self.scores;
        let support = scores.confusion.total();
        [
            (
                "macro mean",
                ClassScore {
                    precision: scores.macro_mean(|c| c.precision),
                    recall: scores.macro_mean(|c| c.recall),
                    f1: scores.macro_mean(|c| c.f1),
                    support,
                },
            ),
            (
                "weighted mean",
                ClassScore {
                    precision: scores.weighted_mean(|c| c.precision),
                    recall: scores.weighted_mean(|c| c.recall),
                    f1: scores.weighted_mean(|c| c.f1),
                    support,
                },
            ),
        ]
    }

    /// F1 of a class after each epoch.
    fn trend(&self, class: usize) -> Vec<f64> {
        let epochs = self.history.epochs.iter();
        epochs
            .filter(|e| {
                e.held_out
                    .confusion
                    .counts
                    .iter()
                    .all(|r| r.len() == e.held_out.confusion.classes())
            })
            .filter_map(|e| Some(e.held_out.confusion.per_class().get(class)?.f1))
            .collect()
    }

    fn draw_head(&self, canvas: &mut Canvas, widths: &Widths, theme: &Theme) {
        let mut spans = Vec::new();
        let columns = [
            (Order::Class, "class", widths.name),
            (Order::Precision, "precision", 11),
            (Order::Recall, "recall", 9),
            (Order::F1, "F1", 8),
            (Order::Support, "support", widths.bar + 2 + 9),
        ];
        spans.push(Span::raw(" "));
        for (order, name, width) in columns {
            let sorted = order == self.order;
            let name = if sorted {
                let mark = if matches!(order, Order::Support) {
                    "▾"
                } else {
                    "▴"
                };
                format!("{name}{mark}")
            } else {
                name.to_owned()
            };
            let text = if order == Order::Class {
                fit::left(&name, width)
            } else {
                fit::right(&name, width)
            };
            let style = if sorted { theme.accent() } else { theme.dim() };
            spans.push(Span::styled(text, style));
        }
        if widths.trend > 0 {
            spans.push(Span::styled("  F1 over epochs", theme.dim()));
        }
        canvas.put(0, 0, Line::from(spans));
    }
}

fn figures(score: &ClassScore, widths: &Widths, theme: &Theme) -> Vec<Span<'static>> {
    let number = |value: f64, width: usize| fit::right(&figure::fixed(value, 3, width - 2), width);
    let style = if score.f1 >= 0.9 {
        theme.good()
    } else if score.f1 >= 0.75 {
        theme.warn()
    } else {
        theme.bad()
    };
    let bar = fit::left(&fit::bar(score.f1, widths.bar), widths.bar);
    vec![
        Span::styled(number(score.precision, 11), theme.text()),
        Span::styled(number(score.recall, 9), theme.text()),
        Span::styled(number(score.f1, 8), theme.title()),
        Span::raw("  "),
        Span::styled(bar, style.remove_modifier(ratatui::style::Modifier::BOLD)),
        Span::styled(fit::right(&figure::count(score.support, 8), 9), theme.dim()),
    ]
}

//! What the trials say of the parameters: how much each matters, one by itself, all at once.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "positions are those of a screen"
)]

use std::sync::Arc;

use ratatui::text::{Line, Span as Words};

use super::SweepShown;
use super::charts::{nothing, place};
use crate::search::{Distribution, State, Trial, importance, index, short};
use crate::tui::theme::Theme;
use crate::tui::widgets::braille::Dots;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::chart::{Chart, Number, Outliers, Span};
use crate::tui::widgets::{cut, left, right};

/// The most axes of parallel coordinates, the objective's not among them.
const MOST_AXES: usize = 6;

/// How much each parameter matters for being among the best tenth.
pub(super) fn importance(sweep: &SweepShown, canvas: &mut Canvas, theme: &Theme) {
    let title = "Importance";
    let Some(found) = &sweep.importance else {
        return nothing(
            title,
            "It needs at least two complete trials.",
            canvas,
            theme,
        );
    };
    let about = format!("of being among the best {} of {}", found.best, found.all);
    canvas.put(
        0,
        0,
        Line::from(vec![
            Words::styled(title, theme.title()),
            Words::styled(format!("  {about}"), theme.dim()),
        ]),
    );
    let mut first = 2;
    if found.best < importance::ENOUGH {
        let wanted = importance::ENOUGH * 10;
        let words =
            format!("needs more trials: {wanted} complete ones; these shares are mostly chance");
        canvas.put(0, 1, Line::styled(words, theme.warn()));
        first = 3;
    }
    let widest = found
        .shares
        .iter()
        .map(|(name, _)| sweep.label(name).chars().count())
        .max();
    let names = widest.unwrap_or(0).clamp(8, 20);
    let room = usize::from(canvas.width()).saturating_sub(names + 9);
    let sign = if theme.ascii { "#" } else { "█" };
    for (row, (name, share)) in (first..canvas.height()).zip(&found.shares) {
        let bar = sign.repeat((share * room as f64).round() as usize);
        canvas.put(
            0,
            row,
            Line::from(vec![
                Words::styled(
                    format!("{} ", right(sweep.label(name), names)),
                    theme.text(),
                ),
                Words::styled(bar, theme.accent()),
                Words::styled(format!(" {:.0} %", 100.0 * share), theme.dim()),
            ]),
        );
    }
}

/// What was seen of a trial, with its value.
fn judged<'a>(sweep: &'a SweepShown, name: &str) -> Vec<(&'a Trial, f64, f64)> {
    let of = |trial: &'a Trial| {
        let value = trial.newest().filter(|value| value.is_finite())?;
        Some((trial, trial.inside(name)?, value))
    };
    sweep.study.trials.iter().filter_map(of).collect()
}

/// The trials by one parameter.
pub(super) fn slice(
    sweep: &SweepShown,
    name: Option<&Arc<str>>,
    selected: Option<usize>,
    canvas: &mut Canvas,
    theme: &Theme,
) {
    let Some(name) = name else {
        return nothing("One parameter", "No parameter differs yet.", canvas, theme);
    };
    let seen = judged(sweep, name);
    if seen.is_empty() {
        return nothing(name, "No trial with it has a value yet.", canvas, theme);
    }
    let distribution = seen[0]
        .0
        .parameter(name)
        .map(|p| Arc::clone(&p.distribution));
    match distribution.as_deref() {
        Some(Distribution::Number(range)) => {
            let axis = |value: f64| range.on_axis(value);
            let ends = (
                axis(range.low),
                axis(range.high).max(axis(range.low) + 1e-9),
            );
            let values: Vec<f64> = seen.iter().map(|(_, _, value)| *value).collect();
            let (share, outliers) = (sweep.is_share(), outliers(sweep));
            let y = if share {
                Span::share(&values)
            } else {
                Span::around(&values, outliers)
            };
            let title = format!("{name}{}", if range.log { " (log)" } else { "" });
            let chart = Chart {
                title: &title,
                x_name: "",
                x: (range.low, range.high.max(range.low + 1e-9)),
                x_log: range.log,
                y,
                number: if share { Number::Share } else { Number::Plain },
                series: &[],
                mark: None,
            };
            let best = best_tenth(sweep);
            if let Some(mut plot) = canvas.chart(&chart, theme) {
                let sign = if theme.ascii { "o" } else { "•" };
                for (trial, inside, value) in seen {
                    let (column, row) = place((axis(inside), value), ends, y, &plot);
                    let style = match trial.state {
                        _ if Some(trial.number) == selected => theme.accent(),
                        _ if best.contains(&trial.number) => theme.good(),
                        State::Complete => theme.text(),
                        _ => theme.dim(),
                    };
                    plot.dot(column, row, sign, style);
                }
            }
        }
        Some(Distribution::Choice(choices)) => {
            let labels: Vec<String> = choices.iter().map(short).collect();
            strips(sweep, name, &labels, &seen, canvas, theme);
        }
        None => {}
    }
}

fn outliers(sweep: &SweepShown) -> Outliers {
    match sweep.study.direction() {
        crate::search::Direction::Minimize => Outliers::High,
        crate::search::Direction::Maximize => Outliers::Low,
    }
}

/// A row of dots for each choice, against the objective.
fn strips(
    sweep: &SweepShown,
    name: &str,
    labels: &[String],
    seen: &[(&Trial, f64, f64)],
    canvas: &mut Canvas,
    theme: &Theme,
) {
    canvas.put(0, 0, Line::styled(name.to_owned(), theme.title()));
    let values: Vec<f64> = seen.iter().map(|(_, _, value)| *value).collect();
    let span = if sweep.is_share() {
        Span::share(&values)
    } else {
        Span::around(&values, outliers(sweep))
    };
    let names = labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0)
        .clamp(4, 16);
    let from = names as u16 + 1;
    let room = canvas.width().saturating_sub(from + 12);
    let (dot, line) = if theme.ascii {
        ("o", "-")
    } else {
        ("•", "·")
    };
    let best = best_tenth(sweep);
    for (row, (choice, label)) in (1_u16..).zip(labels.iter().enumerate()) {
        let row = 2 * row;
        canvas.put(0, row, Line::styled(right(label, names), theme.text()));
        for column in 0..room {
            canvas.dot(from + column, row, line, theme.dim());
        }
        let mut own: Vec<&(&Trial, f64, f64)> = seen
            .iter()
            .filter(|(_, inside, _)| index(*inside) == Some(choice))
            .collect();
        own.sort_by_key(|(trial, ..)| best.contains(&trial.number));
        for (trial, _, value) in &own {
            let column = (span.place(*value) * f64::from(room.saturating_sub(1))).round() as u16;
            let style = match trial.state {
                _ if best.contains(&trial.number) => theme.good(),
                State::Complete => theme.text(),
                _ => theme.dim(),
            };
            canvas.dot(from + column, row, dot, style);
        }
        let count = format!(" {} trials", own.len());
        canvas.put(from + room, row, Line::styled(count, theme.dim()));
    }
    let ends = format!(
        "{}{}",
        left(&sweep.value(span.low, 9), usize::from(room) / 2),
        right(&sweep.value(span.high, 9), usize::from(room).div_ceil(2))
    );
    let row = 2 * (labels.len() as u16 + 1);
    canvas.put(from, row, Line::styled(ends, theme.dim()));
}

/// The numbers of the best tenth of the trials with a value.
fn best_tenth(sweep: &SweepShown) -> Vec<usize> {
    let complete = sweep
        .study
        .trials
        .iter()
        .filter(|trial| trial.state == State::Complete);
    let mut complete: Vec<&Trial> = complete.collect();
    complete.sort_by(|one, two| sweep.loss(one).total_cmp(&sweep.loss(two)));
    let count = complete.len().div_ceil(10);
    complete
        .into_iter()
        .take(count)
        .map(|trial| trial.number)
        .collect()
}

/// A line for each trial through the axes of the parameters to its value: the best tenth bright.
pub(super) fn parallel(
    sweep: &SweepShown,
    selected: Option<usize>,
    canvas: &mut Canvas,
    theme: &Theme,
) {
    let title = "Parallel coordinates";
    let names: Vec<Arc<str>> = sweep.by_importance().into_iter().take(MOST_AXES).collect();
    let judged: Vec<(&Trial, f64)> = sweep
        .study
        .trials
        .iter()
        .filter_map(|trial| Some((trial, trial.newest().filter(|v| v.is_finite())?)))
        .collect();
    let (width, height) = (canvas.width(), canvas.height());
    if names.is_empty() || judged.is_empty() || width < 20 || height < 6 {
        return nothing(title, "No trial has a value yet.", canvas, theme);
    }
    canvas.put(
        0,
        0,
        Line::from(vec![
            Words::styled(title, theme.title()),
            Words::styled("  the best tenth is bright", theme.dim()),
        ]),
    );
    let values: Vec<f64> = judged.iter().map(|(_, value)| *value).collect();
    let span = if sweep.is_share() {
        Span::share(&values)
    } else {
        Span::around(&values, outliers(sweep))
    };
    let axes = names.len() + 1;
    let gap = f64::from(width - 1) / (axes - 1) as f64;
    let column = |axis: usize| (axis as f64 * gap).round() as u16;
    let rows = height.saturating_sub(4);
    let mut dots = Dots::new(width, rows);
    let top = dots.height() as f64 - 1.0;
    let share = |name: &str, trial: &Trial| -> Option<f64> {
        let parameter = trial.parameter(name)?;
        Some(match &*parameter.distribution {
            Distribution::Number(range) => {
                let (low, high) = range.axis();
                (range.on_axis(parameter.inside) - low) / (high - low).max(f64::MIN_POSITIVE)
            }
            Distribution::Choice(choices) => (parameter.inside + 0.5) / choices.len() as f64,
        })
    };
    let best = best_tenth(sweep);
    let rank = |trial: &Trial| match trial.number {
        number if Some(number) == selected => 2_u8,
        number if best.contains(&number) => 1,
        _ => 0,
    };
    let mut ordered = judged.clone();
    ordered.sort_by_key(|(trial, _)| rank(trial));
    for (trial, value) in ordered {
        let mut points: Vec<(i64, i64)> = Vec::new();
        let mut add = |axis: usize, share: f64| {
            let x = i64::from(column(axis)) * 2;
            points.push((x, ((1.0 - share.clamp(0.0, 1.0)) * top).round() as i64));
        };
        for (axis, name) in names.iter().enumerate() {
            if let Some(share) = share(name, trial) {
                add(axis, share);
            }
        }
        add(axes - 1, span.place(value));
        dots.line(&points, rank(trial), false);
    }
    let styles = [theme.dim(), theme.good(), theme.accent()];
    canvas.dots(0, 2, &dots, &styles, theme.ascii);
    label_axes(sweep, &names, span, gap, canvas, theme);
}

/// Names and ends of the axes.
fn label_axes(
    sweep: &SweepShown,
    names: &[Arc<str>],
    span: Span,
    gap: f64,
    canvas: &mut Canvas,
    theme: &Theme,
) {
    let (width, height) = (canvas.width(), canvas.height());
    let column = |axis: usize| (axis as f64 * gap).round() as u16;
    for (axis, name) in names.iter().enumerate() {
        let at = column(axis);
        let (high, low) = ends(sweep, name);
        for (row, words, style) in [
            (1, sweep.label(name), theme.text()),
            (height - 2, low.as_str(), theme.dim()),
            (height - 1, high.as_str(), theme.dim()),
        ] {
            // The value's own words stand at the right edge.
            let taken = match axis + 1 == names.len() {
                true if row == 1 => 6,
                true => 10,
                false => 1,
            };
            let room = (gap as usize + 1).saturating_sub(taken);
            let words = if row == height - 1 {
                format!("to {words}")
            } else {
                words.to_owned()
            };
            let words = cut(&words, room.saturating_sub(1).max(1));
            canvas.put(
                at.min(width.saturating_sub(words.chars().count() as u16)),
                row,
                Line::styled(words, style),
            );
        }
    }
    for (row, words, style) in [
        (1, "value".to_owned(), theme.text()),
        (height - 2, sweep.value(span.low, 8), theme.dim()),
        (
            height - 1,
            format!("to {}", sweep.value(span.high, 8)),
            theme.dim(),
        ),
    ] {
        canvas.put_right(width, row, Line::styled(words, style));
    }
}

/// The high and the low end of a parameter's axis, in words.
fn ends(sweep: &SweepShown, name: &str) -> (String, String) {
    let found = sweep
        .study
        .trials
        .iter()
        .find_map(|trial| trial.parameter(name));
    let Some(parameter) = found else {
        return (String::new(), String::new());
    };
    match &*parameter.distribution {
        Distribution::Number(range) => {
            let words = |value: f64| short(&parameter.distribution.value(value));
            (words(range.high), words(range.low))
        }
        Distribution::Choice(choices) => {
            let words = |choice: Option<&serde_json::Value>| choice.map_or_else(String::new, short);
            (words(choices.last()), words(choices.first()))
        }
    }
}

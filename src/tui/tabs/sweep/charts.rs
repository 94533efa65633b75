//! The trials over time: the best so far, their learning curves, who ran when.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "positions are those of a screen"
)]

use ratatui::style::Style;
use ratatui::text::{Line, Span as Words};

use super::{SweepShown, table};
use crate::run::sweep::owner;
use crate::search::{State, Trial, standing};
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::chart::{Chart, Number, Outliers, Series, Span};
use crate::tui::widgets::{clock, cut, left};

/// The range of values that is worth showing.
fn span(sweep: &SweepShown, values: &[f64]) -> Span {
    if sweep.is_share() {
        return Span::share(values);
    }
    let outliers = match sweep.study.direction() {
        crate::search::Direction::Minimize => Outliers::High,
        crate::search::Direction::Maximize => Outliers::Low,
    };
    Span::around(values, outliers)
}

fn number(sweep: &SweepShown) -> Number {
    if sweep.is_share() {
        Number::Share
    } else {
        Number::Plain
    }
}

fn objective(sweep: &SweepShown) -> &str {
    sweep
        .objectives
        .first()
        .map_or("value", |objective| &objective.name)
}

/// Says why there is no chart.
pub(super) fn nothing(title: &str, words: &str, canvas: &mut Canvas, theme: &Theme) {
    canvas.put(0, 0, Line::styled(title.to_owned(), theme.title()));
    canvas.put(0, 2, Line::styled(words.to_owned(), theme.text()));
}

/// Values of the complete trials and the best so far, against trials or time.
pub(super) fn history(sweep: &SweepShown, by_time: bool, canvas: &mut Canvas, theme: &Theme) {
    let direction = sweep.study.direction();
    let begun = sweep
        .study
        .trials
        .iter()
        .filter_map(|trial| trial.started)
        .reduce(f64::min);
    let mut complete: Vec<(f64, f64)> = sweep
        .study
        .trials
        .iter()
        .filter(|trial| trial.state == State::Complete)
        .filter_map(|trial| {
            let x = if by_time {
                (trial.ended? - begun?) / 60.0
            } else {
                trial.number as f64
            };
            Some((x, trial.value()?))
        })
        .collect();
    let title = "Best so far";
    if complete.is_empty() {
        return nothing(title, "No trial is complete yet.", canvas, theme);
    }
    complete.sort_by(|one, two| one.0.total_cmp(&two.0));
    let mut best: Vec<(f64, f64)> = Vec::new();
    for (x, value) in &complete {
        match best.last().copied() {
            Some((_, before)) if !direction.is_better(*value, before) => best.push((*x, before)),
            Some((_, before)) => best.extend([(*x, before), (*x, *value)]),
            None => best.push((*x, *value)),
        }
    }
    let last = if by_time {
        complete.last().map_or(1.0, |(x, _)| *x)
    } else {
        (sweep.study.trials.len() as f64 - 1.0).max(1.0)
    };
    if let Some((_, value)) = best.last().copied() {
        best.push((last, value));
    }
    let values: Vec<f64> = complete.iter().map(|(_, value)| *value).collect();
    let (y, x) = (span(sweep, &values), (0.0, last.max(1e-6)));
    let series = [Series {
        name: "best".into(),
        points: best,
        style: theme.accent(),
        dashed: false,
    }];
    let chart = Chart {
        x_log: false,
        title,
        x_name: if by_time { "minutes" } else { "trial" },
        x,
        y,
        number: number(sweep),
        series: &series,
        mark: None,
    };
    if let Some(mut plot) = canvas.chart(&chart, theme) {
        let sign = if theme.ascii { "o" } else { "•" };
        for (at, value) in complete {
            let (column, row) = place((at, value), x, y, &plot);
            plot.dot(column, row, sign, theme.text());
        }
    }
}

/// The cell of a point.
pub(super) fn place(
    (x, y): (f64, f64),
    (low, high): (f64, f64),
    span: Span,
    plot: &Canvas,
) -> (u16, u16) {
    let share = ((x - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let column = (share * f64::from(plot.width().saturating_sub(1))).round() as u16;
    let row = ((1.0 - span.place(y)) * f64::from(plot.height().saturating_sub(1))).round() as u16;
    (column, row)
}

/// All learning curves over each other: pruned ones dim, the best bright.
pub(super) fn curves(
    sweep: &SweepShown,
    selected: Option<usize>,
    canvas: &mut Canvas,
    theme: &Theme,
) {
    let title = "Learning curves";
    let trials: Vec<&Trial> = sweep
        .study
        .trials
        .iter()
        .filter(|trial| !trial.reports.is_empty())
        .collect();
    if trials.is_empty() {
        return nothing(title, "No trial has reported an epoch yet.", canvas, theme);
    }
    let best = sweep.study.best().map(|best| best.number);
    let points = |trial: &Trial| -> Vec<(f64, f64)> {
        trial
            .reports
            .iter()
            .map(|(step, value)| (*step as f64, *value))
            .collect()
    };
    let rank = |trial: &&Trial| match trial.state {
        _ if Some(trial.number) == best => 3,
        _ if Some(trial.number) == selected => 4,
        State::Complete => 1,
        State::Running => 2,
        _ => 0,
    };
    let mut ordered = trials.clone();
    ordered.sort_by_key(rank);
    let style = |trial: &Trial| -> Style {
        match rank(&trial) {
            4 => theme.accent(),
            3 => theme.good(),
            2 => theme.held_out(),
            1 => theme.text(),
            _ => theme.dim(),
        }
    };
    // As many as there are colours to tell series apart by; the dimmest are left out first.
    let most = 250;
    let left_out = ordered.len().saturating_sub(most);
    let series: Vec<Series> = ordered
        .iter()
        .skip(left_out)
        .map(|trial| Series {
            name: match rank(trial) {
                3 => "best".into(),
                4 => format!("trial {}", trial.number),
                _ => String::new(),
            },
            points: points(trial),
            style: style(trial),
            dashed: trial.state == State::Pruned,
        })
        .collect();
    let values: Vec<f64> = trials
        .iter()
        .flat_map(|t| t.reports.iter().map(|r| r.1))
        .collect();
    let last = trials
        .iter()
        .filter_map(|trial| trial.last_report())
        .map(|(step, _)| step)
        .max();
    let first = trials
        .iter()
        .filter_map(|trial| trial.reports.first())
        .map(|(step, _)| *step)
        .min();
    let (first, last) = (first.unwrap_or(0) as f64, last.unwrap_or(1) as f64);
    let chart = Chart {
        x_log: false,
        title: &format!("{title}: {}", objective(sweep)),
        x_name: "epoch",
        x: (first, last.max(first + 1.0)),
        y: span(sweep, &values),
        number: number(sweep),
        series: &series,
        mark: None,
    };
    canvas.chart(&chart, theme);
}

/// Who trained a trial, in a word.
fn worker(trial: &Trial) -> &str {
    match owner(trial) {
        "" => "here",
        other => other,
    }
}

/// The lane of each of some trials with their times, in the order of their begin, and how many lanes there are: those
/// of a worker lie together.
fn lanes(ran: &[(&Trial, f64, f64)]) -> (Vec<usize>, usize) {
    // Whose they are, and when they are free.
    let mut lanes: Vec<(&str, f64)> = Vec::new();
    let mut lane_of: Vec<usize> = Vec::new();
    for (trial, from, to) in ran {
        let is_free = |lane: &(&str, f64)| lane.0 == owner(trial) && lane.1 <= *from;
        let lane = lanes.iter().position(is_free).unwrap_or_else(|| {
            lanes.push((owner(trial), 0.0));
            lanes.len() - 1
        });
        lanes[lane].1 = *to;
        lane_of.push(lane);
    }
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    order.sort_by_key(|lane| lanes[*lane].0);
    let place = |lane: usize| order.iter().position(|at| *at == lane).unwrap_or(0);
    (lane_of.into_iter().map(place).collect(), lanes.len())
}

/// Who ran when: for each worker as many lanes of trials as ran at a time.
pub(super) fn timeline(sweep: &SweepShown, canvas: &mut Canvas, theme: &Theme) {
    let title = "Timeline";
    let now = text::now();
    let mut ran: Vec<(&Trial, f64, f64)> = sweep
        .study
        .trials
        .iter()
        .filter_map(|trial| Some((trial, trial.started?, trial.ended.unwrap_or(now))))
        .collect();
    ran.sort_by(|one, two| one.1.total_cmp(&two.1));
    let Some(begun) = ran.first().map(|(_, begun, _)| *begun) else {
        return nothing(title, "No trial has begun yet.", canvas, theme);
    };
    let end = ran
        .iter()
        .map(|(_, _, ended)| *ended)
        .fold(begun + 1.0, f64::max);
    let several = ran
        .iter()
        .any(|(trial, ..)| owner(trial) != owner(ran[0].0));
    let longest_name = ran
        .iter()
        .map(|(trial, ..)| worker(trial).chars().count())
        .max();
    let names = if several {
        longest_name
            .unwrap_or(0)
            .min(usize::from(canvas.width()) / 4)
    } else {
        0
    };
    let from_column = if several { names as u16 + 1 } else { 0 };
    let width = usize::from(canvas.width().saturating_sub(from_column + 1));
    canvas.put(
        0,
        0,
        Line::styled(format!("{title} of {}", clock(end - begun)), theme.title()),
    );
    let (lane_of, lanes) = lanes(&ran);
    let signs = if theme.ascii {
        ["#", "="]
    } else {
        ["█", "▓"]
    };
    let rows = canvas.height().saturating_sub(3);
    for (nth, ((trial, from, to), lane)) in ran.iter().zip(lane_of).enumerate() {
        let row = lane as u16;
        if row >= rows {
            continue;
        }
        if several {
            let name = cut(worker(trial), names);
            canvas.put(0, 1 + row, Line::styled(name, theme.dim()));
        }
        let column =
            |at: f64| from_column + ((at - begun) / (end - begun) * width as f64).round() as u16;
        let (from, to) = (column(*from), column(*to).max(column(*from) + 1));
        let style = table::style(trial, theme);
        for x in from..to {
            canvas.dot(x, 1 + row, signs[nth % 2], style);
        }
    }
    let hidden = lanes.saturating_sub(usize::from(rows));
    let more = if hidden > 0 {
        format!(" · {hidden} lanes more")
    } else {
        String::new()
    };
    let key = Line::from(vec![
        Words::styled("complete ", theme.good()),
        Words::styled("running ", theme.accent()),
        Words::styled("at a rung ", theme.warn()),
        Words::styled("pruned ", theme.dim()),
        Words::styled("failed", theme.bad()),
        Words::styled(more, theme.dim()),
    ]);
    canvas.put(0, canvas.height().saturating_sub(1), key);
    let longest = ran
        .iter()
        .max_by(|one, two| (one.2 - one.1).total_cmp(&(two.2 - two.1)));
    if let Some((trial, from, to)) = longest {
        let words = format!(
            "longest: trial {} ({}), {}",
            trial.number,
            standing(trial),
            clock(to - from)
        );
        let at = canvas.height().saturating_sub(2);
        canvas.put(
            0,
            at,
            Line::styled(left(&words, usize::from(canvas.width())), theme.dim()),
        );
    }
}

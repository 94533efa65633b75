//! The table of trials: a line each, with the parameters that differ.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Mode, SweepShown, SweepTab};
use crate::run::sweep::reason;
use crate::search::{Assigned, Objective, State, Trial, standing, waits_at};
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::{clock, cut, left, right};

/// Columns of trial, state, value, epoch and time.
const FIXED: usize = 5 + 10 + 10 + 6 + 8;

/// The columns of each further objective.
const FURTHER: usize = 11;

/// The widest column of a parameter, and the narrowest.
const WIDEST: usize = 14;
const NARROWEST: usize = 7;

/// The colour of a trial's state.
pub(super) fn style(trial: &Trial, theme: &Theme) -> Style {
    match trial.state {
        State::Running if waits_at(trial).is_some() => theme.warn(),
        State::Running => theme.accent(),
        State::Complete => theme.good(),
        State::Pruned | State::Waiting => theme.dim(),
        State::Failed => theme.bad(),
    }
}

/// A column for a parameter.
struct Column {
    name: std::sync::Arc<str>,
    width: usize,
}

fn columns(sweep: &SweepShown, room: usize) -> (Vec<Column>, usize) {
    let (mut columns, mut used) = (Vec::new(), 0);
    let names = sweep.by_importance();
    for name in &names {
        let heading = sweep.label(name).chars().count();
        let of = sweep
            .study
            .trials
            .iter()
            .filter_map(|trial| trial.parameter(name));
        let widest = of.map(|parameter| parameter.short().chars().count()).max();
        let width = widest.unwrap_or(0).max(heading).clamp(NARROWEST, WIDEST);
        if used + width + 1 > room {
            break;
        }
        used += width + 1;
        columns.push(Column {
            name: std::sync::Arc::clone(name),
            width,
        });
    }
    let left_out = names.len() - columns.len();
    (columns, left_out)
}

/// Draws the table and the line about the selected trial.
pub(super) fn render(
    tab: &mut SweepTab,
    sweep: &SweepShown,
    frame: &mut Frame,
    area: Rect,
    theme: &Theme,
) {
    let width = usize::from(area.width);
    let body = usize::from(area.height.saturating_sub(2));
    let numbers = tab.numbers();
    let cursor = tab
        .cursor
        .and_then(|c| numbers.iter().position(|n| *n == c));
    let cursor_at = cursor.unwrap_or(0);
    tab.first = tab
        .first
        .min(numbers.len().saturating_sub(body))
        .min(cursor_at);
    if cursor_at >= tab.first + body.max(1) {
        tab.first = cursor_at + 1 - body.max(1);
    }
    let further = FURTHER * sweep.further().len();
    let (columns, left_out) = columns(sweep, width.saturating_sub(FIXED + 4 + further));
    let mut canvas = Canvas::new(frame.buffer_mut(), area);
    canvas.put(0, 0, heading(tab, sweep, &columns, left_out, theme));
    let trials = tab.trials();
    if trials.is_empty() {
        let words = if sweep.study.trials.is_empty() {
            "No trial has begun yet."
        } else {
            "No trial matches the filter. Esc shows all."
        };
        canvas.put(0, 2, Line::styled(words, theme.text()));
    }
    let best = sweep.best();
    for (row, trial) in (1_u16..).zip(trials.iter().skip(tab.first).take(body)) {
        let line = line(sweep, trial, &columns, &best, theme);
        let line = if Some(trial.number) == tab.cursor {
            Line::styled(
                left(&line.to_string(), width),
                theme.text().patch(theme.cursor()),
            )
        } else {
            line
        };
        canvas.put(0, row, line);
    }
    let detail = tab
        .selected()
        .map_or_else(String::new, |trial| detail(sweep, trial));
    let style = match tab.selected().map(|trial| trial.state) {
        Some(State::Failed) => theme.bad(),
        _ => theme.dim(),
    };
    canvas.put(
        0,
        area.height.saturating_sub(1),
        Line::styled(cut(&detail, width), style),
    );
    if theme.ascii {
        canvas.make_ascii();
    }
    drop(trials);
    tab.rows_area = Rect {
        y: area.y + 1.min(area.height),
        height: area.height.saturating_sub(2),
        ..area
    };
}

fn heading(
    tab: &SweepTab,
    sweep: &SweepShown,
    columns: &[Column],
    left_out: usize,
    theme: &Theme,
) -> Line<'static> {
    if tab.mode == Mode::Filtering || !tab.filter.is_empty() {
        let mut line = Line::from(Span::styled("/ ", theme.accent()));
        line.spans.extend(tab.filter.line(40, theme.text()).spans);
        return line;
    }
    let parameters: Vec<String> = columns
        .iter()
        .map(|column| right(sweep.label(&column.name), column.width))
        .collect();
    let more = if left_out > 0 {
        format!("  +{left_out}")
    } else {
        String::new()
    };
    let value = match sweep.further() {
        [] => "value",
        _ => sweep.objectives.first().map_or("value", Objective::short),
    };
    let further = sweep.further().iter();
    let further: String = further
        .map(|o| right(&cut(o.short(), FURTHER - 1), FURTHER))
        .collect();
    let text = format!(
        "{}  {}{}{further}{}{} {}{more}",
        right("#", 4),
        left("state", 9),
        right(&cut(value, 9), 10),
        right("epoch", 6),
        right("time", 8),
        parameters.join(" "),
    );
    Line::styled(text, theme.dim())
}

fn line(
    sweep: &SweepShown,
    trial: &Trial,
    columns: &[Column],
    best: &[usize],
    theme: &Theme,
) -> Line<'static> {
    let value = trial
        .newest()
        .map_or_else(|| "–".into(), |value| sweep.value(value, 9));
    let further = sweep.further().iter().zip(1..);
    let further: String = further
        .map(|(objective, nth)| {
            let value = trial.values.get(nth);
            let value = value.map_or_else(|| "–".into(), |v| objective.text(*v, FURTHER - 1));
            right(&value, FURTHER)
        })
        .collect();
    let epoch = trial
        .last_report()
        .map_or_else(String::new, |(step, _)| step.to_string());
    let time = trial.seconds().map_or_else(String::new, clock);
    let parameters: Vec<String> = columns
        .iter()
        .map(|column| {
            let value = trial.parameter(&column.name).map(Assigned::short);
            right(&value.unwrap_or_else(|| "–".into()), column.width)
        })
        .collect();
    let is_best = best.contains(&trial.number);
    let text = if trial.state == State::Pruned {
        theme.dim()
    } else {
        theme.text()
    };
    let value_style = if is_best { theme.good() } else { text };
    let mark = if is_best { "★" } else { " " };
    Line::from(vec![
        Span::styled(
            format!("{}{mark} ", right(&trial.number.to_string(), 4)),
            value_style,
        ),
        Span::styled(left(&standing(trial), 9), style(trial, theme)),
        Span::styled(format!("{}{further}", right(&value, 10)), value_style),
        Span::styled(
            format!(
                "{}{} {}",
                right(&epoch, 6),
                right(&time, 8),
                parameters.join(" ")
            ),
            text,
        ),
    ])
}

/// What is worth knowing of a trial beyond its row.
fn detail(sweep: &SweepShown, trial: &Trial) -> String {
    let parameters = trial.parameters.iter();
    let parameters: Vec<String> = parameters
        .map(|parameter| format!("{} {}", sweep.label(&parameter.name), parameter.short()))
        .collect();
    let parameters = parameters.join(", ");
    match reason(trial) {
        Some(why) => format!(
            "trial {} failed: {} · {parameters}",
            trial.number,
            text::sanitize(why)
        ),
        None => format!("trial {} · {parameters}", trial.number),
    }
}

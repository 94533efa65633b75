//! Where everything on the Train tab lies, for narrow, normal and wide screens. The layout depends on the size alone,
//! so nothing jumps.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::curves::{epoch_points, epoch_range, step_points};
use super::figures::Figures;
use super::{TrainTab, View, epochs};
use crate::catalog;
use crate::event::{Phase, RunHistory, StepPoint};
use crate::tui::context::Context;
use crate::tui::run_view::Replay;
use crate::tui::tab_id::TabId;
use crate::tui::theme::Theme;
use crate::tui::widgets::chart::{Chart, Number, Outliers, Series, Span as YSpan};
use crate::tui::widgets::fit::cut_line;
use crate::tui::widgets::gauge::gauge;
use crate::tui::widgets::{clock, left, plain_if, right, wrap_to};

/// Draws the tab.
pub(super) fn render(tab: &mut TrainTab, frame: &mut Frame, area: Rect, cx: &Context) {
    let theme = &cx.theme;
    tab.replay_bar = Rect::ZERO;
    let area = Rect {
        x: area.x + 1.min(area.width),
        width: area.width.saturating_sub(2),
        ..area
    };
    if area.is_empty() {
        return;
    }
    let Some(history) = cx.history() else {
        empty(frame, area, tab.first.is_some(), theme);
        return;
    };
    let loads = cx.run.loads();
    let lost = cx.run.replay().is_none() && cx.run.is_lost();
    let roomy = area.height >= 28;
    let figures = Figures {
        history,
        loads: &loads,
        theme,
        lost,
        queued: cx.run.waits_in_queue(),
        bright: cx.run.is_fresh(),
        roomy,
    };
    let notice = notice(history, lost, area, theme);
    let replay_rows = u16::from(cx.run.replay().is_some());
    let fixed = 2 + 5 + 1 + 3 * u16::from(roomy) + replay_rows;
    let free = area.height.saturating_sub(fixed + rows(&notice));
    let message_rows = (free / 4).clamp(2, 14).min(free);
    let [
        notice_area,
        replay_area,
        charts,
        facts,
        progress,
        _,
        table,
        breakdown,
        rule,
        log,
    ] = Layout::vertical([
        Constraint::Length(rows(&notice)),
        Constraint::Length(replay_rows),
        Constraint::Min(0),
        Constraint::Length(u16::from(roomy)),
        Constraint::Length(2),
        Constraint::Length(u16::from(roomy)),
        Constraint::Length(5),
        Constraint::Length(u16::from(roomy)),
        Constraint::Length(1),
        Constraint::Length(message_rows),
    ])
    .areas(area);
    lines(frame, notice_area, notice, theme);
    if let Some(replay) = cx.run.replay() {
        tab.replay_bar = replay_line(replay, frame, replay_area, theme);
    }
    upper(tab, cx, &figures, frame, charts);
    let width = usize::from(area.width);
    lines(frame, facts, vec![figures.facts(width)], theme);
    lines(frame, progress, figures.progress(width).to_vec(), theme);
    lines(frame, table, figures.table(width), theme);
    lines(frame, breakdown, vec![figures.breakdown(width)], theme);
    let line = if theme.ascii { "-" } else { "─" };
    lines(
        frame,
        rule,
        vec![Line::styled(line.repeat(width), theme.dim())],
        theme,
    );
    lower(tab, &figures, frame, log);
}

fn rows(lines: &[Line]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

fn lines(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>, theme: &Theme) {
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|l| plain_if(theme.ascii, cut_line(l, usize::from(area.width))))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn empty(frame: &mut Frame, area: Rect, can_train: bool, theme: &Theme) {
    let key = |text: &'static str| Span::styled(text, theme.accent());
    let say = |text: &'static str| Span::styled(text, theme.text());
    let mut text = vec![];
    if can_train {
        text.push(Line::from(vec![
            say("No run yet. Press "),
            key("t"),
            say(" to train lenet5 on "),
            say(catalog::BUILT_IN),
            say("."),
        ]));
    } else {
        text.push(Line::from(vec![say("No run yet.")]));
    }
    text.push(Line::default());
    text.push(Line::from(vec![
        say("Or choose an architecture on "),
        key(TabId::Model.key()),
        say(" Model, or open an earlier run on "),
        key(TabId::Runs.key()),
        say(" Runs."),
    ]));
    let height = rows(&text).min(area.height);
    let area = Rect {
        y: area.y + (area.height - height) / 3,
        height,
        ..area
    };
    let text: Vec<Line> = text.into_iter().map(|l| plain_if(theme.ascii, l)).collect();
    frame.render_widget(Paragraph::new(text).centered(), area);
}

/// What went wrong and what to do, above everything else.
fn notice(history: &RunHistory, lost: bool, area: Rect, theme: &Theme) -> Vec<Line<'static>> {
    let note = history.result.as_ref().map_or("", |r| r.note.as_str());
    let (label, problem, remedy) = match (&history.failure, history.phase) {
        (Some((message, remedy)), Phase::Failed) => ("failed", message.clone(), remedy.clone()),
        _ if lost => (
            "crashed",
            "the worker of this run exited unexpectedly".to_string(),
            "press u to resume from the last checkpoint; see worker.log in its directory"
                .to_string(),
        ),
        _ if !note.is_empty() => ("note", note.to_string(), String::new()),
        _ => return Vec::new(),
    };
    let width = usize::from(area.width).saturating_sub(11);
    let style = if label == "note" {
        theme.warn()
    } else {
        theme.bad()
    };
    let part = |label: &str, text: &str, text_style| {
        wrap_to(text, width, 3)
            .into_iter()
            .enumerate()
            .map(|(i, line)| {
                let label = if i == 0 { label } else { "" };
                Line::from(vec![
                    Span::styled(left(label, 10), style),
                    Span::styled(line, text_style),
                ])
            })
            .collect::<Vec<_>>()
    };
    let mut lines = part(label, &problem, style);
    lines.extend(part("to do", &remedy, theme.text()));
    lines.push(Line::default());
    lines.truncate(usize::from(area.height));
    lines
}

/// Draws how a replay stands; gives where its bar lies.
fn replay_line(replay: &Replay, frame: &mut Frame, area: Rect, theme: &Theme) -> Rect {
    if area.is_empty() {
        return Rect::ZERO;
    }
    let state = if replay.playing {
        "playing"
    } else if replay.at_end() {
        "at the end"
    } else {
        "paused"
    };
    let before = format!(
        "replay  {} {:<10} ",
        right(&format!("{}×", replay.speed), 6),
        state
    );
    let after = format!("  {} / {}", clock(replay.position), clock(replay.length()));
    let used = before.chars().count() + after.chars().count();
    let width = usize::from(area.width).saturating_sub(used);
    let share = replay.position / replay.length().max(f64::MIN_POSITIVE);
    let [done, rest] = gauge(share, width, theme);
    let line = Line::from(vec![
        Span::styled(before.clone(), theme.warn().add_modifier(Modifier::BOLD)),
        done,
        rest,
        Span::styled(after, theme.text()),
    ]);
    frame.render_widget(Paragraph::new(plain_if(theme.ascii, line)), area);
    let offset = u16::try_from(before.chars().count()).unwrap_or(0);
    Rect {
        x: area.x + offset,
        width: u16::try_from(width).unwrap_or(0),
        ..area
    }
}

/// Curves, or the epoch table where the user turned to it and it has no place below.
fn upper(tab: &TrainTab, cx: &Context, figures: &Figures, frame: &mut Frame, area: Rect) {
    if tab.view == View::Epochs {
        let table = epochs::table(
            figures.history,
            tab.scroll,
            usize::from(area.height),
            figures.theme,
        );
        lines(frame, area, table, figures.theme);
        return;
    }
    let wide = area.width >= 150 && area.height >= 22;
    let [first, second] = Layout::vertical([
        Constraint::Fill(3),
        if wide {
            Constraint::Fill(2)
        } else {
            Constraint::Length(0)
        },
    ])
    .areas(area);
    let [left_half, _, right_half] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(2),
        Constraint::Fill(1),
    ])
    .areas(first);
    let over = matches!(
        figures.history.phase,
        Phase::Finished | Phase::Stopped | Phase::Failed
    ) && cx.run.replay().is_none();
    let range = epoch_range(figures.history, over);
    curve(figures, range, frame, left_half, Curve::Loss);
    curve(figures, range, frame, right_half, Curve::Accuracy);
    if wide {
        small_curves(figures, range, frame, second);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    Loss,
    Accuracy,
}

fn curve(figures: &Figures, range: (f64, f64), frame: &mut Frame, area: Rect, which: Curve) {
    let (history, theme) = (figures.history, figures.theme);
    let columns = usize::from(area.width);
    let (train, held_out) = match which {
        Curve::Loss => (
            step_points(&history.steps, range, columns, |s| s.loss),
            epoch_points(&history.epochs, |e| e.held_out.loss),
        ),
        Curve::Accuracy => (
            step_points(&history.steps, range, columns, |s| s.accuracy),
            epoch_points(&history.epochs, |e| e.held_out.accuracy),
        ),
    };
    let values: Vec<f64> = train.iter().chain(&held_out).map(|p| p.1).collect();
    let (title, y, number) = match which {
        Curve::Loss => (
            "loss",
            YSpan::around(&values, Outliers::High),
            Number::Plain,
        ),
        Curve::Accuracy => ("accuracy", YSpan::share(&values), Number::Share),
    };
    #[expect(clippy::cast_precision_loss, reason = "epochs are few")]
    let mark = history
        .best()
        .filter(|_| history.epochs.len() > 1)
        .map(|e| e.epoch as f64);
    let mut series = vec![Series {
        name: "train".into(),
        points: train,
        style: theme.train(),
        dashed: false,
    }];
    if history.is_evaluated() {
        series.push(Series {
            name: history.held_out_name().into(),
            points: held_out,
            style: theme.held_out(),
            dashed: true,
        });
    }
    Chart {
        x_log: false,
        title,
        x_name: "epoch",
        x: range,
        y,
        number,
        series: &series,
        mark,
    }
    .draw(area, frame.buffer_mut(), theme);
}

/// Title, figure and numbers of a small curve.
type Kind = (&'static str, fn(&StepPoint) -> f64, Number);

fn small_curves(figures: &Figures, range: (f64, f64), frame: &mut Frame, area: Rect) {
    let theme = figures.theme;
    let areas: [Rect; 3] = Layout::horizontal([Constraint::Fill(1); 3])
        .spacing(2)
        .areas(area);
    let kinds: [Kind; 3] = [
        ("learning rate", |s| s.learning_rate, Number::Scientific),
        ("gradient norm", |s| s.gradient_norm, Number::Plain),
        ("images/s", |s| s.images_per_second, Number::Plain),
    ];
    for (area, (title, figure, number)) in areas.into_iter().zip(kinds) {
        let area = Rect {
            y: area.y + 1.min(area.height),
            height: area.height.saturating_sub(1),
            ..area
        };
        let points = step_points(
            &figures.history.steps,
            range,
            usize::from(area.width),
            figure,
        );
        let mut values: Vec<f64> = points.iter().map(|p| p.1).collect();
        values.push(0.0);
        let series = [Series {
            name: String::new(),
            points,
            style: theme.accent(),
            dashed: false,
        }];
        let y = YSpan::around(&values, Outliers::High);
        Chart {
            x_log: false,
            title,
            x_name: "epoch",
            x: range,
            y,
            number,
            series: &series,
            mark: None,
        }
        .draw(area, frame.buffer_mut(), theme);
    }
}

/// Messages, and beside them the epochs where there is room.
fn lower(tab: &TrainTab, figures: &Figures, frame: &mut Frame, area: Rect) {
    let skip = if tab.view == View::Curves {
        tab.scroll
    } else {
        0
    };
    let epochs_width = u16::try_from(epochs::WIDTH).unwrap_or(0);
    let beside = area.width >= epochs_width + 60;
    let [log, _, table] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(2 * u16::from(beside)),
        Constraint::Length(if beside { epochs_width } else { 0 }),
    ])
    .areas(area);
    let rows = usize::from(area.height);
    let messages = figures.messages(skip, rows, usize::from(log.width));
    lines(frame, log, messages, figures.theme);
    if beside {
        lines(
            frame,
            table,
            epochs::table(figures.history, 0, rows, figures.theme),
            figures.theme,
        );
    }
}

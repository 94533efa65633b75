//! Several runs side by side: their held-out curves laid over each other and the settings in which they differ.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::RunRow;
use crate::profile::{EpochRecord, Profile};
use crate::run::comparison::{self, Cell, letter};
use crate::tui::theme::Theme;
use crate::tui::widgets::chart::{Chart, Number, Outliers, Series, Span as YSpan};
use crate::tui::widgets::fit::cut_front;
use crate::tui::widgets::{cut, left, plain_if, right, wrap_to};

pub(super) use crate::run::comparison::MOST;

/// Draws the comparison; `scroll` is kept within the table.
pub(super) fn render(
    rows: &[RunRow],
    scroll: &mut usize,
    frame: &mut Frame,
    area: Rect,
    theme: &Theme,
) {
    let runs: Vec<(&RunRow, &Profile)> = rows
        .iter()
        .filter_map(|r| r.profile.as_ref().ok().map(|p| (r, p.as_ref())))
        .collect();
    let table = table(&runs, usize::from(area.width), theme);
    let table_rows = u16::try_from(table.len()).unwrap_or(u16::MAX);
    // A longer table is scrolled.
    let least = area.height / 2;
    let charts_height = area.height.saturating_sub(table_rows + 1).max(least);
    let [charts, _, below] = Layout::vertical([
        Constraint::Length(charts_height),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(area);
    let [left_half, _, right_half] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(2),
        Constraint::Fill(1),
    ])
    .areas(charts);
    let loss = |e: &EpochRecord| e.held_out_loss;
    let accuracy = |e: &EpochRecord| e.held_out_accuracy;
    let profiles: Vec<&Profile> = runs.iter().map(|(_, profile)| *profile).collect();
    let curve = comparison::curve(&profiles);
    overlay(
        &format!("{curve} loss"),
        &runs,
        loss,
        Number::Plain,
        frame,
        left_half,
        theme,
    );
    overlay(
        &format!("{curve} accuracy"),
        &runs,
        accuracy,
        Number::Share,
        frame,
        right_half,
        theme,
    );

    let most = table.len().saturating_sub(usize::from(below.height));
    *scroll = (*scroll).min(most);
    let shown: Vec<Line> = table
        .into_iter()
        .skip(*scroll)
        .map(|l| plain_if(theme.ascii, l))
        .collect();
    frame.render_widget(Paragraph::new(shown), below);
}

/// One style a run; curves of even runs are dashed so that mono tells neighbours apart.
fn style(index: usize, theme: &Theme) -> Style {
    match index % MOST {
        0 => theme.train(),
        1 => theme.held_out(),
        2 => theme.good(),
        3 => theme.bad(),
        _ => theme.text(),
    }
}

fn overlay(
    title: &str,
    runs: &[(&RunRow, &Profile)],
    figure: fn(&EpochRecord) -> f64,
    number: Number,
    frame: &mut Frame,
    area: Rect,
    theme: &Theme,
) {
    #[expect(clippy::cast_precision_loss, reason = "epochs are few")]
    let point = |e: &EpochRecord| (e.epoch as f64, figure(e));
    let series: Vec<Series> = runs
        .iter()
        .enumerate()
        .map(|(i, (_, profile))| Series {
            name: letter(i).to_string(),
            points: profile.history.iter().map(point).collect(),
            style: style(i, theme),
            dashed: i % 2 == 1,
        })
        .collect();
    let last = series
        .iter()
        .flat_map(|s| &s.points)
        .map(|p| p.0)
        .fold(1.0, f64::max);
    // Outliers are a curve's own: a short run beside a long one is none.
    let bounds: Vec<f64> = series
        .iter()
        .filter(|s| !s.points.is_empty())
        .flat_map(|s| {
            let values: Vec<f64> = s.points.iter().map(|p| p.1).collect();
            let own = match number {
                Number::Share => YSpan::share(&values),
                _ => YSpan::around(&values, Outliers::High),
            };
            [own.low, own.high]
        })
        .collect();
    let y = match number {
        Number::Share => YSpan::share(&bounds),
        _ => YSpan::around(&bounds, Outliers::High),
    };
    Chart {
        title,
        x_name: "epoch",
        x: (0.0, last),
        y,
        number,
        series: &series,
        mark: None,
    }
    .draw(area, frame.buffer_mut(), theme);
}

/// Outcomes, then every setting in which the runs differ; a column a run.
fn table(runs: &[(&RunRow, &Profile)], width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let profiles: Vec<&Profile> = runs.iter().map(|(_, profile)| *profile).collect();
    let differences = comparison::differences(&profiles);
    let figures = comparison::figures(&profiles);
    let keys = differences
        .iter()
        .chain(&figures)
        .map(|row| row.name.chars().count() + 1)
        .max()
        .unwrap_or(0)
        .clamp(15, 30)
        .min(width / 3);
    let column = (width.saturating_sub(keys) / runs.len().max(1)).min(28);
    let line = |name: &str, cells: &[Cell], style: &dyn Fn(usize) -> Style| {
        let mut spans = vec![Span::styled(left(name, keys), theme.dim())];
        for (i, cell) in cells.iter().enumerate() {
            let cell = right(&cell.text(column.saturating_sub(2)), column);
            spans.push(Span::styled(cell, style(i)));
        }
        Line::from(spans)
    };
    let headings: Vec<Cell> = (0..runs.len())
        .map(|i| Cell::Words(heading(runs, i, column.saturating_sub(2))))
        .collect();
    let mut lines = vec![line("", &headings, &|i| style(i, theme))];
    for row in figures {
        let style = |i| {
            if row.best.contains(&i) {
                theme.good().add_modifier(Modifier::BOLD)
            } else {
                theme.text()
            }
        };
        lines.push(line(&row.name, &row.cells, &style));
    }
    for (i, profile) in profiles.iter().enumerate() {
        for note in comparison::notes(profile) {
            let lines_of = wrap_to(&format!("{} {note}", letter(i)), width, 3);
            lines.extend(lines_of.into_iter().map(|l| Line::styled(l, theme.warn())));
        }
    }
    if differences.is_empty() {
        lines.push(Line::styled("All settings are the same.", theme.dim()));
    }
    for row in differences {
        lines.push(line(&row.name, &row.cells, &|_| theme.text()));
    }
    lines
}

/// Letter and name of a run, and the end of its id where another has the same name. Of names that only their ends tell
/// apart, such as those of one network trained in several ways, the end stays.
fn heading(runs: &[(&RunRow, &Profile)], index: usize, room: usize) -> String {
    let (letter, run) = (letter(index), runs[index].0);
    let room = room.saturating_sub(2);
    let (before, after) = (&runs[..index], &runs[index + 1..]);
    let others = || before.iter().chain(after).map(|(other, _)| other.name());
    if others().all(|name| name != run.name()) {
        let short = cut(run.name(), room);
        let ambiguous = others().any(|name| cut(name, room) == short);
        let name = if ambiguous {
            cut_front(run.name(), room)
        } else {
            short
        };
        return format!("{letter} {name}");
    }
    let id = run.short_id();
    // The id is what tells them apart, so the name gives way.
    match room.saturating_sub(1 + id.chars().count()) {
        0..3 => format!("{letter} {id}"),
        rest => format!("{letter} {} {id}", cut(run.name(), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart_by_their_ids() {
        let profile = Profile::new("lenet5");
        let row = |id: &str, name: &str| RunRow {
            id: format!("20261123-160211-lenet5-{id}"),
            status: crate::profile::Status::Finished,
            profile: Ok(std::sync::Arc::new(Profile {
                name: name.into(),
                ..profile.clone()
            })),
        };
        let rows = [
            row("3f2a", "lenet5"),
            row("9c01", "lenet5"),
            row("aaaa", "mlp"),
        ];
        let runs: Vec<_> = rows.iter().map(|r| (r, &profile)).collect();
        assert_eq!(heading(&runs, 0, 26), "A lenet5 3f2a");
        assert_eq!(heading(&runs, 1, 10), "B le… 9c01");
        assert_eq!(heading(&runs, 1, 7), "B 9c01");
        assert_eq!(heading(&runs, 2, 26), "C mlp");
        let rows = [
            row("3f2a", "resnet20-cifar-frozen"),
            row("9c01", "resnet20-cifar-finetune"),
            row("aaaa", "lenet5-with-a-long-name"),
        ];
        let runs: Vec<_> = rows.iter().map(|r| (r, &profile)).collect();
        assert_eq!(heading(&runs, 0, 26), "A resnet20-cifar-frozen");
        assert_eq!(heading(&runs, 0, 16), "A …-cifar-frozen");
        assert_eq!(heading(&runs, 1, 16), "B …ifar-finetune");
        assert_eq!(heading(&runs, 2, 16), "C lenet5-with-a…");
    }
}

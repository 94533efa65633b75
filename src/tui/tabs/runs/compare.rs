//! Several runs side by side: their held-out curves laid over each other and the settings in which they differ.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Compared;
use crate::metrics::predictions::Prediction;
use crate::profile::{EpochRecord, Profile};
use crate::run::comparison::{self, Cell, Runs, letter};
use crate::run::group::{self, Band};
use crate::run::verdict::{Side, Test, Verdict};
use crate::text;
use crate::tui::tabs::gallery::{Gallery, Images};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::chart::{Chart, Number, Outliers, Series, Span as YSpan};
use crate::tui::widgets::fit::cut_front;
use crate::tui::widgets::{cut, left, plain_if, right, wrap_to};

pub(super) use crate::run::comparison::MOST;

/// Draws the comparison; `scroll` is kept within the table.
pub(super) fn render(
    sides: &[Side],
    compared: Option<&Compared>,
    scroll: &mut usize,
    frame: &mut Frame,
    area: Rect,
    theme: &Theme,
) {
    let runs: Vec<Runs> = sides.iter().map(Side::profiles).collect();
    let names: Vec<Named> = sides.iter().map(Named::of).collect();
    let width = usize::from(area.width);
    let mut table = conclusions(compared, width, theme);
    table.extend(self::table(&runs, &names, width, theme));
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
    let profiles: Vec<&Profile> = runs.iter().flatten().copied().collect();
    let curve = comparison::curve(&profiles);
    overlay(
        &format!("{curve} loss"),
        &runs,
        |row| row.held_out_loss,
        Number::Plain,
        frame,
        left_half,
        theme,
    );
    overlay(
        &format!("{curve} accuracy"),
        &runs,
        |row| row.held_out_accuracy,
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

/// The last epoch that a fork shares with a run that is compared with it; 0 where there is none.
fn trunk_among(side: &Runs, sides: &[Runs]) -> usize {
    let record = |run: &&Profile| run.run.clone().unwrap_or_default();
    let [fork] = side.as_slice() else { return 0 };
    let is_there = |id: &str| sides.iter().flatten().any(|run| record(run).id == id);
    let shared = record(fork).forks.into_iter().filter(|f| is_there(&f.run));
    shared.map(|fork| fork.epoch).max().unwrap_or(0)
}

fn overlay(
    title: &str,
    runs: &[Runs],
    figure: fn(&EpochRecord) -> f64,
    number: Number,
    frame: &mut Frame,
    area: Rect,
    theme: &Theme,
) {
    let mut series = Vec::new();
    for (i, side) in runs.iter().enumerate() {
        let mut bands = group::bands_of(side.iter().copied(), figure);
        // Up to the fork it is the other run's curve.
        let shared = trunk_among(side, runs);
        bands.retain(|band| band.epoch >= shared);
        #[expect(clippy::cast_precision_loss, reason = "epochs are few")]
        let curve = |shift: f64| -> Vec<(f64, f64)> {
            let point = |b: &Band| (b.epoch as f64, b.mean + shift * b.deviation);
            bands.iter().map(point).collect()
        };
        series.push(Series {
            name: letter(i).to_string(),
            points: curve(0.0),
            style: style(i, theme),
            // Dashes are of bands.
            dashed: i % 2 == 1 && side.len() == 1,
        });
        if side.len() > 1 {
            // One standard deviation to each side.
            series.extend([-1.0, 1.0].map(|shift| Series {
                name: String::new(),
                points: curve(shift),
                style: style(i, theme).add_modifier(Modifier::DIM),
                dashed: true,
            }));
        }
    }
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
        x_log: false,
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

/// What may be concluded, in sentences; the first line says so where that is still worked out.
fn conclusions(compared: Option<&Compared>, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let Some(compared) = compared else {
        return vec![Line::styled("comparing…", theme.dim())];
    };
    let mut lines = Vec::new();
    for verdict in &compared.verdicts {
        let style = if verdict.tells_apart() {
            theme.good()
        } else {
            theme.text()
        };
        let sentence = wrap_to(&verdict.sentence(), width, 3);
        lines.extend(sentence.into_iter().map(|l| Line::styled(l, style)));
    }
    for note in &compared.notes {
        let note = wrap_to(note, width, 2);
        lines.extend(note.into_iter().map(|l| Line::styled(l, theme.dim())));
    }
    lines.push(Line::default());
    lines
}

/// Draws the images that decide, with what one of the two runs said of each.
pub(super) fn render_gallery(
    compared: &Compared,
    gallery: &mut Gallery,
    frame: &mut Frame,
    area: Rect,
    theme: &Theme,
) {
    let (images, Some(dataset)) = (compared.deciding(), &compared.dataset) else {
        return;
    };
    let is_paired = |v: &&Verdict| matches!(v.test, Test::Paired { .. });
    let Some(verdict) = compared.verdicts.iter().find(is_paired) else {
        return;
    };
    let (a, b) = (letter(verdict.first), letter(verdict.second));
    let for_second = images.iter().filter(|image| image.is_for_second()).count();
    let shown = if compared.shows_first { a } else { b };
    let title = format!(
        "{} {b} alone has right, then {} of {a}; the answers are {shown}'s",
        text::count(for_second, "image"),
        images.len() - for_second
    );
    let items: Vec<Prediction> = images
        .iter()
        .map(|image| {
            if compared.shows_first {
                image.first
            } else {
                image.second
            }
        })
        .collect();
    let mut canvas = Canvas::new(frame.buffer_mut(), area);
    canvas.put(
        0,
        0,
        Line::styled(cut(&title, usize::from(area.width)), theme.title()),
    );
    let mut body = canvas.part(0, 1, area.width, area.height.saturating_sub(1));
    gallery.draw(
        &mut body,
        &items,
        Images::new(dataset, &compared.data),
        theme,
    );
}

/// Outcomes, then every setting in which the sides differ; a column each.
fn table(runs: &[Runs], names: &[Named], width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let differences = comparison::differences(runs);
    let figures = comparison::figures(runs);
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
        .map(|i| Cell::Words(heading(names, i, column.saturating_sub(2))))
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
    for (i, profile) in (0..)
        .zip(runs)
        .flat_map(|(i, side)| side.iter().map(move |p| (i, p)))
    {
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

/// What stands over the column of a side.
pub(super) struct Named {
    pub name: String,
    /// The end of a run's id, which tells runs of one name apart.
    pub end: String,
}

impl Named {
    fn of(side: &Side) -> Self {
        match side {
            Side::Run { id, profile } => Self {
                name: profile.name.clone(),
                end: id.rsplit('-').next().unwrap_or(id).into(),
            },
            Side::Group { name, .. } => Self {
                name: name.clone(),
                end: name.rsplit('-').next().unwrap_or(name).into(),
            },
        }
    }
}

/// Letter and name of a run, and the end of its id where another has the same name. Of names that only their ends tell
/// apart, such as those of one network trained in several ways, the end stays.
fn heading(sides: &[Named], index: usize, room: usize) -> String {
    let (letter, side) = (letter(index), &sides[index]);
    let room = room.saturating_sub(2);
    let (before, after) = (&sides[..index], &sides[index + 1..]);
    let others = || before.iter().chain(after).map(|other| other.name.as_str());
    if others().all(|name| name != side.name) {
        let short = cut(&side.name, room);
        let ambiguous = others().any(|name| cut(name, room) == short);
        let name = if ambiguous {
            cut_front(&side.name, room)
        } else {
            short
        };
        return format!("{letter} {name}");
    }
    // The id is what tells them apart, so the name gives way.
    let id = &side.end;
    match room.saturating_sub(1 + id.chars().count()) {
        0..3 => format!("{letter} {id}"),
        rest => format!("{letter} {} {id}", cut(&side.name, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart_by_their_ids() {
        let named = |end: &str, name: &str| Named {
            name: name.into(),
            end: end.into(),
        };
        let runs = [
            named("3f2a", "lenet5"),
            named("9c01", "lenet5"),
            named("aaaa", "mlp"),
        ];
        assert_eq!(heading(&runs, 0, 26), "A lenet5 3f2a");
        assert_eq!(heading(&runs, 1, 10), "B le… 9c01");
        assert_eq!(heading(&runs, 1, 7), "B 9c01");
        assert_eq!(heading(&runs, 2, 26), "C mlp");
        let runs = [
            named("3f2a", "resnet20-cifar-frozen"),
            named("9c01", "resnet20-cifar-finetune"),
            named("aaaa", "lenet5-with-a-long-name"),
        ];
        assert_eq!(heading(&runs, 0, 26), "A resnet20-cifar-frozen");
        assert_eq!(heading(&runs, 0, 16), "A …-cifar-frozen");
        assert_eq!(heading(&runs, 1, 16), "B …ifar-finetune");
        assert_eq!(heading(&runs, 2, 16), "C lenet5-with-a…");
    }
}

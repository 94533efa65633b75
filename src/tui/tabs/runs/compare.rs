//! Several runs side by side: their held-out curves laid over each other and the settings in which they differ.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::RunRow;
use crate::profile::{EpochRecord, Profile};
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::chart::{Chart, Number, Outliers, Series, Span as YSpan};
use crate::tui::widgets::{cut, left, plain_if, right};

/// How many runs can be told apart.
pub const MOST: usize = 5;

/// Draws the comparison; `scroll` is kept within the table.
pub fn render(rows: &[RunRow], scroll: &mut usize, frame: &mut Frame, area: Rect, theme: &Theme) {
    let runs: Vec<(&RunRow, &Profile)> = rows
        .iter()
        .filter_map(|r| r.profile.as_ref().ok().map(|p| (r, p.as_ref())))
        .collect();
    let table = table(&runs, usize::from(area.width), theme);
    let table_rows = u16::try_from(table.len()).unwrap_or(u16::MAX);
    let least = (area.height / 2).min(12);
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
    overlay(
        "held-out loss",
        &runs,
        loss,
        Number::Plain,
        frame,
        left_half,
        theme,
    );
    overlay(
        "held-out accuracy",
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

fn letter(index: usize) -> char {
    ['A', 'B', 'C', 'D', 'E'][index % MOST]
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
    let settings: Vec<BTreeMap<String, String>> = runs.iter().map(|(_, p)| flatten(p)).collect();
    let differing = differing(&settings);
    let keys = differing
        .iter()
        .map(|k| k.chars().count())
        .max()
        .unwrap_or(0)
        .clamp(14, 30);
    let column = (width.saturating_sub(keys) / runs.len().max(1)).min(28);
    let line = |name: &str, cells: Vec<String>, style: Option<Style>| {
        let mut spans = vec![Span::styled(left(name, keys), theme.dim())];
        for (i, cell) in cells.iter().enumerate() {
            let cell = right(&cut(cell, column.saturating_sub(2)), column);
            spans.push(Span::styled(
                cell,
                style.unwrap_or_else(|| self::style(i, theme)),
            ));
        }
        Line::from(spans)
    };
    let each = |f: &dyn Fn(&RunRow, &Profile) -> String| -> Vec<String> {
        runs.iter().map(|(r, p)| f(r, p)).collect()
    };
    let letters = (0..runs.len())
        .map(|i| heading(runs, i, column.saturating_sub(2)))
        .collect();
    let dash = || "–".to_string();
    let share = |value: Option<f64>| value.map_or_else(dash, text::percent);
    let plain = Some(theme.text());
    let mut lines = vec![
        line("", letters, None),
        line(
            "test accuracy",
            each(&|r, _| share(r.macro_f1().and(r.accuracy()))),
            plain,
        ),
        line(
            "held-out best",
            each(&|r, _| share(r.held_out_accuracy())),
            plain,
        ),
        line(
            "macro F1",
            each(&|r, _| r.macro_f1().map_or_else(dash, |f| format!("{f:.3}"))),
            plain,
        ),
        line(
            "parameters",
            each(&|r, _| r.parameters().map_or_else(dash, text::grouped)),
            plain,
        ),
        line(
            "time",
            each(&|r, _| r.seconds().map_or_else(dash, text::seconds)),
            plain,
        ),
    ];
    if differing.is_empty() {
        lines.push(Line::styled("All settings are the same.", theme.dim()));
    }
    for key in &differing {
        let values = settings
            .iter()
            .map(|s| s.get(key).cloned().unwrap_or_else(dash))
            .collect();
        lines.push(line(key, values, plain));
    }
    lines
}

/// Letter and name of a run, and the end of its id where another has the same name.
fn heading(runs: &[(&RunRow, &Profile)], index: usize, room: usize) -> String {
    let (letter, run) = (letter(index), runs[index].0);
    let same_name = runs.iter().filter(|(r, _)| r.name() == run.name()).count();
    if same_name == 1 {
        return format!("{letter} {}", run.name());
    }
    let id = run.short_id();
    // The id is what tells them apart, so the name gives way.
    match room.saturating_sub(3 + id.chars().count()) {
        0..3 => format!("{letter} {id}"),
        rest => format!("{letter} {} {id}", cut(run.name(), rest)),
    }
}

/// The recipe as `train.optimizer.learning_rate` → `0.001`.
fn flatten(profile: &Profile) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if let Ok(value) = toml::Value::try_from(profile.recipe()) {
        walk("", &value, &mut out);
    }
    out.remove("name");
    out
}

fn walk(path: &str, value: &toml::Value, out: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(&path, value, out);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            out.insert(path.to_string(), format!("{} layers", items.len()));
        }
        toml::Value::String(text) => {
            out.insert(path.to_string(), text::sanitize(text));
        }
        other => {
            out.insert(path.to_string(), text::sanitize(&other.to_string()));
        }
    }
}

/// Keys whose values are not the same everywhere.
fn differing(settings: &[BTreeMap<String, String>]) -> Vec<String> {
    let mut keys: Vec<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| {
            settings
                .windows(2)
                .any(|pair| pair[0].get(*key) != pair[1].get(*key))
        })
        .cloned()
        .collect()
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
            profile: Ok(Box::new(Profile {
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
    }

    #[test]
    fn only_differences_are_listed() {
        let a = Profile::new("mlp");
        let mut b = Profile::new("mlp");
        b.name = "another".into();
        b.train.optimizer.learning_rate = 0.01;
        b.model.hidden = vec![50, 20];
        let settings = [flatten(&a), flatten(&b)];
        assert_eq!(
            differing(&settings),
            ["model.hidden", "train.optimizer.learning_rate"]
        );
        assert_eq!(settings[1]["model.hidden"], "[50, 20]");
        assert!(differing(&[flatten(&a), flatten(&a)]).is_empty());
    }
}

//! The table of layers: name, kind, output shape, parameters and multiply-adds with their shares, totals and memory.

use ratatui::text::{Line, Span};

use crate::model::Shape;
use crate::model::summary::Summary;
use crate::profile::Profile;
use crate::text;
use crate::tui::tabs::mistakes::share;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// Draws the table from row `scroll` on, totals after the last row that fits; returns the rows used.
pub fn draw(
    canvas: &mut Canvas,
    summary: &Summary,
    profile: &Profile,
    scroll: usize,
    theme: &Theme,
) -> u16 {
    let width = usize::from(canvas.width());
    let deepest = summary
        .rows
        .iter()
        .map(|r| r.name.chars().count() + r.depth);
    let longest =
        |limit: usize, least: usize| deepest.clone().max().unwrap_or(0).clamp(least, limit);
    let (name, output, bar, adds) = match width {
        0..=69 => (longest(14, 5), 10, 0, 7),
        70..=104 => (longest(16, 8), 14, 7, 10),
        _ => (longest(24, 12), 16, 12, 10),
    };
    let numbers = 10 + adds + 2 * (bar + usize::from(bar > 0));
    let shape = |shape: Shape| {
        let text = shape.to_string();
        if output < 12 {
            text.replace(' ', "")
        } else {
            text
        }
    };
    let kind = width
        .saturating_sub(name + 1 + output + numbers + 1)
        .min(44);
    let gap = |bar: usize| " ".repeat(if bar > 0 { bar + 1 } else { 0 });
    canvas.put(
        0,
        0,
        Line::styled(
            format!(
                "{} {}{}{}{}{}",
                fit::left("layer", name),
                fit::left("kind", kind),
                fit::right("output", output),
                fit::right("weights", 10),
                gap(bar),
                fit::right(if adds < 10 { "MACs" } else { "mult-adds" }, adds),
            ),
            theme.dim(),
        ),
    );
    let rows = usize::from(canvas.height().saturating_sub(2));
    let mut y = 1;
    let narrow = bar == 0;
    for (place, row) in summary.rows.iter().enumerate().skip(scroll).take(rows) {
        // In few columns what a block's row says need not be said again in those of its layers.
        let inner = narrow && row.depth > 0;
        let block = summary.rows[..place].iter().rfind(|r| r.depth == 0);
        let of_block =
            block.and_then(|block| row.name.strip_prefix(&block.name)?.strip_prefix('.'));
        let own = of_block.filter(|_| inner).unwrap_or(&row.name);
        let label = format!("{}{own}", " ".repeat(row.depth));
        let style = if row.depth > 0 || row.frozen {
            theme.dim()
        } else {
            theme.text()
        };
        let count = |n: u64, short: bool| match n {
            0 => "–".to_owned(),
            n if short => text::short_count(n),
            n => text::grouped(n),
        };
        // Where the activation does not fit, the layer alone is said.
        let layer = row.kind.split(" · ").next().unwrap_or_default();
        let frozen = if row.frozen && !inner { "frozen " } else { "" };
        let long = format!("{frozen}{}", row.kind);
        let said = if long.chars().count() > kind {
            format!("{frozen}{layer}")
        } else {
            long
        };
        let parts = |n: u64, all: u64, style| {
            let mut text = fit::bar(share(n, all), bar);
            if row.depth > 0 {
                text.clear();
            }
            let lead = if bar > 0 { " " } else { "" };
            Span::styled(format!("{lead}{}", fit::left(&text, bar)), style)
        };
        canvas.put(
            0,
            y,
            Line::from(vec![
                Span::styled(fit::left(&label, name), style),
                Span::styled(format!(" {}", fit::left(&said, kind)), theme.dim()),
                Span::styled(fit::right(&shape(row.output), output), style),
                Span::styled(fit::right(&count(row.parameters, false), 10), style),
                parts(row.parameters, summary.parameters, theme.train()),
                Span::styled(fit::right(&count(row.multiply_adds, true), adds), style),
                parts(row.multiply_adds, summary.multiply_adds, theme.held_out()),
            ]),
        );
        y += 1;
    }
    let all = totals(summary, profile, usize::from(y) - 1, narrow, theme);
    // Where not all of it fits, whole words give way.
    let fits = (0..=all.spans.len()).rev().find_map(|count| {
        let line = Line::from(all.spans[..count].to_vec());
        (line.width() <= width).then_some(line)
    });
    canvas.put(0, y, fits.unwrap_or_default());
    y + 1
}

fn totals(
    summary: &Summary,
    profile: &Profile,
    shown: usize,
    narrow: bool,
    theme: &Theme,
) -> Line<'static> {
    let memory = summary.memory_bytes(&profile.train);
    let more = if shown < summary.rows.len() {
        format!("  ({} of {} rows)", shown, summary.rows.len())
    } else {
        String::new()
    };
    let (trained, weights) = if summary.trained_parameters < summary.parameters {
        let words = if narrow {
            format!(" of {} trained · ", text::short_count(summary.parameters))
        } else {
            let all = text::grouped(summary.parameters);
            format!(" of {all} weights trained · ")
        };
        (summary.trained_parameters, words)
    } else {
        (summary.parameters, " weights · ".to_owned())
    };
    Line::from(vec![
        Span::styled(text::grouped(trained), theme.title()),
        Span::styled(weights, theme.dim()),
        Span::styled(text::short_count(summary.multiply_adds), theme.title()),
        Span::styled(if narrow { " MACs" } else { " mult-adds" }, theme.dim()),
        Span::styled(" · ~", theme.dim()),
        Span::styled(text::bytes(memory), theme.title()),
        Span::styled(" to train", theme.dim()),
        Span::styled(more, theme.dim()),
    ])
}

//! The table of layers: name, kind, output shape, parameters and multiply-adds with their shares, totals and memory.

use ratatui::text::{Line, Span};

use crate::metrics::share;
use crate::model::summary::Summary;
use crate::profile::Profile;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// How wide what is.
struct Columns {
    name: usize,
    kind: usize,
    output: usize,
    /// Of a share; none in few columns.
    bar: usize,
    adds: usize,
    /// Whether a block's layers go by their own names, since the whole ones are too long.
    own_names: bool,
}

impl Columns {
    fn new(width: usize, summary: &Summary) -> Self {
        let names = summary.rows.iter();
        let deepest = names.map(|r| r.name.chars().count() + r.depth).max();
        let longest = |limit: usize, least: usize| deepest.unwrap_or(0).clamp(least, limit);
        let (name, output, bar, adds) = match width {
            0..=69 => (longest(14, 5), 10, 0, 7),
            70..=104 => (longest(16, 8), 14, 7, 10),
            _ => (longest(24, 12), 16, 12, 10),
        };
        let numbers = 10 + adds + 2 * (bar + usize::from(bar > 0));
        let kind = width
            .saturating_sub(name + 1 + output + numbers + 1)
            .min(44);
        Self {
            name,
            kind,
            output,
            bar,
            adds,
            own_names: bar == 0 || deepest.is_some_and(|deepest| deepest > name),
        }
    }

    fn are_few(&self) -> bool {
        self.bar == 0
    }

    fn heading(&self, summary: &Summary, theme: &Theme) -> Line<'static> {
        let gap = " ".repeat(if self.are_few() { 0 } else { self.bar + 1 });
        let kind = if self.are_few() && summary.rows.iter().any(|row| row.frozen) {
            format!("{} frozen", frozen_sign(theme))
        } else {
            "kind".to_owned()
        };
        let adds = "MACs";
        let text = format!(
            "{} {}{}{}{gap}{}",
            fit::left("layer", self.name),
            fit::left(&kind, self.kind),
            fit::right("output", self.output),
            fit::right("params", 10),
            fit::right(adds, self.adds),
        );
        Line::styled(text, theme.dim())
    }

    fn row(&self, summary: &Summary, place: usize, theme: &Theme) -> Line<'static> {
        let row = &summary.rows[place];
        let inner = self.own_names && row.depth > 0;
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
        let frozen = match (row.frozen, self.are_few()) {
            (false, _) => "",
            (true, false) => "frozen ",
            (true, true) => frozen_sign(theme),
        };
        let long = format!("{frozen}{}", row.kind);
        let said = if long.chars().count() > self.kind {
            format!("{frozen}{layer}")
        } else {
            long
        };
        let shape = row.output.to_string();
        let shape = if self.output < 12 {
            shape.replace(' ', "")
        } else {
            shape
        };
        let parts = |n: u64, all: u64, style| {
            let mut text = fit::bar(share(n, all), self.bar);
            if row.depth > 0 {
                text.clear();
            }
            let lead = if self.are_few() { "" } else { " " };
            Span::styled(format!("{lead}{}", fit::left(&text, self.bar)), style)
        };
        Line::from(vec![
            Span::styled(fit::left(&label, self.name), style),
            Span::styled(format!(" {}", fit::left(&said, self.kind)), theme.dim()),
            Span::styled(fit::right(&shape, self.output), style),
            Span::styled(fit::right(&count(row.parameters, false), 10), style),
            parts(row.parameters, summary.parameters, theme.train()),
            Span::styled(
                fit::right(&count(row.multiply_adds, true), self.adds),
                style,
            ),
            parts(row.multiply_adds, summary.multiply_adds, theme.held_out()),
        ])
    }
}

/// In few columns, before the kind of a layer that keeps its weights.
fn frozen_sign(theme: &Theme) -> &'static str {
    if theme.ascii { "#" } else { "▪" }
}

/// Draws the table from row `scroll` on, totals after the last row that fits; returns the rows used.
pub(super) fn draw(
    canvas: &mut Canvas,
    summary: &Summary,
    profile: &Profile,
    scroll: usize,
    theme: &Theme,
) -> u16 {
    let width = usize::from(canvas.width());
    let columns = Columns::new(width, summary);
    canvas.put(0, 0, columns.heading(summary, theme));
    let rows = usize::from(canvas.height().saturating_sub(2));
    let mut y = 1;
    for place in (0..summary.rows.len()).skip(scroll).take(rows) {
        canvas.put(0, y, columns.row(summary, place, theme));
        y += 1;
    }
    let all = totals(
        summary,
        profile,
        usize::from(y) - 1,
        columns.are_few(),
        theme,
    );
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
    let at_first = if profile.model.unfreeze.is_empty() {
        ""
    } else {
        " at first"
    };
    let (trained, weights) = if summary.trained_parameters < summary.parameters {
        let words = if narrow {
            format!(
                " of {} trained{at_first} · ",
                text::short_count(summary.parameters)
            )
        } else {
            let all = text::grouped(summary.parameters);
            format!(" of {all} parameters trained{at_first} · ")
        };
        (summary.trained_parameters, words)
    } else {
        (summary.parameters, " parameters · ".to_owned())
    };
    Line::from(vec![
        Span::styled(text::grouped(trained), theme.title()),
        Span::styled(weights, theme.dim()),
        Span::styled(text::short_count(summary.multiply_adds), theme.title()),
        Span::styled(" MACs", theme.dim()),
        Span::styled(" · ~", theme.dim()),
        Span::styled(text::bytes(memory), theme.title()),
        Span::styled(" to train", theme.dim()),
        Span::styled(more, theme.dim()),
    ])
}

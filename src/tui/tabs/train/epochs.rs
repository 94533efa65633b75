//! The table of finished epochs, newest first.

use ratatui::text::{Line, Span};

use crate::event::{EpochEnd, RunHistory};
use crate::text::figure;
use crate::tui::theme::Theme;
use crate::tui::widgets::right;

/// Columns the table needs.
pub(super) const WIDTH: usize = 76;

/// The heading and at most `rows - 1` epochs from the newest, `skip` left out.
#[must_use]
pub(super) fn table(
    history: &RunHistory,
    skip: usize,
    rows: usize,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let held = history.held_out_name();
    let short_held = if held == "validation" { "val." } else { held };
    let heading = [
        right("epoch", 6),
        right("train loss", 12),
        right(&format!("{short_held} loss"), 11),
        right("train acc.", 12),
        right(&format!("{short_held} acc."), 11),
        right("rate", 9),
        right("seconds", 9),
    ];
    let mut lines = vec![Line::styled(heading.concat(), theme.dim())];
    if history.epochs.is_empty() {
        lines.push(Line::styled(
            "     –  the first epoch is not finished yet",
            theme.dim(),
        ));
        return lines;
    }
    let kept = history.kept_epoch();
    let shown = history
        .epochs
        .iter()
        .rev()
        .skip(skip)
        .take(rows.saturating_sub(1));
    lines.extend(shown.map(|e| row(e, (kept == Some(e.epoch)).then_some(" best"), theme)));
    lines
}

fn row(e: &EpochEnd, mark: Option<&'static str>, theme: &Theme) -> Line<'static> {
    let number = e.epoch as u64;
    let epoch = figure::fitting([number.to_string(), figure::count(number, 6)], 6);
    let cell = |text: String, width, style| Span::styled(right(&text, width), style);
    let mut spans = vec![
        cell(epoch, 6, theme.text()),
        cell(figure::loss(e.train.loss, 11), 12, theme.train()),
        cell(figure::loss(e.held_out.loss, 10), 11, theme.held_out()),
        cell(figure::percent(e.train.accuracy, 1, 11), 12, theme.train()),
        cell(
            figure::percent(e.held_out.accuracy, 1, 10),
            11,
            theme.held_out(),
        ),
        cell(figure::learning_rate(e.learning_rate, 8), 9, theme.dim()),
        cell(
            figure::fixed(e.seconds + e.evaluation_seconds, 1, 8),
            9,
            theme.dim(),
        ),
    ];
    spans.extend(mark.map(|word| Span::styled(word, theme.good())));
    Line::from(spans)
}

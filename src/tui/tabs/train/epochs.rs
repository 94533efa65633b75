//! The table of finished epochs, newest first.

use ratatui::text::{Line, Span};

use super::figures::loss;
use crate::event::{EpochPoint, RunHistory};
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::right;

/// Columns the table needs.
pub const WIDTH: usize = 76;

/// The heading and at most `rows - 1` epochs from the newest, `skip` left out.
#[must_use]
pub fn table(history: &RunHistory, skip: usize, rows: usize, theme: &Theme) -> Vec<Line<'static>> {
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
    // Without a validation set it is that of the lowest training loss, and not the best of the curve beside it.
    let word = if history.curve_is_test() {
        " kept"
    } else {
        " best"
    };
    let shown = history
        .epochs
        .iter()
        .rev()
        .skip(skip)
        .take(rows.saturating_sub(1));
    lines.extend(shown.map(|e| row(e, (kept == Some(e.epoch)).then_some(word), theme)));
    lines
}

fn row(e: &EpochPoint, mark: Option<&'static str>, theme: &Theme) -> Line<'static> {
    let mut spans = vec![
        Span::styled(right(&e.epoch.to_string(), 6), theme.text()),
        Span::styled(right(&loss(e.train_loss), 12), theme.train()),
        Span::styled(right(&loss(e.held_out_loss), 11), theme.held_out()),
        Span::styled(right(&text::percent(e.train_accuracy), 12), theme.train()),
        Span::styled(
            right(&text::percent(e.held_out_accuracy), 11),
            theme.held_out(),
        ),
        Span::styled(right(&text::learning_rate(e.learning_rate), 9), theme.dim()),
        Span::styled(
            right(&format!("{:.1}", e.seconds + e.evaluation_seconds), 9),
            theme.dim(),
        ),
    ];
    spans.extend(mark.map(|word| Span::styled(word, theme.good())));
    Line::from(spans)
}

//! How many images each class has in each part.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};

use super::filter;
use crate::data::statistics::class_counts;
use crate::data::{Dataset, Part};
use crate::metrics::{class_name, share};
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// Draws the table of classes from row `offset` on, without the `excluded` images.
pub(super) fn draw(
    canvas: &mut Canvas,
    dataset: &Dataset,
    excluded: &BTreeMap<usize, String>,
    offset: usize,
    theme: &Theme,
) {
    let classes = dataset.classes.len();
    let parts = filter::parts(dataset);
    let width = usize::from(canvas.width());
    let name = (width / 5).clamp(6, 16);
    let room = width.saturating_sub(name + 4 + parts.len() * 18);
    let bar = (room / parts.len().max(1)).min(60);
    let mut head = fit::left("class", name);
    for part in &parts {
        head += &fit::right(part.name(), 10);
        head += &fit::right("share", 8);
        head += &" ".repeat(bar + 1);
    }
    canvas.put(1, 0, Line::styled(head, theme.dim()));
    let counts: Vec<Vec<u64>> = parts
        .iter()
        .map(|part| {
            let used = dataset.range(*part).filter(|i| !excluded.contains_key(i));
            class_counts(used.map(|index| dataset.label(index)), classes)
        })
        .collect();
    for (y, class) in (1..canvas.height()).zip(offset..classes) {
        let class_name = class_name(&dataset.classes, class);
        let mut spans = vec![Span::styled(fit::left(&class_name, name), theme.text())];
        for (part, counts) in parts.iter().zip(&counts) {
            let most = counts.iter().copied().max().unwrap_or(0);
            let of_part = text::percent(share(counts[class], counts.iter().sum()));
            let count = fit::right(&text::grouped(counts[class]), 9) + &fit::right(&of_part, 8);
            let bar = fit::left(&fit::bar(share(counts[class], most), bar), bar);
            let style = match part {
                Part::Train => theme.train(),
                Part::Test | Part::Validation => theme.held_out(),
            };
            spans.push(Span::styled(format!(" {count} "), theme.text()));
            spans.push(Span::styled(bar, style));
        }
        canvas.put(1, y, Line::from(spans));
    }
}

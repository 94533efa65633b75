//! How many pictures each class has, in train and test.

use ratatui::text::{Line, Span};

use crate::data::Dataset;
use crate::data::statistics::class_counts;
use crate::text;
use crate::tui::tabs::mistakes::{class_name, share};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// Draws the table of classes from row `offset` on.
pub fn draw(canvas: &mut Canvas, dataset: &Dataset, offset: usize, theme: &Theme) {
    let classes = dataset.classes.len();
    let train = class_counts(&dataset.train, classes);
    let test = class_counts(&dataset.test, classes);
    let width = usize::from(canvas.width());
    let name = (width / 5).clamp(6, 16);
    let bar = (width.saturating_sub(name + 4 + 2 * 18) / 2).min(60);
    let head = |part: &str| fit::right(part, 9) + &fit::right("share", 8) + &" ".repeat(bar + 1);
    canvas.put(
        1,
        0,
        Line::styled(
            format!(
                "{} {} {}",
                fit::left("class", name),
                head("train"),
                head("test")
            ),
            theme.dim(),
        ),
    );
    let side = |counts: &[u64], class: usize| {
        let most = counts.iter().copied().max().unwrap_or(0);
        let part = share(counts[class], counts.iter().sum());
        (
            fit::right(&text::grouped(counts[class]), 9) + &fit::right(&text::percent(part), 8),
            fit::left(&fit::bar(share(counts[class], most), bar), bar),
        )
    };
    for (y, class) in (1..canvas.height()).zip(offset..classes) {
        let (train_count, train_bar) = side(&train, class);
        let (test_count, test_bar) = side(&test, class);
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(
                    fit::left(&class_name(&dataset.classes, class), name),
                    theme.text(),
                ),
                Span::styled(format!(" {train_count} "), theme.text()),
                Span::styled(train_bar, theme.train()),
                Span::styled(format!(" {test_count} "), theme.text()),
                Span::styled(test_bar, theme.held_out()),
            ]),
        );
    }
}

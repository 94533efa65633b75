//! One picture large, with what can be measured on it.

use ratatui::text::{Line, Span};

use crate::data::Dataset;
use crate::data::statistics::{PixelStatistics, histogram};
use crate::text;
use crate::tui::tabs::mistakes::class_name;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::picture::{Picture, cells};

/// Bars of the histogram.
const BINS: usize = 32;

/// Draws the picture with this pooled index; `place` of `count` shown ones.
pub fn draw(
    canvas: &mut Canvas,
    dataset: &Dataset,
    index: usize,
    place: usize,
    count: usize,
    theme: &Theme,
) {
    let true_size = u16::try_from(dataset.width.clamp(1, 256)).unwrap_or(256);
    let (width, height) = (canvas.width(), canvas.height());
    let fits = |columns: u16| {
        let (columns, rows) = cells(dataset.width, dataset.height, columns);
        columns + 3 + 30 <= width && rows < height
    };
    let columns = [2 * true_size, true_size, true_size.div_ceil(2)]
        .into_iter()
        .find(|c| fits(*c))
        .unwrap_or(true_size.min(width));
    let (columns, rows) = cells(dataset.width, dataset.height, columns);
    // What cannot be read is drawn black, its label beside it.
    let pixels = dataset.image(index).unwrap_or_default();
    let picture = Picture::new(&pixels, dataset.width, dataset.height, theme);
    canvas.picture(1, 1, columns, rows, &picture);
    let x = columns + 4;
    let mut part = canvas.part(x, 1, width.saturating_sub(x + 1), height.saturating_sub(1));
    draw_figures(&mut part, dataset, (index, &pixels), place, count, theme);
    draw_histogram(&mut part, &pixels, theme);
}

fn draw_figures(
    canvas: &mut Canvas,
    dataset: &Dataset,
    (index, pixels): (usize, &[u8]),
    place: usize,
    count: usize,
    theme: &Theme,
) {
    let label = usize::from(dataset.label(index));
    let (part, own) = dataset
        .place(index)
        .map_or(("", index), |(part, own)| (part.name(), own));
    let figures = PixelStatistics::of(pixels);
    let grouped = |n: usize| text::grouped(n as u64);
    canvas.put(
        0,
        0,
        Line::from(vec![
            Span::styled(class_name(&dataset.classes, label), theme.title()),
            Span::styled(format!("  class {label}"), theme.dim()),
        ]),
    );
    let rows = [
        (
            "picture",
            format!("{} of {}", grouped(place + 1), grouped(count)),
        ),
        ("file", format!("{part} {}", grouped(own))),
        ("index", grouped(index)),
        (
            "mean ± std",
            format!("{:.3} ± {:.3}", figures.mean, figures.std),
        ),
        ("range", format!("{} to {}", figures.min, figures.max)),
        ("empty", text::percent(figures.zero_share)),
    ];
    for (y, (name, value)) in (1..).zip(rows) {
        canvas.put(
            0,
            y,
            Line::from(vec![
                Span::styled(fit::left(name, 12), theme.dim()),
                Span::styled(value, theme.text()),
            ]),
        );
    }
}

/// How often each grey occurs, without the empty pixels, which would dwarf the rest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel counts and rows are small"
)]
fn draw_histogram(canvas: &mut Canvas, pixels: &[u8], theme: &Theme) {
    const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let top = 8;
    if canvas.height() < top + 4 || canvas.width() < 20 {
        return;
    }
    let mut counts = histogram(pixels);
    counts[0] = 0;
    let bins: Vec<u64> = counts
        .chunks(counts.len() / BINS)
        .map(|c| c.iter().sum())
        .collect();
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    let rows = (canvas.height() - top - 2).min(10);
    canvas.put(
        0,
        top,
        Line::styled("greys of the drawn pixels", theme.dim()),
    );
    for (bin, count) in (0..).zip(&bins) {
        let eighths = (*count as f64 / most as f64 * f64::from(rows) * 8.0).ceil() as usize;
        for row in 0..rows {
            let level = eighths.saturating_sub(usize::from(row) * 8).min(8);
            canvas.dot(bin, top + rows - row, LEVELS[level], theme.train());
        }
    }
    canvas.put(0, top + rows + 1, Line::styled("1", theme.dim()));
    canvas.put_right(
        u16::try_from(BINS).unwrap_or(32),
        top + rows + 1,
        Line::styled("255", theme.dim()),
    );
}

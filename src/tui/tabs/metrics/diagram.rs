//! A reliability diagram: a bar for each bin as high as its accuracy, the gap to its confidence, and the diagonal on
//! which a calibrated network lies.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "positions are those of a screen"
)]

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::metrics::calibration::{BINS, Bin, Reliability};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::chart::{self, Chart, Number, Series};

/// Signs of a column's top, in eighths of a row.
const EIGHTHS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// A gap of so much is one: half a point.
const GAP: f64 = 5e-3;

/// Fewer images say little of a bin.
const FEW: u64 = 10;

/// What cells are drawn with.
struct Signs {
    bar: &'static str,
    over: &'static str,
    under: &'static str,
}

fn signs(theme: &Theme) -> Signs {
    let [bar, over, under] = if theme.ascii {
        ["#", "=", ":"]
    } else {
        ["█", "░", "▒"]
    };
    Signs { bar, over, under }
}

/// Where the network is surer than right.
#[must_use]
pub(super) fn overconfident(theme: &Theme) -> Style {
    theme.bad().remove_modifier(Modifier::BOLD)
}

/// By which way a bin's accuracy is off.
#[must_use]
pub(super) fn style(bin: &Bin, theme: &Theme) -> Style {
    match bin.confidence - bin.accuracy {
        _ if bin.images < FEW => theme.dim(),
        GAP.. => overconfident(theme),
        ..0.0 if bin.accuracy - bin.confidence >= GAP => theme.good(),
        _ => theme.text(),
    }
}

/// The widest diagram within `room` columns that has bins of the same width and is not much wider than it is high.
#[must_use]
pub(super) fn width(room: u16, height: u16) -> u16 {
    let bins = BINS as u16;
    let around = Chart::AROUND.0;
    let per_bin = room.saturating_sub(around) / bins;
    let most = (height * 5 / 2 / bins).max(2);
    if per_bin == 0 {
        return room;
    }
    around + bins * per_bin.min(most)
}

/// Draws it with its axes and, above them, what the signs mean.
pub(super) fn draw(canvas: &mut Canvas, all: &Reliability, title: &str, theme: &Theme) {
    let diagonal = [Series {
        name: String::new(),
        points: vec![(0.0, 0.0), (50.0, 0.5), (100.0, 1.0)],
        style: theme.dim(),
        dashed: true,
    }];
    let chart = Chart {
        x_log: false,
        title,
        x_name: "confidence, %",
        x: (0.0, 100.0),
        y: chart::Span {
            low: 0.0,
            high: 1.0,
            log: false,
        },
        number: Number::Share,
        series: &diagonal,
        mark: None,
    };
    draw_legend(canvas, title, theme);
    let Some(mut plot) = canvas.chart(&chart, theme) else {
        return;
    };
    let (width, height) = (plot.width(), plot.height());
    for (place, bin) in all.bins.iter().enumerate().filter(|(_, b)| b.images > 0) {
        let from = place * usize::from(width) / BINS;
        let to = (place + 1) * usize::from(width) / BINS;
        // A column of nothing between the bars, where they are broad.
        let to = if to - from > 2 { to - 1 } else { to };
        let column = column(bin, usize::from(height), theme);
        for (up, cell) in column.iter().enumerate() {
            let row = height.saturating_sub(1 + up as u16);
            for x in from..to {
                plot.dot(x as u16, row, cell.0, cell.1);
            }
        }
    }
}

/// A bar's cells from the bottom up.
fn column(bin: &Bin, rows: usize, theme: &Theme) -> Vec<(&'static str, Style)> {
    let signs = signs(theme);
    let mut styles = [theme.held_out(), overconfident(theme), theme.good()];
    if bin.images < FEW {
        styles = [theme.dim(); 3];
    }
    let [bar, over, under] = styles;
    // Parts of a row have no sign of their own in ASCII.
    let steps = if theme.ascii { 1 } else { 8 };
    let eighths = (bin.accuracy * (rows * steps) as f64).round() as usize * (8 / steps);
    let expected = (bin.confidence * rows as f64).round() as usize;
    let mut cells = Vec::new();
    for row in 0..eighths / 8 {
        cells.push(if row >= expected {
            (signs.under, under)
        } else {
            (signs.bar, bar)
        });
    }
    if !eighths.is_multiple_of(8) || (eighths == 0 && bin.accuracy > 0.0) {
        let style = if cells.len() > expected { under } else { bar };
        cells.push((EIGHTHS[(eighths % 8).max(1) - 1], style));
    }
    while cells.len() < expected {
        cells.push((signs.over, over));
    }
    cells
}

fn draw_legend(canvas: &mut Canvas, title: &str, theme: &Theme) {
    let signs = signs(theme);
    let legend = Line::from(vec![
        Span::styled(format!("{} over- ", signs.over), overconfident(theme)),
        Span::styled(format!("{} underconfident", signs.under), theme.good()),
    ]);
    let width = usize::from(canvas.width());
    if title.chars().count() + 2 + legend.width() <= width {
        canvas.put_right(canvas.width(), 0, legend);
    }
}

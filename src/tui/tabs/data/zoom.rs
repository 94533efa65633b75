//! One image large, with what can be measured on it.

use ratatui::text::{Line, Span};

use crate::data::Dataset;
use crate::data::statistics::{PixelStatistics, channel_names, histogram, luma};
use crate::metrics::class_name;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::image::{Image, cells, fitted};

/// Bars of the histogram.
const BINS: u16 = 32;

/// Columns that the figures need, with the gaps beside them.
const FIGURES: u16 = 33;

/// An image of the set.
struct Shown<'a> {
    dataset: &'a Dataset,
    /// Pooled.
    index: usize,
    /// **Shape** `[channels, height, width]`; empty where it cannot be read.
    pixels: Vec<u8>,
}

/// Draws the image with this pooled index; `place` is its number among so many shown ones.
pub(super) fn draw(
    canvas: &mut Canvas,
    dataset: &Dataset,
    index: usize,
    place: (usize, usize),
    theme: &Theme,
) {
    let size = dataset.size(index);
    let true_size = u16::try_from(size.1.clamp(1, 256)).unwrap_or(256);
    let (width, height) = (canvas.width(), canvas.height());
    let room = (
        width.saturating_sub(FIGURES).max(1),
        height.saturating_sub(1),
    );
    let (columns, rows) = [2 * true_size, true_size, true_size.div_ceil(2)]
        .into_iter()
        .map(|columns| cells(size.1, size.0, columns))
        .find(|(columns, rows)| *columns <= room.0 && *rows <= room.1)
        .unwrap_or_else(|| fitted(size.1, size.0, room));
    // What cannot be read is drawn black, its label beside it.
    let pixels = dataset.image(index).unwrap_or_default();
    let image = Image::new(&pixels, dataset.channels, size, theme);
    canvas.image(1, 1, columns, rows, &image);
    let x = columns + 4;
    let mut part = canvas.part(x, 1, width.saturating_sub(x + 1), height.saturating_sub(1));
    let shown = Shown {
        dataset,
        index,
        pixels,
    };
    let top = shown.draw_figures(&mut part, place, theme) + 1;
    shown.draw_histograms(&mut part, top, theme);
}

impl Shown<'_> {
    fn channels(&self) -> usize {
        self.dataset.channels
    }

    /// Gives the first row that is free.
    fn draw_figures(&self, canvas: &mut Canvas, place: (usize, usize), theme: &Theme) -> u16 {
        let Self { dataset, index, .. } = *self;
        let label = usize::from(dataset.label(index));
        let (part, own) = dataset
            .place(index)
            .map_or(("", index), |(part, own)| (part.name(), own));
        let grouped = |n: usize| text::grouped(n as u64);
        canvas.put(
            0,
            0,
            Line::from(vec![
                Span::styled(class_name(&dataset.classes, label), theme.title()),
                Span::styled(format!("  class {label}"), theme.dim()),
            ]),
        );
        let mut rows = vec![
            (
                "image",
                format!("{} of {}", grouped(place.0 + 1), grouped(place.1)),
            ),
            ("file", format!("{part} {}", grouped(own))),
            ("index", grouped(index)),
        ];
        let figures = PixelStatistics::of_channels(&self.pixels, self.channels());
        if let [grey] = figures[..] {
            rows.extend([
                ("mean ± std", format!("{:.3} ± {:.3}", grey.mean, grey.std)),
                ("range", format!("{} to {}", grey.min, grey.max)),
                ("empty", text::percent(grey.zero_share)),
            ]);
        } else {
            let (height, width) = dataset.size(index);
            rows.push(("size", format!("{height} × {width}")));
            rows.push(("", "mean ± std     range".into()));
            let names = channel_names(self.channels()).iter();
            rows.extend(names.zip(&figures).map(|(name, of)| {
                let range = format!("{} to {}", of.min, of.max);
                (*name, format!("{:.3} ± {:.3}  {range}", of.mean, of.std))
            }));
        }
        let mut y = 1;
        for (name, value) in rows {
            let style = if name.is_empty() {
                theme.dim()
            } else {
                theme.text()
            };
            canvas.put(
                0,
                y,
                Line::from(vec![
                    Span::styled(fit::left(name, 12), theme.dim()),
                    Span::styled(value, style),
                ]),
            );
            y += 1;
        }
        y
    }

    /// How often each value occurs: of a grey image without the empty pixels, which would dwarf the rest; of one in
    /// colours a histogram a channel, of its luma where there is no room for these, in both without what is not seen at
    /// all.
    fn draw_histograms(&self, canvas: &mut Canvas, top: u16, theme: &Theme) {
        let Some(rows) = canvas.height().checked_sub(top + 2) else {
            return;
        };
        if rows < 2 || canvas.width() < 20 {
            return;
        }
        let plane = self.pixels.len() / self.channels();
        let (colors, opacity) = self.pixels.split_at(self.channels().min(3) * plane);
        let is_seen = |at: usize| opacity.get(at % plane.max(1)).is_none_or(|o| *o > 0);
        let seen = |channel: usize| -> Vec<u8> {
            let pixels = (channel * plane..(channel + 1) * plane).filter(|at| is_seen(*at));
            pixels.map(|at| colors[at]).collect()
        };
        let head =
            |canvas: &mut Canvas, words| canvas.put(0, top, Line::styled(words, theme.dim()));
        let shown = if self.channels() == 1 {
            head(canvas, "grey levels of the drawn pixels");
            let mut counts = histogram(colors);
            counts[0] = 0;
            vec![("", counts)]
        } else if rows >= 3 {
            head(canvas, "red, green and blue of the pixels");
            let names = channel_names(3).iter().enumerate();
            names
                .map(|(c, name)| (*name, histogram(&seen(c))))
                .collect()
        } else {
            head(canvas, "luma of the pixels");
            vec![("", histogram(&lumas(&[seen(0), seen(1), seen(2)])))]
        };
        let each = match shown.len() {
            1 => rows.min(10),
            count => (rows / u16::try_from(count).unwrap_or(1)).min(4),
        };
        let mut y = top + 1;
        for (name, counts) in &shown {
            let gap = u16::from(shown.len() > 1 && each > 2);
            draw_bars(canvas, y + gap, each - gap, counts, theme);
            canvas.put(BINS + 1, y + each - 1, Line::styled(*name, theme.dim()));
            y += each;
        }
        let least = if self.channels() == 1 { "1" } else { "0" };
        canvas.put(0, y, Line::styled(least, theme.dim()));
        canvas.put_right(BINS, y, Line::styled("255", theme.dim()));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 255"
)]
fn lumas([red, green, blue]: &[Vec<u8>; 3]) -> Vec<u8> {
    let colors = red.iter().zip(green).zip(blue);
    colors
        .map(|((r, g), b)| luma([*r, *g, *b].map(f64::from)).round() as u8)
        .collect()
}

/// Bars from row `top` on, `rows` high.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel counts and rows are small"
)]
fn draw_bars(canvas: &mut Canvas, top: u16, rows: u16, counts: &[u64; 256], theme: &Theme) {
    const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let bins: Vec<u64> = counts
        .chunks(counts.len() / usize::from(BINS))
        .map(|c| c.iter().sum())
        .collect();
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    for (bin, count) in (0..).zip(&bins) {
        let eighths = (*count as f64 / most as f64 * f64::from(rows) * 8.0).ceil() as usize;
        for row in 0..rows {
            let level = eighths.saturating_sub(usize::from(row) * 8).min(8);
            canvas.dot(bin, top + rows - 1 - row, LEVELS[level], theme.train());
        }
    }
}

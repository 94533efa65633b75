//! One image large, with what can be measured on it.

use ratatui::text::{Line, Span};

use super::draw::conversion;
use super::filter::EXCLUDED;
use crate::data::Dataset;
use crate::data::channels::Conversion;
use crate::data::statistics::{PixelStatistics, channel_names, histogram, luma};
use crate::error::Result;
use crate::metrics::class_name;
use crate::profile::Background;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::image::{Image, cells, fitted};

/// Bars of the histogram.
const BINS: u16 = 32;

/// Columns that the figures of a grey image need, with the gaps beside them, and those of one in colours.
const FIGURES: u16 = 33;
const FIGURES_IN_COLOURS: u16 = 39;

/// An image of the set.
pub(super) struct Shown<'a> {
    dataset: &'a Dataset,
    /// Pooled.
    index: usize,
    /// **Shape** `[channels, height, width]`, or why it cannot be read.
    pixels: Result<Vec<u8>>,
    conversion: Conversion,
}

impl<'a> Shown<'a> {
    /// The image with this pooled index; what is not opaque is laid over the background.
    pub(super) fn new(dataset: &'a Dataset, index: usize, background: Background) -> Self {
        Self {
            dataset,
            index,
            pixels: dataset.image(index),
            conversion: conversion(dataset, background),
        }
    }

    /// Draws it; `place` is its number among so many shown ones, `excluded` why runs leave it out.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        place: (usize, usize),
        excluded: Option<&str>,
        theme: &Theme,
    ) {
        canvas.put(1, 0, self.head(canvas.width(), excluded, theme));
        let size = self.dataset.size(self.index);
        let true_size = u16::try_from(size.1.clamp(1, 256)).unwrap_or(256);
        let (width, height) = (canvas.width(), canvas.height());
        let figures = if self.channels() == 1 {
            FIGURES
        } else {
            FIGURES_IN_COLOURS
        };
        let room = (
            width.saturating_sub(figures).max(1),
            height.saturating_sub(1),
        );
        let (columns, rows) = [2 * true_size, true_size, true_size.div_ceil(2)]
            .into_iter()
            .map(|columns| cells(size.1, size.0, columns))
            .find(|(columns, rows)| *columns <= room.0 && *rows <= room.1)
            .unwrap_or_else(|| fitted(size.1, size.0, room));
        match &self.pixels {
            Ok(pixels) => {
                let mut pixels = pixels.clone();
                self.conversion.apply(&mut pixels);
                let image = Image::new(&pixels, self.conversion.to, size, theme);
                canvas.image(1, 1, columns, rows, &image);
            }
            Err(why) => {
                let lines = fit::wrap_to(&why.to_string(), usize::from(columns), 8);
                for (y, line) in (1..=rows).zip(lines) {
                    canvas.put_in(1, y, columns, Line::styled(line, theme.bad()));
                }
            }
        }
        let x = columns + 4;
        let mut part = canvas.part(x, 1, width.saturating_sub(x + 1), height.saturating_sub(1));
        let top = self.draw_figures(&mut part, place, theme) + 1;
        self.draw_histograms(&mut part, top, theme);
    }

    /// The image's file, where it has one of its own, and why runs leave it out.
    fn head(&self, width: u16, excluded: Option<&str>, theme: &Theme) -> Line<'static> {
        let room = usize::from(width.saturating_sub(2));
        let reason = excluded.map_or_else(String::new, |reason| format!("{EXCLUDED}: {reason}"));
        let reason = fit::cut(&reason, room);
        let place = self.dataset.place(self.index);
        let name = place.and_then(|(part, own)| self.dataset.part(part).images.name(own));
        let name = text::sanitize(name.unwrap_or_default());
        let gap = if name.is_empty() || reason.is_empty() {
            ""
        } else {
            " · "
        };
        let left = room.saturating_sub(reason.chars().count() + gap.len());
        Line::from(vec![
            Span::styled(fit::cut_front(&name, left.max(room / 3)), theme.dim()),
            Span::styled(gap, theme.dim()),
            Span::styled(reason, theme.warn()),
        ])
    }

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
        let number = format!("  class {label}");
        let room = usize::from(canvas.width()).saturating_sub(number.len());
        let name = fit::cut(&class_name(&dataset.classes, label), room);
        let name = Span::styled(name, theme.title());
        let title = Line::from(vec![name, Span::styled(number, theme.dim())]);
        canvas.put(0, 0, title);
        let mut rows = vec![
            (
                "image",
                format!("{} of {}", grouped(place.0 + 1), grouped(place.1)),
            ),
            ("split", format!("{part} {}", grouped(own))),
            ("index", grouped(index)),
        ];
        let Ok(pixels) = &self.pixels else {
            return draw_rows(canvas, &rows, theme);
        };
        let figures = PixelStatistics::of_channels(pixels, self.channels());
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
        draw_rows(canvas, &rows, theme)
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
        let Ok(pixels) = &self.pixels else {
            return;
        };
        let plane = pixels.len() / self.channels();
        let (colors, opacity) = pixels.split_at(self.channels().min(3) * plane);
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
            head(canvas, "red, green and blue");
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

/// Names and values from row 1 on; gives the first row that is free.
fn draw_rows(canvas: &mut Canvas, rows: &[(&str, String)], theme: &Theme) -> u16 {
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max();
    let names = longest.unwrap_or(0) + 2;
    let mut y = 1;
    for (name, value) in rows {
        let style = if name.is_empty() {
            theme.dim()
        } else {
            theme.text()
        };
        let name = Span::styled(fit::left(name, names), theme.dim());
        let value = Span::styled(value.as_str(), style);
        canvas.put(0, y, Line::from(vec![name, value]));
        y += 1;
    }
    y
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

//! Grey pictures in character cells: half-blocks where there are colours (whole cells where there are no blocks), shade signs
//! where there are none.
//!
//! Scales by area, so half size, the true size and twice the size all come from the same code. Knows nothing of data sets.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel positions and grey values are small"
)]

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::tui::theme::{ColorDepth, Theme};

/// From nothing to full, one sign a cell.
const SHADES: &[u8; 10] = b" .:-=+*#%@";

/// A grey picture, drawn to fill its area: one pixel a column and two a row at true size.
pub struct Picture<'a> {
    pixels: &'a [u8],
    width: usize,
    height: usize,
    theme: &'a Theme,
}

impl<'a> Picture<'a> {
    /// `pixels` are rows of `width` grey values, 0 is background; missing ones count as 0.
    #[must_use]
    pub fn new(pixels: &'a [u8], width: usize, height: usize, theme: &'a Theme) -> Self {
        Self {
            pixels,
            width,
            height,
            theme,
        }
    }

    /// Draws the part that lies in `clip`, scaled as if all of `area` were shown.
    pub fn render_clipped(&self, area: Rect, clip: Rect, buffer: &mut Buffer) {
        let seen = area.intersection(clip).intersection(buffer.area);
        if self.width == 0 || self.height == 0 {
            return;
        }
        let (columns, rows) = (usize::from(area.width), 2 * usize::from(area.height));
        let (ascii, depth) = (self.theme.ascii, self.theme.depth());
        // Four greys on whole cells show less than ten signs.
        let shades = depth == ColorDepth::Mono || (ascii && depth == ColorDepth::Ansi16);
        for position in seen.positions() {
            let x = usize::from(position.x - area.x);
            let y = 2 * usize::from(position.y - area.y);
            let upper = self.sample(x, y, columns, rows);
            let lower = self.sample(x, y + 1, columns, rows);
            let cell = &mut buffer[position];
            if shades {
                let index = f64::midpoint(upper, lower) / 256.0 * SHADES.len() as f64;
                cell.set_char(char::from(SHADES[index as usize]));
                cell.set_style(self.theme.text());
            } else if ascii {
                if let Some(bg) = self.grey(f64::midpoint(upper, lower)) {
                    cell.set_symbol(" ").set_bg(bg);
                }
            } else if let (Some(fg), Some(bg)) = (self.grey(upper), self.grey(lower)) {
                cell.set_symbol("▀").set_fg(fg).set_bg(bg);
            }
        }
    }

    fn grey(&self, value: f64) -> Option<ratatui::style::Color> {
        self.theme.grey(value as u8)
    }

    /// Mean over the part of the picture that pixel (`x`, `y`) of `columns` × `rows` covers.
    fn sample(&self, x: usize, y: usize, columns: usize, rows: usize) -> f64 {
        let across = cover(x, columns, self.width);
        let down = cover(y, rows, self.height);
        let (mut sum, mut weight) = (0.0, 0.0);
        for (row, share_down) in down {
            for (column, share_across) in across.clone() {
                let share = share_down * share_across;
                let value = self.pixels.get(row * self.width + column).copied();
                sum += share * f64::from(value.unwrap_or(0));
                weight += share;
            }
        }
        if weight > 0.0 { sum / weight } else { 0.0 }
    }
}

impl Widget for Picture<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        self.render_clipped(area, buffer.area, buffer);
    }
}

/// Source positions that target position `at` of `targets` covers, with the covered share of each.
fn cover(
    at: usize,
    targets: usize,
    sources: usize,
) -> impl Iterator<Item = (usize, f64)> + Clone + use<> {
    let step = sources as f64 / targets.max(1) as f64;
    let (from, to) = (at as f64 * step, (at + 1) as f64 * step);
    let last = (to.ceil() as usize).min(sources);
    (from as usize..last)
        .map(move |s| (s, to.min(s as f64 + 1.0) - from.max(s as f64)))
        .filter(|(_, share)| *share > 1e-9)
}

/// Columns and rows of a picture shown `columns` wide with square pixels.
#[must_use]
pub fn cells(width: usize, height: usize, columns: u16) -> (u16, u16) {
    if width == 0 || height == 0 {
        return (0, 0);
    }
    let pixel_rows = f64::from(columns) * height as f64 / width as f64;
    (columns, ((pixel_rows / 2.0).round() as u16).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Palette;
    use ratatui::style::Color;

    fn theme(depth: ColorDepth, palette: Palette) -> Theme {
        Theme::new(palette, depth, false)
    }

    fn draw(picture: &Picture, width: u16, height: u16) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        picture.render_clipped(buffer.area, buffer.area, &mut buffer);
        buffer
    }

    #[test]
    fn true_size_shows_each_pixel() {
        let theme = theme(ColorDepth::TrueColor, Palette::Dark);
        let buffer = draw(&Picture::new(&[0, 10, 200, 255], 2, 2, &theme), 2, 1);
        assert_eq!(buffer[(0, 0)].fg, Color::Rgb(0, 0, 0));
        assert_eq!(buffer[(1, 0)].fg, Color::Rgb(10, 10, 10));
        assert_eq!(buffer[(0, 0)].bg, Color::Rgb(200, 200, 200));
        assert_eq!(buffer[(1, 0)].bg, Color::Rgb(255, 255, 255));
    }

    #[test]
    fn half_size_is_the_mean_and_double_size_repeats() {
        let theme = theme(ColorDepth::TrueColor, Palette::Dark);
        let pixels: Vec<u8> = (0..16).map(|i| i * 10).collect();
        let half = draw(&Picture::new(&pixels, 4, 4, &theme), 2, 1);
        assert_eq!(half[(0, 0)].fg, Color::Rgb(25, 25, 25));
        assert_eq!(half[(1, 0)].bg, Color::Rgb(125, 125, 125));
        let double = draw(&Picture::new(&pixels, 4, 4, &theme), 8, 4);
        assert_eq!(double[(0, 0)].fg, double[(1, 0)].bg);
        assert_eq!(double[(7, 3)].bg, Color::Rgb(150, 150, 150));
    }

    #[test]
    fn light_is_inverted_and_mono_has_shades() {
        let light = theme(ColorDepth::TrueColor, Palette::Light);
        let buffer = draw(&Picture::new(&[0, 0, 0, 0], 2, 2, &light), 2, 1);
        assert_eq!(buffer[(0, 0)].fg, Color::Rgb(255, 255, 255));
        let mono = theme(ColorDepth::Mono, Palette::Mono);
        let buffer = draw(
            &Picture::new(&[0, 255, 0, 255, 0, 128, 0, 128], 4, 2, &mono),
            4,
            1,
        );
        let signs: String = (0..4).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(signs, " # #");
    }

    #[test]
    fn without_blocks_whole_cells_are_coloured() {
        let ascii = Theme::new(Palette::Dark, ColorDepth::TrueColor, true);
        let buffer = draw(&Picture::new(&[0, 10, 200, 250], 2, 2, &ascii), 2, 1);
        assert_eq!(
            (buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol()),
            (" ", " ")
        );
        assert_eq!(buffer[(0, 0)].bg, Color::Rgb(100, 100, 100));
        assert_eq!(buffer[(1, 0)].bg, Color::Rgb(130, 130, 130));
        let few = Theme::new(Palette::Dark, ColorDepth::Ansi16, true);
        let buffer = draw(&Picture::new(&[0, 255, 0, 255], 2, 2, &few), 2, 1);
        assert_eq!(
            (buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol()),
            (" ", "@")
        );
    }

    #[test]
    fn any_size_and_missing_pixels_are_harmless() {
        let theme = theme(ColorDepth::Ansi16, Palette::Dark);
        for (width, height) in [(0, 0), (1, 1), (3, 7), (28, 28)] {
            for columns in 0..40 {
                for rows in 0..20 {
                    draw(&Picture::new(&[7; 5], width, height, &theme), columns, rows);
                }
            }
        }
        assert_eq!(cells(28, 28, 28), (28, 14));
        assert_eq!(cells(28, 28, 56), (56, 28));
        assert_eq!(cells(0, 3, 9), (0, 0));
    }
}

//! Images in character cells: half-blocks where there are colours (whole cells where there are no blocks), shade signs
//! where there are none.
//!
//! Scales by area, so half size, the true size and twice the size all come from the same code. A grey image is a
//! drawing on the screen's background: its 0 is white on a light one. Colours are shown as they are. Knows nothing of
//! data sets, nor of what lies under images that are not opaque.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel positions and values are small"
)]

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::widgets::Widget;

use crate::data::statistics::luma;
use crate::tui::theme::{ColorDepth, Theme};

/// From nothing to full, one sign a cell.
const SHADES: &[u8; 10] = b" .:-=+*#%@";

/// How much of a faint image stands out.
const FAINT: f64 = 0.3;

/// An image, drawn to fill its area: one pixel a column and two a row at true size.
pub(crate) struct Image<'a> {
    pixels: &'a [u8],
    channels: usize,
    height: usize,
    width: usize,
    is_faint: bool,
    theme: &'a Theme,
}

impl<'a> Image<'a> {
    /// **Shape** `pixels [channels, height, width]` of 1 or 3 channels; missing ones count as 0.
    #[must_use]
    pub(crate) fn new(
        pixels: &'a [u8],
        channels: usize,
        (height, width): (usize, usize),
        theme: &'a Theme,
    ) -> Self {
        Self {
            pixels,
            channels,
            height,
            width,
            is_faint: false,
            theme,
        }
    }

    /// The same, little of which stands out from the screen's background.
    #[must_use]
    pub(crate) fn faint(self) -> Self {
        Self {
            is_faint: true,
            ..self
        }
    }

    /// Columns and rows of the largest it can be in so many, with square pixels.
    #[must_use]
    pub(crate) fn fitted(&self, columns: u16, rows: u16) -> (u16, u16) {
        fitted(self.width, self.height, (columns, rows))
    }

    /// Draws the part that lies in `clip`, scaled as if all of `area` were shown.
    pub(crate) fn render_clipped(&self, area: Rect, clip: Rect, buffer: &mut Buffer) {
        let clip = clip.intersection(buffer.area);
        let theme = self.theme;
        // A grey image is a drawing on the background.
        let ground = if theme.is_light() && self.channels != 1 {
            255.0
        } else {
            0.0
        };
        let strength = if self.is_faint { FAINT } else { 1.0 };
        let value = |at: usize| {
            let value = f64::from(self.pixels.get(at).copied().unwrap_or(0));
            ground + strength * (value - ground)
        };
        if self.channels == 1 {
            let grey = |[value]: [f64; 1]| theme.grey(value as u8);
            self.paint(area, clip, buffer, |at| [value(at)], grey, |[value]| value);
            return;
        }
        let plane = self.height * self.width;
        let seen = |at: usize| [0, 1, 2].map(|channel| value(at + channel * plane));
        let color = |[r, g, b]: [f64; 3]| theme.color((r as u8, g as u8, b as u8));
        let ink = |color| (luma(color) - ground).abs();
        self.paint(area, clip, buffer, seen, color, ink);
    }

    /// `seen` gives what a pixel looks like, `color` what a cell becomes, `ink` how far that stands out, 0–255.
    fn paint<const N: usize>(
        &self,
        area: Rect,
        clip: Rect,
        buffer: &mut Buffer,
        seen: impl Fn(usize) -> [f64; N],
        color: impl Fn([f64; N]) -> Option<Color>,
        ink: impl Fn([f64; N]) -> f64,
    ) {
        if self.width == 0 || self.height == 0 {
            return;
        }
        let (columns, rows) = (usize::from(area.width), 2 * usize::from(area.height));
        let (ascii, depth) = (self.theme.ascii, self.theme.depth());
        // Four greys on whole cells show less than ten signs.
        let shades = depth == ColorDepth::Mono || (ascii && depth == ColorDepth::Ansi16);
        for position in area.intersection(clip).positions() {
            let x = usize::from(position.x - area.x);
            let y = 2 * usize::from(position.y - area.y);
            let across = cover(x, columns, self.width);
            let half = |y| self.mean(&across, cover(y, rows, self.height), &seen);
            let (upper, lower) = (half(y), half(y + 1));
            let both = || std::array::from_fn(|n| f64::midpoint(upper[n], lower[n]));
            let cell = &mut buffer[position];
            if shades {
                let index = ink(both()) / 256.0 * SHADES.len() as f64;
                cell.set_char(char::from(SHADES[index as usize]));
                cell.set_style(self.theme.text());
            } else if ascii {
                if let Some(bg) = color(both()) {
                    cell.set_symbol(" ").set_bg(bg);
                }
            } else if let (Some(fg), Some(bg)) = (color(upper), color(lower)) {
                cell.set_symbol("▀").set_fg(fg).set_bg(bg);
            }
        }
    }

    /// Mean over a part of the image: columns and rows with their shares.
    fn mean<const N: usize>(
        &self,
        across: &(impl Iterator<Item = (usize, f64)> + Clone),
        down: impl Iterator<Item = (usize, f64)>,
        seen: &impl Fn(usize) -> [f64; N],
    ) -> [f64; N] {
        let (mut sum, mut weight) = ([0.0; N], 0.0);
        for (row, share_down) in down {
            for (column, share_across) in across.clone() {
                let share = share_down * share_across;
                for (sum, value) in sum.iter_mut().zip(seen(row * self.width + column)) {
                    *sum += share * value;
                }
                weight += share;
            }
        }
        sum.map(|sum| if weight > 0.0 { sum / weight } else { 0.0 })
    }
}

impl Widget for Image<'_> {
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

/// Columns and rows of an image shown `columns` wide with square pixels.
#[must_use]
pub(crate) fn cells(width: usize, height: usize, columns: u16) -> (u16, u16) {
    if width == 0 || height == 0 {
        return (0, 0);
    }
    let pixel_rows = f64::from(columns) * height as f64 / width as f64;
    (columns, ((pixel_rows / 2.0).round() as u16).max(1))
}

/// Columns and rows of the largest that an image can be in so many, with square pixels.
#[must_use]
pub(crate) fn fitted(width: usize, height: usize, (columns, rows): (u16, u16)) -> (u16, u16) {
    let (columns, needed) = cells(width, height, columns);
    if needed <= rows {
        return (columns, needed);
    }
    let narrower = 2.0 * f64::from(rows) * width as f64 / height as f64;
    ((narrower.round() as u16).clamp(1, columns.max(1)), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Ground, Palette};
    use ratatui::style::Color;

    fn theme(depth: ColorDepth, palette: Palette) -> Theme {
        Theme::new(palette, depth, false)
    }

    fn draw(image: &Image, width: u16, height: u16) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        image.render_clipped(buffer.area, buffer.area, &mut buffer);
        buffer
    }

    #[test]
    fn true_size_shows_each_pixel() {
        let theme = theme(ColorDepth::TrueColor, Palette::Dark);
        let buffer = draw(&Image::new(&[0, 10, 200, 255], 1, (2, 2), &theme), 2, 1);
        assert_eq!(buffer[(0, 0)].fg, Color::Rgb(0, 0, 0));
        assert_eq!(buffer[(1, 0)].fg, Color::Rgb(10, 10, 10));
        assert_eq!(buffer[(0, 0)].bg, Color::Rgb(200, 200, 200));
        assert_eq!(buffer[(1, 0)].bg, Color::Rgb(255, 255, 255));
    }

    #[test]
    fn half_size_is_the_mean_and_double_size_repeats() {
        let theme = theme(ColorDepth::TrueColor, Palette::Dark);
        let pixels: Vec<u8> = (0..16).map(|i| i * 10).collect();
        let half = draw(&Image::new(&pixels, 1, (4, 4), &theme), 2, 1);
        assert_eq!(half[(0, 0)].fg, Color::Rgb(25, 25, 25));
        assert_eq!(half[(1, 0)].bg, Color::Rgb(125, 125, 125));
        let double = draw(&Image::new(&pixels, 1, (4, 4), &theme), 8, 4);
        assert_eq!(double[(0, 0)].fg, double[(1, 0)].bg);
        assert_eq!(double[(7, 3)].bg, Color::Rgb(150, 150, 150));
    }

    #[test]
    fn light_is_inverted_and_mono_has_shades() {
        let light = theme(ColorDepth::TrueColor, Palette::Light);
        let buffer = draw(&Image::new(&[0, 0, 0, 0], 1, (2, 2), &light), 2, 1);
        assert_eq!(buffer[(0, 0)].fg, Color::Rgb(255, 255, 255));
        let mono = theme(ColorDepth::Mono, Palette::Mono);
        let buffer = draw(
            &Image::new(&[0, 255, 0, 255, 0, 128, 0, 128], 1, (2, 4), &mono),
            4,
            1,
        );
        let signs: String = (0..4).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(signs, " # #");
    }

    #[test]
    fn without_blocks_whole_cells_are_coloured() {
        let ascii = Theme::new(Palette::Dark, ColorDepth::TrueColor, true);
        let buffer = draw(&Image::new(&[0, 10, 200, 250], 1, (2, 2), &ascii), 2, 1);
        assert_eq!(
            (buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol()),
            (" ", " ")
        );
        assert_eq!(buffer[(0, 0)].bg, Color::Rgb(100, 100, 100));
        assert_eq!(buffer[(1, 0)].bg, Color::Rgb(130, 130, 130));
        let few = Theme::new(Palette::Dark, ColorDepth::Ansi16, true);
        let buffer = draw(&Image::new(&[0, 255, 0, 255], 1, (2, 2), &few), 2, 1);
        assert_eq!(
            (buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol()),
            (" ", "@")
        );
    }

    /// Red, green, blue and white, left to right and down.
    const COLORS: [u8; 12] = [255, 0, 0, 255, 0, 200, 0, 255, 0, 0, 100, 255];

    #[test]
    fn colours_are_shown_as_they_are() {
        let colors = |depth, palette| {
            let theme = theme(depth, palette);
            let cells = draw(&Image::new(&COLORS, 3, (2, 2), &theme), 2, 1);
            [
                cells[(0, 0)].fg,
                cells[(1, 0)].fg,
                cells[(0, 0)].bg,
                cells[(1, 0)].bg,
            ]
        };
        for palette in [Palette::Dark, Palette::Light] {
            let red_to_white = [(255, 0, 0), (0, 200, 0), (0, 0, 100), (255, 255, 255)];
            assert_eq!(
                colors(ColorDepth::TrueColor, palette),
                red_to_white.map(|(r, g, b)| Color::Rgb(r, g, b))
            );
            assert_eq!(
                colors(ColorDepth::Ansi256, palette),
                [196, 40, 17, 231].map(Color::Indexed)
            );
            assert_eq!(
                colors(ColorDepth::Ansi16, palette),
                [Color::LightRed, Color::Green, Color::Black, Color::White]
            );
        }
    }

    #[test]
    fn a_faint_image_is_near_the_background() {
        for (palette, red, grey) in [
            (Palette::Dark, (76, 0, 0), 30),
            (Palette::Light, (255, 178, 178), 225),
        ] {
            let theme = theme(ColorDepth::TrueColor, palette);
            let seen = draw(&Image::new(&COLORS, 3, (2, 2), &theme).faint(), 2, 1);
            assert_eq!(seen[(0, 0)].fg, Color::Rgb(red.0, red.1, red.2));
            let seen = draw(&Image::new(&[100; 4], 1, (2, 2), &theme).faint(), 2, 1);
            assert_eq!(seen[(0, 0)].fg, Color::Rgb(grey, grey, grey));
        }
    }

    #[test]
    fn colours_are_averaged_and_become_signs_where_there_are_none() {
        let dark = theme(ColorDepth::TrueColor, Palette::Dark);
        let ascii = Theme::new(Palette::Dark, ColorDepth::TrueColor, true);
        let mean = Color::Rgb(127, 113, 88);
        let seen = draw(&Image::new(&COLORS, 3, (2, 2), &ascii), 1, 1);
        assert_eq!((seen[(0, 0)].symbol(), seen[(0, 0)].bg), (" ", mean));
        let upper = draw(&Image::new(&COLORS, 3, (2, 2), &dark), 1, 1);
        assert_eq!(upper[(0, 0)].fg, Color::Rgb(127, 100, 0));
        let mono = theme(ColorDepth::Mono, Palette::Mono);
        let signs = |theme: &Theme| {
            let seen = draw(&Image::new(&COLORS, 3, (1, 4), theme), 4, 1);
            (0..4)
                .map(|x| seen[(x, 0)].symbol().to_owned())
                .collect::<String>()
        };
        // Red, green, blue, white; on a light background dark is what stands out.
        assert_eq!(signs(&mono), ":= @");
        assert_eq!(signs(&mono.on(Ground::Light)), "*+@ ");
    }

    #[test]
    fn an_image_keeps_its_aspect_in_its_box() {
        assert_eq!(fitted(28, 28, (28, 14)), (28, 14));
        assert_eq!(fitted(40, 20, (28, 14)), (28, 7));
        assert_eq!(fitted(20, 40, (28, 14)), (14, 14));
        assert_eq!(fitted(1, 900, (28, 14)), (1, 14));
        assert_eq!(fitted(900, 1, (28, 14)), (28, 1));
        assert_eq!(fitted(0, 1, (28, 14)), (0, 0));
    }

    #[test]
    fn any_size_and_missing_pixels_are_harmless() {
        let theme = theme(ColorDepth::Ansi16, Palette::Dark);
        for (width, height) in [(0, 0), (1, 1), (3, 7), (28, 28)] {
            for columns in 0..40 {
                for rows in 0..20 {
                    for channels in [1, 3] {
                        let size = (height, width);
                        draw(&Image::new(&[7; 5], channels, size, &theme), columns, rows);
                    }
                }
            }
        }
        assert_eq!(cells(28, 28, 28), (28, 14));
        assert_eq!(cells(28, 28, 56), (56, 28));
        assert_eq!(cells(0, 3, 9), (0, 0));
    }
}

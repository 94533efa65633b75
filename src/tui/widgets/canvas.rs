//! A clipped place to write lines into. Everything the tabs draw by hand goes through here, so no size can panic.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::braille::Dots;
use super::chart::Chart;
use super::fit::cut_line;
use super::image::Image;
use crate::text;
use crate::tui::theme::Theme;

/// A rectangle of the screen with its own coordinates; what does not fit is cut.
pub(crate) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Canvas<'a> {
    /// The part of `area` that lies in the buffer.
    pub(crate) fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    #[must_use]
    pub(crate) fn width(&self) -> u16 {
        self.area.width
    }

    #[must_use]
    pub(crate) fn height(&self) -> u16 {
        self.area.height
    }

    /// A smaller canvas at `x`, `y` of this one.
    pub(crate) fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_> {
        let area = self.rect(x, y, width, height);
        Canvas {
            buffer: self.buffer,
            area,
        }
    }

    /// Screen coordinates of a rectangle of this canvas, clipped.
    #[must_use]
    pub(crate) fn rect(&self, x: u16, y: u16, width: u16, height: u16) -> Rect {
        let x = x.min(self.area.width);
        let y = y.min(self.area.height);
        Rect {
            x: self.area.x + x,
            y: self.area.y + y,
            width: width.min(self.area.width - x),
            height: height.min(self.area.height - y),
        }
    }

    /// Writes a line from `x` to the right edge.
    pub(crate) fn put<'l>(&mut self, x: u16, y: u16, line: impl Into<Line<'l>>) {
        self.put_in(x, y, u16::MAX, line);
    }

    /// Writes a line into `width` columns, cut at their end.
    pub(crate) fn put_in<'l>(&mut self, x: u16, y: u16, width: u16, line: impl Into<Line<'l>>) {
        if x >= self.area.width || y >= self.area.height {
            return;
        }
        let room = width.min(self.area.width - x);
        let line = cut_line(line.into(), usize::from(room));
        self.buffer
            .set_line(self.area.x + x, self.area.y + y, &line, room);
    }

    /// Writes a line that ends at column `end` (exclusive).
    pub(crate) fn put_right<'l>(&mut self, end: u16, y: u16, line: impl Into<Line<'l>>) {
        let line = line.into();
        let width = u16::try_from(line.width()).unwrap_or(u16::MAX);
        self.put(end.saturating_sub(width), y, line);
    }

    /// A horizontal rule.
    pub(crate) fn rule(&mut self, y: u16, style: Style) {
        let line = "─".repeat(usize::from(self.area.width));
        self.put(0, y, Line::styled(line, style));
    }

    /// A vertical rule over the rows `from..to`.
    pub(crate) fn column(&mut self, x: u16, from: u16, to: u16, style: Style) {
        for y in from..to.min(self.area.height) {
            self.put(x, y, Line::styled("│", style));
        }
    }

    /// Lays a style over a rectangle of this canvas.
    pub(crate) fn paint(&mut self, x: u16, y: u16, width: u16, height: u16, style: Style) {
        let rect = self.rect(x, y, width, height);
        self.buffer.set_style(rect, style);
    }

    /// Sets one cell's symbol and style.
    pub(crate) fn dot(&mut self, x: u16, y: u16, symbol: &str, style: Style) {
        if x < self.area.width && y < self.area.height {
            self.buffer[(self.area.x + x, self.area.y + y)]
                .set_symbol(symbol)
                .set_style(style);
        }
    }

    /// Draws an image as large as it can be in so many columns and rows, in the middle of them, cut at the canvas'
    /// edges.
    pub(crate) fn image(&mut self, x: u16, y: u16, columns: u16, rows: u16, image: &Image) {
        let (width, height) = image.fitted(columns, rows);
        let (left, top) = ((columns - width) / 2, (rows - height) / 2);
        let area = Rect {
            x: self.area.x.saturating_add(x + left),
            y: self.area.y.saturating_add(y + top),
            width,
            height,
        };
        image.render_clipped(area, self.area, self.buffer);
    }

    /// Draws a raster of dots, a style for each of its series.
    pub(crate) fn dots(&mut self, x: u16, y: u16, dots: &Dots, styles: &[Style], ascii: bool) {
        let area = self.rect(x, y, u16::MAX, u16::MAX);
        dots.draw(area, self.buffer, styles, ascii);
    }

    /// Draws a chart over all of this canvas; gives the place of its curves, for what is drawn on them.
    pub(crate) fn chart(&mut self, chart: &Chart, theme: &Theme) -> Option<Canvas<'_>> {
        chart.draw(self.area, self.buffer, theme);
        let area = Chart::plot(self.area)?;
        Some(Canvas::new(self.buffer, area))
    }

    /// Replaces everything that is not ASCII by its nearest ASCII sign, for terminals that show nothing else.
    pub(crate) fn make_ascii(&mut self) {
        for position in self.area.positions() {
            let cell = &mut self.buffer[position];
            let sign = cell.symbol().chars().next();
            if let Some(sign) = sign.filter(|sign| !sign.is_ascii()) {
                cell.set_char(text::ascii_sign(sign));
            }
        }
    }
}

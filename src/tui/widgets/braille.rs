//! A raster of braille dots, two columns and four rows to a cell, on which curves are drawn. Knows no axis.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "dot coordinates are checked against a raster of at most a few thousand dots"
)]

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Bits of U+2800 by row and column of the dot in its cell.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// What stands for each series where only ASCII may be shown.
const ASCII: [char; 6] = ['*', 'o', '+', 'x', '#', '@'];

/// Dots set so far; of several series in one cell the last drawn gives the colour.
#[derive(Clone, Debug)]
pub(crate) struct Dots {
    columns: usize,
    rows: usize,
    cells: Vec<(u8, u8)>,
}

impl Dots {
    /// A raster of `columns` × `rows` cells.
    #[must_use]
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        Self {
            columns,
            rows,
            cells: vec![(0, 0); columns * rows],
        }
    }

    #[must_use]
    pub(crate) fn width(&self) -> usize {
        self.columns * 2
    }

    #[must_use]
    pub(crate) fn height(&self) -> usize {
        self.rows * 4
    }

    /// Sets a dot; outside the raster nothing happens.
    pub(crate) fn set(&mut self, x: i64, y: i64, series: u8) {
        if x < 0 || y < 0 || x as usize >= self.width() || y as usize >= self.height() {
            return;
        }
        let (x, y) = (x as usize, y as usize);
        let cell = &mut self.cells[(y / 4) * self.columns + x / 2];
        cell.0 |= BITS[y % 4][x % 2];
        cell.1 = series;
    }

    /// A line through dots (Bresenham); `dashed` leaves every second pair of dots out.
    pub(crate) fn line(&mut self, points: &[(i64, i64)], series: u8, dashed: bool) {
        if let [(x, y)] = points {
            self.set(*x, *y, series);
        }
        let mut drawn = 0_u32;
        for pair in points.windows(2) {
            let ((mut x, mut y), (x1, y1)) = (pair[0], pair[1]);
            let (dx, dy) = ((x1 - x).abs(), -(y1 - y).abs());
            let (sx, sy) = ((x1 - x).signum(), (y1 - y).signum());
            let mut error = dx + dy;
            loop {
                if !dashed || drawn % 4 < 2 {
                    self.set(x, y, series);
                }
                if x == x1 && y == y1 {
                    break;
                }
                drawn += 1;
                let twice = 2 * error;
                if twice >= dy {
                    error += dy;
                    x += sx;
                }
                if twice <= dx {
                    error += dx;
                    y += sy;
                }
            }
        }
    }

    /// Puts the cells that hold dots into the buffer.
    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer, styles: &[Style], ascii: bool) {
        for row in 0..self.rows.min(usize::from(area.height)) {
            for column in 0..self.columns.min(usize::from(area.width)) {
                let (bits, series) = self.cells[row * self.columns + column];
                if bits == 0 {
                    continue;
                }
                let position = (area.x + column as u16, area.y + row as u16);
                let sign = if ascii {
                    ASCII[usize::from(series) % ASCII.len()]
                } else {
                    char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ')
                };
                if let Some(cell) = buffer.cell_mut(position) {
                    cell.set_char(sign);
                    if let Some(style) = styles.get(usize::from(series)) {
                        cell.set_style(*style);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(dots: &Dots) -> Vec<String> {
        let area = Rect::new(0, 0, dots.columns as u16, dots.rows as u16);
        let mut buffer = Buffer::empty(area);
        dots.draw(area, &mut buffer, &[Style::new()], false);
        (0..area.height)
            .map(|y| {
                (0..area.width)
                    .map(|x| buffer[(x, y)].symbol().to_string())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn a_diagonal_is_connected() {
        let mut dots = Dots::new(2, 1);
        dots.line(&[(0, 0), (3, 3)], 0, false);
        assert_eq!(text(&dots), ["⠑⢄"]);
    }

    #[test]
    fn dots_outside_are_ignored() {
        let mut dots = Dots::new(1, 1);
        dots.line(&[(-5, -5), (9, 9)], 0, true);
        dots.set(i64::MAX, 0, 0);
        assert_eq!(dots.cells.len(), 1);
        let mut none = Dots::new(0, 0);
        none.line(&[(0, 0), (3, 3)], 0, false);
        assert!(text(&none).is_empty());
    }
}

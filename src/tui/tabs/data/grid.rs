//! A grid of images with their labels and a cursor, as many as fit.

use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::tui::action::Action;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::image::{Image, fitted};

/// One image to draw.
pub(super) struct Tile {
    /// **Shape** `[channels, height, width]`; `None` where it cannot be read.
    pub pixels: Option<Vec<u8>>,
    /// 1 or 3.
    pub channels: usize,
    /// Height and width.
    pub size: (usize, usize),
    pub label: String,
    /// Whether runs leave it out.
    pub is_excluded: bool,
}

/// Where the grid stands and how it was last drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    pub cursor: usize,
    first_row: usize,
    across: usize,
    down: usize,
    area: Rect,
    card: (u16, u16),
}

impl Grid {
    /// Moves the cursor; false when the action is not a movement.
    pub(super) fn step(&mut self, action: Action, count: usize) -> bool {
        let across = self.across.max(1);
        let page = across * self.down.max(1);
        let last = count.saturating_sub(1);
        let next = match action {
            Action::Left => self.cursor.saturating_sub(1),
            Action::Right => self.cursor + 1,
            Action::Up => self.cursor.checked_sub(across).unwrap_or(self.cursor),
            Action::Down if self.cursor + across <= last => self.cursor + across,
            // The last row may be shorter than the one above.
            Action::Down if self.cursor / across < last / across => last,
            Action::Down => self.cursor,
            Action::PageUp => self.cursor.saturating_sub(page),
            Action::PageDown => self.cursor + page,
            Action::Home => 0,
            Action::End => last,
            _ => return false,
        };
        self.cursor = next.min(last);
        true
    }

    /// The image at a screen position.
    #[must_use]
    pub(super) fn at(&self, at: Position, count: usize) -> Option<usize> {
        if !self.area.contains(at) || self.card.0 == 0 || self.card.1 == 0 {
            return None;
        }
        let column = usize::from((at.x - self.area.x) / self.card.0);
        let row = usize::from((at.y - self.area.y) / self.card.1);
        let index = (self.first_row + row) * self.across.max(1) + column;
        (column < self.across && index < count).then_some(index)
    }

    /// Draws the images around the cursor, one of `width` × `height` at most `columns` wide; `tile` gives the n-th.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        (width, height): (usize, usize),
        columns: u16,
        count: usize,
        mut tile: impl FnMut(usize) -> Option<Tile>,
        theme: &Theme,
    ) {
        let room = (
            columns.min(canvas.width().saturating_sub(2)),
            canvas.height().saturating_sub(1),
        );
        let (mut columns, mut rows) = fitted(width, height, room);
        // Rather two rows of smaller images than half a screen of nothing.
        let of_two = canvas.height().div_ceil(2).saturating_sub(2);
        if of_two < rows && 3 * of_two >= 2 * rows {
            (columns, rows) = fitted(width, height, (room.0, of_two));
        }
        let card = (columns + 2, rows + 2);
        self.across = usize::from(canvas.width() / card.0).max(1);
        let across = u16::try_from(self.across).unwrap_or(1);
        let card = (
            (canvas.width() / across).clamp(card.0, card.0 + card.0 / 3),
            card.1,
        );
        self.down = usize::from((canvas.height() + 1) / card.1).max(1);
        self.card = card;
        self.area = canvas.rect(0, 0, canvas.width(), canvas.height());
        self.cursor = self.cursor.min(count.saturating_sub(1));
        let row = self.cursor / self.across;
        self.first_row = self
            .first_row
            .clamp((row + 1).saturating_sub(self.down), row);
        let first = self.first_row * self.across;
        for place in 0..self.across * self.down {
            let index = first + place;
            if index >= count {
                break;
            }
            let Some(tile) = tile(index) else { continue };
            let at = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            let x = at(place % self.across).saturating_mul(card.0) + 1;
            let y = at(place / self.across).saturating_mul(card.1);
            if let Some(pixels) = &tile.pixels {
                let image = Image::new(pixels, tile.channels, tile.size, theme);
                let image = if tile.is_excluded {
                    image.faint()
                } else {
                    image
                };
                canvas.image(x, y, columns, rows, &image);
            } else {
                let told = Line::styled("unreadable", theme.bad());
                canvas.put_in(x, y + rows / 2, columns, told);
            }
            let (mark, style) = if index == self.cursor {
                ("▸", theme.accent())
            } else if tile.is_excluded {
                ("", theme.warn())
            } else {
                ("", theme.dim())
            };
            let cross = if tile.is_excluded { "× " } else { "" };
            let label = format!("{mark}{cross}{}", tile.label);
            let label = fit::cut(&label, usize::from(columns));
            canvas.put(x, y + rows, Line::styled(label, style));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_images() {
        let mut grid = Grid {
            across: 3,
            down: 2,
            ..Grid::default()
        };
        for action in [Action::Down, Action::Right, Action::Right] {
            assert!(grid.step(action, 5));
        }
        assert_eq!(grid.cursor, 4);
        grid.step(Action::Up, 5);
        grid.step(Action::Right, 5);
        grid.step(Action::Down, 5);
        assert_eq!(grid.cursor, 4);
        grid.step(Action::End, 0);
        assert_eq!(grid.cursor, 0);
        assert!(!grid.step(Action::Sort, 5));
    }
}

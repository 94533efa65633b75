//! The heat map: counts or shares of true × predicted classes, or the difference of two matrices, with a cursor.

use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

use crate::metrics::Confusion;
use crate::metrics::{class_name, share};
use crate::text::figure;
use crate::tui::theme::{Heat, Shade, Theme};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// What the cells' numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    #[default]
    Counts,
    /// Percent of the true class's images.
    RowShare,
    /// Percent of the images predicted so.
    ColumnShare,
}

impl Numbers {
    #[must_use]
    pub(super) fn next(self) -> Self {
        match self {
            Self::Counts => Self::RowShare,
            Self::RowShare => Self::ColumnShare,
            Self::ColumnShare => Self::Counts,
        }
    }

    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::RowShare => "% of the true class",
            Self::ColumnShare => "% of the predicted class",
        }
    }
}

/// Everything that is drawn.
pub(super) struct Matrix<'a> {
    pub confusion: &'a Confusion,
    /// The matrix that is subtracted, for differences.
    pub minus: Option<&'a Confusion>,
    pub classes: &'a [String],
    pub numbers: Numbers,
    /// True class, predicted class.
    pub cursor: (usize, usize),
    /// First shown row and column.
    pub offset: (usize, usize),
}

/// Sizes of the parts of the matrix in character cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub names: u16,
    pub cell_width: u16,
    pub cell_height: u16,
    /// Lines of column names.
    pub heads: u16,
    /// Rows and columns that fit.
    pub rows: usize,
    pub columns: usize,
    /// Room for the recall column and the precision row.
    pub margins: bool,
}

const MARGIN: u16 = 7;

/// Stands where there is no image, or no difference to speak of.
const NOTHING: &str = "·";

impl Layout {
    /// The best layout in `width` × `height` for these classes.
    #[must_use]
    pub(super) fn new(matrix: &Matrix, width: u16, height: u16) -> Self {
        let classes = matrix.confusion.classes();
        let digits = matrix.confusion.counts.iter().flatten().max();
        let digits = digits.map_or(1, |most| most.to_string().len()).max(4);
        let least = to_u16(digits + 2);
        let longest = (0..classes).map(|i| class_name(matrix.classes, i).width());
        let names = to_u16(longest.max().unwrap_or(0))
            .clamp(7, 14)
            .min(width / 4)
            + 1;
        let margins = width >= names + MARGIN + 3 * least && height >= 6;
        let room = width
            .saturating_sub(names)
            .saturating_sub(if margins { MARGIN } else { 0 });
        let count = to_u16(classes).max(1);
        let cell_width = (room / count).clamp(least, least.max(if width >= 150 { 8 } else { 6 }));
        let heads: u16 = if height >= 8 { 2 } else { 1 };
        let body = height
            .saturating_sub(heads)
            .saturating_sub(u16::from(margins));
        let cell_height = if cell_width >= 8 && body >= 2 * count {
            2
        } else {
            1
        };
        Self {
            names,
            cell_width,
            cell_height,
            heads,
            rows: usize::from(body / cell_height).min(classes),
            columns: usize::from(room / cell_width).min(classes),
            margins,
        }
    }

    /// Columns and rows the matrix takes on the screen.
    #[must_use]
    pub(super) fn size(&self) -> (u16, u16) {
        let margin = u16::from(self.margins);
        (
            self.names + to_u16(self.columns) * self.cell_width + margin * MARGIN,
            self.heads + to_u16(self.rows) * self.cell_height + margin,
        )
    }

    /// The cell at a position relative to the matrix's corner, before scrolling.
    #[must_use]
    pub(super) fn cell_at(&self, area: Rect, at: Position) -> Option<(usize, usize)> {
        let x = at.x.checked_sub(area.x + self.names)?;
        let y = at.y.checked_sub(area.y + self.heads)?;
        let row = usize::from(y / self.cell_height.max(1));
        let column = usize::from(x / self.cell_width.max(1));
        (row < self.rows && column < self.columns).then_some((row, column))
    }
}

impl Matrix<'_> {
    pub(super) fn draw(&self, canvas: &mut Canvas, layout: &Layout, theme: &Theme) {
        let rows = self.offset.0..(self.offset.0 + layout.rows).min(self.confusion.classes());
        let columns = self.offset.1..(self.offset.1 + layout.columns).min(self.confusion.classes());
        self.draw_heads(canvas, layout, columns.clone(), theme);
        let worst = self.worst();
        for (line, row) in rows.enumerate() {
            let y = layout.heads + to_u16(line) * layout.cell_height;
            let middle = y + (layout.cell_height - 1) / 2;
            let style = Self::name_style(row == self.cursor.0, theme);
            let name = fit::left(
                &class_name(self.classes, row),
                usize::from(layout.names.saturating_sub(1)),
            );
            canvas.put_in(0, middle, layout.names, Line::styled(name, style));
            for (place, column) in columns.clone().enumerate() {
                let x = layout.names + to_u16(place) * layout.cell_width;
                self.draw_cell(canvas, layout, (x, y), (row, column), worst, theme);
            }
            if layout.margins {
                let x = layout.names + to_u16(columns.len()) * layout.cell_width;
                let recall = |c: &Confusion| share(u64::from(c.counts[row][row]), c.row_total(row));
                let room = usize::from(MARGIN) - 1;
                let text = fit::right(&self.percent(recall, room), room);
                canvas.put(x, middle, Line::styled(text, theme.dim()));
            }
        }
        if layout.margins {
            self.draw_precision(canvas, layout, columns, theme);
        }
    }

    fn name_style(at_cursor: bool, theme: &Theme) -> Style {
        if at_cursor {
            theme.accent()
        } else {
            theme.text()
        }
    }

    /// Column names; on two lines in turn where they are longer than a cell.
    fn draw_heads(
        &self,
        canvas: &mut Canvas,
        layout: &Layout,
        columns: std::ops::Range<usize>,
        theme: &Theme,
    ) {
        let cell = usize::from(layout.cell_width);
        let names: Vec<String> = columns
            .clone()
            .map(|c| class_name(self.classes, c))
            .collect();
        let short = names.iter().all(|n| n.width() < cell);
        let turns = if short || layout.heads < 2 { 1 } else { 2 };
        let room = if turns == 2 { 2 * cell - 1 } else { cell - 1 };
        if layout.heads == 2 && layout.names >= 8 {
            canvas.put_in(
                0,
                0,
                layout.names - 1,
                Line::styled("predicted", theme.dim()),
            );
        }
        canvas.put_in(
            0,
            layout.heads - 1,
            layout.names - 1,
            Line::styled("true", theme.dim()),
        );
        let end = layout.names + to_u16(columns.len()) * layout.cell_width;
        for (place, (column, name)) in columns.zip(&names).enumerate() {
            let line = if turns == 2 {
                to_u16(place % 2)
            } else {
                layout.heads - 1
            };
            let shown = fit::cut(name, room);
            let own = to_u16(shown.width());
            // Centred over the cell's number, kept between the names and the recall column.
            let center = layout.names + to_u16(place) * layout.cell_width + layout.cell_width / 2;
            let from = center
                .saturating_sub(own / 2)
                .max(layout.names.saturating_sub(2));
            let from = from.min((end + u16::from(layout.margins)).saturating_sub(own));
            let style = Self::name_style(column == self.cursor.1, theme);
            canvas.put(from, line, Line::styled(shown, style));
        }
        if layout.margins {
            let head = fit::right("recall", usize::from(MARGIN) - 1);
            let line = if turns == 2 && layout.columns.is_multiple_of(2) {
                0
            } else {
                layout.heads - 1
            };
            canvas.put(end, line, Line::styled(head, theme.dim()));
        }
    }

    fn draw_precision(
        &self,
        canvas: &mut Canvas,
        layout: &Layout,
        columns: std::ops::Range<usize>,
        theme: &Theme,
    ) {
        let y = layout.heads + to_u16(layout.rows) * layout.cell_height;
        let room = usize::from(layout.names.saturating_sub(1));
        canvas.put(0, y, Line::styled(fit::cut("precision", room), theme.dim()));
        for (place, column) in columns.clone().enumerate() {
            let precision =
                |c: &Confusion| share(u64::from(c.counts[column][column]), c.column_total(column));
            let room = usize::from(layout.cell_width) - 1;
            let text = fit::right(&self.percent(precision, room), room);
            let x = layout.names + to_u16(place) * layout.cell_width;
            canvas.put(x, y, Line::styled(text, theme.dim()));
        }
        let x = layout.names + to_u16(columns.len()) * layout.cell_width;
        let room = usize::from(MARGIN) - 1;
        let accuracy = match self.minus {
            None => figure::percent(self.confusion.accuracy(), 1, room),
            // Below the changes of the recall.
            Some(_) => format!("{} ", self.percent(Confusion::accuracy, room)),
        };
        canvas.put(
            x,
            y,
            Line::styled(fit::right(&accuracy, usize::from(MARGIN)), theme.title()),
        );
    }

    /// A share of the matrix in percent; in a difference its change in points.
    fn percent(&self, of: impl Fn(&Confusion) -> f64, width: usize) -> String {
        match self.minus {
            None => figure::fixed(of(self.confusion) * 100.0, 1, width),
            Some(other) => points(of(self.confusion) - of(other), width),
        }
    }

    /// The largest share off the diagonal (or the largest difference), which gets the full hue.
    fn worst(&self) -> f64 {
        let classes = self.confusion.classes();
        let cells = (0..classes).flat_map(|r| (0..classes).map(move |c| (r, c)));
        cells
            .filter(|(r, c)| self.minus.is_some() || r != c)
            .map(|cell| self.strength(cell).abs())
            .fold(0.0, f64::max)
    }

    /// The share that shades a cell; in a difference the change of the share, in favour (+) or not (−).
    fn strength(&self, (row, column): (usize, usize)) -> f64 {
        let of = |c: &Confusion| {
            let whole = if self.numbers == Numbers::ColumnShare {
                c.column_total(column)
            } else {
                c.row_total(row)
            };
            share(u64::from(c.counts[row][column]), whole)
        };
        match self.minus {
            None => of(self.confusion),
            Some(other) if row == column => of(self.confusion) - of(other),
            Some(other) => of(other) - of(self.confusion),
        }
    }

    fn heat(&self, cell: (usize, usize), worst: f64, theme: &Theme) -> Shade {
        let strength = self.strength(cell);
        let relative = if worst > 0.0 {
            (strength.abs() / worst).powf(0.6)
        } else {
            0.0
        };
        match self.minus {
            Some(_) if strength >= 0.0 => theme.heat(Heat::Good, relative),
            // Squared, for most are near 1: so 0.8 and 0.95 are told apart.
            None if cell.0 == cell.1 => theme.heat(Heat::Good, strength * strength),
            Some(_) | None => theme.heat(Heat::Bad, relative),
        }
    }

    fn draw_cell(
        &self,
        canvas: &mut Canvas,
        layout: &Layout,
        (x, y): (u16, u16),
        cell: (usize, usize),
        worst: f64,
        theme: &Theme,
    ) {
        let width = usize::from(layout.cell_width);
        let text = self.number(cell, width - 1);
        let is_nothing = text == NOTHING;
        let shade = if is_nothing {
            Shade::default()
        } else {
            self.heat(cell, worst, theme)
        };
        let mut style = if is_nothing { theme.dim() } else { shade.cell };
        if cell.0 == cell.1 {
            style = style.add_modifier(Modifier::BOLD);
        }
        let number = format!("{} ", fit::right(&text, width - 1));
        let middle = y + (layout.cell_height - 1) / 2;
        canvas.paint(x, y, layout.cell_width, layout.cell_height, style);
        canvas.put_in(x, middle, layout.cell_width, Line::styled(number, style));
        draw_sign(canvas, layout, (x, y), &text, &shade);
        if cell == self.cursor {
            let mark = if is_nothing { theme.title() } else { style };
            let mark = mark.add_modifier(Modifier::BOLD);
            canvas.paint(x, y, layout.cell_width, layout.cell_height, mark);
            let end = x + layout.cell_width - 1;
            if layout.cell_height == 1 {
                canvas.dot(x, y, "[", mark);
                canvas.dot(end, y, "]", mark);
            } else {
                let below = y + layout.cell_height - 1;
                for (column, row, sign) in [
                    (x, y, "┌"),
                    (end, y, "┐"),
                    (x, below, "└"),
                    (end, below, "┘"),
                ] {
                    canvas.dot(column, row, sign, mark);
                }
            }
        }
    }

    fn number(&self, (row, column): (usize, usize), width: usize) -> String {
        let count = self.confusion.counts[row][column];
        if let Some(other) = self.minus {
            let before = other.counts[row][column];
            let same = self.confusion.row_total(row) == other.row_total(row);
            if same && self.numbers == Numbers::Counts {
                let change = i64::from(count) - i64::from(before);
                return signed(change, width);
            }
            let favour = self.strength((row, column));
            return points(if row == column { favour } else { -favour }, width);
        }
        match self.numbers {
            _ if count == 0 => NOTHING.into(),
            Numbers::Counts => figure::fitting(
                [count.to_string(), figure::count(u64::from(count), width)],
                width,
            ),
            Numbers::RowShare | Numbers::ColumnShare => {
                figure::fixed(self.strength((row, column)) * 100.0, 1, width)
            }
        }
    }
}

/// The sign of a cell's heat, where colours do not show it: on every place of the cell that its number leaves, but for
/// one beside it if there are several.
fn draw_sign(
    canvas: &mut Canvas,
    layout: &Layout,
    (x, y): (u16, u16),
    number: &str,
    shade: &Shade,
) {
    let Some((sign, style)) = shade.sign else {
        return;
    };
    let width = usize::from(layout.cell_width) - 1;
    let middle = y + (layout.cell_height - 1) / 2;
    for row in y..y + layout.cell_height {
        let free = if row == middle {
            let left = width.saturating_sub(number.width());
            left - usize::from(left > 1)
        } else {
            width
        };
        let signs = String::from(sign).repeat(free);
        canvas.put_in(x, row, layout.cell_width, Line::styled(signs, style));
    }
}

/// The change of a share in percent points; a dot where there is none to speak of.
fn points(change: f64, width: usize) -> String {
    let points = change * 100.0;
    if points.abs() < 0.05 {
        NOTHING.into()
    } else {
        figure::signed(points, 1, width)
    }
}

fn signed(change: i64, width: usize) -> String {
    let sign = match change {
        0 => return NOTHING.into(),
        1.. => '+',
        _ => '−',
    };
    let size = change.unsigned_abs();
    let short = figure::count(size, width.saturating_sub(1));
    figure::fitting([format!("{sign}{size}"), format!("{sign}{short}")], width)
}

pub(super) fn to_u16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tabs::testing;

    fn numbers(numbers: Numbers, minus: Option<&Confusion>, cell: (usize, usize)) -> String {
        let confusion = testing::confusion(50, 1000);
        Matrix {
            confusion: &confusion,
            minus,
            classes: &[],
            numbers,
            cursor: (0, 0),
            offset: (0, 0),
        }
        .number(cell, 9)
    }

    #[test]
    fn a_cell_holds_whatever_there_is_to_say() {
        let confusion = Confusion {
            counts: vec![vec![1_234_567, 0], vec![0, 10]],
        };
        let other = Confusion {
            counts: vec![vec![0, 1_234_567], vec![0, 10]],
        };
        let matrix = |numbers, minus| Matrix {
            confusion: &confusion,
            minus,
            classes: &[],
            numbers,
            cursor: (0, 0),
            offset: (0, 0),
        };
        assert_eq!(matrix(Numbers::RowShare, None).number((0, 0), 4), "100");
        assert_eq!(matrix(Numbers::RowShare, None).number((0, 0), 5), "100.0");
        assert_eq!(matrix(Numbers::Counts, None).number((0, 0), 5), "1.23M");
        assert_eq!(matrix(Numbers::Counts, None).number((0, 0), 4), "1.2M");
        assert_eq!(
            matrix(Numbers::Counts, Some(&other)).number((0, 0), 5),
            "+1.2M"
        );
        assert_eq!(
            matrix(Numbers::RowShare, Some(&other)).number((0, 0), 4),
            "+100"
        );
        let precision = |c: &Confusion| share(u64::from(c.counts[0][0]), c.column_total(0));
        assert_eq!(matrix(Numbers::Counts, None).percent(precision, 4), "100");
    }

    #[test]
    fn cells_say_counts_shares_or_changes() {
        assert_eq!(numbers(Numbers::Counts, None, (0, 6)), "100");
        assert_eq!(numbers(Numbers::RowShare, None, (0, 6)), "10.0");
        assert_eq!(numbers(Numbers::Counts, None, (0, 1)), "·");
        let other = testing::confusion(10, 1000);
        assert_eq!(numbers(Numbers::Counts, Some(&other), (0, 6)), "−16");
        assert_eq!(numbers(Numbers::RowShare, Some(&other), (0, 6)), "−1.6");
    }

    #[test]
    fn ten_classes_fit_eighty_columns() {
        let confusion = testing::confusion(50, 1000);
        let classes = testing::names(10);
        let matrix = Matrix {
            confusion: &confusion,
            minus: None,
            classes: &classes,
            numbers: Numbers::Counts,
            cursor: (0, 0),
            offset: (0, 0),
        };
        let layout = Layout::new(&matrix, 79, 13);
        assert_eq!((layout.rows, layout.columns), (10, 10));
        assert_eq!(layout.size(), (79, 13));
        let area = Rect::new(5, 5, 80, 13);
        assert_eq!(layout.cell_at(area, Position::new(17, 7)), Some((0, 0)));
        assert_eq!(layout.cell_at(area, Position::new(16, 7)), None);
        assert_eq!(layout.cell_at(area, Position::new(17, 17)), None);
    }
}

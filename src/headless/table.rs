//! Columns of text.

use super::output::{Output, cut};
use super::terminal::Tint;
use crate::error::Result;
use crate::text;

/// A column of words is not cut shorter than this.
const LEAST: usize = 8;
/// Blanks between two columns.
const GAP: usize = 2;

/// A line of pieces in their tints.
type Line = Vec<(String, Tint)>;

/// Rows that are printed in columns, no wider than the terminal.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Line>,
    right: Vec<bool>,
    dispensable: Vec<String>,
}

impl Table {
    /// A table with these headings; one that starts with `>` stands over figures.
    #[must_use]
    pub(crate) fn new<T: AsRef<str>>(headings: &[T]) -> Self {
        let headings = || headings.iter().map(AsRef::as_ref);
        Self {
            rows: vec![
                headings()
                    .map(|h| (h.trim_start_matches('>').into(), Tint::Bold))
                    .collect(),
            ],
            right: headings().map(|h| h.starts_with('>')).collect(),
            dispensable: Vec::new(),
        }
    }

    /// The columns with these headings are left out, in this order, while the table is wider than the terminal.
    #[must_use]
    pub(crate) fn dispensing_with(mut self, headings: &[&str]) -> Self {
        self.dispensable = headings.iter().map(|h| (*h).to_owned()).collect();
        self
    }

    /// Adds a row; its cells are as wide as they will be printed.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let printed = |cell: String| (text::harmless(&cell).into_owned(), Tint::Plain);
        self.rows.push(cells.into_iter().map(printed).collect());
    }

    /// Tints the cell of the last row under this heading.
    pub(crate) fn tint(&mut self, heading: &str, tint: Tint) {
        let column = self.rows[0].iter().position(|(own, _)| own == heading);
        let row = self.rows.last_mut();
        if let Some(cell) = column.and_then(|column| row?.get_mut(column)) {
            cell.1 = tint;
        }
    }

    /// Whether there is no row beneath the headings.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Prints the table; gives the headings of the columns that were left out.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn print(&self, out: &mut Output) -> Result<Vec<&str>> {
        let (lines, shown) = self.fitted(out.columns(), out.is_ascii());
        for line in lines {
            out.tinted(&line)?;
        }
        let headings = self.rows[0].iter().enumerate();
        let left_out = headings.filter(|(at, _)| !shown.contains(at));
        Ok(left_out.map(|(_, (heading, _))| heading.as_str()).collect())
    }

    /// The table's lines, headings first, as wide as they are.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = |line: Line| line.into_iter().map(|(piece, _)| piece).collect();
        self.fitted(None, false).0.into_iter().map(text).collect()
    }

    fn widths(&self, columns: &[usize], is_ascii: bool) -> Vec<usize> {
        let width = |column: &usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(*column));
            let shown = cells.map(|(cell, _)| cut(cell, is_ascii, usize::MAX));
            shown.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        columns.iter().map(width).collect()
    }

    /// The table's lines, headings first, no wider than `most`, and the columns that stand in them.
    fn fitted(&self, most: Option<usize>, is_ascii: bool) -> (Vec<Line>, Vec<usize>) {
        let most = most.unwrap_or(usize::MAX);
        let mut columns: Vec<usize> = (0..self.right.len()).collect();
        let mut widths = self.widths(&columns, is_ascii);
        for heading in &self.dispensable {
            if total(&widths) <= most {
                break;
            }
            columns.retain(|column| self.rows[0][*column].0 != *heading);
            widths = self.widths(&columns, is_ascii);
        }
        let least = |column: &usize, width: usize| {
            if self.right[*column] {
                width
            } else {
                width.min(LEAST)
            }
        };
        // The last ones go where not even the least of all has room.
        while columns.len() > 1 {
            let leasts = columns.iter().zip(&widths).map(|(c, w)| least(c, *w));
            if total(&leasts.collect::<Vec<_>>()) <= most {
                break;
            }
            columns.pop();
            widths.pop();
        }
        while total(&widths) > most {
            let words = columns.iter().enumerate().filter(|(_, c)| !self.right[**c]);
            let widest = words.map(|(at, _)| at).max_by_key(|at| widths[*at]);
            let Some(widest) = widest.filter(|at| widths[*at] > LEAST) else {
                break;
            };
            widths[widest] -= 1;
        }
        let fitted = |row: &Vec<(String, Tint)>| self.line(row, &columns, &widths, is_ascii);
        (self.rows.iter().map(fitted).collect(), columns)
    }

    fn line(
        &self,
        row: &[(String, Tint)],
        columns: &[usize],
        widths: &[usize],
        is_ascii: bool,
    ) -> Line {
        let mut line = Line::new();
        let mut blanks = 0;
        for (column, width) in columns.iter().zip(widths) {
            let (cell, tint) = row.get(*column).cloned().unwrap_or_default();
            let cell = cut(&cell, is_ascii, *width);
            let rest = width - cell.chars().count();
            let (before, after) = if self.right[*column] {
                (rest, 0)
            } else {
                (0, rest)
            };
            blanks += before;
            if !cell.is_empty() {
                line.push((" ".repeat(blanks), Tint::Plain));
                line.push((cell, tint));
                blanks = 0;
            }
            blanks += after + GAP;
        }
        line.retain(|(piece, _)| !piece.is_empty());
        if let Some((last, _)) = line.last_mut() {
            last.truncate(last.trim_end().len());
        }
        line
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(table: &Table, most: Option<usize>) -> Vec<String> {
        let text = |line: Line| line.into_iter().map(|(piece, _)| piece).collect();
        table.fitted(most, false).0.into_iter().map(text).collect()
    }

    #[test]
    fn figures_stand_right() {
        let mut table = Table::new(&["layer", ">parameters", "note"]);
        table.row(["conv1".into(), "80".into(), String::new()]);
        table.row(["f\u{9b}c".into(), "161,400".into(), "×".into()]);
        assert_eq!(
            lines(&table, None),
            [
                "layer  parameters  note",
                "conv1          80",
                "fc        161,400  ×",
            ]
        );
    }

    #[test]
    fn what_is_too_wide_loses_columns_and_then_ends_of_words() {
        let mut table =
            Table::new(&["run", ">accuracy", "of", ">F1"]).dispensing_with(&["F1", "of"]);
        table.row([
            "a-run-of-a-long-name".into(),
            "73.60 %".into(),
            "test".into(),
        ]);
        table.tint("accuracy", Tint::Good);
        assert_eq!(
            lines(&table, Some(36))[1],
            "a-run-of-a-long-name   73.60 %  test"
        );
        assert_eq!(lines(&table, Some(30))[1], "a-run-of-a-long-name   73.60 %");
        assert_eq!(lines(&table, Some(20))[1], "a-run-of-…   73.60 %");
        assert_eq!(
            table.fitted(None, false).0[1][2],
            ("73.60 %".into(), Tint::Good)
        );
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(
            cells in prop::collection::vec(prop::collection::vec("[a-zé→ ]{0,30}", 3), 0..6),
            most in 8_usize..100,
            is_ascii: bool,
        ) {
            let mut table = Table::new(&["one", "two", "three"]);
            for row in cells {
                table.row(row);
            }
            let text = |line: &Line| line.iter().map(|(piece, _)| piece.chars().count()).sum();
            let (lines, shown) = table.fitted(Some(most), is_ascii);
            let widest: Option<usize> = lines.iter().map(text).max();
            prop_assert!(widest.unwrap() <= most);
            prop_assert!(shown.len() == 3 || most < 3 * LEAST + 2 * GAP);
        }
    }
}

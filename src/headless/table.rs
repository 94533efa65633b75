//! Columns of text: words to the left, figures to the right.

use crate::text;

/// Rows that are printed in columns.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A table with these headings; one that starts with `>` stands over figures.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![
                headings
                    .iter()
                    .map(|h| h.trim_start_matches('>').into())
                    .collect(),
            ],
            right: headings.iter().map(|h| h.starts_with('>')).collect(),
        }
    }

    /// Adds a row; its cells are as wide as they will be printed.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let printed = |cell: String| text::harmless(&cell).into_owned();
        self.rows.push(cells.into_iter().map(printed).collect());
    }

    /// Whether there is no row beneath the headings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The table's lines, headings first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        self.rows
            .iter()
            .map(|row| {
                let cells = row.iter().zip(&widths).zip(&self.right);
                let padded: Vec<String> = cells
                    .map(|((cell, width), right)| {
                        if *right {
                            format!("{cell:>width$}")
                        } else {
                            format!("{cell:<width$}")
                        }
                    })
                    .collect();
                padded.join("  ").trim_end().to_string()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_right() {
        let mut table = Table::new(&["layer", ">parameters", "note"]);
        table.row(["conv1".into(), "80".into(), String::new()]);
        table.row(["f\u{9b}c".into(), "161,400".into(), "×".into()]);
        assert_eq!(
            table.lines(),
            [
                "layer  parameters  note",
                "conv1          80",
                "fc        161,400  ×",
            ]
        );
    }
}

//! A small image beside lines of text, on a terminal with enough colours: two pixels a cell.

use std::fmt::Write;

use super::Output;
use super::terminal::Tint;
use crate::error::Result;

/// Columns between the image and the text.
const GAP: usize = 2;

/// Columns that the text needs.
const TEXT: usize = 40;

/// An image as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub columns: usize,
    /// Row by row, an even number of rows. **Units** red, green, blue.
    pub colors: Vec<[u8; 3]>,
}

/// How many colours a terminal has, as far as its environment tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    True,
    Of256,
}

impl Depth {
    fn told(variable: impl Fn(&str) -> String) -> Option<Self> {
        let term = variable("TERM");
        if ["truecolor", "24bit"].contains(&&*variable("COLORTERM")) || term.contains("-direct") {
            return Some(Self::True);
        }
        term.contains("256").then_some(Self::Of256)
    }

    /// What stands behind `38;` or `48;` of an SGR sequence.
    fn code(self, [r, g, b]: [u8; 3]) -> String {
        match self {
            Self::True => format!("2;{r};{g};{b}"),
            Self::Of256 => format!("5;{}", index([r, g, b])),
        }
    }
}

/// The nearest of xterm's 256 colours: of the 24 greys, or of the cube.
fn index(color: [u8; 3]) -> u8 {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let distance = |a: [u8; 3]| -> u32 {
        let pairs = a.iter().zip(color);
        pairs.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let step = color.map(|value| {
        let nearest = (0..6).min_by_key(|step| level(*step).abs_diff(value));
        nearest.unwrap_or(0)
    });
    let cube = (
        distance(step.map(level)),
        16 + 36 * step[0] + 6 * step[1] + step[2],
    );
    let grey = (0..24).map(|step| (distance([8 + 10 * step; 3]), 232 + step));
    grey.chain([cube]).min().map_or(16, |(_, index)| index)
}

impl Output {
    /// The columns that an image may have beside text; `None` where none is shown.
    #[must_use]
    pub(crate) fn room_for_pixels(&self) -> Option<usize> {
        let depth = Depth::told(|name| std::env::var(name).unwrap_or_default());
        let shows = self.is_colored && !self.is_ascii() && depth.is_some();
        let room = self.columns()?.checked_sub(TEXT + GAP)?;
        (shows && room > 0).then_some(room)
    }

    /// Prints an image with lines of pieces at its right, centred beside it.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn beside(&mut self, image: &Pixels, lines: &[Vec<(String, Tint)>]) -> Result<()> {
        let depth = Depth::told(|name| std::env::var(name).unwrap_or_default());
        let rows: Vec<&[[u8; 3]]> = image.colors.chunks(2 * image.columns.max(1)).collect();
        let above = rows.len().saturating_sub(lines.len()) / 2;
        let mut printed = String::new();
        for row in 0..rows.len().max(above + lines.len()) {
            match rows.get(row) {
                Some(pixels) => printed += &half_blocks(pixels, depth.unwrap_or(Depth::Of256)),
                None => printed += &" ".repeat(image.columns),
            }
            printed += &" ".repeat(GAP);
            let line = row.checked_sub(above).and_then(|row| lines.get(row));
            printed += &line.map_or_else(String::new, |line| self.painted(line));
            printed.truncate(printed.trim_end_matches(' ').len());
            printed += "\n";
        }
        self.words(&printed)
    }
}

/// A row of cells. **Shape** `pixels [2, columns]`.
fn half_blocks(pixels: &[[u8; 3]], depth: Depth) -> String {
    let (upper, lower) = pixels.split_at(pixels.len() / 2);
    let mut row = String::new();
    for (upper, lower) in upper.iter().zip(lower) {
        // Writing to a String cannot fail.
        let _ = write!(
            row,
            "\x1b[38;{};48;{}m▀",
            depth.code(*upper),
            depth.code(*lower)
        );
    }
    row + "\x1b[0m"
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::Kept;
    use super::*;

    #[test]
    fn a_terminal_has_the_colours_that_it_tells_of() {
        let told = |term: &str, color: &str| {
            Depth::told(|name| if name == "TERM" { term } else { color }.to_owned())
        };
        assert_eq!(told("xterm", "truecolor"), Some(Depth::True));
        assert_eq!(told("xterm-256color", ""), Some(Depth::Of256));
        assert_eq!(told("linux", ""), None);
        assert_eq!(index([0, 0, 0]), 16);
        assert_eq!(index([255, 0, 0]), 196);
        assert_eq!(index([128, 128, 128]), 244);
        assert_eq!(index([255, 255, 255]), 231);
    }

    #[test]
    fn text_stands_in_the_middle_beside_the_image() {
        let kept = Kept::default();
        let image = Pixels {
            columns: 2,
            colors: vec![[255; 3]; 12],
        };
        let lines = [vec![("a\x1b[2J".to_owned(), Tint::Plain)]];
        kept.output().beside(&image, &lines).unwrap();
        let text = kept.text();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.matches('▀').count() == 2));
        assert!(rows[1].ends_with("\x1b[0m  a[2J"), "{text:?}");
        assert!(rows[0].ends_with("\x1b[0m"), "{text:?}");
    }
}

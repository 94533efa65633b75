//! Pieces several tabs draw with.

pub mod braille;
pub mod canvas;
pub mod chart;
pub mod entry;
pub mod fit;
pub mod gauge;
pub mod input;
pub mod picture;
pub mod popup;
pub mod sparkline;

use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

pub use fit::{cut, left, right};

/// Breaks text at spaces into lines of at most `columns`; at most `most` lines, the last marked when cut.
#[must_use]
pub fn wrap(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if columns == 0 || most == 0 {
        return lines;
    }
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(rest);
    }
    lines.iter().map(|l| cut(l, columns)).collect()
}

/// A time span: `mm:ss`, or `h:mm:ss`.
#[must_use]
pub fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a saturating cast of a time that is not negative"
    )]
    let whole = seconds.max(0.0) as u64;
    match whole / 3600 {
        0 => format!("{:02}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// A line in the terminal's own letters where only ASCII may be shown.
#[must_use]
pub fn plain_if(ascii: bool, line: Line<'static>) -> Line<'static> {
    if !ascii {
        return line;
    }
    let style = line.style;
    let spans = line.spans.into_iter().map(|mut span| {
        span.content = to_ascii(&span.content).into();
        span
    });
    Line::from(spans.collect::<Vec<_>>()).style(style)
}

/// Replaces the few signs fmtui itself uses by ASCII ones; anything else outside ASCII becomes `?`.
#[must_use]
pub fn to_ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            _ if c.is_ascii() => c,
            '–' | '─' | '━' | '┄' | '−' => '-',
            '│' => '|',
            '·' | '…' => '.',
            '▸' | '→' => '>',
            '←' => '<',
            '×' => 'x',
            '▲' => '^',
            '▼' => 'v',
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_keeps_words_and_marks_what_is_lost() {
        assert_eq!(wrap("one two three", 8, 3), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 8, 2), ["one two", "three f…"]);
        assert!(wrap("x", 0, 2).is_empty());
    }
}

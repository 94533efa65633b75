//! Pieces several tabs draw with.

pub mod braille;
pub mod chart;
pub mod entry;
pub mod gauge;
pub mod popup;
pub mod sparkline;

use ratatui::text::Line;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cuts to a number of terminal columns and marks the cut with `…`.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// [`fit`], then padded on the right to exactly `columns`.
#[must_use]
pub fn left(text: &str, columns: usize) -> String {
    let mut out = fit(text, columns);
    let used = out.width();
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    out
}

/// [`fit`], then padded on the left to exactly `columns`.
#[must_use]
pub fn right(text: &str, columns: usize) -> String {
    let cut = fit(text, columns);
    let pad = columns.saturating_sub(cut.width());
    format!("{}{cut}", " ".repeat(pad))
}

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
    lines.iter().map(|l| fit(l, columns)).collect()
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
            '–' | '─' | '━' | '┄' => '-',
            '│' => '|',
            '·' | '…' => '.',
            '▸' | '→' => '>',
            '←' => '<',
            '×' => 'x',
            '▲' => '^',
            '▼' => 'v',
            '−' => '-',
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fits_columns_not_characters() {
        assert_eq!(fit("modern-lenet", 7), "modern…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(right("7", 3), "  7");
        assert_eq!(left("日", 3), "日 ");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn wrapping_keeps_words_and_marks_what_is_lost() {
        assert_eq!(wrap("one two three", 8, 3), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 8, 2), ["one two", "three f…"]);
        assert!(wrap("x", 0, 2).is_empty());
    }
}
pub mod canvas;
pub mod fit;
pub mod input;
pub mod picture;

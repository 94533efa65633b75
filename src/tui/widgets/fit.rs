//! Words and shares in a given number of columns: padding, cutting, bars, small trends.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "columns and halves of columns are small"
)]

use ratatui::text::Line;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` in at most `width` columns; a cut is marked with `…`.
#[must_use]
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for sign in text.chars() {
        let own = sign.width().unwrap_or(0);
        if used + own + 1 > width {
            break;
        }
        used += own;
        out.push(sign);
    }
    let trimmed = out.trim_end().len();
    out.truncate(trimmed);
    if width > 0 {
        out.push('…');
    }
    out
}

/// A line of several styles in at most `width` columns; a cut is marked with `…`. Spaces at the end are no loss.
#[must_use]
pub(crate) fn cut_line(mut line: Line<'_>, width: usize) -> Line<'_> {
    let filled: usize = line.spans.iter().map(|s| s.content.width()).sum();
    let text: String = line.spans.iter().map(|s| s.content.as_ref()).collect();
    if filled <= width || text.trim_end().width() <= width {
        return line;
    }
    let mut left = width;
    line.spans.retain_mut(|span| {
        let own = span.content.width();
        // The mark takes a column of the span in which the line ends.
        let is_last = own >= left;
        let keeps = left > 0;
        if is_last && keeps {
            span.content = cut(&format!("{}  ", span.content), left).into();
        }
        left = if is_last { 0 } else { left - own };
        keeps
    });
    line
}

/// The end of `text` in at most `width` columns; a cut is marked with `…`.
#[must_use]
pub(crate) fn cut_front(text: &str, width: usize) -> String {
    let backwards: String = text.chars().rev().collect();
    cut(&backwards, width).chars().rev().collect()
}

/// [`cut`], then spaces to the right up to `width` columns.
#[must_use]
pub(crate) fn left(text: &str, width: usize) -> String {
    let mut out = cut(text, width);
    let used = out.width();
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    out
}

/// [`cut`], then spaces to the left up to `width` columns.
#[must_use]
pub(crate) fn right(text: &str, width: usize) -> String {
    let out = cut(text, width);
    let used = out.width();
    format!("{}{out}", " ".repeat(width.saturating_sub(used)))
}

/// Breaks text into lines of at most `width` columns at spaces; longer words are cut.
#[must_use]
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let gap = usize::from(!line.is_empty());
            if gap == 1 && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&cut(word, width));
        }
        lines.push(line);
    }
    lines
}

/// The same with a space wherever a longer word would be cut: nothing of a path or a digest is lost.
#[must_use]
pub(crate) fn wrap_whole(text: &str, width: usize) -> Vec<String> {
    let mut broken = String::new();
    let mut used = 0;
    for sign in text.chars() {
        let own = sign.width().unwrap_or(0);
        if sign.is_whitespace() {
            used = 0;
        } else if used + own > width {
            broken.push(' ');
            used = own;
        } else {
            used += own;
        }
        broken.push(sign);
    }
    wrap(&broken, width)
}

/// [`wrap`]ped text without empty lines in at most `most` lines; the last is marked when it holds more than fits.
#[must_use]
pub(crate) fn wrap_to(text: &str, width: usize, most: usize) -> Vec<String> {
    if width == 0 || most == 0 {
        return Vec::new();
    }
    let mut lines = wrap(text, width);
    lines.retain(|l| !l.is_empty());
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(cut(&rest, width));
    }
    lines
}

/// A bar of `share` (0–1) of `width` columns in halves of a column; not padded, never empty for a share above 0.
#[must_use]
pub(crate) fn bar(share: f64, width: usize) -> String {
    let share = if share.is_finite() { share } else { 0.0 };
    let halves = (share.clamp(0.0, 1.0) * width as f64 * 2.0).round() as usize;
    let mut out = "━".repeat(halves / 2);
    if halves % 2 == 1 || (halves == 0 && share > 0.0 && width > 0) {
        out.push('╸');
    }
    out
}

/// A trend in at most `width` columns, the newest at the right; the range is that of the values.
#[must_use]
pub(crate) fn trend(values: &[f64], width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown: Vec<f64> = if values.len() <= width {
        values.to_vec()
    } else {
        (0..width)
            .map(|i| values[(i + 1) * values.len() / width - 1])
            .collect()
    };
    let low = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let high = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    shown
        .iter()
        .map(|v| {
            let share = if high > low {
                (v - low) / (high - low)
            } else {
                0.0
            };
            LEVELS[((share * 7.0).round() as usize).min(7)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_with_a_mark() {
        assert_eq!(cut_front("resnet20-cifar-frozen", 9), "…r-frozen");
        assert_eq!(cut_front("frozen", 6), "frozen");
        assert_eq!(cut("Ankle boot", 10), "Ankle boot");
        assert_eq!(cut("Ankle boot", 7), "Ankle…");
        assert_eq!(cut("Ankle boot", 1), "…");
        assert_eq!(cut("Ankle boot", 0), "");
        assert_eq!(left("ab", 4), "ab  ");
        assert_eq!(right("ab", 4), "  ab");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }

    #[test]
    fn lines_of_several_styles_are_cut_with_a_mark() {
        let line = || {
            Line::from(vec![
                "ab".into(),
                "cd".into(),
                ratatui::text::Span::raw("ef  "),
            ])
        };
        let cut = |width| cut_line(line(), width).to_string();
        assert_eq!(cut(9), "abcdef  ");
        assert_eq!(cut(6), "abcdef  ");
        assert_eq!(cut(5), "abcd…");
        assert_eq!(cut(4), "abc…");
        assert_eq!(cut(3), "ab…");
        assert_eq!(cut(2), "a…");
        assert_eq!(cut(0), "");
    }

    #[test]
    fn text_wraps_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(wrap("incomprehensible a", 5), ["inco…", "a"]);
        let whole = wrap_whole("a incomprehensible", 5);
        assert_eq!(whole, ["a", "incom", "prehe", "nsibl", "e"]);
        assert_eq!(wrap_to("one two three", 8, 3), ["one two", "three"]);
        assert_eq!(wrap_to("one two three four", 8, 2), ["one two", "three f…"]);
        assert!(wrap_to("x", 0, 2).is_empty() && wrap_to("", 7, 2).is_empty());
    }

    #[test]
    fn bars_and_trends() {
        assert_eq!(bar(0.5, 4), "━━");
        assert_eq!(bar(0.6, 4), "━━╸");
        assert_eq!(bar(0.0001, 4), "╸");
        assert_eq!(bar(0.0, 4), "");
        assert_eq!(bar(f64::NAN, 4), "");
        assert_eq!(bar(9.0, 2), "━━");
        assert_eq!(trend(&[0.0, 1.0], 8), "▁█");
        assert_eq!(trend(&[0.0, 0.1, 0.2, 1.0], 2), "▁█");
        assert_eq!(trend(&[], 3), "");
        assert_eq!(trend(&[1.0], 0), "");
    }
}

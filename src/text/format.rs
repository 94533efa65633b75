//! Numbers, sizes, durations and shapes as people read them.

use std::time::Duration;

use super::figure;

/// Groups digits in threes: `1702090` → `1,702,090`.
#[must_use]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A short count with a unit letter: `211203` → `211 k`, `1702090` → `1.70 M`, `37748736` → `37.7 M`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn short_count(value: u64) -> String {
    let v = value as f64;
    let three = |v: f64| match v {
        ..9.995 => format!("{v:.2}"),
        ..99.95 => format!("{v:.1}"),
        _ => format!("{v:.0}"),
    };
    match value {
        0..=9_999 => grouped(value),
        10_000..=999_499 => format!("{:.0} k", v / 1e3),
        999_500..=999_499_999 => format!("{} M", three(v / 1e6)),
        _ => format!("{} G", three(v / 1e9)),
    }
}

/// Bytes in binary units: `241 MiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn bytes(value: u64) -> String {
    let v = value as f64;
    match value {
        0..=1023 => format!("{value} B"),
        1024..=1_048_575 => format!("{:.0} KiB", v / 1024.0),
        1_048_576..=1_073_741_823 => format!("{:.0} MiB", v / 1_048_576.0),
        _ => format!("{:.2} GiB", v / 1_073_741_824.0),
    }
}

/// A duration as people say it: `8 s`, `1 min 12 s`, `2 h 05 min`.
#[must_use]
pub fn duration(value: Duration) -> String {
    let seconds = value.as_secs();
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// [`duration`] of a number of seconds, `850 ms` below one; `–` where it is not a sensible time.
#[must_use]
pub fn seconds(value: f64) -> String {
    match Duration::try_from_secs_f64(value) {
        Ok(time) if time.is_zero() || time >= Duration::from_secs(1) => duration(time),
        Ok(time) => format!("{} ms", time.as_millis().max(1)),
        Err(_) => "–".into(),
    }
}

/// A share as a percentage with one decimal: `0.916` → `91.6 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    figure::percent(share, 1, figure::ANY)
}

/// Cuts at a character boundary and marks the cut with `…`; counts characters, so it is meant for sanitised text.
#[must_use]
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// A line in lines of at most `width` columns, broken at spaces; a longer word stays whole. Lines after the first stand
/// under the text behind a name (two spaces or more), or are indented by two more than the first.
#[must_use]
pub fn folded(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let behind_name = text.find("  ").map(|at| {
        let name = &text[..at];
        let gap = text[at..].len() - text[at..].trim_start().len();
        indent + name.chars().count() + gap
    });
    let hanging = behind_name.filter(|at| *at <= width / 3);
    let hanging = " ".repeat(hanging.unwrap_or((indent + 2).min(width / 3)));
    let mut lines: Vec<String> = Vec::new();
    let mut current = line[..indent].to_owned();
    let mut is_empty = true;
    for word in text.split_inclusive(' ') {
        let taken = current.chars().count() + word.trim_end().chars().count();
        if taken > width && !is_empty {
            lines.push(current.trim_end().to_owned());
            current.clone_from(&hanging);
            is_empty = true;
        }
        if !(is_empty && word == " ") {
            current.push_str(word);
            is_empty = false;
        }
    }
    lines.push(current.trim_end().to_owned());
    lines
}

/// A shape as it is written: `16×3×3×3`; empty for a single number.
#[must_use]
pub fn shape(sides: &[usize]) -> String {
    let sides: Vec<String> = sides.iter().map(ToString::to_string).collect();
    sides.join("×")
}

/// So many of something: `1 epoch`, `20 epochs`.
#[must_use]
pub fn count(number: usize, of: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {of}{end}", grouped(number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(11_181_642), "11,181,642");
        assert_eq!(grouped(0), "0");
        for (value, short) in [
            (9_999, "9,999"),
            (999_499, "999 k"),
            (999_700, "1.00 M"),
            (1_702_090, "1.70 M"),
            (9_996_000, "10.0 M"),
            (37_748_736, "37.7 M"),
            (152_770_000, "153 M"),
            (1_820_000_000, "1.82 G"),
        ] {
            assert_eq!(short_count(value), short);
        }
        assert_eq!(bytes(252_706_816), "241 MiB");
        assert_eq!(seconds(72.4), "1 min 12 s");
        assert_eq!(seconds(f64::NAN), "–");
    }

    #[test]
    fn long_lines_are_folded_under_their_text() {
        assert_eq!(
            folded("device     cpu (built for the CPU only)", 34),
            ["device     cpu (built for the CPU", "           only)"]
                .map(std::borrow::ToOwned::to_owned)
        );
        assert_eq!(
            folded("a line without a name", 12),
            ["a line", "  without a", "  name"].map(std::borrow::ToOwned::to_owned)
        );
    }

    proptest::proptest! {
        #[test]
        fn folding_loses_no_word(line in "[ a-zé]{0,90}", width in 12_usize..40) {
            let lines = folded(&line, width);
            let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
            proptest::prop_assert_eq!(words(&lines.join(" ")), words(&line));
            for line in lines {
                let is_one_word = line.split_whitespace().count() < 2;
                proptest::prop_assert!(line.chars().count() <= width || is_one_word);
            }
        }
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(count(1, "epoch"), "1 epoch");
        assert_eq!(count(1200, "epoch"), "1,200 epochs");
    }
}

//! Words and numbers for people: the one sanitiser for text from outside, and number formats shared by all outputs.

pub mod figure;

use std::time::Duration;

/// The longest text from outside that is shown, in characters.
const LONGEST: usize = 400;

/// Removes what could disturb a terminal (C0, C1, DEL, bidirectional and zero-width characters) and bounds the length.
///
/// Everything that comes from a file, a server or a command line passes here once, at the boundary.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .filter(|c| !is_disturbing(*c))
        .take(LONGEST)
        .collect();
    if text.chars().filter(|c| !is_disturbing(*c)).count() > LONGEST {
        clean.pop();
        clean.push('…');
    }
    clean
}

/// Whether a text can be shown as it is, whatever its length.
#[must_use]
pub fn is_harmless(text: &str) -> bool {
    !text.chars().any(is_disturbing)
}

fn is_disturbing(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
}

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

/// [`duration`] of a number of seconds; `–` where it is not a sensible time.
#[must_use]
pub fn seconds(value: f64) -> String {
    Duration::try_from_secs_f64(value).map_or_else(|_| "–".into(), duration)
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

/// The candidate nearest to `word` by edit distance, if it is near enough to be a slip of the finger.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (edit_distance(word, c), c))
        .filter(|(d, c)| *d <= (c.len().max(word.len()) / 2).max(2))
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The moment as `2026-11-23T16:02:11Z`, UTC.
#[must_use]
pub fn timestamp(unix_seconds: f64) -> String {
    let (days, second) = split_day(unix_seconds);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[expect(clippy::cast_possible_truncation, reason = "clock times fit")]
fn split_day(unix_seconds: f64) -> (i64, i64) {
    let whole = unix_seconds.max(0.0) as i64;
    (whole / 86_400, whole % 86_400)
}

/// Days since 1970-01-01 → (year, month, day). Reference: H. Hinnant, "chrono-compatible low-level date algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Seconds since 1970, now.
#[must_use]
pub fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
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
    fn dates_are_civil() {
        assert_eq!(timestamp(0.0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_827_696.0), "2000-02-29T12:34:56Z");
        assert_eq!(timestamp(1_795_449_731.0), "2026-11-23T16:02:11Z");
    }

    #[test]
    fn outside_text_is_harmless() {
        assert_eq!(sanitize("a\x1b[31mb\u{202e}c\u{9b}"), "a[31mbc");
        assert_eq!(sanitize(&"x".repeat(500)).chars().count(), LONGEST);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(count(1, "epoch"), "1 epoch");
        assert_eq!(count(1200, "epoch"), "1,200 epochs");
    }

    #[test]
    fn slips_are_recognised() {
        let keys = ["epochs", "batch_size", "seed"];
        assert_eq!(nearest("epoch", keys), Some("epochs"));
        assert_eq!(nearest("batchsize", keys), Some("batch_size"));
        assert_eq!(nearest("zzzzzzzzzz", keys), None);
    }
}

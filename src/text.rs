//! Words and numbers for people: what makes text from outside harmless, and number formats shared by all outputs.

pub mod figure;

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

/// The longest text from outside that is shown, in characters.
const LONGEST: usize = 400;

/// Removes what could disturb a terminal and bounds the length: for a text that becomes a part of another one.
///
/// Whatever prints (`headless`, the screens' backend) and every [`Error`](crate::error::Error) makes all text harmless at
/// its boundary; nobody has to call this for that.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let harmless = |c: &char| !is_disturbing(*c);
    let mut clean: String = text.chars().filter(harmless).take(LONGEST).collect();
    if text.chars().filter(harmless).nth(LONGEST).is_some() {
        clean.pop();
        clean.push('…');
    }
    clean
}

/// Whether a text can be shown as it is, whatever its length.
#[must_use]
pub fn is_harmless(text: &str) -> bool {
    !text.contains(is_disturbing)
}

/// What could disturb a terminal or deceive its reader: C0, DEL, C1, and what is not seen itself but turns, joins or hides
/// what is (bidirectional, zero-width, tags).
fn is_disturbing(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A line of text without what could disturb a terminal, however long it is; breaks and tabs become spaces.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    // Writing to a String cannot fail.
    let _ = Harmless(&mut out).write_str(text);
    out.into()
}

/// Writes on what it is given, [`harmless`].
pub struct Harmless<W>(pub W);

impl<W: Write> Write for Harmless<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_disturbing) {
            let seen = part.trim_end_matches(is_disturbing);
            self.0.write_str(seen)?;
            if matches!(&part[seen.len()..], "\n" | "\t") {
                self.0.write_char(' ')?;
            }
        }
        Ok(())
    }
}

/// JSON whose strings say with escapes (`\u009b`) what could disturb a terminal: the same to whoever parses it.
#[must_use]
pub fn harmless_json(json: &str) -> Cow<'_, str> {
    if is_harmless(json) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_disturbing(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// TOML whose strings say with escapes what could disturb a terminal, and whose comments are without it: the same to whoever
/// parses it.
#[must_use]
pub fn harmless_toml(toml: &str) -> String {
    let mut out = String::with_capacity(toml.len());
    let mut rest = toml;
    while let Some(start) = rest.find(['"', '\'', '#']) {
        let (before, from) = rest.split_at(start);
        if from.starts_with('#') {
            let (comment, after) = from.split_at(from.find('\n').unwrap_or(from.len()));
            out.push_str(before);
            out.push_str(&harmless(comment));
            rest = after;
            continue;
        }
        let (string, after) = from.split_at(string_end(from));
        out.push_str(before);
        push_string(&mut out, string);
        rest = after;
    }
    out + rest
}

/// How a TOML string that begins here is quoted.
fn quotes(text: &str) -> &'static str {
    ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quotes| text.starts_with(quotes))
        .unwrap_or("")
}

/// Where a TOML string ends that begins here.
fn string_end(text: &str) -> usize {
    let quotes = quotes(text);
    let mut at = quotes.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(quotes) {
            at += quotes.len();
            if quotes.len() == 3 {
                // Up to two quotes more stand within the string.
                let more = text[at..].chars().take_while(|c| quotes.starts_with(*c));
                at += more.take(2).count();
            }
            return at;
        }
        let escapes = quotes.starts_with('"') && rest.starts_with('\\');
        let mut signs = rest.chars();
        at += signs.next().map_or(1, char::len_utf8);
        if escapes {
            at += signs.next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

fn push_string(out: &mut String, string: &str) {
    let quotes = quotes(string);
    let is_escaped = |c: char| is_disturbing(c) && c != '\n';
    if !string.contains(is_escaped) {
        out.push_str(string);
        return;
    }
    if quotes.starts_with('"') {
        string.chars().for_each(|c| push_sign(out, c, is_escaped));
        return;
    }
    // Between single quotes nothing can be escaped.
    let within = string.len() - quotes.len();
    let mut content = string.get(quotes.len()..within).unwrap_or_default();
    if quotes.len() == 3 {
        content = content.strip_prefix('\n').unwrap_or(content);
    }
    let is_escaped = |c: char| is_disturbing(c) || matches!(c, '"' | '\\');
    out.push('"');
    content.chars().for_each(|c| push_sign(out, c, is_escaped));
    out.push('"');
}

fn push_sign(out: &mut String, sign: char, is_escaped: impl Fn(char) -> bool) {
    // Writing to a String cannot fail.
    let _ = match u32::from(sign) {
        _ if !is_escaped(sign) => out.write_char(sign),
        code @ 0..=0xffff => write!(out, "\\u{code:04x}"),
        code => write!(out, "\\U{code:08x}"),
    };
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
    format!("{}Z", to_the_second(unix_seconds))
}

/// The moment as `2026-11-23T16:02:11.250Z`, UTC: such times are in the order of their texts.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of a second"
)]
pub fn exact_timestamp(unix_seconds: f64) -> String {
    let milliseconds = (unix_seconds.max(0.0).fract() * 1000.0) as u32;
    format!("{}.{milliseconds:03}Z", to_the_second(unix_seconds))
}

fn to_the_second(unix_seconds: f64) -> String {
    let (days, second) = split_day(unix_seconds);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
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
        assert_eq!(
            [1_795_449_731.25, 1_795_449_731.999_9].map(exact_timestamp),
            ["2026-11-23T16:02:11.250Z", "2026-11-23T16:02:11.999Z"]
        );
    }

    #[test]
    fn outside_text_is_harmless() {
        assert_eq!(sanitize("a\x1b[31mb\u{202e}c\u{9b}"), "a[31mbc");
        assert_eq!(sanitize(&"x".repeat(500)).chars().count(), LONGEST);
        assert_eq!(harmless("a\tb\nc\x1b[2J\u{200b}d"), "a b c[2Jd");
        assert_eq!(harmless("\u{e0041}\n\n\u{feff}é"), "  é");
    }

    /// Texts that could do something to a terminal, to JSON or to TOML.
    fn hostile() -> Vec<String> {
        let signs = "\u{0}\u{7}\u{8}\t\n\r\u{1b}]0;\u{7f}\u{85}\u{9b}\u{9d}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}a\"'\\é漢 #=";
        let signs: Vec<char> = signs.chars().collect();
        let (mut state, mut texts) = (1_u64, Vec::new());
        for length in 0..600 {
            let text = (0..length % 12).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
                signs[usize::try_from(state >> 33).unwrap() % signs.len()]
            });
            texts.push(text.collect());
        }
        let quoted = [
            "'''\u{9b}",
            "\n\"\"\"\u{202e}'",
            "''\u{9b}''",
            "a\\\u{9b}\"b",
        ];
        texts.extend(quoted.map(String::from));
        texts
    }

    #[test]
    fn json_and_toml_stay_what_they_say() {
        for text in hostile() {
            let value = serde_json::json!({ "a": text, &text: ["b", text.as_str()] });
            let json = serde_json::to_string(&value).unwrap();
            let shown = harmless_json(&json);
            assert!(is_harmless(&shown), "{shown:?}");
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(read, value);

            let several = [text.as_str(), "b", text.as_str()];
            let table = toml::Table::from_iter([
                ("a".to_string(), text.as_str().into()),
                (text.clone(), several.to_vec().into()),
                (
                    "c".into(),
                    toml::Table::from_iter([(text.clone(), 1.into())]).into(),
                ),
            ]);
            for toml in [toml::to_string(&table), toml::to_string_pretty(&table)] {
                // Comments have quotes of their own.
                let line = text.replace(['\n', '\r'], " ");
                let toml = format!("# the set's \"own\" {line}\n{}# it's", toml.unwrap());
                let shown = harmless_toml(&toml);
                assert!(is_harmless(&shown.replace('\n', "")), "{shown:?}");
                let read: toml::Table = shown.parse().unwrap();
                assert_eq!(read, table, "{toml:?} {shown:?}");
                assert!(shown.starts_with("# the set's \"own\""));
            }
        }
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

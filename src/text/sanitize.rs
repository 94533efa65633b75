//! Text from outside made harmless to a terminal, also inside JSON and TOML.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The longest text from outside that is shown, in characters.
const LONGEST: usize = 400;

/// Removes what could disturb a terminal and bounds the length: for a text that becomes a part of another one.
///
/// Whatever prints (`headless`, the screens' backend) and every [`Error`](crate::error::Error) makes all text harmless
/// at its boundary; nobody has to call this for that.
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

/// What could disturb a terminal or deceive its reader: C0, DEL, C1, and what is not seen itself but turns, joins or
/// hides what is (bidirectional, zero-width, tags).
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

/// TOML whose strings say with escapes what could disturb a terminal, and whose comments are without it: the same to
/// whoever parses it.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}

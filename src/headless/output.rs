//! Where printed lines go, and the only place of the command line that writes to the terminal: whatever is printed is
//! made harmless here. A closed pipe is an error, never a panic.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::terminal::{self, Tint};
use crate::error::{Error, Result};
use crate::run::signals::writing;
use crate::text;

/// Return to the start of the line and clear it.
pub(super) const CLEAR: &str = "\r\x1b[K";

/// A place for lines.
pub(crate) struct Output {
    out: Box<dyn Write + Send>,
    pub(super) is_colored: bool,
    is_ascii: bool,
    columns: Option<usize>,
}

impl Output {
    /// Standard output.
    #[must_use]
    pub(crate) fn standard() -> Self {
        Self {
            out: Box::new(io::stdout()),
            is_colored: terminal::is_colored(&io::stdout()),
            is_ascii: terminal::is_ascii(),
            columns: terminal::columns(&io::stdout()),
        }
    }

    /// One that takes UTF-8 of any width, without colours.
    #[cfg(test)]
    pub(crate) fn to(out: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            is_colored: false,
            is_ascii: false,
            columns: None,
        }
    }

    /// How wide a line may be; `None` for as wide as it is.
    #[must_use]
    pub(crate) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Whether only ASCII can be shown.
    #[must_use]
    pub(crate) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Prints a line, in several where the terminal is narrower.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<()> {
        let line = text.to_string();
        let lines = fitted(&text::harmless(&line), self.is_ascii, self.columns);
        self.words(&lines)
    }

    /// Prints a line of pieces, each in its tint where there are colours.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn tinted(&mut self, pieces: &[(String, Tint)]) -> Result<()> {
        let line = self.painted(pieces);
        self.words(&(line + "\n"))
    }

    /// A line of pieces, each in its tint where there are colours.
    pub(super) fn painted(&self, pieces: &[(String, Tint)]) -> String {
        let painted = pieces.iter().map(|(text, tint)| {
            if self.is_colored {
                tint.paint(text)
            } else {
                Tint::Plain.paint(text)
            }
        });
        painted.collect()
    }

    /// Prints a line of JSON; what could disturb a terminal stands in it escaped.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_string(value).map_err(|e| Error::compute("writing JSON", e))?;
        self.write(&format!("{}\n", text::harmless_json(&json)))
    }

    /// Prints TOML; what could disturb a terminal stands in it escaped.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn toml(&mut self, toml: &str) -> Result<()> {
        self.write(&text::harmless_toml(toml))
    }

    /// Writes a file's bytes as they are.
    ///
    /// # Errors
    /// `Io` when they cannot be written.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        writing(|| self.out.write_all(bytes).and_then(|()| self.out.flush()))
            .map_err(|e| Error::io("write", STANDARD_OUTPUT, e))
    }

    /// Prints lines in the place of the one under the cursor, and leaves the cursor behind a last one that is no longer
    /// than `columns`.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(crate) fn redraw(&mut self, lines: &[String], last: &str, columns: usize) -> Result<()> {
        let fit = |line: &String| fitted(&text::harmless(line), self.is_ascii, self.columns);
        let lines: String = lines.iter().map(fit).collect();
        let last = cut(&text::harmless(last), self.is_ascii, columns);
        self.words(&format!("{CLEAR}{lines}{last}"))
    }

    /// What people read, in ASCII where the terminal has no more.
    pub(super) fn words(&mut self, text: &str) -> Result<()> {
        if self.is_ascii {
            return self.write(&text::ascii(text));
        }
        self.write(text)
    }

    /// In one write.
    fn write(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }
}

const STANDARD_OUTPUT: &str = "standard output";

/// How a notice begins, and in which colour.
const LEADS: &[(&str, Tint)] = &[
    ("error:", Tint::Bad),
    ("warning:", Tint::Warning),
    ("note:", Tint::Live),
];

/// Whether the error says that nobody reads standard output any more: its pipe is closed, its terminal is gone.
#[must_use]
pub(crate) fn is_hung_up(error: &Error) -> bool {
    matches!(error, Error::Io { path, source, .. }
        if path.as_os_str() == STANDARD_OUTPUT && is_gone(source))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Says something aside, on standard error; nobody listening is no problem.
pub(crate) fn notice(text: impl Display) {
    // In one write, so that lines of several processes do not mix.
    let text = text.to_string();
    let text = fitted(
        &text::harmless(&text),
        terminal::is_ascii(),
        terminal::columns(&io::stderr()),
    );
    aside(
        &match LEADS.iter().find(|(lead, _)| text.starts_with(lead)) {
            Some((lead, tint)) if terminal::is_colored(&io::stderr()) => {
                tint.paint(lead) + &text[lead.len()..]
            }
            _ => text,
        },
    );
}

/// Replaces the line under the cursor, on standard error.
pub(crate) fn redraw_notice(line: &str, columns: usize) {
    let line = cut(&text::harmless(line), terminal::is_ascii(), columns);
    aside(&format!("{CLEAR}{line}"));
}

/// A line in the signs that can be shown, folded to so many columns, with its end.
fn fitted(line: &str, is_ascii: bool, columns: Option<usize>) -> String {
    let line = if is_ascii {
        text::ascii(line)
    } else {
        line.into()
    };
    text::folded(&line, columns.unwrap_or(usize::MAX)).join("\n") + "\n"
}

/// A text in the signs that can be shown, cut to so many columns.
pub(super) fn cut(text: &str, is_ascii: bool, columns: usize) -> String {
    if !is_ascii {
        return text::ellipsis(text, columns);
    }
    let cut = text::ellipsis(&text::ascii(text), columns);
    cut.chars().map(text::ascii_sign).collect()
}

/// Writes to standard error; nobody sees what cannot be written.
fn aside(text: &str) {
    let text = if terminal::is_ascii() {
        text::ascii(text)
    } else {
        text.into()
    };
    let _ = writing(|| io::stderr().write_all(text.as_bytes()));
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what was printed.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn output(&self) -> Output {
            Output::to(Box::new(self.clone()))
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let hung_up = Error::io("write", STANDARD_OUTPUT, io::ErrorKind::BrokenPipe.into());
        assert!(is_hung_up(&hung_up));
        let gone = io::Error::from(rustix::io::Errno::IO);
        assert!(is_hung_up(&Error::io("write", STANDARD_OUTPUT, gone)));
        let full = Error::io("write", STANDARD_OUTPUT, io::ErrorKind::StorageFull.into());
        assert!(!is_hung_up(&full));
    }

    #[test]
    fn whatever_is_printed_is_harmless() {
        let bad = "a\x1b]0;x\x07\u{9b}2J\u{202e}\u{200b}\n\u{7f}b";
        let kept = Kept::default();
        let mut out = kept.output();
        out.line(bad).unwrap();
        out.redraw(&[bad.into()], bad, 6).unwrap();
        out.json(&serde_json::json!({ bad: bad })).unwrap();
        let mut table = toml::Table::new();
        table.insert(bad.into(), bad.into());
        let toml = toml::to_string(&table).unwrap();
        out.toml(&toml).unwrap();
        let printed = kept.text();
        let lines: Vec<&str> = printed.split_inclusive('\n').collect();
        assert_eq!(lines[0], "a]0;x2J b\n");
        assert_eq!(lines[1], "\r\x1b[Ka]0;x2J b\n");
        let (last, json) = lines[2].split_once('{').unwrap();
        assert_eq!(last, "a]0;x…");
        let json: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        assert_eq!(json[bad], bad);
        assert_eq!(lines[3..].concat().parse::<toml::Table>().unwrap(), table);
        assert!(text::is_harmless(
            &printed.replace(['\n', '\r', '\x1b'], "")
        ));
        assert_eq!(printed.matches('\x1b').count(), 1);
    }
}

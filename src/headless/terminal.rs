//! Where lines are printed: whether that is a terminal, how wide it is, and whether it shows colours and more than
//! ASCII.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use crate::text;

/// When to print in colour; `Auto` does on a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

static COLOR: OnceLock<Color> = OnceLock::new();

/// Settles `--color`, before anything is printed.
pub(crate) fn set_color(color: Color) {
    // Whoever comes second prints as the first wanted.
    let _ = COLOR.set(color);
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Whether only ASCII can be shown.
#[must_use]
pub(crate) fn is_ascii() -> bool {
    static ASCII: OnceLock<bool> = OnceLock::new();
    *ASCII.get_or_init(|| !text::is_utf8(variable))
}

/// Whether what goes to this stream is in colour: as `--color` says; else on a terminal, unless it is dumb or
/// `NO_COLOR` is set (<https://no-color.org>).
#[must_use]
pub(super) fn is_colored(stream: &impl IsTerminal) -> bool {
    match COLOR.get().copied().unwrap_or_default() {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_terminal() && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb"
        }
    }
}

/// The width of the terminal behind a stream; `None` where it is none, so that nothing is cut.
#[must_use]
pub(super) fn columns(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stream).ok();
    size.map(|size| usize::from(size.ws_col))
        .filter(|width| *width > 0)
}

/// How a piece of a line is printed where there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tint {
    #[default]
    Plain,
    Bold,
    Good,
    Warning,
    Bad,
    Live,
}

impl Tint {
    /// The parameter of the terminal's SGR sequence, of the 16 colours that every theme has; `None` for plain text.
    pub(super) fn code(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Bold => Some(1),
            Self::Good => Some(32),
            Self::Warning => Some(33),
            Self::Bad => Some(31),
            Self::Live => Some(36),
        }
    }

    /// The text, harmless, in this tint.
    pub(super) fn paint(self, text: &str) -> String {
        let text = text::harmless(text);
        match self.code() {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.into_owned(),
        }
    }
}

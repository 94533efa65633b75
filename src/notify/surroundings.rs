//! Which terminal this is, as the environment says. Conservative: one that would print what it does not know, or take
//! it for something else, gets nothing.

use super::sequences::Protocol;

/// Terminals that print what they do not know, or stay silent when they are asked something.
const SILENT_TERMS: [&str; 11] = [
    "linux", "dumb", "vt1", "vt2", "vt3", "vt4", "vt5", "ansi", "sun", "cons", "eterm",
];

/// The first version of Ptyxis that shows progress.
const PROGRESS_PTYXIS: u32 = 48;

/// Whether a terminal with this `TERM` must be sent nothing but text, colours and moves.
#[must_use]
pub(crate) fn is_silent(term: &str) -> bool {
    term.is_empty() || SILENT_TERMS.iter().any(|t| term.starts_with(t))
}

/// What stands between this process and the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Multiplexer {
    #[default]
    None,
    Tmux,
    Screen,
}

impl Multiplexer {
    fn here(var: &impl Fn(&str) -> String) -> Self {
        let term = var("TERM");
        if !var("TMUX").is_empty() || term.starts_with("tmux") {
            Self::Tmux
        } else if term.starts_with("screen") && !var("STY").is_empty() {
            Self::Screen
        } else {
            Self::None
        }
    }

    /// A sequence as it is passed on to the terminal outside; tmux does so with `allow-passthrough`.
    pub(super) fn wrap(self, sequence: &str) -> String {
        match self {
            Self::None => sequence.into(),
            Self::Tmux => format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")),
            // What ends the sequence within would end the wrapping.
            Self::Screen => format!("\x1bP{}\x1b\\", sequence.replace("\x1b\\", "\x07")),
        }
    }
}

/// A terminal, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminal {
    Kitty,
    Ghostty,
    WezTerm,
    /// Whether it says that it shows progress.
    Iterm {
        has_progress: bool,
    },
    Foot,
    Rxvt,
    Warp,
    Vte {
        has_progress: bool,
    },
    /// Windows Terminal or ConEmu: progress, no notifications.
    Windows,
    Other,
}

impl Terminal {
    pub(super) fn desktop(self) -> Option<Protocol> {
        match self {
            Self::Kitty => Some(Protocol::Osc99),
            Self::Iterm { .. } | Self::Warp => Some(Protocol::Osc9),
            // VTE shows it where it is patched to, and ignores it elsewhere.
            Self::Ghostty | Self::WezTerm | Self::Foot | Self::Rxvt | Self::Vte { .. } => {
                Some(Protocol::Osc777)
            }
            Self::Windows | Self::Other => None,
        }
    }

    /// Where it is not known, OSC 9;4 may become a notification.
    pub(super) fn shows_progress(self) -> bool {
        match self {
            Self::Ghostty | Self::WezTerm | Self::Windows => true,
            Self::Iterm { has_progress } | Self::Vte { has_progress } => has_progress,
            Self::Kitty | Self::Foot | Self::Rxvt | Self::Warp | Self::Other => false,
        }
    }
}

/// What is between, and the terminal behind it.
pub(super) fn here(var: &impl Fn(&str) -> String) -> (Multiplexer, Terminal) {
    let between = Multiplexer::here(var);
    let term = var("TERM");
    let own = by_term(&term);
    let terminal = match (own, between) {
        (Some(terminal), _) => terminal,
        // A terminal of another kind that was started in one of these has inherited its variables.
        (None, Multiplexer::None) if !term.starts_with("xterm") => Terminal::Other,
        (None, Multiplexer::None) => by_program(var).unwrap_or_else(|| by_traces(var)),
        // A multiplexer names itself there.
        (None, _) => by_traces(var),
    };
    (between, terminal)
}

/// Those that say it by `TERM`, which SSH forwards.
fn by_term(term: &str) -> Option<Terminal> {
    let known = [
        ("xterm-kitty", Terminal::Kitty),
        ("xterm-ghostty", Terminal::Ghostty),
        ("wezterm", Terminal::WezTerm),
        ("foot", Terminal::Foot),
        ("rxvt-unicode", Terminal::Rxvt),
    ];
    let found = known.iter().find(|(name, _)| term.starts_with(name));
    found.map(|(_, terminal)| *terminal)
}

/// Those that name themselves beside an ordinary `TERM`; whichever does is no other one.
fn by_program(var: &impl Fn(&str) -> String) -> Option<Terminal> {
    Some(match var("TERM_PROGRAM").as_str() {
        "" => return None,
        "WezTerm" => Terminal::WezTerm,
        "ghostty" => Terminal::Ghostty,
        "iTerm.app" => iterm(var),
        "WarpTerminal" => Terminal::Warp,
        _ => Terminal::Other,
    })
}

/// By what they leave in the environment of all that is started in them, a multiplexer too.
fn by_traces(var: &impl Fn(&str) -> String) -> Terminal {
    let is_set = |name| !var(name).is_empty();
    if is_set("KITTY_WINDOW_ID") {
        Terminal::Kitty
    } else if is_set("GHOSTTY_RESOURCES_DIR") {
        Terminal::Ghostty
    } else if is_set("WEZTERM_PANE") {
        Terminal::WezTerm
    } else if is_set("ITERM_SESSION_ID") || var("LC_TERMINAL") == "iTerm2" {
        iterm(var)
    } else if is_set("WT_SESSION") || var("ConEmuANSI") == "ON" {
        Terminal::Windows
    } else if is_set("PTYXIS_VERSION") || is_set("VTE_VERSION") {
        let version = var("PTYXIS_VERSION");
        let major = version.split('.').next().and_then(|v| v.parse().ok());
        Terminal::Vte {
            has_progress: major.is_some_and(|v: u32| v >= PROGRESS_PTYXIS),
        }
    } else {
        Terminal::Other
    }
}

fn iterm(var: &impl Fn(&str) -> String) -> Terminal {
    Terminal::Iterm {
        has_progress: has_feature(&var("TERM_FEATURES"), "P"),
    }
}

/// Whether `TERM_FEATURES` has this one: each is a capital with small letters behind it, and perhaps a number
/// (<https://iterm2.com/feature-reporting/>).
fn has_feature(features: &str, wanted: &str) -> bool {
    features.match_indices(wanted).any(|(at, _)| {
        let after = features[at + wanted.len()..].chars().next();
        !after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> (Multiplexer, Terminal) {
        here(&|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map_or_else(String::new, |(_, value)| (*value).into())
        })
    }

    #[test]
    fn terminals_are_known_by_what_they_say() {
        const XTERM: (&str, &str) = ("TERM", "xterm-256color");
        let iterm = |has_progress| Terminal::Iterm { has_progress };
        let vte = |has_progress| Terminal::Vte { has_progress };
        for (variables, terminal) in [
            (&[XTERM] as &[_], Terminal::Other),
            (&[("TERM", "xterm-kitty")], Terminal::Kitty),
            (&[XTERM, ("KITTY_WINDOW_ID", "1")], Terminal::Kitty),
            (&[("TERM", "xterm-ghostty")], Terminal::Ghostty),
            (&[XTERM, ("TERM_PROGRAM", "ghostty")], Terminal::Ghostty),
            (&[XTERM, ("TERM_PROGRAM", "WezTerm")], Terminal::WezTerm),
            (&[XTERM, ("TERM_PROGRAM", "iTerm.app")], iterm(false)),
            (&[("TERM", "foot-extra")], Terminal::Foot),
            (&[("TERM", "rxvt-unicode-256color")], Terminal::Rxvt),
            (&[XTERM, ("VTE_VERSION", "8203")], vte(false)),
            (&[XTERM, ("PTYXIS_VERSION", "48.2")], vte(true)),
            (&[XTERM, ("PTYXIS_VERSION", "47.1")], vte(false)),
            (&[XTERM, ("WT_SESSION", "a-b")], Terminal::Windows),
            (&[XTERM, ("ConEmuANSI", "ON")], Terminal::Windows),
            // Started in kitty, each of them.
            (
                &[("TERM", "alacritty"), ("KITTY_WINDOW_ID", "1")],
                Terminal::Other,
            ),
            (
                &[XTERM, ("TERM_PROGRAM", "vscode"), ("KITTY_WINDOW_ID", "1")],
                Terminal::Other,
            ),
        ] {
            assert_eq!(
                found(variables),
                (Multiplexer::None, terminal),
                "{variables:?}"
            );
        }
        let progress = ("TERM_FEATURES", "T3CwLrMSc7UUw9Ts3BFGsSyHNoSxP");
        let is = found(&[XTERM, ("TERM_PROGRAM", "iTerm.app"), progress]);
        assert_eq!(is.1, iterm(true));
        let is = found(&[
            XTERM,
            ("TERM_PROGRAM", "iTerm.app"),
            ("TERM_FEATURES", "TPx2"),
        ]);
        assert_eq!(is.1, iterm(false));
    }

    #[test]
    fn behind_a_multiplexer_is_the_terminal_that_left_its_traces() {
        let tmux = [
            ("TERM", "screen-256color"),
            ("TMUX", "/tmp/t,1,0"),
            ("TERM_PROGRAM", "tmux"),
            ("KITTY_WINDOW_ID", "1"),
        ];
        assert_eq!(found(&tmux), (Multiplexer::Tmux, Terminal::Kitty));
        let screen = [
            ("TERM", "screen"),
            ("STY", "1.pts"),
            ("VTE_VERSION", "7600"),
        ];
        let vte = Terminal::Vte {
            has_progress: false,
        };
        assert_eq!(found(&screen), (Multiplexer::Screen, vte));
        // One of the two, on another machine.
        let somewhere = [("TERM", "screen-256color")];
        assert_eq!(found(&somewhere), (Multiplexer::None, Terminal::Other));
    }

    #[test]
    fn sequences_are_wrapped_as_the_multiplexer_wants() {
        let sequence = "\x1b]99;i=1;a\x1b\\";
        assert_eq!(Multiplexer::None.wrap(sequence), sequence);
        assert_eq!(
            Multiplexer::Tmux.wrap(sequence),
            "\x1bPtmux;\x1b\x1b]99;i=1;a\x1b\x1b\\\x1b\\"
        );
        assert_eq!(
            Multiplexer::Screen.wrap(sequence),
            "\x1bP\x1b]99;i=1;a\x07\x1b\\"
        );
    }
}

//! What the environment tells about the terminal: how many colours it has, whether its background is dark, which
//! letters it shows.
//!
//! Asks nothing of the terminal itself.

use super::{ColorDepth, Ground, Rgb, luminance};
use crate::notify;

/// Terminals that have true colour and say so by their `TERM` alone, which SSH forwards (`COLORTERM` it does not).
const TRUE_COLOR_TERMS: [&str; 16] = [
    "xterm-kitty",
    "kitty",
    "alacritty",
    "foot",
    "wezterm",
    "xterm-ghostty",
    "ghostty",
    "iterm",
    "contour",
    "rio",
    "mintty",
    "konsole",
    "vte",
    "gnome-256color",
    "st-256color",
    "xterm-rio",
];

/// Terminals that have true colour and name themselves (`TERM_PROGRAM`, and `LC_TERMINAL`, which SSH may forward)
/// beside an ordinary `TERM`.
const TRUE_COLOR_PROGRAMS: [&str; 9] = [
    "iTerm.app",
    "iTerm2",
    "WezTerm",
    "ghostty",
    "vscode",
    "Hyper",
    "rio",
    "mintty",
    "WarpTerminal",
];

/// The first version of the VTE library with true colour, as `VTE_VERSION` counts.
const TRUE_COLOR_VTE: u32 = 3600;

/// Above this luminance black stands out more than white.
const MIDDLE: f64 = 0.179;

/// What stands between fmtui and the terminal that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    /// Draws as well as the terminal outside can; takes any colours itself.
    Tmux,
    /// What it was started in has left its variables behind; they say nothing of what it can do itself.
    Screen,
    /// One of the two, on another machine.
    Some,
}

fn between(var: &impl Fn(&str) -> String) -> Between {
    let term = var("TERM");
    if !var("TMUX").is_empty() || term.starts_with("tmux") {
        Between::Tmux
    } else if !term.starts_with("screen") {
        Between::Nothing
    } else if var("STY").is_empty() {
        Between::Some
    } else {
        Between::Screen
    }
}

/// How many colours there are.
pub(super) fn depth(var: &impl Fn(&str) -> String) -> ColorDepth {
    let term = var("TERM");
    if !var("NO_COLOR").is_empty() || term == "dumb" {
        return ColorDepth::Mono;
    }
    let between = between(var);
    let told = ["truecolor", "24bit"].contains(&var("COLORTERM").as_str());
    let is_known = TRUE_COLOR_TERMS.iter().any(|t| term.starts_with(t));
    let is_direct = term.contains("-direct");
    let is_named = between == Between::Nothing && is_named(&term, var);
    if is_known || is_direct || is_named || (told && between != Between::Screen) {
        ColorDepth::TrueColor
    } else if term.contains("256") || between == Between::Tmux {
        ColorDepth::Ansi256
    } else {
        ColorDepth::Ansi16
    }
}

/// True when a variable beside `TERM` names a terminal with true colour.
fn is_named(term: &str, var: &impl Fn(&str) -> String) -> bool {
    let named = |variable| TRUE_COLOR_PROGRAMS.contains(&var(variable).as_str());
    let vte = var("VTE_VERSION")
        .parse()
        .is_ok_and(|v: u32| v >= TRUE_COLOR_VTE);
    let is_windows_terminal = !var("WT_SESSION").is_empty();
    // A terminal of another kind that was started in one of these has inherited its name.
    term.starts_with("xterm")
        && (named("TERM_PROGRAM") || named("LC_TERMINAL") || vte || is_windows_terminal)
}

/// What `COLORFGBG` says of the background, where a terminal sets it: `15;0`, `0;default;15`.
pub(super) fn ground(var: &impl Fn(&str) -> String) -> Option<Ground> {
    let told = var("COLORFGBG");
    let (_, background) = told.rsplit_once(';')?;
    match background.parse::<u8>().ok()? {
        0..=6 | 8 => Some(Ground::Dark),
        7 | 9..=15 => Some(Ground::Light),
        16.. => None,
    }
}

/// Dark or light, as white or black stands out more.
#[must_use]
pub(crate) fn ground_of_color(background: Rgb) -> Ground {
    if luminance(background) > MIDDLE {
        Ground::Light
    } else {
        Ground::Dark
    }
}

/// True when asking the terminal for its background does no harm.
pub(super) fn may_query(var: &impl Fn(&str) -> String) -> bool {
    !notify::is_silent(&var("TERM")) && between(var) != Between::Screen
}

/// True when only ASCII can be shown.
pub(super) fn is_ascii(var: &impl Fn(&str) -> String) -> bool {
    var("TERM") == "linux" || !crate::text::is_utf8(var)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables of a line such as `TERM=foot TMUX=1`.
    fn given(line: &str) -> impl Fn(&str) -> String + '_ {
        move |name| {
            let value = line
                .split(' ')
                .filter_map(|pair| pair.split_once('='))
                .find(|(own, _)| *own == name);
            value.map_or_else(String::new, |(_, value)| value.into())
        }
    }

    #[test]
    fn colours_are_those_of_the_terminal() {
        use ColorDepth::{Ansi16, Ansi256, Mono, TrueColor};
        for (line, expected) in [
            ("TERM=xterm-256color", Ansi256),
            ("TERM=xterm-256color COLORTERM=truecolor", TrueColor),
            ("TERM=xterm COLORTERM=24bit", TrueColor),
            ("TERM=xterm-256color COLORTERM=yes", Ansi256),
            ("TERM=xterm-kitty", TrueColor),
            ("TERM=alacritty", TrueColor),
            ("TERM=alacritty-direct", TrueColor),
            ("TERM=foot", TrueColor),
            ("TERM=foot-extra", TrueColor),
            ("TERM=wezterm", TrueColor),
            ("TERM=xterm-ghostty", TrueColor),
            ("TERM=st-256color", TrueColor),
            ("TERM=xterm-direct", TrueColor),
            ("TERM=tmux-direct", TrueColor),
            ("TERM=xterm-256color TERM_PROGRAM=iTerm.app", TrueColor),
            ("TERM=xterm-256color LC_TERMINAL=iTerm2", TrueColor),
            ("TERM=xterm-256color TERM_PROGRAM=Apple_Terminal", Ansi256),
            ("TERM=xterm-256color VTE_VERSION=7402", TrueColor),
            ("TERM=xterm-256color VTE_VERSION=3405", Ansi256),
            ("TERM=xterm-256color WT_SESSION=a", TrueColor),
            ("TERM=linux TERM_PROGRAM=vscode", Ansi16),
            ("TERM=xterm", Ansi16),
            ("TERM=rxvt-unicode", Ansi16),
            ("TERM=vt220", Ansi16),
            ("TERM=dumb COLORTERM=truecolor", Mono),
            ("TERM=xterm-kitty NO_COLOR=1", Mono),
            ("TERM=xterm-kitty NO_COLOR=", TrueColor),
            ("", Ansi16),
        ] {
            assert_eq!(depth(&given(line)), expected, "{line}");
        }
    }

    #[test]
    fn what_stands_between_counts_not_what_it_was_started_in() {
        use ColorDepth::{Ansi16, Ansi256, TrueColor};
        for (line, expected) in [
            ("TERM=screen TMUX=/tmp/tmux-0", Ansi256),
            ("TERM=tmux-256color LC_TERMINAL=iTerm2", Ansi256),
            ("TERM=screen-256color LC_TERMINAL=iTerm2", Ansi256),
            (
                "TERM=tmux-256color TMUX=/tmp/t COLORTERM=truecolor",
                TrueColor,
            ),
            ("TERM=screen-256color STY=1.p COLORTERM=truecolor", Ansi256),
            ("TERM=screen STY=1.p COLORTERM=truecolor", Ansi16),
            ("TERM=screen-256color COLORTERM=truecolor", TrueColor),
        ] {
            assert_eq!(depth(&given(line)), expected, "{line}");
        }
    }

    #[test]
    fn the_background_is_what_the_terminal_says() {
        for (told, expected) in [
            ("15;0", Some(Ground::Dark)),
            ("0;15", Some(Ground::Light)),
            ("0;default;15", Some(Ground::Light)),
            ("7;8", Some(Ground::Dark)),
            ("0;7", Some(Ground::Light)),
            ("0;default", None),
            ("15", None),
            ("1;200", None),
            ("1;-1", None),
            ("", None),
        ] {
            let line = format!("COLORFGBG={told}");
            assert_eq!(ground(&given(&line)), expected, "{told}");
        }
        assert_eq!(ground_of_color((0xfd, 0xf6, 0xe3)), Ground::Light);
        assert_eq!(ground_of_color((0x00, 0x2b, 0x36)), Ground::Dark);
    }

    #[test]
    fn nothing_is_asked_of_terminals_that_would_show_it() {
        for (line, expected) in [
            ("TERM=xterm-256color", true),
            ("TERM=tmux-256color TMUX=1", true),
            ("TERM=screen-256color STY=1.p", false),
            ("TERM=linux", false),
            ("TERM=vt100", false),
            ("TERM=eterm-color", false),
            ("TERM=dumb", false),
            ("", false),
        ] {
            assert_eq!(may_query(&given(line)), expected, "{line}");
        }
    }
}

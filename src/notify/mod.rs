//! What a terminal is told beside what it shows, so that somebody who looks elsewhere notices: the bell, desktop
//! notifications, the window's title, progress in its tab or on the task bar. Settings, and the bytes for the terminal
//! at hand.
//!
//! Writes nothing: whoever has the terminal does.

mod sequences;
mod settings;
mod surroundings;

pub(crate) use settings::{Desktop, Settings, Switch};
pub(crate) use surroundings::{Multiplexer, is_silent};

use sequences::{Protocol, TITLE_POP, TITLE_PUSH};

/// Something to be noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    /// The run that it is about: a later alert about the same run takes the place of this one, where there are places.
    pub run: String,
    /// What has happened, in a few words.
    pub title: String,
    /// More about it; may be empty.
    pub detail: String,
    /// Whether somebody should do something.
    pub is_bad: bool,
}

/// How far a run is, for the tab or the task bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Percent.
    Running(u8),
    /// Percent at which it takes no steps.
    Paused(u8),
    Failed,
}

impl Progress {
    /// Of a share of the whole.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 100"
    )]
    pub(crate) fn of(share: f64, is_paused: bool) -> Self {
        let percent = (share.clamp(0.0, 1.0) * 100.0) as u8;
        if is_paused {
            Self::Paused(percent)
        } else {
            Self::Running(percent)
        }
    }
}

/// What this terminal is told, and how. Every answer is bytes to write as they are; empty where there is nothing to
/// tell, or it is not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Channels {
    bell: bool,
    desktop: Option<Protocol>,
    title: bool,
    progress: bool,
    between: Multiplexer,
}

impl Channels {
    /// Those of the terminal that this process has, which must be one.
    #[must_use]
    pub(crate) fn here(settings: &Settings) -> Self {
        Self::of(settings, &|name| std::env::var(name).unwrap_or_default())
    }

    /// As the settings and the environment say.
    #[must_use]
    pub(crate) fn of(settings: &Settings, var: &impl Fn(&str) -> String) -> Self {
        let term = var("TERM");
        // Not even the bell: what is dumb prints it.
        if term.is_empty() || term == "dumb" {
            return Self::default();
        }
        let (between, terminal) = surroundings::here(var);
        let is_deaf = is_silent(&term);
        let desktop = match settings.desktop {
            Desktop::Auto => terminal.desktop(),
            Desktop::Osc9 => Some(Protocol::Osc9),
            Desktop::Osc777 => Some(Protocol::Osc777),
            Desktop::Osc99 => Some(Protocol::Osc99),
            Desktop::None => None,
        };
        let progress = match settings.progress {
            Switch::Auto => terminal.shows_progress(),
            Switch::On => true,
            Switch::Off => false,
        };
        Self {
            bell: settings.bell,
            desktop: desktop.filter(|_| !is_deaf),
            title: settings.title && !is_deaf,
            progress: progress && !is_deaf,
            between,
        }
    }

    /// What this terminal is told, for people.
    #[must_use]
    pub(crate) fn words(self) -> String {
        let desktop = self.desktop.map(|protocol| match protocol {
            Protocol::Osc9 => "desktop (OSC 9)",
            Protocol::Osc777 => "desktop (OSC 777)",
            Protocol::Osc99 => "desktop (OSC 99)",
        });
        let told: Vec<&str> = [
            self.bell.then_some("bell"),
            desktop,
            self.title.then_some("title"),
            self.progress.then_some("progress (OSC 9;4)"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let through = match self.between {
            _ if desktop.is_none() && !self.progress => "",
            Multiplexer::None => "",
            Multiplexer::Tmux => "; through tmux, which needs allow-passthrough",
            Multiplexer::Screen => "; through GNU screen",
        };
        if told.is_empty() {
            return "nothing".into();
        }
        told.join(", ") + through
    }

    /// Tells of something.
    #[must_use]
    pub(crate) fn alert(self, alert: &Alert) -> String {
        let mut out = String::new();
        for sequence in self.desktop.iter().flat_map(|p| p.sequences(alert)) {
            out += &self.between.wrap(&sequence);
        }
        // A multiplexer marks the window that rings, so it shall hear the bell itself.
        out + if self.bell { sequences::BELL } else { "" }
    }

    /// Names the window. A multiplexer has a title for each window of its own, and passes on that of the shown one.
    #[must_use]
    pub(crate) fn title(self, title: &str) -> String {
        if self.title {
            sequences::title(title)
        } else {
            String::new()
        }
    }

    /// Shows progress; none takes it away.
    #[must_use]
    pub(crate) fn progress(self, progress: Option<Progress>) -> String {
        if self.progress {
            self.between.wrap(&sequences::progress(progress))
        } else {
            String::new()
        }
    }

    /// Keeps what [`leave`](Self::leave) gives back.
    #[must_use]
    pub(crate) fn enter(self) -> String {
        let kept = if self.title { TITLE_PUSH } else { "" };
        kept.into()
    }

    /// Takes the progress away and gives the window the title that it had; none, which is the terminal's own, where it
    /// keeps no titles.
    #[must_use]
    pub(crate) fn leave(self) -> String {
        let title = self.title("");
        let kept = if self.title { TITLE_POP } else { "" };
        self.progress(None) + &title + kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(settings: &str, variables: &[(&str, &str)]) -> Channels {
        let mut warnings = Vec::new();
        let settings = Settings::parse(&settings.parse().unwrap(), &mut warnings);
        assert_eq!(warnings, Vec::<String>::new());
        Channels::of(&settings, &|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map_or_else(String::new, |(_, value)| (*value).into())
        })
    }

    fn alert() -> Alert {
        Alert {
            run: "20261130-010203-lenet5-0001".into(),
            title: "lenet5 finished".into(),
            detail: "93.4 % on the test set".into(),
            is_bad: false,
        }
    }

    const XTERM: (&str, &str) = ("TERM", "xterm-256color");

    #[test]
    fn a_terminal_that_is_not_known_hears_the_bell_and_gets_a_title() {
        let here = channels("", &[XTERM]);
        assert_eq!(here.alert(&alert()), "\x07");
        assert_eq!(here.title("fmtui"), "\x1b]0;fmtui\x07");
        assert_eq!(here.progress(Some(Progress::Running(7))), "");
        assert_eq!(here.enter(), "\x1b[22;0t");
        assert_eq!(here.leave(), "\x1b]0;\x07\x1b[23;0t");
    }

    #[test]
    fn a_known_terminal_is_told_in_its_own_way() {
        let wezterm = channels("", &[XTERM, ("TERM_PROGRAM", "WezTerm")]);
        assert_eq!(
            wezterm.alert(&alert()),
            "\x1b]777;notify;fmtui: lenet5 finished;93.4 % on the test set\x07\x07"
        );
        assert_eq!(
            wezterm.progress(Some(Progress::of(0.078, false))),
            "\x1b]9;4;1;7\x07"
        );
        assert_eq!(wezterm.leave(), "\x1b]9;4;0;0\x07\x1b]0;\x07\x1b[23;0t");
    }

    #[test]
    fn tmux_passes_on_what_is_not_its_own() {
        let here = channels(
            "",
            &[
                ("TERM", "tmux-256color"),
                ("TMUX", "/tmp/tmux-1000/default,1,0"),
                ("TERM_PROGRAM", "tmux"),
                ("WEZTERM_PANE", "0"),
            ],
        );
        assert_eq!(
            here.alert(&alert()),
            "\x1bPtmux;\x1b\x1b]777;notify;fmtui: lenet5 finished;93.4 % on the test set\x07\x1b\\\x07"
        );
        assert_eq!(
            here.progress(Some(Progress::of(0.5, true))),
            "\x1bPtmux;\x1b\x1b]9;4;4;50\x07\x1b\\"
        );
        assert_eq!(here.title("fmtui"), "\x1b]0;fmtui\x07");
        assert_eq!(
            here.words(),
            "bell, desktop (OSC 777), title, progress (OSC 9;4); through tmux, which needs allow-passthrough"
        );
    }

    #[test]
    fn each_can_be_switched_off_and_on() {
        let kitty = [("TERM", "xterm-kitty")];
        let off = "bell = false\ndesktop = \"none\"\ntitle = false\nprogress = false";
        let off = channels(off, &kitty);
        let all = [
            off.alert(&alert()),
            off.title("a"),
            off.progress(Some(Progress::Failed)),
            off.enter(),
            off.leave(),
        ];
        assert_eq!(all.concat(), "");
        assert_eq!(off.words(), "nothing");
        let on = channels(
            "desktop = \"osc9\"\nprogress = true\nbell = false",
            &[XTERM],
        );
        assert_eq!(
            on.alert(&alert()),
            "\x1b]9;fmtui: lenet5 finished: 93.4 % on the test set\x07"
        );
        assert_eq!(on.progress(Some(Progress::Failed)), "\x1b]9;4;2;100\x07");
    }

    #[test]
    fn what_would_be_printed_is_not_sent() {
        let wanted = "desktop = \"osc99\"\nprogress = true";
        for term in ["linux", "vt220"] {
            let here = channels(wanted, &[("TERM", term)]);
            assert_eq!(here.alert(&alert()), "\x07", "{term}");
            assert_eq!(here.title("a") + &here.leave(), "", "{term}");
        }
        for term in ["dumb", ""] {
            let here = channels(wanted, &[("TERM", term)]);
            assert_eq!(here.alert(&alert()), "", "{term}");
        }
    }
}

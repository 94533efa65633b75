//! The sequences themselves. What they quote is made harmless here, and cannot end a field or become a command.
//!
//! References: <https://sw.kovidgoyal.net/kitty/desktop-notifications/> (OSC 99),
//! <https://iterm2.com/documentation-escape-codes.html> (OSC 9),
//! <https://conemu.github.io/en/AnsiEscapeCodes.html> (OSC 9;4), xterm's `ctlseqs` (titles).

use super::{Alert, Progress};
use crate::text;

pub(super) const BELL: &str = "\x07";

/// Keeps icon and window title, and puts them back.
pub(super) const TITLE_PUSH: &str = "\x1b[22;0t";
pub(super) const TITLE_POP: &str = "\x1b[23;0t";

/// Letters of a text in a sequence: GNU screen takes 768 bytes.
const LONGEST: usize = 110;

/// A way to show a notification on the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// iTerm2's: one text.
    Osc9,
    /// urxvt's: title and text.
    Osc777,
    /// kitty's.
    Osc99,
}

impl Protocol {
    /// A notification in one sequence or several.
    pub(super) fn sequences(self, alert: &Alert) -> Vec<String> {
        // The name in front tells on the desktop who speaks, and keeps a text from being read as `9;4`.
        let title = format!("fmtui: {}", quoted(&alert.title));
        let detail = quoted(&alert.detail);
        match self {
            Self::Osc9 if detail.is_empty() => vec![format!("\x1b]9;{title}\x07")],
            Self::Osc9 => vec![format!("\x1b]9;{title}: {detail}\x07")],
            Self::Osc777 => {
                let [title, detail] = [title, detail].map(|text| text.replace(';', ","));
                vec![format!("\x1b]777;notify;{title};{detail}\x07")]
            }
            Self::Osc99 => osc99(alert, &title, &detail),
        }
    }
}

/// Only shown where the window is not looked at; a later one of the run takes the place of an earlier one.
fn osc99(alert: &Alert, title: &str, detail: &str) -> Vec<String> {
    let id: String = alert.run.chars().filter(|c| is_plain(*c)).collect();
    let urgency = if alert.is_bad { 2 } else { 1 };
    let is_whole = u8::from(detail.is_empty());
    let mut sequences = vec![format!(
        "\x1b]99;i=fmtui-{id}:d={is_whole}:o=unfocused:u={urgency};{title}\x1b\\"
    )];
    if !detail.is_empty() {
        sequences.push(format!("\x1b]99;i=fmtui-{id}:p=body;{detail}\x1b\\"));
    }
    sequences
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.')
}

/// A text that ends no sequence.
fn quoted(text: &str) -> String {
    text::ellipsis(&text::sanitize(text), LONGEST)
}

pub(super) fn title(title: &str) -> String {
    format!("\x1b]0;{}\x07", quoted(title))
}

pub(super) fn progress(progress: Option<Progress>) -> String {
    let (state, percent) = match progress {
        None => (0, 0),
        Some(Progress::Running(percent)) => (1, percent),
        Some(Progress::Failed) => (2, 100),
        Some(Progress::Paused(percent)) => (4, percent),
    };
    format!("\x1b]9;4;{state};{percent}\x07")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(title: &str, detail: &str) -> Alert {
        Alert {
            run: "20261130-a;b\x1b".into(),
            title: title.into(),
            detail: detail.into(),
            is_bad: true,
        }
    }

    #[test]
    fn kittys_notifications_have_a_title_and_a_body() {
        assert_eq!(
            Protocol::Osc99.sequences(&alert("mlp diverged", "at step 812")),
            [
                "\x1b]99;i=fmtui-20261130-ab:d=0:o=unfocused:u=2;fmtui: mlp diverged\x1b\\",
                "\x1b]99;i=fmtui-20261130-ab:p=body;at step 812\x1b\\"
            ]
        );
        assert_eq!(
            Protocol::Osc99.sequences(&alert("mlp diverged", "")),
            ["\x1b]99;i=fmtui-20261130-ab:d=1:o=unfocused:u=2;fmtui: mlp diverged\x1b\\"]
        );
    }

    /// A name from anywhere is nothing but text: between introducer and end there is nothing that ends it.
    #[test]
    fn names_of_others_stay_text() {
        let hostile = "4;3;99\x07\x1b\\\x1b]52;c;aGk=\x1b[2J\u{9c}\u{9d}\u{202e}\n;x";
        let all = [Protocol::Osc9, Protocol::Osc777, Protocol::Osc99];
        let sequences = all
            .iter()
            .flat_map(|p| p.sequences(&alert(hostile, hostile)));
        for sequence in sequences.chain([title(hostile)]) {
            let within = sequence.strip_prefix("\x1b]").unwrap();
            let within = within
                .strip_suffix('\x07')
                .or(within.strip_suffix("\x1b\\"));
            let within = within.unwrap();
            assert!(text::is_harmless(within), "{sequence:?}");
            assert!(!within.starts_with("9;4"), "{sequence:?}");
            if let Some(fields) = within.strip_prefix("777;notify;") {
                assert_eq!(fields.matches(';').count(), 1, "{sequence:?}");
            }
        }
        let long = Protocol::Osc9.sequences(&alert(&"漢".repeat(999), &"漢".repeat(999)));
        assert!(long[0].len() < 768);
    }
}

//! Opens the screens, where there is a terminal to open them on.

use std::io::IsTerminal;

use crate::error::{Error, Result};
use crate::run::Workspace;

/// What the screens show first.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Open {
    Home,
    Attach(String),
    /// At this speed, or the screens' own.
    Replay(String, Option<f64>),
}

/// Whether the screens are compiled in and there is a terminal for them.
pub(super) fn is_possible() -> bool {
    hindrance().is_none()
}

/// Why there can be no screens here.
fn hindrance() -> Option<String> {
    let term = std::env::var("TERM").unwrap_or_default();
    if !cfg!(feature = "tui") {
        Some("this fmtui was built without the TUI".into())
    } else if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        Some("there is no terminal to draw on".into())
    } else if term.is_empty() || term == "dumb" {
        Some(format!(
            "TERM is \"{term}\", a terminal that cannot run the TUI"
        ))
    } else {
        None
    }
}

/// Opens the screens; gives the exit code.
///
/// # Errors
/// `Input` where they are not possible, else what the screens say.
pub(super) fn open(workspace: &Workspace, open: Open) -> Result<u8> {
    if let Some(hindrance) = hindrance() {
        return Err(Error::input(
            "screen",
            hindrance,
            "use a command; `fmtui --help` lists them",
        ));
    }
    show(workspace, open)
}

// The only place that names the screens.
#[cfg(feature = "tui")]
fn show(workspace: &Workspace, open: Open) -> Result<u8> {
    use crate::tui::{self, Launch};
    let launch = match open {
        Open::Home => Launch::Home,
        Open::Attach(id) => Launch::Attach(id),
        Open::Replay(run, speed) => Launch::Replay {
            run,
            speed: speed.unwrap_or(tui::REPLAY_SPEED),
        },
    };
    tui::run(workspace.clone(), launch).map(|()| 0)
}

#[cfg(not(feature = "tui"))]
#[expect(clippy::unnecessary_wraps, reason = "stands in for the one above")]
fn show(_: &Workspace, _: Open) -> Result<u8> {
    Ok(0)
}

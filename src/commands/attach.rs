//! `fmtui attach`: a screen on a run where there is a terminal, lines where there is none.

use clap::Args;

use super::{complete, screen, train};
use crate::error::Result;
use crate::headless::{self, Interrupt};
use crate::run::Workspace;
use crate::run::signals::Watch;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, a unique part of it, its name, the path of its record, or `last`
    #[arg(add = complete::run(), default_value = "last")]
    run: String,
    /// Print plain lines instead of opening the TUI
    #[arg(long)]
    plain: bool,
    /// Print events as JSON lines, as in the event log
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    if !arguments.plain && !arguments.json && screen::is_possible() {
        return screen::open(workspace, screen::Open::Attach(id));
    }
    let signals = Watch::begin()?;
    let style = train::style(arguments.json);
    headless::follow(workspace, &id, style, Interrupt::Leaves, signals)
}

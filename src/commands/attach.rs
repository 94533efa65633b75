//! `fmtui attach`: a screen on a run where there is a terminal, lines where there is none.

use clap::Args;

use super::{complete, screen, train};
use crate::error::Result;
use crate::headless::{self, Interrupt};
use crate::run::signals::Watch;
use crate::run::{Workspace, digest, example};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, `last` or `example`
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
    let (home, id) = example::resolve(workspace, &arguments.run)?;
    if !arguments.plain && !arguments.json && screen::is_possible() {
        return screen::open(workspace, screen::Open::Attach(id));
    }
    if !arguments.json
        && let Some(line) = digest::welcome(workspace)
    {
        headless::notice(line);
    }
    let signals = Watch::begin()?;
    let style = train::style(arguments.json);
    headless::follow(&home, &id, style, Interrupt::Leaves, signals)
}

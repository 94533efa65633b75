//! `fmtui resume`: goes on with a run from its newest checkpoint.

use clap::Args;

use super::train;
use crate::error::Result;
use crate::headless::{self, Interrupt, Output, notice};
use crate::run::signals::Watch;
use crate::run::{Workspace, client, company};

#[derive(Debug, Args)]
pub struct Arguments {
    /// A run's id, the start or end of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Leave it running
    #[arg(long)]
    detach: bool,
    /// Print one JSON object a line, as in the event log
    #[arg(long)]
    json: bool,
    /// Begin even where there is less memory than the run is estimated to need
    #[arg(long)]
    force: bool,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    let signals = Watch::begin()?;
    client::resume_with(workspace, &id, arguments.force, &mut |warning| {
        signals.hold();
        if let Some(warning) = warning {
            notice(format!("warning: {warning}"));
        }
    })?;
    if let Some(note) = company::note(workspace, &id) {
        notice(note);
    }
    if arguments.detach {
        Output::standard().line(&id)?;
        return Ok(0);
    }
    let style = train::style(arguments.json);
    headless::follow(workspace, &id, style, Interrupt::Stops, signals)
}

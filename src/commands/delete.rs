//! `fmtui delete`: removes a run, asked for by its id and nothing shorter.

use clap::Args;

use crate::error::Result;
use crate::headless::Output;
use crate::run::Workspace;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The run's whole id
    run: String,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    workspace.delete(&arguments.run)?;
    Output::standard().line(format!("{} is deleted", arguments.run))?;
    Ok(0)
}

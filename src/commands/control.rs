//! `fmtui stop`, `pause` and `continue`: one command to a running run.

use clap::Args;

use super::complete;
use crate::error::Result;
use crate::event::Command;
use crate::headless::Output;
use crate::run::{Workspace, client};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, or `last`
    #[arg(add = complete::live_run(), default_value = "last")]
    run: String,
}

pub(super) fn stop(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    tell(
        workspace,
        arguments,
        &Command::Stop,
        "saves after this step and ends",
    )
}

pub(super) fn pause(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    tell(
        workspace,
        arguments,
        &Command::Pause,
        "pauses after this step",
    )
}

pub(super) fn go_on(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    tell(workspace, arguments, &Command::Continue, "continues")
}

fn tell(workspace: &Workspace, arguments: &Arguments, command: &Command, what: &str) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    client::send(workspace, &id, command)?;
    Output::standard().line(format!("{id} {what}"))?;
    Ok(0)
}

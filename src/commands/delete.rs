//! `fmtui delete`: removes a run, asked for by its id and nothing shorter.

use clap::Args;

use super::complete;
use crate::error::{Error, Result};
use crate::headless::Output;
use crate::run::{Workspace, queue};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run's full ID
    #[arg(add = complete::own_run())]
    run: String,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let given = &arguments.run;
    let id = workspace.resolve(given)?;
    if id != *given {
        return Err(Error::input(
            "delete",
            format!("needs the full ID, and `{given}` is not one"),
            format!("to delete this run: `fmtui delete {id}`"),
        ));
    }
    queue::delete(workspace, &id)?;
    Output::standard().line(format!("{id} deleted"))?;
    Ok(0)
}

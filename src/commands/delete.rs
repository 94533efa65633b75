//! `fmtui delete`: removes a run, asked for by its id and nothing shorter.

use clap::Args;

use crate::error::{Error, Result};
use crate::headless::Output;
use crate::run::Workspace;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The run's whole id
    run: String,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let given = &arguments.run;
    let id = workspace.resolve(given)?;
    if id != *given {
        return Err(Error::input(
            "delete",
            format!("wants a run's whole id, and `{given}` is short for one"),
            format!("say which is meant: `fmtui delete {id}`"),
        ));
    }
    workspace.delete(&id)?;
    Output::standard().line(format!("{id} is deleted"))?;
    Ok(0)
}

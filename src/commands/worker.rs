//! `fmtui worker`: the process behind a run. Started by `train` and `resume`, not by people.

use clap::Args;

use crate::error::Result;
use crate::run::{Workspace, worker};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    run: String,
    /// Resume from the newest checkpoint
    #[arg(long)]
    resume: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    worker::run(workspace, &arguments.run, arguments.resume).map(worker::End::exit_code)
}

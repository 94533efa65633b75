//! `fmtui resume`: goes on with a run from its newest checkpoint.

use clap::Args;

use super::{complete, download, train};
use crate::error::Result;
use crate::headless::{self, Interrupt, Output, notice};
use crate::run::queue::{self, scheduler};
use crate::run::signals::Watch;
use crate::run::{Workspace, client, concurrent_runs};

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command"
)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, or `last`
    #[arg(add = complete::ended_run(), default_value = "last")]
    run: String,
    /// Put it into the queue instead
    #[arg(long, conflicts_with_all = ["detach", "json", "force"])]
    queue: bool,
    /// Return at once and leave it running
    #[arg(long)]
    detach: bool,
    /// Print events as JSON lines, as in the event log
    #[arg(long)]
    json: bool,
    /// Start even if the estimated memory exceeds what is free
    #[arg(long)]
    force: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    if arguments.queue {
        queue::resume(workspace, &id)?;
        scheduler::ensure(workspace)?;
        notice(queue::counts(workspace)?.words());
        return Ok(0);
    }
    let signals = Watch::begin()?;
    let cancel = signals.cancels();
    let warning = download::prepared(|progress| {
        client::check_resumable(workspace, &id, arguments.force, progress, &cancel)
    })?;
    signals.hold()?;
    if let Some(warning) = warning {
        notice(format!("warning: {warning}"));
    }
    client::resume_checked(workspace, &id)?;
    if let Some(note) = concurrent_runs::note(workspace, &id) {
        notice(note);
    }
    if arguments.detach {
        Output::standard().line(&id)?;
        return Ok(0);
    }
    let style = train::style(arguments.json);
    headless::follow(workspace, &id, style, Interrupt::Stops, signals)
}

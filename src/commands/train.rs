//! `fmtui train`: starts a run and follows it, or leaves it to itself.

use clap::Args;

use super::{answer, complete, download, recipe};
use crate::error::Result;
use crate::headless::{self, Interrupt, Output, Style, notice};
use crate::run::preflight::Network;
use crate::run::signals::Watch;
use crate::run::{Workspace, client, concurrent_runs, logind};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A profile file, a preset such as lenet5, or a run to train again
    #[arg(add = complete::profile(), value_name = "FILE|PRESET|RUN")]
    what: String,
    /// Override a setting, such as train.epochs=3; repeatable
    #[arg(add = complete::setting(), long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the run's ID and leave it running
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
    let mut profile = recipe::find(workspace, &arguments.what, &arguments.set)?;
    crate::run::worker::forget_stops(&mut profile);
    let changes = profile.run.as_ref().map_or(0, |r| r.interventions.len());
    if changes > 0 {
        notice(format!(
            "the recorded run was changed {changes} times while it ran; the same changes are applied"
        ));
    }
    if let Some(advice) = logind::advice() {
        notice(format!("warning: {advice}"));
    }
    let signals = Watch::begin()?;
    let cancel = signals.cancels();
    let network = download::prepared(|progress| {
        Network::with_weights(workspace, profile, arguments.force, progress, &cancel)
    })?;
    let checked = network.check(workspace)?;
    signals.hold()?;
    if let Some(warning) = &checked.warning {
        notice(format!("warning: {warning}"));
    }
    let id = client::start(workspace, &checked)?;
    if let Some(note) = concurrent_runs::note(workspace, &id) {
        notice(note);
    }
    if arguments.detach {
        let mut out = Output::standard();
        if arguments.json {
            answer::print(&mut out, serde_json::json!({ "run": id }))?;
        } else {
            out.line(&id)?;
            notice(format!("running; watch it with: fmtui attach {id}"));
        }
        return Ok(0);
    }
    headless::follow(
        workspace,
        &id,
        style(arguments.json),
        Interrupt::Stops,
        signals,
    )
}

/// How `--json` prints.
pub(super) fn style(json: bool) -> Style {
    if json { Style::Json } else { Style::People }
}

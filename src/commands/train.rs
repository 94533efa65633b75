//! `fmtui train`: starts a run and follows it, or leaves it to itself.

use clap::Args;

use super::{answer, download, recipe};
use crate::error::Result;
use crate::headless::{self, Interrupt, Output, Style, notice};
use crate::run::preflight::Network;
use crate::run::signals::Watch;
use crate::run::{Workspace, client, company, lingering, pretrained};

#[derive(Debug, Args)]
pub struct Arguments {
    /// A profile's file, a preset such as lenet5, or a run whose recipe is trained again
    #[arg(value_name = "FILE|PRESET|RUN")]
    what: String,
    /// Change a setting, such as train.epochs=3; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the run's id and leave it running
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
    let mut profile = recipe::find(workspace, &arguments.what, &arguments.set)?;
    crate::run::worker::forget_stops(&mut profile);
    let changes = profile.run.as_ref().map_or(0, |r| r.interventions.len());
    if changes > 0 {
        notice(format!(
            "the recorded run was changed {changes} times while it ran; the changes are applied again"
        ));
    }
    if let Some(advice) = lingering::advice() {
        notice(format!("warning: {advice}"));
    }
    let (network, signals) = if pretrained::is_on_hub(&profile.model) {
        let network = download::shown(|progress, cancel| {
            Network::with_weights(workspace, profile, arguments.force, progress, cancel)
        })?;
        (network, Watch::begin()?)
    } else {
        let signals = Watch::begin()?;
        (Network::read(workspace, profile, arguments.force)?, signals)
    };
    let checked = network.check(workspace)?;
    signals.hold();
    if let Some(warning) = &checked.warning {
        notice(format!("warning: {warning}"));
    }
    let id = client::start(workspace, &checked)?;
    if let Some(note) = company::note(workspace, &id) {
        notice(note);
    }
    if arguments.detach {
        let mut out = Output::standard();
        if arguments.json {
            answer::print(&mut out, serde_json::json!({ "run": id }))?;
        } else {
            out.line(&id)?;
            notice(format!("it runs; watch it with: fmtui attach {id}"));
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
pub fn style(json: bool) -> Style {
    if json { Style::Json } else { Style::People }
}

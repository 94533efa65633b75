//! `fmtui train`: starts a run and follows it, or leaves it to itself.

use clap::Args;

use super::{answer, complete, download, recipe, seeds};
use crate::error::Result;
use crate::headless::{self, Interrupt, Output, Style, notice};
use crate::profile::Profile;
use crate::run::preflight::{Checked, Network};
use crate::run::signals::Watch;
use crate::run::{Workspace, client, concurrent_runs, group, logind};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A profile file, a preset such as lenet5, or a run to train again
    #[arg(add = complete::profile(), value_name = "FILE|PRESET|RUN")]
    pub(super) what: String,
    /// Override a setting, such as train.epochs=3; repeatable
    #[arg(add = complete::setting(), long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    #[command(flatten)]
    how: How,
    /// Start even if the estimated memory exceeds what is free
    #[arg(long)]
    pub(super) force: bool,
}

/// How many runs of a recipe are begun, and what is told of them.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Train N runs with different seeds, as a group, through the queue
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=group::MOST_SEEDS.into()))]
    pub(super) seeds: Option<u16>,
    /// Print the run's ID and leave it running
    #[arg(long)]
    pub(super) detach: bool,
    /// Print events as JSON lines, as in the event log
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads a recipe and checks it.
///
/// # Errors
/// As [`check`].
pub(super) fn prepare(
    workspace: &Workspace,
    (what, set): (&str, &[String]),
    force: bool,
    signals: &Watch,
) -> Result<Checked> {
    let mut profile = recipe::find(workspace, what, set)?;
    crate::run::worker::forget_stops(&mut profile);
    check(workspace, profile, force, signals)
}

/// Checks all that can be before a recipe is trained; says what is to be known.
///
/// # Errors
/// `Input` naming what does not fit; `Cancelled`.
pub(super) fn check(
    workspace: &Workspace,
    profile: Profile,
    force: bool,
    signals: &Watch,
) -> Result<Checked> {
    let changes = profile.run.as_ref().map_or(0, |r| r.interventions.len());
    if changes > 0 {
        notice(format!(
            "the recorded run was changed {changes} times while it ran; the same changes are applied"
        ));
    }
    if let Some(advice) = logind::advice() {
        notice(format!("warning: {advice}"));
    }
    let cancel = signals.cancels();
    let network = download::prepared(|progress| {
        Network::with_weights(workspace, profile, force, progress, &cancel)
    })?;
    let checked = network.check(workspace)?;
    signals.hold()?;
    if let Some(warning) = &checked.warning {
        notice(format!("warning: {warning}"));
    }
    Ok(checked)
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let signals = Watch::begin()?;
    let recipe = (arguments.what.as_str(), &arguments.set[..]);
    let checked = prepare(workspace, recipe, arguments.force, &signals)?;
    begin(workspace, &checked, &arguments.how, signals)
}

/// Begins a run, or a group of them, and follows it or leaves it to itself.
///
/// # Errors
/// As following a run.
pub(super) fn begin(
    workspace: &Workspace,
    checked: &Checked,
    how: &How,
    signals: Watch,
) -> Result<u8> {
    if let Some(seeds) = how.seeds {
        return seeds::train(workspace, how, checked, seeds.into(), signals);
    }
    let id = client::start(workspace, checked)?;
    if let Some(note) = concurrent_runs::note(workspace, &id) {
        notice(note);
    }
    if how.detach {
        let mut out = Output::standard();
        if how.json {
            answer::print(&mut out, serde_json::json!({ "run": id }))?;
        } else {
            out.line(&id)?;
            notice(format!("running; watch it with: fmtui attach {id}"));
        }
        return Ok(0);
    }
    headless::follow(workspace, &id, style(how.json), Interrupt::Stops, signals)
}

/// How `--json` prints.
pub(super) fn style(json: bool) -> Style {
    if json { Style::Json } else { Style::People }
}

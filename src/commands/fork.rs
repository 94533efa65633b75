//! `fmtui fork`: a run that leaves another one at the end of an epoch.

use clap::Args;

use super::{complete, train};
use crate::error::Result;
use crate::headless::{self, Interrupt, Output, notice};
use crate::run::Workspace;
use crate::run::fork::{self, Point};
use crate::run::queue::{self, scheduler};
use crate::run::signals::Watch;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run and an epoch: a number, best, or last [default: last]
    #[arg(add = complete::run(), value_name = "RUN@EPOCH")]
    point: String,
    /// Change a setting of train or augment from there on; repeatable
    #[arg(add = complete::setting(), long, value_name = "KEY=VALUE", required = true)]
    set: Vec<String>,
    /// Put it into the queue
    #[arg(long, conflicts_with_all = ["detach", "json"])]
    queue: bool,
    /// Print the run's ID and leave it running
    #[arg(long)]
    detach: bool,
    /// Print events as JSON lines, as in the event log
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let point = Point::parse(workspace, &arguments.point)?;
    let recipe = fork::recipe(workspace, &point, &arguments.set)?;
    let signals = Watch::begin()?;
    signals.hold()?;
    let forked = fork::create(workspace, &point, recipe, arguments.queue)?;
    notice(if forked.from_checkpoint {
        format!(
            "{} goes its own way from the checkpoint of epoch {}",
            forked.id, point.epoch
        )
    } else {
        format!(
            "{} keeps no checkpoint of epoch {}: epochs 1 to {} are trained again and checked against its log",
            point.run, point.epoch, point.epoch
        )
    });
    let mut out = Output::standard();
    if arguments.queue {
        queue::enqueue_existing(workspace, &forked.id)?;
        scheduler::ensure(workspace)?;
        out.line(&forked.id)?;
        notice(queue::counts(workspace)?.words());
        return Ok(0);
    }
    fork::start(workspace, &forked)?;
    if arguments.detach {
        out.line(&forked.id)?;
        return Ok(0);
    }
    let style = train::style(arguments.json);
    headless::follow(workspace, &forked.id, style, Interrupt::Stops, signals)
}

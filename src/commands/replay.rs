//! `fmtui replay`: plays a recorded run on the screen or as lines, or trains it again and compares.

use clap::Args;

use super::{screen, train, verify};
use crate::error::{Error, Result};
use crate::headless;
use crate::run::Workspace;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A run's id, the start or end of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// This many times as fast as it happened [default: 10 on the screen, at once as lines]
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    /// Train again from the profile and say whether every epoch and the weights are the same
    #[arg(long, conflicts_with_all = ["speed", "plain"])]
    verify: bool,
    /// Print lines instead of opening the screens
    #[arg(long)]
    plain: bool,
    /// Print one JSON object a line, as in the event log
    #[arg(long)]
    json: bool,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    if arguments.verify {
        return verify::run(workspace, &id, arguments.json);
    }
    if let Some(speed) = arguments.speed
        && !(speed.is_finite() && speed > 0.0)
    {
        return Err(Error::input(
            "--speed",
            format!("is {speed}"),
            "give a factor above 0",
        ));
    }
    if !arguments.plain && !arguments.json && screen::is_possible() {
        return screen::open(workspace, screen::Open::Replay(id, arguments.speed));
    }
    headless::play(
        workspace,
        &id,
        train::style(arguments.json),
        arguments.speed,
    )
}

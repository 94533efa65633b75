//! `fmtui replay`: plays a recorded run on the screen or as lines, or trains it again and compares.

use clap::Args;

use super::{complete, screen, train, verify};
use crate::error::{Error, Result};
use crate::headless;
use crate::run::{Workspace, example};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, `last` or `example`
    #[arg(add = complete::run(), default_value = "last")]
    run: String,
    /// Playback speed-up [default: 10 in the TUI, instant as plain lines]
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    /// Retrain from the profile and check that every epoch and the weights are identical
    #[arg(long, conflicts_with_all = ["speed", "plain"])]
    verify: bool,
    /// Print plain lines instead of opening the TUI
    #[arg(long)]
    plain: bool,
    /// Print events as JSON lines, as in the event log
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let (home, id) = example::resolve(workspace, &arguments.run)?;
    if arguments.verify {
        return verify::run(&home, &id, arguments.json);
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
    headless::play(&home, &id, train::style(arguments.json), arguments.speed)
}

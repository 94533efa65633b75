//! The command line: arguments become a checked configuration, one file per subcommand.

mod answer;
mod arrays;
mod attach;
mod bench;
mod compare;
mod control;
mod data;
mod delete;
mod doctor;
mod download;
mod export;
mod recipe;
mod replay;
mod resume;
mod runs;
mod screen;
mod show;
mod train;
mod verify;
mod weights;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::headless::{Output, is_hung_up, notice};
use crate::run::Workspace;
use crate::text;

/// Train and study image classifiers in the terminal.
///
/// Without a command the screens open. Exit codes: 0 done, 1 the run failed or its best weights were damaged, 2 bad input, 3 stopped, 4 left while the run goes on.
#[derive(Debug, Parser)]
#[command(name = "fmtui", version = version(), propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command understands.
#[derive(Debug, Args)]
struct Global {
    /// Where data, profiles and runs lie [default: $FMTUI_HOME, else here when there is a profiles/, else the platform's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Look for data sets here first [also: $FMTUI_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Never use the network [also: FMTUI_OFFLINE=1, HF_HUB_OFFLINE=1]
    #[arg(long, global = true)]
    offline: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a profile, a preset or the recipe of a run
    Train(train::Arguments),
    /// Watch a run: everything since its first step, then live
    Attach(attach::Arguments),
    /// List all runs
    Runs(runs::Arguments),
    /// Lay runs side by side: figures, curves, settings
    Compare(compare::Arguments),
    /// Play a recorded run, or train it again and compare
    Replay(replay::Arguments),
    /// Go on with a stopped, failed or lost run from its newest checkpoint
    Resume(resume::Arguments),
    /// Save and end a running run
    Stop(control::Arguments),
    /// Halt a running run; `continue` lets it go on
    Pause(control::Arguments),
    /// Let a paused run go on
    Continue(control::Arguments),
    /// Show what a profile or preset builds, or the record of a run
    Show(show::Arguments),
    /// List the data sets that are here, or fetch one
    Data(data::Arguments),
    /// List the weights of the hub that are here, or fetch some
    Weights(weights::Arguments),
    /// Measure how fast presets train and evaluate here, and the memory they take
    Bench(bench::Arguments),
    /// Write a run's weights or its history for other programs
    Export(export::Arguments),
    /// Delete a run with everything it wrote
    Delete(delete::Arguments),
    /// Say what this machine offers: device, threads, terminal, data, disk
    Doctor,
    /// The process that trains a run
    #[command(hide = true)]
    Worker(worker::Arguments),
}

fn version() -> &'static str {
    match option_env!("FMTUI_REVISION") {
        Some(revision) if !revision.is_empty() => {
            concat!(env!("CARGO_PKG_VERSION"), " (", env!("FMTUI_REVISION"), ")")
        }
        _ => env!("CARGO_PKG_VERSION"),
    }
}

/// Reads the command line, the program's name first; prints the help where that is asked for, and what is wrong.
///
/// # Errors
/// The exit code, where nothing is left to do.
pub fn parse(arguments: Vec<OsString>) -> Result<Cli, u8> {
    let is_harmless = |a: &OsString| a.to_str().is_some_and(text::is_harmless);
    let quotes_no_harm = arguments.iter().all(is_harmless);
    Cli::try_parse_from(arguments).map_err(|e| {
        if quotes_no_harm {
            // In colours, where there are some. Nobody may be there to read it.
            let _ = e.print();
        } else if e.use_stderr() {
            e.to_string().lines().for_each(notice);
        } else {
            let mut out = Output::standard();
            let _ = e.to_string().lines().try_for_each(|line| out.line(line));
        }
        u8::try_from(e.exit_code()).unwrap_or(2)
    })
}

/// Does what the command line says; gives the exit code.
#[must_use]
pub fn run(cli: Cli) -> u8 {
    match dispatch(cli) {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(e) if is_hung_up(&e) => 0,
        Err(e) => {
            notice(format!("error: {e}"));
            e.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8> {
    let workspace = cli.global.workspace()?;
    let Some(command) = cli.command else {
        return screen::open(&workspace, screen::Open::Home);
    };
    match command {
        Command::Train(arguments) => train::run(&workspace, &arguments),
        Command::Attach(arguments) => attach::run(&workspace, &arguments),
        Command::Runs(arguments) => runs::run(&workspace, &arguments),
        Command::Compare(arguments) => compare::run(&workspace, &arguments),
        Command::Replay(arguments) => replay::run(&workspace, &arguments),
        Command::Resume(arguments) => resume::run(&workspace, &arguments),
        Command::Stop(arguments) => control::stop(&workspace, &arguments),
        Command::Pause(arguments) => control::pause(&workspace, &arguments),
        Command::Continue(arguments) => control::go_on(&workspace, &arguments),
        Command::Show(arguments) => show::run(&workspace, &arguments),
        Command::Data(arguments) => data::run(&workspace, &arguments),
        Command::Weights(arguments) => weights::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::Export(arguments) => export::run(&workspace, &arguments),
        Command::Delete(arguments) => delete::run(&workspace, &arguments),
        Command::Doctor => doctor::run(&workspace),
        Command::Worker(arguments) => worker::run(&workspace, &arguments),
    }
}

impl Global {
    fn workspace(&self) -> Result<Workspace> {
        let mut workspace = Workspace::locate(self.workspace.as_deref())?;
        if let Some(dir) = &self.data_dir {
            if !dir.is_dir() {
                return Err(Error::input(
                    format!("--data-dir {}", dir.display()),
                    "is not a directory",
                    "give the directory that holds the data set",
                ));
            }
            workspace.data_override = Some(dir.clone());
        }
        workspace.data_override = workspace
            .data_override
            .map(|dir| std::path::absolute(&dir).unwrap_or(dir));
        workspace.offline |= self.offline;
        Ok(workspace)
    }
}

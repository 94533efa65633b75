//! The command line: arguments become a checked configuration, one file per subcommand.

mod answer;
mod arrays;
mod attach;
mod bench;
mod calibration;
mod check;
mod compare;
mod complete;
mod control;
mod data;
mod delete;
mod doctor;
mod download;
mod evaluate;
mod export;
mod fork;
mod predict;
mod queue;
mod recipe;
mod replay;
mod resume;
mod runs;
mod scores;
mod screen;
mod seeds;
mod show;
mod sweep;
mod train;
mod verify;
mod weights;
mod worker;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::headless::{Color, Output, is_hung_up, notice, set_color};
use crate::profile::settings;
use crate::run::Workspace;
use crate::run::queue::scheduler;
use crate::run::sweep::tend::Tenders;
use crate::{storage, text};

/// Train and study image classifiers in the terminal.
///
/// Without a command the TUI opens. Exit codes: 0 done, 1 run failed or best weights damaged, 2 bad input, 3 stopped, 4
/// detached from a run that is still going.
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
#[command(next_help_heading = "Global options")]
struct Global {
    /// Workspace directory [default: $FMTUI_HOME, else the current directory if it has profiles/, else the platform's
    /// data directory]
    #[arg(long, global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Directory searched first for data sets [env: FMTUI_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Never use the network [env: FMTUI_OFFLINE=1, HF_HUB_OFFLINE=1]
    #[arg(long, global = true)]
    offline: bool,
    /// Print in colour [env: NO_COLOR]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a profile, a preset or a run's recipe
    Train(train::Arguments),
    /// Watch a run: full history, then live
    Attach(attach::Arguments),
    /// List all runs
    Runs(runs::Arguments),
    /// Compare runs: metrics, curves, settings
    Compare(compare::Arguments),
    /// Replay a recorded run, or retrain it and verify
    Replay(replay::Arguments),
    /// Resume a stopped, failed or crashed run
    Resume(resume::Arguments),
    /// Fork a run after one of its epochs: the same bits up to there, other settings from there on
    Fork(fork::Arguments),
    /// Train runs one after another: add to the queue, see and change it
    Queue(queue::Arguments),
    /// Search hyperparameters: begin a sweep, steer it, see what came out
    Sweep(sweep::Arguments),
    /// Stop a run and save its state
    Stop(control::Arguments),
    /// Pause a run until `continue`
    Pause(control::Arguments),
    /// Continue a paused run
    Continue(control::Arguments),
    /// Show the network of a profile or preset, or a run's record
    Show(show::Arguments),
    /// List local data sets, or download one
    Data(data::Arguments),
    /// List cached Hugging Face weights, or download some
    Weights(weights::Arguments),
    /// Benchmark presets: training and evaluation speed, memory
    Bench(bench::Arguments),
    /// Predict images with a run's network: a file, a directory, standard input
    Predict(predict::Arguments),
    /// Score a run on another data set or split
    Evaluate(evaluate::Arguments),
    /// Export a run's weights or history
    Export(export::Arguments),
    /// Delete a run and all its files
    Delete(delete::Arguments),
    /// Check this machine: devices, threads, terminal, data, disk
    Doctor,
    /// Print a completion script: source <(fmtui completions bash)
    Completions(complete::Arguments),
    /// Write the manual pages
    Man(complete::ManArguments),
    /// The process that trains a run
    #[command(hide = true)]
    Worker(worker::Arguments),
    /// The process that starts queued runs
    #[command(hide = true)]
    Scheduler,
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
pub fn parse(arguments: &[OsString]) -> Result<Cli, u8> {
    complete::answer_shell();
    let is_harmless = |a: &OsString| a.to_str().is_some_and(text::is_harmless);
    let quotes_no_harm = arguments.iter().all(is_harmless);
    Cli::try_parse_from(arguments).map_err(|mut e| {
        point_to_settings(&mut e, arguments);
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

/// Where an unknown option is the name of a setting, says how settings are changed.
fn point_to_settings(error: &mut clap::Error, arguments: &[OsString]) {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return;
    };
    let takes_settings = arguments.iter().any(|a| a == "train" || a == "show");
    let words = || arguments.iter().map(|a| a.to_string_lossy());
    let name = option.trim_start_matches('-').replace('-', "_");
    let keys = settings::ALL.iter().filter(|s| s.name() == name);
    let shortest = keys.map(|s| s.key).min_by_key(|key| key.len());
    let Some(key) = shortest.or_else(|| settings::short_for("", &name)) else {
        return;
    };
    if error.kind() != ErrorKind::UnknownArgument || !takes_settings {
        return;
    }
    let inline =
        words().find_map(|a| Some(a.strip_prefix(&**option)?.strip_prefix('=')?.to_owned()));
    let next = words().skip_while(|a| a != option).nth(1);
    let value = inline.or_else(|| next.filter(|n| !n.starts_with('-')).map(Cow::into_owned));
    let value = value.unwrap_or_else(|| "VALUE".into());
    let told = format!("settings are changed with '--set {key}={value}'");
    error.remove(ContextKind::Suggested);
    error.remove(ContextKind::SuggestedArg);
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![told.into()]),
    );
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
    set_color(cli.global.color);
    match &cli.command {
        Some(Command::Completions(arguments)) => return complete::script(arguments),
        Some(Command::Man(arguments)) => return complete::man(arguments),
        _ => {}
    }
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
        Command::Fork(arguments) => fork::run(&workspace, &arguments),
        Command::Queue(arguments) => queue::run(&workspace, &arguments),
        Command::Sweep(arguments) => sweep::run(&workspace, &arguments),
        Command::Stop(arguments) => control::stop(&workspace, &arguments),
        Command::Pause(arguments) => control::pause(&workspace, &arguments),
        Command::Continue(arguments) => control::go_on(&workspace, &arguments),
        Command::Show(arguments) => show::run(&workspace, &arguments),
        Command::Data(arguments) => data::run(&workspace, &arguments),
        Command::Weights(arguments) => weights::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::Predict(arguments) => predict::run(&workspace, &arguments),
        Command::Evaluate(arguments) => evaluate::run(&workspace, &arguments),
        Command::Export(arguments) => export::run(&workspace, &arguments),
        Command::Delete(arguments) => delete::run(&workspace, &arguments),
        Command::Doctor => doctor::run(&workspace),
        Command::Completions(arguments) => complete::script(&arguments),
        Command::Man(arguments) => complete::man(&arguments),
        Command::Worker(arguments) => worker::run(&workspace, &arguments),
        Command::Scheduler => scheduler::run(&workspace, &mut Tenders::default()).map(|()| 0),
    }
}

impl Global {
    fn workspace(&self) -> Result<Workspace> {
        let mut workspace = Workspace::locate(self.workspace.as_deref())?;
        if let Some(dir) = &self.data_dir {
            let dir = storage::expand_home(dir);
            if !dir.is_dir() {
                return Err(Error::input(
                    format!("--data-dir {}", dir.display()),
                    "is not a directory",
                    "give the directory that holds the data set",
                ));
            }
            workspace.data_override = Some(dir);
        }
        workspace.data_override = workspace
            .data_override
            .map(|dir| std::path::absolute(&dir).unwrap_or(dir));
        workspace.offline |= self.offline;
        Ok(workspace)
    }
}

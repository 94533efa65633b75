//! `fmtui completions` and `fmtui man`, and what the shell is told of an argument: runs, presets, settings and columns.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::Shells;

use super::{Cli, runs};
use crate::data::locate;
use crate::error::{Error, Result};
use crate::headless::Output;
use crate::model::presets;
use crate::profile::{Status, settings};
use crate::run::{Workspace, example};
use crate::{catalog, storage, text};

/// Set by the shell's script when it asks for candidates.
const VARIABLE: &str = "COMPLETE";

/// In zsh's script: no blank follows a key, for its value does.
const ZSH: [(&str, &str); 3] = [
    ("local -a other=()", "local -a other=() keys=()"),
    (
        "            else\n                other+=(",
        "            elif [[ \"$value\" == *= ]]; then\n                keys+=(\"$completion\")\n            else\n                other+=(",
    ),
    (
        "        [[ -n $other ]]",
        "        [[ -n $keys ]] && _describe -V 'values' keys -S ''\n        [[ -n $other ]]",
    ),
];

/// Shells that completions exist for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Directory for the pages, such as ~/.local/share/man/man1
    dir: PathBuf,
}

/// Answers a shell's script and ends the program, where it was started by one.
pub(super) fn answer_shell() {
    clap_complete::CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .complete();
}

/// Prints the script of a shell.
pub(super) fn script(arguments: &Arguments) -> Result<u8> {
    let name = match arguments.shell {
        Shell::Bash => {
            Output::standard().bytes(include_bytes!("complete.bash"))?;
            return Ok(0);
        }
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(name) {
        shell
            .write_registration(VARIABLE, "fmtui", "fmtui", "fmtui", &mut script)
            .map_err(|e| Error::compute("writing the script", e))?;
    }
    let mut script = String::from_utf8_lossy(&script).into_owned();
    for (before, after) in ZSH {
        script = script.replace(before, after);
    }
    Output::standard().bytes(script.as_bytes())?;
    Ok(0)
}

/// Writes a page of the manual for every command.
pub(super) fn man(arguments: &ManArguments) -> Result<u8> {
    let dir = storage::expand_home(&arguments.dir);
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    write_pages(&all, &dir).map_err(|e| Error::io("write", &dir, e))?;
    Output::standard().line(format!("manual pages written to {}", dir.display()))?;
    Ok(0)
}

fn write_pages(command: &clap::Command, dir: &Path) -> std::io::Result<()> {
    for inner in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        write_pages(inner, dir)?;
    }
    let page = clap_mangen::Man::new(command.clone())
        .source(format!("fmtui {}", env!("CARGO_PKG_VERSION")))
        .manual("fmtui manual");
    page.generate_to(dir).map(drop)
}

/// The workspace of the command line that is being completed.
fn workspace() -> Option<Workspace> {
    let mut arguments = std::env::args_os().skip_while(|a| a != "--");
    let mut given = None;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--workspace" {
            given = arguments.next().map(PathBuf::from);
        } else if let Some(path) = text.strip_prefix("--workspace=") {
            given = Some(PathBuf::from(path));
        }
    }
    Workspace::locate(given.as_deref()).ok()
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    let help = (!help.is_empty()).then(|| text::sanitize(help).into());
    CompletionCandidate::new(value).help(help)
}

fn starting_with(
    current: &OsStr,
    candidates: impl IntoIterator<Item = CompletionCandidate>,
) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    candidates
        .into_iter()
        .filter(|c| c.get_value().to_string_lossy().starts_with(&*start))
        .collect()
}

fn runs_where(current: &OsStr, fits: fn(Status) -> bool) -> Vec<CompletionCandidate> {
    let runs = workspace().and_then(|w| w.runs().ok()).unwrap_or_default();
    let told = runs.iter().filter(|run| fits(run.status)).map(|run| {
        let name = run.profile.as_ref().map_or("", |p| p.name.as_str());
        candidate(&run.id, &format!("{}, {name}", run.status.name()))
    });
    // The newest of all runs, so only where it fits.
    let last = runs.first().filter(|run| fits(run.status));
    let last = last.map(|_| candidate("last", "the newest run"));
    starting_with(current, told.chain(last))
}

/// Runs of any status, and the example.
pub(super) fn run() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = runs_where(current, |_| true);
        let example = candidate(example::ID, "the run that is part of fmtui");
        found.extend(starting_with(current, [example]));
        found
    })
}

/// Sweeps by their names.
pub(super) fn sweep() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = workspace().and_then(|workspace| workspace.sweeps().ok());
        let names = names.unwrap_or_default().into_iter();
        starting_with(current, names.map(CompletionCandidate::new))
    })
}

/// Runs by their full ids, newest first.
pub(super) fn own_run() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = runs_where(current, |status| !status.has_worker());
        found.retain(|c| c.get_value() != "last");
        found
    })
}

/// Runs with a worker.
pub(super) fn live_run() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| runs_where(current, Status::has_worker))
}

/// Runs that can be resumed.
pub(super) fn ended_run() -> ArgValueCompleter {
    let can_resume = |status| {
        matches!(
            status,
            Status::Stopped | Status::Failed | Status::Lost | Status::Created | Status::Queued
        )
    };
    ArgValueCompleter::new(move |current: &OsStr| runs_where(current, can_resume))
}

fn presets_like(current: &OsStr) -> Vec<CompletionCandidate> {
    let known = presets::all().iter();
    starting_with(current, known.map(|p| candidate(p.name, "preset")))
}

/// Presets.
pub(super) fn preset() -> ArgValueCompleter {
    ArgValueCompleter::new(presets_like)
}

/// A profile: a preset, a profile of the workspace, a run, or a file.
pub(super) fn profile() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = presets_like(current);
        let own = workspace().and_then(|w| std::fs::read_dir(w.presets_dir()).ok());
        let files = own.into_iter().flatten().flatten();
        let names = files.filter_map(|e| {
            let name = e.file_name().into_string().ok()?;
            Some(candidate(name.strip_suffix(".toml")?, "your own"))
        });
        found.extend(starting_with(current, names));
        found.extend(runs_where(current, |_| true));
        let is_profile = |path: &Path| path.extension().is_some_and(|e| e == "toml");
        found.extend(PathCompleter::any().filter(is_profile).complete(current));
        let mut seen = std::collections::HashSet::new();
        found.retain(|c| seen.insert(c.get_value().to_owned()));
        found
    })
}

/// Settings as `KEY=`, and their values where there are only some.
pub(super) fn setting() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = current.to_string_lossy();
        if let Some((key, _)) = typed.split_once('=') {
            let setting = settings::find(key);
            let choices = setting.map(|s| s.kind.choices()).unwrap_or_default();
            let mut values: Vec<String> = choices.iter().map(ToString::to_string).collect();
            if key == "data.name" {
                let path = workspace().map(|w| w.search_path()).unwrap_or_default();
                values.extend(locate::available(&path).into_iter().map(|set| set.name));
            }
            let values = values.iter().map(|c| candidate(&format!("{key}={c}"), ""));
            return starting_with(current, values);
        }
        let all = settings::ALL.iter();
        starting_with(
            current,
            all.map(|s| candidate(&format!("{}=", s.key), s.help)),
        )
    })
}

/// Columns of `fmtui runs`, the last of a list with commas, with or without `-` before it.
pub(super) fn column() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = current.to_string_lossy();
        let before = typed.rfind([',', '-']).map_or("", |at| &typed[..=at]);
        let keys = settings::ALL.iter().map(|s| s.key);
        let all = runs::column_names().chain(keys);
        starting_with(
            current,
            all.map(|name| candidate(&format!("{before}{name}"), "")),
        )
    })
}

/// The values of a setting.
pub(super) fn value_of(key: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let choices = settings::find(key).map(|s| s.kind.choices());
        let all = choices.unwrap_or_default().iter();
        starting_with(current, all.map(|choice| candidate(choice, "")))
    })
}

/// What `runs --filter` takes: a column, an `=`, and the values that runs have in it.
pub(super) fn filter() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = current.to_string_lossy();
        if let Some((name, _)) = typed.split_once('=') {
            let runs = workspace().and_then(|w| w.runs().ok()).unwrap_or_default();
            let values = runs::values_of(name, &runs);
            return starting_with(
                current,
                values.iter().map(|v| candidate(&format!("{name}={v}"), "")),
            );
        }
        let keys = settings::ALL.iter().map(|s| s.key);
        let all = runs::column_names().chain(keys);
        starting_with(current, all.map(|name| candidate(&format!("{name}="), "")))
    })
}

/// Data sets that were added.
pub(super) fn added() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let path = workspace().map(|w| w.search_path()).unwrap_or_default();
        let all = locate::available(&path).into_iter();
        let own = all
            .filter(locate::Found::is_added)
            .map(|set| candidate(&set.name, ""));
        starting_with(current, own)
    })
}

/// Data sets that are here.
pub(super) fn set() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let path = workspace().map(|w| w.search_path()).unwrap_or_default();
        let all = locate::available(&path).into_iter();
        starting_with(current, all.map(|set| candidate(&set.name, "")))
    })
}

/// Data sets that are here, and directories.
pub(super) fn present() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let path = workspace().map(|w| w.search_path()).unwrap_or_default();
        let sets = locate::available(&path).into_iter();
        let mut found = starting_with(current, sets.map(|set| candidate(&set.name, "")));
        found.extend(PathCompleter::any().complete(current));
        found
    })
}

/// Data sets that can be downloaded.
pub(super) fn dataset() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        starting_with(
            current,
            catalog::fetchable().map(|set| candidate(set.name, "")),
        )
    })
}

//! `fmtui sweep`: searches hyperparameters: begins a sweep, follows it, steers it, and tells what came out.

mod export;
mod slurm;
mod status;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use toml::Table;

use super::{complete, download, recipe, train};
use crate::error::{Error, Result};
use crate::headless::{self, Output, notice};
use crate::model::summary::summarise;
use crate::run::Workspace;
use crate::run::preflight::Network;
use crate::run::signals::Watch;
use crate::run::sweep::{self, Control, Open};
use crate::search::{Pruner, Sweep, grid_size};
use crate::train::learners;
use crate::{profile, storage, text};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    /// A sweep file: a recipe with the tables sweep and space; docs/sweeps.md says how to write one
    #[arg(required = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Override a setting of the sweep or of its recipe, such as sweep.trials=12 or train.epochs=3; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Begin it, print its name, and leave it to itself
    #[arg(long)]
    detach: bool,
    /// Check it and say what it would do, and begin nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    slurm: slurm::Slurm,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how sweeps stand: all of them, or the trials of one
    Status {
        #[arg(add = complete::sweep(), value_name = "NAME")]
        name: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Begin no more trials; those that run train to their end
    Pause(Named),
    /// Continue a paused or stopped sweep
    Continue {
        #[arg(add = complete::sweep(), value_name = "NAME")]
        name: String,
        /// Allow N trials in all
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        trials: Option<u32>,
        /// Leave it to itself
        #[arg(long)]
        detach: bool,
    },
    /// Stop a sweep and save the trials that run; `continue` resumes them
    Stop(Named),
    /// Print the recipe of the best trial, or train it once more on all images and test it
    Best {
        #[arg(add = complete::sweep(), value_name = "NAME")]
        name: String,
        /// Train it on training and validation images together, for as many epochs as its best weights took, and test
        /// it once
        #[arg(long = "final")]
        is_final: bool,
        #[command(flatten)]
        how: train::How,
    },
    /// Run trials of a sweep until it is over, as one of several workers: a task of a cluster, or another machine that
    /// shares the workspace
    Worker {
        #[arg(add = complete::sweep(), value_name = "NAME")]
        name: String,
        /// Run N trials at once [default: sweep.jobs]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        jobs: Option<u16>,
        /// What this worker is called, which no other may be [default: its SLURM job, or its machine and process]
        #[arg(long = "as", value_name = "WORKER")]
        worker: Option<String>,
    },
    /// Show the studies of a journal file of Optuna's as sweeps; the file stays where it is
    Import {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print all trials
    Export {
        /// How
        #[arg(value_enum)]
        format: export::Format,
        #[arg(add = complete::sweep(), value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
struct Named {
    #[arg(add = complete::sweep(), value_name = "NAME")]
    name: String,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let mut out = Output::standard();
    match &arguments.action {
        None => return begin(workspace, arguments, &mut out),
        Some(Action::Status { name: None, json }) => status::all(workspace, *json, &mut out)?,
        Some(Action::Status {
            name: Some(name),
            json,
        }) => {
            let open = workspace.open_sweep(name)?;
            status::one(workspace, &open, *json, &mut out)?;
        }
        Some(Action::Pause(named)) => {
            sweep::steer(workspace, &named.name, Control::Paused)?;
            out.line(format!(
                "{} is paused; trials that run train to their end",
                named.name
            ))?;
        }
        Some(Action::Stop(named)) => {
            sweep::steer(workspace, &named.name, Control::Stopped)?;
            out.line(format!(
                "{} stops; continue with: fmtui sweep continue {}",
                named.name, named.name
            ))?;
        }
        Some(Action::Continue {
            name,
            trials,
            detach,
        }) => {
            let signals = Watch::begin()?;
            let mut open = workspace.open_sweep(name)?;
            open.own()?;
            if let Some(trials) = trials {
                open.allow(usize::try_from(*trials).unwrap_or(usize::MAX))?;
            }
            return go_on(workspace, open, *detach, signals, &mut out);
        }
        Some(Action::Best {
            name,
            is_final: true,
            how,
        }) => return train_final(workspace, name, how),
        Some(Action::Best {
            name,
            is_final: false,
            how,
        }) => {
            if how.seeds.is_some() || how.detach || how.json {
                return Err(Error::input(
                    "sweep best",
                    "trains nothing without --final",
                    format!("add it: `fmtui sweep best {name} --final`"),
                ));
            }
            let open = workspace.open_sweep(name)?;
            let (number, profile) = open.best()?.ok_or_else(|| none_yet(name))?;
            notice(format!("trial {number} of {name}{}", in_what(&open)?));
            out.toml(&profile::settings::commented(&profile.to_toml()))?;
        }
        Some(Action::Worker { name, jobs, worker }) => {
            return slurm::work(workspace, name, jobs.map(usize::from), worker.as_deref());
        }
        Some(Action::Import { file }) => {
            for name in workspace.import_sweeps(&storage::expand_home(file))? {
                out.line(name)?;
            }
        }
        Some(Action::Export { format, name }) => {
            export::export(&workspace.open_sweep(name)?, *format, &mut out)?;
        }
    }
    Ok(0)
}

/// In what a trial is the best, where there are several objectives.
fn in_what(open: &Open) -> Result<String> {
    let objectives = &open.own()?.objectives;
    Ok(match objectives.as_slice() {
        [first, _, ..] => format!(
            ", the best by {} of a Pareto front of {}",
            first.name,
            open.study()?.pareto_front().len()
        ),
        _ => String::new(),
    })
}

fn none_yet(name: &str) -> Error {
    Error::input(
        format!("sweep {name}"),
        "has no complete trial yet",
        format!("see how it stands with `fmtui sweep status {name}`"),
    )
}

/// Trains the best recipe on all images that are not the test set's, and tests it.
fn train_final(workspace: &Workspace, name: &str, how: &train::How) -> Result<u8> {
    let signals = Watch::begin()?;
    let open = workspace.open_sweep(name)?;
    let found = open.final_recipe(workspace)?;
    let (number, profile) = found.ok_or_else(|| none_yet(name))?;
    notice(format!(
        "trial {number} of {name}{}, on training and validation images together, for {}",
        in_what(&open)?,
        text::count(profile.train.epochs, "epoch")
    ));
    let checked = train::check(workspace, profile, false, &signals)?;
    train::begin(workspace, &checked, how, signals)
}

/// Reads a sweep file; it is called as the file where it has no name.
fn read(workspace: &Workspace, path: &Path, set: &[String]) -> Result<Sweep> {
    let path = storage::expand_home(path);
    let text = storage::read_text(&path, 1 << 20).map_err(|e| {
        Error::input(
            format!("sweep file {}", path.display()),
            format!("cannot be read: {e}"),
            "give the path of a sweep file; docs/sweeps.md says how to write one",
        )
    })?;
    let source = path.display().to_string();
    let base = |named: &str| -> Result<Table> {
        // Beside the sweep file, or a preset.
        let beside = path.parent().map(|folder| folder.join(named));
        let named = beside
            .filter(|path| storage::is_there(path))
            .map_or_else(|| named.to_owned(), |path| path.display().to_string());
        let found = recipe::find(workspace, &named, &[])?;
        profile::parse_table(&found.recipe().to_toml(), &named)
    };
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    Sweep::parse(&text, &source, (set, &stem.unwrap_or_default()), &base)
}

fn begin(workspace: &Workspace, arguments: &Arguments, out: &mut Output) -> Result<u8> {
    let signals = Watch::begin()?;
    let path = arguments.file.as_deref().unwrap_or(Path::new(""));
    let sweep = read(workspace, path, &arguments.set)?;
    sweep::check_name(&sweep.settings.name)?;
    let bytes = check_data(workspace, &sweep, &signals)?;
    describe(&sweep, bytes)?;
    if arguments.dry_run {
        return Ok(0);
    }
    let open = workspace.create_sweep(&sweep)?;
    if arguments.slurm.is_asked() {
        return slurm::submit(workspace, open, &arguments.slurm, out);
    }
    go_on(workspace, open, arguments.detach, signals, out)
}

/// What can be known before the first trial: that the data set is there, and that a trial's network fits it. Gives the
/// bytes of a trial's checkpoint.
fn check_data(workspace: &Workspace, sweep: &Sweep, signals: &Watch) -> Result<u64> {
    let profile = sweep::recipe::example(sweep)?;
    let cancel = signals.cancels();
    let network = download::prepared(|progress| {
        Network::with_weights(workspace, profile, false, progress, &cancel)
    })?;
    sweep::recipe::check(sweep, &network)?;
    let parameters = summarise(&network.architecture).parameters;
    let checked = network.check(workspace)?;
    if let Some(warning) = &checked.warning {
        notice(format!("warning: {warning}"));
    }
    Ok(learners::checkpoint_bytes(
        &checked.profile.train,
        parameters,
    ))
}

/// Says what a sweep will do.
fn describe(sweep: &Sweep, bytes: u64) -> Result<()> {
    let settings = &sweep.settings;
    let trials = match sweep.sampler() {
        crate::search::Sampler::Grid => settings.trials.min(grid_size(&sweep.space)?),
        _ => settings.trials,
    };
    let objectives: Vec<&str> = sweep.objectives.iter().map(|o| o.name.as_str()).collect();
    notice(format!(
        "sweep {}: {} of {}, {} and {}, for {}",
        settings.name,
        text::count(trials, "trial"),
        text::count(sweep.space.parameters.len(), "parameter"),
        settings.sampler,
        match settings.pruner.as_str() {
            "none" => "no pruner",
            pruner => pruner,
        },
        objectives.join(" and "),
    ));
    if let Pruner::Asha(asha) = sweep.pruner()? {
        let rungs: Vec<String> = asha.rungs().iter().map(ToString::to_string).collect();
        notice(format!(
            "rungs at epoch {} of {}; trials that wait keep a checkpoint of about {} each, {} at most",
            rungs.join(", "),
            asha.last,
            text::bytes(bytes),
            text::bytes(bytes.saturating_mul((trials * settings.seeds) as u64)),
        ));
    }
    Ok(())
}

fn go_on(
    workspace: &Workspace,
    mut open: Open,
    detach: bool,
    signals: Watch,
    out: &mut Output,
) -> Result<u8> {
    sweep::steer(workspace, &open.name, Control::Running)?;
    open.journal.refresh()?;
    if detach {
        out.line(&open.name)?;
        notice(format!(
            "running; see how it stands with: fmtui sweep status {}",
            open.name
        ));
        return Ok(0);
    }
    let stop = |name: &str| match sweep::steer(workspace, name, Control::Stopped) {
        // It may have come to its end.
        Err(Error::Input { .. }) => Ok(()),
        other => other,
    };
    headless::follow_sweep(workspace, open, &stop, signals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(path: &Path) -> Sweep {
        let dir = tempfile::tempdir().unwrap();
        match read(&Workspace::at(dir.path()), path, &[]) {
            Ok(sweep) => sweep,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }

    #[test]
    fn the_example_and_the_pages_are_right() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let example = sweep(&root.join("examples/sweep-lenet.toml"));
        assert_eq!(example.settings.name, "sweep-lenet");
        assert_eq!(
            (example.space.parameters.len(), example.settings.trials),
            (6, 60)
        );
        assert!(matches!(example.pruner().unwrap(), Pruner::Asha(_)));

        let page = std::fs::read_to_string(root.join("docs/sweeps.md")).unwrap();
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).collect();
        let dir = tempfile::tempdir().unwrap();
        let mut read = 0;
        for block in blocks {
            let block = block.split("```").next().unwrap();
            if block.contains("[space]") {
                let path = dir.path().join("page.toml");
                std::fs::write(&path, block).unwrap();
                sweep(&path);
                read += 1;
            }
        }
        assert_eq!(read, 2);
    }
}

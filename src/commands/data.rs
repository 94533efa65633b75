//! `fmtui data`: which sets are here, downloading one, and adding one's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use clap::{Args, Subcommand};

use super::{check, complete, download};
use crate::data::register::{self, Options, Outcome, Summary};
use crate::data::{fetch, locate, packed};
use crate::error::{Error, Result};
use crate::headless::{Output, Table, notice};
use crate::run::Workspace;
use crate::{catalog, storage, text};

/// Broken files that are named one by one.
const NAMED: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download a data set into the workspace and verify it
    Fetch {
        #[arg(add = complete::dataset(), help = format!("Such as {}", catalog::DEFAULT))]
        name: String,
    },
    /// Add a directory of images, or a data set's file, where it lies
    Add {
        /// A directory with a directory for each class, or with train/, val/, test/ of such; or a file
        path: PathBuf,
        /// Name of the set [default: that of the directory]
        #[arg(long)]
        name: Option<String>,
        /// Directories that make up the name of a class
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
        class_depth: u8,
        /// Leave out files that cannot be read, instead of refusing the set
        #[arg(long)]
        skip_broken: bool,
    },
    /// Check a set: broken files, copies, leaks between splits, classes, sizes
    Check(check::Arguments),
    /// Forget a set that was added; its images stay
    Remove {
        #[arg(add = complete::added())]
        name: String,
    },
    /// Delete the decoded copies of images; they are made again when needed
    Clean,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    match &arguments.action {
        None => list(workspace),
        Some(Action::Fetch { name }) => fetch(workspace, name),
        Some(Action::Add {
            path,
            name,
            class_depth,
            skip_broken,
        }) => {
            let options = Options {
                name: name.clone(),
                class_depth: usize::from(*class_depth),
                skips_broken: *skip_broken,
            };
            add(workspace, path, &options)
        }
        Some(Action::Check(arguments)) => check::run(workspace, arguments),
        Some(Action::Remove { name }) => remove(workspace, name),
        Some(Action::Clean) => clean(workspace),
    }
}

fn list(workspace: &Workspace) -> Result<u8> {
    let found = locate::available(&workspace.search_path());
    let mut table = Table::new(&["data set", "where"]);
    for set in &found {
        table.row([set.name.clone(), set.place()]);
    }
    for set in catalog::fetchable().filter(|set| found.iter().all(|f| f.name != set.name)) {
        let size = set.download().map_or("", |download| download.size);
        let place = format!("not downloaded ({size}); fmtui data fetch {}", set.name);
        table.row([set.name.to_string(), place]);
    }
    let mut out = Output::standard();
    table.print(&mut out)?;
    Ok(0)
}

fn fetch(workspace: &Workspace, name: &str) -> Result<u8> {
    let fetched = download::shown(|progress, cancel| {
        fetch::fetch(
            name,
            &workspace.data_dir(),
            workspace.offline,
            progress,
            cancel,
        )
    })?;
    let mut out = Output::standard();
    out.line(format!(
        "{name} is in {}, {}",
        fetched.directory.display(),
        fetched.verified()
    ))?;
    for (file, sha256) in &fetched.files {
        out.line(format!("{sha256}  {file}"))?;
    }
    Ok(0)
}

fn add(workspace: &Workspace, path: &Path, options: &Options) -> Result<u8> {
    let path = storage::expand_home(path);
    let outcome = download::cancellable(|cancel| {
        let last = Mutex::new(Instant::now());
        let progress = |done: usize, all: usize| check::tell(&last, done, all);
        register::add(&path, options, &workspace.data_dir(), &progress, cancel)
    })?;
    match outcome {
        Outcome::Added(summary) => added(&summary),
        Outcome::Broken(broken) => {
            name(&path, &broken);
            let count = text::count(broken.len(), "file");
            Err(Error::input(
                text::sanitize(&path.display().to_string()),
                format!("was not added: {count} cannot be used"),
                "mend or remove them, or give --skip-broken",
            ))
        }
    }
}

/// Names broken files, each in a line.
fn name(path: &Path, broken: &BTreeMap<String, String>) {
    for (file, problem) in broken.iter().take(NAMED) {
        notice(format!("error: {} {problem}", path.join(file).display()));
    }
    if broken.len() > NAMED {
        notice(format!("and {} more", broken.len() - NAMED));
    }
}

fn added(summary: &Summary) -> Result<u8> {
    let mut out = Output::standard();
    let [_, test, validation] = summary.images;
    out.line(summary.words())?;
    for (number, what) in [
        (summary.skipped.len(), "passed over: broken"),
        (summary.ignored, "passed over: not images by their names"),
        (
            summary.beside,
            "passed over: beside the directories of the splits",
        ),
        (
            summary.misnamed,
            "named as another kind of image; read all the same",
        ),
    ] {
        if number > 0 {
            out.line(format!("{} {what}", text::count(number, "file")))?;
        }
    }
    for (file, problem) in summary.skipped.iter().take(NAMED) {
        notice(format!("warning: {file} {problem}"));
    }
    for remark in &summary.remarks {
        notice(format!("warning: {remark}"));
    }
    // The preset evaluates on the test set.
    let held_out = if test + validation == 0 {
        " --set data.validation=0.1"
    } else {
        ""
    };
    out.line(format!(
        "train on it: fmtui train lenet5 --set data.name={}{held_out}",
        summary.name
    ))?;
    Ok(0)
}

fn remove(workspace: &Workspace, name: &str) -> Result<u8> {
    let removed = register::remove(name, &workspace.data_dir())?;
    Output::standard().line(removed.words())?;
    Ok(0)
}

fn clean(workspace: &Workspace) -> Result<u8> {
    let (mut count, mut bytes) = (0, 0);
    for entry in workspace
        .data_dir()
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
    {
        let (files, freed) = packed::clean(&entry.path())?;
        if files > 0 {
            // Of a set that was removed; fails where there is anything else.
            let _ = std::fs::remove_dir(entry.path());
        }
        count += files;
        bytes += freed;
    }
    let files = text::count(count, "file");
    Output::standard().line(format!("{files} deleted, {} freed", text::bytes(bytes)))?;
    Ok(0)
}

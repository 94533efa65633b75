//! `fmtui data`: which sets are here, and fetching one.

use clap::{Args, Subcommand};

use super::download;
use crate::data::fetch::{self, FETCHABLE};
use crate::data::source;
use crate::error::Result;
use crate::headless::{Output, Table};
use crate::run::Workspace;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download a data set into the workspace and verify it
    Fetch {
        /// Such as fashion-mnist
        name: String,
    },
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    match &arguments.action {
        None => list(workspace),
        Some(Action::Fetch { name }) => fetch(workspace, name),
    }
}

fn list(workspace: &Workspace) -> Result<u8> {
    let found = source::available(&workspace.search_path());
    let mut table = Table::new(&["data set", "where"]);
    for set in &found {
        table.row([set.name.clone(), set.place()]);
    }
    let absent = FETCHABLE
        .iter()
        .filter(|name| found.iter().all(|f| f.name != **name));
    for name in absent {
        table.row([
            (*name).to_string(),
            format!("not here; fmtui data fetch {name}"),
        ]);
    }
    let mut out = Output::standard();
    for line in table.lines() {
        out.line(line)?;
    }
    Ok(0)
}

fn fetch(workspace: &Workspace, name: &str) -> Result<u8> {
    download::shown(|progress, cancel| {
        fetch::fetch(
            name,
            &workspace.data_dir(),
            workspace.offline,
            progress,
            cancel,
        )
    })?;
    let place = workspace.data_dir().join(name);
    Output::standard().line(format!("{name} is in {}, verified", place.display()))?;
    Ok(0)
}

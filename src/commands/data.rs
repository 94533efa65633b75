//! `fmtui data`: which sets are here, and fetching one.

use clap::{Args, Subcommand};

use super::{complete, download};
use crate::catalog;
use crate::data::{fetch, locate};
use crate::error::Result;
use crate::headless::{Output, Table};
use crate::run::Workspace;

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
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    match &arguments.action {
        None => list(workspace),
        Some(Action::Fetch { name }) => fetch(workspace, name),
    }
}

fn list(workspace: &Workspace) -> Result<u8> {
    let found = locate::available(&workspace.search_path());
    let mut table = Table::new(&["data set", "where"]);
    for set in &found {
        table.row([set.name.clone(), set.place()]);
    }
    let names = catalog::fetchable().map(|set| set.name);
    for name in names.filter(|name| found.iter().all(|f| f.name != *name)) {
        let place = format!("not downloaded; fmtui data fetch {name}");
        table.row([name.to_string(), place]);
    }
    let mut out = Output::standard();
    table.print(&mut out)?;
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

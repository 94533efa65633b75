//! `fmtui compare`: several runs side by side, such as a network from scratch, tuned and frozen.

use clap::Args;

use super::{answer, complete};
use crate::error::{Error, Result};
use crate::headless::{Output, Table, draw_bar, notice};
use crate::profile::{EpochRecord, Profile, Status};
use crate::run::comparison::{self, MOST, Row, letter};
use crate::run::{Workspace, example};
use crate::text::figure;

/// Most epochs that are listed one by one.
const LISTED: usize = 20;

/// The widest cell.
const CELL: usize = 24;

/// Columns of an epoch's bar.
const BAR: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Two to five runs [default: the newest run and matching runs trained in other modes]
    #[arg(add = complete::run(), value_name = "RUN")]
    runs: Vec<String>,
    /// Print one JSON object per run
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let runs = if arguments.runs.is_empty() {
        newest_of_each_mode(workspace)?
    } else {
        let load = |run: &String| {
            let (home, id) = example::resolve(workspace, run)?;
            let profile = home.load_with_history(&id)?;
            Ok((id, profile))
        };
        arguments.runs.iter().map(load).collect::<Result<_>>()?
    };
    if !(2..=MOST).contains(&runs.len()) {
        return Err(Error::input(
            "compare",
            format!("takes 2 to {MOST} runs, not {}", runs.len()),
            "name them by ID; `fmtui runs` lists them",
        ));
    }
    let is_again = |(i, (id, _)): &(usize, &(String, Profile))| {
        runs[..*i].iter().any(|(before, _)| before == id)
    };
    if let Some((_, (id, _))) = runs.iter().enumerate().find(is_again) {
        return Err(Error::input(
            "compare",
            format!("run {id} is named twice"),
            "name different runs",
        ));
    }
    let mut out = Output::standard();
    if arguments.json {
        for (id, profile) in &runs {
            let status = profile
                .run
                .as_ref()
                .map_or(Status::Created, |run| run.status);
            let status = workspace.live_status(id, status);
            let mut run = answer::record(id, status.name(), profile);
            run["history"] = serde_json::json!(profile.history);
            answer::print(&mut out, run)?;
        }
        return Ok(0);
    }
    for (i, (id, _)) in runs.iter().enumerate() {
        out.line(format!("{}  {id}", letter(i)))?;
    }
    let profiles: Vec<&Profile> = runs.iter().map(|(_, profile)| profile).collect();
    out.line("")?;
    let columns = out.columns();
    table(&comparison::figures(&profiles), runs.len(), columns).print(&mut out)?;
    for (i, profile) in profiles.iter().enumerate() {
        for note in comparison::notes(profile) {
            out.line(format!("{}  note: {note}", letter(i)))?;
        }
    }
    out.line("")?;
    out.line("* the best of its row")?;
    out.line("")?;
    out.line(format!(
        "{} accuracy; bars span the lowest to the highest epoch",
        comparison::curve(&profiles)
    ))?;
    curves(&profiles, columns).print(&mut out)?;
    let differences = comparison::differences(&profiles);
    out.line("")?;
    if differences.is_empty() {
        out.line("all settings are the same")?;
    } else {
        table(&differences, runs.len(), columns).print(&mut out)?;
    }
    Ok(0)
}

/// The newest run, and the newest of its network and data of every other training mode.
fn newest_of_each_mode(workspace: &Workspace) -> Result<Vec<(String, Profile)>> {
    let mut chosen: Vec<(String, Profile)> = Vec::new();
    for summary in workspace.runs()? {
        let Ok(profile) = summary.profile else {
            continue;
        };
        let is_new = chosen.iter().all(|(_, other)| {
            comparison::training_mode(other) != comparison::training_mode(&profile)
        });
        let is_like = chosen.first().is_none_or(|(_, first)| {
            first.model.architecture == profile.model.architecture
                && (&first.data.name, first.data.per_class)
                    == (&profile.data.name, profile.data.per_class)
        });
        if is_new && is_like && !profile.history.is_empty() && chosen.len() < MOST {
            let whole = workspace.load_with_history(&summary.id)?;
            chosen.push((summary.id, whole));
        }
    }
    if chosen.len() < 2 {
        return Err(Error::input(
            "compare",
            "no two runs train the same network on the same data in different modes",
            "train, for example, resnet20-cifar-scratch and resnet20-cifar-finetune, or name the runs",
        ));
    }
    notice("the newest run of each training mode of one network on the same data");
    Ok(chosen)
}

fn head(runs: usize) -> Vec<String> {
    let letters = (0..runs).map(|i| format!(">{}", letter(i)));
    std::iter::once(String::new()).chain(letters).collect()
}

/// How wide each run's cells may be, next to names of `beside` columns.
fn cell_width(columns: Option<usize>, beside: usize, runs: usize) -> usize {
    columns.map_or(CELL, |all| {
        (all.saturating_sub(beside) / runs.max(1))
            .saturating_sub(3)
            .clamp(7, CELL)
    })
}

fn table(rows: &[Row], runs: usize, columns: Option<usize>) -> Table {
    let names = rows.iter().map(|row| row.name.chars().count());
    let width = cell_width(columns, names.max().unwrap_or(0), runs);
    let head = head(runs);
    let mut table = Table::new(&head);
    for row in rows {
        let cells = row.cells.iter().enumerate().map(|(i, cell)| {
            let mark = if row.best.contains(&i) { "*" } else { " " };
            format!("{}{mark}", cell.text(width))
        });
        table.row(std::iter::once(row.name.clone()).chain(cells));
    }
    table
}

/// Held-out accuracy epoch by epoch, each with a bar from the least to the most of all.
fn curves(runs: &[&Profile], columns: Option<usize>) -> Table {
    let bar = cell_width(columns, 5, runs.len())
        .saturating_sub(8)
        .min(BAR);
    let head = head(runs.len());
    let mut names: Vec<&str> = head.iter().map(String::as_str).collect();
    names[0] = ">epoch";
    let mut table = Table::new(&names);
    let all = || {
        runs.iter()
            .flat_map(|run| &run.history)
            .map(|e| e.held_out_accuracy)
    };
    let least = all().fold(f64::INFINITY, f64::min);
    let most = all().fold(f64::NEG_INFINITY, f64::max);
    let cell = |epoch: &EpochRecord| {
        let share = (epoch.held_out_accuracy - least) / (most - least).max(1e-9);
        let bar = draw_bar(share, bar, false);
        format!(
            "{bar} {:>7}",
            figure::percent(epoch.held_out_accuracy, 1, 7)
        )
    };
    let longest = runs.iter().map(|run| run.history.len()).max().unwrap_or(0);
    let every = longest.div_ceil(LISTED).max(1);
    let numbers = (1..=longest).filter(|n| *n == 1 || *n == longest || n % every == 0);
    for number in numbers {
        let cells = runs.iter().map(|run| {
            let epoch = run.history.iter().find(|e| e.epoch == number);
            epoch.map_or_else(String::new, &cell)
        });
        table.row(std::iter::once(number.to_string()).chain(cells));
    }
    table
}

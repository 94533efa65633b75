//! `fmtui compare`: several runs side by side, such as a network from scratch, tuned and frozen.

use std::sync::Arc;

use clap::Args;

use super::{answer, complete, seeds};
use crate::error::{Error, Result};
use crate::headless::{Output, Table, draw_bar, notice};
use crate::metrics::class_name;
use crate::metrics::predictions::Prediction;
use crate::profile::{Profile, Status};
use crate::run::comparison::{self, MOST, Row, Runs, letter};
use crate::run::group::{self, Band, Summary};
use crate::run::verdict::{self, Side, Test, Verdict};
use crate::run::{Workspace, example};
use crate::text::{self, figure};

/// Most epochs that are listed one by one.
const LISTED: usize = 20;

/// The widest cell.
const CELL: usize = 24;

/// Columns of an epoch's bar.
const BAR: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Two to five runs or groups; the first is the one that the others are held against [default: the newest run and
    /// matching runs trained in other modes]
    #[arg(add = complete::run(), value_name = "RUN|GROUP")]
    runs: Vec<String>,
    /// List the images that one of two runs has right and the other wrong
    #[arg(long)]
    images: bool,
    /// Print one JSON object per run or group, then one per conclusion
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let sides = if arguments.runs.is_empty() {
        newest_of_each_mode(workspace)?
    } else {
        let named = arguments.runs.iter();
        named
            .map(|name| side(workspace, name))
            .collect::<Result<_>>()?
    };
    if !(2..=MOST).contains(&sides.len()) {
        return Err(Error::input(
            "compare",
            format!("takes 2 to {MOST} runs or groups, not {}", sides.len()),
            "name them by ID; `fmtui runs` lists them",
        ));
    }
    let is_again = |(i, side): &(usize, &Side)| {
        sides[..*i]
            .iter()
            .any(|before| before.name() == side.name())
    };
    if let Some((_, again)) = sides.iter().enumerate().find(is_again) {
        return Err(Error::input(
            "compare",
            format!("{} is named twice", again.name()),
            "name different runs",
        ));
    }
    let (verdicts, notes) = verdict::verdicts(workspace, &sides);
    let mut out = Output::standard();
    if arguments.json {
        return print_json(workspace, &sides, (&verdicts, &notes), &mut out);
    }
    print(&sides, &mut out)?;
    out.line("")?;
    for verdict in &verdicts {
        out.line(verdict.sentence())?;
    }
    for note in &notes {
        out.line(note)?;
    }
    if arguments.images {
        let is_paired = |verdict: &&Verdict| matches!(verdict.test, Test::Paired { .. });
        if !verdicts.iter().any(|verdict| is_paired(&verdict)) {
            notice("images decide where two runs were tested on the same ones, not between groups");
        }
        for verdict in verdicts.iter().filter(is_paired) {
            deciding(workspace, &sides, verdict).print(&mut out)?;
        }
    }
    Ok(0)
}

/// The run or the group that somebody names.
fn side(workspace: &Workspace, named: &str) -> Result<Side> {
    let unknown = match example::resolve(workspace, named) {
        Ok((home, id)) => {
            let profile = Arc::new(home.load_with_history(&id)?);
            return Ok(Side::Run { id, profile });
        }
        Err(error) => error,
    };
    match workspace.group(named)? {
        Some((name, members)) => Ok(Side::Group { name, members }),
        None => Err(unknown),
    }
}

fn print(sides: &[Side], out: &mut Output) -> Result<()> {
    for (i, side) in sides.iter().enumerate() {
        let of = match side {
            Side::Run { .. } => String::new(),
            Side::Group { members, .. } => {
                let finished = members.iter().filter(|m| m.status == Status::Finished);
                let runs = text::count(members.len(), "run");
                format!("  {} of {runs} finished", finished.count())
            }
        };
        out.line(format!("{}  {}{of}", letter(i), side.name()))?;
    }
    let runs: Vec<Runs> = sides.iter().map(Side::profiles).collect();
    let all: Vec<&Profile> = runs.iter().flatten().copied().collect();
    out.line("")?;
    let columns = out.columns();
    table(&comparison::figures(&runs), runs.len(), columns).print(out)?;
    for (i, profile) in runs
        .iter()
        .enumerate()
        .flat_map(|(i, runs)| runs.iter().map(move |run| (i, run)))
    {
        for note in comparison::notes(profile) {
            out.line(format!("{}  note: {note}", letter(i)))?;
        }
    }
    out.line("")?;
    out.line("* the best of its row")?;
    out.line("")?;
    out.line(format!(
        "{} accuracy; bars span the lowest to the highest epoch",
        comparison::curve(&all)
    ))?;
    let curves_of: Vec<Vec<Band>> = runs
        .iter()
        .map(|runs| group::bands(runs.iter().copied()))
        .collect();
    curves(&curves_of, columns).print(out)?;
    let differences = comparison::differences(&runs);
    out.line("")?;
    if differences.is_empty() {
        out.line("all settings are the same")?;
    } else {
        table(&differences, runs.len(), columns).print(out)?;
    }
    Ok(())
}

/// The images that decide between two runs.
fn deciding(workspace: &Workspace, sides: &[Side], verdict: &Verdict) -> Table {
    let (a, b) = (letter(verdict.first), letter(verdict.second));
    let mut table = Table::new(&[">image", "true class", &a.to_string(), &b.to_string()]);
    let (Test::Paired { deciding, .. }, Side::Run { profile, .. }) =
        (&verdict.test, &sides[verdict.first])
    else {
        return table;
    };
    let classes = workspace
        .dataset(&profile.data)
        .map(|data| data.classes)
        .unwrap_or_default();
    let name = |class: u16| class_name(&classes, class.into()).clone();
    for image in deciding {
        let guess = |of: &Prediction| {
            let share = figure::percent(f64::from(of.probability[0]), 1, 7);
            format!("{} {share}", name(of.top[0]))
        };
        table.row([
            image.first.index.to_string(),
            name(image.first.label),
            guess(&image.first),
            guess(&image.second),
        ]);
    }
    table
}

fn print_json(
    workspace: &Workspace,
    sides: &[Side],
    (verdicts, notes): (&[Verdict], &[String]),
    out: &mut Output,
) -> Result<u8> {
    for side in sides {
        match side {
            Side::Run { id, profile } => {
                let status = profile
                    .run
                    .as_ref()
                    .map_or(Status::Created, |run| run.status);
                let status = workspace.live_status(id, status);
                let mut run = answer::record(id, status.name(), profile);
                run["history"] = serde_json::json!(profile.history);
                answer::print(out, run)?;
            }
            Side::Group { name, members } => {
                let mut value = seeds::of(name, &Summary::of(members));
                let ids: Vec<&String> = members.iter().map(|member| &member.id).collect();
                value["members"] = serde_json::json!(ids);
                answer::print(out, value)?;
            }
        }
    }
    for verdict in verdicts {
        answer::print(out, conclusion(sides, verdict))?;
    }
    for note in notes {
        answer::print(out, serde_json::json!({ "note": note }))?;
    }
    Ok(0)
}

fn conclusion(sides: &[Side], verdict: &Verdict) -> serde_json::Value {
    let mut value = serde_json::json!({
        "conclusion": verdict.sentence(),
        "first": sides[verdict.first].name(),
        "second": sides[verdict.second].name(),
        "difference": verdict.difference,
        "interval": [verdict.interval.low, verdict.interval.high],
        "level": verdict.level,
        "p": verdict.p,
        "told_apart": verdict.tells_apart(),
    });
    match &verdict.test {
        Test::Paired {
            counts,
            is_exact,
            deciding,
        } => {
            value["test"] = if *is_exact {
                "McNemar exact"
            } else {
                "McNemar mid-p"
            }
            .into();
            value["first_alone"] = counts.first.into();
            value["second_alone"] = counts.second.into();
            value["images"] = deciding.iter().map(|d| d.first.index).collect();
        }
        Test::Welch { freedom, .. } => {
            value["test"] = "Welch".into();
            value["degrees_of_freedom"] = (*freedom).into();
        }
    }
    value
}

/// The newest run, and the newest of its network and data of every other training mode.
fn newest_of_each_mode(workspace: &Workspace) -> Result<Vec<Side>> {
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
    let of = |(id, profile)| Side::Run {
        id,
        profile: Arc::new(profile),
    };
    Ok(chosen.into_iter().map(of).collect())
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

/// Held-out accuracy epoch by epoch, each with a bar from the least to the most of all; of a group mean and deviation.
fn curves(sides: &[Vec<Band>], columns: Option<usize>) -> Table {
    let width = cell_width(columns, 5, sides.len());
    let is_group = sides.iter().flatten().any(|band| band.runs > 1);
    let figures = if is_group { 15 } else { 8 };
    let bar = width.saturating_sub(figures).min(BAR);
    let head = head(sides.len());
    let mut names: Vec<&str> = head.iter().map(String::as_str).collect();
    names[0] = ">epoch";
    let mut table = Table::new(&names);
    let all = || sides.iter().flatten().map(|band| band.mean);
    let least = all().fold(f64::INFINITY, f64::min);
    let most = all().fold(f64::NEG_INFINITY, f64::max);
    let cell = |band: &Band| {
        let share = (band.mean - least) / (most - least).max(1e-9);
        let bar = draw_bar(share, bar, false);
        let mean = figure::percent(band.mean, 1, 7);
        if band.runs > 1 {
            return format!("{bar} {mean:>7} ± {:.1}", 100.0 * band.deviation);
        }
        format!("{bar} {mean:>7}")
    };
    let end = |side: &Vec<Band>| side.last().map_or(0, |band| band.epoch);
    let longest = sides.iter().map(end).max().unwrap_or(0);
    let every = longest.div_ceil(LISTED).max(1);
    let numbers = (1..=longest).filter(|n| *n == 1 || *n == longest || n % every == 0);
    for number in numbers {
        let cells = sides.iter().map(|side| {
            let band = side.iter().find(|band| band.epoch == number);
            band.map_or_else(String::new, &cell)
        });
        table.row(std::iter::once(number.to_string()).chain(cells));
    }
    table
}

//! `fmtui runs`: all runs, newest first; or some of them, some of what is known of them, in another order.

mod columns;
mod filter;

use clap::Args;
use serde_json::Value;

use self::columns::Column;
use self::filter::Filter;
use super::{answer, complete};
use crate::error::Result;
use crate::headless::{Output, Table, Tint};
use crate::profile::Status;
use crate::run::{RunSummary, Workspace, comparison};
use crate::text;

pub(super) use columns::names as column_names;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Sort by a column, such as accuracy; -accuracy for largest first [default: newest first]
    #[arg(add = complete::column(), long, value_name = "[-]COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// List only runs with these words, or where a column compares so: status=finished, accuracy>=90%; repeatable
    #[arg(long, value_name = "WORDS|COMPARISON")]
    filter: Vec<String>,
    /// Columns to list, separated by commas; any setting too, such as train.seed
    #[arg(add = complete::column(), long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// List at most so many runs
    #[arg(short = 'n', value_name = "COUNT")]
    count: Option<usize>,
    /// Print comma-separated values, unrounded, with a header
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print one JSON object per run
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let asked: Vec<&str> = match arguments.columns.as_slice() {
        [] if arguments.csv => column_names().collect(),
        [] => columns::DEFAULT.to_vec(),
        asked => asked.iter().map(|name| name.trim()).collect(),
    };
    let columns = asked
        .into_iter()
        .map(columns::find)
        .collect::<Result<Vec<_>>>()?;
    let filters = arguments
        .filter
        .iter()
        .map(|text| Filter::read(text))
        .collect::<Result<Vec<_>>>()?;
    let mut runs = workspace.runs()?;
    let all = runs.len();
    runs.retain(|run| filters.iter().all(|filter| filter.takes(run)));
    if let Some(by) = &arguments.sort {
        sort(&mut runs, by)?;
    }
    runs.truncate(arguments.count.unwrap_or(usize::MAX));
    let mut out = Output::standard();
    if arguments.json {
        for run in &runs {
            answer::print(&mut out, answer::run(run))?;
        }
        return Ok(0);
    }
    if arguments.csv {
        return csv(&runs, &columns, &mut out).map(|()| 0);
    }
    if runs.is_empty() {
        let root = workspace.root.display();
        out.line(match all {
            0 => format!("no run yet in {root}; start one with: fmtui train lenet5"),
            all => format!("none of {} fits", text::count(all, "run")),
        })?;
        return Ok(0);
    }
    table(&runs, &columns).print(&mut out)?;
    for run in &runs {
        let notes = run.profile.as_ref().map(|p| comparison::notes(p));
        for note in notes.unwrap_or_default() {
            out.line(format!("{}: {note}", run.id))?;
        }
    }
    Ok(0)
}

/// Sorts by a column, `-` before it for the largest first; runs without it come last, equal ones stay newest first.
fn sort(runs: &mut [RunSummary], by: &str) -> Result<()> {
    let (name, is_down) = by
        .strip_prefix('-')
        .map_or((by, false), |name| (name, true));
    let column = columns::find(name)?;
    let value = |run: &RunSummary| match &run.profile {
        Ok(profile) => (column.value)(run, profile),
        Err(_) => Value::Null,
    };
    runs.sort_by(|a, b| {
        let (a, b) = (value(a), value(b));
        let is_known = !a.is_null() && !b.is_null();
        let order = filter::order(&a, &b);
        if is_down && is_known {
            order.reverse()
        } else {
            order
        }
    });
    Ok(())
}

fn table(runs: &[RunSummary], columns: &[Column]) -> Table {
    let headings: Vec<&str> = columns.iter().map(|c| c.heading.as_str()).collect();
    let mut table = Table::new(&headings).dispensing_with(columns::DISPENSABLE);
    for run in runs {
        match &run.profile {
            Ok(profile) => table.row(columns.iter().map(|c| (c.text)(run, profile))),
            Err(reason) => {
                let reason = text::ellipsis(reason, 100);
                table.row([run.id.clone(), "broken".into(), reason]);
            }
        }
        table.tint("status", tint(run.status));
    }
    table
}

fn tint(status: Status) -> Tint {
    match status {
        Status::Finished => Tint::Good,
        Status::Failed | Status::Lost => Tint::Bad,
        Status::Stopped | Status::Waiting => Tint::Warning,
        _ => Tint::Live,
    }
}

/// RFC 4180: quotes where a value has a comma, a quote or a line's end.
fn csv(runs: &[RunSummary], columns: &[Column], out: &mut Output) -> Result<()> {
    let quoted = |text: &str| {
        if text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let cell = |value: Value| match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(&text),
        other => other.to_string(),
    };
    let heads: Vec<String> = columns.iter().map(|c| quoted(&c.name)).collect();
    let mut lines = vec![heads.join(",")];
    for run in runs {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| match &run.profile {
                Ok(profile) => cell((column.value)(run, profile)),
                Err(_) if column.name == "run" => cell(run.id.as_str().into()),
                Err(_) if column.name == "status" => "broken".into(),
                Err(_) => String::new(),
            })
            .collect();
        lines.push(cells.join(","));
    }
    // For programs: UTF-8 whatever the locale.
    let lines = lines.iter().map(|line| text::harmless(line) + "\n");
    out.bytes(lines.collect::<String>().as_bytes())
}

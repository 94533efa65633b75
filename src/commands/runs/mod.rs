//! `fmtui runs`: all runs, newest first; or some of them, some of what is known of them, in another order.

mod columns;
mod filter;

use clap::Args;
use serde_json::Value;

use self::columns::Column;
use self::filter::Filter;
use super::{answer, complete};
use crate::error::Result;
use crate::headless::{Output, Table, Tint, notice};
use crate::profile::Status;
use crate::run::{RunSummary, Workspace, comparison};
use crate::text;

pub(super) use columns::{names as column_names, values_of};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Sort by a column, such as accuracy; -accuracy for largest first [default: newest first]
    #[arg(add = complete::column(), long, value_name = "[-]COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// List only runs that contain these words or satisfy a comparison, such as status=finished or accuracy>=90%;
    /// repeatable
    #[arg(add = complete::filter(), long, value_name = "WORDS|COMPARISON")]
    filter: Vec<String>,
    /// Columns to list, separated by commas; any setting too, such as train.seed
    #[arg(add = complete::column(), long, value_name = "COLUMN,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// List the trials of sweeps too
    #[arg(long)]
    trials: bool,
    /// List at most this many runs
    #[arg(short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
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
    let given_way = if arguments.columns.is_empty() {
        columns::DISPENSABLE
    } else {
        // From the right.
        &[]
    };
    let mut runs = workspace.runs()?;
    let found = runs.len();
    let is_trial = |run: &RunSummary| run.profile.as_ref().is_ok_and(|p| p.is_trial());
    runs.retain(|run| arguments.trials || !is_trial(run));
    let (all, trials) = (runs.len(), found - runs.len());
    runs.retain(|run| filters.iter().all(|filter| filter.takes(run)));
    if let Some(by) = &arguments.sort {
        sort(&mut runs, by)?;
    }
    runs.truncate(arguments.count.map_or(usize::MAX, |n| n as usize));
    let mut out = Output::standard();
    if arguments.json {
        for run in &runs {
            let answer = match (&run.profile, arguments.columns.is_empty()) {
                (Ok(profile), false) => columns
                    .iter()
                    .map(|column| (column.name.clone(), (column.value)(run, profile)))
                    .collect(),
                _ => answer::run(run),
            };
            answer::print(&mut out, answer)?;
        }
        return Ok(0);
    }
    if arguments.csv {
        return csv(&runs, &columns, &mut out).map(|()| 0);
    }
    if trials > 0 {
        let trials = text::count(trials, "trial");
        notice(format!(
            "{trials} of sweeps not listed; --trials lists them too"
        ));
    }
    if runs.is_empty() {
        let root = workspace.root.display();
        out.line(match all {
            0 if trials > 0 => format!("no run in {root} but trials of sweeps"),
            0 => format!("no run yet in {root}; start one with: fmtui train lenet5"),
            all => format!("none of {} matches", text::count(all, "run")),
        })?;
        return Ok(0);
    }
    let table = table(&runs, &columns).dispensing_with(given_way);
    let left_out = table.print(&mut out)?;
    if !left_out.is_empty() {
        let columns = left_out.join(", ");
        let remedy = if arguments.columns.is_empty() {
            "--columns names others, --csv prints all"
        } else {
            "--csv prints all"
        };
        out.line(format!("no room for: {columns}; {remedy}"))?;
    }
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
    let mut table = Table::new(&headings);
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

fn csv(runs: &[RunSummary], columns: &[Column], out: &mut Output) -> Result<()> {
    let quoted = answer::quoted;
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
    answer::print_csv(out, &lines)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::metrics::Scores;
    use crate::profile::{Profile, ResultRecord, settings};

    /// Runs of random settings, some without a result, some that cannot be read.
    fn runs() -> impl Strategy<Value = Vec<RunSummary>> {
        let one = (0_u64..4, 1_usize..4, any::<bool>(), 0_u8..5, 0.0..1.0_f64);
        prop::collection::vec(one, 0..12).prop_map(|drawn| {
            let run = |(i, (seed, epochs, is_named, kind, share))| {
                let mut profile = Profile::new(if is_named { "lenet5" } else { "mlp" });
                (profile.train.seed, profile.train.epochs) = (seed, epochs);
                profile.data.validation = share;
                profile.result = (kind > 1).then(|| ResultRecord {
                    parameters: 100 * seed,
                    test: (kind > 2).then(|| Scores::of_accuracy(1.0, share)),
                    ..ResultRecord::default()
                });
                RunSummary {
                    id: format!("run-{i}"),
                    status: [Status::Finished, Status::Stopped][usize::from(is_named)],
                    profile: if kind == 0 {
                        Err("is broken".into())
                    } else {
                        Ok(Arc::new(profile))
                    },
                }
            };
            drawn.into_iter().enumerate().map(run).collect()
        })
    }

    fn every_column() -> Vec<&'static str> {
        let settings = settings::ALL.iter().map(|s| s.key);
        column_names().chain(settings).collect()
    }

    fn ids(runs: &[RunSummary]) -> Vec<String> {
        runs.iter().map(|run| run.id.clone()).collect()
    }

    fn value(column: &Column, run: &RunSummary) -> Value {
        let profile = run.profile.as_ref();
        profile.map_or(Value::Null, |p| (column.value)(run, p))
    }

    proptest! {
        #[test]
        fn any_column_sorts_filters_and_is_listed(
            runs in runs(),
            name in prop::sample::select(every_column()),
            of in any::<prop::sample::Index>(),
            is_down: bool,
        ) {
            let column = columns::find(name).unwrap();
            let mut sorted = runs.clone();
            sort(&mut sorted, &format!("{}{name}", if is_down { "-" } else { "" })).unwrap();
            for pair in sorted.windows(2) {
                let (a, b) = (value(&column, &pair[0]), value(&column, &pair[1]));
                let at = |run: &RunSummary| runs.iter().position(|own| own.id == run.id);
                prop_assert!(!a.is_null() || b.is_null(), "what is missing comes last");
                prop_assert!(a != b || at(&pair[0]) < at(&pair[1]), "equal ones keep their order");
                if let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) {
                    prop_assert!((is_down && a >= b) || (!is_down && a <= b), "in order");
                }
            }
            prop_assert_eq!(sorted.len(), runs.len());

            let that_pass = |comparison: &str| -> Vec<String> {
                let filter = Filter::read(&format!("{name}{comparison}")).unwrap();
                ids(&runs.iter().filter(|run| filter.takes(run)).cloned().collect::<Vec<_>>())
            };
            let readable: Vec<_> = runs.iter().filter(|run| run.profile.is_ok()).cloned().collect();
            let known: Vec<&RunSummary> =
                readable.iter().filter(|run| !value(&column, run).is_null()).collect();
            if !known.is_empty() {
                // Compared with what one of them has: each is smaller, equal or larger.
                let own = value(&column, known[of.index(known.len())]);
                let typed = match (&own, name) {
                    (Value::String(text), _) => text.clone(),
                    (Value::Bool(is), _) => is.to_string(),
                    (number, "gap") => (100.0 * number.as_f64().unwrap()).to_string(),
                    (number, _) => number.to_string(),
                };
                let equal = that_pass(&format!("={typed}"));
                let (less, more) = (that_pass(&format!("<{typed}")), that_pass(&format!(">{typed}")));
                let mut all = [less.clone(), equal.clone(), more.clone()].concat();
                all.sort();
                let mut expected: Vec<String> = known.iter().map(|run| run.id.clone()).collect();
                expected.sort();
                prop_assert_eq!(all, expected);
                let both = |a: &[String], b: &[String]| {
                    let mut both = [a, b].concat();
                    both.sort();
                    both
                };
                let sorted = |mut ids: Vec<String>| { ids.sort(); ids };
                prop_assert_eq!(sorted(that_pass(&format!("<={typed}"))), both(&less, &equal));
                prop_assert_eq!(sorted(that_pass(&format!(">={typed}"))), both(&more, &equal));
                let others = that_pass(&format!("!={typed}"));
                prop_assert_eq!(sorted(both(&others, &equal)), sorted(ids(&readable)));
            }

            let lines = table(&runs, &[columns::find("run").unwrap(), column]).lines();
            prop_assert_eq!(lines.len(), runs.len() + 1);
        }
    }
}

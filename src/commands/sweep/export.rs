//! All trials, for programs.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::status;
use crate::commands::answer;
use crate::error::Result;
use crate::headless::Output;
use crate::run::sweep::{Open, reason, runs};
use crate::search::Assigned;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// One row each
    Csv,
    /// One JSON object
    Json,
}

/// # Errors
/// `Io` when it cannot be written.
pub(super) fn export(open: &Open, format: Format, out: &mut Output) -> Result<()> {
    let study = open.study()?;
    if matches!(format, Format::Json) {
        let trials: Vec<Value> = study.trials.iter().map(status::trial).collect();
        return answer::print(out, json!({ "sweep": open.name, "trials": trials }));
    }
    let mut names: Vec<&str> = Vec::new();
    for parameter in study.trials.iter().flat_map(|trial| &trial.parameters) {
        if !names.contains(&&*parameter.name) {
            names.push(&parameter.name);
        }
    }
    names.sort_unstable();
    let objectives: Vec<String> = match &open.sweep {
        Some(sweep) => sweep.objectives.iter().map(|o| o.name.clone()).collect(),
        None => (1..=study.directions.len())
            .map(|nth| format!("value_{nth}"))
            .collect(),
    };
    let fixed = ["trial", "state"].map(String::from).into_iter();
    let last = ["epochs", "seconds", "runs", "reason"].map(String::from);
    let heading = fixed
        .chain(objectives.iter().cloned())
        .chain(names.iter().map(|name| (*name).to_owned()))
        .chain(last);
    let mut lines = vec![row(heading)];
    for trial in &study.trials {
        let mut cells = vec![trial.number.to_string(), trial.state.name().to_owned()];
        let value = |nth: usize| {
            trial
                .values
                .get(nth)
                .map_or_else(String::new, f64::to_string)
        };
        cells.extend((0..objectives.len()).map(value));
        cells.extend(
            names
                .iter()
                .map(|name| match trial.parameter(name).map(Assigned::value) {
                    None => String::new(),
                    Some(Value::String(text)) => text,
                    Some(other) => other.to_string(),
                }),
        );
        cells.push(
            trial
                .last_report()
                .map_or_else(String::new, |(step, _)| step.to_string()),
        );
        cells.push(
            trial
                .seconds()
                .map_or_else(String::new, |s| format!("{s:.3}")),
        );
        cells.push(runs(trial).join(" "));
        cells.push(reason(trial).unwrap_or_default().to_owned());
        lines.push(row(cells));
    }
    answer::print_csv(out, &lines)
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| answer::quoted(&cell))
        .collect();
    cells.join(",")
}

//! How sweeps stand.

use serde_json::{Value, json};

use crate::commands::answer;
use crate::error::Result;
use crate::headless::{Output, Table};
use crate::run::Workspace;
use crate::run::queue::scheduler;
use crate::run::sweep::{Open, Standing, owner, reason, runs, workers};
use crate::search::{State, Study, Trial, in_words, standing, waits_at};
use crate::text::{self, figure};

/// All sweeps, a line each.
///
/// # Errors
/// `Io` when it cannot be written; `Input` where the queue is damaged.
pub(super) fn all(workspace: &Workspace, is_json: bool, out: &mut Output) -> Result<()> {
    scheduler::ensure(workspace)?;
    let queued = workspace.queue()?.sweeps;
    let mut rows = Vec::new();
    for name in workspace.sweeps()? {
        let is_active = workers::is_active(workspace, &name)?;
        let open = workspace.open_sweep(&name);
        rows.push((name, is_active, open));
    }
    if is_json {
        let each = rows.iter().map(|(name, is_active, open)| match open {
            Ok(open) => summary(workspace, open, *is_active),
            Err(error) => json!({ "sweep": name, "status": "broken", "reason": error.to_string() }),
        });
        let each: Vec<Value> = each.collect();
        return answer::print(out, json!({ "sweeps": each }));
    }
    if rows.is_empty() {
        return out.line("no sweeps yet; docs/sweeps.md says how to begin one");
    }
    let mut table = Table::new(&["sweep", "status", ">trials", ">best", "objective"]);
    let mut problems = Vec::new();
    for (name, is_active, open) in &rows {
        match open {
            Ok(open) => {
                let study = open.study()?;
                table.row([
                    name.clone(),
                    open.standing(*is_active).name().into(),
                    format!("{}/{}", study.over().count(), open.budget()),
                    study
                        .best()
                        .map_or_else(String::new, |best| values(open, best)),
                    objectives(open).join(", "),
                ]);
            }
            Err(error) => {
                table.row([
                    name.clone(),
                    "broken".into(),
                    String::new(),
                    String::new(),
                    String::new(),
                ]);
                problems.push(format!("{name}: {error}"));
            }
        }
        let queued = queued.iter().filter(|sweep| sweep.name == *name);
        let problem = queued.map(|sweep| &sweep.problem);
        let problem = problem.filter(|problem| !problem.is_empty());
        problems.extend(problem.map(|problem| format!("{name}: {}", text::sanitize(problem))));
    }
    table.print(out)?;
    problems.iter().try_for_each(|problem| out.line(problem))
}

/// The trials of a sweep, the best first.
///
/// # Errors
/// `Io` when it cannot be written; `Input` where the queue is damaged.
pub(super) fn one(
    workspace: &Workspace,
    open: &Open,
    is_json: bool,
    out: &mut Output,
) -> Result<()> {
    scheduler::ensure(workspace)?;
    let study = open.study()?;
    let is_active = workers::is_active(workspace, &open.name)?;
    if is_json {
        let mut answer = summary(workspace, open, is_active);
        let trials: Vec<Value> = study.trials.iter().map(trial).collect();
        answer["trials"] = json!(trials);
        return answer::print(out, answer);
    }
    let (counts, stands) = (counts(study), open.standing(is_active));
    match open.sweep {
        Some(_) => out.line(format!(
            "{} is {}: {counts}, of {}",
            open.name,
            stands.in_a_sentence(),
            open.budget()
        ))?,
        None => out.line(format!("{}: {counts}", open.name))?,
    }
    if stands == Standing::NoWorker {
        out.line(format!(
            "trials are left: fmtui sweep continue {}",
            open.name
        ))?;
    }
    let workers = workers::alive(workspace, &open.name);
    if !workers.is_empty() {
        let number = text::count(workers.len(), "worker");
        out.line(format!("{number}: {}", workers.join(", ")))?;
    }
    if study.trials.is_empty() {
        return Ok(());
    }
    let direction = study.direction();
    let mut trials: Vec<&Trial> = study.trials.iter().collect();
    trials.sort_by(|one, two| {
        let rank = |trial: &Trial| match trial.state {
            State::Complete => 0,
            State::Running => 1,
            State::Pruned => 2,
            State::Waiting => 3,
            State::Failed => 4,
        };
        let loss = |trial: &Trial| {
            trial
                .newest()
                .map_or(f64::INFINITY, |value| direction.loss(value))
        };
        let order = rank(one).cmp(&rank(two));
        order.then(loss(one).total_cmp(&loss(two)))
    });
    let mut table = Table::new(&[">trial", "state", ">value", ">epoch", ">time", "parameters"]);
    for trial in trials {
        table.row([
            trial.number.to_string(),
            standing(trial),
            values(open, trial),
            trial
                .last_report()
                .map_or_else(String::new, |(step, _)| step.to_string()),
            trial.seconds().map_or_else(String::new, text::seconds),
            in_words(&trial.parameters),
        ]);
    }
    table.print(out)?;
    for trial in &study.trials {
        if let Some(why) = reason(trial) {
            out.line(format!(
                "trial {} failed: {}",
                trial.number,
                text::sanitize(why)
            ))?;
        }
    }
    Ok(())
}

/// How many trials are complete, and so on.
fn counts(study: &Study) -> String {
    let at_rung = study
        .trials
        .iter()
        .filter(|t| waits_at(t).is_some())
        .count();
    let of = |state: State| study.count(state);
    let counts = [
        (of(State::Complete), "complete"),
        (of(State::Pruned), "pruned"),
        (of(State::Failed), "failed"),
        (of(State::Running) - at_rung, "running"),
        (at_rung, "at a rung"),
        (of(State::Waiting), "waiting"),
    ];
    let counts = counts.iter().filter(|(number, _)| *number > 0);
    let counts: Vec<String> = counts
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    match counts.len() {
        0 => "no trial yet".into(),
        _ => counts.join(", "),
    }
}

/// A trial's values, or what it reported last.
fn values(open: &Open, trial: &Trial) -> String {
    let shown =
        |nth: usize, value: f64| match open.sweep.as_ref().and_then(|s| s.objectives.get(nth)) {
            Some(objective) => objective.text(value, 8),
            None => figure::loss(value, 9),
        };
    let values: Vec<String> = match trial.values.as_slice() {
        [] => trial
            .last_report()
            .into_iter()
            .map(|(_, value)| shown(0, value))
            .collect(),
        values => values
            .iter()
            .enumerate()
            .map(|(nth, value)| shown(nth, *value))
            .collect(),
    };
    values.join(", ")
}

fn objectives(open: &Open) -> Vec<String> {
    let own = open.sweep.as_ref();
    own.map_or_else(Vec::new, |sweep| {
        sweep.objectives.iter().map(|o| o.name.clone()).collect()
    })
}

fn summary(workspace: &Workspace, open: &Open, is_active: bool) -> Value {
    let Ok(study) = open.study() else {
        return json!({ "sweep": open.name, "status": "broken" });
    };
    json!({
        "sweep": open.name,
        "status": open.standing(is_active).name(),
        "objectives": objectives(open),
        "trials_over": study.over().count(),
        "budget": open.budget(),
        "workers": workers::alive(workspace, &open.name),
        "best": study.best().map(trial),
    })
}

/// A trial as JSON.
pub(super) fn trial(trial: &Trial) -> Value {
    let parameters: serde_json::Map<String, Value> = trial
        .parameters
        .iter()
        .map(|parameter| (parameter.name.to_string(), parameter.value()))
        .collect();
    json!({
        "number": trial.number,
        "state": trial.state.name(),
        "waits_at_rung": waits_at(trial).map(|rung| rung + 1),
        "values": trial.values,
        "parameters": parameters,
        "reports": trial.reports,
        "runs": runs(trial),
        "worker": Some(owner(trial)).filter(|owner| !owner.is_empty()),
        "reason": reason(trial),
        "seconds": trial.seconds(),
    })
}

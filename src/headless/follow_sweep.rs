//! Follows a sweep: a line for each trial that is over.

use std::time::Duration;

use super::notice;
use super::output::Output;
use crate::error::{Error, Result};
use crate::run::queue::scheduler;
use crate::run::signals::Watch;
use crate::run::sweep::{Open, reason, workers};
use crate::run::{GOES_ON, Workspace};
use crate::search::{Objective, State, Study, Trial, in_words};
use crate::text;

/// How often it is looked what has changed.
const LOOK: Duration = Duration::from_millis(300);

const DONE: u8 = 0;
const FAILED: u8 = 1;
const STOPPED: u8 = 3;

/// Prints a sweep's trials as they end, until it is over; Ctrl-C does `stop`. Gives the exit code.
///
/// # Errors
/// As reading the journal.
pub(crate) fn follow_sweep(
    workspace: &Workspace,
    mut open: Open,
    stop: &dyn Fn(&str) -> Result<()>,
    mut signals: Watch,
) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::compute("following the sweep", e))?;
    let mut out = Output::standard();
    let objectives = open.own()?.objectives.clone();
    let mut told: Vec<usize> = open.study()?.over().map(|trial| trial.number).collect();
    let mut is_stopping = false;
    loop {
        let ending = runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => None,
                ending = signals.next() => Some(ending),
            }
        });
        if let Some(ending) = ending {
            if is_stopping || ending.is_warning() {
                notice(format!("{} continues without this terminal", open.name));
                return Ok(GOES_ON);
            }
            is_stopping = true;
            stop(&open.name)?;
            notice("stopping; the trials that run are saved. Again: leave at once");
        }
        open.journal.refresh()?;
        let study = open.study()?;
        for trial in study.over() {
            if !told.contains(&trial.number) {
                told.push(trial.number);
                out.line(line(study, trial, &objectives))?;
            }
        }
        let active = workspace.queue()?.sweeps;
        match active.iter().find(|sweep| sweep.name == open.name) {
            // Workers elsewhere may see to it.
            None if workers::alive(workspace, &open.name).is_empty() => break,
            None => {}
            Some(sweep) if !sweep.problem.is_empty() => {
                let problem = text::sanitize(&sweep.problem);
                return Err(Error::input(
                    format!("sweep {}", open.name),
                    format!("does not continue: {problem}"),
                    "mend that, and it continues by itself",
                ));
            }
            Some(_) => scheduler::ensure(workspace)?,
        }
    }
    open.journal.refresh()?;
    if is_stopping {
        notice(format!(
            "stopped; continue with: fmtui sweep continue {}",
            open.name
        ));
        return Ok(STOPPED);
    }
    conclude(workspace, &open, &objectives, &mut out)
}

fn line(study: &Study, trial: &Trial, objectives: &[Objective]) -> String {
    let state = match (trial.state, trial.last_report()) {
        (State::Pruned, Some((epoch, _))) => format!("pruned at epoch {epoch}"),
        (State::Failed, _) => format!("failed: {}", reason(trial).unwrap_or("no reason is known")),
        (state, _) => state.name().into(),
    };
    let both = trial.values.iter().zip(objectives);
    let values: Vec<String> = both
        .map(|(value, objective)| objective.text(*value, 9))
        .collect();
    let is_best = study.best().map(|best| best.number) == Some(trial.number);
    let best = if is_best && objectives.len() == 1 {
        ", the best so far"
    } else {
        ""
    };
    let values = match values.len() {
        0 => String::new(),
        _ => format!(": {}", values.join(", ")),
    };
    format!(
        "trial {:>3} {state}{values}{best} · {}",
        trial.number,
        in_words(&trial.parameters)
    )
}

fn conclude(
    workspace: &Workspace,
    open: &Open,
    objectives: &[Objective],
    out: &mut Output,
) -> Result<u8> {
    let study = open.study()?;
    let Some(best) = study.best() else {
        notice("no trial is complete");
        return Ok(FAILED);
    };
    if objectives.len() > 1 {
        let front = study.pareto_front();
        out.line(format!(
            "Pareto front: {}",
            text::count(front.len(), "trial")
        ))?;
        for trial in front {
            out.line(line(study, trial, objectives))?;
        }
        return Ok(DONE);
    }
    let value = best
        .value()
        .map_or_else(String::new, |value| objectives[0].text(value, 9));
    out.line(format!(
        "best: trial {}, {} {value}",
        best.number, objectives[0].name
    ))?;
    let path = workspace.sweep_dir(&open.name).join("best.toml");
    notice(format!("its recipe: fmtui train {}", path.display()));
    Ok(DONE)
}

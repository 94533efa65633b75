//! `fmtui runs`: all runs, newest first.

use clap::Args;

use crate::error::Result;
use crate::headless::{Output, Table};
use crate::profile::{Measured, Profile, Subset};
use crate::run::{RunSummary, Workspace, comparison};
use crate::text::{self, figure};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object a run
    #[arg(long)]
    json: bool,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let runs = workspace.runs()?;
    let mut out = Output::standard();
    if arguments.json {
        for run in &runs {
            out.json(&json(run))?;
        }
        return Ok(0);
    }
    if runs.is_empty() {
        out.line(format!(
            "no run yet in {}; start one with: fmtui train lenet5",
            workspace.root.display()
        ))?;
        return Ok(0);
    }
    for line in table(&runs).lines() {
        out.line(line)?;
    }
    for run in &runs {
        let notes = run.profile.as_ref().map(comparison::notes);
        for note in notes.unwrap_or_default() {
            out.line(format!("{}: {note}", run.id))?;
        }
    }
    Ok(0)
}

fn table(runs: &[RunSummary]) -> Table {
    let mut table = Table::new(&[
        "run",
        "status",
        "architecture",
        "regime",
        "data",
        ">parameters",
        ">epochs",
        ">accuracy",
        "of",
        ">gap",
        ">F1",
        ">time",
    ]);
    for run in runs {
        match &run.profile {
            Ok(profile) => table.row(cells(run, profile)),
            Err(reason) => {
                let reason = text::ellipsis(reason, 100);
                table.row([run.id.clone(), "broken".into(), reason]);
            }
        }
    }
    table
}

fn cells(run: &RunSummary, profile: &Profile) -> [String; 12] {
    let none = || String::from("–");
    let result = profile.result.as_ref();
    let test = result.and_then(|r| r.test.as_ref());
    let accuracy = profile.accuracy();
    let of = |a: Measured| format!("{}, {}", a.subset.name(), a.weights.short(figure::ANY));
    [
        run.id.clone(),
        run.status.name().into(),
        profile.model.architecture.clone(),
        comparison::regime(profile),
        text::ellipsis(&profile.data.name, 24),
        result.map_or_else(none, |r| text::grouped(r.parameters)),
        format!("{}/{}", profile.history.len(), profile.train.epochs),
        accuracy.map_or_else(none, |a| figure::percent(a.accuracy, 2, figure::ANY)),
        accuracy.map_or_else(String::new, of),
        profile.standing().map_or_else(none, |s| {
            let to = if s.subset == Subset::Test {
                " to test"
            } else {
                ""
            };
            figure::signed(100.0 * s.gap(), 2, figure::ANY) + to
        }),
        test.map_or_else(none, |t| figure::fixed(t.macro_f1, 4, figure::ANY)),
        comparison::seconds(profile).map_or_else(none, text::seconds),
    ]
}

fn json(run: &RunSummary) -> serde_json::Value {
    match &run.profile {
        Err(reason) => serde_json::json!({ "id": run.id, "status": "broken", "reason": reason }),
        Ok(profile) => {
            let result = profile.result.as_ref();
            let test = result.and_then(|r| r.test.as_ref());
            serde_json::json!({
                "id": run.id,
                "status": run.status.name(),
                "name": profile.name,
                "architecture": profile.model.architecture,
                "regime": comparison::regime(profile),
                "pretrained": profile.model.pretrained,
                "data": profile.data.name,
                "started": profile.run.as_ref().map(|r| &r.started),
                "epochs_done": profile.history.len(),
                "epochs": profile.train.epochs,
                "parameters": result.map(|r| r.parameters),
                "trained_parameters": result.map(|r| r.trained_parameters),
                "held_out_accuracy": profile.history.last().map(|e| e.held_out_accuracy),
                "best_epoch": profile.best_epoch().map(|e| e.epoch),
                "accuracy": profile.accuracy().map(|a| a.accuracy),
                "accuracy_of": profile.accuracy().map(|a| a.subset.name()),
                "weights": profile.accuracy().map(|a| a.weights.short(figure::ANY)),
                "gap": profile.standing().map(|s| s.gap()),
                "notes": comparison::notes(profile),
                "test_accuracy": test.map(|t| t.accuracy),
                "test_macro_f1": test.map(|t| t.macro_f1),
                "seconds": comparison::seconds(profile),
                "weights_sha256": result.map(|r| &r.weights_sha256),
            })
        }
    }
}

//! `fmtui runs`: all runs, newest first.

use clap::Args;

use crate::error::Result;
use crate::headless::{Output, Table};
use crate::profile::Profile;
use crate::run::{RunSummary, Workspace, comparison};
use crate::text;

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
        ">last epoch",
        ">test",
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

fn cells(run: &RunSummary, profile: &Profile) -> [String; 11] {
    let none = || String::from("–");
    let result = profile.result.as_ref();
    let test = result.and_then(|r| r.test.as_ref());
    let share = |value: Option<f64>| value.map_or_else(none, |v| format!("{v:.4}"));
    [
        run.id.clone(),
        run.status.name().into(),
        profile.model.architecture.clone(),
        comparison::regime(profile),
        profile.data.name.clone(),
        result.map_or_else(none, |r| text::grouped(r.parameters)),
        format!("{}/{}", profile.history.len(), profile.train.epochs),
        share(profile.history.last().map(|e| e.held_out_accuracy)),
        share(test.map(|t| t.accuracy)),
        share(test.map(|t| t.macro_f1)),
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
                "test_accuracy": test.map(|t| t.accuracy),
                "test_macro_f1": test.map(|t| t.macro_f1),
                "seconds": comparison::seconds(profile),
                "weights_sha256": result.map(|r| &r.weights_sha256),
            })
        }
    }
}

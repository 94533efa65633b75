//! `fmtui runs`: all runs, newest first.

use clap::Args;

use super::answer;
use crate::error::Result;
use crate::headless::{Output, Table};
use crate::metrics::MACRO_F1;
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
            answer::print(&mut out, answer::run(run))?;
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
        let notes = run.profile.as_ref().map(|p| comparison::notes(p));
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
        "mode",
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
    let accuracy = profile.accuracy();
    let of = |a: Measured| format!("{}, {}", a.subset.name(), a.weights.short(figure::ANY));
    let untested = profile
        .untested()
        .map_or_else(String::new, |why| format!("; {why}"));
    [
        run.id.clone(),
        run.status.name().into(),
        profile.model.architecture.clone(),
        comparison::training_mode(profile),
        text::ellipsis(&profile.data.name, 24),
        result.map_or_else(none, |r| text::grouped(r.parameters)),
        format!("{}/{}", profile.epochs_done(), profile.train.epochs),
        accuracy.map_or_else(none, |a| figure::percent(a.accuracy, 2, figure::ANY)),
        accuracy.map_or_else(String::new, of) + &untested,
        profile.standing().map_or_else(none, |s| {
            let to = if s.subset == Subset::Test {
                " to test"
            } else {
                ""
            };
            figure::signed(100.0 * s.gap(), 2, figure::ANY) + to
        }),
        profile
            .known_scores()
            .map_or_else(none, |s| MACRO_F1.text(s, 2, figure::ANY)),
        comparison::seconds(profile).map_or_else(none, text::seconds),
    ]
}

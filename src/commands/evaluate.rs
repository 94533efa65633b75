//! `fmtui evaluate`: a run's network scored on another set, or another split of its own.

use clap::{Args, ValueEnum};

use super::download::Counted;
use super::{answer, complete, predict, scores};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::headless::{Output, notice};
use crate::metrics::Scores;
use crate::run::Workspace;
use crate::run::evaluation::{self, Evaluated, Matched};
use crate::run::prediction::Predictor;
use crate::text;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, or `last`
    #[arg(add = complete::run())]
    run: String,
    /// A data set [default: the run's own]
    #[arg(add = complete::set(), long, value_name = "NAME")]
    data: Option<String>,
    /// The split to score on
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    part: Split,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Split {
    Train,
    Validation,
    Test,
}

impl From<Split> for Part {
    fn from(split: Split) -> Self {
        match split {
            Split::Train => Self::Train,
            Split::Validation => Self::Validation,
            Split::Test => Self::Test,
        }
    }
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let mut predictor = predict::load(workspace, &arguments.run)?;
    predictor.notes.clear();
    let mut progress = Counted::new("images");
    let evaluated = evaluation::evaluate(
        workspace,
        &mut predictor,
        arguments.data.as_deref(),
        arguments.part.into(),
        &mut |done, all| progress.show(done, all),
    );
    progress.clear();
    let evaluated = evaluated?;
    for note in &predictor.notes {
        notice(format!("note: {note}"));
    }
    // First of all: whoever reads the output may have seen enough before its end.
    match evaluation::keep(workspace, &predictor.run, &evaluated) {
        Err(Error::Busy { .. }) => notice(format!(
            "note: not kept, as run {} is still being trained",
            predictor.run
        )),
        kept => kept?,
    }
    let mut out = Output::standard();
    if arguments.json {
        answer::print(&mut out, to_json(&predictor.run, &evaluated))?;
    } else {
        show(&predictor, &evaluated, &mut out)?;
    }
    Ok(0)
}

/// The keys of docs/cli.md.
pub(super) fn to_json(run: &str, evaluated: &Evaluated) -> serde_json::Value {
    let measured = evaluated.scores.as_ref();
    serde_json::json!({
        "run": run,
        "at": evaluated.at,
        "dataset": evaluated.data,
        "part": evaluated.part,
        "own_data": evaluated.is_own,
        "data_sha256": evaluated.data_sha256,
        "images": evaluated.images,
        "classes_by": evaluated.matched,
        "weights": evaluated.weights,
        "epoch": evaluated.epoch,
        "weights_sha256": evaluated.weights_sha256,
        "scores": answer::scores(measured),
        "confusion": measured.map(|scores| &scores.confusion),
        "per_class": measured.map(Scores::per_class),
    })
}

/// What was measured, in a line.
pub(super) fn title(evaluated: &Evaluated) -> String {
    let own = if evaluated.is_own {
        ", its own data"
    } else {
        ""
    };
    let by = match evaluated.matched {
        Matched::Names => "",
        Matched::Positions => ", classes by their order",
    };
    let epoch = evaluated
        .epoch
        .map_or_else(String::new, |epoch| format!(", of epoch {epoch}"));
    format!(
        "{} {}{own}: {}{by}, by the {} weights{epoch}",
        evaluated.data,
        evaluated.part,
        text::count(evaluated.images, "image"),
        evaluated.weights
    )
}

fn show(predictor: &Predictor, evaluated: &Evaluated, out: &mut Output) -> Result<()> {
    out.line(title(evaluated))?;
    scores::table(&[(&evaluated.part, &evaluated.scores)]).print(out)?;
    if let Some(measured) = &evaluated.scores {
        out.line("")?;
        scores::print_classes(measured, &predictor.input.classes, out)?;
    }
    Ok(())
}

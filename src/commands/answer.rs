//! What commands print with `--json`: objects with a format number, and runs by the same keys everywhere.

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::headless::Output;
use crate::metrics::{METRICS, Scores};
use crate::profile::Profile;
use crate::run::{RunSummary, comparison, group};
use crate::text::{self, figure};

/// The version of what is printed.
pub(super) const FORMAT: u32 = crate::profile::FORMAT;

/// Prints an object as a line of JSON, with its format.
///
/// # Errors
/// `Io` when it cannot be written.
pub(super) fn print(out: &mut Output, object: Value) -> Result<()> {
    let mut answer = Map::from_iter([("format".to_owned(), json!(FORMAT))]);
    if let Value::Object(fields) = object {
        answer.extend(fields);
    }
    out.json(&answer)
}

/// A value of comma-separated ones (RFC 4180): in quotes where it has a comma, a quote or a line's end.
#[must_use]
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Prints lines for programs: harmless, and UTF-8 whatever the locale.
///
/// # Errors
/// `Io` when they cannot be written.
pub(super) fn print_csv(out: &mut Output, lines: &[String]) -> Result<()> {
    let lines = lines.iter().map(|line| text::harmless(line) + "\n");
    out.bytes(lines.collect::<String>().as_bytes())
}

/// A run of the list; one that cannot be read has its id, the status `broken` and the reason.
#[must_use]
pub(super) fn run(run: &RunSummary) -> Value {
    match &run.profile {
        Ok(profile) => record(&run.id, run.status.name(), profile),
        Err(reason) => json!({ "run": run.id, "status": "broken", "reason": reason }),
    }
}

/// A run: what it is, how far it is, and its figures.
#[must_use]
pub(super) fn record(id: &str, status: &str, profile: &Profile) -> Value {
    let result = profile.result.as_ref();
    let (accuracy, standing) = (profile.accuracy(), profile.standing());
    json!({
        "run": id,
        "status": status,
        "name": profile.name,
        "architecture": profile.model.architecture,
        "training_mode": comparison::training_mode(profile),
        "pretrained": profile.model.pretrained,
        "dataset": profile.data.name,
        "started": profile.run.as_ref().map(|r| &r.started),
        "epochs": profile.train.epochs,
        "epochs_done": profile.epochs_done(),
        "best_epoch": profile.best_epoch().map(|e| e.epoch),
        "parameters": result.map(|r| r.parameters),
        "trained_parameters": result.map(|r| r.trained_parameters),
        "seconds": comparison::seconds(profile),
        "accuracy": accuracy.map(|a| a.accuracy),
        "accuracy_of": accuracy.map(|a| a.subset.name()),
        "accuracy_interval": comparison::accuracy_interval(profile).map(|i| [i.low, i.high]),
        "group": group::name_of(profile),
        "seed": profile.train.seed,
        "weights": profile.weights().map(|w| w.short(figure::ANY)),
        "train_accuracy": standing.map(|s| s.train),
        "held_out_accuracy": standing.map(|s| s.held_out),
        "held_out": standing.map(|s| s.subset.name()),
        "generalisation_gap": standing.map(|s| s.gap()),
        "train": scores(result.and_then(|r| r.train.as_ref())),
        "validation": scores(result.and_then(|r| r.validation.as_ref())),
        "test": scores(result.and_then(|r| r.test.as_ref())),
        "notes": comparison::notes(profile),
        "weights_sha256": result.map(|r| &r.weights_sha256),
    })
}

/// Every metric; null where nothing was measured.
pub(super) fn scores(scores: Option<&Scores>) -> Value {
    let Some(scores) = scores else {
        return Value::Null;
    };
    let figures = METRICS.iter();
    figures
        .map(|metric| (metric.key.to_owned(), json!((metric.of)(scores))))
        .collect()
}

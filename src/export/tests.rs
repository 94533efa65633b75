//! What is written is read back: from the record of a run of fmtui 0.1, which has no log, and from a log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::*;
use crate::event::{EpochEnd, Event, Stamped, Step};
use crate::metrics::{Confusion, METRICS, Scores};
use crate::profile::Profile;

#[test]
fn names_are_found_and_mean_one_format() {
    let names: BTreeSet<_> = FORMATS.iter().map(|f| f.name()).collect();
    assert_eq!(names.len(), FORMATS.len());
    for name in names {
        assert_eq!(format(name).map(Exporter::name), Some(name));
    }
    assert!(format("xlsx").is_none());
}

/// A workspace with the record of a run of fmtui 0.1.
struct Place {
    dir: tempfile::TempDir,
    id: String,
}

impl Place {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let record = fs::read_to_string(root.join("tests/support/run-0.1/record.toml")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let id = Profile::parse(&record, "record").unwrap().run.unwrap().id;
        let place = Self { dir, id };
        let workspace = place.workspace();
        fs::create_dir_all(workspace.profiles_dir()).unwrap();
        fs::create_dir_all(workspace.run_dir(&place.id)).unwrap();
        fs::write(workspace.profile_path(&place.id), record).unwrap();
        place
    }

    fn workspace(&self) -> Workspace {
        Workspace::at(self.dir.path())
    }

    fn write(&self, format: &str, weights: Option<Which>) -> Result<(String, Written)> {
        let source = Source {
            workspace: &self.workspace(),
            id: &self.id,
            weights,
        };
        let mut bytes = Vec::new();
        let written = super::format(format).unwrap().write(&source, &mut bytes)?;
        Ok((String::from_utf8(bytes).unwrap(), written))
    }
}

/// The cells of a CSV file by column, and how many rows it has.
fn table(csv: &str) -> (BTreeMap<&str, Vec<&str>>, usize) {
    let mut rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let head = rows.remove(0);
    assert!(rows.iter().all(|row| row.len() == head.len()), "{csv}");
    let column = |at: usize| rows.iter().map(|row| row[at]).collect();
    let columns = head
        .iter()
        .enumerate()
        .map(|(at, name)| (*name, column(at)));
    (columns.collect(), rows.len())
}

fn objects(jsonl: &str) -> Vec<serde_json::Value> {
    let object = |line| serde_json::from_str(line).unwrap();
    jsonl.lines().map(object).collect()
}

#[test]
fn a_history_comes_from_the_record_where_there_is_no_log() {
    let place = Place::new();
    let history = place.workspace().load(&place.id).unwrap().history;
    assert!(history.len() > 2);
    let (csv, _) = place.write("csv", None).unwrap();
    let (columns, rows) = table(&csv);
    let (jsonl, written) = place.write("jsonl", None).unwrap();
    let jsonl = objects(&jsonl);
    assert_eq!((rows, jsonl.len()), (history.len(), history.len()));
    assert_eq!(written.what, format!("{rows} epochs and 0 steps"));
    for (at, epoch) in history.iter().enumerate() {
        let numbers = [
            ("epoch", epoch.epoch as f64),
            ("train_loss", epoch.train_loss),
            ("held_out_accuracy", epoch.held_out_accuracy),
            ("seconds", epoch.seconds),
        ];
        for (name, number) in numbers {
            assert_eq!(columns[name][at].parse(), Ok(number), "{name}");
            assert_eq!(jsonl[at][name].as_f64(), Some(number), "{name}");
        }
        assert_eq!(jsonl[at]["kind"], "epoch");
        for unknown in ["step", "held_out_macro_f1", "best_epoch", "stale_epochs"] {
            assert_eq!(columns[unknown][at], "", "{unknown}");
        }
    }
    let refused = place.write("csv", Some(Which::Last)).unwrap_err();
    assert!(refused.to_string().contains("--last"), "{refused}");
}

fn counts() -> Confusion {
    Confusion {
        counts: vec![vec![3, 1], vec![0, 4]],
    }
}

#[test]
fn a_history_comes_from_the_log_to_the_last_bit() {
    let place = Place::new();
    // Seventeen digits, no number, none either, the smallest one, nearly the largest.
    let losses = [0.1 + 0.2, f64::NAN, f64::INFINITY, 5e-324, 1.797e308];
    let mut events = vec![Event::Step(Step {
        step: 90,
        loss: 2.0_f64.sqrt(),
        gradient_norm: f64::NAN,
        ..Step::default()
    })];
    events.extend(losses.iter().enumerate().map(|(at, loss)| {
        Event::EpochEnd(Box::new(EpochEnd {
            epoch: at + 1,
            train: Scores::running(*loss, 0.5),
            held_out: Scores::new(1.0 / 3.0, 8, counts()),
            ..EpochEnd::default()
        }))
    }));
    let log: String = events
        .into_iter()
        .map(|event| serde_json::to_string(&Stamped { at: 1.0, event }).unwrap() + "\n")
        .collect();
    fs::write(place.workspace().events_path(&place.id), log).unwrap();

    let (csv, written) = place.write("csv", None).unwrap();
    assert_eq!(written.what, "5 epochs");
    let (columns, rows) = table(&csv);
    let (jsonl, written) = place.write("jsonl", None).unwrap();
    assert_eq!(written.what, "5 epochs and 1 step");
    let jsonl = objects(&jsonl);
    assert_eq!((rows, jsonl.len()), (5, 6));
    assert_eq!(jsonl[0]["kind"], "step");
    assert_eq!(jsonl[0]["loss"].as_f64(), Some(2.0_f64.sqrt()));
    assert!(jsonl[0]["gradient_norm"].is_null());
    for (at, loss) in losses.into_iter().enumerate() {
        let finite = Some(loss).filter(|loss| loss.is_finite());
        assert_eq!(columns["train_loss"][at].parse().ok(), finite);
        assert_eq!(jsonl[at + 1]["train"]["loss"].as_f64(), finite);
        assert_eq!(columns["held_out_loss"][at].parse(), Ok(1.0 / 3.0));
        for metric in METRICS {
            let cell = columns[format!("held_out_{}", metric.key).as_str()][at];
            let figure = (metric.of)(&Scores::new(1.0 / 3.0, 8, counts()));
            assert_eq!(cell.parse(), Ok(figure), "{}", metric.key);
        }
        assert_eq!(jsonl[at + 1]["held_out"]["confusion"][0][0], 3);
    }
}

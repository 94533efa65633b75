//! The search held to Optuna: random studies that it wrote, with what it says of them (scripts/search_reference.py).

mod table;

use std::io::Read;

use serde_json::Value;

use super::journal::Journal;
use super::pruner::Median;
use super::study::{State, Study, Trial};

/// Each study as a journal, and what Optuna makes of it.
pub(super) fn studies() -> Vec<(Study, Value)> {
    let packed = include_bytes!("tests/optuna.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.log");
    let read = |mut one: Value| {
        std::fs::write(&path, one["journal"].as_str().unwrap()).unwrap();
        let journal = Journal::open(&path).unwrap();
        let study = journal.studies().next().unwrap().1.clone();
        (study, one["expected"].take())
    };
    all.into_iter().map(read).collect()
}

pub(super) fn assert_close(found: f64, expected: f64, of: &str) {
    let same = found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= 1e-6 * expected.abs().max(1e-3);
    assert!(same, "{of}: {found}, Optuna {expected}");
}

/// A number that Python wrote as `repr` does.
fn python(text: &str) -> f64 {
    match text {
        "nan" => f64::NAN,
        "inf" => f64::INFINITY,
        "-inf" => f64::NEG_INFINITY,
        number => number.parse().unwrap(),
    }
}

#[test]
fn optunas_journals_are_read() {
    for (study, expected) in studies() {
        let trials = expected["trials"].as_array().unwrap();
        assert_eq!(study.trials.len(), trials.len(), "{}", study.name);
        assert_eq!(study.user["of"]["a"][2], "x");
        for (trial, expected) in study.trials.iter().zip(trials) {
            let of = format!("{} trial {}", study.name, trial.number);
            let state = match trial.state {
                State::Running => "RUNNING",
                State::Complete => "COMPLETE",
                State::Pruned => "PRUNED",
                State::Failed => "FAIL",
                State::Waiting => "WAITING",
            };
            assert_eq!(expected["state"], state, "{of}");
            let value = match &expected["value"] {
                Value::String(odd) => Some(python(odd)),
                number => number.as_f64(),
            };
            assert_eq!(trial.value(), value, "{of}");
            let parameters = expected["params"].as_object().unwrap();
            assert_eq!(trial.parameters.len(), parameters.len(), "{of}");
            for (name, both) in parameters {
                let parameter = trial.parameter(name).unwrap();
                assert_eq!(both[0].as_f64(), Some(parameter.inside), "{of} {name}");
                let inside = parameter.distribution.inside(&both[1]);
                assert_eq!(inside, Some(parameter.inside), "{of} {name}");
                let value = parameter.value();
                let same = value == both[1] || value.as_f64() == both[1].as_f64();
                assert!(same, "{of} {name}: {value} {}", both[1]);
            }
            let reports = expected["reports"].as_array().unwrap();
            assert_eq!(trial.reports.len(), reports.len(), "{of}");
            for ((step, value), expected) in trial.reports.iter().zip(reports) {
                assert_eq!(expected[0], *step, "{of}");
                assert_close(*value, python(expected[1].as_str().unwrap()), &of);
            }
            match (trial.started, expected["started"].as_f64()) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-3, "{of}"),
                (found, expected) => assert_eq!(found, expected, "{of}"),
            }
        }
        let best = study.best().map(|trial| trial.number as u64);
        assert_eq!(best, expected["best"].as_u64(), "{}", study.name);
    }
}

#[test]
fn importance_is_optunas() {
    let mut compared = 0;
    for (study, expected) in studies() {
        let Some(expected) = expected["importance"].as_object() else {
            continue;
        };
        let found = super::importance::importance(&study).unwrap();
        assert_eq!(found.shares.len(), expected.len());
        for (name, share) in &found.shares {
            let of = format!("{} {name}", study.name);
            assert_close(*share, expected[&**name].as_f64().unwrap(), &of);
        }
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn the_median_pruner_is_optunas() {
    let mut given_up = 0;
    for (study, expected) in studies() {
        let number = |of: &Value| of.as_i64().unwrap();
        let median = Median {
            start_up: usize::try_from(number(&expected["pruner"][0])).unwrap(),
            warm_up: number(&expected["pruner"][1]),
        };
        // As the study was when each trial reported: trials came one after the other.
        let mut found = Vec::new();
        for trial in &study.trials {
            let mut before = study.clone();
            before.trials.truncate(trial.number);
            for so_far in 1..=trial.reports.len() {
                let mut now = Trial {
                    state: State::Running,
                    ..trial.clone()
                };
                now.reports.truncate(so_far);
                if median.gives_up(&before, &now) {
                    found.push((
                        i64::try_from(trial.number).unwrap(),
                        now.reports[so_far - 1].0,
                    ));
                }
            }
        }
        let expected = expected["given_up"].as_array().unwrap();
        let expected: Vec<(i64, i64)> = expected
            .iter()
            .map(|pair| (number(&pair[0]), number(&pair[1])))
            .collect();
        assert_eq!(found, expected, "{}", study.name);
        given_up += found.len();
    }
    assert!(given_up > 50, "{given_up}");
}

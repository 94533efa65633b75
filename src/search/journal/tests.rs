use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::search::distribution::{Distribution, Range};
use crate::search::study::{Assigned, State};

fn assigned(name: &str, inside: f64) -> Assigned {
    let range = Range {
        low: -1e9,
        high: 1e9,
        log: false,
        step: None,
        is_whole: false,
    };
    Assigned {
        name: name.into(),
        distribution: Arc::new(Distribution::Number(range)),
        inside,
    }
}

fn created(inside: f64) -> Operation {
    Operation::CreateTrial {
        state: State::Running,
        parameters: vec![assigned("rate", inside)],
        user: Vec::new(),
        system: vec![("fmtui:run".into(), json!("☃ \"quoted\"\n"))],
    }
}

/// A journal with a study.
fn journal(path: &Path) -> Journal {
    let mut journal = Journal::open(path).unwrap();
    let study = journal.edit(|edit| Ok(edit.create_study("s", &[Direction::Maximize])));
    assert_eq!(study.unwrap(), 0);
    journal
}

fn push(journal: &mut Journal, operations: &[Operation]) {
    let done = journal.edit(|edit| {
        for operation in operations {
            edit.push(0, operation);
        }
        Ok(())
    });
    done.unwrap();
}

#[test]
fn what_is_written_is_read_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a journal.log");
    let mut one = journal(&path);
    push(
        &mut one,
        &[
            created(0.1),
            Operation::Report {
                trial: 0,
                step: 2,
                value: f64::NAN,
            },
            Operation::Report {
                trial: 0,
                step: 1,
                value: f64::NEG_INFINITY,
            },
            Operation::Describe {
                trial: 0,
                attribute: ("why".into(), json!({"a": [1, null]})),
            },
            Operation::Mark {
                trial: 0,
                attribute: ("rung".into(), json!(0.5)),
            },
            Operation::SetState {
                trial: 0,
                state: State::Complete,
                values: vec![0.25],
            },
            // It is over.
            Operation::Report {
                trial: 0,
                step: 3,
                value: 1.0,
            },
        ],
    );
    let other = Journal::open(&path).unwrap();
    let (_, study) = other.study("s").unwrap();
    assert_eq!(one.study("s").unwrap().1.trials.len(), 1);
    let trial = &study.trials[0];
    assert_eq!(
        (trial.state, &trial.values[..]),
        (State::Complete, &[0.25][..])
    );
    assert_eq!(trial.reports[0], (1, f64::NEG_INFINITY));
    assert!(trial.reports[1].1.is_nan() && trial.reports.len() == 2);
    assert_eq!(trial.user["why"]["a"][0], 1);
    assert_eq!(trial.system["rung"], 0.5);
    assert_eq!(trial.system["fmtui:run"], "☃ \"quoted\"\n");
    let seconds = trial.ended.unwrap() - trial.started.unwrap();
    assert!((0.0..60.0).contains(&seconds));
    assert!(!path.with_extension("log.lock").exists());
    // Without the lock nothing of it is left.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_torn_line_is_cut_off_and_unknown_operations_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.log");
    let mut one = journal(&path);
    push(&mut one, &[created(1.0)]);
    let whole = fs::read(&path).unwrap();
    for torn in [
        &b"{\"op_code\":4,\"wor"[..],
        b"{",
        b"\xff\xfe",
        b"{\"op_code\":6,\"trial_id\":0,\"state\":3}",
    ] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(torn);
        fs::write(&path, &bytes).unwrap();
        let mut read = Journal::open(&path).unwrap();
        assert_eq!(read.study("s").unwrap().1.trials.len(), 1);
        push(&mut read, &[created(2.0)]);
        let study = Journal::open(&path).unwrap();
        let trials = &study.study("s").unwrap().1.trials;
        assert_eq!(trials.len(), 2);
        assert_eq!(trials[0].state, State::Running);
    }
    let mut bytes = whole.clone();
    bytes.extend_from_slice(b"{\"op_code\":10,\"worker_id\":\"r\",\"trial_ids\":[0]}\n{\"op_code\":99,\"worker_id\":\"r\"}\r\n");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(
        Journal::open(&path)
            .unwrap()
            .study("s")
            .unwrap()
            .1
            .trials
            .len(),
        1
    );
}

#[test]
fn what_is_no_journal_is_refused_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.log");
    drop(journal(&path));
    let whole = fs::read(&path).unwrap();
    for bad in [
        &b"hello\n"[..],
        b"\n",
        b"[]\n",
        b"{\"op_code\":\"x\"}\n",
        b"\xff\n",
    ] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(bad);
        fs::write(&path, &bytes).unwrap();
        let Err(error) = Journal::open(&path) else {
            panic!("{bad:?}")
        };
        let error = error.to_string();
        assert!(
            error.contains("line 2 of ") && error.contains("j.log"),
            "{error}"
        );
    }
    fs::write(&path, b"").unwrap();
    let mut read = Journal::open(&path).unwrap();
    assert_eq!(read.studies().count(), 0);
    fs::write(&path, &whole).unwrap();
    read.refresh().unwrap();
    fs::write(&path, b"").unwrap();
    let error = read.refresh().unwrap_err().to_string();
    assert!(error.contains("has become shorter"), "{error}");
}

#[test]
fn a_lock_that_nobody_releases_is_broken_and_a_held_one_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.log");
    let mut one = journal(&path);
    let held = Lock::take(&path).unwrap();
    let target = fs::read_link(dir.path().join("j.log.lock")).unwrap();
    assert_eq!(target, path);
    let waiter = std::thread::spawn(move || push(&mut one, &[created(1.0)]));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!waiter.is_finished());
    drop(held);
    waiter.join().unwrap();
    assert_eq!(
        Journal::open(&path)
            .unwrap()
            .study("s")
            .unwrap()
            .1
            .trials
            .len(),
        1
    );
}

#[test]
fn many_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.log");
    drop(journal(&path));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut journal = Journal::open(&path).unwrap().without_waiting();
                for nth in 0..50 {
                    let value = f64::from(writer * 50 + nth);
                    let trial = journal
                        .edit(|edit| {
                            edit.push(0, &created(value));
                            Ok(edit.next_trial())
                        })
                        .unwrap();
                    // The number that it was given is its own.
                    let study = journal.study("s").unwrap().1;
                    assert_eq!(study.trials[trial].inside("rate"), Some(value));
                    push(
                        &mut journal,
                        &[Operation::SetState {
                            trial,
                            state: State::Complete,
                            values: vec![value],
                        }],
                    );
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let journal = Journal::open(&path).unwrap();
    let mut values: Vec<f64> = journal
        .study("s")
        .unwrap()
        .1
        .trials
        .iter()
        .map(|t| t.values[0])
        .collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, (0..200).map(f64::from).collect::<Vec<_>>());
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let number = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        -1e3..1e3_f64
    ];
    let trial = 0..6_usize;
    let state = prop_oneof![
        Just(State::Running),
        Just(State::Complete),
        Just(State::Pruned),
        Just(State::Failed),
        Just(State::Waiting)
    ];
    let text = ".{0,12}";
    prop_oneof![
        (any::<f64>().prop_filter("finite", |v| v.is_finite())).prop_map(created),
        (trial.clone(), -3..9_i64, number.clone())
            .prop_map(|(trial, step, value)| Operation::Report { trial, step, value }),
        (
            trial.clone(),
            state,
            proptest::collection::vec(number, 0..3)
        )
            .prop_map(|(trial, state, values)| Operation::SetState {
                trial,
                state,
                values
            }),
        (trial.clone(), text, text).prop_map(|(trial, key, value)| Operation::Describe {
            trial,
            attribute: (key, json!(value)),
        }),
        (trial, text, any::<i32>()).prop_map(|(trial, key, value)| Operation::Mark {
            trial,
            attribute: (key, json!([value])),
        }),
        text.prop_map(|name| Operation::DescribeStudy {
            attribute: (name, json!(1))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In any pieces, whatever the operations are: a reader that follows, and one that comes late, see the same.
    #[test]
    fn followers_and_newcomers_agree(
        pieces in proptest::collection::vec(proptest::collection::vec(any_operation(), 1..6), 1..8)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j.log");
        let mut writer = journal(&path).without_waiting();
        let mut follower = Journal::open(&path).unwrap();
        for piece in &pieces {
            push(&mut writer, piece);
            follower.refresh().unwrap();
        }
        let newcomer = Journal::open(&path).unwrap();
        let of = |journal: &Journal| format!("{:?}", journal.study("s").unwrap());
        prop_assert_eq!(of(&writer), of(&newcomer));
        prop_assert_eq!(of(&follower), of(&newcomer));
    }
}

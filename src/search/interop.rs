//! The journal held to Optuna itself: what it makes of ours, and both writing at once.
//!
//! Needs a Python with Optuna, named by `FMTUI_TEST_OPTUNA` (scripts/optuna_env.sh makes one; several are separated by
//! colons). Without it the tests say that they are skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::journal::{Journal, Operation};
use super::pruner::{arrival, departure};
use super::sampler::Sampler;
use super::space::Space;
use super::space::tests::{choice, real, whole, written};
use super::study::{Direction, State};
use super::{Distribution, Range};

/// The Pythons with Optuna; none where the tests are skipped.
fn pythons() -> Vec<PathBuf> {
    let named = std::env::var_os("FMTUI_TEST_OPTUNA").unwrap_or_default();
    let found: Vec<PathBuf> = std::env::split_paths(&named)
        .filter(|path| path.exists())
        .collect();
    if found.is_empty() {
        eprintln!(
            "SKIPPED: no Python with Optuna in FMTUI_TEST_OPTUNA; scripts/optuna_env.sh makes one"
        );
    }
    found
}

fn python(python: &Path, arguments: &[&str], journal: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/search/tests/interop.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .arg(arguments[0])
        .arg(journal)
        .args(&arguments[1..]);
    command
}

/// What Optuna printed, a line of JSON each.
fn ask(with: &Path, arguments: &[&str], journal: &Path) -> Vec<Value> {
    let output = python(with, arguments, journal).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn space() -> Space {
    let momentum = Distribution::Number(Range {
        low: 0.0,
        high: 0.95,
        log: false,
        step: Some(0.05),
        is_whole: false,
    });
    Space::new(vec![
        written("optimizer", choice(&["sgd", "adam"]), &[]),
        written("rate", real(1e-5, 1.0, true), &[]),
        written("layers", whole(1.0, 5.0, false), &[]),
        written("momentum", momentum, &[("optimizer", &["sgd"])]),
    ])
    .unwrap()
}

fn begin(path: &Path) -> Journal {
    let mut journal = Journal::open(path).unwrap();
    let begun = journal.edit(|edit| {
        let study = edit.create_study("s", &[Direction::Minimize]);
        let about = |key: &str, value: Value| (key.to_owned(), value);
        edit.push(
            study,
            &Operation::DescribeStudy {
                attribute: about("fmtui:control", json!("running")),
            },
        );
        edit.push(
            study,
            &Operation::MarkStudy {
                attribute: about("study:metric_names", json!(["loss"])),
            },
        );
        Ok(())
    });
    begun.unwrap();
    journal
}

/// Asks for a trial and gives its id.
fn begin_trial(journal: &mut Journal, space: &Space, sampler: Sampler) -> usize {
    let asked = journal.edit(|edit| {
        let study = edit.journal().study("s").unwrap().1;
        let point = sampler
            .propose(space, study, 5, study.trials.len())?
            .unwrap();
        edit.push(
            0,
            &Operation::CreateTrial {
                state: State::Running,
                parameters: space.assign(&point),
                user: vec![("of".into(), json!("fmtui"))],
                system: vec![("fmtui:runs".into(), json!(["20261130-090000-s-0-0001"]))],
            },
        );
        Ok(edit.next_trial())
    });
    asked.unwrap()
}

fn push(journal: &mut Journal, operations: &[Operation]) {
    let pushed = journal.edit(|edit| {
        for operation in operations {
            edit.push(0, operation);
        }
        Ok(())
    });
    pushed.unwrap();
}

#[test]
fn optuna_reads_what_we_write_and_goes_on_with_it() {
    for with in pythons() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.log");
        let mut journal = begin(&path);
        let space = space();
        for nth in 0..16 {
            let trial = begin_trial(&mut journal, &space, Sampler::Random);
            let value = 1.0 + f64::from(nth) / 7.0;
            let report = |step, value| Operation::Report { trial, step, value };
            let end = |state, values| Operation::SetState {
                trial,
                state,
                values,
            };
            let marks =
                |of: [(String, Value); 2]| of.map(|attribute| Operation::Mark { trial, attribute });
            push(
                &mut journal,
                &[
                    report(1, value),
                    report(3, f64::NAN),
                    report(9, f64::INFINITY),
                ],
            );
            match nth % 4 {
                0 => push(&mut journal, &[end(State::Complete, vec![value])]),
                1 => {
                    push(&mut journal, &marks(arrival(0, value)));
                    push(&mut journal, &[end(State::Pruned, vec![value])]);
                }
                2 => {
                    let why = (
                        "fmtui:reason".to_owned(),
                        json!("loss became NaN at step 3; \"quoted\" ☃"),
                    );
                    push(
                        &mut journal,
                        &[
                            Operation::Describe {
                                trial,
                                attribute: why,
                            },
                            end(State::Failed, vec![]),
                        ],
                    );
                }
                _ => {
                    push(&mut journal, &marks(arrival(0, value)));
                    push(
                        &mut journal,
                        &[Operation::Mark {
                            trial,
                            attribute: departure(),
                        }],
                    );
                }
            }
        }
        let told = ask(&with, &["tell"], &path).remove(0);
        assert_eq!(told["directions"], json!(["MINIMIZE"]));
        assert_eq!(told["user"]["fmtui:control"], "running");
        assert_eq!(told["metrics"], json!(["loss"]));
        let own = journal.study("s").unwrap().1;
        let trials = told["trials"].as_array().unwrap();
        assert_eq!(trials.len(), own.trials.len());
        for (own, told) in own.trials.iter().zip(trials) {
            let state = match own.state {
                State::Complete => "COMPLETE",
                State::Pruned => "PRUNED",
                State::Failed => "FAIL",
                _ => "RUNNING",
            };
            assert_eq!(told["state"], state);
            let values = if own.values.is_empty() {
                Value::Null
            } else {
                json!(own.values)
            };
            assert_eq!(told["values"], values);
            let parameters: serde_json::Map<String, Value> = own
                .parameters
                .iter()
                .map(|p| (p.name.to_string(), p.value()))
                .collect();
            assert_eq!(told["params"], Value::Object(parameters));
            assert_eq!(
                told["reports"],
                json!([[1, own.reports[0].1], [3, "nan"], [9, "inf"]])
            );
            assert_eq!(told["user"], json!(own.user));
            assert_eq!(told["system"], json!(own.system));
            for (key, own) in [("started", own.started), ("ended", own.ended)] {
                let close = match (told[key].as_f64(), own) {
                    (Some(told), Some(own)) => (told - own).abs() < 1e-3,
                    (told, own) => told == own,
                };
                assert!(close, "{key}: {} {own:?}", told[key]);
            }
        }
        ask(&with, &["optimize", "6", "1"], &path);
        ask(&with, &["enqueue"], &path);
        journal.refresh().unwrap();
        let own = journal.study("s").unwrap().1;
        assert_eq!(own.trials.len(), 23);
        let theirs = &own.trials[16];
        assert_eq!((theirs.state, theirs.reports.len()), (State::Complete, 3));
        assert_eq!(own.trials[22].state, State::Waiting);
        assert_eq!(own.trials[22].system["fixed_params"]["rate"], 0.5);
        let best = own.best().unwrap().number;
        let analysed = ask(&with, &["analyse"], &path).remove(0);
        assert_eq!(analysed["best"], best);
        let names = analysed["params"].as_array().unwrap();
        assert!(
            names.contains(&json!("rate")) && names.len() >= 3,
            "{names:?}"
        );
    }
}

#[test]
fn two_of_ours_and_two_of_optunas_workers_lose_nothing() {
    const EACH: usize = 50;
    for with in pythons() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.log");
        drop(begin(&path));
        let each = EACH.to_string();
        let theirs: Vec<_> = ["1", "2"]
            .map(|seed| {
                let mut command = python(&with, &["optimize", &each, seed], &path);
                command.stderr(Stdio::piped()).spawn().unwrap()
            })
            .into();
        let ours: Vec<_> = (0..2)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || {
                    let (space, mut journal) = (space(), Journal::open(&path).unwrap());
                    for _ in 0..EACH {
                        let trial = begin_trial(&mut journal, &space, Sampler::Tpe);
                        let study = journal.study("s").unwrap().1;
                        let value = study.trials[trial].inside("rate").unwrap();
                        let report = Operation::Report {
                            trial,
                            step: 0,
                            value,
                        };
                        let end = Operation::SetState {
                            trial,
                            state: State::Complete,
                            values: vec![value],
                        };
                        push(&mut journal, &[report, end]);
                    }
                })
            })
            .collect();
        for worker in ours {
            worker.join().unwrap();
        }
        for worker in theirs {
            let output = worker.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let journal = Journal::open(&path).unwrap();
        let study = journal.study("s").unwrap().1;
        assert_eq!(
            (study.trials.len(), study.count(State::Complete)),
            (200, 200)
        );
        let is_ours = |t: &&super::study::Trial| t.user.contains_key("of");
        assert_eq!(study.trials.iter().filter(is_ours).count(), 100);
        for trial in &study.trials {
            assert!(
                trial.parameters.len() >= 3 && !trial.reports.is_empty(),
                "{trial:?}"
            );
        }
        let told = ask(&with, &["tell"], &path).remove(0);
        assert_eq!(told["trials"].as_array().unwrap().len(), 200);
    }
}

#[test]
fn the_dashboard_shows_our_study() {
    for with in pythons() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.log");
        let mut journal = begin(&path);
        for nth in 0..3 {
            let trial = begin_trial(&mut journal, &space(), Sampler::Random);
            let report = Operation::Report {
                trial,
                step: 1,
                value: 0.5,
            };
            let values = vec![f64::from(nth)];
            push(
                &mut journal,
                &[
                    report,
                    Operation::SetState {
                        trial,
                        state: State::Complete,
                        values,
                    },
                ],
            );
        }
        let has_dashboard = Command::new(&with)
            .args(["-c", "import optuna_dashboard"])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if !has_dashboard.success() {
            continue;
        }
        let pages = ask(&with, &["dashboard"], &path);
        assert_eq!(pages[0]["status"], "200 OK", "{pages:?}");
        assert_eq!(pages[0]["body"]["study_summaries"][0]["study_name"], "s");
        assert_eq!(pages[1]["status"], "200 OK", "{pages:?}");
        let trials = pages[1]["body"]["trials"].as_array().unwrap();
        assert_eq!(trials.len(), 3);
        assert_eq!(trials[1]["state"], "Complete");
    }
}

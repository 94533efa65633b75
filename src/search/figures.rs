//! How good the samplers are on functions of which Optuna's figures are known (scripts/search_figures.py).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::sampler::Sampler;
use super::space::tests::{choice, real, whole, written};
use super::space::{Space, Written};
use super::study::{Assigned, Direction, State, Study, Trial};

const TRIALS: usize = 100;

/// A function with its space.
struct Problem {
    name: &'static str,
    space: Space,
    loss: fn(&[Assigned]) -> f64,
}

fn value(parameters: &[Assigned], name: &str) -> f64 {
    let found = parameters.iter().find(|p| &*p.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).inside
}

fn branin(parameters: &[Assigned]) -> f64 {
    use std::f64::consts::PI;
    let [x, y] = ["x", "y"].map(|name| value(parameters, name));
    let valley = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    valley.powi(2) + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

fn hartmann6(parameters: &[Assigned]) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    let x: Vec<f64> = (0..6)
        .map(|i| value(parameters, &format!("x{i}")))
        .collect();
    -(0..4)
        .map(|row| {
            let sum: f64 = (0..6)
                .map(|i| A[row][i] * (x[i] - 1e-4 * P[row][i]).powi(2))
                .sum();
            ALPHA[row] * (-sum).exp()
        })
        .sum::<f64>()
}

/// As a search of networks is: logarithms, whole numbers, choices and what depends on them.
fn mixed(parameters: &[Assigned]) -> f64 {
    let of = |name: &str| value(parameters, name);
    let optimizer = of("opt");
    let batch = of("batch");
    let best = [-1.0, -3.0, -2.7][optimizer as usize] + 0.5 * (batch / 128.0).log10();
    let mut loss = (of("lr").log10() - best).powi(2);
    loss += if optimizer == 0.0 {
        2.0 * (of("momentum") - 0.9).powi(2) + 0.05
    } else {
        0.05 * (of("wd").log10() + 3.0).powi(2)
    };
    loss += if of("arch") == 1.0 {
        0.1 * (of("width").log2() - 6.0).powi(2) + (of("drop") - 0.25).powi(2)
    } else {
        0.05 * (of("hidden").log2() - 9.0).powi(2) + 0.3
    };
    loss + 0.02 * (batch.log2() - 7.0).powi(2)
}

fn problems() -> Vec<Problem> {
    let problem = |name, written: Vec<Written>, loss| Problem {
        name,
        space: Space::new(written).unwrap(),
        loss,
    };
    let unit = |i: usize| written(&format!("x{i}"), real(0.0, 1.0, false), &[]);
    vec![
        problem(
            "branin",
            vec![
                written("x", real(-5.0, 10.0, false), &[]),
                written("y", real(0.0, 15.0, false), &[]),
            ],
            branin,
        ),
        problem("hart6", (0..6).map(unit).collect(), hartmann6),
        problem(
            "mixed",
            vec![
                written("opt", choice(&["sgd", "adam", "adamw"]), &[]),
                written("lr", real(1e-5, 1.0, true), &[]),
                written("batch", whole(16.0, 1024.0, true), &[]),
                written("arch", choice(&["mlp", "cnn"]), &[]),
                written("momentum", real(0.0, 0.99, false), &[("opt", &["sgd"])]),
                written("wd", real(1e-6, 1e-1, true), &[("opt", &["adam", "adamw"])]),
                written("width", whole(8.0, 128.0, true), &[("arch", &["cnn"])]),
                written("drop", real(0.0, 0.7, false), &[("arch", &["cnn"])]),
                written("hidden", whole(32.0, 2048.0, true), &[("arch", &["mlp"])]),
            ],
            mixed,
        ),
    ]
}

/// The best value after each trial.
fn search(problem: &Problem, sampler: Sampler, seed: u64) -> Vec<f64> {
    let mut study = Study::new(problem.name, vec![Direction::Minimize]);
    let mut best = f64::INFINITY;
    let mut so_far = Vec::new();
    for number in 0..TRIALS {
        let point = sampler
            .propose(&problem.space, &study, seed, number)
            .unwrap();
        let parameters = problem.space.assign(&point.unwrap());
        let loss = (problem.loss)(&parameters);
        best = best.min(loss);
        so_far.push(best);
        study.trials.push(complete(number, loss, parameters));
    }
    so_far
}

pub(super) fn complete(number: usize, loss: f64, parameters: Vec<Assigned>) -> Trial {
    Trial {
        id: number,
        number,
        state: State::Complete,
        values: vec![loss],
        parameters,
        reports: Vec::new(),
        user: BTreeMap::new(),
        system: BTreeMap::new(),
        started: None,
        ended: None,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    f64::midpoint(values[(values.len() - 1) / 2], values[middle])
}

/// What Optuna's TPE reaches on the median is 0.42 and −3.23 (shared: 20 seeds); by chance 0.78 and −2.12.
#[test]
fn tpe_finds_what_chance_does_not() {
    for problem in problems() {
        let last = |sampler| {
            median(
                (0..20)
                    .map(|s| search(&problem, sampler, s)[TRIALS - 1])
                    .collect(),
            )
        };
        let (tpe, random) = (last(Sampler::Tpe), last(Sampler::Random));
        let limit = match problem.name {
            "branin" => 0.45,
            "hart6" => -3.0,
            _ => 0.09,
        };
        assert!(
            tpe <= limit && tpe < random,
            "{}: {tpe}, by chance {random}",
            problem.name
        );
    }
}

#[test]
#[ignore = "figures for scripts/search_figures.py, which sets FMTUI_FIGURES"]
fn figures() {
    let path = std::env::var("FMTUI_FIGURES").unwrap();
    let mut all = serde_json::Map::new();
    for problem in problems() {
        let of = |sampler| -> Value {
            let best = (0..100).map(|seed| {
                let so_far = search(&problem, sampler, seed);
                [24, 49, 99].map(|at| so_far[at])
            });
            json!(best.collect::<Vec<_>>())
        };
        let samplers = [Sampler::Random, Sampler::Sobol, Sampler::Tpe];
        let each = samplers.map(|sampler| (sampler.name().to_owned(), of(sampler)));
        all.insert(
            problem.name.into(),
            Value::Object(each.into_iter().collect()),
        );
    }
    std::fs::write(path, serde_json::to_vec(&all).unwrap()).unwrap();
}

/// What an ask and a tell take at 1,000 trials of 10 parameters, and opening 10,000 trials with 10 reports each.
#[test]
#[ignore = "a measurement, which prints"]
fn costs() {
    use std::time::Instant;

    use super::journal::{Journal, Operation};

    let space = Space::new(vec![
        written("a", real(1e-5, 1.0, true), &[]),
        written("b", real(0.0, 1.0, false), &[]),
        written("c", real(0.0, 1.0, false), &[]),
        written("d", real(1e-3, 1.0, true), &[]),
        written("e", whole(16.0, 1024.0, true), &[]),
        written("f", whole(1.0, 8.0, false), &[]),
        written("g", whole(0.0, 300.0, false), &[]),
        written("h", choice(&["1", "2", "3"]), &[]),
        written("i", choice(&["1", "2"]), &[]),
        written("j", real(0.0, 0.7, false), &[]),
    ])
    .unwrap();
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("j.log");
    let mut journal = Journal::open(&path).unwrap().without_waiting();
    let id = journal
        .edit(|edit| Ok(edit.create_study("s", &[Direction::Minimize])))
        .unwrap();
    let (mut times, mut asking) = (Vec::new(), Vec::new());
    for number in 0..1100 {
        let sampler = if number < 950 {
            Sampler::Random
        } else {
            Sampler::Tpe
        };
        let begun = Instant::now();
        let trial = journal
            .edit(|edit| {
                let study = edit.journal().study("s").unwrap().1;
                let asked = Instant::now();
                let point = sampler.propose(&space, study, 1, number)?.unwrap();
                asking.push(asked.elapsed().as_secs_f64() * 1e3);
                let parameters = space.assign(&point);
                edit.push(
                    id,
                    &Operation::CreateTrial {
                        state: State::Running,
                        parameters,
                        user: Vec::new(),
                        system: Vec::new(),
                    },
                );
                Ok(edit.next_trial())
            })
            .unwrap();
        let values = vec![
            journal.study("s").unwrap().1.trials[trial]
                .inside("b")
                .unwrap(),
        ];
        journal
            .edit(|edit| {
                edit.push(
                    id,
                    &Operation::SetState {
                        trial,
                        state: State::Complete,
                        values,
                    },
                );
                Ok(())
            })
            .unwrap();
        if number >= 1000 {
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    eprintln!(
        "ask and tell at 1,000 trials of 10 parameters: median {:.2} ms, {:.2} of them the sampler's",
        median(times),
        median(asking.split_off(1000))
    );

    let path = dir.path().join("large.log");
    let mut journal = Journal::open(&path).unwrap().without_waiting();
    let id = journal
        .edit(|edit| Ok(edit.create_study("s", &[Direction::Minimize])))
        .unwrap();
    let study = Study::new("s", vec![Direction::Minimize]);
    for block in 0..100 {
        journal
            .edit(|edit| {
                for trial in block * 100..(block + 1) * 100 {
                    let point = Sampler::Random.propose(&space, &study, 1, trial)?.unwrap();
                    edit.push(
                        id,
                        &Operation::CreateTrial {
                            state: State::Running,
                            parameters: Vec::new(),
                            user: Vec::new(),
                            system: Vec::new(),
                        },
                    );
                    for parameter in space.assign(&point) {
                        edit.push(id, &Operation::SetParameter { trial, parameter });
                    }
                    for step in 0..10 {
                        edit.push(
                            id,
                            &Operation::Report {
                                trial,
                                step,
                                value: 0.1,
                            },
                        );
                    }
                    let values = vec![0.5];
                    edit.push(
                        id,
                        &Operation::SetState {
                            trial,
                            state: State::Complete,
                            values,
                        },
                    );
                }
                Ok(())
            })
            .unwrap();
    }
    let bytes = std::fs::metadata(&path).unwrap().len();
    let times = (0..5).map(|_| {
        let begun = Instant::now();
        let read = Journal::open(&path).unwrap();
        assert_eq!(read.study("s").unwrap().1.trials.len(), 10_000);
        begun.elapsed().as_secs_f64()
    });
    eprintln!(
        "opening 10,000 trials of 10 parameters with 10 reports ({} MB): median {:.3} s",
        bytes / 1_000_000,
        median(times.collect())
    );
}

use super::*;
use crate::search::space::tests::{choice, real, whole, written};
use crate::search::study::{Direction, State, Trial};

/// A space with all kinds of parameters.
fn space() -> Space {
    Space::new(vec![
        written("optimizer", choice(&["sgd", "adam", "adamw"]), &[]),
        written("rate", real(1e-5, 1.0, true), &[]),
        written("batch", whole(16.0, 1024.0, true), &[]),
        written(
            "momentum",
            real(0.0, 0.99, false),
            &[("optimizer", &["sgd"])],
        ),
        written(
            "decay",
            real(1e-6, 0.1, true),
            &[("optimizer", &["adam", "adamw"])],
        ),
        written("layers", whole(1.0, 5.0, false), &[]),
        written("one", whole(3.0, 3.0, false), &[]),
    ])
    .unwrap()
}

/// A study whose trials a sampler has proposed one after the other.
fn study(sampler: Sampler, space: &Space, seed: u64, trials: usize) -> Study {
    let mut study = Study::new("a", vec![Direction::Minimize]);
    for number in 0..trials {
        let point = sampler.propose(space, &study, seed, number).unwrap();
        let parameters = space.assign(&point.unwrap());
        let value = |name| {
            let found: Option<&crate::search::Assigned> =
                parameters.iter().find(|p| &*p.name == name);
            found.map_or(0.0, |p| p.inside)
        };
        let loss = (value("rate").log10() + 3.0).powi(2) + value("optimizer") + value("layers");
        study.trials.push(Trial {
            id: number,
            number,
            state: State::Complete,
            values: vec![loss],
            parameters,
            reports: Vec::new(),
            user: std::collections::BTreeMap::new(),
            system: std::collections::BTreeMap::new(),
            started: None,
            ended: None,
        });
    }
    study
}

#[test]
fn proposals_lie_in_the_space_and_depend_on_seed_and_study_alone() {
    let space = space();
    for sampler in [Sampler::Random, Sampler::Sobol, Sampler::Tpe] {
        let one = study(sampler, &space, 7, 40);
        assert_eq!(one, study(sampler, &space, 7, 40));
        assert_ne!(one, study(sampler, &space, 8, 40), "{sampler:?}");
        for trial in &one.trials {
            let sgd = trial.inside("optimizer") == Some(0.0);
            assert_eq!(trial.inside("momentum").is_some(), sgd);
            assert_eq!(trial.inside("decay").is_some(), !sgd);
            assert_eq!(trial.inside("one"), Some(3.0));
            for parameter in &trial.parameters {
                let value = parameter.value();
                assert_eq!(
                    parameter.distribution.inside(&value),
                    Some(parameter.inside)
                );
            }
        }
    }
}

#[test]
fn sobol_covers_the_space_evenly() {
    let space = Space::new(vec![
        written("a", choice(&["1", "2", "3", "4"]), &[]),
        written("b", real(0.0, 1.0, false), &[]),
    ])
    .unwrap();
    for seed in 0..20 {
        let study = study(Sampler::Sobol, &space, seed, 16);
        let mut cells = vec![0; 16];
        for trial in &study.trials {
            let column = trial.inside("a").unwrap();
            let row = (4.0 * trial.inside("b").unwrap()).floor().min(3.0);
            cells[(4.0 * row + column) as usize] += 1;
        }
        assert_eq!(cells, [1; 16], "seed {seed}");
    }
}

#[test]
fn a_grid_has_every_combination_once() {
    let space = Space::new(vec![
        written("optimizer", choice(&["sgd", "adam"]), &[]),
        written(
            "momentum",
            choice(&["0", "0.9"]),
            &[("optimizer", &["sgd"])],
        ),
        written("layers", whole(1.0, 3.0, false), &[]),
    ])
    .unwrap();
    assert_eq!(grid_size(&space).unwrap(), 9);
    let study = Study::new("a", vec![Direction::Minimize]);
    let propose = |seed, number| Sampler::Grid.propose(&space, &study, seed, number).unwrap();
    let mut all: Vec<String> = (0..9)
        .map(|at| format!("{:?}", propose(3, at).unwrap()))
        .collect();
    assert_eq!(propose(3, 9), None);
    let other: Vec<String> = (0..9)
        .map(|at| format!("{:?}", propose(4, at).unwrap()))
        .collect();
    assert_ne!(all, other);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9);
    // What somebody has queued takes no combination's place, and is tried when all were, too.
    let mut queued = study.clone();
    for at in 0..3 {
        let mut trial = crate::search::figures::complete(at, 0.0, Vec::new());
        if at == 1 {
            trial
                .system
                .insert("fixed_params".into(), serde_json::json!({}));
        }
        queued.trials.push(trial);
    }
    let beside = |number| Sampler::Grid.propose(&space, &queued, 3, number).unwrap();
    assert_eq!(beside(2), propose(3, 1));
    assert_eq!(beside(9), propose(3, 8));
    assert_eq!(beside(10), None);
    assert!(beside(1).is_some());
    let endless = Space::new(vec![written("rate", real(0.0, 1.0, false), &[])]).unwrap();
    let error = grid_size(&endless).unwrap_err().to_string();
    assert!(error.contains("rate takes any number"), "{error}");
}

#[test]
fn the_densities_are_optunas() {
    use crate::search::tests::{assert_close, studies};
    let mut compared = 0;
    for (study, expected) in studies() {
        let split = &expected["split"];
        let numbers = |of: &serde_json::Value| -> Vec<usize> {
            let list = of.as_array().unwrap().iter();
            list.map(|n| n.as_u64().unwrap() as usize).collect()
        };
        let names: Vec<&str> = split["names"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        // Optuna split those that have all these parameters.
        let mut all = study.clone();
        all.trials
            .retain(|trial| names.iter().all(|name| trial.inside(name).is_some()));
        let (below, above) = super::tpe::split(&all);
        assert_eq!(below, numbers(&split["below"]), "{}", study.name);
        assert_eq!(above, numbers(&split["above"]), "{}", study.name);
        if all.trials.is_empty() {
            continue;
        }
        let of: Vec<crate::search::space::Written> = names
            .iter()
            .map(|name| {
                let parameter = all.trials[0].parameter(name).unwrap();
                written(name, (*parameter.distribution).clone(), &[])
            })
            .collect();
        let space = Space::new(of).unwrap();
        let points: Vec<Vec<f64>> = split["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| {
                let list = point.as_array().unwrap().iter();
                list.map(|v| v.as_f64().unwrap()).collect()
            })
            .collect();
        for (part, key) in [(below, "below_density"), (above, "above_density")] {
            let found = super::tpe::ln_density(&space, &all, &part, &points);
            for (found, expected) in found.iter().zip(split[key].as_array().unwrap()) {
                let expected = expected.as_f64().unwrap_or(f64::NEG_INFINITY);
                assert_close(*found, expected, &study.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

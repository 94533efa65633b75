//! Searches among 2,000 recipes of Fashion-MNIST that were trained once: what they find, and how many epochs they take.
//!
//! The table is made by `scripts/recipe_table.py`, which also has Optuna search it.

use std::collections::HashMap;
use std::io::Read;

use serde_json::{Value, json};

use crate::search::figures::complete;
use crate::search::pruner::{Asha, arrival, departure, waits_at};
use crate::search::sampler::Sampler;
use crate::search::space::Space;
use crate::search::space::tests::{choice, whole, written};
use crate::search::study::{Assigned, Direction, State, Study, Trial};

const TRIALS: usize = 100;
const SEEDS: u64 = 50;
const EPOCHS: usize = 9;

/// What a recipe came to.
struct Recipe {
    /// Validation accuracies after each epoch, as far as it came.
    curve: Vec<f64>,
    /// None where its loss was no number any more.
    value: Option<f64>,
}

struct Table {
    space: Space,
    /// By the values of the parameters that are used, in the order of the space.
    recipes: HashMap<Vec<i64>, Recipe>,
    best: f64,
}

impl Table {
    fn read() -> Self {
        let packed = include_bytes!("recipes.json.gz");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_string(&mut text)
            .unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let parameters = all["parameters"].as_array().unwrap().iter().map(|of| {
            let values = of["values"].as_array().unwrap();
            let distribution = if of["is_ordered"] == true {
                #[expect(clippy::cast_precision_loss, reason = "at most ten values")]
                whole(0.0, values.len() as f64 - 1.0, false)
            } else {
                let names: Vec<&str> = values.iter().map(|v| v.as_str().unwrap()).collect();
                choice(&names)
            };
            let when = of["when"].as_array().map(|pair| {
                let [key, value] = [0, 1].map(|at| pair[at].as_str().unwrap());
                (key, [value])
            });
            let when = when.as_ref().map(|(key, values)| (*key, &values[..]));
            written(of["name"].as_str().unwrap(), distribution, when.as_slice())
        });
        let space = Space::new(parameters.collect()).unwrap();
        let share = |images: &Value| images.as_f64().unwrap() / 1e4;
        let recipes: HashMap<Vec<i64>, Recipe> = all["recipes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let at = row["at"].as_object().unwrap();
                let of = |p: &crate::search::space::Parameter| at.get(&*p.name)?.as_i64();
                let key = space.parameters.iter().map(|p| of(p).unwrap_or(-1));
                let curve = row["curve"].as_array().unwrap().iter().map(share).collect();
                let value = Some(&row["value"]).filter(|v| !v.is_null()).map(share);
                (key.collect(), Recipe { curve, value })
            })
            .collect();
        let values = recipes.values().filter_map(|recipe| recipe.value);
        let best = values.fold(0.0, f64::max);
        Self {
            space,
            recipes,
            best,
        }
    }

    fn of(&self, parameters: &[Assigned]) -> &Recipe {
        let key = self.space.parameters.iter().map(|known| {
            let assigned = parameters.iter().find(|p| p.name == known.name);
            #[expect(clippy::cast_possible_truncation, reason = "a place in a list")]
            assigned.map_or(-1, |assigned| assigned.inside as i64)
        });
        &self.recipes[&key.collect::<Vec<i64>>()]
    }

    fn asked(&self, sampler: Sampler, study: &Study, seed: u64) -> Vec<Assigned> {
        let point = sampler.propose(&self.space, study, seed, study.trials.len());
        self.space.assign(&point.unwrap().unwrap())
    }

    /// How far the best of the trials is from the best of the table.
    fn regret(&self, study: &Study) -> f64 {
        let best = study.best().and_then(Trial::value).unwrap_or(0.0);
        self.best - best
    }

    /// The regret of a search of which each trial has all its epochs.
    fn search(&self, sampler: Sampler, seed: u64) -> f64 {
        let mut study = Study::new("table", vec![Direction::Maximize]);
        for number in 0..TRIALS {
            let parameters = self.asked(sampler, &study, seed);
            let value = self.of(&parameters).value;
            let mut trial = complete(number, value.unwrap_or(f64::NAN), parameters);
            if value.is_none() {
                trial.state = State::Failed;
                trial.values.clear();
            }
            study.trials.push(trial);
        }
        self.regret(&study)
    }

    /// The regret of a search with rungs, and its epochs: one worker, as [`crate::run::sweep`] has it.
    fn search_with_rungs(&self, sampler: Sampler, asha: Asha, seed: u64) -> (f64, usize) {
        let mut study = Study::new("table", vec![Direction::Maximize]);
        let rungs = asha.rungs();
        let mut epochs = 0;
        loop {
            let may_ask = study.trials.len() < TRIALS;
            let promoted = asha.promotable(&study, usize::from(!may_ask));
            let (number, next) = match promoted.map(|(trial, rung)| (trial.number, rung + 1)) {
                Some(found) => found,
                None if !may_ask => break,
                None => {
                    let number = study.trials.len();
                    let mut trial = complete(number, f64::NAN, self.asked(sampler, &study, seed));
                    trial.state = State::Running;
                    trial.values.clear();
                    study.trials.push(trial);
                    (number, 0)
                }
            };
            let trial = &mut study.trials[number];
            let recipe = self.of(&trial.parameters);
            let until = rungs
                .get(next)
                .map_or(EPOCHS, |rung| usize::try_from(*rung).unwrap());
            let gone = trial.reports.len();
            for (epoch, value) in recipe.curve.iter().enumerate().take(until).skip(gone) {
                epochs += 1;
                trial.report(i64::try_from(epoch).unwrap() + 1, *value);
            }
            trial.system.extend([departure()]);
            let is_broken = recipe.curve.len() < until;
            match (recipe.value, trial.last_report()) {
                (Some(value), _) if next == rungs.len() && !is_broken => {
                    trial.state = State::Complete;
                    trial.values = vec![value];
                }
                (_, Some((_, value))) if !is_broken => {
                    trial.system.extend(arrival(next, value));
                    assert_eq!(waits_at(trial), Some(next));
                }
                _ => trial.state = State::Failed,
            }
            for hopeless in asha
                .hopeless(&study, Some(TRIALS))
                .iter()
                .map(|t| t.number)
                .collect::<Vec<_>>()
            {
                study.trials[hopeless].state = State::Pruned;
            }
        }
        assert!(study.trials.iter().all(|trial| trial.state.is_over()));
        (self.regret(&study), epochs)
    }
}

fn mean(of: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few seeds")]
    let count = of.len() as f64;
    of.iter().sum::<f64>() / count
}

/// Regrets by chance, of TPE and of TPE with rungs; and the share of its epochs.
fn found(table: &Table) -> ([Vec<f64>; 3], f64) {
    let asha = Asha {
        first: 1,
        factor: 3,
        last: 9,
    };
    let of = |sampler| (0..SEEDS).map(|seed| table.search(sampler, seed)).collect();
    let with_rungs: Vec<(f64, usize)> = (0..SEEDS)
        .map(|seed| table.search_with_rungs(Sampler::Tpe, asha, seed))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "some thousand epochs")]
    let shares = with_rungs
        .iter()
        .map(|(_, epochs)| *epochs as f64 / (TRIALS * EPOCHS) as f64);
    let shares: Vec<f64> = shares.collect();
    let regrets = with_rungs.into_iter().map(|(regret, _)| regret).collect();
    (
        [of(Sampler::Random), of(Sampler::Tpe), regrets],
        mean(&shares),
    )
}

#[test]
fn rungs_save_two_thirds_and_find_as_much() {
    let table = Table::read();
    assert_eq!(table.recipes.len(), 2000);
    let (regrets, share) = found(&table);
    let [random, tpe, with_rungs] = regrets.map(|of| mean(&of));
    assert!(tpe < random, "{tpe}, by chance {random}");
    assert!(
        with_rungs <= tpe + 0.005,
        "{with_rungs}, without rungs {tpe}"
    );
    assert!(share <= 0.35, "{share}");
}

#[test]
#[ignore = "figures for scripts/recipe_table.py, which sets FMTUI_FIGURES"]
fn figures() {
    let path = std::env::var("FMTUI_FIGURES").unwrap();
    let (regrets, share) = found(&Table::read());
    let [random, tpe, with_rungs] = regrets;
    let all = json!({ "random": random, "tpe": tpe, "tpe+asha": with_rungs, "share": share });
    std::fs::write(path, all.to_string()).unwrap();
}

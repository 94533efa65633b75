//! The tree-structured Parzen estimator (Bergstra et al. 2011), multivariate, one group of parameters after the other.
//!
//! Trials are split into the best few and the rest; of points drawn where the best lie, the one is taken at which they
//! lie most densely compared with the rest. Trials that run count among the rest, so that two workers do not try the
//! same (constant liar).
//!
//! **Reference** `optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True)` of Optuna 5.0, whose
//! constants these are.

use std::sync::Arc;

use super::parzen::Parzen;
use super::random;
use crate::search::distribution::{Distribution, to_f64};
use crate::search::draws::Draws;
use crate::search::pruner;
use crate::search::space::{Point, Space};
use crate::search::study::{State, Study, Trial};

/// Trials by chance before the first by density.
const START_UP: usize = 10;

/// Points of which the best is taken.
const CANDIDATES: usize = 24;

/// The most trials that count as the best.
const MOST_BELOW: usize = 25;

/// The newest trials, which weigh the same; older ones weigh less and less.
const NEWEST: usize = 25;

pub(super) fn propose(space: &Space, study: &Study, seed: u64, number: usize) -> Point {
    let split = Split::of(study, number);
    if split.over < START_UP {
        return random(space, seed, number);
    }
    let mut draws = Draws::of(seed, number);
    let mut point = vec![None; space.parameters.len()];
    for group in space.groups() {
        if !space.is_used(group[0], &point) {
            continue;
        }
        let (single, searched): (Vec<usize>, Vec<usize>) = group
            .iter()
            .partition(|at| space.parameters[**at].distribution.is_single());
        for at in single {
            point[at] = Some(super::by_share(&space.parameters[at].distribution, 0.0));
        }
        if !searched.is_empty() {
            let best = best_candidate(space, &searched, &split, &mut draws);
            for (at, value) in searched.into_iter().zip(best) {
                point[at] = Some(value);
            }
        }
    }
    point
}

/// The density of some trials, which have all of some parameters.
fn density<'a>(space: &'a Space, searched: &[usize], trials: &[&Trial]) -> Parzen<'a> {
    let distributions: Vec<&Distribution> = searched
        .iter()
        .map(|at| &*space.parameters[*at].distribution)
        .collect();
    let seen = seen(space, searched, trials);
    let weights = weights(seen[0].len());
    Parzen::new(&distributions, &seen, &weights)
}

fn best_candidate(space: &Space, searched: &[usize], split: &Split, draws: &mut Draws) -> Vec<f64> {
    let below = density(space, searched, &split.below);
    let above = density(space, searched, &split.above);
    let candidates: Vec<Vec<f64>> = (0..CANDIDATES).map(|_| below.draw(draws)).collect();
    let gains: Vec<f64> = below
        .ln_density(&candidates)
        .iter()
        .zip(above.ln_density(&candidates))
        .map(|(below, above)| below - above)
        .collect();
    let mut best = 0;
    for (at, gain) in gains.iter().enumerate() {
        if *gain > gains[best] {
            best = at;
        }
    }
    candidates.into_iter().nth(best).unwrap_or_default()
}

/// The values of parameters in the trials that have them all.
fn seen(space: &Space, searched: &[usize], trials: &[&Trial]) -> Vec<Vec<f64>> {
    let mut seen = vec![Vec::with_capacity(trials.len()); searched.len()];
    let mut row = Vec::with_capacity(searched.len());
    // Where each parameter was in the trial before, and its distribution there: most trials share both.
    let mut before: Vec<Option<(usize, &Arc<Distribution>)>> = vec![None; searched.len()];
    for trial in trials {
        row.clear();
        row.extend(searched.iter().zip(&mut before).map_while(|(at, before)| {
            let parameter = &space.parameters[*at];
            let is_it = |place: usize| {
                let there = trial.parameters.get(place);
                there.is_some_and(|assigned| assigned.name == parameter.name)
            };
            let place = before
                .map(|(place, _)| place)
                .filter(|place| is_it(*place))
                .or_else(|| (0..trial.parameters.len()).find(|place| is_it(*place)))?;
            let assigned = &trial.parameters[place];
            let of = &assigned.distribution;
            let is_known = before.is_some_and(|(_, known)| Arc::ptr_eq(known, of));
            // A study that another program began may have had other choices.
            if !is_known && !of.agrees_with(&parameter.distribution) {
                return None;
            }
            *before = Some((place, of));
            Some(assigned.inside)
        }));
        if row.len() == searched.len() {
            for (column, value) in seen.iter_mut().zip(&row) {
                column.push(*value);
            }
        }
    }
    seen
}

/// The best trials and the rest, each in the order of their numbers.
struct Split<'a> {
    below: Vec<&'a Trial>,
    above: Vec<&'a Trial>,
    /// How many are over.
    over: usize,
}

impl<'a> Split<'a> {
    /// Of the trials of a study but the one with this number.
    fn of(study: &'a Study, number: usize) -> Self {
        let direction = study.direction();
        // Complete ones first, then those that came further before they were pruned; the lower the better.
        let mut over: Vec<(u8, i64, f64, &Trial)> = Vec::new();
        let mut running = Vec::new();
        for trial in study.trials.iter().filter(|trial| trial.number != number) {
            match trial.state {
                State::Complete => {
                    let loss = trial.value().map_or(f64::INFINITY, |v| direction.loss(v));
                    over.push((0, 0, loss, trial));
                }
                State::Pruned => over.push(pruned(trial, direction)),
                State::Running if pruner::waits_at(trial).is_some() => {
                    over.push(pruned(trial, direction));
                }
                State::Running => running.push(trial),
                State::Failed | State::Waiting => {}
            }
        }
        over.sort_by(|one, two| {
            (one.0, one.1)
                .cmp(&(two.0, two.1))
                .then(one.2.total_cmp(&two.2))
        });
        let count = over.len();
        let best = count.div_ceil(10).min(MOST_BELOW);
        let mut below: Vec<&Trial> = over.iter().take(best).map(|one| one.3).collect();
        let mut above: Vec<&Trial> = over.iter().skip(best).map(|one| one.3).collect();
        above.extend(running);
        below.sort_by_key(|trial| trial.number);
        above.sort_by_key(|trial| trial.number);
        Self {
            below,
            above,
            over: count,
        }
    }
}

fn pruned(trial: &Trial, direction: crate::search::study::Direction) -> (u8, i64, f64, &Trial) {
    match trial.last_report() {
        Some((step, value)) => (1, -step, direction.loss(value), trial),
        None => (1, 1, 0.0, trial),
    }
}

/// The weights of so many trials, the newest last.
fn weights(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(NEWEST);
    let ramp = |at: usize| {
        let first = 1.0 / to_f64(count as u64);
        match old {
            1 => first,
            _ => first + (1.0 - first) * to_f64(at as u64) / to_f64(old as u64 - 1),
        }
    };
    (0..count)
        .map(|at| if at < old { ramp(at) } else { 1.0 })
        .collect()
}

/// The numbers of the best trials and of the rest.
#[cfg(test)]
pub(super) fn split(study: &Study) -> (Vec<usize>, Vec<usize>) {
    let split = Split::of(study, usize::MAX);
    let numbers = |trials: &[&Trial]| trials.iter().map(|trial| trial.number).collect();
    (numbers(&split.below), numbers(&split.above))
}

/// The density of the trials with these numbers at points of a space of which all is used.
#[cfg(test)]
pub(super) fn ln_density(
    space: &Space,
    study: &Study,
    numbers: &[usize],
    points: &[Vec<f64>],
) -> Vec<f64> {
    let trials = study.trials.iter();
    let trials: Vec<&Trial> = trials.filter(|t| numbers.contains(&t.number)).collect();
    let all: Vec<usize> = (0..space.parameters.len()).collect();
    density(space, &all, &trials).ln_density(points)
}

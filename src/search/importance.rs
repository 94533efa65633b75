//! Which parameters decide whether a trial is among the best tenth: PED-ANOVA (Watanabe et al. 2023, with parameters
//! that are not always used as in Watanabe et al. 2026).
//!
//! Per parameter, the density of the best trials is held against that of all, both on a grid of at most 50 cells.
//!
//! **Reference** `optuna.importance.PedAnovaImportanceEvaluator` of Optuna 5.0

use std::sync::Arc;

use super::distribution::{Distribution, Range, index, to_f64};
use super::sampler::ln_mass;
use super::study::{State, Study, Trial};

/// The share of the trials that counts as the best.
const BEST: f64 = 0.1;

/// Fewer of the best say too little.
pub(crate) const ENOUGH: usize = 5;

const CELLS: usize = 50;

/// Fewer trials with a parameter's distribution are no density.
const LEAST: usize = 2;

/// What the parameters of a study matter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Importance {
    /// Their shares, which sum to 1, the largest first.
    pub shares: Vec<(Arc<str>, f64)>,
    /// How many trials are the best; of fewer than [`ENOUGH`] the shares are mostly chance.
    pub best: usize,
    /// Of how many.
    pub all: usize,
}

/// What the parameters of the complete trials matter for the first objective; none where there are fewer than two.
#[must_use]
pub(crate) fn importance(study: &Study) -> Option<Importance> {
    let direction = study.direction();
    let all: Vec<(&Trial, f64)> = study
        .trials
        .iter()
        .filter(|trial| trial.state == State::Complete)
        .filter_map(|trial| Some((trial, direction.loss(trial.value()?))))
        .filter(|(_, loss)| loss.is_finite())
        .collect();
    if all.len() < 2 {
        return None;
    }
    let mut losses: Vec<f64> = all.iter().map(|(_, loss)| *loss).collect();
    losses.sort_by(f64::total_cmp);
    let best = (1..=all.len()).find(|n| to_f64(*n as u64) >= BEST * to_f64(all.len() as u64));
    let limit = losses[best.unwrap_or(1) - 1];
    let is_best = |loss: f64| loss <= limit;
    let best = losses.iter().filter(|loss| is_best(**loss)).count();

    let mut names: Vec<Arc<str>> = Vec::new();
    for parameter in all.iter().flat_map(|(trial, _)| &trial.parameters) {
        if !names.contains(&parameter.name) {
            names.push(Arc::clone(&parameter.name));
        }
    }
    let share = |part: usize, of: usize| to_f64(part as u64) / to_f64(of as u64);
    let mut shares: Vec<(Arc<str>, f64)> = Vec::new();
    for name in names {
        let mut sum = 0.0;
        for (distribution, with) in regimes(&all, &name) {
            let inside = |best_only: bool| -> Vec<f64> {
                let used = with.iter().filter(|(_, loss)| !best_only || is_best(*loss));
                used.filter_map(|(trial, _)| trial.inside(&name)).collect()
            };
            let (top, every) = (inside(true), inside(false));
            if !top.is_empty() && !distribution.is_single() {
                let weight = share(top.len(), best).powi(2) / share(every.len(), all.len());
                sum += weight * divergence(&distribution, &top, &every);
            }
        }
        shares.push((name, sum));
    }
    let whole: f64 = shares.iter().map(|(_, share)| share).sum();
    let equal = 1.0 / to_f64(shares.len().max(1) as u64);
    for (_, share) in &mut shares {
        *share = if whole > 0.0 { *share / whole } else { equal };
    }
    shares.sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
    Some(Importance {
        shares,
        best,
        all: all.len(),
    })
}

type Judged<'a> = (&'a Trial, f64);

/// The trials that have a parameter, by its distribution.
fn regimes<'a>(all: &[Judged<'a>], name: &str) -> Vec<(Arc<Distribution>, Vec<Judged<'a>>)> {
    let mut regimes: Vec<(Arc<Distribution>, Vec<Judged<'a>>)> = Vec::new();
    for judged in all {
        let Some(parameter) = judged.0.parameter(name) else {
            continue;
        };
        match regimes
            .iter_mut()
            .find(|(of, _)| *of == parameter.distribution)
        {
            Some((_, with)) => with.push(*judged),
            None => regimes.push((Arc::clone(&parameter.distribution), vec![*judged])),
        }
    }
    regimes.retain(|(_, with)| with.len() >= LEAST);
    regimes
}

/// Pearson's divergence of the best from all.
fn divergence(distribution: &Distribution, best: &[f64], all: &[f64]) -> f64 {
    let density = |values: &[f64]| {
        let counts = counts(distribution, values);
        match distribution {
            Distribution::Number(_) => smooth(&counts),
            Distribution::Choice(_) => shares_of_choices(&counts),
        }
    };
    let (best, all) = (density(best), density(all));
    let both = best.iter().zip(&all);
    both.map(|(best, all)| {
        let (best, all) = (best + 1e-12, all + 1e-12);
        all * (best / all - 1.0).powi(2)
    })
    .sum()
}

/// How many values lie in each cell of the grid.
fn counts(distribution: &Distribution, values: &[f64]) -> Vec<u64> {
    let (cells, cell): (usize, Box<dyn Fn(f64) -> usize>) = match distribution {
        Distribution::Choice(choices) => {
            let last = choices.len() - 1;
            (
                choices.len(),
                Box::new(move |v| index(v).unwrap_or(0).min(last)),
            )
        }
        Distribution::Number(range) => {
            let cells = cells(range);
            let (low, high) = (range.on_axis(range.low), range.on_axis(range.high));
            let width = (high - low) / to_f64(cells as u64 - 1);
            let range = *range;
            let cell = move |value: f64| {
                // Halfway between two it is the lower one.
                let at = ((range.on_axis(value) - low) / width - 0.5).ceil();
                index(at.max(0.0)).unwrap_or(0).min(cells - 1)
            };
            (cells, Box::new(cell))
        }
    };
    let mut counts = vec![0; cells];
    for value in values {
        counts[cell(*value)] += 1;
    }
    counts
}

fn cells(range: &Range) -> usize {
    if range.is_whole && range.log {
        let doublings = (range.high - range.low + 1.0).log2().ceil();
        return index(doublings + 1.0).unwrap_or(CELLS).min(CELLS);
    }
    let count = range.count().and_then(|count| usize::try_from(count).ok());
    count.map_or(CELLS, |count| count.min(CELLS))
}

/// A smooth density over the cells: kernels as wide as Scott's rule says, and one over all.
fn smooth(counts: &[u64]) -> Vec<f64> {
    let seen: Vec<(f64, f64)> = (0_u64..)
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(cell, count)| (to_f64(cell), to_f64(*count)))
        .collect();
    let all: f64 = seen.iter().map(|(_, count)| count).sum();
    let mean = seen.iter().map(|(cell, count)| cell * count).sum::<f64>() / all;
    let squares: f64 = seen.iter().map(|(cell, n)| n * (cell - mean).powi(2)).sum();
    let deviation = (squares / (all - 1.0).max(1.0)).sqrt();
    let mut sum = 0.0;
    let upto: Vec<f64> = seen
        .iter()
        .map(|(_, count)| {
            sum += count;
            sum
        })
        .collect();
    let first = upto.partition_point(|upto| *upto < (all / 4.0).floor());
    let third = upto.partition_point(|upto| *upto <= (all * 3.0 / 4.0).floor());
    let spread = seen[third.min(seen.len() - 1)].0 - seen[first].0;
    let width = 1.059 * (spread / 1.34).min(deviation) * all.powf(-0.2);
    // 90 % of a kernel lie in its own cell at least.
    let width = width.max(0.5 / 1.64);

    let last = to_f64(counts.len() as u64 - 1);
    let even = (last / 2.0, last + 1.0, 1.0);
    let kernels = seen.iter().map(|(cell, count)| (*cell, width, *count));
    let kernels: Vec<(f64, f64, f64)> = kernels.chain([even]).collect();
    let mut density = vec![0.0; counts.len()];
    for (mean, width, weight) in kernels {
        let mass = |from: f64, to: f64| ln_mass((from - mean) / width, (to - mean) / width);
        let whole = mass(-0.5, last + 0.5);
        for (cell, density) in (0_u64..).zip(&mut density) {
            let cell = to_f64(cell);
            *density += weight / (all + 1.0) * (mass(cell - 0.5, cell + 0.5) - whole).exp();
        }
    }
    density
}

fn shares_of_choices(counts: &[u64]) -> Vec<f64> {
    let choices = to_f64(counts.len() as u64);
    let all: f64 = counts.iter().map(|count| to_f64(*count)).sum();
    let kernels = to_f64(counts.iter().filter(|count| **count > 0).count() as u64 + 1);
    let (prior, row) = (1.0 / kernels, 1.0 + choices / kernels);
    let of = |own: u64| {
        let own = to_f64(own);
        let seen = (own * (1.0 + prior) + (all - own) * prior) / row;
        (seen + 1.0 / choices) / (all + 1.0)
    };
    counts.iter().map(|count| of(*count)).collect()
}

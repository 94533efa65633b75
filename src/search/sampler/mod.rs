//! Samplers: what the next trial tries. Each is a pure function of the study, the seed and the trial's number.

mod grid;
mod normal;
mod parzen;
mod sobol;
mod tpe;

use super::distribution::Distribution;
use super::draws::Draws;
use super::space::{Point, Space};
use super::study::{FIXED, Study, Trial};
use crate::error::Result;

pub(crate) use grid::size as grid_size;
pub(super) use normal::ln_mass;

/// How points are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampler {
    /// Every combination once, in an order that the seed shuffles.
    Grid,
    Random,
    /// A scrambled Sobol sequence: as random, more even.
    Sobol,
    /// The tree-structured Parzen estimator.
    Tpe,
}

impl Sampler {
    pub(crate) const NAMES: [&str; 4] = ["grid", "random", "sobol", "tpe"];

    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Self::Grid, Self::Random, Self::Sobol, Self::Tpe];
        all.into_iter().find(|sampler| sampler.name() == name)
    }

    /// What the trial with this number tries; none where a grid is used up.
    ///
    /// # Errors
    /// `Input` when the space has no grid, or too many parameters for Sobol's sequence.
    pub(crate) fn propose(
        self,
        space: &Space,
        study: &Study,
        seed: u64,
        number: usize,
    ) -> Result<Option<Point>> {
        match self {
            Self::Grid => {
                // Trials whose values somebody gave take no combination's place.
                let is_given = |trial: &&Trial| trial.system.contains_key(FIXED);
                let earlier = study.trials.iter().take(number).filter(is_given).count();
                let is_own = study.trials.get(number).as_ref().is_some_and(is_given);
                grid::propose(space, seed, if is_own { 0 } else { number - earlier })
            }
            Self::Random => Ok(Some(random(space, seed, number))),
            Self::Sobol => sobol::propose(space, seed, number).map(Some),
            Self::Tpe => Ok(Some(tpe::propose(space, study, seed, number))),
        }
    }
}

/// A point by chance; each parameter's number is its own, whatever the others are.
fn random(space: &Space, seed: u64, number: usize) -> Point {
    let mut draws = Draws::of(seed, number);
    space.point(|_, distribution| by_share(distribution, draws.uniform()))
}

/// The value at a share of all values, each as likely as the others.
///
/// **Units** `share` in [0, 1).
fn by_share(distribution: &Distribution, share: f64) -> f64 {
    match distribution {
        Distribution::Number(range) => range.at(share),
        Distribution::Choice(choices) => {
            let count = super::distribution::to_f64(choices.len() as u64);
            (share * count).floor().min(count - 1.0).max(0.0)
        }
    }
}

#[cfg(test)]
mod tests;

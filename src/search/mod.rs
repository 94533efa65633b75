//! Hyperparameter search: a space, samplers that say what to try, pruners that say what to give up, and the journal
//! that Optuna reads. Knows no run, no terminal and no Candle.

mod distribution;
mod draws;
pub(crate) mod importance;
mod journal;
mod pruner;
mod sampler;
mod space;
mod study;
mod sweep;

#[cfg(test)]
pub(crate) use distribution::Range;
pub(crate) use distribution::{Distribution, index};
pub(crate) use journal::{Editor, Journal, Operation};
pub(crate) use pruner::{Asha, Pruner, arrival, departure, rung_key, standing, waits_at};
pub(crate) use sampler::{Sampler, grid_size};
pub(crate) use space::Point;
pub(crate) use study::{Assigned, Direction, FIXED, State, Study, Trial, short};
pub(crate) use sweep::{Objective, Sweep, in_words, untrainable};

#[cfg(test)]
mod tests;

#[cfg(test)]
mod figures;

#[cfg(test)]
mod interop;

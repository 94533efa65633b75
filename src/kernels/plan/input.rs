//! What a step is given: pictures, and what the network should say of them.

use std::ops::Range;

use super::Criterion;
use crate::kernels::targets::Targets;

/// A batch.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub pictures: Pictures<'a>,
    pub goal: Goal<'a>,
}

/// What a network should say of a batch.
#[derive(Clone, Copy, Default)]
pub struct Goal<'a> {
    /// **Shape** `[B]`.
    pub labels: &'a [u32],
    /// What the loss, cross-entropy then, goes by instead of the labels; those are [`Targets::labels`].
    pub targets: Option<&'a Targets>,
}

impl Goal<'_> {
    /// # Panics
    /// When the batch is empty or larger than `batch`, a label is no class, or there are targets of others or for another loss.
    pub(in crate::kernels) fn check(&self, batch: usize, classes: usize, criterion: Criterion) {
        let count = self.labels.len();
        assert!((1..=batch).contains(&count), "a batch of {count}");
        assert!(self.labels.iter().all(|l| (*l as usize) < classes));
        if let Some(targets) = self.targets {
            assert!(matches!(criterion, Criterion::CrossEntropy(_)));
            assert!(targets.classes() == classes && targets.labels() == self.labels);
        }
    }
}

/// Where pictures come from, a row each: `[B, C, H, W]`.
#[derive(Clone, Copy)]
pub enum Pictures<'a> {
    Rows(&'a [f32]),
    /// Writes the rows of some pictures; asked for by every member for its own.
    Gathered(&'a (dyn Fn(Range<usize>, &mut [f32]) + Sync)),
}

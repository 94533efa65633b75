//! What a step is given: images, and what the network should say of them.

use std::ops::Range;

use super::LossKind;
use crate::kernels::targets::Targets;

/// A batch.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub images: Images<'a>,
    pub goal: Goal<'a>,
}

/// What a network should say of a batch.
#[derive(Clone, Copy, Default)]
pub(crate) struct Goal<'a> {
    /// **Shape** `[B]`.
    pub labels: &'a [u32],
    /// What the loss, cross-entropy then, goes by instead of the labels; those are [`Targets::labels`].
    pub targets: Option<&'a Targets>,
}

impl Goal<'_> {
    /// # Panics
    /// When the batch is empty or larger than `batch`, a label is not a class, or there are targets of others or for
    /// another loss.
    pub(in crate::kernels) fn check(&self, batch: usize, classes: usize, criterion: LossKind) {
        let count = self.labels.len();
        assert!((1..=batch).contains(&count), "a batch of {count}");
        assert!(self.labels.iter().all(|l| (*l as usize) < classes));
        if let Some(targets) = self.targets {
            assert!(matches!(criterion, LossKind::CrossEntropy(_)));
            assert!(targets.classes() == classes && targets.labels() == self.labels);
        }
    }
}

/// Where images come from, a row each: `[B, C, H, W]`.
#[derive(Clone, Copy)]
pub(crate) enum Images<'a> {
    Rows(&'a [f32]),
    /// Writes the rows of some images; asked for by every member for its own.
    Gathered(&'a (dyn Fn(Range<usize>, &mut [f32]) + Sync)),
}

//! Moved by whole pixels, down or up and left or right.

use std::sync::Arc;

use super::pose::Pose;
use super::{Asked, Augmentation, Draw, Source};
use crate::profile::Augment;

/// **Units** pixels, at most.
#[derive(Debug)]
struct Shift(usize);

pub(super) fn of(settings: &Augment) -> Asked {
    (settings.shift > 0).then(|| Arc::new(Shift(settings.shift)) as _)
}

impl Augmentation for Shift {
    fn source(&self) -> Source {
        Source::Shared(1)
    }

    fn pose(&self, draw: Draw<'_>, pose: &mut Pose) {
        pose.down = shift(self.0, draw(0));
        pose.right = shift(self.0, draw(1));
    }
}

/// A whole number from −most to most.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "shifts are at most some dozens of pixels"
)]
fn shift(most: usize, uniform: f32) -> isize {
    let choices = (2 * most + 1) as f32;
    (uniform * choices) as isize - most as isize
}

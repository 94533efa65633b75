//! Mirrored, left for right.

use std::sync::Arc;

use super::pose::Pose;
use super::{Asked, Augmentation, Draw, Source};
use crate::profile::Augment;

/// With its probability.
#[derive(Debug)]
struct Flip(f32);

#[expect(
    clippy::cast_possible_truncation,
    reason = "probabilities are rounded to f32"
)]
pub(super) fn of(settings: &Augment) -> Asked {
    (settings.flip > 0.0).then(|| Arc::new(Flip(settings.flip as f32)) as _)
}

impl Augmentation for Flip {
    fn source(&self) -> Source {
        Source::Shared(0)
    }

    fn pose(&self, draw: Draw<'_>, pose: &mut Pose) {
        pose.mirrored = draw(0) < self.0;
    }
}

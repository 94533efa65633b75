//! Turned about the middle, either way.

use std::sync::Arc;

use super::pose::Pose;
use super::{Asked, Augmentation, Draw, Source};
use crate::profile::Augment;

/// **Units** radians, at most.
#[derive(Debug)]
struct Rotate(f32);

#[expect(clippy::cast_possible_truncation, reason = "angles are rounded to f32")]
pub(super) fn of(settings: &Augment) -> Asked {
    let most = (settings.rotate as f32).to_radians();
    (settings.rotate > 0.0).then(|| Arc::new(Rotate(most)) as _)
}

impl Augmentation for Rotate {
    fn source(&self) -> Source {
        Source::Shared(3)
    }

    fn pose(&self, draw: Draw<'_>, pose: &mut Pose) {
        pose.angle = (2.0 * draw(0) - 1.0) * self.0;
    }
}

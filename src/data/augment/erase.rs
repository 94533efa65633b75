//! Erased in part.

use std::sync::Arc;

use super::{Asked, Augmentation, Draw, Image, Source};
use crate::profile::Augment;

/// Share of an image that is erased, and height by width of what is: those of torchvision's `RandomErasing`.
const AREA: (f32, f32) = (0.02, 0.33);
const RATIO: (f32, f32) = (0.3, 3.3);

/// With its probability.
#[derive(Debug)]
struct Erase(f32);

#[expect(
    clippy::cast_possible_truncation,
    reason = "probabilities are rounded to f32"
)]
pub(super) fn of(settings: &Augment) -> Asked {
    (settings.erase > 0.0).then(|| Arc::new(Erase(settings.erase as f32)) as _)
}

impl Augmentation for Erase {
    fn source(&self) -> Source {
        Source::Shared(4)
    }

    fn paint(&self, draw: Draw<'_>, image: &mut Image<'_>) {
        if draw(0) < self.0 {
            erase([draw(1), draw(2), draw(3), draw(4)], image);
        }
    }
}

/// Blackens a rectangle (Zhong et al., "Random Erasing Data Augmentation", AAAI 2020).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sides of an image"
)]
fn erase(uniform: [f32; 4], image: &mut Image<'_>) {
    let (height, width) = (image.height, image.width);
    let between = |(low, high): (f32, f32), uniform: f32| low + (high - low) * uniform;
    let area = between(AREA, uniform[0]) * (height * width) as f32;
    let ratio = between((RATIO.0.ln(), RATIO.1.ln()), uniform[1]).exp();
    let side = |length: f32, most: usize| (length.round() as usize).clamp(1, most);
    let (rows, columns) = (
        side((area * ratio).sqrt(), height),
        side((area / ratio).sqrt(), width),
    );
    let start = |room: usize, uniform: f32| (uniform * (room + 1) as f32) as usize;
    let (top, left) = (
        start(height - rows, uniform[2]),
        start(width - columns, uniform[3]),
    );
    for plane in image.pixels.chunks_exact_mut(height * width) {
        for line in plane.chunks_exact_mut(width).skip(top).take(rows) {
            line[left..left + columns].fill(0);
        }
    }
}

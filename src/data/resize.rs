//! Bilinear resizing with taps worked out once: rows first across, then down.
//!
//! Reference: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`, without antialiasing:
//! half-pixel centres, `source = (target + ½)·in/out − ½`, not below 0, the last row and column repeated.

/// The two neighbours of a target position and the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// A resize from one size to another.
#[derive(Clone, Debug)]
pub struct Resize {
    source_width: usize,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
}

impl Resize {
    /// From `[height, width]` to `[new_height, new_width]`; none of them 0.
    #[must_use]
    pub fn new(height: usize, width: usize, new_height: usize, new_width: usize) -> Self {
        Self {
            source_width: width,
            columns: taps(width, new_width),
            rows: taps(height, new_height),
        }
    }

    /// Pixels of a resized picture.
    #[must_use]
    pub fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Resizes one picture.
    ///
    /// **Shape** `picture [height, width]`, `out [new_height, new_width]`; `scratch` is working space kept between calls.
    pub fn apply(&self, picture: &[f32], out: &mut [f32], scratch: &mut Vec<f32>) {
        let width = self.columns.len();
        scratch.resize(picture.len() / self.source_width * width, 0.0);
        for (row, wide) in picture
            .chunks_exact(self.source_width)
            .zip(scratch.chunks_exact_mut(width))
        {
            for (value, tap) in wide.iter_mut().zip(&self.columns) {
                *value = (1.0 - tap.weight) * row[tap.first] + tap.weight * row[tap.second];
            }
        }
        for (row, tap) in out.chunks_exact_mut(width).zip(&self.rows) {
            let first = &scratch[tap.first * width..][..width];
            let second = &scratch[tap.second * width..][..width];
            for ((value, a), b) in row.iter_mut().zip(first).zip(second) {
                *value = (1.0 - tap.weight) * a + tap.weight * b;
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of pictures are small, positions are not negative"
)]
fn taps(size: usize, new_size: usize) -> Vec<Tap> {
    // In f32, because PyTorch works the positions out in the tensor's type.
    let scale = size as f32 / new_size as f32;
    (0..new_size)
        .map(|target| {
            let position = (scale * (target as f32 + 0.5) - 0.5).max(0.0);
            let first = (position as usize).min(size - 1);
            Tap {
                first,
                second: (first + 1).min(size - 1),
                weight: (position - first as f32).clamp(0.0, 1.0),
            }
        })
        .collect()
}

//! Normalising pixel values: one mean and deviation for all, or each pixel by its own.
//!
//! Statistics are summed exactly or in fixed pieces, so that no number depends on how many threads there are.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "statistics are kept in f64 and end as f32"
)]

use rayon::prelude::*;

use super::Dataset;
use super::resize::{Resize, Scratch};
use super::statistics;
use crate::error::Result;

/// Pictures whose statistics are summed as one piece.
const PIECE: usize = 2048;

/// How values become normalised ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalization {
    /// One mean and deviation for all pixels.
    Uniform {
        mean: f32,
        std: f32,
        /// The same in bytes, for pictures that are not resized: subtracted, then multiplied.
        byte_mean: f32,
        byte_inverse: f32,
    },
    /// Each pixel by its own; in bytes without a resize, in 0–1 after one.
    PerPixel { mean: Vec<f32>, inverse: Vec<f32> },
}

impl Normalization {
    /// `(byte / 255 − mean) / std`, what torchvision's `ToTensor` and `Normalize` give, without their two divisions per pixel,
    /// so within rounding of them. A deviation of 0 counts as 1.
    #[must_use]
    pub fn uniform(mean: f64, std: f64) -> Self {
        let std = if std == 0.0 { 1.0 } else { std };
        Self::Uniform {
            mean: mean as f32,
            std: std as f32,
            byte_mean: (mean * 255.0) as f32,
            byte_inverse: (1.0 / (std * 255.0)) as f32,
        }
    }

    /// Reference: scikit-learn's `StandardScaler` on pixels in 0–1: the deviation divides by n, and where it is 0 it counts as 1.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn per_pixel(dataset: &Dataset, train: &[u32], resize: Option<&Resize>) -> Result<Self> {
        match resize {
            None => per_file_pixel(dataset, train),
            Some(resize) => per_resized_pixel(dataset, train, resize),
        }
    }

    /// Mean and standard deviation (of pixels in 0–1) where all pixels share them.
    #[must_use]
    pub fn mean_and_std(&self) -> Option<(f32, f32)> {
        match self {
            Self::Uniform { mean, std, .. } => Some((*mean, *std)),
            Self::PerPixel { .. } => None,
        }
    }

    /// Normalises a picture that is not resized.
    ///
    /// **Shape** `picture` and `out` alike.
    pub fn apply_to_bytes(&self, picture: &[u8], out: &mut [f32]) {
        match self {
            Self::Uniform {
                byte_mean,
                byte_inverse,
                ..
            } => {
                for (value, byte) in out.iter_mut().zip(picture) {
                    *value = (f32::from(*byte) - byte_mean) * byte_inverse;
                }
            }
            Self::PerPixel { mean, inverse } => {
                let statistics = mean.iter().zip(inverse);
                for ((value, byte), (mean, inverse)) in out.iter_mut().zip(picture).zip(statistics)
                {
                    *value = (f32::from(*byte) - mean) * inverse;
                }
            }
        }
    }

    /// Normalises a resized picture of numbers in 0–1 in place.
    pub fn apply(&self, plane: &mut [f32]) {
        match self {
            Self::Uniform { mean, std, .. } => {
                let inverse = 1.0 / std;
                for value in plane {
                    *value = (*value - mean) * inverse;
                }
            }
            Self::PerPixel { mean, inverse } => {
                for ((value, mean), inverse) in plane.iter_mut().zip(mean).zip(inverse) {
                    *value = (*value - mean) * inverse;
                }
            }
        }
    }
}

/// In bytes. Exact in integers, so that a constant pixel is seen as one.
fn per_file_pixel(dataset: &Dataset, train: &[u32]) -> Result<Normalization> {
    let [sum, squares] = statistics::pixel_sums(dataset, train)?;
    let n = train.len() as u128;
    let count = train.len().max(1) as f64;
    let (mean, inverse) = sum
        .iter()
        .zip(&squares)
        .map(|(sum, squares)| {
            let spread = n * u128::from(*squares) - u128::from(*sum) * u128::from(*sum);
            let std = (spread as f64).sqrt() / count;
            let unit = if std == 0.0 { 255.0 } else { std };
            ((*sum as f64 / count) as f32, (1.0 / unit) as f32)
        })
        .unzip();
    Ok(Normalization::PerPixel { mean, inverse })
}

/// Sums of differences from the first picture, so that a constant pixel has a deviation of exactly 0.
fn per_resized_pixel(dataset: &Dataset, train: &[u32], resize: &Resize) -> Result<Normalization> {
    let area = resize.area();
    let mut first = vec![0.0; area];
    if let Some(index) = train.first() {
        let picture = dataset.image(*index as usize)?;
        resize.apply_to_bytes(&picture, &mut first, &mut Scratch::default());
    }
    let pieces: Vec<[Vec<f64>; 2]> = train
        .par_chunks(PIECE)
        .map(|piece| {
            let mut sums = [vec![0.0; area], vec![0.0; area]];
            let (mut plane, mut scratch) = (vec![0.0; area], Scratch::default());
            for index in piece {
                let picture = dataset.image(*index as usize)?;
                resize.apply_to_bytes(&picture, &mut plane, &mut scratch);
                for (pixel, (value, start)) in plane.iter().zip(&first).enumerate() {
                    let difference = f64::from(*value) - f64::from(*start);
                    sums[0][pixel] += difference;
                    sums[1][pixel] += difference * difference;
                }
            }
            Ok(sums)
        })
        .collect::<Result<_>>()?;
    let count = train.len().max(1) as f64;
    let (mean, inverse) = (0..area)
        .map(|pixel| {
            let total = |k: usize| pieces.iter().map(|sums| sums[k][pixel]).sum::<f64>() / count;
            let mean = total(0);
            let std = (total(1) - mean * mean).max(0.0).sqrt();
            let unit = if std == 0.0 { 1.0 } else { std };
            ((f64::from(first[pixel]) + mean) as f32, (1.0 / unit) as f32)
        })
        .unzip();
    Ok(Normalization::PerPixel { mean, inverse })
}

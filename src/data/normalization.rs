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
use super::antialias::{self, Antialias};
use super::channels::Conversion;
use super::resize::{Resize, Scratch};
use super::statistics;
use crate::error::Result;

/// Images whose statistics are summed as one piece.
const PIECE: usize = 2048;

/// How values become normalised ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Normalization {
    /// A mean and deviation for each channel, or one for all.
    Channels(Vec<Affine>),
    /// For each channel, of values that are brought to 0–1 before, as torchvision does it in two steps.
    AfterUnit(Vec<(f32, f32)>),
    /// Each value by its own, plane after plane; in bytes where the images end as bytes, in 0–1 after [`Resize`].
    PerPixel { mean: Vec<f32>, inverse: Vec<f32> },
}

/// One mean and deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    mean: f32,
    std: f32,
    /// The same in bytes, for images that end as bytes: subtracted, then multiplied.
    byte_mean: f32,
    byte_inverse: f32,
}

impl Affine {
    /// `(byte / 255 − mean) / std`, what torchvision's `ToTensor` and `Normalize` give, without their two divisions per
    /// pixel, so within rounding of them. A deviation of 0 counts as 1.
    #[must_use]
    pub(crate) fn new(mean: f64, std: f64) -> Self {
        let std = if std == 0.0 { 1.0 } else { std };
        Self {
            mean: mean as f32,
            std: std as f32,
            byte_mean: (mean * 255.0) as f32,
            byte_inverse: (1.0 / (std * 255.0)) as f32,
        }
    }

    fn apply_to_bytes(self, plane: &[u8], out: &mut [f32]) {
        for (value, byte) in out.iter_mut().zip(plane) {
            *value = (f32::from(*byte) - self.byte_mean) * self.byte_inverse;
        }
    }

    fn apply(self, plane: &mut [f32]) {
        let inverse = 1.0 / self.std;
        for value in plane {
            *value = (*value - self.mean) * inverse;
        }
    }
}

impl Normalization {
    /// One mean and deviation for all channels.
    #[must_use]
    pub(crate) fn uniform(mean: f64, std: f64) -> Self {
        Self::Channels(vec![Affine::new(mean, std)])
    }

    /// Reference: scikit-learn's `StandardScaler` on pixels in 0–1: the deviation divides by n, and where it is 0 it
    /// counts as 1.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub(crate) fn per_pixel(
        dataset: &Dataset,
        conversion: Conversion,
        train: &[u32],
        resize: Option<&Resize>,
    ) -> Result<Self> {
        match resize {
            None => per_byte(conversion.to * dataset.pixels(), train, |index| {
                conversion.image(dataset, index)
            }),
            Some(resize) => per_resized_pixel(dataset, conversion, train, resize),
        }
    }

    /// [`per_pixel`](Self::per_pixel) of antialiased images.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub(crate) fn per_antialiased_pixel(
        dataset: &Dataset,
        conversion: Conversion,
        train: &[u32],
        resize: &Antialias,
    ) -> Result<Self> {
        per_byte(conversion.to * resize.area(), train, |index| {
            let image = conversion.image(dataset, index)?;
            let mut scratch = antialias::Scratch::default();
            let sides = dataset.size(index as usize);
            Ok(resize.fit(&image, sides, &mut scratch).to_vec())
        })
    }

    /// Whether every channel is treated alike.
    #[must_use]
    pub(crate) fn is_alike(&self) -> bool {
        match self {
            Self::Channels(each) => each.len() == 1,
            Self::AfterUnit(_) => false,
            Self::PerPixel { .. } => true,
        }
    }

    /// Normalises a plane of bytes of this channel.
    ///
    /// **Shape** `plane` and `out` alike.
    pub(crate) fn apply_to_bytes(&self, channel: usize, plane: &[u8], out: &mut [f32]) {
        match self {
            Self::Channels(each) => each[channel.min(each.len() - 1)].apply_to_bytes(plane, out),
            Self::AfterUnit(_) => {
                Affine::new(0.0, 1.0).apply_to_bytes(plane, out);
                self.apply(channel, out);
            }
            Self::PerPixel { mean, inverse } => {
                let skip = channel * plane.len();
                let statistics = mean.iter().zip(inverse).skip(skip);
                for ((value, byte), (mean, inverse)) in out.iter_mut().zip(plane).zip(statistics) {
                    *value = (f32::from(*byte) - mean) * inverse;
                }
            }
        }
    }

    /// Normalises a plane of numbers in 0–1 of this channel in place.
    pub(crate) fn apply(&self, channel: usize, plane: &mut [f32]) {
        match self {
            Self::Channels(each) => each[channel.min(each.len() - 1)].apply(plane),
            Self::AfterUnit(each) => {
                let (mean, std) = each[channel.min(each.len() - 1)];
                for value in plane {
                    *value = (*value - mean) / std;
                }
            }
            Self::PerPixel { mean, inverse } => {
                let skip = channel * plane.len();
                let statistics = mean.iter().zip(inverse).skip(skip);
                for (value, (mean, inverse)) in plane.iter_mut().zip(statistics) {
                    *value = (*value - mean) * inverse;
                }
            }
        }
    }
}

/// In bytes. Exact in integers, so that a constant pixel is seen as one.
fn per_byte(
    values: usize,
    train: &[u32],
    read: impl Fn(u32) -> Result<Vec<u8>> + Sync,
) -> Result<Normalization> {
    let [sum, squares] = statistics::pixel_sums(values, train, read)?;
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

/// Sums of differences from the first image, so that a constant pixel has a deviation of exactly 0.
fn per_resized_pixel(
    dataset: &Dataset,
    conversion: Conversion,
    train: &[u32],
    resize: &Resize,
) -> Result<Normalization> {
    let plane = resize.area();
    let area = conversion.to * plane;
    let resized = |index: u32, out: &mut [f32], scratch: &mut Scratch| -> Result<()> {
        let image = conversion.image(dataset, index)?;
        let planes = image.chunks_exact(image.len() / conversion.to);
        for (bytes, out) in planes.zip(out.chunks_exact_mut(plane)) {
            resize.fit(bytes, dataset.size(index as usize), out, scratch);
        }
        Ok(())
    };
    let mut first = vec![0.0; area];
    if let Some(index) = train.first() {
        resized(*index, &mut first, &mut Scratch::default())?;
    }
    let pieces: Vec<[Vec<f64>; 2]> = train
        .par_chunks(PIECE)
        .map(|piece| {
            let mut sums = [vec![0.0; area], vec![0.0; area]];
            let (mut plane, mut scratch) = (vec![0.0; area], Scratch::default());
            for index in piece {
                resized(*index, &mut plane, &mut scratch)?;
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

//! What there is to say about images: brightness, histogram, how many of each class, what each class looks like on
//! average.
//!
//! Sums are exact integers, so no figure depends on the number of threads. Draws nothing.
#![expect(
    clippy::cast_precision_loss,
    reason = "sums of bytes and counts are far below 2^53"
)]

use rayon::prelude::*;

use super::channels::Conversion;
use super::resize::{Resize, Scratch};
use super::{Dataset, Examples};
use crate::error::Result;

/// Images that one thread sums at a time.
const PIECE: usize = 1024;

/// Figures about the pixels of one or many images. Values as in the profile: 0–1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PixelStatistics {
    pub mean: f64,
    /// Over all pixels (dividing by their number).
    pub std: f64,
    /// **Units** bytes, 0–255.
    pub min: u8,
    /// **Units** bytes, 0–255.
    pub max: u8,
    /// Share of pixels that are 0.
    pub zero_share: f64,
}

impl PixelStatistics {
    /// Of some pixels, such as one image's.
    #[must_use]
    pub(crate) fn of(pixels: &[u8]) -> Self {
        Self::from_histogram(&histogram(pixels))
    }

    /// Of each channel of an image.
    ///
    /// **Shape** `image [channels, height, width]`.
    #[must_use]
    pub(crate) fn of_channels(image: &[u8], channels: usize) -> Vec<Self> {
        let plane = image.len() / channels.max(1);
        (0..channels.max(1))
            .map(|channel| Self::of(&image[channel * plane..(channel + 1) * plane]))
            .collect()
    }

    /// Of each channel of converted images with these pooled indices.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub(crate) fn of_converted(
        dataset: &Dataset,
        conversion: Conversion,
        indices: &[u32],
    ) -> Result<Vec<Self>> {
        let zero = || vec![[0; 256]; conversion.to];
        let total = indices
            .par_chunks(PIECE)
            .map(|piece| {
                let mut counts = zero();
                for index in piece {
                    let image = conversion.image(dataset, *index)?;
                    let planes = image.chunks_exact((image.len() / conversion.to).max(1));
                    for (counts, plane) in counts.iter_mut().zip(planes) {
                        count(plane, counts);
                    }
                }
                Ok(counts)
            })
            .try_reduce(zero, |mut total, counts| {
                let pairs = total.iter_mut().flatten().zip(counts.iter().flatten());
                pairs.for_each(|(a, b)| *a += b);
                Ok(total)
            })?;
        Ok(total.iter().map(Self::from_histogram).collect())
    }

    /// Of pixels counted by value.
    #[must_use]
    pub(crate) fn from_histogram(counts: &[u64; 256]) -> Self {
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return Self::default();
        }
        let weighted = |power: u32| -> u128 {
            (0u128..)
                .zip(counts)
                .map(|(value, count)| value.pow(power) * u128::from(*count))
                .sum()
        };
        let (sum, squares) = (weighted(1), weighted(2));
        let n = u128::from(total);
        let position = |index: Option<usize>| index.and_then(|i| u8::try_from(i).ok());
        Self {
            mean: sum as f64 / (255.0 * n as f64),
            std: ((n * squares - sum * sum) as f64).sqrt() / (255.0 * n as f64),
            min: position(counts.iter().position(|c| *c > 0)).unwrap_or(0),
            max: position(counts.iter().rposition(|c| *c > 0)).unwrap_or(0),
            zero_share: counts[0] as f64 / total as f64,
        }
    }
}

/// How often each value occurs.
#[must_use]
pub(crate) fn histogram(pixels: &[u8]) -> [u64; 256] {
    let mut counts = [0; 256];
    count(pixels, &mut counts);
    counts
}

fn count(pixels: &[u8], counts: &mut [u64; 256]) {
    for pixel in pixels {
        counts[usize::from(*pixel)] += 1;
    }
}

/// Images of each class.
///
/// **Shape** `[classes]`.
#[must_use]
pub(crate) fn class_counts(labels: impl Iterator<Item = u16>, classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    for label in labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    counts
}

/// The longest side of a class's mean image.
const MEAN_SIDE: usize = 64;

/// Height and width of the mean images of a set's classes: those of its images, as far as they are small.
#[must_use]
pub(crate) fn mean_size(dataset: &Dataset) -> (usize, usize) {
    let longest = dataset.height.max(dataset.width).max(MEAN_SIDE);
    let side = |side: usize| (side * MEAN_SIDE).div_ceil(longest);
    (side(dataset.height), side(dataset.width))
}

/// The mean of some images of each class, black for a class without them; images of another size are scaled. A colour
/// counts as much as it is opaque.
///
/// **Shape** `[classes]` of `[channels, height, width]` u8, rounded.
///
/// # Errors
/// `Io` or `Input` when an image cannot be read.
pub(crate) fn class_means(
    examples: &Examples,
    images: impl Iterator<Item = usize>,
    classes: usize,
    channels: usize,
    (height, width): (usize, usize),
) -> Result<Vec<Vec<u8>>> {
    let plane = height * width;
    let mut sums = vec![vec![0u64; channels * plane]; classes];
    let mut counts = vec![0; classes];
    for index in images {
        let label = usize::from(examples.labels[index]);
        let Some(sums) = sums.get_mut(label) else {
            continue;
        };
        counts[label] += 1;
        let size = examples.images.size(index);
        let mut image = vec![0; channels * size.0 * size.1];
        examples.images.read(index, &mut image)?;
        if size != (height, width) {
            image = scaled(&image, size, (height, width));
        }
        let (colors, opacity) = image.split_at(channels.min(3) * plane);
        for (at, value) in colors.iter().enumerate() {
            let weight = opacity.get(at % plane).map_or(1, |o| u64::from(*o));
            sums[at] += u64::from(*value) * weight;
        }
        for (sum, value) in sums[colors.len()..].iter_mut().zip(opacity) {
            *sum += u64::from(*value);
        }
    }
    let mean = |sum: u64, weight: u64| {
        let weight = weight.max(1);
        u8::try_from((sum + weight / 2) / weight).unwrap_or(u8::MAX)
    };
    let means = sums.iter().zip(counts);
    Ok(means
        .map(|(sums, count)| {
            let (colors, opacity) = sums.split_at(channels.min(3) * plane);
            let of_color = |(at, sum): (usize, &u64)| {
                mean(*sum, opacity.get(at % plane).copied().unwrap_or(count))
            };
            let colors = colors.iter().enumerate().map(of_color);
            colors
                .chain(opacity.iter().map(|sum| mean(*sum, count)))
                .collect()
        })
        .collect())
}

/// **Shape** `image [channels, height, width]`, gives `[channels, new_height, new_width]`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 255"
)]
fn scaled(image: &[u8], (height, width): (usize, usize), new: (usize, usize)) -> Vec<u8> {
    let resize = Resize::new(height, width, new.0, new.1);
    let mut plane = vec![0.0; resize.area()];
    let mut scratch = Scratch::default();
    let planes = image.chunks((height * width).max(1));
    planes
        .flat_map(|bytes| {
            resize.apply_to_bytes(bytes, &mut plane, &mut scratch);
            let byte = |value: &f32| (value * 255.0).round() as u8;
            plane.iter().map(byte).collect::<Vec<u8>>()
        })
        .collect()
}

/// How bright a colour looks, in the unit of its parts.
///
/// **Reference**: ITU-R BT.601, luma.
#[must_use]
pub(crate) fn luma([r, g, b]: [f64; 3]) -> f64 {
    (299.0 * r + 587.0 * g + 114.0 * b) / 1000.0
}

/// A letter for each channel of an image with so many.
#[must_use]
pub(crate) fn channel_names(channels: usize) -> &'static [&'static str] {
    match channels {
        3 => &["R", "G", "B"],
        4 => &["R", "G", "B", "A"],
        _ => &["grey"],
    }
}

/// Sum and sum of squares of each of `values` bytes over the images that `read` gives for these pooled indices.
///
/// **Shape** both `[values]`.
///
/// # Errors
/// As `read`.
pub(crate) fn pixel_sums(
    values: usize,
    indices: &[u32],
    read: impl Fn(u32) -> Result<Vec<u8>> + Sync,
) -> Result<[Vec<u64>; 2]> {
    let zero = || [vec![0; values], vec![0; values]];
    indices
        .par_chunks(PIECE)
        .map(|piece| {
            let [mut sum, mut squares] = zero();
            for index in piece {
                let pixels = read(*index)?;
                for ((sum, squares), value) in sum.iter_mut().zip(&mut squares).zip(pixels) {
                    let value = u64::from(value);
                    *sum += value;
                    *squares += value * value;
                }
            }
            Ok([sum, squares])
        })
        .try_reduce(zero, |mut total, part| {
            for (total, part) in total.iter_mut().zip(part) {
                for (a, b) in total.iter_mut().zip(part) {
                    *a += b;
                }
            }
            Ok(total)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InMemory, mini};
    use crate::profile::Background;

    #[test]
    fn figures_of_a_few_pixels() {
        let statistics = PixelStatistics::of(&[0, 0, 255, 51]);
        assert!((statistics.mean - 0.3).abs() < 1e-12);
        // numpy: np.std([0, 0, 1, 0.2]) = 0.4123105625617661
        assert!((statistics.std - 0.412_310_562_561_766_1).abs() < 1e-12);
        assert_eq!((statistics.min, statistics.max), (0, 255));
        assert!((statistics.zero_share - 0.5).abs() < 1e-12);
        assert_eq!(PixelStatistics::of(&[]), PixelStatistics::default());
        assert_eq!(histogram(&[3, 3, 7])[3], 2);
        let channels = PixelStatistics::of_channels(&[0, 255, 51, 51, 0, 0], 3);
        assert_eq!(channels[0], PixelStatistics::of(&[0, 255]));
        assert_eq!((channels[1].mean, channels[1].std), (0.2, 0.0));
        assert_eq!((channels[2].max, channels.len()), (0, 3));
    }

    #[test]
    fn classes_are_counted_and_averaged() {
        let images = InMemory {
            pixels: vec![0, 10, 1, 11, 200, 100],
            channels: 1,
            height: 1,
            width: 2,
        };
        let examples = Examples::in_memory(images, vec![0, 0, 2]);
        assert_eq!(class_counts(examples.labels.iter().copied(), 3), [2, 0, 1]);
        assert_eq!(
            class_means(&examples, 0..3, 3, 1, (1, 2)).unwrap(),
            [vec![1, 11], vec![0, 0], vec![200, 100]]
        );
        // Scaled to one pixel, which is the mean of two.
        assert_eq!(
            class_means(&examples, 0..3, 3, 1, (1, 1)).unwrap(),
            [vec![6], vec![0], vec![150]]
        );
    }

    #[test]
    fn a_mean_colour_is_that_of_what_is_opaque() {
        let images = InMemory {
            pixels: vec![200, 100, 0, 255, 50, 20, 10, 85, 9, 9, 9, 0],
            channels: 4,
            height: 1,
            width: 1,
        };
        let examples = Examples::in_memory(images, vec![0, 0, 1]);
        let means = class_means(&examples, 0..examples.len(), 2, 4, (1, 1)).unwrap();
        // (3·200 + 50) / 4, (3·100 + 20) / 4, 10 / 4, (255 + 85) / 2
        assert_eq!(means, [vec![163, 80, 3, 170], vec![0, 0, 0, 0]]);
    }

    #[test]
    fn mean_images_are_small() {
        let mut dataset = mini::load().unwrap();
        assert_eq!(mean_size(&dataset), (28, 28));
        (dataset.height, dataset.width) = (375, 500);
        assert_eq!(mean_size(&dataset), (48, 64));
        (dataset.height, dataset.width) = (0, 0);
        assert_eq!(mean_size(&dataset), (0, 0));
    }

    #[test]
    fn sums_over_indices_agree_with_the_histogram() {
        let dataset = mini::load().unwrap();
        let indices: Vec<u32> = (0..2500).step_by(3).collect();
        let grey = Conversion::new(1, 1, Background::White);
        let read = |index| grey.image(&dataset, index);
        let [sum, squares] = pixel_sums(784, &indices, read).unwrap();
        let statistics = PixelStatistics::of_converted(&dataset, grey, &indices).unwrap();
        let [statistics] = statistics[..] else {
            panic!("one channel")
        };
        let n = (indices.len() * 784) as f64;
        let mean = sum.iter().sum::<u64>() as f64 / n;
        let square = squares.iter().sum::<u64>() as f64 / n;
        assert!((statistics.mean * 255.0 - mean).abs() < 1e-9);
        assert!((statistics.std * 255.0 - (square - mean * mean).sqrt()).abs() < 1e-9);
    }
}

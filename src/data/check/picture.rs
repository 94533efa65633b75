//! What an image is known again by: a digest of its pixels, a perceptual hash, and how far two images differ.
//!
//! Grey stored as colour is grey here, and what is not opaque lies over white, so that a copy in another kind of file
//! is a copy.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes, sums of bytes and values from 0 to 255"
)]

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::data::channels::Conversion;
use crate::data::decode::Picture;
use crate::profile::Background;

/// The side of the image that the perceptual hash is taken of. **Units** pixels.
const SIDE: usize = 32;

/// Frequencies of the hash in each direction.
const BITS: usize = 8;

/// The longest side at which two images are compared. **Units** pixels.
const COMPARED: usize = 32;

/// How much the ratios of the sides of two images may differ that are compared.
const RATIO: f64 = 0.05;

/// A deviation of the grey values below which an image is nearly blank. **Units** of 255.
const BLANK: f32 = 4.0;

/// What is kept of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    /// As in its file.
    pub channels: u8,
    pub height: u32,
    pub width: u32,
    pub is_grey: bool,
    pub fill: Fill,
    /// The beginning of the SHA-256 of size and pixels.
    pub digest: [u8; 16],
    pub hash: u64,
    /// **Shape** `[8, 8]`.
    pub thumbnail: [u8; BITS * BITS],
    /// Of each of three channels, in 0–1: the mean, and that of the squares.
    pub means: [f32; 3],
    pub squares: [f32; 3],
}

/// How much there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Full,
    NearlyBlank,
    /// All pixels are the same.
    Constant,
}

/// An image without what its kind of file adds to it: 1 or 3 channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    height: usize,
    width: usize,
    /// One or three planes of `height` × `width`.
    planes: Vec<Vec<u8>>,
}

impl Plain {
    pub(super) fn new(picture: &Picture) -> Self {
        let (height, width) = (picture.height, picture.width);
        let area = (height * width).max(1);
        let mut pixels = picture.pixels.clone();
        Conversion::new(picture.channels, 3, Background::White).apply(&mut pixels);
        let mut planes: Vec<Vec<u8>> = pixels.chunks_exact(area).map(<[u8]>::to_vec).collect();
        if planes.windows(2).all(|pair| pair[0] == pair[1]) {
            planes.truncate(1);
        }
        Self {
            height,
            width,
            planes,
        }
    }

    fn luma(&self) -> Vec<u8> {
        let mut pixels = self.planes.concat();
        Conversion::new(self.planes.len(), 1, Background::White).apply(&mut pixels);
        pixels
    }

    pub(super) fn facts(&self, channels: usize) -> Facts {
        let mut digest = Sha256::new();
        for side in [self.planes.len(), self.height, self.width] {
            digest.update((side as u64).to_le_bytes());
        }
        self.planes.iter().for_each(|plane| digest.update(plane));
        let digest = digest.finalize();
        let luma = self.luma();
        let small = scaled(&luma, (self.height, self.width), (SIDE, SIDE));
        let moments: Vec<(f32, f32)> = self.planes.iter().map(|plane| moments(plane)).collect();
        let of = |channel: usize| moments[channel.min(moments.len() - 1)];
        let is_constant = self
            .planes
            .iter()
            .all(|plane| plane.iter().all(|value| *value == plane[0]));
        let (mean, square) = self::moments(&luma);
        let fill = if is_constant {
            Fill::Constant
        } else if (square - mean * mean).max(0.0).sqrt() * 255.0 < BLANK {
            Fill::NearlyBlank
        } else {
            Fill::Full
        };
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Facts {
            channels: u8::try_from(channels).unwrap_or(u8::MAX),
            height: side(self.height),
            width: side(self.width),
            is_grey: self.planes.len() == 1,
            fill,
            digest: std::array::from_fn(|at| digest[at]),
            hash: perceptual(&small),
            thumbnail: thumbnail(&small),
            means: std::array::from_fn(|channel| of(channel).0),
            squares: std::array::from_fn(|channel| of(channel).1),
        }
    }

    /// How far two images differ: the root of the mean squared difference as a share of the deviation of their pixels,
    /// both at the smaller size and each channel around its mean. `None` where their sides have other ratios.
    pub(super) fn difference(&self, other: &Self) -> Option<f32> {
        let ratio = |of: &Self| of.height as f64 / of.width as f64;
        if (ratio(self) / ratio(other)).ln().abs() > RATIO {
            return None;
        }
        let size = (
            self.height.min(other.height).min(COMPARED),
            self.width.min(other.width).min(COMPARED),
        );
        let count = self.planes.len().max(other.planes.len());
        let (mut apart, mut own, mut others) = (0.0, 0.0, 0.0);
        for channel in 0..count {
            let (a, b) = (self.centred(channel, size), other.centred(channel, size));
            apart += sum(a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)));
            own += sum(a.iter().map(|a| a * a));
            others += sum(b.iter().map(|b| b * b));
        }
        Some((apart / own.min(others).max(f32::MIN_POSITIVE)).sqrt())
    }

    fn centred(&self, channel: usize, size: (usize, usize)) -> Vec<f32> {
        let plane = &self.planes[channel.min(self.planes.len() - 1)];
        let mut plane = scaled(plane, (self.height, self.width), size);
        let mean = sum(plane.iter().copied()) / plane.len() as f32;
        for value in &mut plane {
            *value -= mean;
        }
        plane
    }
}

fn sum(values: impl Iterator<Item = f32>) -> f32 {
    values.sum()
}

/// Mean and mean square, in 0–1.
fn moments(plane: &[u8]) -> (f32, f32) {
    let (mut sum, mut squares) = (0_u64, 0_u64);
    for value in plane {
        let value = u64::from(*value);
        sum += value;
        squares += value * value;
    }
    let count = plane.len().max(1) as f64;
    (
        (sum as f64 / (255.0 * count)) as f32,
        (squares as f64 / (255.0 * 255.0 * count)) as f32,
    )
}

/// The mean of what each new pixel covers. **Shape** `plane [height, width]`, gives `new`.
fn scaled(plane: &[u8], (height, width): (usize, usize), new: (usize, usize)) -> Vec<f32> {
    if (height, width) == new {
        return plane.iter().copied().map(f32::from).collect();
    }
    let across = covered(width, new.1);
    let mut rows = Vec::with_capacity(height * new.1);
    for row in plane.chunks_exact(width) {
        rows.extend(across.iter().map(|(first, shares)| {
            let values = row[*first..].iter().zip(shares);
            sum(values.map(|(value, share)| f32::from(*value) * share))
        }));
    }
    let mut out = vec![0.0; new.0 * new.1];
    for (out, (first, shares)) in out.chunks_exact_mut(new.1).zip(covered(height, new.0)) {
        for (row, share) in rows[first * new.1..].chunks_exact(new.1).zip(shares) {
            for (out, value) in out.iter_mut().zip(row) {
                *out += value * share;
            }
        }
    }
    out
}

/// For each of `new` pixels the first of `old` ones that it covers, and the share of each of them in it.
fn covered(old: usize, new: usize) -> Vec<(usize, Vec<f32>)> {
    let step = old as f64 / new as f64;
    let one = |at: usize| {
        let (start, end) = (at as f64 * step, (at + 1) as f64 * step);
        let first = (start as usize).min(old - 1);
        let last = (end.ceil() as usize).clamp(first + 1, old);
        let share = |place: usize| {
            let inside = end.min((place + 1) as f64) - start.max(place as f64);
            (inside / step) as f32
        };
        (first, (first..last).map(share).collect())
    };
    (0..new).map(one).collect()
}

/// Which of the low frequencies, all but the mean, are strong: above a quarter of their mean strength. Most are near 0
/// in a smooth image, where a median would tell the noise of its encoding.
///
/// **Reference**: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), 3.2.1: the DCT
/// hash, with another bound. **Shape** `image [32, 32]`.
fn perceptual(image: &[f32]) -> u64 {
    static WAVES: LazyLock<[[f32; SIDE]; BITS]> = LazyLock::new(|| {
        let wave = |u: usize, x: usize| {
            let angle = std::f64::consts::PI * ((2 * x + 1) * u) as f64 / (2 * SIDE) as f64;
            angle.cos() as f32
        };
        std::array::from_fn(|u| std::array::from_fn(|x| wave(u, x)))
    });
    let dot = |a: &[f32], b: &[f32; SIDE]| sum(a.iter().zip(b).map(|(a, b)| a * b));
    let mut columns = [[0.0; SIDE]; BITS];
    for (y, row) in image.chunks_exact(SIDE).enumerate() {
        for (column, wave) in columns.iter_mut().zip(&*WAVES) {
            column[y] = dot(row, wave);
        }
    }
    let strengths: Vec<f32> = columns
        .iter()
        .flat_map(|column| WAVES.iter().map(|wave| dot(column, wave)))
        .skip(1)
        .collect();
    let bound = sum(strengths.iter().map(|strength| strength.abs())) / (4 * strengths.len()) as f32;
    let bits = strengths.iter().enumerate();
    bits.fold(0, |hash, (at, strength)| {
        // Each byte has frequencies of all kinds, so that few images have a byte in common.
        let place = 8 * ((at + at / 8) % 8) + at / 8;
        hash | u64::from(*strength > bound) << place
    })
}

/// **Shape** `image [32, 32]`, gives `[8, 8]`.
fn thumbnail(image: &[f32]) -> [u8; BITS * BITS] {
    const BLOCK: usize = SIDE / BITS;
    std::array::from_fn(|at| {
        let (y, x) = (at / BITS * BLOCK, at % BITS * BLOCK);
        let rows = (y..y + BLOCK).map(|y| sum(image[y * SIDE + x..][..BLOCK].iter().copied()));
        (sum(rows) / (BLOCK * BLOCK) as f32).round() as u8
    })
}

/// [`Plain::difference`] of thumbnails.
pub(super) fn roughly(a: &[u8; BITS * BITS], b: &[u8; BITS * BITS]) -> f32 {
    let count = (BITS * BITS) as i32;
    let [mut apart, mut own, mut others] = [(0_i32, 0_i32); 3];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (i32::from(*a), i32::from(*b));
        for (sums, value) in [(&mut apart, a - b), (&mut own, a), (&mut others, b)] {
            *sums = (sums.0 + value, sums.1 + value * value);
        }
    }
    let around_mean = |(sum, squares): (i32, i32)| (squares - sum * sum / count) as f32;
    // Rounding alone makes one part in four of an image that has hardly any contrast.
    let least = around_mean(own).min(around_mean(others)).max(count as f32);
    (around_mean(apart) / least).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: usize, height: usize, width: usize, pixels: Vec<u8>) -> Plain {
        Plain::new(&Picture {
            channels,
            height,
            width,
            pixels,
        })
    }

    /// Waves of light.
    fn waves(height: usize, width: usize, speed: f64) -> Vec<u8> {
        let value = |at: usize| {
            let (y, x) = (at / width, at % width);
            let (y, x) = (y as f64 / height as f64, x as f64 / width as f64);
            (127.0 + 80.0 * (speed * x).sin() + 40.0 * (2.0 * speed * y + x).cos()) as u8
        };
        (0..height * width).map(value).collect()
    }

    #[test]
    fn grey_is_the_same_in_every_kind_of_file() {
        let grey = waves(5, 7, 4.0);
        let opaque = [grey.repeat(3), vec![255; 35]].concat();
        let facts = [
            picture(1, 5, 7, grey.clone()),
            picture(3, 5, 7, grey.repeat(3)),
            picture(4, 5, 7, opaque),
        ]
        .map(|image| image.facts(1));
        assert_eq!(facts[0], facts[1]);
        assert_eq!(facts[0], facts[2]);
        assert_ne!(facts[0].digest, picture(1, 7, 5, grey).facts(1).digest);
    }

    #[test]
    fn a_scaled_pixel_is_the_mean_of_what_it_covers() {
        assert_eq!(scaled(&[1, 3, 5, 7], (1, 4), (1, 2)), [2.0, 6.0]);
        let third = scaled(&[0, 90, 30], (1, 3), (1, 2));
        assert!((third[0] - 30.0).abs() < 1e-4 && (third[1] - 50.0).abs() < 1e-4);
        assert_eq!(scaled(&[10, 20], (2, 1), (4, 1)), [10.0, 10.0, 20.0, 20.0]);
    }

    #[test]
    fn a_smaller_or_brighter_copy_is_near_and_another_image_far() {
        let own = picture(1, 90, 120, waves(90, 120, 5.0));
        let smaller = picture(1, 60, 80, waves(60, 80, 5.0));
        let brighter: Vec<u8> = waves(90, 120, 5.0).iter().map(|v| v + 8).collect();
        let brighter = picture(1, 90, 120, brighter);
        for copy in [&smaller, &brighter] {
            assert!(own.difference(copy).unwrap() < 0.05);
            let distance = (own.facts(1).hash ^ copy.facts(1).hash).count_ones();
            assert!(distance <= 3, "{distance}");
        }
        let other = picture(1, 90, 120, waves(90, 120, 9.0));
        assert!(own.difference(&other).unwrap() > 0.5);
        assert!(roughly(&own.facts(1).thumbnail, &other.facts(1).thumbnail) > 0.5);
        let turned = picture(1, 120, 90, waves(120, 90, 5.0));
        assert_eq!(own.difference(&turned), None);
        let red = picture(3, 90, 120, [waves(90, 120, 5.0), vec![9; 21600]].concat());
        assert!(own.difference(&red).unwrap() > 0.5, "another colour");
    }

    #[test]
    fn constant_and_nearly_blank_images_are_told() {
        let fill = |channels, pixels| picture(channels, 2, 2, pixels).facts(channels).fill;
        assert_eq!(fill(1, vec![7; 4]), Fill::Constant);
        let red = [vec![200; 4], vec![3; 8]].concat();
        assert_eq!(fill(3, red), Fill::Constant);
        assert_eq!(fill(1, vec![7, 9, 7, 9]), Fill::NearlyBlank);
        assert_eq!(fill(1, vec![7, 90, 7, 9]), Fill::Full);
    }
}

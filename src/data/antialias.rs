//! Bilinear resizing of bytes with antialiasing: where an image shrinks, every pixel that falls into a new one counts.
//!
//! Whole numbers in a fixed order, so the bytes are the same on every machine.
//!
//! Reference: Pillow's `Image.resize(size, Image.BILINEAR)`, to the bit (`libImaging/Resample.c` before 12.2), which
//! torchvision's transforms call for an image. Two others differ by 1 in some values: later versions of Pillow go down
//! before across for tall images (13 where an image loses more than twice as many rows as columns), and torchvision's
//! kernel for tensors of bytes (`antialias=True`) has weights of 16 bits instead of 22.

use std::ops::Range;

/// Bits of a weight behind the point.
const PRECISION: u32 = 32 - 8 - 2;
const HALF: u32 = 1 << (PRECISION - 1);

/// A resize from one size to another, or to a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Antialias {
    source: (usize, usize),
    rows: Axis,
    columns: Axis,
}

/// The new pixels along one axis, each a weighted sum of `taps` pixels from its start.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    starts: Vec<usize>,
    taps: usize,
    /// **Shape** `[starts, taps]`. **Units** 2^-22.
    weights: Vec<u32>,
}

/// Working space kept between calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    wide: Vec<u8>,
    sums: Vec<u32>,
    out: Vec<u8>,
}

impl Antialias {
    /// From `[height, width]` to `[new_height, new_width]`; none of them 0.
    #[cfg(test)]
    pub(crate) fn new(height: usize, width: usize, new_height: usize, new_width: usize) -> Self {
        Self {
            source: (height, width),
            rows: Axis::new(height, new_height, 0..new_height),
            columns: Axis::new(width, new_width, 0..new_width),
        }
    }

    /// Scales the shorter side to `side` and keeps the square in the middle; only that is computed.
    ///
    /// Reference: torchvision's `Resize(side)` and `CenterCrop(side)`.
    #[must_use]
    pub(crate) fn covering((height, width): (usize, usize), side: usize) -> Self {
        let shorter = height.min(width);
        let axis = |size: usize| {
            let new_size = side * size / shorter;
            let start = middle(new_size - side);
            Axis::new(size, new_size, start..start + side)
        };
        Self {
            source: (height, width),
            rows: axis(height),
            columns: axis(width),
        }
    }

    /// As [`covering`](Self::covering), for a rectangle `[new_height, new_width]`: the least scaling that covers it,
    /// and the middle of that.
    #[must_use]
    pub(crate) fn covering_rectangle(
        (height, width): (usize, usize),
        (new_height, new_width): (usize, usize),
    ) -> Self {
        let by_height = height * new_width <= width * new_height;
        let (rows, columns) = if by_height {
            (new_height, width * new_height / height)
        } else {
            (height * new_width / width, new_width)
        };
        let axis = |size: usize, scaled: usize, kept: usize| {
            let start = middle(scaled - kept);
            Axis::new(size, scaled, start..start + kept)
        };
        Self {
            source: (height, width),
            rows: axis(height, rows, new_height),
            columns: axis(width, columns, new_width),
        }
    }

    /// Pixels of a resized image.
    #[must_use]
    pub(crate) fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The [`covering`](Self::covering) square of an image that may have another height and width than this was made
    /// for.
    ///
    /// **Shape** `image [channels, sides.0, sides.1]`, gives `[channels, side, side]`.
    pub(crate) fn fit<'a>(
        &self,
        image: &[u8],
        sides: (usize, usize),
        scratch: &'a mut Scratch,
    ) -> &'a [u8] {
        if sides != self.source {
            return Self::covering(sides, self.rows.len()).fit(image, sides, scratch);
        }
        let (plane, area) = (sides.0 * sides.1, self.area());
        let mut out = std::mem::take(&mut scratch.out);
        out.resize(image.len() / plane * area, 0);
        for (image, out) in image.chunks_exact(plane).zip(out.chunks_exact_mut(area)) {
            self.apply(image, out, scratch);
        }
        scratch.out = out;
        &scratch.out
    }

    /// Resizes one plane: across, then down, each rounded to bytes. An axis that keeps its size has weights of 1 and is
    /// copied.
    ///
    /// **Shape** `image [height, width]`, `out [new_height, new_width]`.
    pub(crate) fn apply(&self, image: &[u8], out: &mut [u8], scratch: &mut Scratch) {
        let Scratch { wide, sums, .. } = scratch;
        let (width, new_width) = (self.source.1, self.columns.len());
        let needed = self.rows.span();
        wide.resize(needed.len() * new_width, 0);
        let rows = image[needed.start * width..needed.end * width].chunks_exact(width);
        for (row, out) in rows.zip(wide.chunks_exact_mut(new_width)) {
            for (out, (start, weights)) in out.iter_mut().zip(self.columns.each()) {
                let pairs = row[start..].iter().zip(weights);
                let sum: u32 = pairs
                    .map(|(value, weight)| u32::from(*value) * weight)
                    .sum();
                *out = byte(HALF + sum);
            }
        }
        sums.resize(new_width, 0);
        for (out, (start, weights)) in out.chunks_exact_mut(new_width).zip(self.rows.each()) {
            sums.fill(HALF);
            let rows = wide[(start - needed.start) * new_width..].chunks_exact(new_width);
            for (row, weight) in rows.zip(weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += u32::from(*value) * weight;
                }
            }
            for (value, sum) in out.iter_mut().zip(&*sums) {
                *value = byte(*sum);
            }
        }
    }
}

impl Axis {
    /// The new pixels `window` of an axis of `size` pixels that gets `new_size`.
    fn new(size: usize, new_size: usize, window: Range<usize>) -> Self {
        let targets: Vec<(usize, Vec<u32>)> =
            window.map(|target| taps(size, new_size, target)).collect();
        let most = targets.iter().map(|(_, weights)| weights.len()).max();
        let taps = most.unwrap_or(1).max(1);
        // Where there are fewer, zeros fill up; at the end of the axis they come first.
        let mut weights = vec![0; targets.len() * taps];
        let mut starts = Vec::with_capacity(targets.len());
        for (out, (first, own)) in weights.chunks_exact_mut(taps).zip(&targets) {
            let start = (*first).min(size - taps);
            out[first - start..][..own.len()].copy_from_slice(own);
            starts.push(start);
        }
        Self {
            starts,
            taps,
            weights,
        }
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn each(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let weights = self.weights.chunks_exact(self.taps);
        self.starts.iter().copied().zip(weights)
    }

    /// The old pixels that any new one is made of.
    fn span(&self) -> Range<usize> {
        let first = self.starts.first().copied().unwrap_or(0);
        let last = self.starts.last().copied().unwrap_or(0);
        first..last + self.taps
    }
}

/// Where the old pixels of a new one start, and their weights without zeros at either end.
///
/// Reference: `precompute_coeffs` and `normalize_coeffs_8bpc`, in the same order of operations in f64.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of images are far below 2^53, positions and weights are not negative"
)]
fn taps(size: usize, new_size: usize, target: usize) -> (usize, Vec<u32>) {
    let scale = size as f64 / new_size as f64;
    let support = scale.max(1.0);
    let inverse = 1.0 / support;
    let center = (target as f64 + 0.5) * scale;
    let first = (center - support + 0.5).max(0.0) as usize;
    let end = ((center + support + 0.5) as usize).min(size);
    let triangle = |at: usize| {
        let distance = (at as f64 - center + 0.5) * inverse;
        (1.0 - distance.abs()).max(0.0)
    };
    let weights: Vec<f64> = (first..end).map(triangle).collect();
    let total: f64 = weights.iter().sum();
    let fixed = |weight: &f64| (0.5 + weight / total * f64::from(1 << PRECISION)) as u32;
    let mut weights: Vec<u32> = weights.iter().map(fixed).collect();
    let used = weights.iter().rposition(|weight| *weight > 0);
    weights.truncate(used.map_or(0, |last| last + 1));
    let zeros = weights.iter().take_while(|weight| **weight == 0).count();
    weights.drain(..zeros);
    (first + zeros, weights)
}

/// A sum that was rounded, without its fraction.
fn byte(sum: u32) -> u8 {
    (sum >> PRECISION).min(255) as u8
}

/// Half of it, and of a half the even neighbour.
///
/// Reference: Python's `round(excess / 2.0)`.
fn middle(excess: usize) -> usize {
    excess / 2 + usize::from(excess % 4 == 3)
}

#[cfg(test)]
mod tests;

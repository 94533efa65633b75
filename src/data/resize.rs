//! Bilinear resizing with taps worked out once: rows first across, then down.
//!
//! Reference: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`, without antialiasing:
//! half-pixel centres, `source = (target + ½)·in/out − ½`, not below 0, the last row and column repeated.

use super::antialias;

/// The two neighbours of a target position and the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// Working space kept between calls.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    unit: Vec<f32>,
    wide: Vec<f32>,
    pub(super) antialias: antialias::Scratch,
}

/// A resize from one size to another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resize {
    source_height: usize,
    source_width: usize,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
}

impl Resize {
    /// From `[height, width]` to `[new_height, new_width]`; none of them 0.
    #[must_use]
    pub(crate) fn new(height: usize, width: usize, new_height: usize, new_width: usize) -> Self {
        Self {
            source_height: height,
            source_width: width,
            columns: taps(width, new_width),
            rows: taps(height, new_height),
        }
    }

    /// Pixels of a resized image.
    #[must_use]
    pub(crate) fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Resizes one image of bytes, as numbers in 0–1.
    ///
    /// **Shape** `image [height, width]`, `out [new_height, new_width]`.
    pub(crate) fn apply_to_bytes(&self, image: &[u8], out: &mut [f32], scratch: &mut Scratch) {
        scratch.unit.clear();
        let unit = image.iter().map(|byte| f32::from(*byte) / 255.0);
        scratch.unit.extend(unit);
        self.apply(&scratch.unit, out, &mut scratch.wide);
    }

    /// [`apply_to_bytes`](Self::apply_to_bytes) of an image that may have another height and width than it was made
    /// for.
    pub(crate) fn fit(
        &self,
        image: &[u8],
        sides: (usize, usize),
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        if sides == (self.source_height, self.source_width) {
            return self.apply_to_bytes(image, out, scratch);
        }
        let (rows, columns) = (self.rows.len(), self.columns.len());
        Self::new(sides.0, sides.1, rows, columns).apply_to_bytes(image, out, scratch);
    }

    /// Resizes one image.
    ///
    /// **Shape** `image [height, width]`, `out [new_height, new_width]`; `wide` is working space kept between calls.
    pub(crate) fn apply(&self, image: &[f32], out: &mut [f32], wide: &mut Vec<f32>) {
        let width = self.columns.len();
        wide.resize(image.len() / self.source_width * width, 0.0);
        for (row, out) in image
            .chunks_exact(self.source_width)
            .zip(wide.chunks_exact_mut(width))
        {
            for (value, tap) in out.iter_mut().zip(&self.columns) {
                *value = (1.0 - tap.weight) * row[tap.first] + tap.weight * row[tap.second];
            }
        }
        for (row, tap) in out.chunks_exact_mut(width).zip(&self.rows) {
            let first = &wide[tap.first * width..][..width];
            let second = &wide[tap.second * width..][..width];
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
    reason = "sides of images are small, positions are not negative"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;

    fn resize(image: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
        let resize = Resize::new(from.0, from.1, to.0, to.1);
        let mut out = vec![f32::NAN; resize.area()];
        resize.apply_to_bytes(image, &mut out, &mut Scratch::default());
        out
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    /// ```python
    /// a = torch.tensor([0,51,102,255,7,13,200,90,33,128,64,1], dtype=torch.uint8).reshape(1,1,3,4).float() / 255
    /// F.interpolate(a, size=(h, w), mode="bilinear", align_corners=False)
    /// ```
    #[test]
    fn odd_sizes_agree_with_torch() {
        let a = [0, 51, 102, 255, 7, 13, 200, 90, 33, 128, 64, 1];
        assert_close(
            &resize(&a, (3, 4), (5, 5)),
            &[
                0.0,
                0.14,
                0.3,
                0.58,
                1.0,
                0.010_980_39,
                0.101_568_6,
                0.347_058_8,
                0.609_960_7,
                0.741_176_4,
                0.027_450_98,
                0.043_921_57,
                0.417_647_1,
                0.654_902,
                0.352_941_2,
                0.088_627_47,
                0.251_686_4,
                0.392_941_2,
                0.368_078_4,
                0.143_529_4,
                0.129_411_8,
                0.390_196_1,
                0.376_470_6,
                0.176_862_8,
                0.003_921_569,
            ],
        );
        assert_close(
            &resize(&a, (3, 4), (2, 3)),
            &[
                0.032_843_14,
                0.329_411_8,
                0.781_209_2,
                0.151_470_6,
                0.386_764_7,
                0.140_032_6,
            ],
        );
        assert_close(
            &resize(&a, (3, 4), (3, 8)),
            &[
                0.0,
                0.05,
                0.15,
                0.25,
                0.35,
                0.55,
                0.85,
                1.0,
                0.027_450_98,
                0.033_333_34,
                0.045_098_04,
                0.234_313_7,
                0.600_980_4,
                0.676_470_6,
                0.460_784_3,
                0.352_941_2,
                0.129_411_8,
                0.222_549,
                0.408_823_6,
                0.439_215_7,
                0.313_725_5,
                0.189_215_7,
                0.065_686_28,
                0.003_921_569,
            ],
        );
    }

    /// ```python
    /// y = F.interpolate(x, size=(s, s), mode="bilinear", align_corners=False)  # x: mini training images 0, 1, / 255
    /// f = y.flatten().double(); f.sum(), (f * f).sum(), (f * torch.arange(len(f)).double()).sum()
    /// ```
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "positions are small")]
    fn real_images_agree_with_torch() {
        let dataset = mini::load().unwrap();
        for (side, sum, squares, weighted) in [
            (
                32,
                822.127_032_718_959_5,
                627.779_838_260_787_6,
                894_223.658_019_550_5,
            ),
            (
                14,
                157.691_178_352_106_36,
                117.113_165_796_957_06,
                32_844.698_476_609_66,
            ),
            (
                64,
                3_295.356_874_696_769,
                2_518.859_602_933_289_4,
                14_331_655.162_149_064,
            ),
        ] {
            let both = [0, 1].map(|i| resize(&dataset.image(i).unwrap(), (28, 28), (side, side)));
            let values: Vec<f64> = both.concat().into_iter().map(f64::from).collect();
            let total = |f: &dyn Fn(usize, f64) -> f64| -> f64 {
                values.iter().enumerate().map(|(i, v)| f(i, *v)).sum()
            };
            for (found, expected) in [
                (total(&|_, v| v), sum),
                (total(&|_, v| v * v), squares),
                (total(&|i, v| i as f64 * v), weighted),
            ] {
                assert!(
                    (found / expected - 1.0).abs() < 1e-7,
                    "{side}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn one_pixel_and_the_same_size_are_harmless() {
        assert_eq!(resize(&[255], (1, 1), (2, 3)), vec![1.0; 6]);
        let same = [0, 51, 102, 153];
        assert_close(&resize(&same, (2, 2), (2, 2)), &[0.0, 0.2, 0.4, 0.6]);
    }
}

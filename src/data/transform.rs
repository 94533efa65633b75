//! From a picture's bytes to what the network sees: resize, normalise, repeat the grey plane. Everything worked out once.
//!
//! Pixel values are bytes / 255. Statistics come from the training part alone: `computed` from the pictures as they lie in
//! the file, `per-pixel` from the resized ones.
//! Random changes come before it (`augment`).

use super::Dataset;
use super::normalization::Normalization;
use super::resize::{Resize, Scratch};
use super::statistics::PixelStatistics;
use crate::error::{Error, Result};
use crate::profile::{Data, Normalize, Resizing};

/// Mean and deviation of ImageNet's red, green and blue, as torchvision's weights expect them.
const IMAGENET: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

/// A ready transform from bytes to normalised f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    resize: Option<Way>,
    normalization: Normalization,
    /// Mean and deviation of each channel, where they have their own.
    colours: Option<[(f32, f32); 3]>,
}

/// How a picture gets its size.
#[derive(Clone, Debug, PartialEq)]
enum Way {
    Bilinear(Resize),
    /// Rows of this many pixels, in the middle of black.
    Pad {
        height: usize,
        width: usize,
    },
}

impl Transform {
    /// The transform of the profile's `[data]`, with statistics of the pictures in `train` (pooled indices).
    ///
    /// # Errors
    /// `Input` naming the field that is out of range.
    pub fn new(dataset: &Dataset, settings: &Data, train: &[u32]) -> Result<Self> {
        check(settings)?;
        check_set(dataset)?;
        let side = settings.image_size;
        let (height, width) = match side {
            0 => (dataset.height, dataset.width),
            _ => (side, side),
        };
        let changes = (height, width) != (dataset.height, dataset.width);
        if changes && settings.resize == Resizing::Pad {
            check_padding(dataset, settings)?;
        }
        let resize = changes.then(|| match settings.resize {
            Resizing::Bilinear => {
                Way::Bilinear(Resize::new(dataset.height, dataset.width, height, width))
            }
            Resizing::Pad => Way::Pad {
                height: dataset.height,
                width: dataset.width,
            },
        });
        let normalization = match settings.normalize {
            Normalize::Given => Normalization::uniform(settings.mean, settings.std),
            Normalize::Unit | Normalize::Imagenet => Normalization::uniform(0.0, 1.0),
            Normalize::Computed => {
                let statistics = PixelStatistics::of_images(dataset, train)?;
                Normalization::uniform(statistics.mean, statistics.std)
            }
            Normalize::PerPixel => {
                let resize = match &resize {
                    Some(Way::Bilinear(resize)) => Some(resize),
                    _ => None,
                };
                Normalization::per_pixel(dataset, train, resize)?
            }
        };
        Ok(Self {
            channels: settings.channels,
            height,
            width,
            resize,
            normalization,
            colours: (settings.normalize == Normalize::Imagenet).then_some(IMAGENET),
        })
    }

    /// Numbers of one picture as the network takes it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether pictures change their size, which costs several times as much as normalising.
    #[must_use]
    pub fn resizes(&self) -> bool {
        matches!(self.resize, Some(Way::Bilinear(_)))
    }

    /// Mean and standard deviation (of pixels in 0–1) where all pixels share them.
    #[must_use]
    pub fn mean_and_std(&self) -> Option<(f32, f32)> {
        self.normalization
            .mean_and_std()
            .filter(|_| self.colours.is_none())
    }

    /// Transforms one picture.
    ///
    /// **Shape** `picture` as in the data set, `out [channels, height, width]`.
    pub fn apply(&self, picture: &[u8], out: &mut [f32], scratch: &mut Scratch) {
        let area = self.height * self.width;
        let plane = &mut out[..area];
        match &self.resize {
            None => self.normalization.apply_to_bytes(picture, plane),
            Some(Way::Bilinear(resize)) => {
                resize.apply_to_bytes(picture, plane, scratch);
                self.normalization.apply(plane);
            }
            Some(Way::Pad { height, width }) => {
                pad(picture, (*height, *width), self.width, plane);
                self.normalization.apply(plane);
            }
        }
        if let Some(colours) = &self.colours {
            return self.colour(colours, out);
        }
        for channel in 1..self.channels {
            out.copy_within(..area, channel * area);
        }
    }

    /// Normalises each channel by its own mean and deviation; the first plane holds the grey.
    fn colour(&self, colours: &[(f32, f32); 3], out: &mut [f32]) {
        let (grey, others) = out.split_at_mut(self.height * self.width);
        let planes = others.chunks_exact_mut(grey.len());
        for (plane, (mean, std)) in planes.zip(&colours[1..]) {
            for (value, grey) in plane.iter_mut().zip(&*grey) {
                *value = (grey - mean) / std;
            }
        }
        let (mean, std) = colours[0];
        for value in grey {
            *value = (*value - mean) / std;
        }
    }
}

/// A picture as numbers in 0–1 in the middle of black.
fn pad(picture: &[u8], (height, width): (usize, usize), side: usize, plane: &mut [f32]) {
    plane.fill(0.0);
    let (top, left) = ((plane.len() / side - height) / 2, (side - width) / 2);
    for (row, bytes) in picture.chunks_exact(width).enumerate() {
        let start = (top + row) * side + left;
        for (value, byte) in plane[start..start + width].iter_mut().zip(bytes) {
            *value = f32::from(*byte) / 255.0;
        }
    }
}

fn check_padding(dataset: &Dataset, settings: &Data) -> Result<()> {
    let least = dataset.height.max(dataset.width);
    if settings.image_size < least {
        return Err(Error::input(
            "data.image_size",
            format!(
                "{} is smaller than the pictures, which cannot be padded to it",
                settings.image_size
            ),
            format!("set at least {least}, or data.resize = \"bilinear\""),
        ));
    }
    if settings.normalize == Normalize::PerPixel {
        return Err(Error::input(
            "data.resize",
            "cannot pad pictures that are normalised pixel by pixel: the border has no deviation",
            "set data.normalize = \"given\", or data.resize = \"bilinear\"",
        ));
    }
    Ok(())
}

fn check_set(dataset: &Dataset) -> Result<()> {
    let refuse =
        |problem: &str, remedy: &str| Err(Error::input(dataset.name.as_str(), problem, remedy));
    if dataset.channels != 1 {
        return refuse(
            "has colour images, which nothing here is trained on yet",
            "take a set of grey ones",
        );
    }
    if !dataset.is_uniform() {
        return refuse(
            "has images of several sizes, which nothing here is trained on yet",
            "bring them to one size",
        );
    }
    Ok(())
}

fn check(settings: &Data) -> Result<()> {
    if settings.normalize == Normalize::Imagenet && settings.channels != 3 {
        return Err(Error::input(
            "data.normalize",
            "\"imagenet\" has a mean for each of three channels",
            "set data.channels = 3, or for one channel data.normalize = \"computed\"",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;

    type Change = fn(&mut Data);

    fn settings(normalize: Normalize) -> Data {
        Data {
            name: mini::NAME.into(),
            normalize,
            ..Data::default()
        }
    }

    fn apply(transform: &Transform, dataset: &Dataset, index: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; transform.len()];
        transform.apply(
            &dataset.image(index).unwrap(),
            &mut out,
            &mut Scratch::default(),
        );
        out
    }

    fn first(count: u32) -> Vec<u32> {
        (0..count).collect()
    }

    /// ```python
    /// v = torch.tensor([0, 1, 77, 128, 255], dtype=torch.uint8).float() / 255
    /// (v - torch.tensor(0.2859)) / torch.tensor(0.3530)
    /// ```
    #[test]
    fn given_is_torchvisions() {
        let dataset = mini::load().unwrap();
        let transform = Transform::new(&dataset, &settings(Normalize::Given), &[]).unwrap();
        let mut bytes = vec![0u8; 784];
        bytes[..5].copy_from_slice(&[0, 1, 77, 128, 255]);
        let mut out = vec![0.0; 784];
        transform.apply(&bytes, &mut out, &mut Scratch::default());
        let expected: [f32; 5] = [
            -0.809_915_07,
            -0.798_805_8,
            0.045_498_017,
            0.612_070_3,
            2.022_946_4,
        ];
        for (found, expected) in out.iter().zip(expected) {
            assert!((found - expected).abs() < 5e-7, "{found} {expected}");
        }
    }

    #[test]
    fn unit_is_the_byte_over_255() {
        let dataset = mini::load().unwrap();
        let transform = Transform::new(&dataset, &settings(Normalize::Unit), &[]).unwrap();
        let out = apply(&transform, &dataset, 3);
        for (value, byte) in out.iter().zip(&dataset.image(3).unwrap()) {
            assert!((value - f32::from(*byte) / 255.0).abs() <= f32::EPSILON);
        }
    }

    /// `X[:1500].mean(), X[:1500].std()` in numpy f64, `X` the mini set's training pictures / 255.
    #[test]
    fn computed_looks_at_the_training_part_only() {
        let dataset = mini::load().unwrap();
        let transform =
            Transform::new(&dataset, &settings(Normalize::Computed), &first(1500)).unwrap();
        let (mean, std) = transform.mean_and_std().unwrap();
        assert!((mean - 0.282_727_1).abs() < 1e-7 && (std - 0.353_116_6).abs() < 1e-7);
    }

    /// ```python
    /// scaler = sklearn.preprocessing.StandardScaler().fit(X[:1500]); z = scaler.transform(X); z[i, p]
    /// ```
    /// Pixels 0 and 28 are constant in these 1500 pictures; picture 1711 has a 4 at pixel 28.
    #[test]
    fn per_pixel_is_standard_scaler() {
        let dataset = mini::load().unwrap();
        let transform =
            Transform::new(&dataset, &settings(Normalize::PerPixel), &first(1500)).unwrap();
        let cases: [(usize, usize, f32); 8] = [
            (0, 0, 0.0),
            (0, 400, -1.168_437),
            (0, 700, -0.095_907_03),
            (1600, 406, 0.300_366_44),
            (1999, 300, 0.230_530_19),
            (700, 27, -0.044_766_15),
            (3, 15, 1.174_275_7),
            (1711, 28, 0.015_686_275),
        ];
        for (picture, pixel, expected) in cases {
            let found = apply(&transform, &dataset, picture)[pixel];
            assert!(
                (found - expected).abs() < 2e-6,
                "{picture} {pixel}: {found}"
            );
        }
        let total: f64 = (0..2000)
            .flat_map(|i| apply(&transform, &dataset, i))
            .map(|v| f64::from(v.abs()))
            .sum();
        assert!((total - 1_183_528.197).abs() < 0.1, "{total}");
    }

    /// The same on `F.interpolate(X, size=(32, 32), mode="bilinear", align_corners=False)`.
    #[test]
    fn per_pixel_after_a_resize_is_standard_scaler_too() {
        let dataset = mini::load().unwrap();
        let resized = Data {
            image_size: 32,
            ..settings(Normalize::PerPixel)
        };
        let transform = Transform::new(&dataset, &resized, &first(1500)).unwrap();
        let cases: [(usize, usize, f32); 5] = [
            (0, 0, 0.0),
            (0, 500, 1.191_615_2),
            (1600, 528, 0.301_112_44),
            (1999, 300, 0.485_143_93),
            (700, 31, -0.044_766_15),
        ];
        for (picture, pixel, expected) in cases {
            let found = apply(&transform, &dataset, picture)[pixel];
            assert!(
                (found - expected).abs() < 1e-5,
                "{picture} {pixel}: {found}"
            );
        }
    }

    #[test]
    fn grey_is_repeated_and_resizing_commutes_with_normalising() {
        let dataset = mini::load().unwrap();
        let three = Data {
            image_size: 32,
            channels: 3,
            ..settings(Normalize::Given)
        };
        let transform = Transform::new(&dataset, &three, &[]).unwrap();
        let unit = Data {
            image_size: 32,
            ..settings(Normalize::Unit)
        };
        let plain = Transform::new(&dataset, &unit, &[]).unwrap();
        let (out, grey) = (apply(&transform, &dataset, 7), apply(&plain, &dataset, 7));
        assert_eq!(out.len(), 3 * 32 * 32);
        assert_eq!(out[..1024], out[1024..2048]);
        assert_eq!(out[..1024], out[2048..]);
        for (a, b) in out.iter().zip(&grey) {
            assert!((a - (b - 0.2859) / 0.3530).abs() < 1e-6);
        }
    }

    /// ```python
    /// x = F.pad(torch.tensor(pictures[7]).float() / 255, (2, 2, 2, 2)); (x - mean[c]) / std[c]
    /// ```
    #[test]
    fn padding_keeps_the_picture_and_colours_have_their_own_mean() {
        let dataset = mini::load().unwrap();
        let padded = Data {
            image_size: 32,
            resize: Resizing::Pad,
            channels: 3,
            ..settings(Normalize::Imagenet)
        };
        let transform = Transform::new(&dataset, &padded, &[]).unwrap();
        let out = apply(&transform, &dataset, 7);
        for (i, value) in out.iter().enumerate() {
            let (channel, y, x) = (i / 1024, i / 32 % 32, i % 32);
            let inside = (2..30).contains(&y) && (2..30).contains(&x);
            let byte = if inside {
                dataset.image(7).unwrap()[(y - 2) * 28 + x - 2]
            } else {
                0
            };
            let (mean, std) = IMAGENET[channel];
            assert!((value - (f32::from(byte) / 255.0 - mean) / std).abs() < 1e-6);
        }
        for (change, field) in [
            ((|d| d.image_size = 20) as Change, "data.image_size"),
            (|d| d.channels = 1, "data.normalize"),
            (|d| d.normalize = Normalize::PerPixel, "data.resize"),
        ] {
            let mut wrong = padded.clone();
            change(&mut wrong);
            let error = Transform::new(&dataset, &wrong, &[]).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let dataset = mini::load().unwrap();
        let resized = Data {
            image_size: 20,
            ..settings(Normalize::PerPixel)
        };
        let values = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let transform = Transform::new(&dataset, &resized, &first(2000)).unwrap();
                apply(&transform, &dataset, 11)
            })
        };
        assert_eq!(values(1), values(3));
    }
}

//! From an image's bytes to what the network sees: resize, normalise, repeat the grey plane. Everything worked out
//! once.
//!
//! Pixel values are bytes / 255; what is antialiased is rounded to bytes before. Statistics come from the training set
//! alone: `computed` from the images as they lie in the file, `per-pixel` from the resized ones.
//! Channels are converted (`channels`) and random changes made (`augment`) before it.

pub(in crate::data) mod recorded;

use super::Dataset;
use super::antialias::Antialias;
use super::channels::Conversion;
use super::normalization::{Affine, Normalization};
use super::resize::{Resize, Scratch};
use super::statistics::PixelStatistics;
use crate::catalog;
use crate::error::{Error, Result};
use crate::profile::{Data, Normalize, PerChannel, Resizing};
use crate::text;

/// Mean and deviation of ImageNet's red, green and blue, as torchvision's weights expect them.
pub(crate) const IMAGENET: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

/// A ready transform from bytes to normalised f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// What was done to the image before.
    pub conversion: Conversion,
    resize: Option<ResizeMethod>,
    normalization: Normalization,
    figures: Option<(PerChannel, PerChannel)>,
}

/// How an image gets its size.
#[derive(Clone, Debug, PartialEq)]
enum ResizeMethod {
    Bilinear(Resize),
    /// As bytes, the square in the middle.
    Antialias(Antialias),
    /// In the middle of black.
    Pad,
}

impl Transform {
    /// The transform of the profile's `[data]`, with statistics of the images in `train` (pooled indices).
    ///
    /// # Errors
    /// `Input` naming the field that is out of range.
    pub fn new(dataset: &Dataset, settings: &Data, train: &[u32]) -> Result<Self> {
        let channels = settings.channels.of(dataset.channels);
        check(settings, channels)?;
        let side = settings.image_size;
        let own = (dataset.height, dataset.width);
        let (height, width) = match side {
            0 => own,
            _ => (side, side),
        };
        let is_uniform = dataset.is_uniform();
        check_sizes(dataset, settings, is_uniform)?;
        let changes = !is_uniform || (height, width) != own;
        let resize = changes.then(|| match settings.resize {
            Resizing::Bilinear => ResizeMethod::Bilinear(Resize::new(own.0, own.1, height, width)),
            Resizing::Antialias => ResizeMethod::Antialias(Antialias::covering(own, side)),
            Resizing::Pad => ResizeMethod::Pad,
        });
        let conversion = Conversion::new(dataset.channels, channels, settings.background);
        let measured = || {
            let each = PixelStatistics::of_converted(dataset, conversion, train)?;
            let (mean, std): (Vec<_>, Vec<_>) = each.iter().map(|s| (s.mean, s.std)).unzip();
            Ok((PerChannel::from(mean), PerChannel::from(std)))
        };
        let figures = match settings.normalize {
            Normalize::Dataset | Normalize::Given => match (&settings.mean, &settings.std) {
                (Some(mean), Some(std)) => Some((mean.clone(), std.clone())),
                (mean, std) => {
                    let own = published(dataset, conversion).map_or_else(measured, Ok)?;
                    let or_own = |stated: &Option<_>, own| stated.clone().unwrap_or(own);
                    Some((or_own(mean, own.0), or_own(std, own.1)))
                }
            },
            Normalize::Computed => Some(measured()?),
            Normalize::PerPixel | Normalize::Unit | Normalize::Imagenet => None,
        };
        let normalization = match (settings.normalize, &figures) {
            (_, Some((mean, std))) => given(mean, std, channels)?,
            (Normalize::Imagenet, None) => Normalization::AfterUnit(IMAGENET.to_vec()),
            (Normalize::PerPixel, None) => match &resize {
                Some(ResizeMethod::Antialias(resize)) => {
                    Normalization::per_antialiased_pixel(dataset, conversion, train, resize)?
                }
                Some(ResizeMethod::Bilinear(resize)) => {
                    Normalization::per_pixel(dataset, conversion, train, Some(resize))?
                }
                Some(ResizeMethod::Pad) | None => {
                    Normalization::per_pixel(dataset, conversion, train, None)?
                }
            },
            (_, None) => Normalization::uniform(0.0, 1.0),
        };
        Ok(Self {
            channels,
            height,
            width,
            conversion,
            resize,
            normalization,
            figures,
        })
    }

    /// Numbers of one image as the network takes it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether images change their size, which costs several times as much as normalising.
    #[must_use]
    pub fn resizes(&self) -> bool {
        matches!(
            self.resize,
            Some(ResizeMethod::Bilinear(_) | ResizeMethod::Antialias(_))
        )
    }

    /// Mean and standard deviation (of pixels in 0–1) of all channels or each; `None` where pixels have their own.
    #[must_use]
    pub fn figures(&self) -> Option<&(PerChannel, PerChannel)> {
        self.figures.as_ref()
    }

    /// Transforms one image.
    ///
    /// **Shape** `image` `[channels, sides.0, sides.1]`, converted; `out [channels, height, width]`.
    pub fn apply(
        &self,
        image: &[u8],
        sides: (usize, usize),
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let area = self.height * self.width;
        // Of a grey image every channel is the same, but where each has figures of its own.
        let is_repeated = self.conversion.to < self.channels && self.normalization.is_alike();
        let filled = if is_repeated { 1 } else { self.channels };
        let channels = &mut out[..filled * area];
        match &self.resize {
            None => self.normalize(image, channels),
            Some(ResizeMethod::Antialias(resize)) => {
                let bytes = resize.fit(image, sides, &mut scratch.antialias);
                self.normalize(bytes, channels);
            }
            Some(ResizeMethod::Bilinear(resize)) => {
                let fit = |plane: &[u8], out: &mut [f32]| resize.fit(plane, sides, out, scratch);
                self.fit(image, channels, fit);
            }
            Some(ResizeMethod::Pad) => {
                let fit = |plane: &[u8], out: &mut [f32]| pad(plane, sides, self.width, out);
                self.fit(image, channels, fit);
            }
        }
        for channel in filled..self.channels {
            out.copy_within(..area, channel * area);
        }
    }

    /// Normalises an image that has its size.
    ///
    /// **Shape** `image [planes, height, width]`, `out [channels, height, width]`; the last plane is repeated.
    fn normalize(&self, image: &[u8], out: &mut [f32]) {
        let area = self.height * self.width;
        let last = self.conversion.to - 1;
        for (channel, out) in out.chunks_exact_mut(area).enumerate() {
            let plane = &image[channel.min(last) * area..][..area];
            self.normalization.apply_to_bytes(channel, plane, out);
        }
    }

    /// Brings each plane to its size, as numbers in 0–1, and normalises it.
    ///
    /// **Shape** `image [planes, sides]`, `out [channels, height, width]`; the last plane is repeated.
    fn fit(&self, image: &[u8], out: &mut [f32], mut fit: impl FnMut(&[u8], &mut [f32])) {
        let area = self.height * self.width;
        let planes = self.conversion.to;
        let channels = out.chunks_exact_mut(area);
        for (out, plane) in channels.zip(image.chunks_exact(image.len() / planes)) {
            fit(plane, out);
        }
        for channel in planes..out.len() / area {
            out.copy_within(..area, channel * area);
        }
        for (channel, out) in out.chunks_exact_mut(area).enumerate() {
            self.normalization.apply(channel, out);
        }
    }
}

/// The figures that are published for a set with these channels.
fn published(dataset: &Dataset, conversion: Conversion) -> Option<(PerChannel, PerChannel)> {
    let figures = catalog::find(&dataset.name)?.statistics;
    let fits = figures.len() == conversion.to && !conversion.loses_colours();
    let (mean, std): (Vec<_>, Vec<_>) = figures.iter().copied().unzip();
    fits.then(|| (PerChannel::from(mean), PerChannel::from(std)))
}

/// By a mean and a deviation for all channels or each.
fn given(mean: &PerChannel, std: &PerChannel, channels: usize) -> Result<Normalization> {
    for (key, numbers) in [("data.mean", mean), ("data.std", std)] {
        if numbers.len() > 1 && numbers.len() != channels {
            let has = text::count(numbers.len(), "number");
            let network = text::count(channels, "channel");
            return Err(Error::input(
                key,
                format!("has {has}, and the network's input has {network}"),
                "give one number, or one for each channel",
            ));
        }
    }
    let each = mean.len().max(std.len());
    let affine = |channel| Some(Affine::new(mean.at(channel)?, std.at(channel)?));
    Ok(Normalization::Channels(
        (0..each).filter_map(affine).collect(),
    ))
}

/// An image as numbers in 0–1 in the middle of black.
fn pad(image: &[u8], (height, width): (usize, usize), side: usize, plane: &mut [f32]) {
    plane.fill(0.0);
    let (top, left) = ((plane.len() / side - height) / 2, (side - width) / 2);
    for (row, bytes) in image.chunks_exact(width).enumerate() {
        let start = (top + row) * side + left;
        for (value, byte) in plane[start..start + width].iter_mut().zip(bytes) {
            *value = f32::from(*byte) / 255.0;
        }
    }
}

/// Whether the images can come to the size that is asked for.
fn check_sizes(dataset: &Dataset, settings: &Data, is_uniform: bool) -> Result<()> {
    let side = settings.image_size;
    if !is_uniform && side == 0 {
        return Err(Error::input(
            "data.image_size",
            format!("is 0, and the images of {} differ in size", dataset.name),
            "set the side length that the network sees, such as 64",
        ));
    }
    let changes = !is_uniform || (side, side) != (dataset.height, dataset.width);
    if side == 0 || !changes || settings.resize != Resizing::Pad {
        return Ok(());
    }
    check_padding(dataset, settings)
}

fn check_padding(dataset: &Dataset, settings: &Data) -> Result<()> {
    let least = dataset.height.max(dataset.width);
    if settings.image_size < least {
        return Err(Error::input(
            "data.image_size",
            format!(
                "{} is smaller than the images, which cannot be padded to it",
                settings.image_size
            ),
            format!("set at least {least}, or data.resize = \"bilinear\""),
        ));
    }
    if settings.normalize == Normalize::PerPixel {
        return Err(Error::input(
            "data.resize",
            "cannot pad images that are normalised pixel by pixel: the border has no deviation",
            "set data.normalize = \"given\", or data.resize = \"bilinear\"",
        ));
    }
    Ok(())
}

fn check(settings: &Data, channels: usize) -> Result<()> {
    if settings.normalize == Normalize::Imagenet && channels != 3 {
        return Err(Error::input(
            "data.normalize",
            "\"imagenet\" has a mean for each of three channels",
            "set data.channels = 3, or for one channel data.normalize = \"dataset\"",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{mini, testing};
    use crate::profile::Channels;

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
        let index = u32::try_from(index).unwrap();
        transform.apply(
            &transform.conversion.image(dataset, index).unwrap(),
            dataset.size(index as usize),
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
        transform.apply(&bytes, (28, 28), &mut out, &mut Scratch::default());
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

    /// `X[:1500].mean(), X[:1500].std()` in numpy f64, `X` the mini set's training images / 255.
    #[test]
    fn computed_looks_at_the_training_part_only() {
        let dataset = mini::load().unwrap();
        let transform =
            Transform::new(&dataset, &settings(Normalize::Computed), &first(1500)).unwrap();
        let (mean, std) = transform.figures().unwrap();
        let [mean, std] = [mean, std].map(|figure| figure.at(0).unwrap());
        assert!((mean - 0.282_727_1).abs() < 1e-7 && (std - 0.353_116_6).abs() < 1e-7);
    }

    /// ```python
    /// scaler = sklearn.preprocessing.StandardScaler().fit(X[:1500]); z = scaler.transform(X); z[i, p]
    /// ```
    /// Pixels 0 and 28 are constant in these 1500 images; image 1711 has a 4 at pixel 28.
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
        for (image, pixel, expected) in cases {
            let found = apply(&transform, &dataset, image)[pixel];
            assert!((found - expected).abs() < 2e-6, "{image} {pixel}: {found}");
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
        for (image, pixel, expected) in cases {
            let found = apply(&transform, &dataset, image)[pixel];
            assert!((found - expected).abs() < 1e-5, "{image} {pixel}: {found}");
        }
    }

    #[test]
    fn grey_is_repeated_and_resizing_commutes_with_normalising() {
        let dataset = mini::load().unwrap();
        let three = Data {
            image_size: 32,
            channels: Channels::Of(3),
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
    /// x = F.pad(torch.tensor(images[7]).float() / 255, (2, 2, 2, 2)); (x - mean[c]) / std[c]
    /// ```
    #[test]
    fn padding_keeps_the_image_and_colours_have_their_own_mean() {
        let dataset = mini::load().unwrap();
        let padded = Data {
            image_size: 32,
            resize: Resizing::Pad,
            channels: Channels::Of(3),
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
            (|d| d.channels = Channels::Of(1), "data.normalize"),
            (|d| d.normalize = Normalize::PerPixel, "data.resize"),
        ] {
            let mut wrong = padded.clone();
            change(&mut wrong);
            let error = Transform::new(&dataset, &wrong, &[]).unwrap_err();
            assert!(error.to_string().starts_with(field), "{error}");
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

    fn colours(sizes: &[(usize, usize)]) -> Dataset {
        testing::colours(sizes)
    }

    /// ```python
    /// x = torch.tensor(image).float() / 255; (x - mean[:, None, None]) / std[:, None, None]
    /// ```
    /// with the mean and (population) deviation of each channel over the training images.
    #[test]
    fn each_channel_has_figures_of_its_own() {
        let dataset = colours(&[(4, 5); 6]);
        let transform = Transform::new(&dataset, &settings(Normalize::Dataset), &first(4)).unwrap();
        assert_eq!((transform.channels, transform.len()), (3, 60));
        let values = |channel: usize| -> Vec<f64> {
            let plane = |index| dataset.image(index).unwrap()[20 * channel..][..20].to_vec();
            let bytes = (0..4).flat_map(plane);
            bytes.map(|byte| f64::from(byte) / 255.0).collect()
        };
        let out = apply(&transform, &dataset, 5);
        let (means, stds) = transform.figures().unwrap();
        for channel in 0..3 {
            let all = values(channel);
            let mean = all.iter().sum::<f64>() / 80.0;
            let std = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 80.0).sqrt();
            assert!((means.at(channel).unwrap() - mean).abs() < 1e-12);
            assert!((stds.at(channel).unwrap() - std).abs() < 1e-12);
            let image = dataset.image(5).unwrap();
            for (value, byte) in out[20 * channel..][..20].iter().zip(&image[20 * channel..]) {
                let expected = (f64::from(*byte) / 255.0 - mean) / std;
                assert!((f64::from(*value) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn colours_turn_grey_where_one_channel_is_asked() {
        let dataset = colours(&[(4, 5); 6]);
        let one = Data {
            channels: Channels::Of(1),
            ..settings(Normalize::Unit)
        };
        let transform = Transform::new(&dataset, &one, &[]).unwrap();
        assert!(transform.conversion.loses_colours() && transform.channels == 1);
        let image = dataset.image(2).unwrap();
        for (pixel, value) in apply(&transform, &dataset, 2).iter().enumerate() {
            let of = |channel: usize| f32::from(image[20 * channel + pixel]);
            let grey = 0.299 * of(0) + 0.587 * of(1) + 0.114 * of(2);
            assert!((value * 255.0 - grey).abs() <= 0.5 + 1e-3);
        }
    }

    #[test]
    fn images_of_several_sizes_come_to_one() {
        let sizes = [(4, 5), (8, 8), (3, 9), (6, 6), (2, 2), (7, 4)];
        let dataset = colours(&sizes);
        let error = Transform::new(&dataset, &settings(Normalize::Unit), &[]).unwrap_err();
        assert!(
            error.to_string().starts_with("data.image_size is 0"),
            "{error}"
        );
        for resize in [Resizing::Bilinear, Resizing::Antialias, Resizing::Pad] {
            let asked = Data {
                image_size: 9,
                resize,
                ..settings(Normalize::Computed)
            };
            let transform = Transform::new(&dataset, &asked, &first(6)).unwrap();
            for (index, (height, width)) in sizes.into_iter().enumerate() {
                let out = apply(&transform, &dataset, index);
                // As the image alone, in a set of its size.
                let alone = testing::one(&dataset, index);
                let mut given = asked.clone();
                (given.mean, given.std) = transform.figures().cloned().unzip();
                given.normalize = Normalize::Given;
                let own = Transform::new(&alone, &given, &[]).unwrap();
                assert_eq!(out, apply(&own, &alone, 0), "{height} × {width}");
            }
        }
    }

    /// Every way of normalising × channels × sizes, held to the definition on planes of f64.
    #[test]
    fn every_combination_is_what_it_is_defined_as() {
        let uniform = [(4, 5); 6];
        let several = [(4, 5), (8, 8), (3, 9), (6, 6), (2, 2), (7, 4)];
        let ways = [
            Normalize::Dataset,
            Normalize::Computed,
            Normalize::PerPixel,
            Normalize::Unit,
            Normalize::Imagenet,
        ];
        let mut count = 0;
        for (sizes, side) in [(uniform, 0), (uniform, 7), (several, 7)] {
            for channels in [Channels::Auto, Channels::Of(1), Channels::Of(3)] {
                for normalize in ways {
                    let dataset = colours(&sizes);
                    let asked = Data {
                        image_size: side,
                        channels,
                        ..settings(normalize)
                    };
                    let Ok(transform) = Transform::new(&dataset, &asked, &first(4)) else {
                        assert!(normalize == Normalize::Imagenet && channels == Channels::Of(1));
                        continue;
                    };
                    holds(&dataset, &transform, normalize);
                    count += 1;
                }
            }
        }
        assert_eq!(count, 42);
    }

    fn holds(dataset: &Dataset, transform: &Transform, normalize: Normalize) {
        let area = transform.height * transform.width;
        let values = |index: usize| -> Vec<f64> {
            let at = u32::try_from(index).unwrap();
            let image = transform.conversion.image(dataset, at).unwrap();
            let (height, width) = dataset.size(index);
            let resize = Resize::new(height, width, transform.height, transform.width);
            let plane = |bytes: &[u8]| {
                let mut out = vec![0.0; area];
                resize.apply_to_bytes(bytes, &mut out, &mut Scratch::default());
                out.into_iter().map(f64::from).collect::<Vec<f64>>()
            };
            image.chunks(height * width).flat_map(plane).collect()
        };
        let spread = |all: &[f64]| {
            let n = all.len() as f64;
            let mean = all.iter().sum::<f64>() / n;
            let std = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            (mean, if std < 1e-9 { 1.0 } else { std })
        };
        let bytes = |channel: usize| -> Vec<f64> {
            let of = |index: u32| {
                let image = transform.conversion.image(dataset, index).unwrap();
                let plane = image.len() / transform.channels;
                image[channel * plane..][..plane].to_vec()
            };
            let all = (0..4).flat_map(of);
            all.map(|byte| f64::from(byte) / 255.0).collect()
        };
        let train: Vec<Vec<f64>> = (0..4).map(values).collect();
        for index in 0..6 {
            let found = apply(transform, dataset, index);
            for (place, value) in values(index).into_iter().enumerate() {
                let channel = place / area;
                let (mean, std) = match normalize {
                    Normalize::Unit => (0.0, 1.0),
                    Normalize::Imagenet => {
                        let (mean, std) = IMAGENET[channel];
                        (f64::from(mean), f64::from(std))
                    }
                    Normalize::PerPixel => {
                        spread(&train.iter().map(|v| v[place]).collect::<Vec<f64>>())
                    }
                    _ => spread(&bytes(channel)),
                };
                let expected = (value - mean) / std;
                let error = (f64::from(found[place]) - expected).abs();
                assert!(error < 2e-4, "{normalize:?} {index} {place}: {error}");
            }
        }
    }

    #[test]
    fn as_many_figures_as_channels() {
        let dataset = colours(&[(4, 5); 2]);
        let two = Data {
            mean: Some(vec![0.5, 0.5].into()),
            std: Some(PerChannel::All(0.5)),
            ..settings(Normalize::Given)
        };
        let error = Transform::new(&dataset, &two, &[]).unwrap_err().to_string();
        assert!(error.starts_with("data.mean has 2 numbers"), "{error}");
        // Grey that is repeated may have figures for each of its copies.
        let grey = mini::load().unwrap();
        let three = Data {
            channels: Channels::Of(3),
            mean: Some(vec![0.1, 0.2, 0.3].into()),
            ..two
        };
        let transform = Transform::new(&grey, &three, &[]).unwrap();
        let out = apply(&transform, &grey, 3);
        let byte = f32::from(grey.image(3).unwrap()[400]) / 255.0;
        for (channel, mean) in [0.1, 0.2, 0.3].into_iter().enumerate() {
            assert!((out[784 * channel + 400] - (byte - mean) / 0.5).abs() < 1e-5);
        }
    }
}

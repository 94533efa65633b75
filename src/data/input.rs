//! What a run does to an image before its network sees it, kept beside the run: an image from anywhere goes through the
//! same, whether the data set is still there or not.
//!
//! An image of another size than the set's becomes like one of them first: scaled with antialiasing until it covers
//! their size, and cropped to its middle.

use serde::{Deserialize, Serialize};

use super::antialias::{Antialias, Scratch as AntialiasScratch};
use super::channels::Conversion;
use super::decode::{self, Picture};
use super::resize::Scratch;
use super::transform::Transform;
use super::transform::recorded::Statistics;
use super::{Dataset, SplitDataset};
use crate::error::{Error, Result};
use crate::profile::Data;
use crate::storage;

/// Its file in a run's directory.
pub(crate) const FILE: &str = "input.json";

/// **Units** bytes of the longest such file that is read.
pub(crate) const LONGEST: u64 = 128 << 20;

const FORMAT: u32 = 1;

/// Values of an image of a set at most: more than any set that can be read has.
const MOST_VALUES: usize = 1 << 28;

/// Training images whose borders are looked at.
const SAMPLED: usize = 1000;

/// How much nearer to the set's an image's border would come by inverting it, where it looks inverted. **Units** bytes.
const MARGIN: f64 = 64.0;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input {
    /// One per class; index is the label.
    pub classes: Vec<String>,
    /// **Shape** `[channels, height, width]` of the set's images.
    shape: [usize; 3],
    /// Mean value along the border of the training images. **Units** 0–255.
    border: f64,
    /// As [`Dataset::sha256`].
    pub data_sha256: String,
    /// Whether the set's images were brought to its size before.
    is_prepared: bool,
    transform: Transform,
}

/// An image as the run's set would have it: in its channels and size, before it is normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// 1 or 3.
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// **Shape** `[channels, height, width]`.
    pub pixels: Vec<u8>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    /// Of `input` as it is written.
    sha256: String,
    input: Recorded,
}

#[derive(Serialize, Deserialize)]
struct Recorded {
    classes: Vec<String>,
    shape: [usize; 3],
    border: f64,
    data_sha256: String,
    is_prepared: bool,
    #[serde(flatten)]
    statistics: Statistics,
}

impl Input {
    /// That of a run on this data.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub(crate) fn of(data: &SplitDataset) -> Result<Self> {
        let dataset = &data.dataset;
        Ok(Self {
            classes: dataset.classes.clone(),
            shape: dataset.shape(),
            border: mean_border(dataset, data.transform().conversion, &data.train)?,
            data_sha256: dataset.sha256.clone(),
            is_prepared: !dataset.pixels_sha256.is_empty(),
            transform: data.transform().clone(),
        })
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// `Compute` when it cannot be written as JSON.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let input = Recorded {
            classes: self.classes.clone(),
            shape: self.shape,
            border: self.border,
            data_sha256: self.data_sha256.clone(),
            is_prepared: self.is_prepared,
            statistics: self.transform.statistics(),
        };
        let failed = |e: serde_json::Error| Error::compute("writing JSON", e);
        let sha256 = storage::sha256(&serde_json::to_vec(&input).map_err(failed)?);
        let file = File {
            format: FORMAT,
            sha256,
            input,
        };
        serde_json::to_vec(&file).map_err(failed)
    }

    /// What the file of a run with this recipe says.
    ///
    /// # Errors
    /// What is wrong with it: `is corrupt`.
    pub(crate) fn from_json(bytes: &[u8], settings: &Data) -> Result<Self, String> {
        let file: File =
            serde_json::from_slice(bytes).map_err(|e| format!("cannot be read: {e}"))?;
        if file.format != FORMAT {
            return Err(format!("has format {} of another fmtui", file.format));
        }
        let written = serde_json::to_vec(&file.input).unwrap_or_default();
        if storage::sha256(&written) != file.sha256 {
            return Err("is corrupt".into());
        }
        let Recorded {
            classes,
            shape,
            border,
            data_sha256,
            is_prepared,
            statistics,
        } = file.input;
        let values = shape
            .iter()
            .try_fold(1, |n: usize, side| n.checked_mul(*side));
        let fits = matches!(shape[0], 1 | 3 | 4) && classes.len() > 1;
        if !fits || values.is_none_or(|values| values == 0 || values > MOST_VALUES) {
            return Err("describes no images".into());
        }
        let transform = Transform::restored(shape, settings, statistics);
        let transform = transform.map_err(|e| format!("does not fit the recipe: {e}"))?;
        Ok(Self {
            classes,
            shape,
            border,
            data_sha256,
            is_prepared,
            transform: transform.ok_or("does not fit the recipe")?,
        })
    }

    /// **Shape** `[channels, height, width]` of the set's images.
    #[must_use]
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// **Shape** `[channels, height, width]` of what the network gets.
    #[must_use]
    pub(crate) fn output(&self) -> [usize; 3] {
        let Transform {
            channels,
            height,
            width,
            ..
        } = self.transform;
        [channels, height, width]
    }

    /// An image file as the set would have it, as [`see`](Self::see).
    ///
    /// # Errors
    /// What is wrong with it, to be read behind its name: `is truncated`.
    pub(crate) fn see_file(&self, bytes: &[u8], is_inverted: bool) -> Result<Seen, String> {
        Ok(self.see(decode::decode(bytes)?, is_inverted))
    }

    /// An image as the set would have it; `is_inverted` makes light what is dark.
    #[must_use]
    pub(crate) fn see(&self, picture: Picture, is_inverted: bool) -> Seen {
        let conversion = self.transform.conversion;
        let (height, width) = (picture.height, picture.width);
        // In the set's colours first: sets of image files are scaled before they become grey.
        let colours = self.shape[0].min(3);
        let picture = picture.widened(colours);
        let mut pixels = picture.pixels;
        Conversion {
            from: picture.channels,
            to: colours,
            ..conversion
        }
        .apply(&mut pixels);
        let mut seen = self.cropped(Seen {
            channels: colours,
            height,
            width,
            pixels,
        });
        Conversion {
            from: colours,
            ..conversion
        }
        .apply(&mut seen.pixels);
        seen.channels = conversion.to;
        if is_inverted {
            let values = seen.pixels.iter_mut();
            values.for_each(|value| *value = u8::MAX - *value);
        }
        seen
    }

    /// Brought to the size of the set's images, or to the network's where the run's transform takes any size.
    fn cropped(&self, seen: Seen) -> Seen {
        let (sides, own) = ((seen.height, seen.width), (self.shape[1], self.shape[2]));
        if sides == own {
            return seen;
        }
        let (height, width) = if self.transform.takes_any_size() && !self.is_prepared {
            (self.transform.height, self.transform.width)
        } else {
            own
        };
        let resize = if height == width {
            Antialias::covering(sides, height)
        } else {
            Antialias::covering_rectangle(sides, (height, width))
        };
        let mut pixels = vec![0; seen.channels * height * width];
        let scratch = &mut AntialiasScratch::default();
        let planes = seen.pixels.chunks_exact(sides.0 * sides.1);
        for (plane, out) in planes.zip(pixels.chunks_exact_mut(height * width)) {
            resize.apply(plane, out, scratch);
        }
        Seen {
            height,
            width,
            pixels,
            ..seen
        }
    }

    /// What the network gets of an image.
    ///
    /// **Shape** `out` as [`output`](Self::output).
    pub(crate) fn fill(&self, seen: &Seen, out: &mut [f32], scratch: &mut Scratch) {
        let sides = (seen.height, seen.width);
        self.transform.apply(&seen.pixels, sides, out, scratch);
    }

    /// Whether an image's border is dark where the set's is light, or the other way round.
    #[must_use]
    pub(crate) fn looks_inverted(&self, seen: &Seen) -> bool {
        let own = border(&seen.pixels, (seen.height, seen.width));
        let (as_it_is, inverted) = (own - self.border, 255.0 - own - self.border);
        as_it_is.abs() > inverted.abs() + MARGIN
    }

    /// Whether an image's border is lighter than that of the training images.
    #[must_use]
    pub(crate) fn is_light(&self, seen: &Seen) -> bool {
        border(&seen.pixels, (seen.height, seen.width)) > self.border
    }
}

/// The mean along the border of up to [`SAMPLED`] images, evenly chosen.
fn mean_border(dataset: &Dataset, conversion: Conversion, train: &[u32]) -> Result<f64> {
    let step = train.len().div_ceil(SAMPLED).max(1);
    let (mut sum, mut count) = (0.0, 0);
    for index in train.iter().step_by(step) {
        let image = conversion.image(dataset, *index)?;
        sum += border(&image, dataset.size(*index as usize));
        count += 1;
    }
    Ok(sum / f64::from(count.max(1)))
}

/// The mean of the pixels along an image's edges, of all its planes. **Units** 0–255.
#[expect(clippy::cast_precision_loss, reason = "sums of bytes")]
fn border(pixels: &[u8], (height, width): (usize, usize)) -> f64 {
    let (mut sum, mut count) = (0_u64, 0_u64);
    let mut add = |bytes: &[u8]| {
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        count += bytes.len() as u64;
    };
    for plane in pixels.chunks_exact(height * width) {
        for (row, bytes) in plane.chunks_exact(width).enumerate() {
            if row == 0 || row + 1 == height {
                add(bytes);
            } else {
                add(&bytes[..1]);
                add(&bytes[width - 1..]);
            }
        }
    }
    sum as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests;

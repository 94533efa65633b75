//! Images and labels: reading them, finding them, splitting them, and handing them to the network in batches.
//!
//! Images stay u8; they become normalised f32 only in a batch. Never names `model` or `train`.

pub(crate) mod antialias;
pub(crate) mod augment;
pub(crate) mod channels;
pub mod check;
pub(crate) mod decode;
pub mod exclude;
pub mod fetch;
pub mod formats;
mod info;
pub(crate) mod input;
pub mod locate;
pub mod mini;
pub(crate) mod normalization;
pub(crate) mod packed;
pub(crate) mod pipeline;
pub(crate) mod places;
pub mod prepare;
pub(crate) mod read_ahead;
pub mod register;
pub(crate) mod resize;
pub(crate) mod split;
pub(crate) mod statistics;
mod store;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod transform;

use std::ops::Range;
use std::time::SystemTime;

pub use info::DatasetInfo;
pub use pipeline::{Key, SplitDataset};
pub use store::{Examples, InMemory, Store};

use crate::error::Result;

/// A named set of images as it lies in its files.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: String,
    /// One per class; index is the label.
    pub classes: Vec<String>,
    /// 1 (grey), 3 (red, green, blue) or 4 (and opacity).
    pub channels: usize,
    /// Of every image; of the largest where they differ.
    pub height: usize,
    pub width: usize,
    pub train: Examples,
    /// Empty where the set comes without a validation set of its own.
    pub validation: Examples,
    /// Empty where the set comes without a test set.
    pub test: Examples,
    /// Where it was read from, for people.
    pub source: String,
    /// SHA-256 of the content, by which runs know it again; how it is taken is the format's.
    pub sha256: String,
    /// SHA-256 of the pixels of images that were decoded and brought to one size, in the order of pooled indices; empty
    /// where [`sha256`](Self::sha256) is already that of pixels.
    pub pixels_sha256: String,
    /// What is to be said of how it was read, such as labels that are not the classes' numbers.
    pub remarks: Vec<String>,
    /// Pooled indices of images that are in no split, ascending; they stay where they are ([`exclude`]).
    pub excluded: Vec<u32>,
}

/// A part of a set as it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Test,
    Validation,
}

impl Part {
    /// In the order in which pooled indices count them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Test, Self::Validation];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }
}

/// Images counted over the whole set: those of `train` first, then those of `test`, then those of `validation`.
impl Dataset {
    /// Images of all parts together.
    #[must_use]
    pub fn len(&self) -> usize {
        Part::ALL.iter().map(|part| self.part(*part).len()).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn part(&self, part: Part) -> &Examples {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
            Part::Validation => &self.validation,
        }
    }

    /// The pooled indices of a part.
    #[must_use]
    pub fn range(&self, part: Part) -> Range<usize> {
        let before = Part::ALL.iter().take_while(|p| **p != part);
        let start = before.map(|p| self.part(*p).len()).sum();
        start..start + self.part(part).len()
    }

    /// The part that has this pooled index, and the image's own index in it; `None` beyond the last.
    #[must_use]
    pub fn place(&self, index: usize) -> Option<(Part, usize)> {
        let mut own = index;
        for part in Part::ALL {
            match own.checked_sub(self.part(part).len()) {
                None => return Some((part, own)),
                Some(left) => own = left,
            }
        }
        None
    }

    /// **Shape** `[channels, height, width]` of every image; of the largest where they differ.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Pixels of one image, of the largest where they differ.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Whether reading an image costs no more than a copy.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let mut parts = Part::ALL.iter().map(|part| self.part(*part));
        parts.all(|part| part.is_empty() || part.images.is_in_memory())
    }

    /// Whether all images have the same height and width.
    #[must_use]
    pub fn is_uniform(&self) -> bool {
        let size = (self.height, self.width);
        (0..self.len()).all(|index| self.size(index) == size)
    }

    /// Height and width in pixels of the image with this pooled index.
    ///
    /// # Panics
    /// When the index is not below [`len`](Self::len).
    #[must_use]
    pub fn size(&self, index: usize) -> (usize, usize) {
        let (examples, index) = self.locate(index);
        examples.images.size(index)
    }

    /// Fills `out` with the image of this pooled index.
    ///
    /// **Shape** `[channels, height, width]` u8.
    ///
    /// # Errors
    /// `Io` or `Input` when it cannot be read.
    ///
    /// # Panics
    /// As [`size`](Self::size), or when `out` has another length.
    pub fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        let (examples, index) = self.locate(index);
        examples.images.read(index, out)
    }

    /// Looks whether the image of this pooled index is what was added, where its file has changed after `time`.
    ///
    /// # Errors
    /// As [`Store::check`].
    ///
    /// # Panics
    /// As [`size`](Self::size).
    pub fn check(&self, index: usize, time: SystemTime) -> Result<()> {
        let (examples, index) = self.locate(index);
        examples.images.check(index, time)
    }

    /// The image of this pooled index, in memory of its own.
    ///
    /// **Shape** `[channels, height, width]` u8.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// As [`size`](Self::size).
    pub fn image(&self, index: usize) -> Result<Vec<u8>> {
        let (height, width) = self.size(index);
        let mut image = vec![0; self.channels * height * width];
        self.read(index, &mut image)?;
        Ok(image)
    }

    /// Says that these pooled indices will soon be read.
    ///
    /// # Panics
    /// As [`size`](Self::size).
    pub fn announce(&self, indices: &[u32]) {
        for index in indices {
            let (examples, index) = self.locate(*index as usize);
            examples.images.announce(index);
        }
    }

    /// The label of the image with this pooled index.
    ///
    /// # Panics
    /// As [`size`](Self::size).
    #[must_use]
    pub fn label(&self, index: usize) -> u16 {
        let (examples, index) = self.locate(index);
        examples.labels[index]
    }

    /// **Units** bytes of memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of_part = |part| {
            let Examples { images, labels } = self.part(part);
            images.bytes() + size_of_val(labels.as_slice()) as u64
        };
        Part::ALL.into_iter().map(of_part).sum()
    }

    fn locate(&self, index: usize) -> (&Examples, usize) {
        let len = self.len();
        assert!(index < len, "image {index} of {len}");
        let (part, index) = self.place(index).unwrap_or((Part::Train, index));
        (self.part(part), index)
    }
}

/// A batch as the network takes it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// **Shape** `[B, C, H, W]` f32, normalised.
    pub images: Vec<f32>,
    /// **Shape** `[B]`.
    pub labels: Vec<u32>,
    /// What a step learns instead of the labels, where images are mixed: for each image a share of every class, which
    /// sum to 1. Its training accuracy is counted by the largest share. **Shape** `[B, K]`.
    pub targets: Option<Vec<f32>>,
    /// How much each image counts in a step: its loss is Σ w·loss / Σ w, and 0 where all are 0. **Shape** `[B]`.
    pub weights: Option<Vec<f32>>,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Batch {
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

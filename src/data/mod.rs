//! Pictures and labels: reading them, finding them, splitting them, and handing them to the network in batches.
//!
//! Pictures stay u8 in memory; they become normalised f32 only in a batch. Never names `model` or `train`.

pub mod augment;
pub mod fetch;
pub mod formats;
mod info;
pub mod loader;
pub mod mini;
pub mod normalization;
pub mod places;
pub mod resize;
pub mod source;
pub mod split;
pub mod statistics;
pub mod transform;

pub use info::DatasetInfo;
pub use loader::{Key, Prepared};

/// A named set of pictures as it lies in its files.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: String,
    /// One per class; index is the label.
    pub classes: Vec<String>,
    pub height: usize,
    pub width: usize,
    pub train: Examples,
    pub test: Examples,
    /// Where it was read from, for people.
    pub source: String,
    /// SHA-256 over the four decompressed files: of their four SHA-256, as raw bytes, one after the other in the order
    /// train images, train labels, test images, test labels. (A hash of hashes, so that the files are hashed in parallel.)
    pub sha256: String,
}

/// Pictures counted over the whole set: those of `train` first, then those of `test`.
impl Dataset {
    /// Pictures in `train` and `test` together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.train.len() + self.test.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.train.is_empty() && self.test.is_empty()
    }

    /// Pixels of one picture.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// The picture with this pooled index.
    ///
    /// **Shape** `[height, width]` u8.
    ///
    /// # Panics
    /// When the index is not below [`len`](Self::len).
    #[must_use]
    pub fn picture(&self, index: usize) -> &[u8] {
        let (examples, index) = self.locate(index);
        let pixels = self.pixels();
        &examples.images[index * pixels..(index + 1) * pixels]
    }

    /// The label of the picture with this pooled index.
    ///
    /// # Panics
    /// When the index is not below [`len`](Self::len).
    #[must_use]
    pub fn label(&self, index: usize) -> u8 {
        let (examples, index) = self.locate(index);
        examples.labels[index]
    }

    fn locate(&self, index: usize) -> (&Examples, usize) {
        match index.checked_sub(self.train.len()) {
            None => (&self.train, index),
            Some(index) => (&self.test, index),
        }
    }
}

/// Grey pictures and their labels.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// **Shape** `[N, height, width]` u8.
    pub images: Vec<u8>,
    /// **Shape** `[N]`.
    pub labels: Vec<u8>,
}

impl Examples {
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A batch as the network takes it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// **Shape** `[B, C, H, W]` f32, normalised.
    pub images: Vec<f32>,
    /// **Shape** `[B]`.
    pub labels: Vec<u32>,
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

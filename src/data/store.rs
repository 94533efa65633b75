//! Where the pixels of a part lie, and its labels beside them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::Result;

/// **Units** bytes.
const CACHE_LINE: usize = 64;

/// Images by their number in a part, wherever they lie.
pub trait Store: Debug + Send + Sync {
    /// Height and width of an image in pixels.
    ///
    /// # Panics
    /// When the index is not that of an image.
    fn size(&self, index: usize) -> (usize, usize);

    /// Fills `out` with an image.
    ///
    /// **Shape** `[channels, height, width]` u8.
    ///
    /// # Errors
    /// `Io` or `Input` when it cannot be read.
    ///
    /// # Panics
    /// As [`size`](Self::size), or when `out` has another length.
    fn read(&self, index: usize, out: &mut [u8]) -> Result<()>;

    /// Says that an image will soon be read, where that makes it faster.
    fn announce(&self, index: usize);

    /// Whether its images are pixels already.
    fn is_decoded(&self) -> bool {
        true
    }

    /// Whether reading one costs no more than a copy.
    fn is_in_memory(&self) -> bool {
        true
    }

    /// The file of an image below the set's directory, where each has one of its own.
    fn name(&self, _: usize) -> Option<&str> {
        None
    }

    /// SHA-256 of that file as it was added.
    fn digest(&self, _: usize) -> Option<&str> {
        None
    }

    /// Looks whether an image is the one that was added, where its file has changed after `time`.
    ///
    /// # Errors
    /// `Input` when it is another, or cannot be read.
    ///
    /// # Panics
    /// As [`size`](Self::size).
    fn check(&self, _: usize, _time: SystemTime) -> Result<()> {
        Ok(())
    }

    /// **Units** bytes of memory that it takes.
    fn bytes(&self) -> u64;
}

/// Images of one size in memory.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    /// **Shape** `[N, channels, height, width]` u8.
    pub pixels: Vec<u8>,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl InMemory {
    fn image(&self, index: usize) -> &[u8] {
        let len = self.channels * self.height * self.width;
        &self.pixels[index * len..(index + 1) * len]
    }
}

impl Store for InMemory {
    fn size(&self, _: usize) -> (usize, usize) {
        (self.height, self.width)
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(self.image(index));
        Ok(())
    }

    /// Reads a byte of every cache line: images lie scattered over tens of megabytes, and the memory works on many at
    /// once instead of being waited for at each.
    fn announce(&self, index: usize) {
        let lines = self.image(index).iter().step_by(CACHE_LINE);
        std::hint::black_box(lines.fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
    }

    fn bytes(&self) -> u64 {
        self.pixels.len() as u64
    }
}

/// A part of a set: images and their labels.
#[derive(Clone, Debug)]
pub struct Examples {
    pub images: Arc<dyn Store>,
    /// **Shape** `[N]`.
    pub labels: Vec<u16>,
}

impl Default for Examples {
    fn default() -> Self {
        Self::in_memory(InMemory::default(), Vec::new())
    }
}

impl Examples {
    /// As many images as labels.
    #[must_use]
    pub fn in_memory(images: InMemory, labels: Vec<u16>) -> Self {
        Self {
            images: Arc::new(images),
            labels,
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

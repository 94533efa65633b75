//! Pictures and labels: reading them, finding them, splitting them, and handing them to the network in batches.
//!
//! Pictures stay u8 in memory; they become normalised f32 only in a batch. Never names `model` or `train`.

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
    /// SHA-256 over the four decompressed files in the order train images, train labels, test images, test labels.
    pub sha256: String,
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

//! What lies between two layers.

use super::Fault;

/// The shape of one image's worth of data between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Channels, height, width.
    Map {
        channels: usize,
        height: usize,
        width: usize,
    },
    /// A vector of features.
    Flat(usize),
}

impl Shape {
    /// Numbers per image.
    #[must_use]
    pub fn elements(self) -> usize {
        let (channels, height, width) = self.sides();
        channels * height * width
    }

    /// Numbers per image; nothing where they do not fit 64 bits.
    #[must_use]
    pub fn checked_elements(self) -> Option<u64> {
        let (channels, height, width) = self.sides();
        [channels, height, width]
            .into_iter()
            .try_fold(1u64, |p, size| p.checked_mul(u64::try_from(size).ok()?))
    }

    /// Channels, height and width; a vector is a single pixel of as many channels.
    #[must_use]
    pub fn sides(self) -> (usize, usize, usize) {
        match self {
            Self::Map {
                channels,
                height,
                width,
            } => (channels, height, width),
            Self::Flat(features) => (features, 1, 1),
        }
    }

    /// Channels, height and width of a map; `remedy` is for where it is none.
    pub(super) fn map(self, remedy: &str) -> Result<(usize, usize, usize), Fault> {
        match self {
            Self::Map { .. } => Ok(self.sides()),
            Self::Flat(_) => Err(Fault::new(
                format!("needs maps of channels × height × width but gets {self} features"),
                remedy,
            )),
        }
    }

    /// Features of a vector; `remedy` is for where it is none.
    pub(super) fn features(self, remedy: &str) -> Result<usize, Fault> {
        match self {
            Self::Flat(features) => Ok(features),
            Self::Map { .. } => Err(Fault::new(
                format!("needs a vector of features but gets {self}"),
                remedy,
            )),
        }
    }
}

impl std::fmt::Display for Shape {
    /// `8 × 32 × 32` or `120`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Map {
                channels,
                height,
                width,
            } => write!(f, "{channels} × {height} × {width}"),
            Self::Flat(features) => write!(f, "{features}"),
        }
    }
}

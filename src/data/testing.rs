//! Small data sets in colour for tests.

use std::sync::Arc;

use super::{Dataset, Examples, Store};
use crate::error::{Error, Result};

/// Images of these sizes whose bytes look like noise.
#[derive(Clone, Debug)]
struct Noise {
    sizes: Vec<(usize, usize)>,
    /// The number of the first one.
    first: usize,
    channels: usize,
    is_decoded: bool,
    /// The one that cannot be read.
    broken: Option<usize>,
}

impl Store for Noise {
    fn size(&self, index: usize) -> (usize, usize) {
        self.sizes[index]
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        if self.broken == Some(index) {
            return Err(Error::input(
                format!("image {index}"),
                "is truncated",
                "mend it",
            ));
        }
        let (height, width) = self.sizes[index];
        assert_eq!(out.len(), self.channels * height * width);
        for (place, byte) in out.iter_mut().enumerate() {
            let number = (self.first + index) * 7919 + place * 31 + place * place * 7;
            *byte = (number % 251) as u8;
        }
        Ok(())
    }

    fn announce(&self, _: usize) {}

    fn is_decoded(&self) -> bool {
        self.is_decoded
    }

    fn is_in_memory(&self) -> bool {
        self.is_decoded
    }

    fn bytes(&self) -> u64 {
        0
    }
}

fn set(sizes: &[(usize, usize)], first: usize, is_decoded: bool, broken: Option<usize>) -> Dataset {
    let labels = (0..sizes.len()).map(|index| (index % 2) as u16).collect();
    let images = Noise {
        sizes: sizes.to_vec(),
        first,
        channels: 3,
        is_decoded,
        broken,
    };
    Dataset {
        name: "noise".into(),
        classes: vec!["even".into(), "odd".into()],
        channels: 3,
        height: sizes.iter().map(|s| s.0).max().unwrap_or(0),
        width: sizes.iter().map(|s| s.1).max().unwrap_or(0),
        train: Examples {
            images: Arc::new(images),
            labels,
        },
        validation: Examples::default(),
        test: Examples::default(),
        source: String::new(),
        sha256: format!("{first} {sizes:?}"),
        pixels_sha256: String::new(),
        remarks: Vec::new(),
        excluded: Vec::new(),
    }
}

/// A set in colour without test set.
pub(crate) fn colours(sizes: &[(usize, usize)]) -> Dataset {
    set(sizes, 0, true, None)
}

/// The same as if each image were decoded when it is read.
pub(crate) fn lazy(sizes: &[(usize, usize)]) -> Dataset {
    set(sizes, 0, false, None)
}

/// The same, of which one image cannot be read.
pub(crate) fn unreadable(sizes: &[(usize, usize)], broken: usize) -> Dataset {
    set(sizes, 0, false, Some(broken))
}

/// A set of images with so many channels, decoded when they are read.
pub(crate) fn lazy_of(channels: usize, sizes: &[(usize, usize)]) -> Dataset {
    let images = Noise {
        sizes: sizes.to_vec(),
        first: 0,
        channels,
        is_decoded: false,
        broken: None,
    };
    let mut all = lazy(sizes);
    all.channels = channels;
    all.train.images = Arc::new(images);
    all
}

/// A set of one image of [`colours`].
pub(crate) fn one(dataset: &Dataset, index: usize) -> Dataset {
    set(&[dataset.size(index)], index, true, None)
}

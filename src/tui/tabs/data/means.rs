//! The mean image of each class of the training set, as far as it is known.

use crate::data::Dataset;
use crate::data::statistics::{class_means, mean_size};
use crate::error::Result;

/// See the module.
#[derive(Debug, Default)]
pub(super) enum Means {
    #[default]
    Unknown,
    /// Somebody works them out.
    Asked,
    /// **Shape** `[classes]` of `[channels, height, width]`; or why there are none.
    Known(Result<Vec<Vec<u8>>, String>),
}

/// Works them out of the training images whose pooled indices are `used`; of images in files each is decoded.
///
/// # Errors
/// As [`class_means`].
pub(crate) fn means_of(
    dataset: &Dataset,
    used: impl FnMut(&usize) -> bool,
) -> Result<Vec<Vec<u8>>> {
    // Training images come first in the pooled indices.
    let images = (0..dataset.train.len()).filter(used);
    let (classes, size) = (dataset.classes.len(), mean_size(dataset));
    class_means(&dataset.train, images, classes, dataset.channels, size)
}

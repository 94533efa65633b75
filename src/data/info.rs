//! What a network must know of a data set before its images are read.

use super::Dataset;
use crate::catalog;

/// Shape, classes and size of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetInfo {
    pub name: String,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub classes: usize,
    /// Images in the training set.
    pub train: usize,
}

impl From<&Dataset> for DatasetInfo {
    fn from(dataset: &Dataset) -> Self {
        Self {
            name: dataset.name.clone(),
            channels: dataset.channels,
            height: dataset.height,
            width: dataset.width,
            classes: dataset.classes.len(),
            train: dataset.train.len(),
        }
    }
}

impl DatasetInfo {
    /// **Shape** `[channels, height, width]` of an image.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// What is known of a set by its name alone, whether it is here or not.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let set = catalog::find(name).filter(|set| set.images.0 > 0)?;
        let [channels, height, width] = set.shape;
        Some(Self {
            name: name.into(),
            channels,
            height,
            width,
            classes: set.classes.names().len(),
            train: set.images.0 as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_by_name_is_so() {
        let dataset = crate::data::mini::load().unwrap();
        let known = DatasetInfo::by_name(catalog::BUILT_IN);
        assert_eq!(known, Some(DatasetInfo::from(&dataset)));
        assert_eq!(DatasetInfo::by_name("garments"), None);
    }
}

//! What a network must know of a data set before its images are read.

use super::{Dataset, mini};

/// Shape, classes and size of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetInfo {
    pub name: String,
    pub height: usize,
    pub width: usize,
    pub classes: usize,
    /// Images in the training part.
    pub train: usize,
}

impl From<&Dataset> for DatasetInfo {
    fn from(dataset: &Dataset) -> Self {
        Self {
            name: dataset.name.clone(),
            height: dataset.height,
            width: dataset.width,
            classes: dataset.classes.len(),
            train: dataset.train.len(),
        }
    }
}

impl DatasetInfo {
    /// What is known of a set by its name alone, whether it is here or not.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let train = match name {
            "fashion-mnist" => 60_000,
            mini::NAME => 2000,
            _ => return None,
        };
        Some(Self {
            name: name.into(),
            height: 28,
            width: 28,
            classes: 10,
            train,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_by_name_is_so() {
        let dataset = mini::load().unwrap();
        let known = DatasetInfo::by_name(mini::NAME);
        assert_eq!(known, Some(DatasetInfo::from(&dataset)));
        assert_eq!(DatasetInfo::by_name("garments"), None);
    }
}

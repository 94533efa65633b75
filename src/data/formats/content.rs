//! What was read becomes a checked [`Dataset`], whatever format it was in.
//!
//! Opens nothing; a format has read the files and says which of them is to blame.

use sha2::{Digest, Sha256};

use super::labels;
use super::origin::Origin;
use crate::data::{Dataset, Examples, InMemory};
use crate::error::Result;
use crate::{catalog, storage, text};

/// Images and labels of a split as they were read.
#[derive(Debug)]
pub(super) struct Split {
    /// Channels, height and width of every image.
    pub(super) shape: [usize; 3],
    /// **Shape** `[N, channels, height, width]` u8.
    pub(super) pixels: Vec<u8>,
    /// The files' own numbers. **Shape** `[N]`.
    pub(super) labels: Vec<i64>,
    pub(super) images_in: Origin,
    pub(super) labels_in: Origin,
}

impl Split {
    /// Values of one image.
    fn values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A set as it was read.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) name: &'a str,
    /// Where it was read from, for people.
    pub(super) source: String,
    /// Names of the classes that its files give; empty where they give none.
    pub(super) classes: Vec<String>,
    pub(super) train: Split,
    pub(super) test: Option<Split>,
    pub(super) validation: Option<Split>,
}

impl Content<'_> {
    /// Those that there are, in the order of [`Part::ALL`](crate::data::Part::ALL).
    fn splits(&self) -> impl Iterator<Item = &Split> {
        let others = [&self.test, &self.validation];
        std::iter::once(&self.train).chain(others.into_iter().flatten())
    }

    /// Checks all and puts the set together. Its SHA-256 depends on images and labels alone, not on the files: it is
    /// that of the shape of an image (three numbers), then of the training, test and validation set each the number of
    /// images, the pixels and the labels as classes. Numbers are of 64 bits and labels of 16, the lowest byte first. A
    /// set of which IDX files are published has the SHA-256 that it has in those.
    ///
    /// # Errors
    /// As [`named_by`](Self::named_by); `Input` where it is not the set that was published under its name.
    pub(super) fn into_dataset(self) -> Result<Dataset> {
        self.check_sizes()?;
        if let Some(sha256) = self.published()? {
            return self.named_by(sha256);
        }
        let mut dataset = self.named_by(String::new())?;
        dataset.sha256 = digest(&dataset)?;
        Ok(dataset)
    }

    /// Checks all and puts the set together, known again by this SHA-256.
    ///
    /// # Errors
    /// `Input` naming the file whose sizes or labels do not fit the others.
    pub(super) fn named_by(self, sha256: String) -> Result<Dataset> {
        self.check_sizes()?;
        let given: Vec<_> = self
            .splits()
            .map(|split| (split.labels.as_slice(), &split.labels_in))
            .collect();
        let classes = labels::classes(self.name, &self.classes, &given)?;
        let [channels, height, width] = self.train.shape;
        let mut labels = classes.labels.into_iter();
        let mut examples = |split: Option<Split>| {
            split.map_or_else(Examples::default, |split| {
                let images = InMemory {
                    pixels: split.pixels,
                    channels,
                    height,
                    width,
                };
                Examples::in_memory(images, labels.next().unwrap_or_default())
            })
        };
        Ok(Dataset {
            name: self.name.into(),
            classes: classes.names,
            channels,
            height,
            width,
            train: examples(Some(self.train)),
            test: examples(self.test),
            validation: examples(self.validation),
            source: text::sanitize(&self.source),
            sha256,
            pixels_sha256: String::new(),
            remarks: classes.remark.into_iter().collect(),
            excluded: Vec::new(),
        })
    }

    /// Images of one size, as many as labels, and not too many.
    fn check_sizes(&self) -> Result<()> {
        let shape = self.train.shape;
        let mut total = 0;
        for split in self.splits() {
            if split.shape != shape {
                return Err(split.images_in.error(format!(
                    "has images of {} where the training images have {}",
                    size(split.shape),
                    size(shape)
                )));
            }
            let images = split.pixels.len() / split.values().max(1);
            if images == 0 {
                return Err(split.images_in.error("is empty"));
            }
            if images != split.labels.len() {
                return Err(split.labels_in.error(format!(
                    "holds {} labels for the {images} images of {}",
                    split.labels.len(),
                    split.images_in.file
                )));
            }
            total += images;
        }
        if u32::try_from(total).is_err() {
            let all = "and the images of the other splits are more than 4,294,967,295";
            return Err(self.train.images_in.error(all));
        }
        Ok(())
    }

    /// A set of which files are published is held to them in every format: written as they are, it is the same bytes.
    /// Gives its SHA-256.
    fn published(&self) -> Result<Option<String>> {
        let files = catalog::find(self.name).map_or(&[][..], |set| set.files);
        if files.is_empty() {
            return Ok(None);
        }
        let found: Vec<_> = self.splits().flat_map(as_published).collect();
        let is_same = files
            .iter()
            .zip(&found)
            .all(|(file, own)| file.sha256 == storage::hex(own));
        if is_same && found.len() == files.len() {
            return Ok(Some(storage::sha256(&found.concat())));
        }
        Err(self.train.images_in.error_with(
            format!(
                "is not {} as it was published: its images or labels, or their order, differ",
                self.name
            ),
            "give the set another name",
        ))
    }
}

/// SHA-256 of the images and labels of a split as IDX files.
fn as_published(split: &Split) -> [[u8; 32]; 2] {
    let [_, height, width] = split.shape;
    let hash = |dimensions: &[usize], values: &[u8]| {
        let rank = u8::try_from(dimensions.len()).unwrap_or(u8::MAX);
        let mut hash = Sha256::new();
        hash.update([0, 0, 8, rank]);
        for side in dimensions {
            hash.update(u32::try_from(*side).unwrap_or(u32::MAX).to_be_bytes());
        }
        hash.update(values);
        <[u8; 32]>::from(hash.finalize())
    };
    let labels: Vec<u8> = split
        .labels
        .iter()
        .map(|label| u8::try_from(*label).unwrap_or(u8::MAX))
        .collect();
    [
        hash(&[labels.len(), height, width], &split.pixels),
        hash(&[labels.len()], &labels),
    ]
}

/// As [`Content::into_dataset`] says.
fn digest(dataset: &Dataset) -> Result<String> {
    let mut hash = Sha256::new();
    let number = |number: usize| (number as u64).to_le_bytes();
    for side in dataset.shape() {
        hash.update(number(side));
    }
    let mut image = vec![0; dataset.channels * dataset.pixels()];
    for examples in [&dataset.train, &dataset.test, &dataset.validation] {
        hash.update(number(examples.len()));
        for index in 0..examples.len() {
            examples.images.read(index, &mut image)?;
            hash.update(&image);
        }
        for label in &examples.labels {
            hash.update(label.to_le_bytes());
        }
    }
    Ok(storage::hex(&hash.finalize()))
}

/// `28×28`, `32×32 in 3 channels`.
fn size([channels, height, width]: [usize; 3]) -> String {
    match channels {
        1 => format!("{height}×{width}"),
        _ => format!("{height}×{width} in {channels} channels"),
    }
}

/// From the values of a pixel side by side to one plane after the other, image by image.
///
/// **Shape** `[N, area, channels]` before, `[N, channels, area]` after.
pub(super) fn to_planes(pixels: &mut [u8], channels: usize, area: usize) {
    let mut planes = vec![0; channels * area];
    for image in pixels.chunks_exact_mut((channels * area).max(1)) {
        for (at, pixel) in image.chunks_exact(channels).enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                planes[channel * area + at] = *value;
            }
        }
        image.copy_from_slice(&planes);
    }
}

/// Turns a split upright whose files have rows and columns swapped.
pub(super) fn transpose(split: &mut Split) {
    let [channels, height, width] = split.shape;
    let mut turned = vec![0; height * width];
    for plane in split.pixels.chunks_exact_mut((height * width).max(1)) {
        for (y, row) in plane.chunks_exact(width).enumerate() {
            for (x, value) in row.iter().enumerate() {
                turned[x * height + y] = *value;
            }
        }
        plane.copy_from_slice(&turned);
    }
    split.shape = [channels, width, height];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;
    use std::path::Path;

    fn split(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<i64>, file: &str) -> Split {
        let origin = Origin::new(Path::new(file), "replace it");
        Split {
            shape,
            pixels,
            labels,
            images_in: origin.member("images"),
            labels_in: origin.member("labels"),
        }
    }

    fn content(name: &str, test: Option<Split>) -> Content<'_> {
        Content {
            name,
            source: "here\n".into(),
            classes: Vec::new(),
            train: split([3, 1, 2], (0..12).collect(), vec![0, 1], "train"),
            test,
            validation: None,
        }
    }

    #[test]
    fn a_set_is_known_again_by_its_content() {
        let set = content("x", None).into_dataset().unwrap();
        assert_eq!(set.source, "here ".trim_end());
        assert_eq!(set.image(1).unwrap(), [6, 7, 8, 9, 10, 11]);
        assert!(set.test.is_empty() && set.validation.is_empty());
        let same = content("y", None).into_dataset().unwrap();
        assert_eq!(set.sha256, same.sha256);
        let other = || split([3, 1, 2], vec![7; 6], vec![1], "test");
        let tested = content("x", Some(other())).into_dataset().unwrap();
        let mut moved = content("x", None);
        moved.validation = Some(other());
        let moved = moved.into_dataset().unwrap();
        assert_eq!((moved.test.len(), moved.validation.len()), (0, 1));
        let mut relabelled = content("x", None);
        relabelled.train.labels = vec![1, 0];
        let relabelled = relabelled.into_dataset().unwrap();
        let all = [set.sha256, tested.sha256, moved.sha256, relabelled.sha256];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4);
    }

    #[test]
    fn sizes_and_counts_must_fit() {
        let message = |test: Split| {
            let told = content("x", Some(test)).into_dataset().unwrap_err();
            told.to_string()
        };
        assert_eq!(
            message(split([1, 2, 3], vec![0; 6], vec![1], "test")),
            "images in test has images of 2×3 where the training images have 1×2 in 3 channels; replace it"
        );
        assert_eq!(
            message(split([3, 1, 2], vec![0; 6], vec![1, 1], "test")),
            "labels in test holds 2 labels for the 1 images of images in test; replace it"
        );
        assert!(message(split([3, 1, 2], vec![], vec![], "test")).contains("is empty"));
    }

    #[test]
    fn channels_and_rows_are_brought_into_order() {
        let mut pixels = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        to_planes(&mut pixels, 3, 2);
        assert_eq!(pixels, [1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12]);
        let mut turned = split([1, 2, 3], (0..6).collect(), vec![0], "x");
        transpose(&mut turned);
        assert_eq!(turned.shape, [1, 3, 2]);
        assert_eq!(turned.pixels, [0, 3, 1, 4, 2, 5]);
    }

    /// The built-in set is not the whole one, in whatever format it comes under that one's name.
    #[test]
    fn a_published_set_is_held_to_what_was_published() {
        let set = mini::load().unwrap();
        let part = |examples: &Examples| {
            let images = (0..examples.len()).flat_map(|i| {
                let mut image = vec![0; 784];
                examples.images.read(i, &mut image).unwrap();
                image
            });
            let labels = examples.labels.iter().map(|label| i64::from(*label));
            split([1, 28, 28], images.collect(), labels.collect(), "file")
        };
        let content = |name| Content {
            name,
            source: String::new(),
            classes: Vec::new(),
            train: part(&set.train),
            test: Some(part(&set.test)),
            validation: None,
        };
        let told = content("fashion-mnist").into_dataset().unwrap_err();
        assert!(told.to_string().contains("as it was published"), "{told}");
        // As `data/fashion-mnist-mini/README.md` lists them.
        let [train, test] = [&set.train, &set.test].map(|split| as_published(&part(split)));
        assert!(storage::hex(&train[0]).starts_with("a724cd72799a"));
        assert!(storage::hex(&test[1]).starts_with("9c71808b3a0e"));
        assert_eq!(
            storage::sha256(&[train, test].concat().concat()),
            set.sha256
        );
        assert_eq!(content("mine").into_dataset().unwrap().classes.len(), 10);
    }
}

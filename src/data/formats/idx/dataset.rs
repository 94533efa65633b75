//! Four IDX arrays become a checked [`Dataset`]: sizes equal, labels known, EMNIST's images turned upright.
//!
//! Opens nothing; whoever calls it has read the files.

use sha2::{Digest, Sha256};

use super::file::{Idx, Origin};
use crate::catalog;
use crate::data::{Dataset, Examples, InMemory};
use crate::error::{Error, Result};
use crate::{storage, text};

/// Puts a set together from its files in [`Role::ALL`](super::layout::Role::ALL)'s order. Its SHA-256 is that of the
/// four decompressed files' SHA-256, as raw bytes, one after the other in that order.
///
/// # Errors
/// `Input` naming the file whose size or labels do not fit the others, or whose published SHA-256 it does not have.
pub(super) fn assemble(
    name: &str,
    source: &str,
    files: [Idx; 4],
    origins: &[Origin; 4],
) -> Result<Dataset> {
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.sha256);
    }
    check_published(name, &files, origins)?;

    let [train_images, train_labels, test_images, test_labels] = files;
    let size = train_images.dimensions[1..].to_vec();
    if test_images.dimensions[1..] != size[..] {
        return Err(origins[2].error(format!(
            "has images of {} where the training images have {}",
            sides(&test_images.dimensions[1..]),
            sides(&size)
        )));
    }
    check_counts(&train_images, &train_labels, origins, 0)?;
    check_counts(&test_images, &test_labels, origins, 2)?;
    let (height, width) = (size[0], size[1]);
    let (mut train, mut train_labels) = (train_images.values, train_labels.values);
    let (mut test, mut test_labels) = (test_images.values, test_labels.values);
    if u32::try_from(train_labels.len() + test_labels.len()).is_err() {
        return Err(origins[0].error("and the test images are more than 4,294,967,295"));
    }

    let first = catalog::alike(name).map_or(0, |set| set.first_label);
    if first > 0 {
        let both = [
            (&mut train_labels, &origins[1]),
            (&mut test_labels, &origins[3]),
        ];
        for (labels, origin) in both {
            for label in labels {
                let fault = format!("has the label {label} where labels count from {first}");
                *label = label
                    .checked_sub(first)
                    .ok_or_else(|| origin.error(fault))?;
            }
        }
    }
    let classes = class_names(name, &train_labels, &test_labels, origins)?;
    let (mut height, mut width) = (height, width);
    if catalog::is_transposed(name) {
        transpose(&mut train, height, width);
        transpose(&mut test, height, width);
        (height, width) = (width, height);
    }
    let part = |pixels: Vec<u8>, labels: Vec<u8>| {
        let images = InMemory {
            pixels,
            channels: 1,
            height,
            width,
        };
        Examples::in_memory(images, labels.into_iter().map(u16::from).collect())
    };
    // Of the hashes, so that the files are hashed in parallel.
    let sha256 = storage::hex(&hash.finalize());
    Ok(Dataset {
        name: name.into(),
        classes,
        channels: 1,
        height,
        width,
        train: part(train, train_labels),
        validation: Examples::default(),
        test: part(test, test_labels),
        source: text::sanitize(source),
        sha256,
        remarks: Vec::new(),
    })
}

fn check_published(name: &str, files: &[Idx; 4], origins: &[Origin; 4]) -> Result<()> {
    let published = catalog::find(name).map_or(&[][..], |set| set.files);
    for ((published, file), origin) in published.iter().zip(files).zip(origins) {
        let found = storage::hex(&file.sha256);
        if found != published.sha256 {
            return Err(origin.error(format!(
                "is not the {} that was published with {name} (SHA-256 {}… instead of {}…)",
                published.name,
                &found[..12],
                &published.sha256[..12],
            )));
        }
    }
    Ok(())
}

/// As many labels as images; `first` is the place of the images' file.
fn check_counts(images: &Idx, labels: &Idx, origins: &[Origin; 4], first: usize) -> Result<()> {
    if images.dimensions[0] == labels.dimensions[0] {
        return Ok(());
    }
    Err(origins[first + 1].error(format!(
        "holds {} labels for the {} images of {}",
        labels.dimensions[0], images.dimensions[0], origins[first].file
    )))
}

/// The known names, or one number for every label up to the largest in the training set.
fn class_names(
    name: &str,
    train: &[u8],
    test: &[u8],
    origins: &[Origin; 4],
) -> Result<Vec<String>> {
    let known = catalog::alike(name).map(|set| set.classes.names());
    let is_known = known.is_some();
    let names = known.unwrap_or_else(|| {
        let largest = train.iter().copied().max().unwrap_or(0);
        (0..=largest).map(|label| label.to_string()).collect()
    });
    for (labels, origin) in [(train, &origins[1]), (test, &origins[3])] {
        if let Some(wrong) = wrong_label(labels, names.len(), origin) {
            return Err(wrong);
        }
    }
    if !is_known && let Some(absent) = absent_class(train, test, names.len()) {
        let largest = names.len() - 1;
        return Err(origins[1].error(format!(
            "has labels up to {largest}, but no image has the label {absent}"
        )));
    }
    if names.len() < 2 {
        return Err(origins[1].error("has only one class; there is nothing to classify"));
    }
    Ok(names)
}

/// The first class without an image: labels with holes are damage, not classes.
fn absent_class(train: &[u8], test: &[u8], classes: usize) -> Option<usize> {
    let mut present = [false; 256];
    for label in train.iter().chain(test) {
        present[usize::from(*label)] = true;
    }
    (0..classes).find(|class| !present[*class])
}

fn wrong_label(labels: &[u8], classes: usize, origin: &Origin) -> Option<Error> {
    let index = labels
        .iter()
        .position(|label| usize::from(*label) >= classes)?;
    Some(origin.error(format!(
        "has the label {} at image {index}, outside the {classes} classes",
        labels[index]
    )))
}

/// Swaps rows and columns of every image.
fn transpose(images: &mut [u8], height: usize, width: usize) {
    let mut turned = vec![0; height * width];
    for image in images.chunks_exact_mut(height * width) {
        for (y, row) in image.chunks_exact(width).enumerate() {
            for (x, value) in row.iter().enumerate() {
                turned[x * height + y] = *value;
            }
        }
        image.copy_from_slice(&turned);
    }
}

fn sides(size: &[usize]) -> String {
    size.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("×")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn idx(dimensions: &[usize], values: Vec<u8>) -> Idx {
        assert_eq!(dimensions.iter().product::<usize>(), values.len());
        Idx {
            dimensions: dimensions.to_vec(),
            values,
            sha256: [0; 32],
        }
    }

    fn origins() -> [Origin; 4] {
        ["trainx", "trainy", "testx", "testy"]
            .map(|file| Origin::new(Path::new(file), "replace it"))
    }

    fn tiny(train_labels: Vec<u8>, test_labels: Vec<u8>) -> [Idx; 4] {
        let n = train_labels.len();
        [
            idx(&[3, 2, 3], (0..18).collect()),
            idx(&[n], train_labels),
            idx(&[1, 2, 3], vec![9; 6]),
            idx(&[1], test_labels),
        ]
    }

    fn message(name: &str, files: [Idx; 4]) -> String {
        assemble(name, "here", files, &origins())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn labels_with_holes_are_refused() {
        let wrong = message("mine", tiny(vec![0, 200, 1], vec![2]));
        assert!(
            wrong.contains("has labels up to 200, but no image has the label 3"),
            "{wrong}"
        );
    }

    #[test]
    fn classes_come_from_the_labels_where_the_set_is_unknown() {
        let set = assemble("mine", "here", tiny(vec![0, 3, 1], vec![2]), &origins()).unwrap();
        assert_eq!(set.classes, ["0", "1", "2", "3"]);
        assert_eq!(set.len(), 4);
        assert_eq!(set.image(1).unwrap(), [6, 7, 8, 9, 10, 11]);
        assert_eq!(set.image(3).unwrap(), [9; 6]);
        assert_eq!((set.label(1), set.label(3)), (3, 2));
    }

    #[test]
    fn wrong_labels_and_counts_are_named() {
        assert_eq!(
            message("mnist", tiny(vec![0, 10, 1], vec![2])),
            "trainy has the label 10 at image 1, outside the 10 classes; replace it"
        );
        assert!(message("mine", tiny(vec![0, 1, 1], vec![2])).starts_with("testy has the label 2"));
        assert_eq!(
            message("mine", tiny(vec![0, 1], vec![0])),
            "trainy holds 2 labels for the 3 images of trainx; replace it"
        );
        assert!(message("mine", tiny(vec![0, 0, 0], vec![0])).contains("one class"));
        let mut files = tiny(vec![0, 1, 1], vec![0]);
        files[2] = idx(&[1, 3, 2], vec![0; 6]);
        assert!(
            message("mine", files).contains("images of 3×2 where the training images have 2×3")
        );
    }

    #[test]
    fn published_hashes_are_demanded() {
        let text = message("fashion-mnist", tiny(vec![0, 1, 1], vec![0]));
        assert!(text.starts_with("trainx is not the train-images-idx3-ubyte that was published"));
    }

    #[test]
    fn emnist_is_turned_upright_and_letters_count_from_zero() {
        let set = assemble(
            "emnist-letters",
            "here",
            tiny(vec![1, 26, 2], vec![3]),
            &origins(),
        )
        .unwrap();
        assert_eq!((set.height, set.width), (3, 2));
        assert_eq!(set.image(0).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(set.classes[usize::from(set.label(1))], "Z");
        assert!(message("emnist-letters", tiny(vec![1, 0, 2], vec![3])).contains("label 0"));
        assert!(message("emnist-letters", tiny(vec![1, 27, 2], vec![3])).contains("label 26"));
    }
}

//! IDX arrays become a checked [`Dataset`]: dimensions as images, values as pixels, EMNIST's images turned upright.
//!
//! Opens nothing; whoever calls it has read the files.

use sha2::{Digest, Sha256};

use super::file::{Idx, Origin};
use crate::catalog;
use crate::data::Dataset;
use crate::data::formats::content::{Content, Split, to_planes, transpose};
use crate::data::formats::numbers::Order;
use crate::error::{Error, Result};
use crate::storage;

/// What a label file of QMNIST has for each image: the class, and where it comes from.
const QMNIST_COLUMNS: usize = 8;

/// Puts a set together from its files in [`Role::ALL`](super::layout::Role::ALL)'s order, four or those of the training
/// set. Its SHA-256 is that of the decompressed files' SHA-256, as raw bytes, one after the other in that order.
///
/// # Errors
/// `Input` naming the file whose size or labels do not fit the others, whose values are no pixels, or whose published
/// SHA-256 it does not have.
pub(super) fn assemble(
    name: &str,
    source: &str,
    files: Vec<Idx>,
    origins: &[Origin],
) -> Result<Dataset> {
    // Of the hashes, so that the files are hashed in parallel.
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.sha256);
    }
    check_published(name, &files, origins)?;
    let mut files = files.into_iter().zip(origins);
    let mut split = || -> Option<Result<Split>> {
        let (images, labels) = (files.next()?, files.next()?);
        Some(split(name, images, labels))
    };
    let train = split().ok_or_else(|| Error::compute("reading the data set", "a file is missing"));
    Content {
        name,
        source: source.into(),
        classes: Vec::new(),
        train: train??,
        test: split().transpose()?,
        validation: None,
    }
    .named_by(storage::hex(&hash.finalize()))
}

fn check_published(name: &str, files: &[Idx], origins: &[Origin]) -> Result<()> {
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

fn split(
    name: &str,
    (images, images_in): (Idx, &Origin),
    (labels, labels_in): (Idx, &Origin),
) -> Result<Split> {
    let (shape, is_interleaved) = shape(&images, images_in)?;
    let pixels = images.kind.pixels(images.values, Order::Highest);
    let mut pixels = pixels.map_err(|problem| images_in.error(problem))?;
    let [channels, height, width] = shape;
    if is_interleaved {
        to_planes(&mut pixels, channels, height * width);
    }
    let columns = match *labels.dimensions.as_slice() {
        [_] | [_, 1] => 1,
        [_, QMNIST_COLUMNS] => QMNIST_COLUMNS,
        _ => {
            return Err(labels_in.error(format!(
                "holds labels of {} numbers; there is one for each image, or {QMNIST_COLUMNS} as QMNIST has",
                sides(&labels.dimensions[1..])
            )));
        }
    };
    let numbers = labels.kind.labels(&labels.values, Order::Highest);
    let numbers = numbers.map_err(|problem| labels_in.error(problem))?;
    let mut split = Split {
        shape,
        pixels,
        labels: numbers.into_iter().step_by(columns).collect(),
        images_in: images_in.clone(),
        labels_in: labels_in.clone(),
    };
    if catalog::is_transposed(name) {
        transpose(&mut split);
    }
    Ok(split)
}

/// Channels, height and width of an image, and whether the channels of a pixel lie side by side.
fn shape(images: &Idx, origin: &Origin) -> Result<([usize; 3], bool)> {
    let shape = match *images.dimensions.as_slice() {
        [_, values] => {
            let side = values.isqrt();
            (side * side == values).then_some(([1, side, side], false))
        }
        [_, height, width] => Some(([1, height, width], false)),
        [_, channels @ (1 | 3 | 4), height, width] => Some(([channels, height, width], false)),
        [_, height, width, channels @ (1 | 3 | 4)] => Some(([channels, height, width], true)),
        _ => None,
    };
    shape.ok_or_else(|| {
        origin.error(format!(
            "holds images of {} values, neither a square nor rows and columns of 1, 3 or 4 channels",
            sides(&images.dimensions[1..])
        ))
    })
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
    use crate::data::formats::idx::file::Kind;
    use crate::data::mini;
    use std::path::Path;

    fn idx(dimensions: &[usize], values: Vec<u8>) -> Idx {
        of_kind(Kind::U8, dimensions, values)
    }

    fn of_kind(kind: Kind, dimensions: &[usize], values: Vec<u8>) -> Idx {
        let count = dimensions.iter().product::<usize>();
        assert_eq!(count * kind.size(), values.len());
        Idx {
            kind,
            dimensions: dimensions.to_vec(),
            values,
            sha256: [0; 32],
        }
    }

    fn origins() -> [Origin; 4] {
        ["trainx", "trainy", "testx", "testy"]
            .map(|file| Origin::new(Path::new(file), "replace it"))
    }

    fn tiny(train_labels: Vec<u8>, test_labels: Vec<u8>) -> Vec<Idx> {
        let n = train_labels.len();
        vec![
            idx(&[3, 2, 3], (0..18).collect()),
            idx(&[n], train_labels),
            idx(&[1, 2, 3], vec![9; 6]),
            idx(&[1], test_labels),
        ]
    }

    fn message(name: &str, files: Vec<Idx>) -> String {
        assemble(name, "here", files, &origins())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn labels_with_gaps_are_classes_from_zero_where_the_set_is_unknown() {
        let files = tiny(vec![1, 200, 7], vec![7]);
        let set = assemble("garments", "here", files, &origins()).unwrap();
        assert_eq!(set.classes, ["1", "7", "200"]);
        assert_eq!(set.train.labels, [0, 2, 1]);
        assert_eq!(set.label(3), 1);
        assert_eq!(
            set.remarks,
            ["labels 1, 7, 200 of garments are classes 0, 1, 2"]
        );
        assert!(message("mnist", tiny(vec![1, 200, 7], vec![7])).contains("label 200"));
    }

    #[test]
    fn training_files_alone_are_a_set() {
        let mut files = tiny(vec![0, 1, 1], vec![0]);
        files.truncate(2);
        let set = assemble("mine", "here", files, &origins()[..2]).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (3, 0));
    }

    /// One training image of these dimensions and another.
    fn shaped(dimensions: &[usize], values: Vec<u8>) -> Result<Dataset> {
        let all = [&[2], dimensions].concat();
        let files = vec![idx(&all, values), idx(&[2], vec![0, 1])];
        assemble("mine", "here", files, &origins()[..2])
    }

    #[test]
    fn images_may_have_two_to_four_dimensions() {
        let values: Vec<u8> = (0..24).collect();
        let (planes, pixels) = (&[3, 2, 2][..], &[2, 2, 3][..]);
        let set = shaped(planes, values.clone()).unwrap();
        assert_eq!(
            (set.shape(), set.image(0).unwrap()),
            ([3, 2, 2], (0..12).collect())
        );
        let set = shaped(pixels, values.clone()).unwrap();
        assert_eq!(set.shape(), [3, 2, 2]);
        assert_eq!(
            set.image(0).unwrap(),
            [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
        );
        assert_eq!(
            shaped(&[3, 4, 1], values.clone()).unwrap().shape(),
            [3, 4, 1]
        );
        assert_eq!(shaped(&[4, 3], values.clone()).unwrap().shape(), [1, 4, 3]);
        assert_eq!(
            shaped(&[9], values[..18].to_vec()).unwrap().shape(),
            [1, 3, 3]
        );
        for wrong in [&[12][..], &[2, 3, 2]] {
            let told = shaped(wrong, values.clone()).unwrap_err().to_string();
            assert!(told.starts_with("trainx holds images of "), "{told}");
        }
    }

    #[test]
    fn values_that_are_no_pixels_are_named() {
        let with = |kind, values: Vec<u8>| {
            let files = vec![of_kind(kind, &[2, 1, 1], values), idx(&[2], vec![0, 1])];
            let told = assemble("mine", "here", files, &origins()[..2]).unwrap_err();
            told.to_string()
        };
        let told = with(Kind::I16, vec![0, 1, 1, 0]);
        assert_eq!(
            told,
            "trainx has the value 256, outside 0 to 255; replace it"
        );
        let float = |value: f32| [0f32.to_be_bytes(), value.to_be_bytes()].concat();
        assert!(with(Kind::F32, float(2.0)).contains("has the value 2;"));
    }

    #[test]
    fn the_first_of_qmnists_numbers_is_the_class() {
        let rows = [[3, 9, 9, 9, 9, 9, 9, 9], [5, 0, 0, 0, 0, 0, 0, 0]];
        let numbers = rows.iter().flatten().flat_map(|n: &i32| n.to_be_bytes());
        let labels = of_kind(Kind::I32, &[2, 8], numbers.collect());
        let images = || idx(&[2, 1, 1], vec![7, 8]);
        let files = vec![images(), labels.clone(), images(), labels];
        let set = assemble("qmnist", "here", files, &origins()).unwrap();
        assert_eq!((set.classes.len(), set.label(0), set.label(3)), (10, 3, 5));
        let files = vec![images(), idx(&[2, 3], vec![0; 6])];
        let told = assemble("mine", "here", files, &origins()[..2]).unwrap_err();
        assert!(
            told.to_string().contains("holds labels of 3 numbers"),
            "{told}"
        );
    }

    /// The built-in set in other types of values is the same.
    #[test]
    fn every_type_of_values_gives_the_same_bits() {
        let set = mini::load().unwrap();
        let pixels = (0..2000).flat_map(|i| set.image(i).unwrap());
        let pixels: Vec<u8> = pixels.collect();
        let labels: Vec<u8> = set.train.labels.iter().map(|label| *label as u8).collect();
        let written = |number: fn(u8) -> Vec<u8>| pixels.iter().flat_map(|v| number(*v)).collect();
        for (kind, values) in [
            (Kind::U8, pixels.clone()),
            (Kind::I16, written(|v| i16::from(v).to_be_bytes().into())),
            (Kind::I32, written(|v| i32::from(v).to_be_bytes().into())),
            (
                Kind::F32,
                written(|v| (f32::from(v) / 255.0).to_be_bytes().into()),
            ),
            (
                Kind::F64,
                written(|v| (f64::from(v) / 255.0).to_be_bytes().into()),
            ),
        ] {
            let files = vec![
                of_kind(kind, &[2000, 784], values),
                idx(&[2000], labels.clone()),
            ];
            let read = assemble("mine", "here", files, &origins()[..2]).unwrap();
            let is_same = |i: usize| read.image(i).unwrap() == set.image(i).unwrap();
            assert!((0..2000).all(is_same), "{kind:?}");
            assert_eq!(read.train.labels, set.train.labels);
        }
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
        assert!(message("emnist-letters", tiny(vec![1, 27, 2], vec![3])).contains("label 27"));
    }
}

//! Files that `scripts/data_fixtures.py` wrote with numpy, and broken ones.

use std::fs;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::*;
use crate::data::mini;

const MEDMNIST: &[u8] = include_bytes!("../testdata/medmnist.npz");
const KERAS: &[u8] = include_bytes!("../testdata/keras.npz");
const FLOATS: &[u8] = include_bytes!("../testdata/floats.npz");

/// As the script's `images`, of one image.
fn values(image: usize, count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| ((31 * image + 7 * at) % 251) as u8)
        .collect()
}

fn load_as(name: &str, bytes: &[u8]) -> Result<Dataset> {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(format!("{name}.npz")), bytes).unwrap();
    Arrays.load(Place {
        directory: root.path(),
        name,
        plain: Plain::Ignored,
    })
}

fn message(bytes: &[u8]) -> String {
    load_as("mine", bytes).unwrap_err().to_string()
}

/// An array of unsigned bytes, or whatever `kind` says.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (key, data) in arrays {
        writer.start_file(format!("{key}.npy"), options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_numpy_saved_is_read() {
    let set = load_as("mine", MEDMNIST).unwrap();
    assert_eq!(set.shape(), [3, 2, 3]);
    assert_eq!(
        (set.train.len(), set.validation.len(), set.test.len()),
        (4, 1, 2)
    );
    let (image, mut planes) = (values(1, 18), Vec::<u8>::new());
    for channel in 0..3 {
        planes.extend(image.iter().skip(channel).step_by(3));
    }
    assert_eq!(set.image(1).unwrap(), planes);
    // The test images are the second and third.
    assert_eq!(set.image(4).unwrap(), planes);
    assert_eq!(set.train.labels, [0, 1, 1, 0]);
    assert_eq!((set.label(4), set.classes.len()), (1, 2));

    let keras = load_as("mine", KERAS).unwrap();
    assert_eq!(
        (keras.train.len(), keras.test.len(), keras.validation.len()),
        (4, 2, 0)
    );
    assert_eq!(keras.image(3).unwrap(), values(3, 6));
    // The same images as fractions, without a test set.
    let floats = load_as("mine", FLOATS).unwrap();
    assert_eq!((floats.train.len(), floats.test.len()), (4, 0));
    for image in 0..4 {
        assert_eq!(floats.image(image).unwrap(), values(image, 6));
        assert_eq!(floats.label(image), keras.label(image));
    }
}

#[test]
fn a_file_is_found_by_its_name_or_its_directorys() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("mine");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("other.npz"), KERAS).unwrap();
    fs::write(directory.join("notes.txt"), "").unwrap();
    let at = |name, plain| Place {
        directory: &directory,
        name,
        plain,
    };
    for (name, plain, is_there) in [
        ("mine", Plain::Counts, true),
        ("mine", Plain::Ignored, false),
        ("other", Plain::Ignored, true),
    ] {
        let holding = Arrays.probe(at(name, plain));
        assert_eq!(holding == Holding::Complete(()), is_there, "{name}");
    }
    assert_eq!(Arrays.sets_in(&directory), ["other", "mine"]);
    fs::write(directory.join("second.npz"), KERAS).unwrap();
    assert_eq!(Arrays.probe(at("mine", Plain::Counts)), Holding::Nothing);
    assert_eq!(Arrays.sets_in(&directory), ["other", "second"]);
}

#[test]
fn what_is_wrong_is_told_of_its_array() {
    let labels = || ("labels", npy("|u1", "2,", &[0, 1]));
    let images = |kind: &str, shape: &str, data: &[u8]| {
        let images = ("images", npy(kind, shape, data));
        message(&npz(&[images, labels()]))
    };
    for (told, problem) in [
        (
            images("|u1", "2, 4", &[0; 8]),
            "has the shape 2×4; images are",
        ),
        (images("|u1", "2, 1, 2, 2", &[0; 8]), "has the shape"),
        (
            images("<i2", "2, 1, 2", &[1; 8]),
            "has the value 257, outside 0 to 255",
        ),
        (
            images("|i1", "2, 1, 2", &[0xff; 4]),
            "has the value -1, outside",
        ),
        (
            images("|u1", "3, 1, 2", &[0; 6]),
            "holds 2 labels for the 3 images",
        ),
        (
            message(&npz(&[labels()])),
            "has none of the arrays train_images, x_train, images (it has labels)",
        ),
        (
            message(&npz(&[("images", npy("|u1", "2, 1, 1", &[0; 2]))])),
            "array labels in",
        ),
        (message(b"<html>"), "is not an .npz file"),
    ] {
        assert!(told.contains(problem), "{told}");
        assert!(
            told.contains("mine.npz") && told.contains("replace it"),
            "{told}"
        );
    }
    let several = npz(&[
        ("images", npy("|u1", "2, 1, 1", &[0; 2])),
        ("labels", npy("|u1", "2, 14", &[0; 28])),
    ]);
    assert!(message(&several).contains("labels are one number for each image"));
    let fractions = npz(&[
        ("images", npy("|u1", "2, 1, 1", &[0; 2])),
        ("labels", npy("<f4", "2,", &[0; 8])),
    ]);
    assert!(message(&fractions).contains("has fractions for labels"));
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    for bytes in [KERAS, FLOATS] {
        for length in 0..bytes.len() {
            assert!(load_as("mine", &bytes[..length]).is_err(), "{length}");
        }
    }
}

/// A zip has a checksum of every array; what it does not cover changes nothing, or hides an array that may be absent.
#[test]
fn every_flipped_bit_is_noticed_or_harmless() {
    let good = load_as("mine", FLOATS).unwrap();
    for bit in 0..FLOATS.len() * 8 {
        let mut bytes = FLOATS.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = load_as("mine", &bytes) {
            assert_eq!(read.sha256, good.sha256, "bit {bit}");
        }
    }
}

#[test]
fn a_bomb_stays_small() {
    // 64 MB of zeros behind a header that promises 2 bytes.
    let mut bomb = npy("|u1", "2, 1, 1", &[]);
    bomb.resize(64 << 20, 0);
    let labels = ("labels", npy("|u1", "2,", &[0, 1]));
    let told = message(&npz(&[("images", bomb), labels]));
    assert!(told.contains("too long"), "{told}");
}

/// The built-in set, written by another program, is the same.
#[test]
fn the_built_in_set_comes_back_bit_by_bit() {
    let set = mini::load().unwrap();
    let mut arrays = Vec::new();
    for (range, [images, labels]) in [
        (0..2000, ["train_images", "train_labels"]),
        (2000..2500, ["test_images", "test_labels"]),
    ] {
        let count = range.len();
        let pixels: Vec<u8> = range.clone().flat_map(|i| set.image(i).unwrap()).collect();
        let classes: Vec<u8> = range.map(|i| set.label(i) as u8).collect();
        arrays.push((images, npy("|u1", &format!("{count}, 28, 28"), &pixels)));
        arrays.push((labels, npy("|u1", &format!("{count}, 1"), &classes)));
    }
    let read = load_as("mine", &npz(&arrays)).unwrap();
    assert_eq!((read.train.len(), read.test.len()), (2000, 500));
    for index in 0..2500 {
        assert_eq!(read.image(index).unwrap(), set.image(index).unwrap());
        assert_eq!(read.label(index), set.label(index));
    }
}

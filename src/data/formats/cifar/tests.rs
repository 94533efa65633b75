use std::fs;
use std::path::PathBuf;

use super::*;
use crate::data::locate::{Finder, SearchPath};
use crate::data::{DatasetInfo, formats};

const IMAGES: usize = 2;

fn pixels(first: usize) -> impl Iterator<Item = Vec<u8>> {
    (first..first + IMAGES).map(|i| {
        let value = move |at: usize| ((31 * i + 7 * at) % 251) as u8;
        (0..batch::VALUES).map(value).collect()
    })
}

/// Images from this number on, each with its labels.
fn binary(first: usize, labels: &[&[u8]]) -> Vec<u8> {
    let records = pixels(first).zip(labels);
    records
        .flat_map(|(image, labels)| [labels.to_vec(), image].concat())
        .collect()
}

/// Writes a binary CIFAR-10 of two images a batch.
fn write_ten(directory: &Path, batches: usize) {
    fs::create_dir_all(directory).unwrap();
    for number in 0..batches {
        let name = format!("data_batch_{}.bin", number + 1);
        let labels: [&[u8]; 2] = [&[number as u8], &[9 - number as u8]];
        fs::write(directory.join(name), binary(number * IMAGES, &labels)).unwrap();
    }
    let test = binary(100, &[&[3], &[4]]);
    fs::write(directory.join("test_batch.bin"), test).unwrap();
}

fn load(root: &Path, name: &str) -> Result<Dataset> {
    let search = SearchPath {
        data_dir: None,
        workspace_data: root.to_path_buf(),
    };
    Finder::new(&search).load(name)
}

fn available(root: &Path) -> Vec<String> {
    let search = SearchPath {
        data_dir: None,
        workspace_data: root.to_path_buf(),
    };
    let found = Finder::new(&search).of(&[&Batches]).available();
    found
        .into_iter()
        .filter(|set| set.path.is_some())
        .map(|set| set.name)
        .collect()
}

/// The files of a directory as an archive beside it.
fn pack(directory: &Path, archive: &Path) {
    let file = fs::File::create(archive).unwrap();
    let packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut builder = tar::Builder::new(packed);
    let inner = directory.file_name().unwrap();
    builder.append_dir_all(inner, directory).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
}

#[test]
fn all_places_of_a_published_set_give_the_same() {
    let root = tempfile::tempdir().unwrap();
    let at = |place: &str| root.path().join(place);
    let inner = at("source/cifar-10-batches-bin");
    write_ten(&inner, 5);
    let places: [(&str, PathBuf); 4] = [
        ("one", at("one/cifar10")),
        ("two", at("two/cifar10/cifar-10-batches-bin")),
        ("three", at("three/cifar-10-batches-bin")),
        ("four", at("four/cifar10")),
    ];
    for (_, directory) in &places[..3] {
        write_ten(directory, 5);
    }
    fs::create_dir_all(at("four/cifar10")).unwrap();
    fs::create_dir_all(at("five")).unwrap();
    pack(&inner, &at("four/cifar10/cifar-10-binary.tar.gz"));
    pack(&inner, &at("five/cifar-10-binary.tar.gz"));
    let mut hashes = Vec::new();
    for place in ["one", "two", "three", "four", "five"] {
        let set = load(&at(place), "cifar10").unwrap();
        assert_eq!((set.train.len(), set.test.len()), (10, 2), "{place}");
        assert_eq!(set.shape(), [3, 32, 32]);
        assert_eq!(set.classes[usize::from(set.label(0))], "airplane");
        assert_eq!((set.label(9), set.label(10)), (5, 3));
        assert_eq!(set.image(3).unwrap(), pixels(3).next().unwrap());
        assert_eq!(available(&at(place)), ["cifar10"], "{place}");
        hashes.push(set.sha256);
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1);
    // The inner directory itself, given with --data-dir.
    let search = SearchPath {
        data_dir: Some(inner),
        workspace_data: at("none"),
    };
    let set = Finder::new(&search).load("cifar10").unwrap();
    assert_eq!(set.sha256, hashes[0]);
}

#[test]
fn fine_and_coarse_labels_are_two_sets_of_the_same_images() {
    let root = tempfile::tempdir().unwrap();
    for name in ["cifar100", "mine"] {
        let directory = root.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        let batch = |first| binary(first, &[&[1, 60], &[0, 72]]);
        fs::write(directory.join("train.bin"), batch(0)).unwrap();
        fs::write(directory.join("test.bin"), batch(2)).unwrap();
        let lines = |count: usize, kind: &str| -> String {
            let lines: Vec<_> = (0..count).map(|n| format!("{kind} {n}")).collect();
            lines.join("\n")
        };
        fs::write(directory.join("fine_label_names.txt"), lines(73, "fine")).unwrap();
        fs::write(directory.join("coarse_label_names.txt"), lines(2, "coarse")).unwrap();
    }
    assert_eq!(
        available(root.path()),
        ["cifar100", "cifar100-coarse", "mine", "mine-coarse"]
    );
    let load = |name: &str| load(root.path(), name).unwrap();
    let fine = load("cifar100");
    let coarse = load("cifar100-coarse");
    assert_eq!((fine.classes.len(), coarse.classes.len()), (100, 20));
    assert_eq!(fine.classes[usize::from(fine.label(1))], "seal");
    assert_eq!(coarse.classes[usize::from(coarse.label(0))], "fish");
    assert_eq!(fine.image(1).unwrap(), coarse.image(1).unwrap());
    assert_ne!(fine.sha256, coarse.sha256);
    let mine = load("mine-coarse");
    assert_eq!(mine.classes, ["coarse 0", "coarse 1"]);
    assert_eq!(load("mine").classes[60], "fine 60");
}

#[test]
fn python_batches_of_another_set_are_read_with_the_names_of_its_classes() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("mine");
    fs::create_dir(&directory).unwrap();
    let unpack = |packed: &[u8]| {
        let mut bytes = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(packed);
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        bytes
    };
    let batch = unpack(include_bytes!("../testdata/cifar_python2.pickle.gz"));
    fs::write(directory.join("data_batch_1"), &batch).unwrap();
    let set = load(root.path(), "mine").unwrap();
    assert_eq!(set.classes, ["6", "9"]);
    assert_eq!(set.remarks, ["labels 6, 9 of mine are classes 0, 1"]);
    assert!(set.test.is_empty());
    let meta = unpack(include_bytes!("../testdata/cifar_meta.pickle.gz"));
    fs::write(directory.join("batches.meta"), meta).unwrap();
    let told = load(root.path(), "mine").unwrap_err().to_string();
    assert!(told.contains("data_batch_1 has the label 6"), "{told}");
}

#[test]
fn what_is_wrong_is_told_of_the_file_that_has_it() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("cifar10");
    write_ten(&directory, 5);
    let message = |root: &Path| load(root, "cifar10").unwrap_err().to_string();
    let third = directory.join("data_batch_3.bin");
    fs::write(&third, binary(0, &[&[1], &[10]])).unwrap();
    let told = message(root.path());
    assert!(
        told.contains(
            "data_batch_3.bin has the label 10 at image 1, outside the 10 classes; replace it"
        ),
        "{told}"
    );
    fs::write(&third, b"short").unwrap();
    assert!(message(root.path()).contains("data_batch_3.bin has 5 bytes"));
    fs::remove_file(&third).unwrap();
    let told = message(root.path());
    assert!(
        told.contains("cifar10 (without data_batch_3.bin)"),
        "{told}"
    );

    let other = root.path().join("other");
    fs::create_dir(&other).unwrap();
    pack(&directory, &other.join("cifar-10-binary.tar.gz"));
    let told = message(&other);
    assert!(
        told.contains("cifar-10-binary.tar.gz has no data_batch_3.bin in it; replace it"),
        "{told}"
    );
}

#[test]
fn the_catalog_knows_them() {
    for (name, classes) in [("cifar10", 10), ("cifar100", 100), ("cifar100-coarse", 20)] {
        let known = DatasetInfo::by_name(name).unwrap();
        assert_eq!(known.shape(), [3, 32, 32]);
        assert_eq!((known.classes, known.train), (classes, 50_000));
    }
    assert!(formats::FORMATS.iter().any(|f| f.name() == "CIFAR"));
}

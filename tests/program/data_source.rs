//! Finding and loading sets from directories, and what is said when they are not there or not right.

use std::io::Write;
use std::path::Path;

use crate::skip::skipped;
use fmtui::data::formats::idx::file as idx;
use fmtui::data::locate::{self, SearchPath};
use fmtui::data::{SplitDataset, mini};
use fmtui::error::Error;
use fmtui::profile;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn images(count: u32, first: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for n in [count, 2, 2] {
        bytes.extend(n.to_be_bytes());
    }
    bytes.extend((0..count * 4).map(|i| first.wrapping_add(i.to_le_bytes()[0])));
    bytes
}

fn labels(values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend(u32::try_from(values.len()).unwrap().to_be_bytes());
    bytes.extend(values);
    bytes
}

/// A set of three training images and one test image; `first` tells its pixels apart.
fn write_set(directory: &Path, prefix: &str, first: u8) {
    std::fs::create_dir_all(directory).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.join(format!("{prefix}{name}")), bytes).unwrap();
    };
    write("train-images-idx3-ubyte.gz", &gzip(&images(3, first)));
    write("train-labels-idx1-ubyte", &labels(&[0, 1, 1]));
    write("t10k-images-idx3-ubyte", &images(1, first));
    write("t10k-labels-idx1-ubyte.gz", &gzip(&labels(&[1])));
}

fn search(data_dir: Option<&Path>, workspace: &Path) -> SearchPath {
    SearchPath {
        data_dir: data_dir.map(Path::to_path_buf),
        workspace_data: workspace.to_path_buf(),
    }
}

#[test]
fn the_given_directory_comes_before_the_workspace() {
    let root = tempfile::tempdir().unwrap();
    let (given, workspace) = (root.path().join("given"), root.path().join("work"));
    write_set(&workspace.join("mine"), "", 50);
    let from = |data_dir: Option<&Path>| {
        let set = locate::load("mine", &search(data_dir, &workspace)).unwrap();
        set.image(0).unwrap()[0]
    };
    assert_eq!(from(None), 50);
    std::fs::create_dir_all(&given).unwrap();
    assert_eq!(from(Some(&given)), 50);
    write_set(&given.join("mine"), "", 70);
    assert_eq!(from(Some(&given)), 70);
    // Which of two it is, is told.
    let remarks = locate::remarks("mine", &search(Some(&given), &workspace));
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    for directory in [&given, &workspace] {
        let directory = directory.join("mine").display().to_string();
        assert!(remarks[0].contains(&directory), "{remarks:?}");
    }
    assert!(locate::remarks("mine", &search(None, &workspace)).is_empty());
    let same = locate::remarks("mine", &search(Some(&workspace), &workspace));
    assert!(same.is_empty(), "{same:?}");
}

/// Plain IDX files are the set that their directory is called by, and no other: no typo, no other known set.
#[test]
fn a_given_directory_answers_to_its_own_name_alone() {
    let root = tempfile::tempdir().unwrap();
    let (given, workspace) = (root.path().join("mine"), root.path().join("work"));
    write_set(&given, "", 60);
    write_set(&workspace.join("kmnist"), "", 50);
    let search = search(Some(&given), &workspace);
    let load = |name: &str| locate::load(name, &search);
    assert_eq!(load("mine").unwrap().image(0).unwrap()[0], 60);
    for name in ["mnist", "typo", "emnist-digits", "fashion-mnist", "qmnist"] {
        if name == "fashion-mnist" && Path::new("/usr/share/datasets/fashion-mnist").exists() {
            continue;
        }
        let message = load(name).unwrap_err().to_string();
        assert!(message.contains("(its files are mine)"), "{message}");
        assert!(message.contains("set data.name = \"mine\""), "{message}");
    }
    // The workspace has a set of that name, and it is told that the directory was passed by.
    assert_eq!(load("kmnist").unwrap().image(0).unwrap()[0], 50);
    let remarks = locate::remarks("kmnist", &search);
    assert!(
        remarks[0].ends_with("(--data-dir) holds mine"),
        "{remarks:?}"
    );
    let listed = locate::available(&search);
    let names: Vec<&str> = listed.iter().map(|found| found.name.as_str()).collect();
    let others = names.iter().filter(|name| **name != "fashion-mnist");
    let others: Vec<&&str> = others.collect();
    assert_eq!(others, [&"fashion-mnist-mini", &"kmnist", &"mine"]);
    // By another way to the same directory, too.
    let dotted = SearchPath {
        data_dir: Some(given.join("../mine/.")),
        ..search.clone()
    };
    assert_eq!(
        locate::load("mine", &dotted).unwrap().image(0).unwrap()[0],
        60
    );
    // Files that begin with a set's name are that set, wherever they lie.
    write_set(&given, "letters-", 80);
    assert_eq!(load("letters").unwrap().image(0).unwrap()[0], 80);
}

#[test]
fn torchvisions_directories_are_found() {
    let root = tempfile::tempdir().unwrap();
    let nowhere = root.path().join("work");
    let data = root.path().join("data");
    write_set(&data.join("MNIST/raw"), "", 10);
    write_set(&data.join("KMNIST/raw"), "", 20);
    write_set(&data.join("EMNIST/raw"), "emnist-digits-", 30);
    let first = |data_dir: &Path, name: &str| {
        let set = locate::load(name, &search(Some(data_dir), &nowhere));
        set.map(|set| set.image(0).unwrap()[0])
            .map_err(|e| e.to_string())
    };
    write_set(&data.join("Garments/raw"), "", 40);
    let all = [
        ("mnist", 10),
        ("kmnist", 20),
        ("emnist-digits", 30),
        ("Garments", 40),
    ];
    for (name, value) in all {
        assert_eq!(first(&data, name), Ok(value), "{name}");
    }
    assert_eq!(first(&data.join("MNIST"), "mnist"), Ok(10));
    assert_eq!(first(&data.join("MNIST/raw"), "mnist"), Ok(10));
    assert!(first(&data.join("MNIST/raw"), "kmnist").is_err());
    let listed = locate::available(&search(Some(&data), &nowhere));
    for (name, _) in all {
        assert!(listed.iter().any(|found| found.name == name), "{listed:?}");
    }
}

/// The default mean and deviation are Fashion-MNIST's: another set gets its own, unless a recipe or a record says
/// otherwise.
#[test]
fn no_set_is_normalised_by_anothers_mean() {
    let root = tempfile::tempdir().unwrap();
    write_set(&root.path().join("data/mnist"), "", 10);
    let train = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_fmtui"))
            .args(["--workspace", root.path().to_str().unwrap(), "train"])
            .args(arguments)
            .args(["--set", "train.epochs=1", "--json"])
            .env_remove("FMTUI_DATA_DIR")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let first: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
        let id = first["run"].as_str().unwrap();
        let record = root.path().join(format!("profiles/runs/{id}.toml"));
        (told, std::fs::read_to_string(record).unwrap())
    };
    // (10 + … + 21) / 12 / 255
    let (told, record) = train(&["lenet5", "--set", "data.name=mnist"]);
    assert!(
        told.contains("normalised by mean 0.0608 and deviation 0.0135"),
        "{told}"
    );
    assert!(
        record.contains("normalize = \"dataset\"\nmean = 0.0607"),
        "{record}"
    );

    // As 0.1 recorded it: the same again, and it is told.
    let old = root.path().join("old.toml");
    let stated = |line: &str| match line.split(" = ").next() {
        Some("normalize") => "normalize = \"given\"".into(),
        Some("mean") => "mean = 0.2859".into(),
        Some("std") => "std = 0.353".into(),
        _ => String::from(line),
    };
    let recipe = record.split("[run]").next().unwrap();
    let given: Vec<String> = recipe.lines().map(stated).collect();
    std::fs::write(&old, given.join("\n")).unwrap();
    let (told, record) = train(&[old.to_str().unwrap()]);
    assert!(
        told.contains("by mean 0.2859 and deviation 0.353, Fashion-MNIST's"),
        "{told}"
    );
    assert!(
        record.contains("normalize = \"given\"\nmean = 0.2859\nstd = 0.353\n"),
        "{record}"
    );
}

/// Needs the real set: its plain files are known by their bytes, whatever their directory is called.
#[test]
fn the_published_set_is_known_by_its_bytes() {
    let nowhere = Path::new("/nonexistent");
    let found = locate::available(&search(None, nowhere));
    let real = found.iter().find(|found| found.name == "fashion-mnist");
    let Some(real) = real.and_then(|found| found.path.clone()) else {
        skipped("the real Fashion-MNIST is not installed");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let link = root.path().join("anything");
    std::fs::create_dir(&link).unwrap();
    for file in std::fs::read_dir(&real).unwrap().flatten() {
        std::os::unix::fs::symlink(file.path(), link.join(file.file_name())).unwrap();
    }
    let given = search(Some(&link), nowhere);
    let listed = locate::available(&given);
    let place = |name: &str| listed.iter().find(|found| found.name == name);
    assert_eq!(place("fashion-mnist").unwrap().path, Some(link.clone()));
    assert!(locate::load("mnist", &given).is_err());
}

#[test]
fn sets_are_listed_once_with_their_place() {
    let root = tempfile::tempdir().unwrap();
    write_set(&root.path().join("mine"), "", 1);
    write_set(&root.path().join("emnist"), "emnist-digits-", 1);
    write_set(&root.path().join("gzip"), "emnist-digits-", 1);
    std::fs::create_dir_all(root.path().join("empty")).unwrap();
    let found = locate::available(&search(None, root.path()));
    let names: Vec<&str> = found
        .iter()
        .map(|f| f.name.as_str())
        .filter(|name| *name != "fashion-mnist")
        .collect();
    assert_eq!(names, ["emnist-digits", "fashion-mnist-mini", "mine"]);
    let place = |name: &str| found.iter().find(|f| f.name == name).unwrap().place();
    assert_eq!(place("fashion-mnist-mini"), "built in");
    assert!(place("emnist-digits").ends_with("/emnist"));
    // EMNIST's images come upright.
    let set = locate::load("emnist-digits", &search(None, root.path())).unwrap();
    assert_eq!(set.image(0).unwrap(), [1, 3, 2, 4]);
}

#[test]
fn what_is_nowhere_says_where_it_was_looked_for_and_what_to_type() {
    let root = tempfile::tempdir().unwrap();
    let workspace = root.path().join("data");
    let error = locate::load("garments", &search(Some(root.path()), &workspace)).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Input { .. }));
    assert_eq!(error.exit_code(), 2);
    for part in [
        "garments",
        &*root.path().to_string_lossy(),
        "/usr/share/datasets/garments",
        "--data-dir",
        "fashion-mnist-mini is built in",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let known = locate::load("kmnist", &search(None, &workspace)).unwrap_err();
    let message = known.to_string();
    assert!(
        message.contains("type `fmtui data fetch kmnist`"),
        "{message}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("mine");
    write_set(&directory, "", 1);
    std::fs::remove_file(directory.join("train-labels-idx1-ubyte")).unwrap();
    let message = locate::load("mine", &search(None, root.path()))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("without train-labels-idx1-ubyte"),
        "{message}"
    );
}

/// Six ways a data file can be wrong: one line each, naming the file and what to do; exit code 2; no panic.
#[test]
fn broken_files_are_one_line_errors() {
    let packed = gzip(&images(3, 0));
    let mut huge = images(1, 0);
    huge[4..16].fill(0xff);
    let cases: [(&str, &str, Vec<u8>); 6] = [
        (
            "truncated",
            "train-images-idx3-ubyte.gz",
            packed[..packed.len() - 9].to_vec(),
        ),
        (
            "not an IDX file",
            "train-labels-idx1-ubyte",
            b"<html>".to_vec(),
        ),
        ("dimensions", "t10k-images-idx3-ubyte", labels(&[1])),
        ("more than 4 GiB", "t10k-images-idx3-ubyte", huge),
        (
            "holds 2 labels for the 3 images",
            "train-labels-idx1-ubyte",
            labels(&[0, 1]),
        ),
        (
            "the label 9",
            "t10k-labels-idx1-ubyte.gz",
            gzip(&labels(&[9])),
        ),
    ];
    for (problem, file, bytes) in cases {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("mine");
        write_set(&directory, "", 1);
        std::fs::write(directory.join(file), bytes).unwrap();
        let error = locate::load("mine", &search(None, root.path())).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(problem) && message.contains(file),
            "{message}"
        );
        assert!(message.contains("replace it"), "{message}");
        assert!(!message.contains('\n'), "{message}");
        assert_eq!(error.exit_code(), 2);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(10_000))]

    /// Whatever the bytes, reading ends with an error or with as many values as the header says.
    #[test]
    fn no_bytes_break_the_reader(
        start in proptest::sample::select(vec![
            vec![], vec![0x1f, 0x8b, 8, 0], vec![0, 0, 8, 1, 0, 0, 0], vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0],
        ]),
        rest in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        packed in proptest::bool::ANY,
        items in proptest::sample::select(vec![idx::Items::Images, idx::Items::Labels]),
    ) {
        let plain = [start, rest].concat();
        let bytes = if packed { gzip(&plain) } else { plain };
        let origin = idx::Origin::new(Path::new("random"), "replace it");
        if let Ok(read) = idx::parse(&bytes[..], bytes.len() as u64, items, &origin) {
            let count = read.dimensions.iter().product::<usize>();
            assert_eq!(count * read.kind.size(), read.values.len());
        }
    }
}

#[test]
fn another_set_under_the_known_name_is_refused() {
    let root = tempfile::tempdir().unwrap();
    write_set(&root.path().join("fashion-mnist"), "", 1);
    let message = locate::load("fashion-mnist", &search(None, root.path()))
        .unwrap_err()
        .to_string();
    assert!(message.contains("train-images-idx3-ubyte.gz"), "{message}");
    assert!(
        message.contains("fmtui data fetch fashion-mnist"),
        "{message}"
    );
}

#[test]
fn names_cannot_leave_the_directory() {
    let root = tempfile::tempdir().unwrap();
    let long = "x".repeat(300);
    for name in ["../x", "/etc/x", ".", "", "a/b", "a\0b", "a\nb", &long] {
        let error = locate::load(name, &search(None, root.path())).unwrap_err();
        assert!(error.to_string().starts_with("data.name: "), "{error}");
    }
}

#[test]
fn the_built_in_set_needs_no_directory() {
    let set = locate::load(mini::NAME, &SearchPath::default()).unwrap();
    assert_eq!(set.len(), 2500);
}

/// Needs the real set, which is not part of the source.
#[test]
fn the_real_set_loads_and_the_built_in_one_is_its_beginning() {
    let nowhere = Path::new("/nonexistent");
    let real = match locate::load("fashion-mnist", &search(None, nowhere)) {
        Ok(real) => real,
        Err(error) if error.to_string().contains("not found") => {
            skipped(&format!("the real Fashion-MNIST is not installed: {error}"));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!((real.train.len(), real.test.len()), (60_000, 10_000));
    let mini = mini::load().unwrap();
    let beginning = |range: std::ops::Range<usize>, per_class: usize| {
        let mut taken = [0; 10];
        range
            .filter(|index| {
                let count = &mut taken[usize::from(real.label(*index))];
                *count += 1;
                *count <= per_class
            })
            .collect::<Vec<usize>>()
    };
    let indices = [beginning(0..60_000, 200), beginning(60_000..70_000, 50)].concat();
    assert_eq!(indices.len(), mini.len());
    for (place, index) in indices.into_iter().enumerate() {
        assert_eq!(real.image(index).unwrap(), mini.image(place).unwrap());
        assert_eq!(real.label(index), mini.label(place));
    }

    // The published mean and deviation of the training set.
    let settings = profile::Data {
        validation: 0.0,
        normalize: profile::Normalize::Computed,
        ..profile::Data::default()
    };
    let prepared = SplitDataset::new(real.into(), &settings).unwrap();
    let (mean, std) = prepared.transform().figures().unwrap();
    let [mean, std] = [mean, std].map(|figure| figure.at(0).unwrap());
    assert!((mean - 0.2860).abs() < 5e-5 && (std - 0.3530).abs() < 5e-5);
}

use std::fs;
use std::sync::Arc;

use super::*;
use crate::data::locate::{Finder, SearchPath};
use crate::data::{Examples, InMemory, Part, SplitDataset, mini};
use crate::error::Error;
use crate::profile::{Data, Split};

/// Images of 2×2 in a file each, called `LABEL-NUMBER.raw`.
struct Raw;

fn raw_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "raw"));
    files.sort();
    files
}

impl Format for Raw {
    fn name(&self) -> &'static str {
        "RAW"
    }

    fn files(&self) -> &'static str {
        "files LABEL-NUMBER.raw"
    }

    fn sets_in(&self, directory: &Path) -> Vec<String> {
        let name = directory
            .file_name()
            .filter(|_| !raw_files(directory).is_empty());
        name.into_iter()
            .map(|n| n.to_string_lossy().into())
            .collect()
    }

    fn claims(&self, _: &str) -> bool {
        true
    }

    fn probe(&self, place: Place<'_>) -> Holding {
        if place.plain == Plain::Ignored || raw_files(place.directory).is_empty() {
            return Holding::Nothing;
        }
        Holding::Complete(())
    }

    fn is_published(&self, _: &Path, _: &str) -> bool {
        false
    }

    fn load(&self, place: Place<'_>) -> Result<Dataset> {
        let (mut all, mut labels) = (Vec::new(), Vec::new());
        for path in raw_files(place.directory) {
            let pixels = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
            let fault = |problem| Error::input(path.display().to_string(), problem, "replace it");
            if pixels.len() != 4 {
                return Err(fault("is not an image of 2×2"));
            }
            let name = path.file_name().unwrap().to_string_lossy();
            let label = name.split('-').next().and_then(|label| label.parse().ok());
            labels.push(label.ok_or_else(|| fault("has no label"))?);
            all.extend(pixels);
        }
        let images = InMemory {
            pixels: all,
            channels: 1,
            height: 2,
            width: 2,
        };
        Ok(Dataset {
            name: place.name.into(),
            classes: vec!["off".into(), "on".into()],
            channels: 1,
            height: 2,
            width: 2,
            train: Examples::in_memory(images, labels),
            validation: Examples::default(),
            test: Examples::default(),
            source: place.directory.display().to_string(),
            sha256: "0".repeat(64),
            pixels_sha256: String::new(),
            remarks: Vec::new(),
            excluded: Vec::new(),
        })
    }
}

/// Half of the built-in set without a test set, and an own validation set of so many images.
fn without_test(own: usize) -> Dataset {
    let mut set = mini::load().unwrap();
    let part = |range: std::ops::Range<usize>| {
        let images = InMemory {
            pixels: range.clone().flat_map(|i| set.image(i).unwrap()).collect(),
            channels: 1,
            height: 28,
            width: 28,
        };
        Examples::in_memory(images, range.map(|i| set.label(i)).collect())
    };
    (set.train, set.validation, set.test) = (part(0..1000), part(1000..1000 + own), part(0..0));
    set
}

#[test]
fn a_set_without_a_test_part_is_trained_on_without_test_scores() {
    let set = Arc::new(without_test(0));
    let standard = Data {
        validation: 0.1,
        ..Data::default()
    };
    let counts = |data: &SplitDataset| (data.train.len(), data.validation.len(), data.test.len());
    let new = |set, data: &_| SplitDataset::new(set, data).unwrap().tested(true);
    assert_eq!(
        counts(&new(Arc::clone(&set), &standard).unwrap()),
        (900, 100, 0)
    );
    let nothing = Data {
        validation: 0.0,
        ..standard.clone()
    };
    assert_eq!(
        new(Arc::clone(&set), &nothing).unwrap_err().to_string(),
        "data.validation holds out no images, and a data set without a test set leaves none to evaluate on; \
         increase it, or set data.split = \"pooled\""
    );
    let pooled = Data {
        split: Split::Pooled,
        ..standard
    };
    assert_eq!(counts(&new(set, &pooled).unwrap()), (720, 80, 200));
}

#[test]
fn a_validation_part_of_its_own_is_used_unless_another_is_asked_for() {
    let set = Arc::new(without_test(200));
    assert_eq!(set.len(), 1200);
    assert_eq!(set.place(1000), Some((Part::Validation, 0)));
    assert_eq!(set.place(1200), None);
    let default = SplitDataset::new(Arc::clone(&set), &Data::default()).unwrap();
    assert_eq!(default.train, (0..1000).collect::<Vec<u32>>());
    assert_eq!(default.validation, (1000..1200).collect::<Vec<u32>>());
    let other = Data {
        validation: 0.1,
        ..Data::default()
    };
    let other = SplitDataset::new(set, &other).unwrap();
    assert_eq!((other.train.len(), other.validation.len()), (1080, 120));
    assert!(other.train.contains(&1100) || other.validation.contains(&1100));
}

/// A workspace's data directory with `lamps` in raw files.
fn lamps() -> (tempfile::TempDir, SearchPath) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("lamps");
    fs::create_dir(&directory).unwrap();
    for (name, value) in [("0-1.raw", 3), ("1-1.raw", 250), ("1-2.raw", 240)] {
        fs::write(directory.join(name), [value; 4]).unwrap();
    }
    let search = SearchPath {
        data_dir: None,
        workspace_data: root.path().into(),
    };
    (root, search)
}

const FORMATS_AND_RAW: &[&dyn Format] = &[&idx::Files, &Raw];

#[test]
fn a_format_of_the_list_is_recognised_listed_and_loaded() {
    let (_root, search) = lamps();
    let finder = Finder::new(&search).of(FORMATS_AND_RAW);
    assert!(finder.available().iter().any(|set| set.name == "lamps"));
    let set = finder.load("lamps").unwrap();
    assert_eq!((set.train.len(), set.test.len()), (3, 0));
    assert_eq!((set.label(0), set.label(2)), (0, 1));
    assert_eq!(set.image(1).unwrap(), [250; 4]);
}

#[test]
fn one_file_in_a_search_directory_is_a_set() {
    let (root, search) = lamps();
    let rows = "1,1,2,3,4\n3,5,6,7,8\n";
    fs::write(root.path().join("signs.csv"), rows).unwrap();
    let npz = include_bytes!("testdata/keras.npz");
    fs::write(root.path().join("digits.npz"), npz).unwrap();
    let finder = Finder::new(&search);
    let found = finder.available();
    for (name, images) in [("signs", 2), ("digits", 6)] {
        let set = found.iter().find(|set| set.name == name).unwrap();
        assert_eq!(set.path.as_deref(), Some(root.path()));
        assert_eq!(finder.load(name).unwrap().len(), images);
    }
    // What the directory of the set holds comes first.
    fs::create_dir(root.path().join("signs")).unwrap();
    fs::write(root.path().join("signs/train.csv"), "0,1\n1,2\n2,3\n").unwrap();
    assert_eq!(finder.load("signs").unwrap().len(), 3);
}

#[test]
fn a_set_in_no_format_says_where_and_which_were_tried() {
    let (root, search) = lamps();
    let directory = root.path().join("lamps").display().to_string();
    let told = Finder::new(&search).load("lamps").unwrap_err().to_string();
    assert!(
        told.contains(&format!("{directory} (no IDX, CIFAR, NPZ or CSV files)")),
        "{told}"
    );
    let files = "put its IDX files, CIFAR batches, .npz file or CSV files there";
    assert!(told.contains(files), "{told}");

    fs::create_dir(root.path().join("empty")).unwrap();
    let finder = Finder::new(&search).of(FORMATS_AND_RAW);
    let told = finder.load("empty").unwrap_err().to_string();
    assert!(told.contains("empty (no IDX or RAW files)"), "{told}");
    assert!(
        told.contains("put its IDX files or files LABEL-NUMBER.raw there"),
        "{told}"
    );
    fs::write(root.path().join("lamps/1-3.raw"), [1, 2]).unwrap();
    let told = finder.load("lamps").unwrap_err().to_string();
    assert!(
        told.contains("1-3.raw is not an image of 2×2; replace it"),
        "{told}"
    );
}

use std::fs;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::*;
use crate::data::formats::added::Entry;
use crate::data::locate::{SearchPath, available, load};
use crate::data::prepare::{Room, prepare};
use crate::data::{Dataset, Part};
use crate::profile::{Data, Resizing};

fn png(path: &Path, shade: u8, side: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = Vec::new();
    let pixels = vec![shade; (side * side) as usize];
    PngEncoder::new(&mut bytes)
        .write_image(&pixels, side, side, ExtendedColorType::L8)
        .unwrap();
    fs::write(path, bytes).unwrap();
}

/// Ten images of each of two classes, of two sizes.
fn flowers() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (class, shade) in [("daisy", 10), ("rose", 100)] {
        for number in 0..10 {
            let path = dir.path().join(format!("flowers/{class}/{number}.png"));
            png(&path, shade + number, 4 + u32::from(number % 2));
        }
    }
    dir
}

fn add_to(dir: &Path, options: &Options) -> Result<Outcome> {
    let data = dir.join("data");
    add(
        &dir.join("flowers"),
        options,
        &data,
        &|_, _| {},
        &AtomicBool::new(false),
    )
}

fn loaded(dir: &Path) -> Result<Dataset> {
    let search = SearchPath {
        data_dir: None,
        workspace_data: dir.join("data"),
    };
    load("flowers", &search)
}

#[test]
fn a_folder_is_divided_once_and_read_where_it_lies() {
    let dir = flowers();
    let Outcome::Added(summary) = add_to(dir.path(), &Options::default()).unwrap() else {
        panic!("nothing is broken");
    };
    assert_eq!(summary.images, [16, 4, 0]);
    assert!(summary.divided);
    let set = loaded(dir.path()).unwrap();
    assert_eq!(set.classes, ["daisy", "rose"]);
    assert_eq!((set.channels, set.height, set.width), (1, 5, 5));
    let count = |label| set.test.labels.iter().filter(|own| **own == label).count();
    assert_eq!((count(0), count(1)), (2, 2));
    let mut shades: Vec<u8> = (0..set.len()).map(|i| set.image(i).unwrap()[0]).collect();
    for index in 0..set.len() {
        let shade = set.image(index).unwrap()[0];
        assert_eq!(set.label(index), u16::from(shade >= 100));
    }
    shades.sort_unstable();
    let all: Vec<u8> = (10..20).chain(100..110).collect();
    assert_eq!(shades, all);
    // It is told from another of its name.
    let search = SearchPath {
        data_dir: None,
        workspace_data: dir.path().join("data"),
    };
    let found = || {
        let all = available(&search);
        all.into_iter().find(|found| found.name == "flowers")
    };
    let other = Dataset {
        sha256: "0".repeat(64),
        ..set.clone()
    };
    assert!(found().unwrap().is_current(&set) && !found().unwrap().is_current(&other));
    // What was decoded of it goes with it.
    let room = Room {
        directory: &search.workspace_data,
        memory: u64::MAX,
        disk: None,
        progress: &mut |_, _| {},
        cancel: &AtomicBool::new(false),
    };
    let settings = Data {
        image_size: 4,
        resize: Resizing::Antialias,
        ..Data::default()
    };
    prepare(set.clone(), &settings, room).unwrap();
    let files = || dir.path().join("data/flowers").read_dir().unwrap().count();
    assert_eq!(files(), 3);
    // Adding it again gives the same division.
    let before = set.sha256;
    assert!(
        add_to(dir.path(), &Options::default()).is_err(),
        "it is there"
    );
    remove("flowers", &dir.path().join("data")).unwrap();
    assert!(!dir.path().join("data/flowers").exists());
    add_to(dir.path(), &Options::default()).unwrap();
    assert_eq!(loaded(dir.path()).unwrap().sha256, before);
    assert!(dir.path().join("flowers/rose/1.png").exists());
}

proptest::proptest! {
    /// Images that come later move at most as many of the others as there are of them.
    #[test]
    fn a_division_hardly_moves_with_what_is_added(first in 1_usize..60, added in 0_usize..20) {
        let entries = |count: usize| -> Vec<Entry> {
            let entry = |number: usize| Entry {
                part: Part::Train,
                label: 0,
                height: 1,
                width: 1,
                sha256: String::new(),
                path: format!("daisy/{number:03}.png"),
            };
            let mut entries: Vec<Entry> = (0..count).map(entry).collect();
            divide(&mut entries, 1);
            entries
        };
        let (before, after) = (entries(first), entries(first + added));
        let moved = before.iter().zip(&after).filter(|(a, b)| a.part != b.part).count();
        proptest::prop_assert!(moved <= added);
        let test = after.iter().filter(|entry| entry.part == Part::Test).count();
        let share = test as f64 / after.len() as f64;
        proptest::prop_assert!(after.len() < 3 || (share - 0.2).abs() <= 0.5 / after.len() as f64 + 1e-9 || test == 1);
    }
}

/// Whatever has become of a file since: where an image is kept decoded, too.
#[test]
fn files_that_have_changed_are_refused_though_they_are_kept_decoded() {
    let dir = flowers();
    add_to(dir.path(), &Options::default()).unwrap();
    let prepared = |set: Dataset| {
        let settings = Data {
            image_size: 4,
            resize: Resizing::Antialias,
            ..Data::default()
        };
        let directory = dir.path().join("data");
        let room = Room {
            directory: &directory,
            memory: u64::MAX,
            disk: None,
            progress: &mut |_, _| {},
            cancel: &AtomicBool::new(false),
        };
        prepare(set, &settings, room)
    };
    let refused = |words: &str| {
        let error = prepared(loaded(dir.path()).unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    let accepted = || prepared(loaded(dir.path()).unwrap()).unwrap().pixels_sha256;
    let sha256 = accepted();
    assert_eq!(accepted(), sha256);
    let at = |path: &str| dir.path().join("flowers").join(path);
    // Of the same length and time, as a copy with its times is.
    let (own, other) = (at("rose/3.png"), at("rose/5.png"));
    let (bytes, time) = (
        fs::read(&own).unwrap(),
        fs::metadata(&own).unwrap().modified().unwrap(),
    );
    fs::copy(&other, &own).unwrap();
    fs::File::options()
        .write(true)
        .open(&own)
        .unwrap()
        .set_modified(time)
        .unwrap();
    refused("rose/3.png is not what was added");
    fs::write(&own, &bytes).unwrap();
    assert_eq!(accepted(), sha256);
    fs::remove_file(&own).unwrap();
    refused("rose/3.png cannot be read");
    fs::write(&own, &bytes).unwrap();
    // Files keep their times where a directory takes the place of another.
    fs::rename(at("rose"), at("was")).unwrap();
    fs::rename(at("daisy"), at("rose")).unwrap();
    fs::rename(at("was"), at("daisy")).unwrap();
    refused("is not what was added");
    // What runs leave out may be anything.
    fs::rename(at("rose"), at("was")).unwrap();
    fs::rename(at("daisy"), at("rose")).unwrap();
    fs::rename(at("was"), at("daisy")).unwrap();
    let set = loaded(dir.path()).unwrap();
    let index = (0..set.train.len()).find(|own| set.train.images.name(*own) == Some("rose/3.png"));
    let index = index.or_else(|| panic!("rose/3.png is held out")).unwrap();
    let mut list = exclude::List::default();
    list.add(exclude::Row {
        part: Part::Train,
        image: "rose/3.png".into(),
        sha256: set.train.images.digest(index).unwrap().into(),
        reason: String::new(),
    });
    let without = |set| exclude::apply(set, &list, Path::new("list")).unwrap();
    prepared(without(set)).unwrap();
    fs::remove_file(&own).unwrap();
    prepared(without(loaded(dir.path()).unwrap())).unwrap();
}

#[test]
fn a_table_beside_the_images_is_not_taken_for_the_set() {
    let dir = flowers();
    for name in ["labels.csv", "train.csv", "features.npz"] {
        fs::write(dir.path().join("flowers").join(name), b"file,label\n").unwrap();
    }
    let Outcome::Added(summary) = add_to(dir.path(), &Options::default()).unwrap() else {
        panic!("nothing is broken");
    };
    assert_eq!((summary.images, summary.ignored), ([16, 4, 0], 3));
}

/// What runs and people need again stays: the list of excluded images. What nobody needs is no obstacle.
#[test]
fn a_removed_set_leaves_its_list_and_its_name_free() {
    let dir = flowers();
    let data = dir.path().join("data");
    add_to(dir.path(), &Options::default()).unwrap();
    fs::write(data.join("flowers/excluded.tsv"), "mine").unwrap();
    let removed = remove("flowers", &data).unwrap();
    assert!(
        removed.words().contains("flowers-excluded.tsv now"),
        "{}",
        removed.words()
    );
    assert_eq!(
        fs::read(data.join("flowers-excluded.tsv")).unwrap(),
        b"mine"
    );
    // A run that decoded it at the same time.
    fs::create_dir(data.join("flowers")).unwrap();
    fs::write(data.join("flowers/0123456789abcdef.packed"), "left").unwrap();
    add_to(dir.path(), &Options::default()).unwrap();
    assert_eq!(remove("flowers", &data).unwrap().list, None);
    fs::create_dir(data.join("flowers")).unwrap();
    fs::write(data.join("flowers/theirs.txt"), "theirs").unwrap();
    let error = add_to(dir.path(), &Options::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn a_file_that_has_changed_is_refused_as_folders_are() {
    let dir = tempfile::tempdir().unwrap();
    let (path, no) = (dir.path().join("signs.csv"), AtomicBool::new(false));
    let data = dir.path().join("data");
    fs::write(&path, "label,a,b,c,d\n0,1,2,3,4\n1,5,6,7,8\n").unwrap();
    let options = Options {
        name: Some("flowers".into()),
        ..Options::default()
    };
    add(&path, &options, &data, &|_, _| {}, &no).unwrap();
    let set = loaded(dir.path()).unwrap();
    // Not read again whenever the list of sets is looked at.
    let search = SearchPath {
        data_dir: None,
        workspace_data: data.clone(),
    };
    let found = available(&search);
    let found = found.iter().find(|found| found.name == "flowers").unwrap();
    assert!(found.is_current(&set));
    fs::write(&path, "label,a,b,c,d\n0,1,2,3,4\n1,5,6,7,9\n").unwrap();
    let error = loaded(dir.path()).unwrap_err().to_string();
    assert!(error.contains("flowers is not what was added"), "{error}");
    let nameless = dir.path().join("花");
    png(&nameless.join("a/1.png"), 1, 4);
    png(&nameless.join("b/1.png"), 2, 4);
    let error = add(&nameless, &Options::default(), &data, &|_, _| {}, &no).unwrap_err();
    assert!(
        error.to_string().contains("give one with --name"),
        "{error}"
    );
}

/// As torchvision lays sets down, with and without the directory of the files.
#[test]
fn a_set_in_raw_is_added_by_either_directory() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("Garments/raw");
    fs::create_dir_all(&raw).unwrap();
    let numbers = |count: u8| [0, 0, 8, 1, 0, 0, 0, count];
    let images: Vec<u8> = [
        &[0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1],
        &[1, 2, 3, 4][..],
    ]
    .concat();
    let labels: Vec<u8> = [&numbers(4), &[0, 1, 0, 1][..]].concat();
    fs::write(raw.join("train-images-idx3-ubyte"), images).unwrap();
    fs::write(raw.join("train-labels-idx1-ubyte"), labels).unwrap();
    let (data, no) = (dir.path().join("data"), AtomicBool::new(false));
    for (name, path) in [("flowers", dir.path().join("Garments")), ("other", raw)] {
        let options = Options {
            name: Some(name.into()),
            ..Options::default()
        };
        let Outcome::Added(summary) = add(&path, &options, &data, &|_, _| {}, &no).unwrap() else {
            panic!("nothing is broken");
        };
        assert_eq!((summary.images, summary.classes), ([4, 0, 0], 2));
    }
    assert_eq!(loaded(dir.path()).unwrap().image(2).unwrap(), [3]);
}

#[test]
fn a_file_of_another_format_is_added_where_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/formats/testdata/keras.npz");
    fs::copy(&file, dir.path().join("digits.npz")).unwrap();
    let data = dir.path().join("data");
    let options = Options {
        name: Some("flowers".into()),
        ..Options::default()
    };
    let path = dir.path().join("digits.npz");
    let no = AtomicBool::new(false);
    add(&path, &options, &data, &|_, _| {}, &no).unwrap();
    let set = loaded(dir.path()).unwrap();
    assert_eq!(set.name, "flowers");
    assert!(!set.train.is_empty() && !set.test.is_empty());
}

#[test]
fn what_is_broken_is_named_or_passed_over() {
    let dir = flowers();
    fs::write(dir.path().join("flowers/rose/bad.png"), b"<html>").unwrap();
    fs::write(dir.path().join("flowers/rose/empty.jpg"), b"").unwrap();
    fs::write(dir.path().join("flowers/rose/notes.txt"), b"x").unwrap();
    let Outcome::Broken(broken) = add_to(dir.path(), &Options::default()).unwrap() else {
        panic!("two files are broken");
    };
    let words: Vec<String> = broken.iter().map(|(p, w)| format!("{p} {w}")).collect();
    assert_eq!(
        words[0],
        "rose/bad.png is not a PNG, JPEG, WebP, BMP or GIF"
    );
    assert_eq!(words[1], "rose/empty.jpg is empty");
    assert!(!dir.path().join("data").exists(), "nothing is written");
    let skipping = Options {
        skips_broken: true,
        ..Options::default()
    };
    let Outcome::Added(summary) = add_to(dir.path(), &skipping).unwrap() else {
        panic!("they are passed over");
    };
    assert_eq!((summary.skipped.len(), summary.ignored), (2, 1));
    assert_eq!(loaded(dir.path()).unwrap().len(), 20);
}

#[test]
fn an_image_that_has_changed_is_noticed() {
    let dir = flowers();
    add_to(dir.path(), &Options::default()).unwrap();
    for number in 0..10 {
        png(&dir.path().join(format!("flowers/rose/{number}.png")), 7, 4);
    }
    let set = loaded(dir.path()).unwrap();
    let rose = (0..set.len()).find(|i| set.label(*i) == 1).unwrap();
    let error = set.image(rose).unwrap_err().to_string();
    assert!(error.contains("is not what was added"), "{error}");
    // A list that somebody edits is none.
    let list = dir.path().join("data/flowers/files.tsv");
    let text = fs::read_to_string(&list)
        .unwrap()
        .replace("train\t0", "test\t0");
    fs::write(&list, text).unwrap();
    let error = loaded(dir.path()).unwrap_err().to_string();
    assert!(error.contains("its SHA-256 differs"), "{error}");
    fs::remove_dir_all(dir.path().join("flowers")).unwrap();
}

#[test]
fn splits_of_its_own_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 4), ("val", 2)] {
        for class in ["a", "b"] {
            for number in 0..count {
                let path = format!("flowers/{split}/{class}/{number}.png");
                png(&dir.path().join(path), number, 4);
            }
        }
    }
    let Outcome::Added(summary) = add_to(dir.path(), &Options::default()).unwrap() else {
        panic!("nothing is broken");
    };
    assert_eq!((summary.images, summary.divided), ([8, 0, 4], false));
    let set = loaded(dir.path()).unwrap();
    assert_eq!((set.validation.len(), set.test.len()), (4, 0));
    fs::remove_dir_all(dir.path().join("flowers/train/b")).unwrap();
    remove("flowers", &dir.path().join("data")).unwrap();
    let error = add_to(dir.path(), &Options::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has no training images of the class b"),
        "{error}"
    );
}

#[test]
fn an_added_file_is_that_file_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let add = |path: &Path| {
        let cancel = AtomicBool::new(false);
        super::add(path, &Options::default(), &data, &|_, _| {}, &cancel)
    };
    let fixtures = Path::new("src/data/formats/testdata");
    let table = dir.path().join("both.csv");
    fs::write(&table, "label,p0,p1,p2,p3\n0,1,2,3,4\n1,5,6,7,8\n").unwrap();
    fs::copy(fixtures.join("keras.npz"), dir.path().join("both.npz")).unwrap();
    let Outcome::Added(summary) = add(&table).unwrap() else {
        panic!("nothing is broken");
    };
    assert_eq!(summary.images, [2, 0, 0], "the table's");
    fs::copy(fixtures.join("keras.npz"), dir.path().join("gone.npz")).unwrap();
    add(&dir.path().join("gone.npz")).unwrap();
    fs::remove_file(dir.path().join("gone.npz")).unwrap();
    fs::remove_file(&table).unwrap();
    let search = SearchPath {
        data_dir: None,
        workspace_data: data.clone(),
    };
    for (name, file) in [("both", "both.csv"), ("gone", "gone.npz")] {
        let error = load(name, &search).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains("missing"), "{error}");
    }
}

#[test]
fn a_folder_is_no_published_set() {
    let dir = flowers();
    let options = Options {
        name: Some("fashion-mnist".into()),
        ..Options::default()
    };
    let error = add_to(dir.path(), &options).unwrap_err().to_string();
    assert!(error.contains("published"), "{error}");
}

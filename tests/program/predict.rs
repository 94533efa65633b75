//! `fmtui predict` and `fmtui evaluate` through the real program, held to what runs recorded of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fmtui::data::{Dataset, mini};
use fmtui::metrics::predictions::{self, Predictions};
use serde_json::Value;

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("w")).unwrap();
        Self { dir }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmtui"));
        command
            .env("HOME", self.path("no-home"))
            .env("FMTUI_OFFLINE", "1")
            .env_remove("FMTUI_HOME")
            .env_remove("FMTUI_DATA_DIR")
            .env_remove("XDG_DATA_HOME")
            .arg("--workspace")
            .arg(self.path("w"))
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What is printed with exit code 0.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.done(arguments);
        let read = |line: &str| serde_json::from_str(line).unwrap();
        printed.lines().map(read).collect()
    }

    /// What is said with exit code 2.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn run_dir(&self) -> PathBuf {
        let found = fs::read_dir(self.path("w/checkpoints")).unwrap().flatten();
        let mut runs = found.filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.'));
        runs.next().unwrap().path()
    }

    fn recorded(&self) -> Predictions {
        let bytes = fs::read(self.run_dir().join(predictions::TEST)).unwrap();
        Predictions::decode(&bytes).unwrap()
    }

    fn shown(&self) -> Value {
        self.json(&["show", "last", "--json"]).remove(0)
    }
}

/// Writes images in directories of their classes, by their numbers.
fn write(dataset: &Dataset, indices: impl Iterator<Item = usize>, directory: &Path) {
    for index in indices {
        let class = &dataset.classes[usize::from(dataset.label(index))];
        let class = directory.join(class);
        fs::create_dir_all(&class).unwrap();
        let (height, width) = dataset.size(index);
        let [height, width] = [height, width].map(|side| u32::try_from(side).unwrap());
        let image = image::GrayImage::from_raw(width, height, dataset.image(index).unwrap());
        image
            .unwrap()
            .save(class.join(format!("{index:05}.png")))
            .unwrap();
    }
}

/// A picture of `number` whose colours depend on its class.
fn colorful(number: u32, class: u32) -> image::RgbImage {
    let (width, height) = (20 + number * 7 % 31, 20 + number * 5 % 23);
    image::RgbImage::from_fn(width, height, |x, y| {
        let noise = (x * 37 + y * 91 + number * 53) % 97;
        let value = |channel: u32| u8::try_from(noise + 70 * ((class + channel) % 3)).unwrap();
        image::Rgb([value(0), value(1), value(2)])
    })
}

/// By the number in its name.
fn number(file: &str) -> u32 {
    let stem = file.rsplit('/').next().unwrap().split('.').next().unwrap();
    stem.parse().unwrap()
}

/// Every image as it was recorded: the class, and the five largest probabilities to the bit.
fn check_same(
    lines: &[Value],
    recorded: &Predictions,
    classes: &[String],
    index: impl Fn(u32) -> u32,
) {
    let (last, images) = lines.split_last().unwrap();
    assert_eq!(images.len(), recorded.items.len());
    assert_eq!(last["images"], images.len());
    let by_index: BTreeMap<u32, _> = recorded
        .items
        .iter()
        .map(|item| (item.index, item))
        .collect();
    for line in images {
        let file = line["file"].as_str().unwrap();
        let item = by_index[&index(number(file))];
        let top = line["top"].as_array().unwrap();
        for (rank, said) in top.iter().take(recorded.ranks).enumerate() {
            assert_eq!(
                said["class"],
                classes[usize::from(item.top[rank])],
                "{file}"
            );
            let probability = said["probability"].as_f64().unwrap() as f32;
            assert_eq!(
                probability.to_bits(),
                item.probability[rank].to_bits(),
                "{file}"
            );
        }
        assert_eq!(line["true_class"], classes[usize::from(item.label)]);
    }
}

#[test]
fn test_images_from_files_are_predicted_as_the_run_recorded_them() {
    let home = Home::new();
    let dataset = mini::load().unwrap();
    home.done(&[
        "train",
        "mlp-20",
        "--set",
        "data.name=fashion-mnist-mini",
        "--set",
        "data.split=standard",
        "--set",
        "data.normalize=per-pixel",
        "--set",
        "data.validation=0.1",
        "--set",
        "train.epochs=1",
    ]);
    let images = home.path("images");
    write(&dataset, dataset.range(fmtui::data::Part::Test), &images);
    let images = images.to_str().unwrap();
    let lines = home.json(&["predict", "last", images, "--json"]);
    check_same(&lines, &home.recorded(), &dataset.classes, |number| number);

    // The scores are the record's, and are so again when the run's own set is evaluated.
    let record = home.shown();
    let own = &record["result"]["test"];
    let (last, _) = lines.split_last().unwrap();
    let evaluated = home.json(&["evaluate", "last", "--json"]).remove(0);
    for measured in [last, &evaluated] {
        assert_eq!(measured["confusion"], own["confusion"]);
        assert_eq!(measured["scores"]["accuracy"], own["accuracy"]);
        assert_eq!(measured["scores"]["top3_accuracy"], own["top3_accuracy"]);
    }
    assert_eq!(
        evaluated["scores"]["loss"], own["loss"],
        "in the same order"
    );
    assert_eq!(evaluated["own_data"], true);

    // Kept beside the run, under a name of its own; the record is as it was.
    let after = home.shown();
    assert_eq!(after["result"], record["result"]);
    assert_eq!(after["evaluations"][0]["scores"], evaluated["scores"]);
    assert!(home.done(&["show", "last"]).contains("evaluated later:"));
    let validation = ["evaluate", "last", "--part", "validation", "--json"];
    let validation = home.json(&validation).remove(0);
    assert_eq!(
        validation["confusion"],
        record["result"]["validation"]["confusion"]
    );
    let both = home.shown();
    assert_eq!(both["evaluations"].as_array().unwrap().len(), 2);
    home.done(&["evaluate", "last"]);
    assert_eq!(home.shown()["evaluations"].as_array().unwrap().len(), 2);

    what_is_no_image_is_named(&home, images);
    damaged_files_are_found_out(&home, images);
}

fn what_is_no_image_is_named(home: &Home, images: &str) {
    let one = format!("{images}/Bag");
    let first = fs::read_dir(&one).unwrap().flatten().next().unwrap().path();
    let whole = fs::read(&first).unwrap();
    let mixed = home.path("mixed");
    fs::create_dir_all(mixed.join("Handbag")).unwrap();
    fs::write(mixed.join("Handbag/a b.png"), &whole).unwrap();
    fs::write(mixed.join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(mixed.join("empty.jpg"), b"").unwrap();
    fs::write(mixed.join("html.png"), b"<html>").unwrap();
    fs::write(mixed.join("two\nlines.png"), &whole).unwrap();
    fs::write(mixed.join("notes.txt"), b"x").unwrap();
    let mixed = mixed.to_str().unwrap();
    let output = home.run(&["predict", "last", mixed, "--csv", "--top", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let (rows, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0], "file,true_class,class_1,probability_1");
    assert!(rows[1].starts_with("Handbag/a b.png,,"), "{rows:?}");
    for line in [
        "cut.png is truncated",
        "empty.jpg is empty",
        "html.png is not a PNG",
        "has a name with control characters",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("notes.txt"), "{said}");
    let nothing = home.refused(&["predict", "last", "no-such.png"]);
    assert!(nothing.contains("is not there"), "{nothing}");
    let empty = home.path("nothing");
    fs::create_dir(&empty).unwrap();
    let empty = home.refused(&["predict", "last", empty.to_str().unwrap()]);
    assert!(empty.contains("has no images"), "{empty}");
    let example = home.refused(&["predict", "example", mixed]);
    assert!(example.contains("has no weights"), "{example}");

    // From standard input, and as it stands in its file.
    let mut command = home.command(&["predict", "last", "-", "--json"]);
    command.stdin(Stdio::from(fs::File::open(&first).unwrap()));
    let piped: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let named = home.json(&["predict", "last", first.to_str().unwrap(), "--json"]);
    assert_eq!(piped["top"], named[0]["top"]);
    assert_eq!(piped["file"], "standard input");

    // Dark on light, where the set is light on dark.
    let drawing = home.path("drawing.png");
    let paper = image::GrayImage::from_pixel(90, 60, image::Luma([250]));
    paper.save(&drawing).unwrap();
    let drawing = drawing.to_str().unwrap();
    let hint = |arguments: &[&str]| String::from_utf8(home.run(arguments).stderr).unwrap();
    assert!(hint(&["predict", "last", drawing]).contains("--invert"));
    assert!(hint(&["predict", "last", drawing, "--invert"]).is_empty());
}

fn damaged_files_are_found_out(home: &Home, images: &str) {
    let input = home.run_dir().join("input.json");
    let before = home.json(&["predict", "last", images, "--json"]);
    let json = fs::read_to_string(&input).unwrap();
    fs::write(&input, json.replace("Sandal", "Sandel")).unwrap();
    let output = home.run(&["predict", "last", images, "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("input.json is corrupt"), "{said}");
    let again = String::from_utf8(output.stdout).unwrap();
    let first: Value = serde_json::from_str(again.lines().next().unwrap()).unwrap();
    assert_eq!(
        first, before[0],
        "from the set, as it would be for an older run"
    );
    fs::write(&input, json).unwrap();
    let link = home.run_dir().join("best.safetensors");
    let best = fs::canonicalize(link).unwrap();
    let mut bytes = fs::read(&best).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&best, bytes).unwrap();
    let refused = home.refused(&["predict", "last", images]);
    assert!(refused.contains("not what was recorded"), "{refused}");
}

/// Colours, many sizes, opacity nowhere: decoded, scaled, cropped and packed for training, and read anew for this. Then
/// the set goes, and nothing changes.
#[test]
fn a_run_on_a_folder_needs_its_images_no_more() {
    let home = Home::new();
    let folder = home.path("shapes");
    for number in 0..48 {
        let (class, part) = (number % 2, if number < 36 { "train" } else { "test" });
        let place = folder.join(part).join(["even", "odd"][class as usize]);
        fs::create_dir_all(&place).unwrap();
        let path = place.join(format!("{number:03}.png"));
        colorful(number, class).save(path).unwrap();
    }
    home.done(&["data", "add", folder.to_str().unwrap()]);
    let set = [
        "data.name=shapes",
        "data.image_size=16",
        "train.epochs=1",
        "data.validation=0.2",
    ];
    let mut train = vec!["train", "mlp-20"];
    train.extend(set.iter().flat_map(|set| ["--set", set]));
    train.extend([
        "--set",
        "data.split=standard",
        "--set",
        "data.normalize=computed",
    ]);
    home.done(&train);
    let test = folder.join("test");
    let lines = home.json(&["predict", "last", test.to_str().unwrap(), "--json"]);
    // Sorted by path, so by class first.
    let mut files: Vec<u32> = (36..48).collect();
    files.sort_by_key(|number| (number % 2, *number));
    let place = |number: u32| files.iter().position(|file| *file == number).unwrap();
    let classes = ["even".to_owned(), "odd".to_owned()];
    let recorded = home.recorded();
    check_same(&lines, &recorded, &classes, |number| {
        36 + u32::try_from(place(number)).unwrap()
    });
    let kept = home.path("kept");
    fs::rename(&test, &kept).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    home.done(&["data", "remove", "shapes"]);
    let again = home.json(&["predict", "last", kept.to_str().unwrap(), "--json"]);
    assert_eq!(again, lines);

    let gone = home.refused(&["evaluate", "last"]);
    assert!(gone.contains("shapes"), "{gone}");
    let other = home.refused(&["evaluate", "last", "--data", "fashion-mnist-mini"]);
    assert!(other.contains("has classes that run"), "{other}");
    fs::remove_file(home.run_dir().join("input.json")).unwrap();
    let lost = home.refused(&["predict", "last", kept.to_str().unwrap()]);
    assert!(lost.contains("has not kept"), "{lost}");
}

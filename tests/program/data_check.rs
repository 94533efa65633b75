//! `fmtui data check` through the real program, and runs that leave out what it excludes.

use std::fs;
use std::path::Path;

use fmtui::rng::{Purpose, Stream};
use image::GrayImage;

use crate::program::told;

/// Noise, different in every image.
fn write(path: &Path, number: u64) {
    let stream = Stream::new(3, Purpose::Augmentation, number);
    let value = |x, y| (stream.word(u64::from(16 * y + x)) % 256) as u8;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image = GrayImage::from_fn(16, 16, |x, y| image::Luma([value(x, y)]));
    image.save(path).unwrap();
}

#[test]
fn what_a_check_excludes_is_left_out_of_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (workspace, flowers) = (dir.path().join("workspace"), dir.path().join("flowers"));
    fs::create_dir(&workspace).unwrap();
    for (label, class) in [(0, "daisy"), (1, "rose")] {
        for number in 0..12 {
            let path = flowers.join(format!("train/{class}/{number}.png"));
            write(&path, 100 * label + number);
        }
        for number in 0..4 {
            let path = flowers.join(format!("test/{class}/{number}.png"));
            write(&path, 100 * label + 50 + number);
        }
    }
    let folder = flowers.to_str().unwrap();
    let clean = told(&workspace, &["data", "check", folder], 0);
    assert!(
        clean.contains("24 training + 8 test images, 2 classes"),
        "{clean}"
    );
    assert!(clean.contains("nothing is wrong"), "{clean}");
    fs::copy(
        flowers.join("test/rose/1.png"),
        flowers.join("train/rose/x.png"),
    )
    .unwrap();
    let leak = told(&workspace, &["data", "check", folder], 1);
    assert!(
        leak.contains("1 test or validation image is also in another split"),
        "{leak}"
    );
    assert!(
        leak.contains("test/rose/1.png = train/rose/x.png"),
        "{leak}"
    );
    let refused = told(&workspace, &["data", "check", folder, "--fix"], 2);
    assert!(
        refused.contains("add it with `fmtui data add`"),
        "{refused}"
    );
    told(&workspace, &["data", "check", "nowhere"], 2);
    assert_eq!(
        fs::read_dir(&workspace).unwrap().count(),
        0,
        "something was written"
    );

    told(&workspace, &["data", "add", folder], 0);
    let fixed = told(&workspace, &["data", "check", "flowers", "--fix"], 0);
    assert!(fixed.contains("1 image excluded in"), "{fixed}");
    let json = told(&workspace, &["data", "check", "flowers", "--json"], 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["excluded"], &json["train_images"]),
        (&1.into(), &24.into())
    );

    let list = workspace.join("data/flowers/excluded.tsv");
    let settings = [
        "--set",
        "data.name=flowers",
        "--set",
        "train.epochs=1",
        "--set",
        "data.split=standard",
        "--set",
        "data.validation=0",
        "--set",
        "train.batch_size=8",
    ];
    let run = told(
        &workspace,
        &[&["train", "mlp-20"][..], &settings].concat(),
        0,
    );
    assert!(
        run.contains("24 training") && run.contains("1 image of flowers is excluded"),
        "{run}"
    );
    assert!(told(&workspace, &["replay", "last", "--verify"], 0).contains("identical"));
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace("copy of", "see")).unwrap();
    assert!(told(&workspace, &["replay", "last", "--verify"], 0).contains("identical"));
    fs::remove_file(&list).unwrap();
    let gone = told(&workspace, &["replay", "last", "--verify"], 2);
    assert!(gone.contains("excluded.tsv is missing"), "{gone}");
    let whole = [&["train", "last", "--set", "data.exclude=none"][..]].concat();
    assert!(told(&workspace, &whole, 0).contains("25 training"));
    // A run without a list stays without one.
    fs::write(&list, text).unwrap();
    assert!(told(&workspace, &["replay", "last", "--verify"], 0).contains("identical"));
    assert!(told(&workspace, &["train", "last"], 0).contains("25 training"));
}

/// A disk that is not there is no reason to leave its images out for good.
#[test]
fn images_that_are_away_are_told_and_not_excluded() {
    let dir = tempfile::tempdir().unwrap();
    let (workspace, flowers) = (dir.path().join("workspace"), dir.path().join("flowers"));
    fs::create_dir(&workspace).unwrap();
    for number in 0..40 {
        let class = ["daisy", "rose"][number as usize % 2];
        write(&flowers.join(format!("{class}/{number}.png")), number);
    }
    told(&workspace, &["data", "add", flowers.to_str().unwrap()], 0);
    let away = dir.path().join("away");
    fs::rename(flowers.join("rose"), &away).unwrap();
    fs::create_dir(flowers.join("rose")).unwrap();
    fs::write(flowers.join("daisy/0.png"), b"broken").unwrap();
    let fixed = told(&workspace, &["data", "check", "flowers", "--fix"], 1);
    assert!(fixed.contains("21 files cannot be used"), "{fixed}");
    assert!(fixed.contains("1 image excluded in"), "{fixed}");
    fs::remove_dir(flowers.join("rose")).unwrap();
    fs::rename(&away, flowers.join("rose")).unwrap();
    let back = told(&workspace, &["data", "check", "flowers"], 0);
    assert!(back.contains(", 1 excluded"), "{back}");
}

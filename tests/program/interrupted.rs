//! Signals while images are decoded: what was begun is taken away again, and the next training begins anew.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use image::RgbImage;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{command, told};

/// Files of decoded images, whole or not, and runs.
fn left(workspace: &Path) -> Vec<String> {
    let names = |directory: &str| {
        let entries = fs::read_dir(workspace.join(directory));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    let of_set = names("data/large").filter(|name| name.contains(".p"));
    of_set.chain(names("checkpoints")).collect()
}

#[test]
fn a_signal_while_images_are_decoded_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (workspace, images) = (dir.path().join("workspace"), dir.path().join("large"));
    fs::create_dir(&workspace).unwrap();
    // Large, so that it takes seconds; one file under many names.
    let image = RgbImage::from_fn(1000, 1000, |x, y| {
        image::Rgb([(x * 7 + y * 13) as u8, (x * y) as u8, (x ^ y) as u8])
    });
    for class in ["daisy", "rose"] {
        fs::create_dir_all(images.join(class)).unwrap();
        let first = images.join(class).join("0.png");
        image.save(&first).unwrap();
        for number in 1..50 {
            fs::hard_link(&first, images.join(class).join(format!("{number}.png"))).unwrap();
        }
    }
    told(&workspace, &["data", "add", images.to_str().unwrap()], 0);
    let train = [
        "train",
        "mlp-20",
        "--set",
        "data.name=large",
        "--set",
        "data.image_size=8",
        "--set",
        "train.epochs=1",
    ];
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let begun = Instant::now();
        let child = command(&workspace, &train)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while left(&workspace).is_empty() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "nothing is decoded"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{signal:?}: {words}");
        assert!(
            words.contains("it was cancelled; its images are decoded when"),
            "{words}"
        );
        assert_eq!(left(&workspace), Vec::<String>::new(), "{signal:?}");
    }
    told(&workspace, &train, 0);
    let ends = |end: &str| {
        left(&workspace)
            .iter()
            .filter(|name| name.ends_with(end))
            .count()
    };
    assert_eq!((ends(".packed"), ends(".part")), (1, 0));
}

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::data::testing;

fn set() -> Dataset {
    let sizes: Vec<(usize, usize)> = (0..40).map(|i| (5 + i % 3, 6)).collect();
    Dataset {
        test: testing::colours(&sizes[..7]).train,
        ..testing::colours(&sizes)
    }
}

/// The corner of an image.
#[expect(clippy::ptr_arg, reason = "as a `Fit` takes it")]
fn corner(image: &mut Vec<u8>, sides: (usize, usize), out: &mut [u8]) {
    let area = sides.0 * sides.1;
    for (channel, plane) in out.chunks_exact_mut(4).enumerate() {
        let own = &image[channel * area..];
        plane.copy_from_slice(&[own[0], own[1], own[sides.1], own[sides.1 + 1]]);
    }
}

fn spec(set: &Dataset) -> Spec {
    Spec {
        set: set.sha256.clone(),
        method: "corner".into(),
        shape: [3, 2, 2],
    }
}

fn write_to(directory: &Path, free: Option<u64>) -> Result<PathBuf> {
    let (set, no) = (set(), AtomicBool::new(false));
    let path = spec(&set).path(directory);
    write(&set, &spec(&set), &corner, &path, free, &mut |_, _| {}, &no).map(|()| path)
}

#[test]
fn in_memory_and_in_the_file_are_the_same_images() {
    let dir = tempfile::tempdir().unwrap();
    let set = set();
    let path = write_to(dir.path(), None).unwrap();
    let small = read(&set, &spec(&set), &path, u64::MAX).unwrap().unwrap();
    let large = read(&set, &spec(&set), &path, 0).unwrap().unwrap();
    assert_eq!(small.pixels_sha256, large.pixels_sha256);
    assert!(small.bytes() > large.bytes());
    let mut all = Vec::new();
    for index in 0..set.len() {
        let mut expected = [0; 12];
        corner(
            &mut set.image(index).unwrap(),
            set.size(index),
            &mut expected,
        );
        assert_eq!(small.image(index).unwrap(), expected);
        assert_eq!(large.image(index).unwrap(), expected);
        assert_eq!(small.label(index), set.label(index));
        all.extend(expected);
    }
    assert_eq!(small.pixels_sha256, storage::sha256(&all));
    let other = Spec {
        method: "other".into(),
        ..spec(&set)
    };
    assert!(read(&set, &other, &path, 0).unwrap().is_none());
}

#[test]
fn a_damaged_file_is_never_taken() {
    let dir = tempfile::tempdir().unwrap();
    let set = set();
    let path = write_to(dir.path(), None).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 10, 23, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(
            read(&set, &spec(&set), &path, 0).unwrap().is_none(),
            "{length}"
        );
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let error = read(&set, &spec(&set), &path, u64::MAX)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is damaged at image"), "{error}");
    let lazy = read(&set, &spec(&set), &path, 0).unwrap().unwrap();
    assert!(lazy.image(set.len() - 1).is_err() && lazy.image(0).is_ok());
    let theirs = dir.path().join("download.part");
    std::fs::write(&theirs, b"theirs").unwrap();
    assert_eq!(clean(dir.path()).unwrap(), (1, whole.len() as u64));
    assert!(theirs.exists());
    assert!(!path.exists());
}

#[test]
fn two_that_need_the_same_file_write_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let (written, first_is_in) = (AtomicUsize::new(0), Barrier::new(2));
    std::thread::scope(|scope| {
        for is_first in [true, false] {
            let (written, first_is_in, dir) = (&written, &first_is_in, &dir);
            scope.spawn(move || {
                let (set, no) = (set(), AtomicBool::new(false));
                let path = spec(&set).path(dir.path());
                let mut progress = |done, _| {
                    if done == 0 {
                        return;
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                    if is_first {
                        first_is_in.wait();
                        std::thread::sleep(3 * LOOK);
                    }
                };
                if !is_first {
                    first_is_in.wait();
                }
                write(&set, &spec(&set), &corner, &path, None, &mut progress, &no).unwrap();
                assert!(read(&set, &spec(&set), &path, 0).unwrap().is_some());
            });
        }
    });
    assert_eq!(written.load(Ordering::Relaxed), 1);
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn what_a_killed_process_left_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let left = spec(&set()).path(dir.path()).with_extension(PART);
    std::fs::write(&left, vec![7; 100_000]).unwrap();
    let path = write_to(dir.path(), None).unwrap();
    assert!(read(&set(), &spec(&set()), &path, 0).unwrap().is_some());
    assert!(!left.exists());
    std::fs::write(&left, b"again").unwrap();
    assert_eq!(clean(dir.path()).unwrap().0, 2);
}

#[test]
fn nothing_is_left_of_what_is_not_finished() {
    let dir = tempfile::tempdir().unwrap();
    let error = write_to(dir.path(), Some(100)).unwrap_err().to_string();
    assert!(error.contains("are free on the disk"), "{error}");
    let (set, yes) = (set(), AtomicBool::new(true));
    let path = spec(&set).path(dir.path());
    let stopped = write(
        &set,
        &spec(&set),
        &corner,
        &path,
        None,
        &mut |_, _| {},
        &yes,
    );
    assert!(matches!(stopped, Err(Error::Cancelled { .. })));
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

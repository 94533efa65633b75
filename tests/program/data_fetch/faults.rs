//! What goes wrong on the way and on the disk, for every kind of file that sets are published in.

use super::*;

/// A file, what it is held to, and what it leaves in place.
struct Kind {
    name: &'static str,
    bytes: Vec<u8>,
    remote: Remote,
    kept: &'static [&'static str],
}

fn kinds() -> [Kind; 4] {
    let gz = gzip(&content(0));
    let zip = sets::emnist_archive();
    let tar = sets::cifar_archive();
    let (zip_sha256, tar_sha256) = (sha256(&zip), sha256(&tar));
    let whole = |bytes: &[u8], sha256: String| Check::Sha256 {
        bytes: bytes.len() as u64,
        sha256,
    };
    [
        Kind {
            name: "file-0.gz",
            bytes: gz.clone(),
            remote: remote(0),
            kept: &[SUMS, "file-0.gz"],
        },
        Kind {
            name: "file-0.gz",
            remote: Remote {
                check: Check::Md5 {
                    content: 40_000,
                    md5: sets::md5(&gz),
                },
                ..remote(0)
            },
            bytes: gz,
            kept: &[SUMS, "file-0.gz"],
        },
        Kind {
            name: "gzip.zip",
            remote: Remote {
                file: "gzip.zip".into(),
                check: whole(&zip, zip_sha256),
                members: sets::letters(),
            },
            bytes: zip,
            kept: &[
                SUMS,
                "emnist-letters-test-images-idx3-ubyte.gz",
                "emnist-letters-test-labels-idx1-ubyte.gz",
                "emnist-letters-train-images-idx3-ubyte.gz",
                "emnist-letters-train-labels-idx1-ubyte.gz",
            ],
        },
        Kind {
            name: "cifar-10-binary.tar.gz",
            remote: Remote {
                file: "cifar-10-binary.tar.gz".into(),
                check: whole(&tar, tar_sha256),
                members: Vec::new(),
            },
            bytes: tar,
            kept: &[SUMS, "cifar-10-binary.tar.gz"],
        },
    ]
}

impl Kind {
    fn serve(&self, behaviours: &[Behaviour]) -> Server {
        serve(&[(self.name, self.bytes.clone())], behaviours)
    }

    fn fetcher(&self, servers: &[&Server]) -> Fetcher {
        fetcher_of(servers, vec![self.remote.clone()])
    }

    fn is_gzip(&self) -> bool {
        self.remote.check.length().is_none()
    }
}

#[test]
fn every_misbehaviour_is_an_error_in_words_and_puts_no_file_in_place() {
    use Behaviour as B;
    // Where the length is known, and where only that of the content is.
    for (behaviour, known, gzipped) in [
        (B::Status("500 Internal Server Error"), "500", "500"),
        (B::Status("503 Service Unavailable"), "503", "503"),
        (B::Status("404 Not Found"), "404", "404"),
        (B::Status("429 Too Many Requests"), "429", "429"),
        (B::Cut(0), "broke off", "broke off"),
        (B::Short, "for a file of", "not a complete gzip file"),
        (B::WrongBytes, "wrong SHA-256", "file-0.gz: "),
        (B::OtherContent, "for a file of", "inflates to fewer"),
        (B::Bomb, "for a file of|larger than", "inflates to more"),
        (B::WebPage, "a web page", "a web page"),
        (B::Endless, "larger than", "larger than"),
        (B::HugeLength, "larger than", "larger than"),
        (B::Silent, "does not answer", "does not answer"),
        (B::RedirectLoop, "redirect", "redirect"),
    ] {
        std::thread::scope(|scope| {
            for kind in kinds() {
                scope.spawn(move || {
                    let words = if kind.is_gzip() { gzipped } else { known };
                    refused(&kind, behaviour, words);
                });
            }
        });
    }
}

fn refused(kind: &Kind, behaviour: Behaviour, words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let server = kind.serve(&[behaviour]);
    let started = Instant::now();
    let (outcome, _) = run(&kind.fetcher(&[&server]), directory.path());
    let error = outcome.unwrap_err();
    let told = format!("{} {behaviour:?}: {error}", kind.name);
    assert!(matches!(error, Error::Download { .. }), "{told}");
    assert!(words.split('|').any(|words| told.contains(words)), "{told}");
    assert!(error.to_string().contains("fashion-mnist-mini"), "{told}");
    assert!(server.asked() >= 3, "not tried again: {told}");
    assert!(started.elapsed() < Duration::from_secs(8), "{told}");
    // Not even a directory.
    assert!(!directory.path().join("tiny").exists(), "{told}");
}

#[test]
fn what_breaks_off_is_gone_on_with() {
    for kind in kinds() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (kind.bytes.len() / 3, kind.bytes.len() / 4);
        let server = kind.serve(&[
            Behaviour::Cut(one),
            Behaviour::Cut(two),
            Behaviour::Redirect,
            Behaviour::Right,
        ]);
        let (outcome, seen) = run(&kind.fetcher(&[&server]), directory.path());
        assert!(!outcome.unwrap().was_there);
        assert_eq!(server.starts(), [0, one, one + two, one + two]);
        assert_eq!(server.sent(), kind.bytes.len());
        assert_eq!(in_place(directory.path()), kind.kept);
        let last = seen.last().unwrap();
        assert_eq!(last.bytes, kind.bytes.len() as u64);
        assert_eq!(last.total, Some(last.bytes));
    }
}

#[test]
fn what_was_given_up_is_gone_on_with_the_next_time() {
    for kind in kinds() {
        let directory = tempfile::tempdir().unwrap();
        let one = kind.bytes.len() / 3;
        let bad = kind.serve(&[Behaviour::Cut(one), Behaviour::Cut(0)]);
        let error = run(&kind.fetcher(&[&bad]), directory.path()).0.unwrap_err();
        assert!(
            error.to_string().contains("the download resumes"),
            "{error}"
        );
        assert_eq!(in_place(directory.path()), [""; 0]);
        // Another address has the same bytes.
        let good = kind.serve(&[Behaviour::Right]);
        run(&kind.fetcher(&[&good]), directory.path()).0.unwrap();
        assert_eq!(good.starts(), [one]);
        assert_eq!(in_place(directory.path()), kind.kept);
        // Nothing else stays.
        let all = directory.path().join("tiny").read_dir().unwrap().count();
        assert_eq!(all, kind.kept.len());
    }
}

#[test]
fn a_part_that_cannot_be_gone_on_with_is_fetched_again() {
    for kind in kinds() {
        for second in [Behaviour::IgnoreRange, Behaviour::OtherRange] {
            let directory = tempfile::tempdir().unwrap();
            let server = kind.serve(&[Behaviour::Cut(1000), second, Behaviour::Right]);
            run(&kind.fetcher(&[&server]), directory.path()).0.unwrap();
            let starts = match second {
                Behaviour::IgnoreRange => vec![0, 1000],
                _ => vec![0, 1000, 0],
            };
            assert_eq!(server.starts(), starts);
            assert_eq!(in_place(directory.path()), kind.kept);
        }
        // What lies there is of another file, shorter, as long, or longer.
        for length in [1000, kind.bytes.len(), kind.bytes.len() + 1] {
            let directory = tempfile::tempdir().unwrap();
            let staging = directory.path().join("tiny/.download");
            std::fs::create_dir_all(&staging).unwrap();
            let part = staging.join(format!("{}.part", kind.name));
            std::fs::write(part, vec![7; length]).unwrap();
            let server = kind.serve(&[Behaviour::Right]);
            run(&kind.fetcher(&[&server]), directory.path()).0.unwrap();
            assert_eq!(server.starts().last(), Some(&0));
            assert_eq!(in_place(directory.path()), kind.kept);
        }
        // Whole, and killed before it was verified.
        let directory = tempfile::tempdir().unwrap();
        let staging = directory.path().join("tiny/.download");
        std::fs::create_dir_all(&staging).unwrap();
        std::fs::write(staging.join(format!("{}.part", kind.name)), &kind.bytes).unwrap();
        let server = kind.serve(&[Behaviour::Right]);
        run(&kind.fetcher(&[&server]), directory.path()).0.unwrap();
        assert_eq!(server.asked(), 0);
        assert_eq!(in_place(directory.path()), kind.kept);
    }
}

#[test]
fn a_stall_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let server = mirror(&[Behaviour::Drip]);
    let message = run(&fetcher(&[&server], 1), directory.path())
        .0
        .unwrap_err();
    assert!(message.to_string().contains("stalled"), "{message}");
    assert_eq!(in_place(directory.path()), [""; 0]);
}

#[test]
fn a_set_is_put_in_place_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = Behaviour::Status("404 Not Found");
    let server = mirror(&[Behaviour::Right, Behaviour::Right, wrong]);
    let error = run(&fetcher(&[&server], 4), directory.path())
        .0
        .unwrap_err();
    assert!(error.to_string().contains("file-2.gz"), "{error}");
    assert_eq!(in_place(directory.path()), [""; 0]);
    // The two that came are not fetched again.
    let server = mirror(&[Behaviour::Right]);
    run(&fetcher(&[&server], 4), directory.path()).0.unwrap();
    assert_eq!(server.asked(), 2);
    assert_eq!(in_place(directory.path()).len(), 5);
}

#[test]
fn two_at_once_fetch_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = mirror(&[Behaviour::Slow, Behaviour::Right]);
    let mut fetcher = fetcher(&[&server], 4);
    fetcher.limits.stall = Duration::from_secs(10);
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| run(&fetcher, directory.path()));
        std::thread::sleep(Duration::from_millis(500));
        let two = scope.spawn(|| run(&fetcher, directory.path()));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(one.0.unwrap().files, two.0.unwrap().files);
    assert_eq!(server.asked(), 4);
    let waited = |p: &DownloadProgress| p.note.as_deref().unwrap_or("").contains("another fmtui");
    assert!(two.1.iter().any(waited));
    assert_eq!(in_place(directory.path()).len(), 5);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_tried_again() {
    for kind in kinds() {
        let directory = tempfile::tempdir().unwrap();
        let staging = directory.path().join("tiny/.download");
        std::fs::create_dir_all(&staging).unwrap();
        let part = staging.join(format!("{}.part", kind.name));
        std::os::unix::fs::symlink("/dev/full", part).unwrap();
        let server = kind.serve(&[Behaviour::Right]);
        let error = run(&kind.fetcher(&[&server]), directory.path())
            .0
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cannot be kept on disk: No space left"),
            "{error}"
        );
        assert_eq!(server.asked(), 1);
        assert_eq!(in_place(directory.path()), [""; 0]);
    }
}

#[test]
fn what_does_not_fit_the_disk_is_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let server = mirror(&[Behaviour::Right]);
    let giant = Remote {
        check: Check::Sha256 {
            bytes: 1 << 60,
            sha256: sha256(b""),
        },
        ..remote(0)
    };
    let error = run(&fetcher_of(&[&server], vec![giant]), directory.path())
        .0
        .unwrap_err();
    assert!(matches!(error, Error::Input { .. }));
    assert!(
        error.to_string().contains("the download may need"),
        "{error}"
    );
    assert_eq!(server.asked(), 0);
    assert!(!directory.path().join("tiny").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tiny"), "a file").unwrap();
    let server = mirror(&[Behaviour::Right]);
    let error = run(&fetcher(&[&server], 1), directory.path())
        .0
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("tiny"), "{error}");
    assert_eq!(server.asked(), 0);
}

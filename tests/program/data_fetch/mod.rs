//! Downloads against a server on the loopback interface that behaves well, badly, or not at all.

mod faults;
mod program;
mod server;
pub mod sets;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fmtui::data::fetch::{Check, DownloadProgress, Fetched, Fetcher, Limits, Remote, SUMS};
use fmtui::error::{Error, Result};
use fmtui::storage::sha256;

use self::server::{Behaviour, Server, serve};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Content that hardly compresses, different for every file.
fn content(file: usize) -> Vec<u8> {
    let stream = fmtui::rng::Stream::new(1, fmtui::rng::Purpose::Shuffle, file as u64);
    (0..40_000)
        .map(|i| stream.word(i).to_le_bytes()[0])
        .collect()
}

fn remote(file: usize) -> Remote {
    let content = content(file);
    Remote {
        file: format!("file-{file}.gz"),
        check: Check::Content {
            bytes: content.len() as u64,
            sha256: sha256(&content),
        },
        members: Vec::new(),
    }
}

/// A mirror of the files of [`remote`].
fn mirror(behaviours: &[Behaviour]) -> Server {
    let files = ["file-0.gz", "file-1.gz", "file-2.gz", "file-3.gz"];
    let files: Vec<_> = (0..4).map(|i| (files[i], gzip(&content(i)))).collect();
    serve(&files, behaviours)
}

fn fetcher(servers: &[&Server], files: usize) -> Fetcher {
    fetcher_of(servers, (0..files).map(remote).collect())
}

fn fetcher_of(servers: &[&Server], files: Vec<Remote>) -> Fetcher {
    Fetcher {
        mirrors: servers.iter().map(|s| s.address.clone()).collect(),
        files,
        limits: Limits {
            connect: Duration::from_millis(300),
            stall: Duration::from_millis(300),
            attempts: 3,
            back_off: Duration::from_millis(10),
        },
        offline: false,
    }
}

fn run(fetcher: &Fetcher, directory: &Path) -> (Result<Fetched>, Vec<DownloadProgress>) {
    let mut seen = Vec::new();
    let outcome = fetcher.fetch(
        "tiny",
        directory,
        &mut |progress| seen.push(progress),
        &AtomicBool::new(false),
    );
    (outcome, seen)
}

/// The names of the files that are in place, in order; what is still coming lies in a directory of its own.
fn in_place(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("tiny"));
    let names = entries.into_iter().flatten().map(|entry| {
        let entry = entry.unwrap();
        entry.file_name().into_string().unwrap()
    });
    let mut names: Vec<_> = names.filter(|name| name != ".download").collect();
    names.sort();
    names
}

#[test]
fn right_files_are_put_in_place_and_not_fetched_twice() {
    let directory = tempfile::tempdir().unwrap();
    let server = mirror(&[Behaviour::Right, Behaviour::RightUntilClose]);
    let fetcher = fetcher(&[&server], 4);
    let (outcome, seen) = run(&fetcher, directory.path());
    let came = outcome.unwrap();
    assert_eq!((came.was_there, came.verified()), (false, "verified"));
    let tiny = directory.path().join("tiny");
    assert_eq!(came.directory, tiny);
    let mut sums = String::new();
    for file in 0..4 {
        let name = format!("file-{file}.gz");
        let bytes = std::fs::read(tiny.join(&name)).unwrap();
        assert_eq!(bytes, gzip(&content(file)));
        let sha256 = sha256(&bytes);
        assert_eq!(came.files[file], (name.clone(), sha256.clone()));
        sums.extend([sha256.as_str(), "  ", name.as_str(), "\n"]);
    }
    assert_eq!(std::fs::read_to_string(tiny.join(SUMS)).unwrap(), sums);
    assert_eq!(std::fs::read_dir(&tiny).unwrap().count(), 5);
    let last = seen.last().unwrap();
    assert_eq!(
        (last.file.as_str(), last.file_index, last.files),
        ("file-3.gz", 3, 4)
    );
    assert_eq!(Some(last.bytes), last.total);
    assert!(last.bytes_per_second > 0.0);

    let again = run(&fetcher, directory.path()).0.unwrap();
    assert_eq!((again.was_there, again.files), (true, came.files));
    assert_eq!(server.asked(), 4);
    // A damaged file is fetched again, the others are not.
    std::fs::write(directory.path().join("tiny/file-2.gz"), b"junk").unwrap();
    run(&fetcher, directory.path()).0.unwrap();
    assert_eq!(server.asked(), 5);
}

#[test]
fn a_failure_is_tried_again_and_another_mirror_helps() {
    let directory = tempfile::tempdir().unwrap();
    let flaky = mirror(&[
        Behaviour::Truncated,
        Behaviour::Status("503 Service Unavailable"),
        Behaviour::Right,
    ]);
    let (outcome, seen) = run(&fetcher(&[&flaky], 1), directory.path());
    outcome.unwrap();
    assert_eq!(flaky.asked(), 3);
    let told = |words: &str| {
        seen.iter()
            .any(|p| p.note.as_deref().is_some_and(|note| note.contains(words)))
    };
    assert!(told("503") && told("broke off"));

    let directory = tempfile::tempdir().unwrap();
    let broken = mirror(&[Behaviour::OtherContent]);
    let good = mirror(&[Behaviour::Right]);
    run(&fetcher(&[&broken, &good], 2), directory.path())
        .0
        .unwrap();
    assert_eq!(in_place(directory.path()).len(), 3);
}

#[test]
fn nobody_listening_is_an_error_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut fetcher = fetcher(&[], 1);
    fetcher.mirrors = vec![address];
    let message = run(&fetcher, directory.path()).0.unwrap_err().to_string();
    assert!(message.contains("refused"), "{message}");
}

#[test]
fn offline_opens_no_socket() {
    let directory = tempfile::tempdir().unwrap();
    let server = mirror(&[Behaviour::Right]);
    let mut fetcher = fetcher(&[&server], 1);
    fetcher.offline = true;
    let error = run(&fetcher, directory.path()).0.unwrap_err();
    assert!(matches!(error, Error::Input { .. }));
    assert!(error.to_string().contains("FMTUI_OFFLINE"), "{error}");
    assert_eq!(server.asked(), 0);
    assert_eq!(in_place(directory.path()), [""; 0]);
}

#[test]
fn cancelling_takes_less_than_a_second() {
    for behaviour in [Behaviour::Silent, Behaviour::Drip] {
        let directory = tempfile::tempdir().unwrap();
        let server = mirror(&[behaviour]);
        let mut fetcher = fetcher(&[&server], 1);
        fetcher.limits = Limits::default();
        let cancel = AtomicBool::new(false);
        let (outcome, waited) = std::thread::scope(|scope| {
            let worker =
                scope.spawn(|| fetcher.fetch("tiny", directory.path(), &mut |_| {}, &cancel));
            std::thread::sleep(Duration::from_millis(300));
            let cancelled = Instant::now();
            cancel.store(true, Ordering::SeqCst);
            (worker.join().unwrap(), cancelled.elapsed())
        });
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains("cancelled"), "{message}");
        assert!(waited < Duration::from_secs(1), "{behaviour:?}: {waited:?}");
        assert_eq!(in_place(directory.path()), [""; 0]);
    }
}

#[test]
fn it_can_be_called_from_a_blocking_task() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_path_buf();
    let server = mirror(&[Behaviour::Right]);
    let fetcher = fetcher(&[&server], 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let task = runtime.spawn_blocking(move || run(&fetcher, &path).0);
    runtime.block_on(task).unwrap().unwrap();
    assert_eq!(in_place(directory.path()).len(), 3);
}

#[test]
fn known_sets_have_their_files_and_bounded_patience() {
    for (name, files, is_weak) in [
        ("fashion-mnist", 4, false),
        ("mnist", 4, false),
        ("kmnist", 4, false),
        ("qmnist", 4, true),
        ("emnist-letters", 1, false),
        ("cifar10", 1, false),
        ("cifar100", 1, false),
        ("cifar100-coarse", 1, false),
    ] {
        let fetcher = Fetcher::from_environment(name).unwrap();
        assert_eq!(fetcher.files.len(), files, "{name}");
        let weak = |remote: &Remote| remote.check.is_weak();
        assert!(fetcher.files.iter().all(|f| weak(f) == is_weak), "{name}");
        assert!(fetcher.limits.connect <= Duration::from_secs(10));
        assert!(fetcher.limits.stall <= Duration::from_secs(30));
        assert!(!fetcher.mirrors.is_empty());
    }
    let message = Fetcher::from_environment("imagenet")
        .unwrap_err()
        .to_string();
    assert!(message.contains("fashion-mnist, mnist"), "{message}");
}

//! Downloads against a server on the loopback interface that behaves well, badly, or not at all.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fmtui::data::fetch::{DownloadProgress, Fetcher, Limits, Remote};
use fmtui::error::{Error, Result};
use fmtui::storage::sha256;

/// What the server does with one request; requests beyond the list get the last behaviour.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Right,
    /// No length is announced.
    RightUntilClose,
    Status(&'static str),
    /// The right length is announced, half of it sent.
    Truncated,
    /// Right length, a bit flipped.
    WrongBytes,
    /// A valid gzip file of other content.
    OtherContent,
    /// A gzip file that inflates to 32 MB.
    Bomb,
    Endless,
    HugeLength,
    /// One byte now and then.
    Drip,
    /// Accepts, never answers.
    Silent,
    RedirectLoop,
}

struct Server {
    address: String,
    requests: Arc<AtomicUsize>,
}

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
        file: format!("file-{file}"),
        bytes: content.len() as u64,
        sha256: sha256(&content),
    }
}

fn serve(behaviours: Vec<Behaviour>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    // Ends with the test's process; a connection that hangs hangs in its own thread.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let behaviour = behaviours[number.min(behaviours.len() - 1)];
            std::thread::spawn(move || {
                // The client leaving early is part of the game.
                let _ = answer(stream, behaviour);
            });
        }
    });
    Server { address, requests }
}

fn answer(mut stream: TcpStream, behaviour: Behaviour) -> std::io::Result<()> {
    let request = crate::hub_server::http::head(&mut stream)?;
    let path = request.split(' ').nth(1).unwrap_or("").to_string();
    let file = path
        .trim_start_matches("/file-")
        .trim_end_matches(".gz")
        .parse()
        .unwrap_or(0);
    let right = gzip(&content(file));
    match behaviour {
        Behaviour::Right => whole(&mut stream, &right),
        Behaviour::RightUntilClose => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&right)
        }
        Behaviour::Status(status) => {
            let body = "<html>an error page</html>";
            let text = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(text.as_bytes())
        }
        Behaviour::Truncated => {
            stream.write_all(head(right.len()).as_bytes())?;
            stream.write_all(&right[..right.len() / 2])
        }
        Behaviour::WrongBytes => {
            let mut wrong = right;
            let middle = wrong.len() / 2;
            wrong[middle] ^= 1;
            whole(&mut stream, &wrong)
        }
        Behaviour::OtherContent => {
            let mut other = content(file);
            other[7] ^= 1;
            whole(&mut stream, &gzip(&other))
        }
        Behaviour::Bomb => whole(&mut stream, &gzip(&vec![0; 32 << 20])[..40_000]),
        Behaviour::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0x1f; 4096])?;
            }
        }
        Behaviour::HugeLength => stream.write_all(head(1 << 40).as_bytes()),
        Behaviour::Drip => {
            stream.write_all(head(right.len()).as_bytes())?;
            for byte in right {
                stream.write_all(&[byte])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Behaviour::Silent => {
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Behaviour::RedirectLoop => {
            let text = format!(
                "HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(text.as_bytes())
        }
    }
}

fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
}

fn whole(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    stream.write_all(head(body.len()).as_bytes())?;
    stream.write_all(body)
}

fn fetcher(servers: &[&Server], files: usize) -> Fetcher {
    Fetcher {
        mirrors: servers.iter().map(|s| s.address.clone()).collect(),
        files: (0..files).map(remote).collect(),
        limits: Limits {
            connect: Duration::from_millis(300),
            stall: Duration::from_millis(300),
            attempts: 3,
            back_off: Duration::from_millis(10),
        },
        offline: false,
    }
}

fn run(fetcher: &Fetcher, directory: &Path) -> (Result<()>, Vec<DownloadProgress>) {
    let mut seen = Vec::new();
    let outcome = fetcher.fetch(
        "tiny",
        directory,
        &mut |progress| seen.push(progress),
        &AtomicBool::new(false),
    );
    (outcome, seen)
}

fn files_below(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("tiny")).map_or(0, Iterator::count)
}

#[test]
fn right_files_are_put_in_place_and_not_fetched_twice() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(vec![Behaviour::Right, Behaviour::RightUntilClose]);
    let fetcher = fetcher(&[&server], 4);
    let (outcome, seen) = run(&fetcher, directory.path());
    outcome.unwrap();
    assert_eq!(files_below(directory.path()), 4);
    for file in 0..4 {
        let bytes = std::fs::read(directory.path().join(format!("tiny/file-{file}.gz"))).unwrap();
        assert_eq!(bytes, gzip(&content(file)));
    }
    let last = seen.last().unwrap();
    assert_eq!(
        (last.file.as_str(), last.file_index, last.files),
        ("file-3.gz", 3, 4)
    );
    assert_eq!(Some(last.bytes), last.total);
    assert!(last.bytes_per_second > 0.0);

    run(&fetcher, directory.path()).0.unwrap();
    assert_eq!(server.requests.load(Ordering::SeqCst), 4);
    // A damaged file is fetched again, the others are not.
    std::fs::write(directory.path().join("tiny/file-2.gz"), b"junk").unwrap();
    run(&fetcher, directory.path()).0.unwrap();
    assert_eq!(server.requests.load(Ordering::SeqCst), 5);
}

#[test]
fn every_misbehaviour_is_an_error_in_words_and_leaves_no_file() {
    for (behaviour, words) in [
        (Behaviour::Status("500 Internal Server Error"), "500"),
        (Behaviour::Status("404 Not Found"), "404"),
        (Behaviour::Status("429 Too Many Requests"), "429"),
        (Behaviour::Truncated, "broke off"),
        (Behaviour::WrongBytes, "not a complete gzip file"),
        (Behaviour::OtherContent, "SHA-256"),
        (Behaviour::Bomb, "inflates to more"),
        (Behaviour::Endless, "larger than"),
        (Behaviour::HugeLength, "larger than"),
        (Behaviour::Drip, "stalled"),
        (Behaviour::Silent, "does not answer"),
        (Behaviour::RedirectLoop, "redirect"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(vec![behaviour]);
        let started = Instant::now();
        let (outcome, _) = run(&fetcher(&[&server], 1), directory.path());
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, Error::Download { .. }),
            "{behaviour:?}: {error}"
        );
        let message = error.to_string();
        assert!(message.contains(words), "{behaviour:?}: {message}");
        assert!(message.contains("fashion-mnist-mini"), "{message}");
        assert_eq!(files_below(directory.path()), 0, "{behaviour:?}");
        assert!(started.elapsed() < Duration::from_secs(8), "{behaviour:?}");
        assert!(
            server.requests.load(Ordering::SeqCst) >= 3,
            "{behaviour:?} was not tried again"
        );
    }
}

#[test]
fn a_failure_is_tried_again_and_another_mirror_helps() {
    let directory = tempfile::tempdir().unwrap();
    let flaky = serve(vec![
        Behaviour::Truncated,
        Behaviour::Status("503 Service Unavailable"),
        Behaviour::Right,
    ]);
    let (outcome, seen) = run(&fetcher(&[&flaky], 1), directory.path());
    outcome.unwrap();
    assert_eq!(flaky.requests.load(Ordering::SeqCst), 3);
    let told = |words: &str| {
        seen.iter()
            .any(|p| p.note.as_deref().is_some_and(|note| note.contains(words)))
    };
    assert!(told("503") && told("broke off"));

    let directory = tempfile::tempdir().unwrap();
    let broken = serve(vec![Behaviour::OtherContent]);
    let good = serve(vec![Behaviour::Right]);
    run(&fetcher(&[&broken, &good], 2), directory.path())
        .0
        .unwrap();
    assert_eq!(files_below(directory.path()), 2);
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
    let server = serve(vec![Behaviour::Right]);
    let mut fetcher = fetcher(&[&server], 1);
    fetcher.offline = true;
    let error = run(&fetcher, directory.path()).0.unwrap_err();
    assert!(matches!(error, Error::Input { .. }));
    assert!(error.to_string().contains("FMTUI_OFFLINE"), "{error}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    assert_eq!(files_below(directory.path()), 0);
}

#[test]
fn cancelling_takes_less_than_a_second() {
    for behaviour in [Behaviour::Silent, Behaviour::Drip] {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(vec![behaviour]);
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
        assert_eq!(files_below(directory.path()), 0);
    }
}

#[test]
fn it_can_be_called_from_a_blocking_task() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_path_buf();
    let server = serve(vec![Behaviour::Right]);
    let fetcher = fetcher(&[&server], 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let task = runtime.spawn_blocking(move || run(&fetcher, &path).0);
    runtime.block_on(task).unwrap().unwrap();
    assert_eq!(files_below(directory.path()), 2);
}

#[test]
fn the_known_set_has_four_files_and_bounded_patience() {
    let fetcher = Fetcher::from_environment("fashion-mnist").unwrap();
    assert_eq!(fetcher.files.len(), 4);
    assert!(fetcher.limits.connect <= Duration::from_secs(10));
    assert!(fetcher.limits.stall <= Duration::from_secs(30));
    assert!(!fetcher.mirrors.is_empty());
    let message = Fetcher::from_environment("imagenet")
        .unwrap_err()
        .to_string();
    assert!(message.contains("fashion-mnist can"), "{message}");
}

//! Weights from a hub on the loopback interface that speaks real HTTP, and behaves well, badly, or not at all.

mod commands;
mod part;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::hub_server::{Claim, FIRST, Fault, SECOND, Server};
use fmtui::error::{Error, Result};
use fmtui::net::hub::{Cache, Cached, Hub, Part, Reference, Token};
use fmtui::net::{DownloadProgress, Limits};
use fmtui::storage::sha256;
use safetensors::tensor::{Dtype, TensorView};

/// Never to be found anywhere.
const CANARY: &str = "hf_canaryQx7Zt0Lw9";

/// Faults that outlast every attempt: each step of a redirection takes one, and ten are followed.
const ALWAYS: usize = 50;

/// A file that hardly compresses and is no more than bytes here.
fn noise(seed: u64, length: u64) -> Vec<u8> {
    let stream = fmtui::rng::Stream::new(seed, fmtui::rng::Purpose::Shuffle, 0);
    (0..length)
        .map(|i| stream.word(i).to_le_bytes()[0])
        .collect()
}

fn hub(server: &Server, directory: &Path) -> Hub {
    Hub {
        endpoint: server.address.clone(),
        cache: Cache {
            root: directory.join("hub"),
        },
        shared: None,
        token: Some(Token::new(CANARY)),
        limits: Limits {
            connect: Duration::from_millis(300),
            stall: Duration::from_millis(300),
            attempts: 3,
            back_off: Duration::from_millis(5),
        },
        offline: false,
    }
}

fn reference() -> Reference {
    Reference::parse("hf:o/n").unwrap()
}

fn fetch(hub: &Hub, reference: &Reference, part: Part) -> Result<Cached> {
    hub.fetch(reference, part, &mut |_| {}, &AtomicBool::new(false))
}

/// Every file under a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn assert_nothing_in_place(directory: &Path, what: &str) {
    for path in files(directory) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let harmless = name == "lock" || path.extension().is_some_and(|e| e == "part");
        assert!(harmless, "{what}: {}", path.display());
    }
}

#[test]
fn what_was_fetched_is_verified_kept_and_needs_no_network_again() {
    let file = noise(1, 300_000);
    let server = Server::with(&file);
    server.put(
        FIRST,
        "README.md",
        b"---\nlicense: bsd-3-clause\ndatasets:\n- imagenet-1k\n---\n",
    );
    let dir = tempfile::tempdir().unwrap();
    let mut hub = hub(&server, dir.path());
    let mut told: Vec<DownloadProgress> = Vec::new();
    let first = hub
        .fetch(
            &reference(),
            Part::Whole,
            &mut |p| told.push(p),
            &AtomicBool::new(false),
        )
        .unwrap();
    assert_eq!(std::fs::read(&first.path).unwrap(), file);
    let source = &first.source;
    assert_eq!(
        (
            source.commit.as_str(),
            source.licence.as_str(),
            source.vouched
        ),
        (FIRST, "bsd-3-clause", true)
    );
    assert_eq!((source.bytes, &source.sha256), (300_000, &sha256(&file)));
    assert!(
        first
            .path
            .ends_with(format!("models--o--n/{FIRST}/model.safetensors"))
    );
    let last = told.last().unwrap();
    assert_eq!((last.bytes, last.total), (300_000, Some(300_000)));

    // Pinned, nobody is asked.
    let before = server.connections();
    let pinned = reference().at(FIRST);
    assert_eq!(fetch(&hub, &pinned, Part::Whole).unwrap(), first);
    assert_eq!(server.connections(), before);
    // By its branch's name the hub is asked what it is, and the file is not sent again.
    assert_eq!(fetch(&hub, &reference(), Part::Whole).unwrap(), first);
    assert_eq!(
        (server.connections(), server.asked().len()),
        (before + 1, 1)
    );
    // Without a network the branch is what it was.
    hub.offline = true;
    hub.endpoint = "http://127.0.0.1:9".into();
    assert_eq!(fetch(&hub, &reference(), Part::Whole).unwrap(), first);
    assert_eq!(hub.cache.list(), std::slice::from_ref(&first));
    // Where the hub cannot be reached, that is said, and what is here will do.
    hub.offline = false;
    let mut notes = Vec::new();
    let mut tell = |p: DownloadProgress| notes.extend(p.note);
    let taken = hub.fetch(
        &reference(),
        Part::Whole,
        &mut tell,
        &AtomicBool::new(false),
    );
    assert_eq!(taken.unwrap(), first);
    assert!(
        notes
            .last()
            .unwrap()
            .starts_with("using the cached version: "),
        "{notes:?}"
    );
    hub.offline = true;

    // A file that was tampered with is not used.
    let mut tampered = file.clone();
    tampered[1000] ^= 1;
    std::fs::write(&first.path, tampered).unwrap();
    let message = fetch(&hub, &pinned, Part::Whole).unwrap_err().to_string();
    assert!(
        message.contains("has changed since it was downloaded"),
        "{message}"
    );
    // Where there is a network, the right bytes come again.
    (hub.offline, hub.endpoint) = (false, server.address.clone());
    for named in [pinned, reference()] {
        let again = fetch(&hub, &named, Part::Whole).unwrap();
        assert_eq!(std::fs::read(&again.path).unwrap(), file);
    }
}

#[test]
fn a_changed_branch_is_fetched_beside_what_it_was() {
    let (old, new) = (noise(2, 50_000), noise(3, 60_000));
    let server = Server::with(&old);
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&server, dir.path());
    fetch(&hub, &reference(), Part::Whole).unwrap();
    server.put(SECOND, "model.safetensors", &new);
    server.state.lock().unwrap().commit = SECOND.into();
    let changed = fetch(&hub, &reference(), Part::Whole).unwrap();
    assert_eq!(std::fs::read(&changed.path).unwrap(), new);
    // Who pinned the first commit still gets it.
    let kept = fetch(&hub, &reference().at(FIRST), Part::Whole).unwrap();
    assert_eq!(std::fs::read(&kept.path).unwrap(), old);
}

#[test]
fn offline_no_socket_is_opened() {
    let server = Server::with(&noise(4, 1000));
    let dir = tempfile::tempdir().unwrap();
    let mut hub = hub(&server, dir.path());
    hub.offline = true;
    let error = fetch(&hub, &reference(), Part::Whole).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("network access is turned off"),
        "{error}"
    );
    assert_eq!(server.connections(), 0);
    assert!(files(dir.path()).is_empty());
}

#[test]
fn what_broke_off_goes_on_where_it_was() {
    let file = noise(5, 200_000);
    let server = Server::with(&file).faults([Fault::Drop(80_000), Fault::Drop(50_000)]);
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&server, dir.path());
    let cached = fetch(&hub, &reference(), Part::Whole).unwrap();
    assert_eq!(std::fs::read(&cached.path).unwrap(), file);
    let ranges: Vec<Option<String>> = server.asked().into_iter().map(|r| r.range).collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=80000-199999".into()),
            Some("bytes=130000-199999".into())
        ]
    );
    assert_eq!(server.state.lock().unwrap().sent, 200_000, "no byte twice");

    // Also in another process, or after a cancel: the part lies there.
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(&file).faults(std::iter::repeat_n(Fault::Drop(60_000), 3));
    let hub = self::hub(&server, dir.path());
    assert!(fetch(&hub, &reference(), Part::Whole).is_err());
    assert_nothing_in_place(dir.path(), "broken off");
    let cached = fetch(&hub, &reference(), Part::Whole).unwrap();
    assert_eq!(std::fs::read(&cached.path).unwrap(), file);
    let last = server.asked().pop().unwrap();
    assert_eq!(last.range.as_deref(), Some("bytes=180000-199999"));
}

#[test]
fn every_fault_ends_in_the_right_bytes_or_a_clear_error() {
    use Fault::{
        Drip, Drop, Elsewhere, Endless, ErrorPage, IgnoreRange, Loop, OtherRange, Short, Silent,
        Status, WrongBytes,
    };
    let file = noise(6, 40_000);
    let other = Server::with(&file);
    let right: Vec<Vec<Fault>> = vec![
        vec![Drop(10_000), IgnoreRange],
        vec![Drop(10_000), OtherRange],
        vec![
            Status("429 Too Many Requests\r\nRetry-After: 0"),
            Status("500 Oops"),
        ],
        vec![Status("503 Busy"), Short],
        vec![WrongBytes],
        vec![Drop(10_000), WrongBytes],
        vec![ErrorPage],
        vec![Silent],
        vec![Drip],
        vec![Endless],
        vec![Elsewhere(other.address.clone())],
    ];
    for faults in right {
        let what = format!("{faults:?}");
        let server = Server::with(&file).faults(faults);
        let dir = tempfile::tempdir().unwrap();
        let cached = fetch(&hub(&server, dir.path()), &reference(), Part::Whole);
        let cached = cached.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(std::fs::read(&cached.path).unwrap(), file, "{what}");
    }
    let wrong: Vec<(Fault, &str)> = vec![
        (WrongBytes, "does not match the hub's SHA-256"),
        (Short, "sends 39999 bytes for a file of 40000"),
        (ErrorPage, "sends 26 bytes for a file of 40000"),
        (Silent, "the server does not answer"),
        (Drip, "stalled after"),
        (Endless, "is larger than the 40000 bytes it may have"),
        (Loop, "redirect"),
        (Status("500 Oops"), "the server answers 500"),
        (
            Status("401 Unauthorized"),
            "the token (of HF_TOKEN, or of your login) may not read o/n",
        ),
        (
            Status("403 Forbidden"),
            "the token (of HF_TOKEN, or of your login) may not read o/n",
        ),
        (Status("404 Not Found"), "the hub has no o/n"),
        (Drop(0), "broke off after 0 bytes"),
    ];
    for (fault, words) in wrong {
        let server = Server::with(&file).faults(vec![fault.clone(); ALWAYS]);
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(&hub(&server, dir.path()), &reference(), Part::Whole).unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(error, Error::Download { .. }) && message.contains(words),
            "{fault:?}: {message}"
        );
        assert_nothing_in_place(dir.path(), &message);
    }
}

#[test]
fn false_claims_about_a_file_are_not_believed() {
    use Claim::{Elsewhere, Header, Loop, Silent, Status};
    let file = noise(7, 5_000);
    let cases: Vec<(Claim, &str)> = vec![
        (
            Header("X-Repo-Commit: ../../../../x"),
            "names no valid commit",
        ),
        (Header("X-Repo-Commit: 1111"), "names no valid commit"),
        (Header("X-Repo-Commit"), "the hub has no o/n"),
        (Header("X-Linked-Size: 99999999999"), "too long for weights"),
        (Header("X-Linked-Size: -1"), "does not say how long"),
        (
            Header("X-Linked-Size: 4999"),
            "sends 5000 bytes for a file of 4999",
        ),
        (
            Header(
                "X-Linked-ETag: \"0000000000000000000000000000000000000000000000000000000000000000\"",
            ),
            "does not match the hub's SHA-256",
        ),
        (
            Status("404 Not Found"),
            "the hub has no o/n, no revision main of it, or no model.safetensors in it",
        ),
        (Status("200 OK"), "names no commit"),
        (Status("500 Oops"), "the server answers 500"),
        (
            Elsewhere("http://127.0.0.1:9".into()),
            "sent to another server",
        ),
        (Loop, "redirects endlessly"),
        (Silent, "the server does not answer"),
    ];
    for (claim, words) in cases {
        let what = format!("{claim:?}");
        let server = Server::with(&file).claims(std::iter::repeat_n(claim, 8));
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(&hub(&server, dir.path()), &reference(), Part::Whole).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(words), "{what}: {message}");
        assert_nothing_in_place(dir.path(), &what);
    }
    // A digest that is none vouches for nothing; the bytes' own is recorded.
    let tag = Header("X-Linked-ETag: \"../../etc/passwd\"");
    let server = Server::with(&file).claims([tag]);
    let dir = tempfile::tempdir().unwrap();
    let cached = fetch(&hub(&server, dir.path()), &reference(), Part::Whole).unwrap();
    assert!(!cached.source.vouched && cached.source.sha256 == sha256(&file));
}

#[test]
fn what_gets_on_is_not_given_up() {
    let file = noise(12, 9_000_000);
    let drops = || std::iter::repeat_n(Fault::Drop(1_500_000), 5);
    let server = Server::with(&file).faults(drops());
    let dir = tempfile::tempdir().unwrap();
    let cached = fetch(&hub(&server, dir.path()), &reference(), Part::Whole).unwrap();
    assert!(std::fs::read(&cached.path).unwrap() == file);
    // What other attempts have left is gone with it.
    let parts = files(dir.path());
    assert!(
        !parts
            .iter()
            .any(|p| p.extension().is_some_and(|e| e == "part"))
    );
    // As often without getting on, and it is.
    let server = Server::with(&file).faults(std::iter::repeat_n(Fault::Drop(1_000), 5));
    let dir = tempfile::tempdir().unwrap();
    let given_up = fetch(&hub(&server, dir.path()), &reference(), Part::Whole);
    let given_up = given_up.unwrap_err().to_string();
    assert!(given_up.contains("the download resumes"), "{given_up}");
}

#[test]
fn a_token_goes_to_the_hub_alone_and_nowhere_else() {
    let file = noise(8, 20_000);
    let other = Server::with(&file);
    let server = Server::with(&file).faults([Fault::Elsewhere(other.address.clone())]);
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&server, dir.path());
    fetch(&hub, &reference(), Part::Whole).unwrap();
    let bearer = Some(format!("Bearer {CANARY}"));
    let state = server.state.lock().unwrap();
    assert!(state.requests.iter().all(|r| r.authorization == bearer));
    let elsewhere = other.asked();
    assert_eq!((elsewhere.len(), &elsewhere[0].authorization), (1, &None));
    for path in files(dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(CANARY), "{}", path.display());
    }
    assert!(!format!("{hub:?}").contains(CANARY));
}

#[test]
fn a_cancel_is_heard_within_a_second() {
    for claims in [vec![], vec![Claim::Silent]] {
        let server = Server::with(&noise(9, 100_000))
            .faults([Fault::Drip])
            .claims(claims);
        let dir = tempfile::tempdir().unwrap();
        let mut hub = hub(&server, dir.path());
        hub.limits = Limits::default();
        let cancel = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&cancel);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            set.store(true, Ordering::Relaxed);
        });
        let begun = Instant::now();
        let error = hub
            .fetch(&reference(), Part::Whole, &mut |_| {}, &cancel)
            .unwrap_err();
        assert!(error.to_string().contains("it was cancelled"), "{error}");
        assert_eq!(error.exit_code(), 3);
        assert!(begun.elapsed() < Duration::from_millis(1300));
        assert_nothing_in_place(dir.path(), "cancelled");
    }
}

#[test]
fn two_who_want_the_same_file_fetch_it_once() {
    let file = noise(10, 400_000);
    let server = Server::with(&file);
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&server, dir.path());
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| fetch(&hub, &reference(), Part::Whole)));
        for one in both {
            let cached = one.join().unwrap().unwrap();
            assert_eq!(std::fs::read(&cached.path).unwrap(), file);
        }
    });
    assert_eq!(server.asked().len(), 1);
}

/// Tensors of f32: name and how many numbers.
fn tensors(list: &[(&str, usize)]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = (1..)
        .zip(list)
        .map(|(i, (_, n))| noise(i, 4 * *n as u64))
        .collect();
    let views = list
        .iter()
        .zip(&data)
        .map(|((name, n), data)| (*name, TensorView::new(Dtype::F32, vec![*n], data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_pinned_commit_is_that_commit_or_an_error() {
    let server = Server::with(&noise(12, 1_000));
    server.put(SECOND, "model.safetensors", &noise(13, 1_000));
    let claim = "X-Repo-Commit: 1111111111111111111111111111111111111111";
    let server = server.claims([Claim::Header(claim)]);
    let dir = tempfile::tempdir().unwrap();
    let message = fetch(
        &hub(&server, dir.path()),
        &reference().at(SECOND),
        Part::Whole,
    )
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("another commit than requested"),
        "{message}"
    );
    assert_nothing_in_place(dir.path(), &message);
}

//! Weights from a hub on the loopback interface that speaks real HTTP, and behaves well, badly, or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking; lengths are small"
)]

#[path = "support/hub_server.rs"]
mod hub_server;
#[path = "support/small.rs"]
mod small;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fmtui::error::{Error, Result};
use fmtui::net::hub::{Cache, Cached, Hub, Part, Reference, Shared, Token};
use fmtui::net::{Limits, Progress};
use fmtui::storage::sha256;
use hub_server::{Claim, FIRST, Fault, SECOND, Server};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use small::RECIPE;

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
    let mut told: Vec<Progress> = Vec::new();
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
    let mut tell = |p: Progress| notes.extend(p.note);
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
            .starts_with("what was fetched before is taken: "),
        "{notes:?}"
    );
    hub.offline = true;

    // A file that was tampered with is not used.
    let mut tampered = file.clone();
    tampered[1000] ^= 1;
    std::fs::write(&first.path, tampered).unwrap();
    let message = fetch(&hub, &pinned, Part::Whole).unwrap_err().to_string();
    assert!(
        message.contains("has changed since it was fetched"),
        "{message}"
    );
    // Where there is a network, the right bytes come again.
    (hub.offline, hub.endpoint) = (false, server.address.clone());
    for named in [pinned, reference()] {
        let again = fetch(&hub, &named, Part::Whole).unwrap();
        assert_eq!(std::fs::read(&again.path).unwrap(), file);
    }
}

/// Lays a file into a cache as Python's library does; gives where its bytes are.
fn lay(root: &Path, file: &[u8]) -> PathBuf {
    let repository = root.join("models--o--n");
    let (blobs, snapshot) = (
        repository.join("blobs"),
        repository.join("snapshots").join(FIRST),
    );
    for directory in [&blobs, &snapshot, &repository.join("refs")] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(repository.join("refs/main"), FIRST).unwrap();
    let blob = blobs.join(sha256(file));
    std::fs::write(&blob, file).unwrap();
    let target = Path::new("../../blobs").join(sha256(file));
    std::os::unix::fs::symlink(target, snapshot.join("model.safetensors")).unwrap();
    std::fs::write(snapshot.join("README.md"), "---\nlicense: mit\n---\n").unwrap();
    blob
}

#[test]
fn what_python_fetched_is_taken_from_its_cache() {
    let file = tensors(&[("features.0.weight", 300), ("classifier.weight", 200_000)]);
    let server = Server::with(&file);
    let dir = tempfile::tempdir().unwrap();
    let python = dir.path().join("huggingface/hub");
    let blob = lay(&python, &file);
    let fresh = |name: &str, offline: bool| Hub {
        shared: Some(Shared::at(python.clone())),
        offline,
        ..hub(&server, &dir.path().join(name))
    };
    // Without the network, by branch and by commit.
    for (name, reference) in [("a", reference()), ("b", reference().at(FIRST))] {
        let taken = fetch(&fresh(name, true), &reference, Part::Whole).unwrap();
        assert_eq!(std::fs::read(&taken.path).unwrap(), file);
        assert!(
            taken.path.starts_with(dir.path().join(name)),
            "{}",
            taken.path.display()
        );
        let source = &taken.source;
        assert_eq!(
            (source.commit.as_str(), source.licence.as_str()),
            (FIRST, "mit")
        );
        // And again, from our own.
        assert_eq!(
            fetch(&fresh(name, true), &reference, Part::Whole).unwrap(),
            taken
        );
    }
    assert_eq!(server.connections(), 0);
    // With it the branch is asked for, and no byte of the file; of a VGG only the features are kept.
    let part = fetch(&fresh("c", false), &reference(), Part::Named("features.")).unwrap();
    let names = SafeTensors::deserialize(&std::fs::read(&part.path).unwrap())
        .unwrap()
        .names()
        .join(" ");
    assert_eq!(
        (names.as_str(), part.source.bytes < 2000),
        ("features.0.weight", true)
    );
    assert_eq!((server.asked().len(), server.connections()), (0, 1));
    // Another file than the hub vouches for, or bytes that are not what their name says, are not taken.
    server.put(FIRST, "model.safetensors", b"other bytes of another file");
    let other = fetch(&fresh("d", false), &reference(), Part::Whole).unwrap();
    assert_eq!(
        std::fs::read(&other.path).unwrap(),
        b"other bytes of another file"
    );
    std::fs::write(&blob, noise(9, 1000)).unwrap();
    assert!(fetch(&fresh("e", true), &reference(), Part::Whole).is_err());
}

#[test]
fn a_login_is_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let shared = Shared::at(dir.path().join("hub"));
    assert!(shared.token().is_none());
    std::fs::write(dir.path().join("token"), format!("{CANARY}\n")).unwrap();
    assert!(shared.token() == Some(Token::new(CANARY)));
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
        error.to_string().contains("the network is forbidden"),
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
        (WrongBytes, "another SHA-256 than the hub vouches for"),
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
            "names no sound commit",
        ),
        (Header("X-Repo-Commit: 1111"), "names no sound commit"),
        (Header("X-Repo-Commit"), "the hub has no o/n"),
        (Header("X-Linked-Size: 99999999999"), "and no weights"),
        (Header("X-Linked-Size: -1"), "does not say how long"),
        (
            Header("X-Linked-Size: 4999"),
            "sends 5000 bytes for a file of 4999",
        ),
        (
            Header(
                "X-Linked-ETag: \"0000000000000000000000000000000000000000000000000000000000000000\"",
            ),
            "another SHA-256 than the hub vouches for",
        ),
        (
            Status("404 Not Found"),
            "the hub has no o/n, no revision main of it, or no model.safetensors in it",
        ),
        (Status("200 OK"), "does not say which commit"),
        (Status("500 Oops"), "the server answers 500"),
        (
            Elsewhere("http://127.0.0.1:9".into()),
            "sent to another server",
        ),
        (Loop, "from one address to the next without end"),
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
    assert!(given_up.contains("it goes on where it was"), "{given_up}");
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
fn of_a_vgg_only_the_features_are_fetched() {
    let whole = tensors(&[
        ("features.0.weight", 5_000),
        ("features.0.bias", 64),
        ("head.fc.weight", 500_000),
        ("pre_logits.fc1.weight", 700_000),
    ]);
    let part = Part::Named("features.");
    for faults in [
        vec![],
        vec![Fault::Drop(3)],
        vec![Fault::Status("503 Busy")],
    ] {
        let server = Server::with(&whole).faults(faults);
        let dir = tempfile::tempdir().unwrap();
        let hub = hub(&server, dir.path());
        let cached = fetch(&hub, &reference(), part).unwrap();
        let bytes = std::fs::read(&cached.path).unwrap();
        let (got, all) = (
            SafeTensors::deserialize(&bytes).unwrap(),
            SafeTensors::deserialize(&whole).unwrap(),
        );
        let mut names = got.names();
        names.sort_unstable();
        assert_eq!(names, ["features.0.bias", "features.0.weight"]);
        for name in names {
            assert_eq!(
                got.tensor(name).unwrap().data(),
                all.tensor(name).unwrap().data()
            );
        }
        let source = &cached.source;
        assert_eq!((source.part.as_str(), source.vouched), ("features.", false));
        assert!(cached.path.extension().is_some_and(|e| e == "unverified"));
        assert_eq!(source.sha256, sha256(&bytes));
        let sent = server.state.lock().unwrap().sent;
        assert!(sent < 4 * 5_064 + 2_000, "{sent} of {} bytes", whole.len());
        let again = fetch(&hub, &reference().at(FIRST), part).unwrap();
        assert_eq!(again, cached);
    }
    // A server that sends no parts sends all of it: verified as a whole, and the same part is cut out of it.
    let server = Server::with(&whole);
    let dir = tempfile::tempdir().unwrap();
    let by_ranges = fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    let server = Server::with(&whole).faults([Fault::IgnoreRange]);
    let dir = tempfile::tempdir().unwrap();
    let hub_of_wholes = hub(&server, dir.path());
    let cut_out = fetch(&hub_of_wholes, &reference(), part).unwrap();
    assert_eq!(cut_out.source.sha256, by_ranges.source.sha256);
    let kept = fetch(&hub_of_wholes, &reference().at(FIRST), Part::Whole).unwrap();
    assert!(kept.source.vouched);
    assert_eq!(std::fs::read(&kept.path).unwrap(), whole);
    // What is no safetensors file has no parts.
    for file in ["model.safetensors", "pytorch_model.bin"] {
        let bytes = noise(11, 10_000);
        let server = Server::start();
        server.put(FIRST, file, &bytes);
        let dir = tempfile::tempdir().unwrap();
        let named = Reference::parse(&format!("hf:o/n:{file}")).unwrap();
        let cached = fetch(&hub(&server, dir.path()), &named, part).unwrap();
        assert_eq!(std::fs::read(&cached.path).unwrap(), bytes);
    }
}

#[test]
fn a_part_is_held_to_the_whole_once_that_is_here() {
    let part = Part::Named("features.");
    let [right, wrong] = ["head.a", "head"].map(|first| {
        // The same lengths; which numbers a tensor gets depends on its place.
        let mut all = vec![("features.0.weight", 500), (first, 500)];
        if first == "head" {
            all.reverse();
        }
        tensors(&all)
    });
    let of_right = {
        let dir = tempfile::tempdir().unwrap();
        let cached = fetch(&hub(&Server::with(&right), dir.path()), &reference(), part).unwrap();
        std::fs::read(cached.path).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let came = fetch(&hub(&Server::with(&wrong), dir.path()), &reference(), part).unwrap();
    assert!(!came.source.vouched && std::fs::read(&came.path).unwrap() != of_right);
    assert!(
        came.source
            .verified()
            .contains("fmtui weights fetch hf:o/n@1")
    );
    let server = Server::with(&right);
    let mut hub = hub(&server, dir.path());
    let pinned = reference().at(FIRST);
    assert_eq!(fetch(&hub, &pinned, part).unwrap(), came);
    fetch(&hub, &pinned, Part::Whole).unwrap();
    // At once, not only when it is next wanted.
    assert!(hub.cache.list().iter().all(|cached| cached.source.vouched));
    hub.offline = true;
    let held = fetch(&hub, &pinned, part).unwrap();
    assert!(held.source.vouched && !came.path.exists());
    let unverified = came.path.to_str().unwrap().strip_suffix(".unverified");
    assert_eq!(unverified, held.path.to_str());
    assert_eq!(std::fs::read(&held.path).unwrap(), of_right);
}

#[test]
fn a_part_that_was_given_up_goes_on_where_it_was() {
    let whole = tensors(&[("features.0.weight", 5_000), ("head.fc.weight", 100_000)]);
    let part = Part::Named("features.");
    let dir = tempfile::tempdir().unwrap();
    let drops = vec![Fault::Drop(9_000); 2].into_iter();
    let drops = drops.chain(vec![Fault::Drop(4_000); 3]);
    let given_up = fetch(
        &hub(&Server::with(&whole).faults(drops), dir.path()),
        &reference(),
        part,
    );
    let given_up = given_up.unwrap_err().to_string();
    assert!(given_up.contains("it goes on where it was"), "{given_up}");
    let left = hub(&Server::start(), dir.path()).cache.unfinished(None);
    assert_eq!(left.iter().map(|(_, bytes)| *bytes).sum::<u64>(), 12_000);

    let server = Server::with(&whole);
    let cached = fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    let sent = server.state.lock().unwrap().sent;
    assert!(
        sent < 8_000 + 500,
        "{sent} bytes for the 8,000 that are left"
    );
    let bytes = std::fs::read(&cached.path).unwrap();
    let (got, all) = (
        SafeTensors::deserialize(&bytes).unwrap(),
        SafeTensors::deserialize(&whole).unwrap(),
    );
    let name = "features.0.weight";
    assert_eq!(
        got.tensor(name).unwrap().data(),
        all.tensor(name).unwrap().data()
    );
    assert!(hub(&server, dir.path()).cache.unfinished(None).is_empty());
    // Another answer for the header makes other ranges: what came for those is left alone.
    let other = tensors(&[("head.fc.weight", 100_000), ("features.0.weight", 5_000)]);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(&whole).faults(vec![Fault::Drop(9_000); 2].into_iter().chain(vec![
            Fault::Drop(
                4_000
            );
            3
        ]));
    let hub = hub(&server, dir.path());
    assert!(fetch(&hub, &reference(), part).is_err());
    server.put(FIRST, "model.safetensors", &other);
    let cached = fetch(&hub, &reference(), part).unwrap();
    let bytes = std::fs::read(&cached.path).unwrap();
    let all = SafeTensors::deserialize(&other).unwrap();
    let got = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(
        got.tensor(name).unwrap().data(),
        all.tensor(name).unwrap().data()
    );
}

#[test]
fn settings_that_make_no_request_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in ["ftp://hub.example", "localhost:8080", "nonsense"] {
        let refused = fmtui(dir.path(), endpoint, &["weights", "fetch", "hf:o/n"]);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains("HF_ENDPOINT"), "{}", text(&refused));
    }
    let server = Server::with(&noise(1, 100));
    let mut hub = hub(&server, dir.path());
    hub.token = Some(Token::new("hf_broken\ntoken"));
    let refused = fetch(&hub, &reference(), Part::Whole)
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("HF_TOKEN") && !refused.contains("hf_broken"),
        "{refused}"
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn faults_on_the_way_of_a_part_end_in_the_right_bytes_or_a_clear_error_too() {
    use Fault::{Drip, Drop, Endless, ErrorPage, Loop, OtherRange, Short, Silent, Status};
    let whole = tensors(&[("features.0.weight", 5_000), ("head.fc.weight", 100_000)]);
    let part = Part::Named("features.");
    let fetched = |faults: Vec<Fault>| {
        let server = Server::with(&whole).faults(faults);
        let dir = tempfile::tempdir().unwrap();
        let cached = fetch(&hub(&server, dir.path()), &reference(), part);
        let bytes = cached.map(|cached| std::fs::read(&cached.path).unwrap());
        (bytes, dir)
    };
    let right = fetched(vec![]).0.unwrap();
    // A range goes on where it broke off: 20,000 bytes in pieces of 7,000, after the two requests for the header.
    let server = Server::with(&whole);
    let dir = tempfile::tempdir().unwrap();
    fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    let header = server.asked().len() - 1;
    let broken = [vec![Drop(9_000); header], vec![Drop(7_000); 2]].concat();
    let server = Server::with(&whole).faults(broken);
    let dir = tempfile::tempdir().unwrap();
    let cached = fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    assert_eq!(std::fs::read(&cached.path).unwrap(), right);
    let sent = server.state.lock().unwrap().sent;
    assert!(sent < 20_000 + 500, "{sent} bytes for 20,000");
    for fault in [
        Drop(1_000),
        Drip,
        Endless,
        ErrorPage,
        OtherRange,
        Short,
        Silent,
        Status("429 Too Many Requests\r\nRetry-After: 0"),
    ] {
        let (once, _) = fetched(vec![fault.clone()]);
        let once = once.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert!(once == right, "{fault:?}: other bytes");
    }
    for fault in [
        Drop(0),
        Drip,
        Endless,
        ErrorPage,
        Loop,
        OtherRange,
        Short,
        Silent,
        Status("403 Forbidden"),
    ] {
        let (always, dir) = fetched(vec![fault.clone(); ALWAYS]);
        let Err(error) = always else {
            panic!("{fault:?}: nothing went wrong");
        };
        let message = error.to_string();
        assert!(
            message.starts_with("cannot download") && message.lines().count() == 1,
            "{fault:?}: {message}"
        );
        assert_nothing_in_place(dir.path(), &message);
    }
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
        message.contains("another commit than was asked for"),
        "{message}"
    );
    assert_nothing_in_place(dir.path(), &message);
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_fetched() {
    let file = tensors(&[("conv1.weight", 300_000), ("fc.weight", 10)]);
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("small.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let train = |server: &Server, setting: &str| {
        let arguments = ["train", recipe.to_str().unwrap()];
        let settings = ["--set", "model.pretrained=hf:o/n", "--set", setting];
        let refused = fmtui(
            dir.path(),
            &server.address,
            &[&arguments[..], &settings].concat(),
        );
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        text(&refused)
    };
    let words = "does not fit this network: bn1.bias is missing there, bn1.running_mean is missing there, bn1.running_var is missing there, and ";
    let server = Server::with(&file);
    let told = train(&server, "train.epochs=1");
    assert!(told.contains(words), "{told}");
    let sent = server.state.lock().unwrap().sent;
    assert!(sent < 2_000, "{sent} of {} bytes", file.len());
    assert_nothing_in_place(&dir.path().join("hub"), &told);
    // Where only all of it is to be had, that is refused.
    let server = Server::with(&file).faults([Fault::IgnoreRange]);
    let told = train(&server, "train.epochs=1");
    assert!(told.contains(words), "{told}");
    // A recipe that cannot work asks nobody.
    let server = Server::with(&file);
    let told = train(&server, "model.freeze=nowhere");
    assert!(told.contains("model.freeze"), "{told}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn weights_are_verified_and_deleted_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(&noise(1, 5_000));
    let run = |arguments: &[&str], code: i32, words: &[&str]| {
        let output = fmtui(dir.path(), &server.address, arguments);
        let told = text(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        for words in words {
            assert!(told.contains(words), "{told}");
        }
    };
    run(&["weights", "verify"], 0, &["0 files here"]);
    run(&["weights", "fetch", "hf:o/n"], 0, &["is here, verified"]);
    run(&["weights", "delete", "--old"], 0, &["nothing here is old"]);
    server.state.lock().unwrap().commit = SECOND.into();
    server.put(SECOND, "model.safetensors", &noise(2, 6_000));
    run(&["weights", "fetch", "hf:o/n"], 0, &["is here, verified"]);
    let old = format!("{} (old)", &FIRST[..12]);
    run(&["weights"], 0, &[&old]);
    run(&["weights", "verify"], 0, &["2 files here, 0 damaged"]);
    run(&["weights", "delete", "--old"], 0, &[FIRST, "is deleted"]);
    run(&["weights", "verify"], 0, &["1 file here, 0 damaged"]);

    let left = files(&dir.path().join("hub"));
    let file = left.iter().find(|path| path.ends_with("model.safetensors"));
    std::fs::write(file.unwrap(), noise(3, 6_000)).unwrap();
    let changed = ["has changed since it was fetched", "1 file here, 1 damaged"];
    run(&["weights", "verify"], 1, &changed);
    run(&["weights", "delete", "hf:o/other"], 2, &["is not here"]);
    let pinned = format!("hf:o/n@{}", &SECOND[..12]);
    run(&["weights", "delete", &pinned], 0, &["is deleted"]);
    let left = dir.path().join("hub/models--o--n").join(SECOND);
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("model.safetensors.0123.part"), [0; 2048]).unwrap();
    run(&["weights"], 0, &["given up, goes on where it was: 2 KiB"]);
    let lock = dir.path().join("hub/models--o--n/lock");
    let fetching = std::fs::File::open(lock).unwrap();
    fetching.lock().unwrap();
    let busy = "o/n: is being fetched by another fmtui";
    run(&["weights", "delete", "hf:o/n"], 2, &[busy]);
    drop(fetching);
    let deleted = "2 KiB of downloads that were given up are deleted";
    run(&["weights", "delete", "hf:o/n"], 0, &[deleted]);
    run(&["weights"], 0, &["no weights of the hub are here"]);
    assert_nothing_of_files(&dir.path().join("hub"));
}

/// What a repository knows of its branches may stay; files and their records do not.
fn assert_nothing_of_files(directory: &Path) {
    for path in files(directory) {
        let name = path.to_str().unwrap();
        assert!(!name.contains("safetensors"), "{name}");
    }
}

fn fmtui(workspace: &Path, endpoint: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fmtui"))
        .arg("--workspace")
        .arg(workspace)
        .args(arguments)
        .env("HF_ENDPOINT", endpoint)
        .env("HF_TOKEN", CANARY)
        .env("HF_HOME", workspace.join("huggingface"))
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("FMTUI_OFFLINE")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn a_run_begins_with_weights_of_the_hub_and_is_trained_again_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("small.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let recipe = recipe.to_str().unwrap();
    let weights = dir.path().join("out.safetensors");
    let nowhere = "http://127.0.0.1:9";
    let first = fmtui(dir.path(), nowhere, &["train", recipe]);
    assert!(first.status.success(), "{}", text(&first));
    let export = ["export", "last", "--out", weights.to_str().unwrap()];
    let exported = fmtui(dir.path(), nowhere, &export);
    assert!(exported.status.success(), "{}", text(&exported));

    let server = Server::with(&std::fs::read(&weights).unwrap());
    let frozen = |how: &str| {
        vec![
            "train".to_string(),
            recipe.into(),
            "--json".into(),
            "--set".into(),
            format!("model.pretrained={how}"),
            "--set".into(),
            "model.freeze=backbone".into(),
        ]
    };
    let train = |endpoint: &str, how: &str, more: &[&str]| {
        let words = frozen(how);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        fmtui(dir.path(), endpoint, &words)
    };
    let tuned = train(&server.address, "hf:o/n", &[]);
    let told = text(&tuned);
    assert!(tuned.status.success(), "{told}");
    let pinned = format!("hf:o/n@{FIRST}");
    assert!(
        told.contains(&format!("begins with the weights of {pinned}")),
        "{told}"
    );

    // The hub is gone; the profile says which commit, and the cache has it.
    for (how, more) in [(pinned.as_str(), vec![]), ("hf:o/n", vec!["--offline"])] {
        let again = train(nowhere, how, &more);
        assert!(again.status.success(), "{}", text(&again));
    }
    let verified = fmtui(dir.path(), nowhere, &["replay", "last", "--verify"]);
    assert!(text(&verified).contains("identical"), "{}", text(&verified));
    let listed = fmtui(dir.path(), nowhere, &["weights"]);
    assert!(
        text(&listed).contains("hf:o/n:model.safetensors"),
        "{}",
        text(&listed)
    );

    // What cannot be had is said in a line, and no run is there for it.
    let runs = || {
        std::fs::read_dir(dir.path().join("profiles/runs"))
            .unwrap()
            .count()
    };
    let before = runs();
    for (how, more, words) in [
        ("hf:o/other", vec!["--offline"], "the network is forbidden"),
        ("hf:../x", vec![], "is no name of a file on the hub"),
    ] {
        let refused = train(nowhere, how, &more);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains(words), "{}", text(&refused));
    }
    assert_eq!(runs(), before);

    assert!(!told.contains(CANARY));
    for path in files(dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(CANARY),
            "{}",
            path.display()
        );
    }
}

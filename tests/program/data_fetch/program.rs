//! The same from the command line.

use std::process::{Command, Output, Stdio};

use super::*;
use crate::skip::skipped;

/// Where Debian installs the whole set, with the published content.
const INSTALLED: &str = "/usr/share/datasets/fashion-mnist";

fn command(workspace: &Path, mirror: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmtui"));
    command
        .arg("--workspace")
        .arg(workspace)
        .args(arguments)
        .env("FMTUI_MIRROR", mirror)
        .env_remove("FMTUI_OFFLINE")
        .env_remove("HF_HUB_OFFLINE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn fmtui(workspace: &Path, mirror: &str, arguments: &[&str]) -> Output {
    command(workspace, mirror, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_set_that_can_be_downloaded_is_listed() {
    let workspace = tempfile::tempdir().unwrap();
    let listed = text(&fmtui(workspace.path(), "", &["data"]).stdout);
    for (name, size) in [
        ("mnist", "12 MB"),
        ("kmnist", "21 MB"),
        ("qmnist", "20 MB"),
        ("emnist-balanced", "562 MB"),
        ("emnist-byclass", "562 MB"),
        ("emnist-bymerge", "562 MB"),
        ("emnist-digits", "562 MB"),
        ("emnist-letters", "562 MB"),
        ("emnist-mnist", "562 MB"),
        ("cifar10", "170 MB"),
        ("cifar100", "169 MB"),
        ("cifar100-coarse", "169 MB"),
    ] {
        let how = format!("not downloaded ({size}); fmtui data fetch {name}\n");
        assert!(listed.contains(&how), "{name}: {listed}");
    }
}

#[test]
fn refusals_name_the_set_and_the_remedy() {
    let workspace = tempfile::tempdir().unwrap();
    for name in [
        "mnist",
        "qmnist",
        "emnist-letters",
        "cifar10",
        "cifar100-coarse",
    ] {
        let offline = fmtui(workspace.path(), "", &["--offline", "data", "fetch", name]);
        assert_eq!(offline.status.code(), Some(2), "{name}");
        assert!(text(&offline.stderr).contains("--offline"), "{name}");
        // A recipe that needs it says how to get it.
        let set = format!("data.name={name}");
        let absent = fmtui(workspace.path(), "", &["train", "lenet5", "--set", &set]);
        assert_eq!(absent.status.code(), Some(2), "{name}");
        let told = text(&absent.stderr);
        assert!(told.contains(&format!("fmtui data fetch {name}")), "{told}");
    }
    let unknown = fmtui(workspace.path(), "", &["data", "fetch", "imagenet"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("cifar100-coarse can;"));
    let server = serve(
        &[("cifar-10-binary.tar.gz", b"x".to_vec())],
        &[Behaviour::WebPage],
    );
    let moved = fmtui(
        workspace.path(),
        &server.address,
        &["data", "fetch", "cifar10"],
    );
    assert_eq!(moved.status.code(), Some(1));
    assert!(text(&moved.stderr).contains("a web page in place of the file"));
    assert!(!workspace.path().join("data/cifar10").exists());
}

/// The installed set as a mirror has it.
fn installed(behaviours: &[Behaviour]) -> Option<Server> {
    let names = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ];
    let names = names.map(|name| format!("{name}.gz"));
    let files = names.iter().map(|name| {
        let bytes = std::fs::read(Path::new(INSTALLED).join(name)).ok()?;
        Some((name.as_str(), bytes))
    });
    let Some(files) = files.collect::<Option<Vec<_>>>() else {
        skipped("no full Fashion-MNIST: apt-get install dataset-fashion-mnist");
        return None;
    };
    Some(serve(&files, behaviours))
}

#[test]
fn a_killed_download_goes_on_and_ends_verified() {
    let Some(server) = installed(&[Behaviour::Slow, Behaviour::Right]) else {
        return;
    };
    let workspace = tempfile::tempdir().unwrap();
    let fetch = ["data", "fetch", "fashion-mnist"];
    let mut child = command(workspace.path(), &server.address, &fetch)
        .spawn()
        .unwrap();
    let directory = workspace.path().join("data/fashion-mnist");
    let part = directory.join(".download/train-images-idx3-ubyte.gz.part");
    let length = || part.metadata().map_or(0, |part| part.len());
    let started = Instant::now();
    while length() < 4 << 20 {
        assert!(started.elapsed() < Duration::from_mins(1), "nothing comes");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let had = usize::try_from(length()).unwrap();
    assert!(
        directory.read_dir().unwrap().count() == 1,
        "nothing in place"
    );

    let done = fmtui(workspace.path(), &server.address, &fetch);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(server.starts(), [0, had, 0, 0, 0]);
    let told = text(&done.stdout);
    assert!(told.contains("fashion-mnist, verified\n"), "{told}");
    let sums = std::fs::read_to_string(directory.join(SUMS)).unwrap();
    assert!(told.ends_with(&sums) && sums.lines().count() == 4, "{told}");
    assert_eq!(directory.read_dir().unwrap().count(), 5);
    let again = fmtui(workspace.path(), "http://127.0.0.1:9/", &fetch);
    assert!(again.status.success(), "nothing is asked for");
}

#[test]
fn two_processes_fetch_it_once_and_the_lock_of_a_killed_one_is_free() {
    let slow = [Behaviour::Slow, Behaviour::Slow, Behaviour::Right];
    let Some(server) = installed(&slow) else {
        return;
    };
    let workspace = tempfile::tempdir().unwrap();
    let fetch = ["data", "fetch", "fashion-mnist"];
    let start = || {
        command(workspace.path(), &server.address, &fetch)
            .spawn()
            .unwrap()
    };
    let mut killed = start();
    std::thread::sleep(Duration::from_millis(500));
    let others = [start(), start()];
    std::thread::sleep(Duration::from_millis(300));
    killed.kill().unwrap();
    killed.wait().unwrap();
    for other in others {
        let done = other.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    // Once by the killed one, then four files by one of the others.
    assert!(server.asked() <= 5, "{:?}", server.starts());
    let directory = workspace.path().join("data/fashion-mnist");
    assert_eq!(directory.read_dir().unwrap().count(), 5);
}

//! What other programs of the user have fetched, and their login.

use std::path::{Path, PathBuf};

use fmtui::net::hub::{Hub, Part, Shared, Token};
use fmtui::storage::sha256;
use safetensors::SafeTensors;

use super::{CANARY, fetch, hub, noise, reference, tensors};
use crate::hub_server::{FIRST, Server};

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

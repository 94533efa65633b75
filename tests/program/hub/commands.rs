//! The same from the command line.

use std::path::Path;
use std::process::{Command, Output};

use fmtui::net::hub::{Part, Token};

use super::{CANARY, assert_nothing_in_place, fetch, files, hub, noise, reference, tensors};
use crate::hub_server::{FIRST, Fault, SECOND, Server};
use crate::small::RECIPE;

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
    run(&["weights", "verify"], 0, &["0 files cached"]);
    run(&["weights", "fetch", "hf:o/n"], 0, &["is cached, verified"]);
    run(
        &["weights", "delete", "--old"],
        0,
        &["nothing is superseded"],
    );
    server.state.lock().unwrap().commit = SECOND.into();
    server.put(SECOND, "model.safetensors", &noise(2, 6_000));
    run(&["weights", "fetch", "hf:o/n"], 0, &["is cached, verified"]);
    let old = format!("{} (old)", &FIRST[..12]);
    run(&["weights"], 0, &[&old]);
    run(&["weights", "verify"], 0, &["2 files cached, 0 damaged"]);
    run(&["weights", "delete", "--old"], 0, &[FIRST, "is deleted"]);
    run(&["weights", "verify"], 0, &["1 file cached, 0 damaged"]);

    let left = files(&dir.path().join("hub"));
    let file = left.iter().find(|path| path.ends_with("model.safetensors"));
    std::fs::write(file.unwrap(), noise(3, 6_000)).unwrap();
    let changed = [
        "has changed since it was downloaded",
        "1 file cached, 1 damaged",
    ];
    run(&["weights", "verify"], 1, &changed);
    run(&["weights", "delete", "hf:o/other"], 2, &["is not cached"]);
    let pinned = format!("hf:o/n@{}", &SECOND[..12]);
    run(&["weights", "delete", &pinned], 0, &["is deleted"]);
    let left = dir.path().join("hub/models--o--n").join(SECOND);
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("model.safetensors.0123.part"), [0; 2048]).unwrap();
    run(
        &["weights"],
        0,
        &["partial download, resumed by the next fetch: 2 KiB"],
    );
    let lock = dir.path().join("hub/models--o--n/lock");
    let fetching = std::fs::File::open(lock).unwrap();
    fetching.lock().unwrap();
    let busy = "o/n is being downloaded by another fmtui";
    run(&["weights", "delete", "hf:o/n"], 2, &[busy]);
    drop(fetching);
    let deleted = "2 KiB of partial downloads deleted";
    run(&["weights", "delete", "hf:o/n"], 0, &[deleted]);
    run(&["weights"], 0, &["no weights are cached"]);
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
        told.contains(&format!("is initialised from the weights of {pinned}")),
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
        (
            "hf:o/other",
            vec!["--offline"],
            "network access is turned off",
        ),
        ("hf:../x", vec![], "is not the name of a file on the hub"),
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

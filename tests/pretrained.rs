//! A run that starts from another's weights, through the program: what is told, what is pinned, what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail by panicking and say what they skip"
)]

#[path = "support/small.rs"]
mod small;

use std::path::Path;
use std::process::{Command, Output};

use small::RECIPE;

fn fmtui(workspace: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fmtui"))
        .arg("--workspace")
        .arg(workspace)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_begins_with_anothers_weights_and_trains_its_head_alone() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("small.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let recipe = recipe.to_str().unwrap();
    let first = fmtui(dir.path(), &["train", recipe]);
    assert!(first.status.success(), "{}", text(&first.stderr));

    let frozen = [
        "train",
        recipe,
        "--json",
        "--set",
        "model.pretrained=run:last",
        "--set",
        "model.freeze=backbone",
    ];
    let second = fmtui(dir.path(), &frozen);
    let told = text(&second.stdout);
    assert!(second.status.success(), "{told}{}", text(&second.stderr));
    assert!(
        told.contains("2 new (linear.bias 10, linear.weight 10×64)"),
        "{told}"
    );
    assert!(told.contains("\"trained_parameters\":650"), "{told}");

    // The profile names the weights it began with, and they can be had again.
    let runs = dir.path().join("profiles/runs");
    let records: Vec<String> = std::fs::read_dir(&runs)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let record = records
        .iter()
        .find(|text| text.contains("pretrained = "))
        .unwrap();
    assert!(
        record.contains("pretrained_sha256 = ") && !record.contains("run:last"),
        "{record}"
    );
    let verified = fmtui(dir.path(), &["replay", "last", "--verify"]);
    assert!(
        text(&verified.stdout).contains("identical"),
        "{}{}",
        text(&verified.stdout),
        text(&verified.stderr)
    );

    // Side by side with the one it began with.
    let compared = fmtui(dir.path(), &["compare"]);
    let lines = text(&compared.stdout);
    assert!(compared.status.success(), "{}", text(&compared.stderr));
    for words in [
        "regime",
        "frozen",
        "scratch",
        "650 of 269,722",
        "model.freeze",
    ] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
    assert!(
        lines.lines().all(|line| line.chars().count() <= 80),
        "{lines}"
    );
    let one = fmtui(dir.path(), &["compare", "last"]);
    assert_eq!(one.status.code(), Some(2));
    assert!(text(&one.stderr).contains("1 of 2 to 5 runs are named"));

    // Another network does not fit, and nothing is written.
    let before = std::fs::read_dir(&runs).unwrap().count();
    let other = fmtui(
        dir.path(),
        &[
            "train",
            recipe,
            "--set",
            "model.architecture=resnet18",
            "--set",
            "model.pretrained=run:last",
        ],
    );
    let message = text(&other.stderr);
    assert_eq!(other.status.code(), Some(2), "{message}");
    assert!(
        message.contains("does not fit this network: bn1.bias is [16] there and [64] here"),
        "{message}"
    );
    let missing = fmtui(
        dir.path(),
        &["train", recipe, "--set", "model.pretrained=no/such.pth"],
    );
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("model.pretrained: there is no file no/such.pth"));
    let stage = fmtui(
        dir.path(),
        &["train", recipe, "--set", "model.freeze=layer9"],
    );
    assert_eq!(stage.status.code(), Some(2));
    assert!(
        text(&stage.stderr)
            .contains("use one of none, backbone, conv1, bn1, layer1, layer2, layer3")
    );
    assert_eq!(std::fs::read_dir(&runs).unwrap().count(), before);
}

/// `FMTUI_TORCH_PYTHON` names a Python with torch and torchvision, where `python3` has none.
#[test]
fn exported_weights_load_into_torchvision() {
    let python = std::env::var("FMTUI_TORCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_torch = Command::new(&python)
        .args(["-c", "import torch, torchvision"])
        .output();
    if !has_torch.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIP: {python} has no torch and torchvision; set FMTUI_TORCH_PYTHON");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("small.toml");
    std::fs::write(&recipe, RECIPE.replace("resnet20", "resnet18")).unwrap();
    let trained = fmtui(dir.path(), &["train", recipe.to_str().unwrap()]);
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let out = dir.path().join("weights.safetensors");
    let exported = fmtui(
        dir.path(),
        &["export", "last", "--out", out.to_str().unwrap()],
    );
    assert!(
        text(&exported.stdout).starts_with("102 arrays are in "),
        "{}",
        text(&exported.stdout)
    );
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/scripts/load_into_torchvision.py"
    );
    let loaded = Command::new(&python)
        .arg(script)
        .arg(&out)
        .arg("resnet18")
        .output()
        .unwrap();
    let said = text(&loaded.stdout);
    assert!(
        said.starts_with("<All keys matched successfully>"),
        "{said}{}",
        text(&loaded.stderr)
    );
    let again = fmtui(
        dir.path(),
        &["export", "last", "--out", out.to_str().unwrap()],
    );
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn a_record_names_the_workspaces_weights_so_that_another_machine_finds_its_own() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = here.path().join("small.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let first = fmtui(here.path(), &["train", recipe.to_str().unwrap()]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let weights = here.path().join("weights/mine.safetensors");
    std::fs::create_dir_all(weights.parent().unwrap()).unwrap();
    let out = weights.to_str().unwrap();
    let exported = fmtui(here.path(), &["export", "last", "--out", out]);
    assert!(exported.status.success(), "{}", text(&exported.stderr));

    let pinned = |workspace: &Path| -> Vec<String> {
        std::fs::read_dir(workspace.join("profiles/runs"))
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .filter(|record| record.contains("pretrained = \"mine.safetensors\""))
            .collect()
    };
    // By its name or by its path: what is in the workspace's own directory is written down without it.
    for (count, named) in [(1, "mine.safetensors"), (2, out)] {
        let from = format!("model.pretrained={named}");
        let second = fmtui(here.path(), &["train", "last", "--set", &from]);
        assert!(second.status.success(), "{}", text(&second.stderr));
        assert_eq!(pinned(here.path()).len(), count, "{named}");
    }

    // On another machine the record finds that machine's file, even where it names a directory of the first.
    let record = pinned(here.path()).remove(0);
    let away = there.path().join("away.toml");
    let elsewhere = record.replace("mine.safetensors", "/no/such/place/mine.safetensors");
    std::fs::write(&away, elsewhere).unwrap();
    let again = ["train", away.to_str().unwrap()];
    let missing = fmtui(there.path(), &again);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing.stderr).contains("there is no file /no/such/place/mine.safetensors"),
        "{}",
        text(&missing.stderr)
    );
    let theirs = there.path().join("weights/mine.safetensors");
    std::fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    std::fs::copy(&weights, &theirs).unwrap();
    let found = fmtui(there.path(), &again);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert_eq!(pinned(there.path()).len(), 1);

    // Other bytes under that name are refused.
    std::fs::write(&theirs, b"other").unwrap();
    let other = fmtui(there.path(), &again);
    assert_eq!(other.status.code(), Some(2));
    assert!(
        text(&other.stderr).contains("SHA-256"),
        "{}",
        text(&other.stderr)
    );
}

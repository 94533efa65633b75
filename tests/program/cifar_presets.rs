//! The presets for CIFAR-10 on a small set in its published archive: trained, stopped, resumed, verified.

use std::fs;
use std::path::Path;

use crate::data_fetch::sets::cifar_archive;

use crate::program::fmtui;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of what succeeds.
fn done(workspace: &Path, arguments: &[&str]) -> String {
    let output = fmtui(workspace, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn result(workspace: &Path, run: &str) -> serde_json::Value {
    serde_json::from_str(&done(workspace, &["show", run, "--json"])).unwrap()
}

#[test]
fn presets_for_cifar_10_train_resume_and_verify() {
    for preset in ["resnet20-cifar10", "improved-cnn-cifar10"] {
        let workspace = tempfile::tempdir().unwrap();
        let at = workspace.path();
        let absent = fmtui(at, &["train", preset]);
        assert_eq!(absent.status.code(), Some(2));
        let told = text(&absent.stderr);
        assert!(told.contains("fmtui data fetch cifar10"), "{told}");

        let directory = at.join("data/cifar10");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cifar-10-binary.tar.gz"), cifar_archive()).unwrap();
        // Twenty images, so that it is over in a moment; the rest is the preset's.
        let train = |more: &[&'static str]| {
            let mut arguments = vec!["train", preset];
            for setting in ["data.per_class=2", "train.batch_size=10", "train.epochs=12"] {
                arguments.extend(["--set", setting]);
            }
            arguments.extend(more);
            fmtui(at, &arguments)
        };
        let whole = train(&["--detach"]);
        let whole = text(&whole.stdout).trim().to_string();
        done(at, &["attach", &whole]);
        let halved = text(&train(&["--detach"]).stdout).trim().to_string();
        done(at, &["stop", &halved]);
        let stopped = fmtui(at, &["attach", &halved]);
        assert_eq!(stopped.status.code(), Some(3), "{}", text(&stopped.stderr));
        done(at, &["resume", &halved]);
        let sha256 = |run: &str| result(at, run)["result"]["weights_sha256"].clone();
        assert!(sha256(&whole).is_string());
        assert_eq!(sha256(&whole), sha256(&halved), "{preset}");
        assert_eq!(
            done(at, &["replay", &halved, "--verify"]).trim(),
            "identical"
        );

        let history = result(at, &whole)["history"].clone();
        let loss = |epoch: usize| history[epoch]["train_loss"].as_f64();
        let (first, last) = (loss(0), loss(11));
        assert!(
            first.is_some() && last < first,
            "{preset}: {first:?}, {last:?}"
        );
    }
}

#[test]
fn a_preset_is_shown_without_its_set() {
    let workspace = tempfile::tempdir().unwrap();
    for (preset, parameters) in [
        ("resnet20-cifar10", 269_722),
        ("improved-cnn-cifar10", 2_194_186),
    ] {
        let shown = result(workspace.path(), preset);
        assert_eq!(shown["parameters"], parameters);
        let told = done(workspace.path(), &["show", preset]);
        assert!(told.contains("input 3 × 32 × 32"), "{told}");
        assert!(
            told.contains("cifar10 (not here; fmtui data fetch cifar10)"),
            "{told}"
        );
    }
}

//! The same networks elsewhere: with other instruction sets, and in PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;

use fmtui::kernels::cpu::{Isa, isa};
use fmtui::layers::{Layer, Shape};
use fmtui::profile::Backend;
use fmtui::train::{StateDict, checkpoint};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::compare::{Bench, Counts, Gradients};
use super::generator::{Case, Networks, any};
use super::kinds;
use super::skip::skipped;

/// Where a child process leaves what it worked out.
const LEAVE_AT: &str = "FMTUI_TEST_LEAVE_AT";

pub fn drawn(seed: u64, count: usize) -> Vec<Case> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .map(|_| Networks(any).new_tree(&mut runner).unwrap().current())
        .collect()
}

fn scratch(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// The networks that instruction sets are held together on.
fn for_instructions() -> Vec<Case> {
    drawn(9, 60)
}

#[test]
#[ignore = "a part of `instruction_sets_agree`, which starts it"]
fn child_of_instruction_sets() {
    let Ok(place) = std::env::var(LEAVE_AT) else {
        return;
    };
    let place = PathBuf::from(place);
    for (i, case) in for_instructions().iter().enumerate() {
        let bench = Bench::new(case);
        if let Ok(found) = bench.gradients(Backend::Plan, bench.weights()) {
            let bytes = checkpoint::to_safetensors(&found.narrow(), isa().name()).unwrap();
            std::fs::write(place.join(format!("{i}.safetensors")), bytes).unwrap();
        }
    }
    std::fs::write(place.join("kernels"), isa().name()).unwrap();
}

/// AVX-512, AVX2 and portable kernels give the same gradients and statistics within rounding.
#[test]
fn instruction_sets_agree() {
    let cases = for_instructions();
    let mut places = Vec::new();
    for isa in Isa::ALL {
        if !isa.is_available() {
            skipped(&format!("this processor has no {}", isa.name()));
            continue;
        }
        let place = scratch(&format!("kernels-{}", isa.name()));
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "elsewhere::child_of_instruction_sets",
                "--ignored",
            ])
            .env(LEAVE_AT, &place)
            .env("FMTUI_KERNELS", isa.name())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert_eq!(
            std::fs::read_to_string(place.join("kernels")).unwrap(),
            isa.name()
        );
        places.push((isa.name(), place));
    }
    let Some(((_, first), others)) = places.split_first() else {
        panic!("portable kernels are always there");
    };
    for (i, case) in cases.iter().enumerate() {
        let read = |place: &Path| -> Option<Gradients> {
            let path = place.join(format!("{i}.safetensors"));
            let bytes = std::fs::read(&path).ok()?;
            Some(Gradients::wide(
                &checkpoint::from_safetensors(&bytes, &path).unwrap(),
            ))
        };
        for (name, place) in others {
            let (Some(a), Some(b)) = (read(place), read(first)) else {
                continue;
            };
            let mut bench = Bench::new(case);
            let held = bench.hold_gradients(&a, &b);
            assert!(held.is_ok(), "{name}: {held:?}\n{case:?}");
        }
    }
}

/// A Python that has PyTorch; says loudly where there is none.
fn python() -> Option<String> {
    let python = std::env::var("FMTUI_TORCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let torch = Command::new(&python)
        .args(["-c", "import torch, safetensors"])
        .output();
    if torch.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skipped("no PyTorch: FMTUI_TORCH_PYTHON names a Python that has torch and safetensors");
    None
}

/// What `scripts/torch_networks.py` says of a folder.
fn torch_networks(python: &str, place: &Path, what: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/torch_networks.py");
    let output = Command::new(python)
        .arg(script)
        .arg(place)
        .arg(what)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    said
}

/// The examples of every kind say what PyTorch itself does.
#[test]
fn torch_gives_the_examples() {
    let Some(python) = python() else { return };
    let sides = |shape| match shape {
        Shape::Map {
            channels,
            height,
            width,
        } => vec![channels, height, width],
        Shape::Flat(features) => vec![features],
    };
    let examples = kinds::examples();
    let asked = examples.iter().map(|e| json!([e.torch, sides(e.input)]));
    let place = scratch("pytorch-examples");
    let file = asked.collect::<Value>().to_string();
    std::fs::write(place.join("examples.json"), file).unwrap();
    let told: Vec<Value> =
        serde_json::from_str(&torch_networks(&python, &place, "examples")).unwrap();
    assert_eq!(told.len(), examples.len());
    for (example, told) in examples.iter().zip(told) {
        let ours = json!([sides(example.output), example.arrays]);
        assert_eq!(ours, told, "{}", example.torch);
    }
}

/// Networks as they are exported, under PyTorch's names, rebuilt there in f64: logits and gradients are the same.
#[test]
fn exported_networks_are_pytorchs() {
    let Some(python) = python() else { return };
    let count = std::env::var("FMTUI_NETWORKS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100);
    let seed = std::env::var("FMTUI_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(6);
    let place = scratch("pytorch");
    let cases: Vec<Case> = drawn(seed, count).into_iter().map(unfrozen).collect();
    for (number, case) in cases.iter().enumerate() {
        write(&place, number, &Bench::new(case));
    }
    let said = torch_networks(&python, &place, &count.to_string());
    let mut total = Counts::default();
    for (number, case) in cases.iter().enumerate() {
        let path = place.join(format!("{number}-torch.safetensors"));
        let found = checkpoint::from_safetensors(&std::fs::read(&path).unwrap(), &path).unwrap();
        let mut bench = Bench::new(case);
        let held = bench.hold_to(found);
        assert!(held.is_ok(), "{held:?}\n{case:?}");
        total += bench.counts;
    }
    eprintln!("{}, {total:?}", said.trim());
    assert!(
        total.excused * 50 <= total.arrays,
        "more than 2 % are excused: {total:?}"
    );
}

/// A case that PyTorch can repeat: other masks are drawn there, and one image has no variance.
fn unfrozen(mut case: Case) -> Case {
    case.profile.model.freeze.clear();
    case.profile.model.unfreeze.clear();
    silence(&mut case.profile.model.layers);
    case.profile.train.batch_size = case.profile.train.batch_size.max(2);
    case
}

/// Takes the chance out of dropouts.
fn silence(layers: &mut [Layer]) {
    for layer in layers {
        if let Layer::Dropout(dropout) = layer {
            dropout.p = 0.0;
        }
        if let Layer::Residual(block) = layer {
            silence(&mut block.layers);
            silence(&mut block.shortcut);
        }
    }
}

fn write(place: &Path, number: usize, bench: &Bench) {
    let leave = |what: &str, state: &StateDict| {
        let bytes = checkpoint::to_safetensors(state, what).unwrap();
        std::fs::write(place.join(format!("{number}-{what}.safetensors")), bytes).unwrap();
    };
    leave("weights", &bench.exported());
    leave("input", &bench.input());
    let train = &bench.case.profile.train;
    let (channels, height, width) = bench.case.input;
    let description = json!({
        "network": kinds::modules(&bench.architecture.nodes, ""),
        "input": [channels, height, width],
        "labels": bench.images.batches[0].labels,
        "loss": train.loss,
        "label_smoothing": train.label_smoothing,
    });
    std::fs::write(
        place.join(format!("{number}.json")),
        description.to_string(),
    )
    .unwrap();
}

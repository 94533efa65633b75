//! A run that starts from another's weights, through the program: what is told, what is pinned, what is refused.

use std::path::Path;
use std::process::{Command, Output};

use crate::skip::skipped;
use crate::small::RECIPE;

use crate::program::fmtui;

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
    for words in ["mode", "frozen", "scratch", "650 of 270 k", "model.freeze"] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
    assert!(
        // Sentences are folded by a terminal alone.
        lines
            .lines()
            .filter(|line| !line.starts_with("B − A") && !line.starts_with("one run each"))
            .all(|line| line.chars().count() <= 80),
        "{lines}"
    );
    let one = fmtui(dir.path(), &["compare", "last"]);
    assert_eq!(one.status.code(), Some(2));
    assert!(text(&one.stderr).contains("takes 2 to 5 runs or groups, not 1"));
    let twice = fmtui(dir.path(), &["compare", "last", "last"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(text(&twice.stderr).contains("is named twice"));

    what_does_not_fit_is_refused(dir.path(), recipe);
    every_array_is_accounted_for(dir.path(), recipe);
}

fn every_array_is_accounted_for(workspace: &Path, recipe: &str) {
    let from_it = ["--weights", "--set", "model.pretrained=run:last"];
    let shown = fmtui(workspace, &[&["show", recipe], &from_it[..]].concat());
    let told = text(&shown.stdout);
    let lines: Vec<String> = told
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "array shape in the file shape there",
        "conv1.weight 16×3×3×3 conv1.weight 16×3×3×3 loaded",
        "linear.weight 10×64 – new",
        "– linear.bias 10 skipped",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line}: {told}");
    }
    let grey = [&from_it[..], &["--json", "--set", "data.channels=1"]].concat();
    let folded = fmtui(workspace, &[&["show", recipe], &grey[..]].concat());
    let told = text(&folded.stdout);
    assert!(told.contains("three channels added up"), "{told}");
    let fresh = fmtui(workspace, &["show", recipe, "--weights"]);
    assert_eq!(fresh.status.code(), Some(2));
    assert!(text(&fresh.stderr).contains("starts from random weights"));
}

/// Another network, a file that is not there, a stage that is none: nothing is written.
fn what_does_not_fit_is_refused(workspace: &Path, recipe: &str) {
    let runs = workspace.join("profiles/runs");
    let before = std::fs::read_dir(&runs).unwrap().count();
    let other = fmtui(
        workspace,
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
        workspace,
        &["train", recipe, "--set", "model.pretrained=no/such.pth"],
    );
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("model.pretrained: there is no file no/such.pth"));
    let page = "model.pretrained=https://huggingface.co/timm/resnet18.tv_in1k";
    let address = fmtui(workspace, &["train", recipe, "--set", page]);
    assert_eq!(address.status.code(), Some(2));
    assert!(text(&address.stderr).contains("write hf:OWNER/NAME"));
    let stage = fmtui(
        workspace,
        &["train", recipe, "--set", "model.freeze=layer9"],
    );
    assert_eq!(stage.status.code(), Some(2));
    assert!(
        text(&stage.stderr)
            .contains("use one of none, backbone, conv1, bn1, layer1, layer2, layer3")
    );
    assert_eq!(std::fs::read_dir(&runs).unwrap().count(), before);
}

/// Exported weights are torchvision's as they are, and give there what they gave here. `FMTUI_TORCH_PYTHON` names a
/// Python with torch and torchvision, where `python3` has none.
#[test]
fn exported_weights_load_into_torchvision() {
    let python = std::env::var("FMTUI_TORCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_torch = Command::new(&python)
        .args(["-c", "import torch, torchvision"])
        .output();
    if !has_torch.is_ok_and(|output| output.status.success()) {
        skipped(&format!(
            "{python} has no torch and torchvision to load exported weights into; set FMTUI_TORCH_PYTHON"
        ));
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (architecture, arrays) in [("resnet18", 102), ("resnet50", 267), ("vgg11_bn", 50)] {
        let dir = tempfile::tempdir().unwrap();
        let recipe = dir.path().join("small.toml");
        let head = if architecture.starts_with("vgg") {
            "\nhead = \"linear\""
        } else {
            ""
        };
        let model = format!("\"{}\"{head}", architecture.replace('_', "-"));
        let small = RECIPE.replace("\"resnet20\"", &model).replace(
            "channels = 3",
            "channels = 3\nimage_size = 32\nresize = \"pad\"",
        );
        std::fs::write(&recipe, small).unwrap();
        let trained = fmtui(dir.path(), &["train", recipe.to_str().unwrap(), "--json"]);
        assert!(trained.status.success(), "{}", text(&trained.stderr));
        let out = dir.path().join("weights.safetensors");
        let export = ["export", "last", "--out", out.to_str().unwrap()];
        let exported = fmtui(dir.path(), &export);
        assert!(
            text(&exported.stdout).starts_with(&format!("{arrays} arrays written to ")),
            "{architecture}: {}",
            text(&exported.stdout)
        );
        let loaded = Command::new(&python)
            .arg(root.join("scripts/load_into_torchvision.py"))
            .arg(&out)
            .arg(architecture)
            .arg(root.join("data/fashion-mnist-mini"))
            .output()
            .unwrap();
        let said = text(&loaded.stdout);
        let (matched, there) = said.split_once('\n').unwrap_or_default();
        assert_eq!(
            matched,
            "<All keys matched successfully>",
            "{said}{}",
            text(&loaded.stderr)
        );
        let there: serde_json::Value = serde_json::from_str(there).unwrap();
        let finished = text(&trained.stdout);
        let finished = finished.lines().last().unwrap();
        let finished: serde_json::Value = serde_json::from_str(finished).unwrap();
        let here = &finished["result"]["test"];
        let both =
            ["loss", "accuracy"].map(|n| (here[n].as_f64().unwrap(), there[n].as_f64().unwrap()));
        let close = |(a, b): &(f64, f64)| (a - b).abs() <= 1e-4 * a.abs().max(1.0);
        assert!(both.iter().all(close), "{architecture}: {both:?}");
        assert_eq!(fmtui(dir.path(), &export).status.code(), Some(2));
    }
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

/// The network that scripts/torch_files.py has weights of.
const TORCH_RECIPE: &str = r#"
format = 1
name = "torch"
[data]
name = "fashion-mnist-mini"
validation = 0
[model]
architecture = "custom"
layers = [
 { kind = "conv2d", out_channels = 4, kernel_size = 3, padding = 1 },
 { kind = "batch-norm2d" },
 { kind = "flatten" },
 { kind = "linear", out_features = 10 },
]
"#;

/// Every form in which `torch.save` and safetensors keep weights gives the same arrays; what is left out, and what does
/// not fit, is told. `FMTUI_TORCH_PYTHON` names a Python with torch and safetensors, where `python3` has none.
#[test]
fn files_of_pytorch_are_taken_in_every_form() {
    let python = std::env::var("FMTUI_TORCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/torch_files.py");
    let made = Command::new(&python).arg(script).arg(&files).output();
    match made {
        Ok(made) if made.status.success() => {}
        Ok(made) if !text(&made.stderr).contains("ModuleNotFoundError") => {
            panic!("{}", text(&made.stderr));
        }
        _ => {
            skipped(&format!(
                "{python} has no torch and safetensors to write weights with; set FMTUI_TORCH_PYTHON"
            ));
            return;
        }
    }
    let recipe = dir.path().join("torch.toml");
    std::fs::write(&recipe, TORCH_RECIPE).unwrap();
    let show = |file: &Path| {
        let from = format!("model.pretrained={}", file.display());
        let recipe = recipe.to_str().unwrap();
        fmtui(
            dir.path(),
            &[
                "show",
                recipe,
                "--weights",
                "--set",
                "model.keep_head=true",
                "--set",
                &from,
            ],
        )
    };
    let mut count = 0;
    for entry in std::fs::read_dir(&files).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let shown = show(&path);
        let told = text(&shown.stdout);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(shown.status.success(), "{name}: {}", text(&shown.stderr));
        let loaded = told.lines().filter(|line| line.ends_with("loaded")).count();
        assert_eq!(loaded, 8, "{name}: {told}");
        if name.contains("extra-") && !name.contains("mask") {
            assert!(told.contains("skipped: "), "{name}: {told}");
        }
        if name == "both.pth" {
            assert!(
                told.contains("model_ema fits as well and is not taken"),
                "{told}"
            );
        }
        count += 1;
    }
    assert!(count > 55, "{count}");
    what_is_told_of_others(&files.join("other"), &show);
    the_numbers_are_torchs(dir.path(), &recipe, &files);
}

fn what_is_told_of_others(directory: &Path, show: &dyn Fn(&Path) -> Output) {
    for file in ["expanded.pth", "expanded-legacy.pth"] {
        let shown = show(&directory.join(file));
        assert!(shown.status.success(), "{file}: {}", text(&shown.stderr));
    }
    for (file, parts) in [
        (
            "quantised.pth",
            &[
                "fc1.weight is missing there",
                "left out: fc1.weight (quantised)",
            ][..],
        ),
        (
            "foreign.pth",
            &["the file has 2 arrays: embed.weight 3×2, head.bias 2"],
        ),
        (
            "whole.pth",
            &[
                "a whole pickled model",
                "torch.save(model.state_dict(), path)",
            ],
        ),
    ] {
        let shown = show(&directory.join(file));
        let told = text(&shown.stderr);
        assert_eq!(shown.status.code(), Some(2), "{file}");
        for part in parts {
            assert!(told.contains(part), "{file}: {told}");
        }
    }
}

/// A network that does not learn gives the same predictions, whatever file its weights came from.
fn the_numbers_are_torchs(workspace: &Path, recipe: &Path, files: &Path) {
    let digest = |file: &str| {
        let from = format!("model.pretrained={}", files.join(file).display());
        let arguments = [
            "train",
            recipe.to_str().unwrap(),
            "--json",
            "--set",
            "train.epochs=1",
            "--set",
            "data.per_class=2",
            "--set",
            "model.keep_head=true",
            "--set",
            &from,
        ];
        let trained = fmtui(workspace, &arguments);
        let told = text(&trained.stdout);
        assert!(
            trained.status.success(),
            "{file}: {told}{}",
            text(&trained.stderr)
        );
        let finished: serde_json::Value =
            serde_json::from_str(told.lines().last().unwrap()).unwrap();
        finished["result"]["weights_sha256"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let plain = digest("plain.pth");
    for file in [
        "legacy4.pth",
        "prefix-module.encoder_q.pth",
        "twice-ema.pth",
        "both.pth",
        "legacy-extra-complex.pth",
        "prefix.safetensors",
    ] {
        assert_eq!(digest(file), plain, "{file}");
    }
    assert_ne!(digest("other/expanded.pth"), plain);
    assert_eq!(
        digest("other/expanded.pth"),
        digest("other/expanded-legacy.pth")
    );
}

/// A legacy file of PyTorch's whose weights are this pickle.
fn legacy_of(pickle: &[&[u8]]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
    [head.as_slice(), &pickle.concat(), b"\x80\x02]."].concat()
}

/// Files that are small and would be large, or slow, if they were believed.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let long = vec![b'a'; 2 << 20];
    let length = u32::try_from(long.len()).unwrap().to_le_bytes();
    let parameter = b"ctorch._utils\n_rebuild_parameter\n(";
    let storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06";
    let tensors: Vec<String> = (0..400_000)
        .map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    let header = format!("{{{}}}", tensors.join(","));
    let named = |i: u32| [b"X\x04\x00\x00\x00".as_slice(), &i.to_le_bytes(), b"h\x00"].concat();
    let many: Vec<u8> = (0x2020_2020..0x2020_2020 + 200_000)
        .flat_map(named)
        .collect();
    let nested = |inner: &[u8]| [b"}X\x2c\x01\0\0", &long[..300], inner, b"s"].concat();
    vec![
        (
            "a long name put together again and again",
            legacy_of(&[
                b"X",
                &length,
                &long,
                b"q\x000",
                &b"h\x00h\x00\x930".repeat(2000),
                b"}.",
            ]),
        ),
        (
            "one call with many arguments for many names",
            legacy_of(&[
                parameter,
                &vec![b'N'; 240_000],
                b"tRq\x000}(",
                &many[..11 * 80_000],
                b"u.",
            ]),
        ),
        (
            "one storage with many parts for many names",
            legacy_of(&[
                b"ctorch._utils\n_rebuild_tensor_v2\n(",
                storage,
                &vec![b'N'; 240_000],
                b"tQK\x00K\x06\x85K\x01\x85\x89}tRq\x000}(",
                &many[..11 * 80_000],
                b"u.",
            ]),
        ),
        (
            "a long way to many tensors",
            legacy_of(&[
                b"ctorch._utils\n_rebuild_tensor_v2\n(",
                storage,
                b"tQK\x00K\x06\x85K\x01\x85\x89}tRq\x000",
                &nested(&nested(&[b"}(", &many[..11 * 19_000], b"u"].concat())),
                b".",
            ]),
        ),
        (
            "as many values as operations",
            legacy_of(&[&vec![b'N'; 3 << 20], b"."]),
        ),
        (
            "lists in lists",
            legacy_of(&[&vec![b']'; 240_000], &vec![b'a'; 239_999], b"."]),
        ),
        (
            "a memory of everything",
            legacy_of(&[b"N", &b"\x94".repeat(490_000), b"."]),
        ),
        (
            "a header of many tensors",
            [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat(),
        ),
    ]
}

/// Reads the highest memory of a process as long as it runs; **Units** bytes.
fn most_memory(child: &mut std::process::Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let begun = std::time::Instant::now();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(1024 * kilobytes.unwrap_or(0));
        if begun.elapsed().as_secs() > 60 {
            child.kill().unwrap();
            panic!("it is still reading after a minute");
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    most
}

/// A hostile file takes no more than four times its own length and 64 MiB beyond what the program takes anyway.
#[test]
fn hostile_files_are_refused_in_little_memory() {
    if !cfg!(target_os = "linux") {
        skipped("memory is read from /proc");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("small.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let memory_with = |what: &str, bytes: &[u8]| {
        let file = dir.path().join("hostile.th");
        std::fs::write(&file, bytes).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fmtui"))
            .arg("--workspace")
            .arg(dir.path())
            .arg("train")
            .arg(&recipe)
            .arg("--set")
            .arg(format!("model.pretrained={}", file.display()))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let most = most_memory(&mut child);
        let said = child.wait_with_output().unwrap();
        let error = text(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{what}: {error}");
        assert!(
            error.contains("hostile.th ") || error.contains("hostile.th: "),
            "{what}: {error}"
        );
        assert!(error.lines().count() <= 2, "{what}: {error}");
        most
    };
    let without = memory_with("no weights", b"no file of weights");
    for (what, bytes) in bombs() {
        let allowed = without + 4 * bytes.len() as u64 + (64 << 20);
        let most = memory_with(what, &bytes);
        assert!(
            most <= allowed,
            "{what}: {} MiB of {} MiB",
            most >> 20,
            allowed >> 20
        );
    }
    assert!(!dir.path().join("profiles/runs").exists());
}

//! The command line through the real program: exit codes, one-line errors, and nothing written for bad input.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::fmtui;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// Expects exit code 2, one line on standard error that has all `parts`, and an untouched workspace.
fn refused(workspace: &Path, arguments: &[&str], parts: &[&str]) {
    let before = files(workspace);
    let output = fmtui(workspace, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    assert!(error.starts_with("error: "), "{error}");
    for part in parts {
        assert!(
            error.contains(part),
            "{arguments:?}: {part:?} not in {error}"
        );
    }
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(files(workspace), before, "{arguments:?} wrote something");
}

const MINI: &str = "[data]\nname = \"fashion-mnist-mini\"\nvalidation = 0\n";

#[test]
fn broken_profiles_are_refused_by_field_and_remedy_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = dir.path().join("w");
    fs::create_dir(&workspace).unwrap();
    let file = dir.path().join("p.toml");
    let model = "[model]\narchitecture = \"mlp\"\nhidden = [20]\n";
    let deep = format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let cases: Vec<(String, Vec<&str>)> = vec![
        (String::new(), vec!["model", "is missing"]),
        ("[model\n".into(), vec!["line 1", "is not TOML"]),
        (deep, vec!["is not TOML"]),
        ("a = 1\na = 2\n".into(), vec!["line 2"]),
        (
            "[model]\narchitecture = \"lenet6\"\n".to_string() + MINI,
            vec!["model.architecture", "lenet5"],
        ),
        (
            format!("{model}[train]\nepoch = 3\n{MINI}"),
            vec!["train.epoch", "did you mean `train.epochs`?"],
        ),
        (
            format!("{model}[train]\nbatch_size = 0\n{MINI}"),
            vec!["train.batch_size", "from 1"],
        ),
        (
            format!("{model}[train]\nepochs = 18446744073709551615\n{MINI}"),
            vec!["p.toml"],
        ),
        (
            format!("{model}[train.optimizer]\nlearning_rate = nan\n{MINI}"),
            vec!["train.optimizer.learning_rate"],
        ),
        (
            format!("[model]\narchitecture = \"mlp\"\nhidden = [1000000000000]\n{MINI}"),
            vec!["model.hidden[0]"],
        ),
        (
            format!("{model}[data]\nname = \"../../etc\"\n"),
            vec!["data.name", "is a path"],
        ),
        (
            format!("{model}[data]\nname = \"no-such-set\"\n"),
            vec!["no-such-set"],
        ),
        (
            format!("{model}[train]\ndevice = \"abacus\"\n{MINI}"),
            vec!["train.device", "abacus"],
        ),
        (
            format!("{model}[train]\ndevice = \"tpu\\u001b[31m\"\n{MINI}"),
            vec!["train.device"],
        ),
        (
            "[model]\narchitecture = \"custom\"\n[[model.layers]]\nkind = \"conv2d\"\nout_channels = 8\nkernel_size = 5\n[[model.layers]]\nkind = \"linear\"\nout_features = 10\n"
                .to_string()
                + MINI,
            vec!["model.layers[1]"],
        ),
        (
            format!("{model}[data]\nname = \"fashion-mnist-mini\"\nvalidation = 2001\n"),
            vec!["data.validation"],
        ),
    ];
    for (profile, parts) in &cases {
        fs::write(&file, profile).unwrap();
        refused(&workspace, &["train", file.to_str().unwrap()], parts);
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let w = dir.path();
    refused(
        w,
        &["train", "lenet6"],
        &["lenet6", "did you mean `lenet5`?"],
    );
    refused(w, &["train", "no/such.toml"], &["no/such.toml"]);
    refused(w, &["train", "."], &["profile ."]);
    refused(
        w,
        &["train", "lenet5", "--set", "train.epoch=3"],
        &["epochs"],
    );
    refused(w, &["train", "lenet5", "--set", "nonsense"], &["--set"]);
    refused(
        w,
        &["train", "lenet5", "--set", "train.backend=grpah"],
        &["train.backend", "did you mean `graph`?"],
    );
    refused(
        w,
        &["show", "mlp-20", "--set", "model.hidden=[0]"],
        &["model.hidden[0]"],
    );
    for command in ["attach", "resume", "stop", "pause", "continue", "replay"] {
        refused(
            w,
            &[command, "20260101-000000-x-0000"],
            &["20260101-000000-x-0000"],
        );
        refused(w, &[command], &["there is no run"]);
    }
    refused(w, &["delete", "last"], &["last"]);
    refused(w, &["delete", "../../etc"], &["etc"]);
    refused(
        w,
        &["data", "fetch", "fashion-mnist"],
        &["offline", "fashion-mnist-mini"],
    );
    refused(
        w,
        &["worker", "20260101-000000-x-0000"],
        &["20260101-000000-x-0000"],
    );
    refused(
        w,
        &["--data-dir", "/no/such", "runs"],
        &["--data-dir /no/such"],
    );
}

#[test]
fn hostile_arguments_put_no_escape_on_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    for hostile in ["\u{1b}[31mred", "a\u{202e}b", "\u{9b}2J", "x\nerror: y"] {
        for arguments in [["train", hostile], ["attach", hostile], ["show", hostile]] {
            let output = fmtui(dir.path(), &arguments);
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(
                !error.contains(['\u{1b}', '\u{202e}', '\u{9b}']),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_workspace_that_is_a_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    fs::write(&file, "").unwrap();
    let output = fmtui(&file, &["runs"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is not a directory"));
}

#[test]
fn an_empty_workspace_lists_nothing_and_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    let output = fmtui(dir.path(), &["runs"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("fmtui train lenet5"));
    let output = fmtui(dir.path(), &["runs", "--json"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    assert_eq!(files(dir.path()).len(), 0);
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let output = fmtui(dir.path(), &["--help"]);
    let help = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for command in [
        "train",
        "attach",
        "runs",
        "replay",
        "resume",
        "stop",
        "pause",
        "continue",
        "show",
        "data",
        "bench",
        "delete",
        "doctor",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
    // Folded where the terminal is narrow.
    let words: Vec<&str> = help.split_whitespace().collect();
    assert!(words.join(" ").contains(
        "0 done, 1 run failed or best weights damaged, 2 bad input, 3 stopped, 4 detached from a run that is still going"
    ));
    assert!(!help.contains("worker"));
    let version = text(&fmtui(dir.path(), &["--version"]).stdout);
    assert!(version.starts_with(concat!("fmtui ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn without_a_terminal_the_screens_say_so_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &[], &["no terminal", "--help"]);
}

#[test]
fn show_counts_the_parameters_of_the_study() {
    let dir = tempfile::tempdir().unwrap();
    for (preset, parameters) in [
        ("perceptron", 7_850_u64),
        ("mlp-20", 15_910),
        ("mlp-100-100-50", 94_160),
        ("lenet5", 211_203),
        ("modern-lenet", 211_437),
        ("lenet5-1998", 61_706),
        ("improved-cnn", 1_702_090),
        ("resnet18-scratch", 11_181_642),
    ] {
        let output = fmtui(dir.path(), &["show", preset, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["parameters"], parameters, "{preset}");
        assert!(!shown["layers"].as_array().unwrap().is_empty());
    }
    let output = fmtui(dir.path(), &["show", "lenet5"]);
    let table = text(&output.stdout);
    assert!(table.contains("211,203 parameters"), "{table}");
    assert!(table.contains("8 × 32 × 32"), "{table}");
    assert_eq!(files(dir.path()).len(), 0);
}

#[test]
fn show_prints_a_profile_that_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = dir.path().join("w");
    fs::create_dir(&workspace).unwrap();
    let output = fmtui(
        &workspace,
        &["show", "lenet5", "--toml", "--set", "train.epochs=7"],
    );
    let file = dir.path().join("p.toml");
    fs::write(&file, &output.stdout).unwrap();
    let again = fmtui(&workspace, &["show", file.to_str().unwrap(), "--toml"]);
    assert_eq!(again.stdout, output.stdout);
    assert!(text(&again.stdout).contains("epochs = 7"));
}

#[test]
fn doctor_and_data_say_what_is_here() {
    let dir = tempfile::tempdir().unwrap();
    let output = fmtui(dir.path(), &["doctor"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for part in ["device", "threads", "fashion-mnist-mini", "offline", "free"] {
        assert!(told.contains(part), "{part} not in {told}");
    }
    let told = text(&fmtui(dir.path(), &["data"]).stdout);
    assert!(told.contains("fashion-mnist-mini  built in"), "{told}");
    assert_eq!(files(dir.path()).len(), 0);
}

const QUICK: [&str; 9] = [
    "bench", "--steps", "5", "--chunks", "2", "--batch", "32", "--device", "cpu",
];

#[test]
fn bench_measures_every_preset_in_a_process_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [&QUICK[..], &["--threads", "2", "--json", "A", "mlp-20"]].concat();
    let output = fmtui(dir.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let reports: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reports.len(), 2);
    let presets = [("mlp-100-100-50", 94_160), ("mlp-20", 15_910)];
    for (report, (preset, parameters)) in reports.iter().zip(presets) {
        assert_eq!(report["fw"], "fmtui");
        assert_eq!(report["name"], preset);
        assert_eq!(report["parameters"], parameters);
        assert_eq!(report["device"], "cpu");
        assert_eq!(
            (&report["threads"], &report["batch_size"]),
            (&2.into(), &32.into())
        );
        assert!(["plan", "graph"].contains(&report["backend"].as_str().unwrap()));
        for (chunks, middle) in [
            ("chunks", "images_per_second"),
            ("evaluation_chunks", "evaluation_images_per_second"),
        ] {
            assert_eq!(report[chunks].as_array().unwrap().len(), 2, "{report}");
            assert!(report[middle].as_f64().unwrap() > 0.0, "{report}");
        }
        let loss = report["loss"].as_f64().unwrap();
        assert!((1.0..4.0).contains(&loss), "{loss}");
        assert!(
            report["peak_memory_bytes"].as_u64().unwrap() > 1 << 20,
            "{report}"
        );
    }
    assert_eq!(files(dir.path()).len(), 0);
}

#[test]
fn bench_shows_people_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let output = fmtui(
        dir.path(),
        &[&QUICK[..], &["--backend", "graph", "mlp-20"]].concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    for part in [
        "batches of 32",
        "images/s",
        "mlp-20",
        "15,910",
        "graph",
        " MiB",
    ] {
        assert!(lines.contains(part), "{part} not in {lines}");
    }
}

#[test]
fn bench_refuses_what_it_cannot_measure_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        (
            &["lenet5", "lenet6"][..],
            ["lenet6", "did you mean `lenet5`?"],
        ),
        (&["F"], ["profile F", "is not a file, preset or run"]),
        (&["--steps", "0"], ["--steps is 0", "from 1"]),
        (&["--chunks", "0"], ["--chunks is 0", "from 1"]),
        (
            &["--steps", "4", "--chunks", "5"],
            ["--chunks is 5", "to 4"],
        ),
        (&["--batch", "0"], ["--batch is 0", "from 1"]),
        (&["--threads", "5000"], ["--threads is 5000", "to 1,024"]),
        (&["--device", "abacus"], ["train.device", "abacus"]),
        (
            &["--backend", "grpah"],
            ["--backend", "did you mean `graph`?"],
        ),
        (
            &["--backend", "x\u{1b}[31m"],
            ["--backend", "choose one of auto, plan, graph"],
        ),
        // Found by the process that measures, and said once.
        (
            &["A", "--json", "--batch", "65536"],
            ["train.batch_size", "training images"],
        ),
    ] {
        refused(dir.path(), &[&["bench"], arguments].concat(), &parts);
    }
}

#[test]
fn closed_output_is_no_panic() {
    use std::process::Stdio;
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fmtui"))
        .arg("--workspace")
        .arg(dir.path())
        .args(["show", "resnet18-scratch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let error = text(&output.stderr);
    assert!(!error.contains("panicked"), "{error}");
    assert_eq!(output.status.code(), Some(0), "{error}");
}

#[test]
fn runs_are_sorted_filtered_and_shown_by_columns() {
    let dir = tempfile::tempdir().unwrap();
    for seed in ["1", "2", "3"] {
        let seed = format!("train.seed={seed}");
        let arguments = [
            "train",
            "perceptron",
            "--set",
            &seed,
            "--set",
            "train.epochs=1",
        ];
        let set = ["--set", "data.name=fashion-mnist-mini"];
        let trained = fmtui(dir.path(), &[&arguments[..], &set[..]].concat());
        assert!(trained.status.success(), "{}", text(&trained.stderr));
    }
    let listed = |arguments: &[&str]| {
        let output = fmtui(dir.path(), &[&["runs"], arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(
        listed(&[
            "--csv",
            "--sort",
            "-train.seed",
            "--columns",
            "name,train.seed,gap"
        ])
        .lines()
        .map(|line| line.rsplit_once(',').unwrap().0.to_owned())
        .collect::<Vec<_>>(),
        [
            "name,train.seed",
            "perceptron,3",
            "perceptron,2",
            "perceptron,1"
        ]
    );
    assert_eq!(listed(&["-n", "2"]).lines().count(), 3);
    assert_eq!(
        listed(&["--filter", "train.seed<=2", "--filter", "finished"])
            .lines()
            .count(),
        3
    );
    assert_eq!(
        listed(&["--filter", "accuracy>99%"]),
        "none of 3 runs matches\n"
    );
    let json: Vec<serde_json::Value> = listed(&["--json", "--filter", "train.seed=2"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let id = json[0]["run"].as_str().unwrap();
    assert_eq!(json.len(), 1);
    // A run is also named by the path of its record, and by its name where that is the only one.
    let record = dir.path().join(format!("profiles/runs/{id}.toml"));
    let shown = fmtui(
        dir.path(),
        &[
            "replay",
            record.to_str().unwrap(),
            "--plain",
            "--speed",
            "9e9",
        ],
    );
    assert!(text(&shown.stdout).contains(id), "{}", text(&shown.stderr));
    for (arguments, parts) in [
        (
            &["runs", "--sort", "acuracy"][..],
            &["acuracy", "did you mean `accuracy`?"][..],
        ),
        (&["runs", "--filter", "speed>1"], &["speed", "is not known"]),
        (&["resume", "perceptron"], &["matches 3 runs", id]),
        (&["show", "perceptrn"], &["did you mean `perceptron`?"]),
    ] {
        refused(dir.path(), arguments, parts);
    }
}

#[test]
fn a_setting_given_as_an_option_is_pointed_out() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (
            &["train", "lenet5", "--epochs", "3"][..],
            "--set train.epochs=3",
        ),
        (
            &["train", "lenet5", "--batch-size=32"],
            "--set train.batch_size=32",
        ),
        (&["show", "lenet5", "--seed"], "--set train.seed=VALUE"),
    ] {
        let output = fmtui(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains(told),
            "{}",
            text(&output.stderr)
        );
    }
    let of_another = text(&fmtui(dir.path(), &["runs", "--epochs"]).stderr);
    assert!(!of_another.contains("--set"), "{of_another}");
}

#[test]
fn a_locale_without_utf_8_gets_ascii_and_colours_are_as_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let shown = |name: &str, value: &str, arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_fmtui"))
            .env("FMTUI_HOME", dir.path())
            .env("FMTUI_OFFLINE", "1")
            .env_remove("LC_ALL")
            .env_remove("LC_CTYPE")
            .env(name, value)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output.stdout
    };
    for locale in ["C", "POSIX", "de_DE.ISO-8859-1", "en_US"] {
        let printed = shown("LC_ALL", locale, &["show", "lenet5"]);
        assert!(printed.is_ascii(), "{locale}: {}", text(&printed));
        assert!(text(&printed).contains("8 x 32 x 32"));
    }
    assert!(!shown("LC_ALL", "C.UTF-8", &["show", "lenet5"]).is_ascii());
    // What programs read keeps its names.
    let named = [
        "train",
        "perceptron",
        "--set",
        "name=größe",
        "--set",
        "train.epochs=1",
    ];
    let set = ["--set", "data.name=fashion-mnist-mini", "--json"];
    shown("LC_ALL", "C", &[&named[..], &set[..]].concat());
    assert!(text(&shown("LC_ALL", "C", &["runs", "--csv"])).contains(",größe,"));
    let colored = |when| shown("TERM", "xterm", &["show", "lenet5", "--color", when]);
    assert!(text(&colored("always")).contains("\x1b[1mlayer\x1b[0m"));
    for when in ["auto", "never"] {
        assert!(!text(&colored(when)).contains('\x1b'));
    }
}

#[test]
fn the_example_is_there_without_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let played = fmtui(
        dir.path(),
        &["replay", "example", "--plain", "--speed", "9e9"],
    );
    assert!(
        text(&played.stdout).contains("best epoch 5"),
        "{}",
        text(&played.stderr)
    );
    let in_tokyo = Command::new(env!("CARGO_BIN_EXE_fmtui"))
        .env("TZ", "Asia/Tokyo")
        .args(["show", "example"])
        .output()
        .unwrap();
    let shown = text(&in_tokyo.stdout);
    assert!(shown.contains("modern-lenet"), "{shown}");
    // Where the names of time zones are installed.
    if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        assert!(shown.contains("2026-11-29 22:51:48"), "{shown}");
    }
    let calibrated = "calibration (test, epoch 5, 500 images): ECE ";
    assert!(shown.contains(calibrated), "{shown}");
    let shown = fmtui(dir.path(), &["show", "example", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let calibration = &shown["calibration"];
    assert_eq!(calibration["images"], 500);
    assert_eq!(calibration["fitted_on"], 200);
    for key in ["ece", "mce", "temperature", "ece_after"] {
        let figure = calibration[key].as_f64();
        assert!(figure.is_some_and(f64::is_finite), "{key}: {calibration}");
    }
    assert!(text(&fmtui(dir.path(), &["runs"]).stdout).contains("no run yet"));
    refused(dir.path(), &["delete", "example"], &["example"]);
}

#[test]
fn shells_complete_runs_settings_and_their_values() {
    let dir = tempfile::tempdir().unwrap();
    let completed = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_fmtui"))
            .env("FMTUI_HOME", dir.path())
            .env("COMPLETE", "bash")
            .env("_CLAP_IFS", "\n")
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .env("_CLAP_COMPLETE_SPACE", "false")
            .arg("--")
            .args(words)
            .output()
            .unwrap();
        text(&output.stdout)
    };
    assert!(
        completed(&["fmtui", "train", "lenet5", "--set", "train.opt"])
            .contains("train.optimizer.kind=")
    );
    let kinds = completed(&["fmtui", "train", "lenet5", "--set", "train.optimizer.kind="]);
    assert!(kinds.contains("train.optimizer.kind=adamw"), "{kinds}");
    assert!(completed(&["fmtui", "show", "resnet18-f"]).contains("resnet18-frozen"));
    assert!(completed(&["fmtui", "runs", "--sort", "-acc"]).contains("-accuracy"));
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&fmtui(dir.path(), &["completions", shell]).stdout);
        assert!(script.contains("COMPLETE"), "{shell}: {script}");
    }
    let zsh = text(&fmtui(dir.path(), &["completions", "zsh"]).stdout);
    assert!(zsh.contains("-S ''"), "{zsh}");
    let pages = dir.path().join("man");
    assert!(
        fmtui(dir.path(), &["man", pages.to_str().unwrap()])
            .status
            .success()
    );
    assert!(
        fs::read_to_string(pages.join("fmtui-train.1"))
            .unwrap()
            .contains(".TH")
    );
}

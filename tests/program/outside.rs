//! What comes from others, through the real program: hostile text in every file and name, files that are none, and
//! several commands on one run at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use fmtui::profile::{Profile, Status};
use fmtui::run::{Workspace, lock};
use fmtui::train::checkpoint;

use crate::program::command as fmtui;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("no UTF-8")
}

fn profile(status: Status) -> Profile {
    let mut profile = Profile::new("mlp");
    profile.model.hidden = vec![20];
    profile.data.name = "fashion-mnist-mini".into();
    profile.data.validation = 0.0;
    profile.train.epochs = 100_000;
    profile.run.get_or_insert_default().status = status;
    profile
}

/// A run that has never had a worker.
fn make(workspace: &Workspace, profile: &Profile) -> String {
    let id = workspace.create(profile).unwrap();
    let mut record = workspace.load(&id).unwrap();
    record.run.as_mut().unwrap().status = profile.run.as_ref().unwrap().status;
    record.result.clone_from(&profile.result);
    workspace.save(&record).unwrap();
    id
}

/// A run that was stopped and has a checkpoint.
fn stopped(workspace: &Workspace) -> String {
    let recipe = workspace.root.join("recipe.toml");
    fs::write(&recipe, profile(Status::Created).recipe().to_toml()).unwrap();
    let said = |arguments: &[&str]| {
        let output = fmtui(&workspace.root, arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let id = said(&["train", recipe.to_str().unwrap(), "--detach"]);
    let id = id.trim().to_owned();
    let until = |what: &str, condition: &dyn Fn() -> bool| {
        let since = Instant::now();
        while !condition() {
            assert!(since.elapsed() < Duration::from_mins(1), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until("no checkpoint", &|| {
        checkpoint::exists(&workspace.run_dir(&id))
    });
    said(&["stop", &id]);
    until("it goes on", &|| !workspace.is_running(&id));
    id
}

/// Another run of the same recipe, with the checkpoints of the first.
fn like(workspace: &Workspace, id: &str, status: Status) -> String {
    let mut record = workspace.load(id).unwrap();
    record.run.as_mut().unwrap().status = status;
    let other = make(workspace, &record);
    for entry in fs::read_dir(workspace.run_dir(id)).unwrap() {
        let state = entry.unwrap().path();
        if !state.is_dir() {
            continue;
        }
        let to = workspace.run_dir(&other).join(state.file_name().unwrap());
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(&state).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    other
}

/// Everything that can be sent to a terminal beside plain text: line breaks, and nothing else.
fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\t' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The `n`th hostile text.
fn hostile(n: usize) -> String {
    let sequences = [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1bP+q\x1b\\",
        "\u{9b}31m",
        "\u{9d}52;c;eA==\u{9c}",
        "\x1b(0",
        "\r",
        "\x08\x08",
        "\n",
        "\t",
        "\x07",
        "\u{7f}",
        "\u{85}",
        "\u{90}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\u{e0041}",
        "\u{2028}",
        "\x1b]8;;http://x\x1b\\",
        "\x0e",
        "\"",
        "'",
        "\\",
        "'''",
        "\"\"\"",
    ];
    let of = |k: usize| sequences[k % sequences.len()];
    format!("a{}b{}{}é", of(n), of(n / 3 + 7), of(n / 7 + 2))
}

/// Puts a text of its own into every string; a key of its own into some tables.
fn poison(value: &mut toml::Value, next: &mut impl FnMut() -> String) {
    match value {
        toml::Value::String(text) => *text = next(),
        toml::Value::Array(values) => values.iter_mut().for_each(|v| poison(v, next)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, v)| poison(v, next)),
        _ => {}
    }
}

fn poison_json(value: &mut serde_json::Value, next: &mut impl FnMut() -> String) {
    match value {
        serde_json::Value::String(text) => *text = next(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|v| poison_json(v, next)),
        serde_json::Value::Object(map) => {
            let others = map.iter_mut().filter(|(key, _)| *key != "event");
            others.for_each(|(_, v)| poison_json(v, next));
        }
        _ => {}
    }
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A workspace that somebody else has filled; gives its runs: one whose record can be read, one whose settings are
/// hostile too, one that is no record.
fn fill(root: &Path, next: &mut impl FnMut() -> String) -> [String; 3] {
    let workspace = Workspace::at(root);
    let mut done = profile(Status::Finished);
    done.result = Some(fmtui::profile::ResultRecord {
        note: "n".into(),
        ..Default::default()
    });
    let ids = [0, 1, 2].map(|_| make(&workspace, &done));
    for (at, id) in ids.iter().enumerate() {
        let path = workspace.profile_path(id);
        let mut table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for (key, part) in &mut table {
            if at == 1 || matches!(key.as_str(), "run" | "result") {
                poison(part, next);
            }
        }
        let run = table["run"].as_table_mut().unwrap();
        run.insert("id".into(), id.clone().into());
        run.insert("status".into(), "finished".into());
        let what = next();
        let change = toml::Table::from_iter([
            ("step".to_string(), 3.into()),
            ("what".into(), what.into()),
            ("value".into(), 0.5.into()),
        ]);
        run.insert(
            "interventions".into(),
            vec![toml::Value::Table(change)].into(),
        );
        let record = match at {
            2 => next(),
            _ => toml::to_string(&table).unwrap(),
        };
        fs::write(&path, record).unwrap();
        fs::write(
            workspace.lock_path(id),
            format!("7\n{}\n{}\n", next(), next()),
        )
        .unwrap();
        fs::write(workspace.worker_log_path(id), next()).unwrap();
        let events = [
            r#"{"at":1.0,"event":"started","format":1,"run":"r","name":"n","architecture":"mlp","dataset":"d","classes":["c"],"parameters":1,"trained_parameters":1,"multiply_adds":1,"epochs":1,"steps_per_epoch":1,"batch_size":1,"train_images":1,"validation_images":0,"test_images":0,"curve_is_test":true,"device":"cpu","threads":2,"path":"p","learning_rate":0.1,"patience":0,"resumed_at_step":0}"#,
            r#"{"at":1.0,"event":"changed","step":1,"what":"w","from":0.1,"to":0.2}"#,
            r#"{"at":1.0,"event":"checkpoint-saved","kind":"last","epoch":1,"step":1}"#,
            r#"{"at":1.0,"event":"warning","message":"m"}"#,
            r#"{"at":1.0,"event":"note","message":"m"}"#,
            r#"{"at":1.0,"event":"failed","message":"m","remedy":"r"}"#,
        ];
        let lines = events.map(|line| {
            let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
            poison_json(&mut event, next);
            format!("{event}\n")
        });
        fs::write(workspace.events_path(id), lines.concat()).unwrap();
    }
    let file = |name: String| name.replace(['/', '\0'], "_");
    let put = |path: PathBuf, bytes: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let mut own: toml::Table = Profile::new("mlp").to_toml().parse().unwrap();
    own.iter_mut().for_each(|(_, part)| poison(part, next));
    put(
        root.join("profiles/own.toml"),
        &toml::to_string(&own).unwrap(),
    );
    put(root.join("profiles").join(file(next()) + ".toml"), &next());
    put(root.join("weights").join(file(next())), "");
    put(
        root.join("data")
            .join(file(next()))
            .join("train-images-idx3-ubyte"),
        "",
    );
    let hub = root.join("hub/models--o--n").join(COMMIT);
    for name in ["model.safetensors".to_string(), file(next())] {
        put(hub.join(&name), "");
        let mut source = toml::Table::from_iter(
            [
                "repository",
                "revision",
                "commit",
                "file",
                "part",
                "sha256",
                "endpoint",
                "fetched",
                "licence",
            ]
            .map(|key| (key.to_string(), toml::Value::from(next()))),
        );
        source.insert("datasets".into(), vec![next(), next()].into());
        source.insert("bytes".into(), 0.into());
        source.insert("vouched".into(), true.into());
        put(
            hub.join(format!("{name}.source.toml")),
            &toml::to_string(&source).unwrap(),
        );
    }
    put(hub.join("broken"), "");
    put(hub.join("broken.source.toml"), &next());
    ids
}

/// Numbers the texts; 1,000 and more come.
#[test]
fn no_text_of_others_reaches_the_terminal_raw() {
    let (mut n, mut printed) = (0, 0);
    for _ in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let mut next = || {
            n += 1;
            hostile(n)
        };
        let argument = |text: String| text.replace('\0', "");
        let root = dir.path().join(next().replace('/', "_"));
        let [readable, settings, none] = fill(&root, &mut next);
        let own = root.join("profiles/own.toml").display().to_string();
        let bad = argument(next());
        let set = format!("--set={}={}", argument(next()), argument(next()));
        let set_name = format!("--set=name={}", argument(next()));
        let pretrained = format!("--set=model.pretrained={}", argument(next()));
        let hf = format!("hf:{}", argument(next()));
        let commands: Vec<Vec<&str>> = vec![
            vec!["runs"],
            vec!["runs", "--json"],
            vec!["show", &readable],
            vec!["show", &readable, "--json"],
            vec!["show", &readable, "--toml"],
            vec!["show", &settings],
            vec!["show", &settings, "--toml"],
            vec!["show", &none],
            vec!["show", &own],
            vec!["show", "own", "--toml"],
            vec!["show", &bad],
            vec!["show", "lenet5", &set],
            vec!["show", "lenet5", &set_name],
            vec!["show", "resnet20", &pretrained, "--weights"],
            vec!["compare", &readable, &settings],
            vec!["compare", &readable, &none],
            vec!["attach", "--plain", &readable],
            vec!["attach", "--json", &readable],
            vec!["replay", "--plain", &settings],
            vec!["replay", "--json", &none],
            vec!["stop", &readable],
            vec!["pause", &settings],
            vec!["continue", &none],
            vec!["resume", &readable],
            vec!["resume", &settings],
            vec!["export", &readable],
            vec!["train", &own],
            vec!["train", &none],
            vec!["weights"],
            vec!["weights", "verify"],
            vec!["weights", "fetch", &hf],
            vec!["weights", "delete", &bad],
            vec!["weights", "delete", "--old"],
            vec!["data"],
            vec!["data", "fetch", &bad],
            vec!["doctor"],
            vec!["bench", &bad],
            vec!["--data-dir", &bad, "data"],
            vec!["delete", &bad],
            vec!["worker", &bad],
            vec![&bad],
            vec!["runs", &bad, "--help"],
            vec!["delete", &none],
        ];
        for arguments in commands {
            let output = fmtui(&root, &arguments).output().unwrap();
            for bytes in [&output.stdout, &output.stderr] {
                let said = text(bytes);
                let raw: String = said.chars().filter(|c| !is_allowed(*c)).collect();
                assert!(raw.is_empty(), "{arguments:?}: {raw:?} in {said:?}");
                assert!(!said.contains("panicked"), "{arguments:?}: {said}");
                printed += said.len();
            }
            let said = text(&output.stdout);
            if arguments.contains(&"--json") {
                let mut lines = said.lines();
                assert!(
                    lines.all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()),
                    "{said}"
                );
            }
            if arguments.contains(&"--toml") {
                assert!(said.parse::<toml::Table>().is_ok(), "{said}");
            }
        }
    }
    assert!(n >= 1000, "{n} texts");
    assert!(printed > 100_000, "{printed} bytes");
}

#[test]
fn files_that_are_none_are_refused_in_no_time() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(dir.path());
    let (id, good) = (
        make(&workspace, &profile(Status::Stopped)),
        stopped(&workspace),
    );
    let fifo = |path: &Path| {
        let _ = fs::remove_file(path);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
    };
    let sparse = |path: &Path| {
        let _ = fs::remove_file(path);
        fs::File::create(path).unwrap().set_len(4 << 30).unwrap();
    };
    let own = dir.path().join("own.toml");
    let own = own.to_str().unwrap();
    let expect = |arguments: &[&str], code: i32, part: &str| {
        let since = Instant::now();
        let output = fmtui(dir.path(), arguments).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "{arguments:?} took its time"
        );
    };
    for make in [&fifo as &dyn Fn(&Path), &sparse] {
        make(&workspace.profile_path(&id));
        make(Path::new(own));
        expect(&["runs"], 0, &good);
        expect(&["runs"], 0, "broken");
        expect(&["show", &id], 2, "cannot be read");
        expect(&["show", own], 2, "cannot be read");
        expect(&["resume", &id], 1, "cannot read");
        fs::remove_file(workspace.profile_path(&id)).unwrap();
    }
    expect(&["show", "/dev/zero"], 2, "is a device");
    expect(&["show", dir.path().to_str().unwrap()], 2, "is a directory");
    fifo(&workspace.lock_path(&good));
    expect(&["runs"], 0, "stopped");
    expect(&["stop", &good], 2, "fmtui resume");
    expect(&["resume", &good], 1, "is a FIFO");
}

/// What a command says of a run that is over leads on, and not in a circle.
#[test]
fn advice_leads_on() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(dir.path());
    let finished = make(&workspace, &profile(Status::Finished));
    let stopped = make(&workspace, &profile(Status::Stopped));
    let said = |arguments: &[&str]| {
        let output = fmtui(dir.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        text(&output.stderr)
    };
    for command in ["stop", "pause", "continue"] {
        let of_finished = said(&[command, &finished]);
        assert!(of_finished.contains("is finished") && of_finished.contains("fmtui train"));
        let of_stopped = said(&[command, &stopped]);
        assert!(
            of_stopped.contains(&format!("fmtui resume {stopped}")),
            "{of_stopped}"
        );
    }
    let short = &finished[finished.len() - 4..];
    for given in ["last", short] {
        let id = workspace.resolve(given).unwrap();
        let refused = said(&["delete", given]);
        assert!(
            refused.contains("full ID") && refused.contains(&format!("fmtui delete {id}")),
            "{refused}"
        );
    }
    assert_eq!(workspace.ids().len(), 2);
    assert!(said(&["delete", "20260101-000000-none-0000"]).contains("is not in"));
}

/// One command wins, the others are told, and nothing comes back from the dead.
#[test]
fn delete_resume_and_stop_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(dir.path());
    let (mut deleted, mut resumed) = (0, 0);
    let first = stopped(&workspace);
    for round in 0..120_u64 {
        let id = like(&workspace, &first, Status::Lost);
        fs::write(workspace.run_dir(&id).join("worker.log"), "before\n").unwrap();
        let begin = |arguments: &[&str]| {
            let mut command = fmtui(dir.path(), arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let with_stop = round % 4 == 3;
        let resume = begin(&["resume", &id, "--detach"]);
        let again = begin(&["resume", &id, "--detach"]);
        // The moment wanders through everything that a resume does.
        std::thread::sleep(Duration::from_millis(round * 37 % 400));
        let delete = begin(&["delete", &id]);
        let stop = with_stop.then(|| begin(&["stop", &id]));
        let end = |child: std::process::Child| -> Output { child.wait_with_output().unwrap() };
        let [resume, again, delete] = [resume, again, delete].map(end);
        let _ = stop.map(end);
        let said = [&resume, &again, &delete].map(|o| (o.status.code(), text(&o.stderr)));
        let is_deleted = delete.status.success();
        let is_resumed = resume.status.success() || again.status.success();
        // Whoever is on its way has found out by now.
        std::thread::sleep(Duration::from_millis(50));
        if is_deleted {
            deleted += 1;
            assert!(
                !workspace.profile_path(&id).exists(),
                "round {round}: {said:?}"
            );
            assert!(!workspace.run_dir(&id).exists(), "round {round}: {said:?}");
        } else {
            resumed += 1;
            assert!(is_resumed, "round {round}: {said:?}");
            assert!(workspace.load(&id).is_ok(), "round {round}: {said:?}");
            assert!(
                said[2].1.contains("is being") || said[2].1.contains("already being"),
                "{said:?}"
            );
        }
        // Only a stop in between lets both have their will.
        assert!(
            with_stop || is_deleted != is_resumed,
            "round {round}: {said:?}"
        );
        assert!(
            !(resume.status.success() && again.status.success()) || with_stop,
            "round {round}: {said:?}"
        );
        let mut pid = lock::holder(&workspace.lock_path(&id)).pid;
        let since = Instant::now();
        while workspace.is_running(&id) && since.elapsed() < Duration::from_secs(20) {
            pid = lock::holder(&workspace.lock_path(&id)).pid.max(pid);
            if let Some(pid) = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    println!("deleted {deleted}, resumed {resumed}");
    assert!(
        deleted > 0 && resumed > 0,
        "deleted {deleted}, resumed {resumed}"
    );
}

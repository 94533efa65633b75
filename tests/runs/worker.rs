//! Runs as processes, through the real program: workers that outlive who started them, screens that come and go,
//! control from anywhere, resuming after any death, and the same bits every time.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fmtui::event::{Command as Ask, Event, Stamped};
use fmtui::profile::{Profile, Status};
use fmtui::run::preflight::Network;
use fmtui::run::{Connection, Workspace, client, lock, log};
use fmtui::train::checkpoint;

use crate::skip::skipped;

/// A workspace of its own, away from this machine's home and network.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn workspace(&self) -> Workspace {
        Workspace::at(self.dir.path())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmtui"));
        command
            .env("HOME", self.dir.path().join("no-home"))
            .env("FMTUI_OFFLINE", "1")
            .env_remove("XDG_RUNTIME_DIR")
            .arg("--workspace")
            .arg(self.dir.path())
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts a run and leaves it; gives its id.
    fn start(&self, settings: &[&str]) -> String {
        let output = self.run(&train(settings, &["--detach"]));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).trim().into()
    }

    fn record(&self, id: &str) -> Profile {
        self.workspace().load(id).unwrap()
    }

    fn status(&self, id: &str) -> Status {
        self.workspace().summary(id).status
    }

    fn events(&self, id: &str) -> Vec<Stamped> {
        log::read(&self.workspace().events_path(id)).unwrap()
    }

    fn pid(&self, id: &str) -> u32 {
        lock::holder(&self.workspace().lock_path(id)).pid
    }

    fn weights(&self, id: &str) -> String {
        self.record(id).result.unwrap().weights_sha256
    }

    fn ends(&self, id: &str) {
        until("the run ends", || !self.workspace().is_running(id));
    }
}

impl Drop for Place {
    /// No worker outlives its test.
    fn drop(&mut self) {
        for id in self.workspace().ids() {
            if self.workspace().is_running(&id) {
                signal(self.pid(&id), rustix::process::Signal::KILL);
                let _ = waits(Duration::from_secs(10), || {
                    !self.workspace().is_running(&id)
                });
            }
        }
    }
}

/// `fmtui train` of the smallest MLP on the built-in set, with settings.
fn train<'a>(settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "train",
        "mlp-20",
        "--set",
        "data.name=fashion-mnist-mini",
        "--set",
        "data.split=standard",
        "--set",
        "data.validation=200",
        "--set",
        "train.early_stop.patience=0",
        "--set",
        "train.batch_size=20",
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    arguments.extend(more);
    arguments
}

/// Long enough to be interfered with; 90 steps an epoch.
const LONG: &str = "train.epochs=100000";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn waits(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    while since.elapsed() < patience {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(
        waits(Duration::from_mins(2), condition),
        "waited in vain until {what}"
    );
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn last_step(events: &[Stamped]) -> u64 {
    let mut steps = events.iter().filter_map(|e| match &e.event {
        Event::Step(step) => Some(step.step),
        _ => None,
    });
    steps.next_back().unwrap_or(0)
}

fn epochs(events: &[Stamped]) -> usize {
    let mut ends = events.iter().filter_map(|e| match &e.event {
        Event::EpochEnd(end) => Some(end.epoch),
        _ => None,
    });
    ends.next_back().unwrap_or(0)
}

#[test]
fn a_run_trains_to_its_end_and_leaves_a_whole_record() {
    let place = Place::new();
    let output = place.run(&train(&["train.epochs=2"], &["--json"]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let events: Vec<Stamped> = printed
        .lines()
        .map(|l| log::parse_line(l).unwrap())
        .collect();
    assert!(matches!(&events[0].event, Event::Started(s) if s.parameters == 15_910));
    let Some(Event::Finished {
        complete: true,
        result,
        ..
    }) = events.last().map(|e| &e.event)
    else {
        panic!("the last line is {}", printed.lines().last().unwrap());
    };
    assert_eq!(epochs(&events), 2);
    let id = place.workspace().ids().remove(0);
    assert_eq!(events, place.events(&id));

    let record = place.record(&id);
    assert_eq!(record.result.as_ref(), Some(&**result));
    assert_eq!(record.history.len(), 2);
    let run = record.run.unwrap();
    assert_eq!(run.status, Status::Finished);
    assert_eq!(run.device, "cpu");
    assert!(!run.backend.is_empty());
    assert_eq!(run.data_sha256.len(), 64);
    assert!(run.threads > 0 && !run.started.is_empty() && !run.finished.is_empty());
    assert!(
        result.test.as_ref().unwrap().accuracy > 0.5,
        "it learned something"
    );

    let runs = place.run(&["runs", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&runs.stdout).unwrap();
    assert_eq!(listed["status"], "finished");
    let shown = text(&place.run(&["show", "last"]).stdout);
    assert!(shown.contains(&id) && shown.contains("15,910"), "{shown}");
    let told = place.run(&["attach", "--plain"]);
    assert_eq!(told.status.code(), Some(0));
    assert!(text(&told.stdout).contains("epoch 2/2"));
    let resumed = place.run(&["resume", &id]);
    assert_eq!(
        resumed.status.code(),
        Some(2),
        "a finished run is not resumed"
    );
}

/// `train.test = false`: the test set is never read, and nothing else of the run is another.
#[test]
fn without_a_test_nothing_tells_of_the_test_set() {
    let place = Place::new();
    let train = |settings: &[&str]| place.run(&train(settings, &["--json"]));
    let tested = train(&["train.epochs=2"]);
    let output = train(&["train.epochs=2", "train.test=false"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let [tested, untested] = [tested, output].map(|output| {
        let first = text(&output.stdout).lines().next().unwrap().to_owned();
        let Event::Started(started) = log::parse_line(&first).unwrap().event else {
            panic!("{first}");
        };
        started
    });
    assert_eq!((tested.test_images, untested.test_images), (500, 0));
    let files = |id: &str| {
        let directory = place.workspace().run_dir(id);
        directory.join(fmtui::metrics::predictions::TEST)
    };
    assert!(files(&tested.run).exists() && !files(&untested.run).exists());
    let [with, without] = [&tested, &untested].map(|started| place.record(&started.run));
    let (of_with, of_without) = (with.result.unwrap(), without.result.clone().unwrap());
    assert!(of_with.test.is_some() && of_without.test.is_none());
    assert_eq!(of_with.validation, of_without.validation);
    assert_eq!(of_with.train, of_without.train);
    assert_eq!(of_with.weights_sha256, of_without.weights_sha256);
    let known = without.accuracy().unwrap();
    let validation = of_without.validation.as_ref().unwrap();
    assert_eq!(known.accuracy, validation.accuracy);
    assert_eq!(
        known.weights,
        fmtui::profile::Weights::Best(of_without.best_epoch)
    );
    for event in place.events(&untested.run) {
        if let Event::Finished { result, .. } = event.event {
            assert_eq!(*result, of_without);
        }
    }

    let shown = text(&place.run(&["show", &untested.run]).stdout);
    assert!(
        shown.contains("no test scores: train.test = false"),
        "{shown}"
    );
    assert!(shown.contains("by the best weights, epoch"), "{shown}");
    let told = text(&place.run(&["attach", "--plain", &untested.run]).stdout);
    assert!(told.contains("200 validation, no test images"), "{told}");
    assert!(
        told.contains("test        no scores: train.test = false"),
        "{told}"
    );
    let compared = text(&place.run(&["compare", &tested.run, &untested.run]).stdout);
    let row = compared
        .lines()
        .find(|line| line.starts_with("test accuracy"));
    assert!(row.unwrap().ends_with("train.test = false"), "{compared}");

    for setting in ["data.validation=0", "data.validation=0.0001"] {
        let refused = train(&[setting, "train.test=false"]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("leave train.test out"), "{said}");
    }
    assert_eq!(place.workspace().ids().len(), 2);
}

#[test]
fn every_screen_sees_everything_and_controls_the_run() {
    let place = Place::new();
    let id = place.start(&[LONG]);
    until("some epochs are done", || epochs(&place.events(&id)) >= 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let workspace = place.workspace();
        let mut first = Connection::open(&workspace, &id).unwrap();
        let mut second = Connection::open(&workspace, &id).unwrap();
        let begin = (first.next().await.unwrap(), second.next().await.unwrap());
        assert_eq!(begin.0, begin.1);
        assert!(matches!(begin.0.event, Event::Started(_)));
        while !(first.is_live() && second.is_live()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        // Real: between Paused and Resumed no step is taken.
        first.send(Ask::Pause).await.unwrap();
        let paused_at = loop {
            if let Event::Paused { step } = second.next().await.unwrap().event {
                break step;
            }
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(last_step(&place.events(&id)).max(paused_at), paused_at);
        second.send(Ask::Continue).await.unwrap();
        loop {
            match first.next().await.unwrap().event {
                Event::Continued { step } => break assert_eq!(step, paused_at),
                Event::Step(step) => assert!(step.step <= paused_at),
                _ => {}
            }
        }

        let refused = first.send(Ask::SetLearningRate { value: -1.0 }).await;
        assert!(refused.unwrap_err().to_string().contains("learning rate"));
        first
            .send(Ask::SetLearningRate { value: 0.0005 })
            .await
            .unwrap();
        first.send(Ask::Stop).await.unwrap();
        let mut told = [Vec::new(), Vec::new()];
        while let Some(event) = first.next().await {
            told[0].push(event);
        }
        while let Some(event) = second.next().await {
            told[1].push(event);
        }
        for told in told {
            assert!(matches!(
                told.last().unwrap().event,
                Event::Finished {
                    complete: false,
                    ..
                }
            ));
        }
        assert!(
            first.send(Ask::Pause).await.is_err(),
            "nobody is there any more"
        );
    });
    place.ends(&id);
    let record = place.record(&id);
    let run = record.run.unwrap();
    assert_eq!(run.status, Status::Stopped);
    let changes: Vec<(&str, f64)> = run
        .interventions
        .iter()
        .map(|i| (i.what.as_str(), i.value))
        .collect();
    assert_eq!(changes[0], ("learning_rate", 0.0005));
    assert_eq!(changes[1].0, "stop");
    assert_eq!(place.run(&["attach", "--plain"]).status.code(), Some(3));

    // A stopped run is replayed with everything that was done to it, up to the step it was stopped at.
    let verified = place.run(&["replay", &id, "--verify"]);
    assert_eq!(
        text(&verified.stdout).trim(),
        "identical",
        "{}",
        text(&verified.stderr)
    );
}

#[test]
fn a_client_reads_every_event_once_also_when_it_comes_late_or_often() {
    let place = Place::new();
    let id = place.start(&["train.epochs=30"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told: Vec<Vec<Stamped>> = runtime.block_on(async {
        let workspace = place.workspace();
        let mut readers = Vec::new();
        for wait in [0, 50, 200, 500, 1000] {
            let (workspace, id) = (workspace.clone(), id.clone());
            readers.push(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                let mut connection = Connection::open(&workspace, &id).unwrap();
                let mut told = Vec::new();
                while let Some(event) = connection.next().await {
                    told.push(event);
                }
                told
            }));
        }
        let mut all = Vec::new();
        for reader in readers {
            all.push(reader.await.unwrap());
        }
        all
    });
    let log = place.events(&id);
    assert!(matches!(
        log.last().unwrap().event,
        Event::Finished { complete: true, .. }
    ));
    for told in told {
        assert_eq!(told, log);
    }
}

#[test]
fn killed_and_resumed_ends_with_the_same_bits() {
    let place = Place::new();
    let settings = ["train.epochs=40", "train.ema=0.99"];
    let whole = place.start(&settings);
    place.ends(&whole);
    let expected = place.record(&whole);

    let id = place.start(&settings);
    for target in [2, 9, 17] {
        until("it is far enough", || {
            epochs(&place.events(&id)) >= target || !place.workspace().is_running(&id)
        });
        signal(place.pid(&id), rustix::process::Signal::KILL);
        place.ends(&id);
        if place.status(&id) == Status::Finished {
            break;
        }
        assert_eq!(place.status(&id), Status::Lost);
        let attached = place.run(&["attach", &id, "--plain"]);
        assert_eq!(attached.status.code(), Some(1), "a lost run is no success");
        // Another version may have begun it.
        let mut begun = place.record(&id);
        begun.run.as_mut().unwrap().version = "0.1.0".into();
        fs::write(place.workspace().profile_path(&id), begun.to_toml()).unwrap();
        let output = place.run(&["resume", &id, "--detach"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    place.ends(&id);
    let record = place.record(&id);
    let run = record.run.as_ref().unwrap();
    assert_eq!(run.status, Status::Finished);
    assert_eq!(run.version, "0.1.0", "the version that began it");
    assert_eq!(place.weights(&id), place.weights(&whole));
    let figures = |p: &Profile| -> Vec<[u64; 4]> {
        p.history
            .iter()
            .map(|e| {
                [
                    e.train_loss,
                    e.train_accuracy,
                    e.held_out_loss,
                    e.held_out_accuracy,
                ]
                .map(f64::to_bits)
            })
            .collect()
    };
    assert_eq!(figures(&record), figures(&expected));
    let told: Vec<usize> = place
        .events(&id)
        .iter()
        .filter_map(|e| match &e.event {
            Event::EpochEnd(end) => Some(end.epoch),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        (1..=40).collect::<Vec<_>>(),
        "the log tells every epoch once"
    );
}

#[test]
fn killed_before_the_first_checkpoint_it_begins_again() {
    let place = Place::new();
    let id = place.start(&["train.epochs=200", "train.checkpoint_every=200"]);
    until("it has begun", || !place.events(&id).is_empty());
    signal(place.pid(&id), rustix::process::Signal::KILL);
    place.ends(&id);
    let output = place.run(&["resume", &id, "--detach"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    until("it is under way again", || epochs(&place.events(&id)) >= 1);
    let starts = place
        .events(&id)
        .iter()
        .filter(|e| matches!(e.event, Event::Started(_)))
        .count();
    assert_eq!(starts, 1);
}

#[test]
fn signals_save_and_end_the_run_in_time() {
    for which in [
        rustix::process::Signal::TERM,
        rustix::process::Signal::QUIT,
        rustix::process::Signal::INT,
        rustix::process::Signal::HUP,
        rustix::process::Signal::USR1,
        rustix::process::Signal::USR2,
        rustix::process::Signal::XCPU,
        rustix::process::Signal::ALARM,
    ] {
        let place = Place::new();
        let id = place.start(&[LONG]);
        until("it has begun", || last_step(&place.events(&id)) > 0);
        let since = Instant::now();
        signal(place.pid(&id), which);
        place.ends(&id);
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "{which:?} took {:?}",
            since.elapsed()
        );
        assert_eq!(place.status(&id), Status::Stopped, "{which:?}");
        let socket = lock::holder(&place.workspace().lock_path(&id))
            .socket
            .unwrap();
        assert!(!socket.exists(), "the socket is cleaned away");
        let resumed = place.run(&["resume", &id, "--detach"]);
        assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
        let stopped = place.run(&["stop", &id]);
        assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
        place.ends(&id);
    }
}

/// The client is told to end by every signal that asks for it; what its starter had switched off stays so.
#[test]
fn a_client_never_says_done_of_a_run_that_goes_on() {
    use rustix::process::Signal;
    let place = Place::new();
    let run = |trap: &str, arguments: &[&str]| {
        let plain = place.command(arguments);
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{trap} exec \"$0\" \"$@\""))
            .arg(plain.get_program())
            .args(plain.get_args())
            .env("HOME", place.dir.path().join("no-home"))
            .env("FMTUI_OFFLINE", "1")
            .env_remove("XDG_RUNTIME_DIR")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let over = |child: Child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let arguments = train(&[LONG], &["--json"]);

    // Its terminal goes away: the run goes on, and that is said.
    let mut left = run("", &arguments);
    read_until_step(&mut left);
    signal(left.id(), Signal::HUP);
    let (code, said) = over(left);
    assert_eq!(code, Some(4), "{said}");
    let id = place.workspace().ids().remove(0);
    assert!(
        said.contains("keeps training") && said.contains(&id),
        "{said}"
    );
    assert!(place.workspace().is_running(&id));
    for sent in [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1] {
        let mut attached = run("", &["attach", &id, "--json"]);
        read_until_step(&mut attached);
        signal(attached.id(), sent);
        assert_eq!(over(attached).0, Some(4), "{sent:?}");
    }
    place.run(&["stop", &id]);
    place.ends(&id);

    // Under nohup it waits, and so does its worker.
    let mut waiting = run("trap '' HUP;", &arguments);
    read_until_step(&mut waiting);
    let mut ids = place.workspace().ids().into_iter();
    let id = ids.find(|other| *other != id).unwrap();
    for pid in [waiting.id(), place.pid(&id)] {
        signal(pid, Signal::HUP);
    }
    let before = last_step(&place.events(&id));
    until("it goes on", || {
        last_step(&place.events(&id)) > before + 200
    });
    assert!(waiting.try_wait().unwrap().is_none());
    signal(waiting.id(), Signal::USR1);
    assert_eq!(over(waiting).0, Some(3));
    assert_eq!(place.status(&id), Status::Stopped);
}

#[test]
fn a_signal_in_the_first_moments_leaves_no_run_behind_unsaid() {
    let place = Place::new();
    for round in 0..24_u32 {
        let known = place.workspace().ids();
        let child = place
            .command(&train(&[LONG], &["--json"]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(8) * round);
        signal(child.id(), rustix::process::Signal::INT);
        let output = child.wait_with_output().unwrap();
        let ids = place.workspace().ids();
        if let Some(id) = ids.iter().find(|id| !known.contains(id)) {
            assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
            assert_eq!(place.status(id), Status::Stopped, "round {round}");
        } else {
            let said = text(&output.stderr);
            let is_told = output.status.code() == Some(3) && said.contains("it was cancelled");
            assert!(
                is_told || matches!(output.status.code(), None | Some(130)),
                "{:?}: {said}",
                output.status
            );
        }
    }
    assert!(!place.workspace().ids().is_empty(), "none was started");
}

#[test]
fn a_printer_whose_pipe_nobody_reads_obeys_signals() {
    use rustix::process::Signal;
    let place = Place::new();
    let hang = |arguments: &[&str]| {
        let child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = || {
            let id = place.workspace().ids().first().cloned();
            let path = id.map(|id| place.workspace().events_path(&id));
            path.and_then(|path| fs::metadata(path).ok())
                .map_or(0, |m| m.len())
        };
        until("there is more than a pipe holds", || log() > 200_000);
        std::thread::sleep(Duration::from_millis(300));
        child
    };
    let ends = |mut child: Child| {
        let since = Instant::now();
        until("it has left", || child.try_wait().unwrap().is_some());
        assert!(since.elapsed() < Duration::from_secs(5));
        child.wait().unwrap().code()
    };
    let training = hang(&train(&[LONG], &["--json"]));
    let id = place.workspace().ids().remove(0);
    for sent in [Signal::INT, Signal::TERM, Signal::HUP] {
        let attached = hang(&["attach", &id, "--json"]);
        signal(attached.id(), sent);
        assert_eq!(ends(attached), Some(4), "{sent:?}");
    }
    signal(training.id(), Signal::TERM);
    assert_eq!(ends(training), Some(3));
    place.ends(&id);
    assert_eq!(place.status(&id), Status::Stopped);
}

#[test]
fn ctrl_c_in_train_stops_the_run_with_exit_code_3() {
    let place = Place::new();
    let mut child = place
        .command(&train(&[LONG], &["--json"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    read_until_step(&mut child);
    signal(child.id(), rustix::process::Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("fmtui resume "));
    let id = place.workspace().ids().remove(0);
    assert_eq!(place.status(&id), Status::Stopped);
}

/// Reads the child's lines until a step was told, and keeps its output open.
fn read_until_step(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.any(|l| l.unwrap().contains("\"event\":\"step\""));
    assert!(found, "the run ended before its first step");
    std::thread::spawn(move || lines.for_each(drop));
}

#[test]
fn a_run_outlives_its_terminal_and_attach_finds_it() {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    let place = Place::new();
    for round in 0..2 {
        let pty = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fmtui"));
        command.env("HOME", place.dir.path().join("no-home"));
        command.env("TERM", "xterm");
        command.cwd(place.dir.path());
        command.arg("--workspace");
        command.arg(place.dir.path());
        if round == 0 {
            command.args(train(&[LONG], &[]));
        } else {
            command.args(["attach", "--plain"]);
        }
        let mut child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let leaving = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&leaving);
        // Something is printed every tenth of a second, so this ends soon after it is told to.
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while !left.load(Ordering::Relaxed) && reader.read(&mut bytes).is_ok_and(|n| n > 0) {}
        });
        until("it is under way", || {
            place
                .workspace()
                .ids()
                .first()
                .is_some_and(|id| last_step(&place.events(id)) > 100)
        });
        let id = place.workspace().ids().remove(0);
        // The last end of the terminal goes with the reading thread's: the kernel hangs up on the screen.
        leaving.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        drop(pty.master);
        let since = Instant::now();
        until("the screen is gone", || child.try_wait().unwrap().is_some());
        assert!(since.elapsed() < Duration::from_secs(2));
        let before = last_step(&place.events(&id));
        until("a hundred steps more", || {
            last_step(&place.events(&id)) >= before + 100
        });
        assert_eq!(place.status(&id), Status::Running);
    }
    let id = place.workspace().ids().remove(0);
    client::send(&place.workspace(), &id, &Ask::Stop).unwrap();
    place.ends(&id);
    let attached = place.run(&["attach", "--json"]);
    assert_eq!(attached.status.code(), Some(3));
    assert_eq!(
        text(&attached.stdout).lines().count(),
        place.events(&id).len()
    );
}

#[test]
fn two_processes_never_own_one_run() {
    let place = Place::new();
    let id = place.start(&[LONG]);
    let second = place.run(&["worker", &id, "--resume"]);
    assert_eq!(second.status.code(), Some(2));
    assert!(
        text(&second.stderr).contains("already being trained by process"),
        "{}",
        text(&second.stderr)
    );
    for command in [["resume", &id], ["delete", &id]] {
        let output = place.run(&command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
    }
    assert_eq!(place.status(&id), Status::Running);
    // Eight killers of eight holders: the next owner is there at once.
    for _ in 0..8 {
        signal(place.pid(&id), rustix::process::Signal::KILL);
        place.ends(&id);
        let since = Instant::now();
        let resumed = place.run(&["resume", &id, "--detach"]);
        assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
        assert!(since.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_replay_of_a_changed_run_is_identical() {
    let place = Place::new();
    let id = place.start(&["train.epochs=60"]);
    until("it is under way", || epochs(&place.events(&id)) >= 1);
    client::send(
        &place.workspace(),
        &id,
        &Ask::SetLearningRate { value: 0.002 },
    )
    .unwrap();
    client::send(&place.workspace(), &id, &Ask::Pause).unwrap();
    client::send(&place.workspace(), &id, &Ask::Continue).unwrap();
    place.ends(&id);
    let run = place.record(&id).run.unwrap();
    assert_eq!(run.interventions.len(), 1);
    let verified = place.run(&["replay", &id, "--verify"]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stdout)
    );
    assert_eq!(text(&verified.stdout).trim(), "identical");

    // A record that says something else is caught, at the epoch where it does.
    let path = place.workspace().profile_path(&id);
    let mut profile = place.record(&id);
    profile.history[3].train_loss += 1e-9;
    fs::write(&path, profile.to_toml()).unwrap();
    let verified = place.run(&["replay", &id, "--verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let said = text(&verified.stdout);
    assert!(said.starts_with("first difference at epoch 4: training loss"));
    assert_eq!(said.lines().count(), 1, "{said}");

    // One of fmtui 0.1 may owe it to that.
    profile.run.as_mut().unwrap().version = "0.1.0".into();
    fs::write(&path, profile.to_toml()).unwrap();
    let said = text(&place.run(&["replay", &id, "--verify"]).stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("first difference at epoch 4: training loss"));
    assert_eq!(
        lines[1..],
        [
            "this run was started by fmtui 0.1, which computed some networks and learning rates wrong (CHANGELOG.md, Wrong results in 0.1)"
        ]
    );
    let json = text(&place.run(&["replay", &id, "--verify", "--json"]).stdout);
    let json: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert!(json["cause"].as_str().unwrap().contains("fmtui 0.1"));
}

#[test]
fn a_paused_run_is_listed_as_paused_and_the_next_one_is_told_of_it() {
    let place = Place::new();
    let id = place.start(&[LONG]);
    until("steps", || last_step(&place.events(&id)) > 0);
    let listed = |json: bool| {
        let arguments: &[&str] = if json { &["runs", "--json"] } else { &["runs"] };
        text(&place.run(arguments).stdout)
    };
    assert!(listed(false).contains("running"));

    assert_eq!(place.run(&["pause", &id]).status.code(), Some(0));
    until("it is paused", || place.status(&id) == Status::Paused);
    assert!(listed(false).contains("paused") && !listed(false).contains("running"));
    let json: serde_json::Value = serde_json::from_str(listed(true).trim()).unwrap();
    assert_eq!(json["status"], "paused");
    assert!(text(&place.run(&["show", &id]).stdout).contains("status        paused"));
    // A paused run has its worker: nobody else may have or delete it.
    assert_eq!(
        place.run(&["resume", &id, "--detach"]).status.code(),
        Some(2)
    );
    assert_ne!(place.run(&["delete", &id]).status.code(), Some(0));
    assert_eq!(place.status(&id), Status::Paused);

    let other = place.run(&train(&["train.epochs=1"], &["--detach"]));
    assert_eq!(other.status.code(), Some(0));
    let said = text(&other.stderr);
    assert!(said.contains(&format!("{id} is paused")), "{said}");
    place.ends(text(&other.stdout).trim());

    client::send(&place.workspace(), &id, &Ask::Continue).unwrap();
    until("it goes on", || place.status(&id) == Status::Running);
    let third = place.run(&train(&["train.epochs=1"], &["--detach"]));
    let said = text(&third.stderr);
    assert!(said.contains(&format!("{id} is also running")), "{said}");
    place.ends(text(&third.stdout).trim());

    // Killed while paused it is lost, and goes on from where it was saved.
    client::send(&place.workspace(), &id, &Ask::Pause).unwrap();
    until("it is paused", || place.status(&id) == Status::Paused);
    signal(place.pid(&id), rustix::process::Signal::KILL);
    until("it is lost", || place.status(&id) == Status::Lost);
    let resumed = place.run(&["resume", &id, "--detach"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
    until("it runs again", || place.status(&id) == Status::Running);

    // A paused run can be stopped.
    until("steps", || last_step(&place.events(&id)) > 0);
    client::send(&place.workspace(), &id, &Ask::Pause).unwrap();
    until("it is paused", || place.status(&id) == Status::Paused);
    client::send(&place.workspace(), &id, &Ask::Stop).unwrap();
    place.ends(&id);
    assert_eq!(place.status(&id), Status::Stopped);
}

#[test]
fn a_stop_wins_over_a_pause_from_another_terminal() {
    let place = Place::new();
    for _ in 0..4 {
        let id = place.start(&[LONG]);
        until("steps", || last_step(&place.events(&id)) > 0);
        assert_eq!(place.run(&["stop", &id]).status.code(), Some(0));
        // The worker may be gone by now, which is as good.
        place.run(&["pause", &id]);
        place.ends(&id);
        assert_eq!(place.status(&id), Status::Stopped);
    }
}

#[test]
fn what_is_asked_while_paused_is_done_while_paused() {
    let place = Place::new();
    let id = place.start(&[LONG, "train.optimizer.learning_rate=1e-3"]);
    until("steps", || last_step(&place.events(&id)) > 0);
    let ask = |command: &Ask| client::send(&place.workspace(), &id, command).unwrap();
    ask(&Ask::Pause);
    until("it is paused", || place.status(&id) == Status::Paused);
    let is_paused_at = |e: &Stamped| match e.event {
        Event::Paused { step } => Some(step),
        _ => None,
    };
    // The record says it before the log does.
    let paused_at = || place.events(&id).iter().find_map(is_paused_at);
    until("it is told", || paused_at().is_some());
    let step = paused_at().unwrap();
    for up in [true, true, true, false] {
        ask(&Ask::StepLearningRate { up });
    }
    ask(&Ask::SaveCheckpoint);
    // A checkpoint of this very step may lie there from before the pause: what counts is the one after the changes.
    let is_saved = || {
        let events = place.events(&id);
        let is_change = |e: &&Stamped| matches!(e.event, Event::Changed { .. });
        let after_the_pause = events
            .iter()
            .skip_while(|e| is_paused_at(e).is_none())
            .collect::<Vec<_>>();
        let changes = after_the_pause.iter().filter(|e| is_change(e)).count();
        let last = after_the_pause.iter().rposition(is_change);
        changes == 4
            && after_the_pause[last.unwrap()..]
                .iter()
                .any(|e| matches!(e.event, Event::CheckpointSaved { .. }))
    };
    until("the changes and a checkpoint after them are told", is_saved);
    assert_eq!(place.status(&id), Status::Paused);
    let told: Vec<f64> = place
        .events(&id)
        .iter()
        .filter_map(|e| match e.event {
            Event::Changed { to, .. } => Some(to),
            _ => None,
        })
        .collect();
    assert_eq!(told, [2e-3, 5e-3, 1e-2, 5e-3]);

    // Killed now, nothing of it is lost.
    signal(place.pid(&id), rustix::process::Signal::KILL);
    until("it is lost", || place.status(&id) == Status::Lost);
    let resumed = place.run(&["resume", &id, "--detach"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
    let goes_on = |e: &Stamped| matches!(e.event, Event::Step(s) if s.step > step);
    until("it goes on", || place.events(&id).iter().any(goes_on));
    let events = place.events(&id);
    let rate = events.iter().find_map(|e| match e.event {
        Event::Step(s) if s.step > step => Some(s.learning_rate),
        _ => None,
    });
    assert!((rate.unwrap() / 5e-3 - 1.0).abs() < 1e-12);
    client::send(&place.workspace(), &id, &Ask::Stop).unwrap();
    place.ends(&id);
    let kept: Vec<(u64, f64)> = place
        .record(&id)
        .run
        .unwrap()
        .interventions
        .iter()
        .filter(|i| i.what == "learning_rate")
        .map(|i| (i.step, i.value))
        .collect();
    assert_eq!(kept, [(step, 5e-3)]);
}

#[test]
fn a_recorded_run_is_trained_again_from_its_file_elsewhere() {
    let here = Place::new();
    let id = here.start(&["train.epochs=3"]);
    here.ends(&id);
    let file: PathBuf = here.workspace().profile_path(&id);
    let there = Place::new();
    let output = there.run(&["train", file.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let again = there.workspace().ids().remove(0);
    assert_ne!(again, id);
    assert_eq!(there.weights(&again), here.weights(&id));
}

#[test]
fn a_failing_run_says_why_and_how_to_help_it() {
    let place = Place::new();
    let output = place.run(&train(
        &[
            "train.optimizer.kind=sgd",
            "train.optimizer.learning_rate=1000",
            "train.loss=mse",
            "train.epochs=5",
        ],
        &["--json"],
    ));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let last = text(&output.stdout);
    let last = log::parse_line(last.lines().last().unwrap()).unwrap();
    let Event::Failed { message, remedy } = last.event else {
        panic!("{last:?}");
    };
    assert!(message.contains("step"), "{message}");
    assert!(remedy.contains("learning_rate"), "{remedy}");
    let id = place.workspace().ids().remove(0);
    assert_eq!(place.status(&id), Status::Failed);
    assert!(place.record(&id).run.unwrap().error.contains("step"));
}

#[test]
fn the_socket_is_nobody_elses() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let id = place.start(&[LONG]);
    let socket = lock::holder(&place.workspace().lock_path(&id))
        .socket
        .unwrap();
    let mode = |p: &Path| fs::metadata(p).unwrap().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
}

/// A small disk in the place of a directory; none where this user may mount none.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=90m", "fmtui-test"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|s| s.success()).then_some(Self(at))
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![1; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn on_a_full_disk_a_run_waits_and_says_so_and_can_be_stopped_with_its_state() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.dir.path()) else {
        return skipped("no small disk can be mounted here");
    };
    let outside = tempfile::tempdir().unwrap();
    let id = place.start(&[LONG]);
    until("an epoch is over", || epochs(&place.events(&id)) >= 1);
    let printed = outside.path().join("printed");
    let mut watching = place
        .command(&["attach", &id, "--json"])
        .stdout(fs::File::create(&printed).unwrap())
        .spawn()
        .unwrap();

    disk.fill();
    until("it waits", || place.status(&id) == Status::Waiting);
    for arguments in [vec!["runs"], vec!["show", &id]] {
        let said = text(&place.run(&arguments).stdout);
        assert!(said.contains("waiting: disk full"), "{said}");
    }
    // One that comes now hears of it too.
    let mut late = place
        .command(&["attach", &id, "--plain"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(late.stdout.take().unwrap()).lines();
    assert!(lines.any(|l| l.unwrap().contains(": disk full")));
    late.kill().unwrap();
    late.wait().unwrap();

    disk.free();
    let before = epochs(&place.events(&id));
    assert_eq!(place.run(&["continue", &id]).status.code(), Some(0));
    until("it goes on", || epochs(&place.events(&id)) > before + 1);
    assert_eq!(place.status(&id), Status::Running);
    let waited = |events: &[Stamped]| {
        let waits = events
            .iter()
            .filter(|e| matches!(e.event, Event::Waiting { .. }));
        waits.count()
    };
    assert_eq!(
        waited(&place.events(&id)),
        1,
        "the log lacks what was told meanwhile"
    );

    disk.fill();
    until("it waits", || place.status(&id) == Status::Waiting);
    assert_eq!(place.run(&["stop", &id]).status.code(), Some(0));
    place.ends(&id);
    assert_eq!(place.status(&id), Status::Stopped);
    // With the state of the very step at which it waited.
    let waited_at = |e: &Stamped| match e.event {
        Event::Waiting { step, .. } => Some(step),
        _ => None,
    };
    let step = place.events(&id).iter().rev().find_map(waited_at).unwrap();
    let saved = checkpoint::newest_progress(&place.workspace().run_dir(&id)).unwrap();
    assert_eq!(saved.step, step);
    assert_eq!(watching.wait().unwrap().code(), Some(3));
    let attached = place.run(&["attach", &id, "--json"]);
    assert_eq!(
        attached.status.code(),
        Some(3),
        "{}",
        text(&attached.stderr)
    );

    // Whoever watched saw every epoch once, and so does the log.
    let watched = fs::read_to_string(&printed).unwrap();
    let watched: Vec<Stamped> = watched
        .lines()
        .map(|l| log::parse_line(l).unwrap())
        .collect();
    for events in [watched, place.events(&id)] {
        let seen: Vec<usize> = events
            .iter()
            .filter_map(|e| match &e.event {
                Event::EpochEnd(end) => Some(end.epoch),
                _ => None,
            })
            .collect();
        assert_eq!(seen, (1..=seen.len()).collect::<Vec<_>>());
        assert!(seen.len() > before);
        let starts = events
            .iter()
            .filter(|e| matches!(e.event, Event::Started(_)));
        assert_eq!(starts.count(), 1);
    }
    disk.free();
    let stopped_at = place.events(&id);
    let resumed = place.run(&["resume", &id, "--detach"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
    until("it goes on", || {
        epochs(&place.events(&id)) > epochs(&stopped_at)
    });
    place.run(&["stop", &id]);
    place.ends(&id);
}

#[test]
fn the_clients_of_a_run_are_bounded_and_the_others_follow_its_log() {
    use std::os::unix::net::UnixStream;
    let place = Place::new();
    let id = place.start(&[LONG]);
    let socket = lock::holder(&place.workspace().lock_path(&id))
        .socket
        .unwrap();
    let idle: Vec<UnixStream> = (0..300)
        .filter_map(|_| UnixStream::connect(&socket).ok())
        .collect();
    let turned_away = idle
        .iter()
        .filter(|stream| {
            let mut line = String::new();
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            BufReader::new(*stream).read_line(&mut line).unwrap();
            line.contains("dropped")
        })
        .count();
    assert!(
        turned_away >= idle.len() - 64,
        "{turned_away} of {}",
        idle.len()
    );
    let mut attached = place
        .command(&["attach", &id, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(attached.stdout.take().unwrap()).lines();
    assert!(lines.any(|l| l.unwrap().contains("follows the log")));
    assert!(lines.any(|l| l.unwrap().contains("\"event\":\"epoch-end\"")));
    attached.kill().unwrap();
    attached.wait().unwrap();
    drop(idle);
    assert_eq!(place.run(&["stop", &id]).status.code(), Some(0));
    place.ends(&id);
    assert_eq!(place.status(&id), Status::Stopped);
}

/// What a log-out may do: the directory with the socket is gone.
/// A worker of a later protocol, which says what it is asked until it is asked to stop.
fn later_worker(listener: &std::os::unix::net::UnixListener, run: &str) -> Vec<String> {
    let mut asked = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let hello = format!(
            "{{\"hello\":{{\"format\":99,\"run\":\"{run}\",\"pid\":1,\"log_length\":0,\"mood\":\"fine\"}}}}\n"
        );
        // A client that only looked is gone already.
        if stream.write_all(hello.as_bytes()).is_err() {
            continue;
        }
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let Ok(line) = line else { break };
            asked.push(line);
            let _ = stream.write_all(b"{\"reply\":{\"ok\":true}}\n");
        }
        if !asked.is_empty() {
            break;
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_a_later_fmtui_can_be_watched_and_stopped_and_nothing_else() {
    let place = Place::new();
    let workspace = place.workspace();
    let id = workspace.create(&Profile::new("lenet5")).unwrap();
    let socket = place.dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut owned = lock::RunLock::acquire(&workspace.lock_path(&id), &id).unwrap();
    owned
        .describe(&lock::Holder {
            pid: std::process::id(),
            host: lock::host_name(),
            socket: Some(socket),
            kills: None,
        })
        .unwrap();
    let run = id.clone();
    let worker = std::thread::spawn(move || later_worker(&listener, &run));

    let mut connection = Connection::open(&workspace, &id).unwrap();
    let event = connection.next().await.unwrap().event;
    assert!(
        matches!(&event, Event::Warning { message } if message.contains("another version of fmtui")),
        "{event:?}"
    );
    let refused = connection.send(Ask::Pause).await.unwrap_err().to_string();
    assert!(refused.contains("another version of fmtui"), "{refused}");
    drop(connection);
    let ask = |command| {
        let (workspace, id) = (workspace.clone(), id.clone());
        tokio::task::spawn_blocking(move || client::send(&workspace, &id, &command))
    };
    let refused = ask(Ask::Continue).await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("another version of fmtui"), "{refused}");
    ask(Ask::Stop).await.unwrap().unwrap();
    assert_eq!(worker.join().unwrap(), ["{\"command\":\"stop\"}"]);
}

/// **Units** bytes that a process has written so far; `None` where it is gone, or the system does not tell.
fn written(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "))?;
    line.parse().ok()
}

/// The most that is seen of what a run's worker writes, until it is gone or has written as much as `until`.
fn watch_writing(place: &Place, id: &str, until: u64) -> u64 {
    let path = place.workspace().lock_path(id);
    let pid = lock::holder(&path).pid;
    let mut most = 0;
    while lock::is_held(&path) {
        most = written(pid).unwrap_or(most).max(most);
        if most >= until {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    most
}

/// Forty thousand epochs of one step.
#[test]
fn a_run_of_very_many_epochs_writes_little_and_is_shown_resumed_and_compared() {
    const EPOCHS: usize = 40_000;
    let place = Place::new();
    let recipe = place.dir.path().join("long.toml");
    let text = r#"
        name = "long"
        [data]
        name = "fashion-mnist-mini"
        per_class = 4
        validation = 40
        [model]
        architecture = "custom"
        layers = [
            { kind = "max-pool2d", kernel_size = 7 },
            { kind = "flatten" },
            { kind = "linear", out_features = 10 },
        ]
        [train]
        epochs = 40_000
        batch_size = 40
        threads = 1
    "#;
    fs::write(&recipe, text).unwrap();
    let recipe = recipe.to_str().unwrap();
    let first = place.run(&["train", recipe, "--detach"]);
    assert_eq!(
        first.status.code(),
        Some(0),
        "{}",
        self::text(&first.stderr)
    );
    let id: String = self::text(&first.stdout).trim().into();
    let mut total = watch_writing(&place, &id, 10 << 20);
    // While it goes on its epochs are in its log alone, and are shown from there.
    assert!(place.record(&id).history.is_empty());
    let shown = self::text(&place.run(&["show", &id]).stdout);
    assert!(shown.lines().count() > 1000, "{shown}");
    assert_eq!(place.run(&["stop", &id]).status.code(), Some(0));
    total = total.max(watch_writing(&place, &id, u64::MAX));
    let stopped = place.record(&id);
    assert_eq!(stopped.run.as_ref().unwrap().status, Status::Stopped);
    assert!((1000..=5000).contains(&stopped.history.len()));

    let resumed = place.run(&["resume", &id, "--detach"]);
    assert_eq!(
        resumed.status.code(),
        Some(0),
        "{}",
        self::text(&resumed.stderr)
    );
    total += watch_writing(&place, &id, u64::MAX);
    let record = place.record(&id);
    assert_eq!(record.run.as_ref().unwrap().status, Status::Finished);
    let best = record.result.as_ref().unwrap().best_epoch;
    let has = |epoch| record.history.iter().any(|e| e.epoch == epoch);
    assert!(record.history.len() <= 5000 && has(1) && has(best) && has(EPOCHS));
    let files = [
        place.workspace().profile_path(&id),
        place.workspace().events_path(&id),
    ];
    let kept: u64 = files
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    let most = 50_000_000;
    assert!(
        kept <= most && total <= most,
        "{kept} bytes kept, {total} written"
    );
    if total == 0 {
        skipped("this system does not tell how much a process has written");
    }

    let shown = self::text(&place.run(&["show", &id]).stdout);
    assert!(shown.contains(&format!("best epoch    {best}")), "{best}");
    let listed = self::text(&place.run(&["runs"]).stdout);
    assert!(listed.contains("40000/40000"), "{listed}");
    let other = place.run(&["train", recipe, "--set", "train.epochs=3"]);
    assert_eq!(other.status.code(), Some(0));
    let compared = self::text(&place.run(&["compare", &id, "last"]).stdout);
    assert!(compared.contains("40,000"), "{compared}");
}

#[test]
fn a_run_whose_socket_was_taken_away_is_still_controlled() {
    let place = Place::new();
    let id = place.start(&[LONG]);
    until("it has begun", || last_step(&place.events(&id)) > 0);
    let comm = fs::read_to_string(format!("/proc/{}/comm", place.pid(&id)));
    if let Ok(comm) = comm {
        assert_eq!(comm.trim(), "fmtui");
    }
    let socket = lock::holder(&place.workspace().lock_path(&id))
        .socket
        .unwrap();
    fs::remove_file(&socket).unwrap();
    for (asked, status) in [("pause", Status::Paused), ("continue", Status::Running)] {
        let output = place.run(&[asked, &id]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        until(asked, || place.status(&id) == status);
    }
    // A screen's way.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut connection = Connection::open(&place.workspace(), &id).unwrap();
        assert!(connection.next().await.is_some());
        connection.send(Ask::Pause).await.unwrap();
        assert!(connection.is_live());
    });
    until("it is paused", || place.status(&id) == Status::Paused);
    let mut client = place
        .command(&["resume", &id])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(2));
    assert_eq!(place.run(&["stop", &id]).status.code(), Some(0));
    place.ends(&id);
    assert_eq!(place.status(&id), Status::Stopped);
}

/// Within a fifth of the most that a run then takes.
#[test]
#[ignore = "trains large networks: only in an optimised build"]
fn the_memory_that_a_run_takes_is_foreseen() {
    for (preset, batch, per_class) in [
        ("lenet5", 2000, 0),
        ("modern-lenet", 1000, 0),
        ("improved-cnn", 100, 0),
        ("resnet20-cifar-scratch", 50, 40),
        ("vgg11-bn-scratch", 8, 8),
    ] {
        let place = Place::new();
        let batch = format!("train.batch_size={batch}");
        let per_class = format!("data.per_class={per_class}");
        let mut arguments = vec!["train", preset];
        let settings = [
            "data.name=fashion-mnist-mini",
            "data.split=standard",
            "data.validation=0",
            "train.early_stop.patience=0",
            "train.early_stop.monitor=train-loss",
            "train.epochs=1",
            &batch,
            &per_class,
        ];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = place.run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let id = place.workspace().resolve("last").unwrap();
        let record = place.record(&id);
        let taken = record.result.as_ref().unwrap().peak_memory_bytes;
        let batch_size = record.train.batch_size;
        let network = Network::read(
            &place.workspace(),
            record,
            true,
            &mut |_| {},
            &AtomicBool::new(false),
        )
        .unwrap();
        let foreseen = network.needed_memory(batch_size).unwrap();
        let ratio = foreseen as f64 / taken as f64;
        eprintln!("{preset}: foreseen {foreseen}, taken {taken}: {ratio:.2}");
        assert!(
            (0.8..=1.2).contains(&ratio),
            "{preset}: {foreseen} for {taken}"
        );
    }
}

#[test]
fn a_run_that_memory_is_too_small_for_is_not_begun() {
    let place = Place::new();
    let limited = |more: &[&str]| {
        let mut arguments = vec!["train", "improved-cnn"];
        let settings = [
            "data.name=fashion-mnist-mini",
            "data.split=standard",
            "data.validation=0",
            "train.early_stop.monitor=train-loss",
            "train.batch_size=2000",
        ];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        arguments.extend(more);
        let plain = place.command(&arguments);
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -v 1500000; exec \"$0\" \"$@\""])
            .arg(plain.get_program())
            .args(plain.get_args())
            .env("HOME", place.dir.path().join("no-home"))
            .env("FMTUI_OFFLINE", "1")
            .env_remove("XDG_RUNTIME_DIR");
        command.output().unwrap()
    };
    let output = limited(&[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("needs about") && said.contains("train.batch_size = "),
        "{said}"
    );
    assert!(said.contains("--force"), "{said}");
    assert!(place.workspace().ids().is_empty());
    // Forced, it fails with the size that it did not get.
    let output = limited(&["--force"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("memory"), "{said}");
}

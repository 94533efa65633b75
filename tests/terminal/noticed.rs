//! What a terminal is told so that somebody who looks elsewhere notices: to the byte, in a real pseudo-terminal.

use std::time::SystemTime;

use super::*;

/// A terminal that is known, so that all is told that is not switched off.
const KNOWN: (&str, &str) = ("TERM_PROGRAM", "WezTerm");

const ALL_OFF: &str = "[terminal]\nquery = false\n[notify]\nbell = false\ndesktop = \"none\"\ntitle = false\nprogress = false\nafter = 0\n";

fn settings(home: &Path, content: &str) {
    let directory = home.join(".config/fmtui");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.toml"), content).unwrap();
}

/// The arguments that train a small network on the built-in images.
fn train(epochs: u32, more: &[&str]) -> Vec<String> {
    let epochs = format!("train.epochs={epochs}");
    let set = ["train", "mlp-20", "--set", "data.name=fashion-mnist-mini"];
    let rest = ["--set", &epochs, "--set", "train.early_stop.patience=0"];
    let all = set.iter().chain(&rest).chain(more);
    all.map(|argument| (*argument).to_owned()).collect()
}

/// A run that was paused soon after its start.
fn paused(home: &Path, epochs: u32) -> String {
    let arguments = train(epochs, &["--detach"]);
    let id = fmtui(
        home,
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    fmtui(home, &["pause", &id]);
    id
}

/// Nothing of a title or of progress is left: what was set last took it away.
fn assert_taken_back(bytes: &str) {
    let last = |what: &str| bytes.rfind(what).unwrap_or_else(|| panic!("no {what:?}"));
    assert_eq!(last("\x1b]9;4;"), last("\x1b]9;4;0;0\x07"));
    assert_eq!(last("\x1b]0;"), last("\x1b]0;\x07"));
    assert!(last("\x1b[23;0t") > last("\x1b]0;\x07"));
    assert_eq!(
        bytes.matches("\x1b[22;0t").count(),
        bytes.matches("\x1b[23;0t").count()
    );
}

#[test]
fn a_run_that_finishes_is_noticed_and_the_terminal_is_given_back() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), "[notify]\nafter = 0\n");
    // Long enough to be seen going on, which takes fewer epochs without optimisation.
    let id = paused(home.path(), if cfg!(debug_assertions) { 5 } else { 300 });
    let mut terminal = Terminal::open_with(home.path(), &["attach", &id], (24, 80), KNOWN);
    terminal.wait_for("mlp-20 · paused");
    let told = |what: &str| {
        let start = Instant::now();
        while !terminal.bytes().contains(what) {
            assert!(start.elapsed() < Duration::from_secs(20), "no {what:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    told("\x1b]9;4;4;");
    told("\x1b]0;fmtui · mlp-20 paused ");
    fmtui(home.path(), &["continue", &id]);
    told("\x1b]9;4;1;");
    terminal.wait_for("● mlp-20 finished: ");
    let bytes = terminal.bytes();
    let (_, alert) = bytes
        .split_once("\x1b]777;notify;fmtui: mlp-20 finished;")
        .unwrap();
    let (accuracy, behind) = alert.split_once('\x07').unwrap();
    assert!(accuracy.ends_with(" % on the test set"), "{accuracy:?}");
    assert!(behind.starts_with('\x07'), "the bell rings");
    assert_eq!(bytes.matches("\x1b]777;").count(), 1);
    assert!(!bytes.contains("\x1b]9;fmtui") && !bytes.contains("\x1b]99;"));

    // It stays until it is dismissed, and takes nothing else away.
    terminal.press("6");
    terminal.wait_for("▸Runs");
    terminal.press("\x1b");
    terminal.wait_until("the news are dismissed", |s| !s.contains("●"));
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    terminal.assert_restored();
    assert_taken_back(&terminal.bytes());
}

#[test]
fn a_signal_takes_title_and_progress_back_too() {
    let home = tempfile::tempdir().unwrap();
    let id = paused(home.path(), 100_000);
    let mut terminal = Terminal::open_with(home.path(), &["attach", &id], (24, 80), KNOWN);
    terminal.wait_for("mlp-20 · paused");
    signal(
        terminal.child.process_id().unwrap(),
        rustix::process::Signal::TERM,
    );
    terminal.ends_within(10);
    terminal.assert_restored();
    assert_taken_back(&terminal.bytes());
    fmtui(home.path(), &["stop", &id]);
}

#[test]
fn nothing_is_told_that_is_switched_off() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), ALL_OFF);
    let id = paused(home.path(), 3);
    let mut terminal = Terminal::open_with(home.path(), &["attach", &id], (24, 80), KNOWN);
    terminal.wait_for("mlp-20 · paused");
    fmtui(home.path(), &["continue", &id]);
    // On the screen it is said all the same.
    terminal.wait_for("● mlp-20 finished: ");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    std::thread::sleep(Duration::from_millis(200));
    let bytes = terminal.bytes();
    for sequence in ["\x07", "\x1b]", "\x1b[22;0t", "\x1b[23;0t"] {
        assert!(!bytes.contains(sequence), "{sequence:?}");
    }
}

#[test]
fn a_stop_that_was_asked_for_here_is_no_news_and_one_from_elsewhere_is() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), "[notify]\nafter = 0\n");
    let [here, elsewhere] = [0; 2].map(|_| paused(home.path(), 100_000));
    let mut terminal = Terminal::open_with(home.path(), &["attach", &here], (24, 100), KNOWN);
    terminal.wait_for("mlp-20 · paused");
    terminal.wait_for("+ mlp-20 paused");
    terminal.press("x");
    terminal.wait_for("stop the run");
    terminal.press("\r");
    terminal.wait_for("· stopped");
    // Whoever is not shown ends after that.
    terminal.wait_until("one is left", |s| s.contains("stopped  + mlp-20 paused"));
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!terminal.bytes().contains("\x1b]777;"));
    fmtui(home.path(), &["stop", &elsewhere]);
    terminal.wait_for("● mlp-20 stopped: ");
    terminal.wait_for("resume it with: fmtui resume");
    let alert = "\x1b]777;notify;fmtui: mlp-20 stopped;";
    assert_eq!(terminal.bytes().matches(alert).count(), 1);
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
}

#[test]
fn what_ended_meanwhile_is_told_on_coming_back_and_once() {
    let home = tempfile::tempdir().unwrap();
    // Somebody has looked before there was a run.
    std::fs::create_dir_all(home.path().join("workspace")).unwrap();
    let open = || Terminal::open_with(home.path(), &[], (24, 80), KNOWN);
    let mut terminal = open();
    terminal.wait_for("▸Data");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    let seen = home.path().join("workspace/seen");
    let before = std::fs::metadata(&seen).unwrap().modified().unwrap();
    assert!(before.elapsed().unwrap() < Duration::from_mins(1));

    let run = |more: &[&str]| {
        let arguments = train(1, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let id = fmtui(home.path(), &[&arguments[..], &["--detach"]].concat());
        let attached = Terminal::open(home.path(), &["attach", "--json", &id], 24, 80);
        let mut attached = attached;
        attached.ends_within(60);
    };
    run(&[]);
    run(&["--set", "name=second"]);
    run(&[
        "--set",
        "train.optimizer.kind=sgd",
        "--set",
        "train.optimizer.learning_rate=1000",
        "--set",
        "name=steep",
    ]);
    let mut terminal = open();
    terminal.wait_for("● While you were away: 2 finished, 1 diverged at step");
    terminal.wait_for("best ");
    terminal.press("\x1b");
    terminal.wait_until("it is dismissed", |s| !s.contains("●"));
    assert!(!terminal.bytes().contains("\x1b]777;"), "that is no news");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    let after = std::fs::metadata(&seen).unwrap().modified().unwrap();
    assert!(after > before && after <= SystemTime::now());

    let mut terminal = open();
    terminal.wait_for("▸Data");
    terminal.press("6");
    terminal.wait_for("second");
    assert!(!terminal.contents().contains("away"));
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);

    // Without a screen the same is a line, once.
    std::fs::write(&seen, "2026-01-01T00:00:00.000Z\n").unwrap();
    for is_told in [true, false] {
        let mut attached = Terminal::open(home.path(), &["attach", "--plain"], 24, 100);
        attached.ends_within(60);
        std::thread::sleep(Duration::from_millis(200));
        let said = attached.bytes();
        assert_eq!(
            said.contains("while you were away: 2 finished"),
            is_told,
            "{said}"
        );
    }
}

#[test]
fn a_run_without_a_screen_tells_its_terminal_too() {
    let home = tempfile::tempdir().unwrap();
    let end = "\x1b]777;notify;fmtui: mlp-20 finished;";
    let bytes = |more: &[&str]| {
        let arguments = train(1, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut terminal = Terminal::open_with(home.path(), &arguments, (24, 80), KNOWN);
        assert_eq!(terminal.ends_within(60), 0);
        std::thread::sleep(Duration::from_millis(200));
        terminal.bytes()
    };
    // Whoever started so short a run still looks.
    let short = bytes(&[]);
    assert!(short.contains("\x1b]9;4;1;"), "{short:?}");
    assert_eq!(short.rfind("\x1b]9;4;"), short.rfind("\x1b]9;4;0;0\x07"));
    assert!(!short.contains("\x1b]777;"));

    settings(home.path(), "[notify]\nafter = 0\nsound = true\n");
    let rung = bytes(&[]);
    assert_eq!(rung.matches(end).count(), 1, "{rung:?}");
    assert!(rung.contains("\x07\x07"), "the bell rings");
    assert!(rung.contains("config.toml: notify.sound is not known"));
    let json = bytes(&["--json"]);
    assert!(
        !json.contains('\x07') && !json.contains("\x1b]"),
        "{json:?}"
    );

    settings(home.path(), ALL_OFF);
    let silent = bytes(&[]);
    assert!(!silent.contains('\x07') && !silent.contains("\x1b]"));
}

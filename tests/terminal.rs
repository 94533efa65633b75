//! The screens in a real pseudo-terminal: what is drawn, what is restored, and what goes on without them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking and compare exact numbers"
)]
#![cfg(feature = "tui")]

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

#[path = "support/hub_server.rs"]
#[allow(dead_code, reason = "the hub's own tests need more of it")]
mod hub_server;

#[path = "terminal/noticed.rs"]
mod noticed;

use hub_server::{Fault, Server};

/// fmtui on a terminal that remembers both its screen and every byte.
struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    /// The reading thread shall let go of the terminal.
    closing: Arc<AtomicBool>,
}

impl Terminal {
    fn open(home: &Path, arguments: &[&str], rows: u16, cols: u16) -> Self {
        Self::open_with(home, arguments, (rows, cols), ("FMTUI_OFFLINE", "1"))
    }

    fn open_with(
        home: &Path,
        arguments: &[&str],
        size: (u16, u16),
        variable: (&str, &str),
    ) -> Self {
        let program = env!("CARGO_BIN_EXE_fmtui");
        Self::open_command(home, program, arguments, size, variable)
    }

    fn open_command(
        home: &Path,
        program: &str,
        arguments: &[&str],
        (rows, cols): (u16, u16),
        (variable, value): (&str, &str),
    ) -> Self {
        let pty = native_pty_system().openpty(size(rows, cols)).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        command.env("HOME", home);
        command.env("FMTUI_HOME", home.join("workspace"));
        command.env("XDG_RUNTIME_DIR", home);
        command.env("PATH", "/usr/bin:/bin");
        command.env("LANG", "C.UTF-8");
        command.env("TERM", "xterm-256color");
        command.env(variable, value);
        command.cwd(home);
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let screen = Arc::new(Mutex::new((
            vt100::Parser::new(least_one(rows), least_one(cols), 0),
            Vec::new(),
        )));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        let closing = Arc::new(AtomicBool::new(false));
        let close = Arc::clone(&closing);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                let mut screen = shown.lock().unwrap();
                screen.0.process(&bytes[..n]);
                screen.1.extend_from_slice(&bytes[..n]);
                if close.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let writer = pty.master.take_writer().unwrap();
        Self {
            master: Some(pty.master),
            writer: Some(writer),
            child,
            screen,
            closing,
        }
    }

    fn press(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        self.screen
            .lock()
            .unwrap()
            .0
            .screen_mut()
            .set_size(least_one(rows), least_one(cols));
        self.master
            .as_ref()
            .unwrap()
            .resize(size(rows, cols))
            .unwrap();
    }

    /// Closes this end of the terminal: all of it, the reading thread's share too, which a last frame wakes.
    fn hang_up(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.resize(25, 81);
        self.writer = None;
        self.master = None;
    }

    fn contents(&self) -> String {
        self.screen.lock().unwrap().0.screen().contents()
    }

    fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap().1).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        self.wait_until(text, |s| s.contains(text));
    }

    #[track_caller]
    fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !holds(&self.contents()) {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "waited for {what:?}; the screen shows:\n{}",
                self.contents()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The exit code, once it has ended, within so many seconds.
    #[track_caller]
    fn ends_within(&mut self, seconds: u64) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(
                start.elapsed() < Duration::from_secs(seconds),
                "still there"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn assert_restored(&self) {
        // The last bytes may still be on their way to the reading thread.
        std::thread::sleep(Duration::from_millis(200));
        let bytes = self.bytes();
        for (mode, on, off) in [
            ("alternate screen", "\x1b[?1049h", "\x1b[?1049l"),
            ("bracketed paste", "\x1b[?2004h", "\x1b[?2004l"),
            ("mouse", "\x1b[?1000h", "\x1b[?1000l"),
            ("cursor", "\x1b[?25l", "\x1b[?25h"),
            ("synchronised update", "\x1b[?2026h", "\x1b[?2026l"),
            ("title", "\x1b[22;0t", "\x1b[23;0t"),
        ] {
            let (on, off) = (bytes.rfind(on), bytes.rfind(off));
            assert!(on.is_some() && off > on, "{mode} was not restored");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

/// vt100's screen cannot be empty; the pseudo-terminal can.
fn least_one(side: u16) -> NonZero<u16> {
    NonZero::new(side).unwrap_or(NonZero::<u16>::MIN)
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn it_opens_turns_to_every_tab_and_leaves_the_terminal_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("▸Data");
    for (key, tab) in [
        ("2", "▸Model"),
        ("3", "▸Train"),
        ("4", "▸Metrics"),
        ("5", "▸Confusion"),
        ("6", "▸Runs"),
    ] {
        terminal.press(key);
        terminal.wait_for(tab);
    }
    terminal.wait_for("built-in example, read-only");
    terminal.press("?");
    terminal.wait_for("type to search");
    terminal.press("suspend");
    terminal.wait_for("suspend; fg returns");
    // Esc waits in the terminal for what could follow it; backspace closes an empty search as well.
    terminal.press("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f");
    terminal.wait_until("the help closed", |s| !s.contains("keys ─"));
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    terminal.assert_restored();
}

#[test]
fn a_run_goes_on_without_its_screen_and_is_controlled_from_the_next() {
    let home = tempfile::tempdir().unwrap();
    let mut first = Terminal::open(home.path(), &[], 24, 80);
    first.wait_for("▸Data");
    first.press("3");
    first.wait_for("Press t to train lenet5 on fashion-mnist-mini.");
    first.press("t");
    first.wait_for("· running");
    first.wait_for("images/s");
    first.press("q");
    assert_eq!(first.ends_within(10), 0);
    first.assert_restored();
    first.wait_for("keeps training; reattach with `fmtui attach`");

    let mut second = Terminal::open(home.path(), &["attach"], 40, 120);
    second.wait_for("· running");
    // The log's first event is told; its line may have scrolled away since.
    second.wait_for("/20");
    // Not before its worker listens.
    second.wait_for("Space pause");
    second.press(" ");
    second.wait_for("· paused");
    second.wait_for("paused after step");
    second.press(" ");
    second.wait_for("continued at step");
    second.press("x");
    second.wait_for("stop the run");
    second.press("\r");
    second.wait_for("· stopped");
    second.press("q");
    assert_eq!(second.ends_within(10), 0);
    assert!(!second.bytes().contains("keeps training; reattach"));
}

/// Runs the program without a screen; gives what it prints.
fn fmtui(home: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fmtui"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("FMTUI_HOME", home.join("workspace"))
        .env("XDG_RUNTIME_DIR", home)
        .env("PATH", "/usr/bin:/bin")
        .env("FMTUI_OFFLINE", "1")
        .current_dir(home)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

#[test]
fn keys_act_on_what_the_worker_has() {
    let home = tempfile::tempdir().unwrap();
    let train = |epochs: &str| {
        let epochs = format!("train.epochs={epochs}");
        let set = ["--set", "data.name=fashion-mnist-mini", "--set", &epochs];
        let rate = ["--set", "train.optimizer.learning_rate=2e-4"];
        let rest = ["--set", "train.early_stop.patience=0", "--detach"];
        let arguments = [&["train", "mlp-20"], &set[..], &rate, &rest].concat();
        fmtui(home.path(), &arguments)
    };
    let long = train("100000");
    let short = train("1");
    fmtui(home.path(), &["attach", "--plain", &short]);

    // What runs is opened, not what is newest.
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("▸Train");
    terminal.wait_for("mlp-20 · running");
    terminal.wait_for("Space pause");
    terminal.press("+++");
    terminal.wait_for("learning rate 1.0e-3 → 2.0e-3");
    terminal.press("6");
    terminal.wait_for("▸Runs");
    terminal.wait_for("finished");
    // The newest is under the cursor, and over.
    terminal.press(" ");
    terminal.wait_for("mlp-20 is finished: it has no worker");
    terminal.press("j ");
    terminal.wait_for("mlp-20 · paused");
    terminal.press("2");
    terminal.wait_for("▸Model");
    terminal.press("ttt");
    terminal.wait_for("mlp-20 is paused");
    terminal.wait_for("Queue lenet5, or start it beside?");
    terminal.press("n");
    terminal.wait_until("the question is gone", |s| !s.contains("beside?"));
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    terminal.wait_for(&format!("run {long} stays paused; reattach with"));
    terminal.wait_for(&long[long.len() - 4..]);
    let runs = std::fs::read_dir(home.path().join("workspace/profiles/runs")).unwrap();
    let names = runs.map(|entry| entry.unwrap().file_name());
    let records = names.filter(|name| name.to_string_lossy().ends_with(".toml"));
    assert_eq!(records.count(), 2);
    fmtui(home.path(), &["stop", &long]);
}

#[test]
fn escape_gives_up_the_download_of_weights() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::with(&vec![7; 100_000]).faults(vec![Fault::Drip; 30]);
    let hub = ("HF_ENDPOINT", server.address.as_str());
    // The images are built in.
    let set = "data.name=fashion-mnist-mini";
    let recipe = fmtui(
        home.path(),
        &["show", "resnet18-finetune", "--toml", "--set", set],
    );
    let profiles = home.path().join("workspace/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(profiles.join("dripping.toml"), recipe).unwrap();
    let mut terminal = Terminal::open_with(home.path(), &[], (40, 120), hub);
    terminal.wait_for("▸Data");
    terminal.press(":");
    terminal.press("dripping");
    terminal.wait_for("train dripping");
    terminal.press("\r");
    terminal.wait_for("downloading model.safetensors");
    terminal.wait_for("Esc cancels");
    terminal.press("\x1b");
    terminal.wait_for("it was cancelled");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    assert!(!home.path().join("workspace/profiles/runs").exists());
}

/// Two classes of images, one of them twice, and a file that is none.
fn photos(directory: &Path) {
    for (class, first) in [("fern", 0), ("rose", 20)] {
        std::fs::create_dir_all(directory.join(class)).unwrap();
        for number in 0..20_u32 {
            let noise = |x: u32, y: u32| {
                let place = (x / 4 + 8 * (y / 4) + 64 * (first + number)).wrapping_mul(0x9e37_79b9);
                ((place ^ (place >> 15)).wrapping_mul(0x85eb_ca6b) >> 19) as u8
            };
            let value = |x: u32, y: u32| [noise(x, y), noise(y, x), first as u8];
            let image = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb(value(x, y)));
            let path = directory.join(class).join(format!("{number}.png"));
            image.save(path).unwrap();
        }
    }
    std::fs::copy(directory.join("fern/1.png"), directory.join("fern/1b.png")).unwrap();
    std::fs::write(directory.join("rose/broken.png"), "no image").unwrap();
}

#[test]
fn a_folder_is_added_trained_on_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("photos");
    photos(&directory);
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("all classes");
    terminal.press("a");
    terminal.wait_for("add ›");
    terminal.press("~/photos\r");
    terminal.wait_for("1 file cannot be used");
    terminal.wait_for("rose/broken.png is");
    terminal.press("\r");
    terminal.wait_for("33 train + 8 test · 2 classes");
    terminal.wait_for("1 other file passed over");

    // What another terminal does is seen on coming back.
    fmtui(home.path(), &["data", "check", "photos", "--fix"]);
    terminal.press("2");
    terminal.wait_for("▸Model");
    terminal.press("1");
    terminal.wait_for("32 train + 8 test, 1 excluded");
    terminal.press("/");
    terminal.wait_for("train, test, excluded");
    terminal.press("excluded\r");
    terminal.wait_for("excluded: copy of fern/1");

    terminal.press("t");
    terminal.wait_for("lenet5 · running");
    terminal.press("x");
    terminal.wait_for("stop the run");
    terminal.press("\r");
    terminal.wait_until("the run is over", |s| !s.contains("lenet5 · running"));

    terminal.press("1e");
    terminal.wait_for("▸ photos");
    terminal.press("d");
    terminal.wait_for("Remove photos from the list? Its images stay in");
    terminal.press("\r");
    terminal.wait_for("photos removed; its images stay in");
    assert!(directory.join("rose/9.png").is_file());
    assert!(!home.path().join("workspace/data/photos").exists());
    terminal.press("\x1b");
    terminal.wait_for("No data set is loaded");
    let path = directory.to_str().unwrap();
    fmtui(
        home.path(),
        &["data", "add", path, "--name", "again", "--skip-broken"],
    );
    terminal.press("e");
    terminal.wait_for("again");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
}

#[test]
fn a_profile_of_ones_own_is_edited_in_ones_own_editor() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join("workspace/profiles");
    std::fs::create_dir_all(&own).unwrap();
    let recipe = "format = 1\n[data]\nname = \"fashion-mnist-mini\"\nvalidation = 0.2\n[model]\narchitecture = \"resnet20\"\n";
    std::fs::write(own.join("mine.toml"), recipe).unwrap();
    // Whoever reads the keys gets the number.
    let editor = home.path().join("editor.sh");
    let script = "printf 'how many epochs? '; read number; sed -i \"s/^epochs = .*/epochs = $number/\" \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    let editor = format!("sh {}", editor.display());
    let mut terminal = Terminal::open_with(home.path(), &[], (24, 80), ("EDITOR", editor.as_str()));
    terminal.wait_for("▸Data");
    terminal.press("2");
    terminal.wait_for("▸Model");
    terminal.press("G");
    terminal.wait_for("t trains mine for 20 epochs");
    terminal.press("E");
    terminal.wait_for("how many epochs?");
    terminal.press("7\r");
    terminal.wait_for("t trains mine for 7 epochs");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    let left = std::fs::read_dir(home.path().join("workspace")).unwrap();
    let names: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|n| n != "recipe.toml" && !n.to_string_lossy().starts_with("recipe-")),
        "{names:?}"
    );
}

/// What asks a terminal for its background.
const QUESTION: &str = "\x1b]11;?\x07";

#[test]
fn a_light_terminal_is_told_by_its_answer_which_is_never_taken_for_keys() {
    const DARK_ACCENT: &str = "38;5;75m";
    const LIGHT_ACCENT: &str = "38;5;25m";
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("▸Data");
    terminal.wait_until("the question", |_| terminal.bytes().contains(QUESTION));
    let before = terminal.bytes();
    let first_frame = before.find("\x1b[?2026l").unwrap();
    assert!(
        before.find(QUESTION).unwrap() > first_frame,
        "asked before the first frame"
    );
    assert!(before.contains(DARK_ACCENT) && !before.contains(LIGHT_ACCENT));
    // Torn on the way, as a slow line does; the digits would be tabs, the rest keys of the Data tab.
    for part in ["\x1b]11;rgb:ffff/ff", "ff/ffff", "\x1b\\"] {
        terminal.press(part);
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.wait_until("light colours", |_| terminal.bytes().contains(LIGHT_ACCENT));
    assert!(terminal.contents().contains("▸Data"));
    terminal.press("3");
    terminal.wait_for("▸Train");
    // Once more unasked, as an answer to somebody else.
    terminal.press("\x1b]11;rgb:2222/1111/1111\x07");
    terminal.press("5");
    terminal.wait_for("▸Confusion");
    assert_eq!(terminal.bytes().matches(QUESTION).count(), 1);
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
}

#[test]
fn an_answer_that_comes_while_leaving_is_not_left_for_the_shell() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open_command(
        home.path(),
        "/bin/sh",
        &[
            "-c",
            "\"$FMTUI\"; stty -icanon -echo min 0 time 3; echo \"left <$(cat -v)>\"",
        ],
        (24, 80),
        ("FMTUI", env!("CARGO_BIN_EXE_fmtui")),
    );
    terminal.wait_until("the question", |_| terminal.bytes().contains(QUESTION));
    terminal.press("q");
    std::thread::sleep(Duration::from_millis(30));
    terminal.press("\x1b]11;rgb:ffff/ffff/ffff\x07");
    terminal.wait_for("left <>");
}

#[test]
fn a_theme_chosen_by_key_is_kept_and_then_nothing_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".config/fmtui/config.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, "# my own\nascii = false\n").unwrap();
    let mut first = Terminal::open(home.path(), &[], 24, 80);
    first.wait_for("▸Data");
    first.press("T");
    first.wait_for("theme: light");
    first.press("q");
    assert_eq!(first.ends_within(10), 0);
    let kept = std::fs::read_to_string(&config).unwrap();
    assert_eq!(kept, "theme = \"light\"\n# my own\nascii = false\n");
    let mut second = Terminal::open(home.path(), &[], 24, 80);
    second.wait_for("▸Data");
    second.press("3");
    second.wait_for("▸Train");
    assert!(second.bytes().contains("38;5;25m"), "light from the start");
    assert!(!second.bytes().contains(QUESTION));
    second.press("q");
    assert_eq!(second.ends_within(10), 0);
}

#[test]
fn the_terminal_is_asked_nothing_where_the_settings_forbid_it() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".config/fmtui");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "terminal.query = false\n").unwrap();
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("▸Data");
    terminal.press("3");
    terminal.wait_for("▸Train");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    assert!(!terminal.bytes().contains("\x1b]11"));
}

#[test]
fn a_terminal_that_goes_takes_the_screen_with_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let mut terminal = Terminal::open(home.path(), &[], 24, 80);
        terminal.wait_for("▸Data");
        terminal.hang_up();
        terminal.ends_within(2);
    }
}

#[test]
fn signals_restore_the_terminal() {
    use rustix::process::Signal;
    let home = tempfile::tempdir().unwrap();
    for sent in [
        Signal::TERM,
        Signal::QUIT,
        Signal::HUP,
        Signal::INT,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::XCPU,
    ] {
        let mut terminal = Terminal::open(home.path(), &[], 24, 80);
        terminal.wait_for("▸Data");
        signal(terminal.child.process_id().unwrap(), sent);
        terminal.ends_within(5);
        terminal.assert_restored();
    }
}

#[test]
fn a_screen_on_a_terminal_that_nobody_reads_obeys_signals() {
    use rustix::process::Signal;
    let home = tempfile::tempdir().unwrap();
    for sent in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = Terminal::open(home.path(), &[], 24, 80);
        terminal.wait_for("▸Data");
        terminal.closing.store(true, Ordering::Relaxed);
        // Each of these is a whole frame: the terminal's buffer is full soon, and the screen hangs in a write.
        for round in 0..60 {
            terminal.resize(30 + round % 2, 100);
            std::thread::sleep(Duration::from_millis(60));
        }
        signal(terminal.child.process_id().unwrap(), sent);
        terminal.ends_within(5);
    }
}

#[test]
fn an_editor_that_leaves_nonsense_for_ever_ends_with_its_terminal_or_a_signal() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join("workspace/profiles");
    std::fs::create_dir_all(&own).unwrap();
    let recipe = "format = 1\n[data]\nname = \"fashion-mnist-mini\"\nvalidation = 0.2\n[model]\narchitecture = \"resnet20\"\n";
    std::fs::write(own.join("mine.toml"), recipe).unwrap();
    let (editor, opened) = (home.path().join("editor.sh"), home.path().join("opened"));
    let script = format!(
        "echo x >> '{}'; echo \"nonsense = $$\" >> \"$1\"\n",
        opened.display()
    );
    std::fs::write(&editor, script).unwrap();
    let editor = format!("sh {}", editor.display());
    for hangs_up in [true, false] {
        let _ = std::fs::remove_file(&opened);
        let mut terminal =
            Terminal::open_with(home.path(), &[], (24, 80), ("EDITOR", editor.as_str()));
        terminal.wait_for("▸Data");
        terminal.press("2");
        terminal.wait_for("▸Model");
        terminal.press("G");
        terminal.wait_for("t trains mine for 20 epochs");
        terminal.press("E");
        terminal.wait_until("the editor has come several times", |_| {
            std::fs::metadata(&opened).is_ok_and(|m| m.len() > 6)
        });
        if hangs_up {
            terminal.closing.store(true, Ordering::Relaxed);
            terminal.writer = None;
            terminal.master = None;
            signal(
                terminal.child.process_id().unwrap(),
                rustix::process::Signal::HUP,
            );
        } else {
            signal(
                terminal.child.process_id().unwrap(),
                rustix::process::Signal::TERM,
            );
        }
        terminal.ends_within(5);
        let left = std::fs::read_dir(home.path().join("workspace")).unwrap();
        let names: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
        assert!(
            names
                .iter()
                .all(|n| !n.to_string_lossy().starts_with("recipe-")),
            "{names:?}"
        );
    }
}

#[test]
fn a_key_pressed_while_the_size_changes_is_not_lost() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("▸Data");
    let tabs = [
        ("2", "▸Model"),
        ("3", "▸Train"),
        ("4", "▸Metrics"),
        ("5", "▸Confusion"),
        ("6", "▸Runs"),
        ("1", "▸Data"),
    ];
    for round in 0..10 {
        for (key, tab) in tabs {
            terminal.resize(24 + round % 2, 80 + round % 3);
            terminal.press(key);
            terminal.wait_for(tab);
        }
    }
}

#[test]
fn any_size_is_survived_and_the_last_one_is_right() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(home.path(), &[], 24, 80);
    terminal.wait_for("▸Data");
    let sizes = [
        (1, 1),
        (0, 0),
        (1, 500),
        (500, 1),
        (14, 59),
        (15, 60),
        (200, 300),
        (3, 80),
    ];
    for round in 0..10 {
        for (rows, cols) in sizes {
            terminal
                .screen
                .lock()
                .unwrap()
                .0
                .screen_mut()
                .set_size(least_one(rows), least_one(cols));
            terminal
                .master
                .as_ref()
                .unwrap()
                .resize(size(rows, cols))
                .unwrap();
            std::thread::sleep(Duration::from_millis(10 + round));
        }
    }
    terminal.resize(10, 40);
    terminal.wait_for("fmtui needs 60 × 15; this is 40 × 10.");
    terminal.resize(30, 100);
    terminal.press("3");
    terminal.wait_for("No run yet. Press t to train lenet5");
    terminal.press("q");
    assert_eq!(terminal.ends_within(10), 0);
    terminal.assert_restored();
}

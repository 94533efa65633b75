//! A workspace for the real program, with what tests ask of it.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use fmtui::profile::Status;
use fmtui::run::Workspace;
use serde_json::Value;

/// A workspace of its own, away from this machine's home and network.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn workspace(&self) -> Workspace {
        Workspace::at(self.dir.path())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
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

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {out}{errors}"
        );
        out
    }

    pub(crate) fn queue(&self) -> Value {
        serde_json::from_str(&self.says(&["queue", "list", "--json"])).unwrap()
    }

    pub(crate) fn jobs(&self) -> usize {
        self.queue()["jobs"].as_array().unwrap().len()
    }

    pub(crate) fn status(&self, run: &str) -> Status {
        self.workspace().summary(run).status
    }

    /// The scheduler and the workers of this workspace.
    pub(crate) fn processes(&self) -> Vec<(u32, bool)> {
        let root = self.dir.path().to_str().unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&str> = line
                .split(|b| *b == 0)
                .filter_map(|w| std::str::from_utf8(w).ok())
                .collect();
            let is_ours = words.contains(&root);
            if is_ours && words.contains(&"scheduler") {
                found.push((pid, true));
            } else if is_ours && words.contains(&"worker") {
                found.push((pid, false));
            }
        }
        found
    }
}

impl Drop for Place {
    /// No process outlives its test.
    fn drop(&mut self) {
        let since = Instant::now();
        while !self.processes().is_empty() && since.elapsed() < Duration::from_secs(10) {
            self.processes().iter().for_each(|(pid, _)| kill(*pid));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    // It may have gone by itself.
    let _ = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL);
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(
            since.elapsed() < Duration::from_mins(3),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A small generator of numbers, the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

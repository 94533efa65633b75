//! The program with a workspace of its own: nothing of this computer's settings, and no network.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Variables that would lead it elsewhere.
const FOREIGN: [&str; 6] = [
    "FMTUI_HOME",
    "FMTUI_DATA_DIR",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "HF_HOME",
    "HF_HUB_CACHE",
];

pub fn command(workspace: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmtui"));
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
        .env("HOME", workspace.join("no-home"))
        .env("FMTUI_OFFLINE", "1")
        .arg("--workspace")
        .arg(workspace)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

pub fn fmtui(workspace: &Path, arguments: &[&str]) -> Output {
    command(workspace, arguments).output().unwrap()
}

/// Expects this exit code; gives what was printed on both ways out.
pub fn told(workspace: &Path, arguments: &[&str], code: i32) -> String {
    let output = fmtui(workspace, arguments);
    let both = [output.stdout, output.stderr].concat();
    let both = String::from_utf8(both).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {both}");
    both
}

//! Puts the git revision into the program, where it is built from its own repository.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_own = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    // The log of HEAD changes with every commit and checkout; without one nothing changes.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && is_own
        && Path::new(&log).exists()
    {
        println!("cargo:rerun-if-changed={log}");
    }
    let revision = git(&["rev-parse", "--short", "HEAD"]).filter(|_| is_own);
    println!(
        "cargo:rustc-env=FMTUI_REVISION={}",
        revision.unwrap_or_default()
    );
}

/// What git says, without the line's end; `None` where there is no git or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

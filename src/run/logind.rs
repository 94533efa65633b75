//! Whether the system kills a user's processes at log-out, and what to do about it.

use std::path::{Path, PathBuf};

use crate::storage;

/// **Units** bytes of the longest file of settings that is read.
const LONGEST: u64 = 1 << 20;

/// Where systemd reads its settings, later ones winning.
const PLACES: [&str; 4] = [
    "/usr/lib/systemd",
    "/usr/local/lib/systemd",
    "/run/systemd",
    "/etc/systemd",
];

/// Advice for a system that ends workers when their user logs out; `None` where it does not, or where the user may
/// linger.
#[must_use]
pub(crate) fn advice() -> Option<String> {
    let user = std::env::var("USER").unwrap_or_default();
    let lingers = !user.is_empty() && Path::new("/var/lib/systemd/linger").join(&user).exists();
    let files = PLACES.iter().flat_map(|place| settings(Path::new(place)));
    let texts: Vec<String> = files
        .filter_map(|file| storage::read_text(&file, LONGEST).ok())
        .collect();
    (!lingers && kills(texts.iter().map(String::as_str), &user)).then(|| {
        "this system ends your processes when you log out (KillUserProcesses=yes); to keep runs alive type \
         `loginctl enable-linger` once, or start fmtui with `systemd-run --user --scope fmtui`"
            .into()
    })
}

fn settings(place: &Path) -> Vec<PathBuf> {
    let mut dropped_in: Vec<PathBuf> = std::fs::read_dir(place.join("logind.conf.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "conf"))
        .collect();
    dropped_in.sort();
    dropped_in.insert(0, place.join("logind.conf"));
    dropped_in
}

/// What the settings, in order, come to for this user.
fn kills<'a>(texts: impl Iterator<Item = &'a str>, user: &str) -> bool {
    let (mut kill, mut only, mut exclude) = (false, String::new(), "root".to_string());
    for line in texts.flat_map(str::lines) {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "KillUserProcesses" => kill = matches!(value, "yes" | "true" | "1" | "on"),
            "KillOnlyUsers" => only = value.into(),
            "KillExcludeUsers" => exclude = value.into(),
            _ => {}
        }
    }
    let names = |list: &str| list.split_whitespace().any(|name| name == user);
    kill && (only.is_empty() || names(&only)) && !names(&exclude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logind_settings_are_read_as_logind_does() {
        let is_killed = |texts: &[&str], user| kills(texts.iter().copied(), user);
        assert!(!is_killed(&["[Login]\n#KillUserProcesses=yes\n"], "ann"));
        assert!(is_killed(&["[Login]\nKillUserProcesses = yes\n"], "ann"));
        assert!(!is_killed(&["KillUserProcesses=yes"], "root"));
        assert!(!is_killed(
            &["KillUserProcesses=yes", "KillUserProcesses=no"],
            "ann"
        ));
        assert!(!is_killed(
            &["KillUserProcesses=yes\nKillOnlyUsers=bob"],
            "ann"
        ));
        assert!(!is_killed(
            &["KillUserProcesses=yes\nKillExcludeUsers=ann bob"],
            "ann"
        ));
    }
}

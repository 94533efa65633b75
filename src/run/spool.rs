//! The second way to a run: commands as files in its own directory. It needs no socket and no runtime directory, which
//! a log-out may take away; only whoever may write there can use it, and the worker obeys its own user alone.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use super::protocol;
use super::store::Workspace;
use crate::error::{Error, Result};
use crate::event::Command;
use crate::{storage, text};

/// How often a worker looks for commands.
const LOOK: Duration = Duration::from_millis(250);

/// How long a client waits until its command is taken.
const PATIENCE: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_millis(20);

/// How the names of commands end.
const SUFFIX: &str = ".command";

/// The most files that are looked at in one go.
const MOST: usize = 64;

/// Where the commands to a run lie.
#[must_use]
pub(crate) fn directory(workspace: &Workspace, id: &str) -> PathBuf {
    workspace.run_dir(id).join("commands")
}

/// Leaves a command for the run's worker and waits until it has been taken.
///
/// # Errors
/// `Io` when it cannot be written, `Input` when nobody takes it.
pub(crate) fn leave(workspace: &Workspace, id: &str, command: &Command) -> Result<()> {
    let directory = directory(workspace, id);
    make(&directory)?;
    // By time, so that they are taken in order; by process, so that two never have one name.
    let moment = text::now() * 1e6;
    let name = format!("{moment:020.0}-{}{SUFFIX}", std::process::id());
    let path = directory.join(name);
    // Who takes it may be of an older fmtui.
    let line = protocol::command_line(command, protocol::FIRST_FORMAT).unwrap_or_default();
    storage::commit(&path, &line)?;
    if !workspace.profile_path(id).exists() {
        // It was deleted meanwhile: what was made just now goes too, and nothing else.
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&directory);
        let _ = fs::remove_dir(workspace.run_dir(id));
        return Err(workspace.not_running(id));
    }
    let since = Instant::now();
    while path.exists() {
        if since.elapsed() >= PATIENCE {
            // Nobody shall obey it hours later.
            let _ = fs::remove_file(&path);
            return Err(Error::input(
                format!("run {id}"),
                "its worker takes no commands",
                "watch it with `fmtui attach`",
            ));
        }
        std::thread::sleep(AGAIN);
    }
    Ok(())
}

fn make(directory: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().mode(0o700).create(directory);
    match made {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("create", directory, e))
        }
        _ => Ok(()),
    }
}

/// Takes commands for as long as the task lives.
pub(crate) async fn watch(directory: PathBuf, commands: SyncSender<Command>) {
    loop {
        tokio::time::sleep(LOOK).await;
        for command in take(&directory) {
            let mut waiting = commands.try_send(command);
            while let Err(TrySendError::Full(command)) = waiting {
                tokio::time::sleep(LOOK).await;
                waiting = commands.try_send(command);
            }
        }
    }
}

/// Removes the commands that lie there, and gives those of this user in the order of their names.
fn take(directory: &Path) -> Vec<Command> {
    let own = rustix::process::geteuid().as_raw();
    let is_own = fs::symlink_metadata(directory).is_ok_and(|m| m.is_dir() && m.uid() == own);
    if !is_own {
        return Vec::new();
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(SUFFIX))
        .take(MOST)
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| {
            let command = read(path, own);
            // What cannot be taken away would be obeyed again and again.
            fs::remove_file(path).ok()?;
            command
        })
        .collect()
}

fn read(path: &Path, own: u32) -> Option<Command> {
    let found = fs::symlink_metadata(path).ok()?;
    // Whoever left an older one has been told that nobody took it, or is gone.
    let age = found.modified().ok()?.elapsed().unwrap_or_default();
    if !found.is_file() || found.uid() != own || age > 2 * PATIENCE {
        return None;
    }
    let text = storage::read_text(path, protocol::LONGEST_COMMAND).ok()?;
    protocol::parse_command(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_once_in_order_and_only_from_plain_files() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("commands");
        assert!(take(&directory).is_empty());
        make(&directory).unwrap();
        make(&directory).unwrap();
        let put = |name: &str, text: &[u8]| fs::write(directory.join(name), text).unwrap();
        let line = |command| protocol::command_line(command, protocol::FORMAT).unwrap();
        put("2.command", &line(&Command::Stop));
        put("1.command", &line(&Command::Pause));
        put("3.command", b"nonsense");
        put("0.command", &line(&Command::Continue));
        let long_ago = std::time::SystemTime::now() - 3 * PATIENCE;
        let old = fs::File::options()
            .write(true)
            .open(directory.join("0.command"))
            .unwrap();
        old.set_modified(long_ago).unwrap();
        put("4.command.7.partial", &line(&Command::Pause));
        let outside = dir.path().join("outside");
        fs::write(&outside, line(&Command::Pause)).unwrap();
        std::os::unix::fs::symlink(&outside, directory.join("5.command")).unwrap();
        assert_eq!(take(&directory), [Command::Pause, Command::Stop]);
        assert!(take(&directory).is_empty());
        let left = fs::read_dir(&directory).unwrap().count();
        assert_eq!((left, outside.exists()), (1, true));
    }
}

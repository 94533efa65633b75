//! Where a run's socket lies and who may use it: a directory of mode 0700, a socket of mode 0600, the same user at both
//! ends.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::store::Workspace;
use crate::error::{Error, Result};
use crate::storage;

/// Shorter than `sun_path` on every system (104 bytes on macOS).
const LONGEST_PATH: usize = 100;

/// Opens the run's socket at the first place that can hold one: the runtime directory, the workspace, `/tmp`.
///
/// The caller holds the run's lock, so a socket that is already there belongs to nobody.
///
/// # Errors
/// `Io` of the last place tried.
pub(crate) fn open(workspace: &Workspace, id: &str) -> Result<(UnixListener, PathBuf)> {
    let mut last = None;
    for directory in directories(workspace) {
        let path = directory.join(file_name(workspace, id));
        if path.as_os_str().len() > LONGEST_PATH {
            continue;
        }
        match private(&directory).and_then(|()| bind(&path)) {
            Ok(listener) => return Ok((listener, path)),
            Err(e) => last = Some(Error::io("open the socket", &path, e)),
        }
    }
    Err(last.unwrap_or_else(|| {
        Error::input(
            "socket",
            "no directory is short enough for one",
            "set XDG_RUNTIME_DIR",
        )
    }))
}

fn directories(workspace: &Workspace) -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|d| d.is_absolute() && d.is_dir());
    let uid = rustix::process::geteuid().as_raw();
    runtime
        .map(|d| d.join("fmtui"))
        .into_iter()
        .chain([
            workspace.runs_dir().join(".sockets"),
            PathBuf::from(format!("/tmp/fmtui-{uid}")),
        ])
        .collect()
}

/// Two workspaces may have runs of the same id, and ids are long: the name is a hash of both.
fn file_name(workspace: &Workspace, id: &str) -> String {
    let dir = workspace.run_dir(id);
    let dir = fs::canonicalize(&dir).unwrap_or(dir);
    let hash = storage::sha256(dir.as_os_str().as_encoded_bytes());
    format!("{}.sock", &hash[..16])
}

/// Makes the directory, or makes sure that it is this user's alone: `/tmp` is everybody's.
fn private(directory: &Path) -> std::io::Result<()> {
    let made = DirBuilder::new().mode(0o700).create(directory);
    if made.is_ok() {
        return Ok(());
    }
    let found = fs::symlink_metadata(directory).map_err(|e| made.err().unwrap_or(e))?;
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    let rights_of_others = found.mode() & 0o077;
    if found.is_dir() && is_own && rights_of_others == 0 {
        Ok(())
    } else {
        Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            "its directory is not private to this user",
        ))
    }
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_private_and_replaces_a_stale_one() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("s");
        private(&directory).unwrap();
        private(&directory).unwrap();
        let path = directory.join("a.sock");
        drop(bind(&path).unwrap());
        let _listener = bind(&path).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        assert!(private(&directory).is_err());
    }

    #[test]
    fn a_deep_workspace_still_gets_a_socket() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("x".repeat(120));
        let workspace = Workspace::at(&root);
        fs::create_dir_all(workspace.run_dir("r")).unwrap();
        let (_listener, path) = open(&workspace, "r").unwrap();
        assert!(path.as_os_str().len() <= LONGEST_PATH);
        fs::remove_file(path).unwrap();
    }
}

//! The one way files that matter get to disk: written beside the target, synced, renamed, the directory synced.
//!
//! A reader sees the old file or the new one, never a half. A failed sync condemns the new file; it is not retried.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Replaces `path` by `bytes` as a whole.
///
/// # Errors
/// `Io` naming the path; the old file is then untouched.
pub fn commit(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let written = write_synced(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| sync_directory(directory));
    written.map_err(|e| {
        // The partial file is worthless; its removal failing too would say nothing new.
        let _ = fs::remove_file(&partial);
        Error::io("write", path, e)
    })
}

/// Writes a new file and syncs it.
///
/// # Errors
/// The operating system's.
pub fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename inside `directory` durable.
///
/// # Errors
/// The operating system's.
pub fn sync_directory(directory: &Path) -> std::io::Result<()> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)?.sync_all()
}

/// SHA-256 of some bytes, as 64 hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_replaces_whole_files_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.toml");
        commit(&path, b"one").unwrap();
        commit(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_commit_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(matches!(commit(&path, b"x"), Err(Error::Io { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

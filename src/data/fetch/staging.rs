//! Where files lie until all of a set are verified: `NAME/.download` beside the set's own files, which one process owns
//! at a time. What has come of a file stays there as `FILE.part`, so that the next attempt goes on with it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::net::FileProgress;
use crate::storage;

/// How often somebody else's lock is looked at.
const POLL: Duration = Duration::from_millis(100);

/// The directory of a download, locked until it is dropped.
pub(super) struct Staging {
    /// The set's.
    directory: PathBuf,
    own: PathBuf,
    /// Locked.
    _lock: File,
}

impl Staging {
    /// Waits until no other process downloads into `directory`; none where that was cancelled.
    ///
    /// # Errors
    /// `Io` when the directory cannot be made.
    pub(super) fn open(
        directory: &Path,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<Option<Self>> {
        let own = directory.join(".download");
        let path = own.join("lock");
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            fs::create_dir_all(&own).map_err(|e| Error::io("create", &own, e))?;
            let file = match OpenOptions::new().create(true).append(true).open(&path) {
                Ok(file) => file,
                // Its holder has just removed the directory.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::io("create", &path, e)),
            };
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => {
                    return Ok(Some(Self {
                        directory: directory.to_path_buf(),
                        own,
                        _lock: file,
                    }));
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    report(FileProgress {
                        note: Some("another fmtui is downloading this data set".into()),
                        ..FileProgress::default()
                    });
                    std::thread::sleep(POLL);
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
            }
        }
    }

    /// Where a verified file lies.
    pub(super) fn whole(&self, name: &str) -> PathBuf {
        self.own.join(name)
    }

    /// Where a file lies that is still coming.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.own.join(format!("{name}.part"))
    }

    /// Puts a file in its place among the set's.
    ///
    /// # Errors
    /// `Io` naming it.
    pub(super) fn place(&self, name: &str) -> Result<()> {
        let place = self.directory.join(name);
        fs::rename(self.whole(name), &place).map_err(|e| Error::io("write", &place, e))
    }

    /// Whether something has come that the next attempt goes on with.
    pub(super) fn has_files(&self) -> bool {
        let entries = self.own.read_dir().into_iter().flatten().flatten();
        let lengths = entries.filter_map(|entry| entry.metadata().ok());
        lengths.into_iter().any(|file| file.len() > 0)
    }

    /// Removes everything that is left here; the set's directory too where nothing is in it.
    pub(super) fn remove(self) {
        // Nothing depends on it: what cannot be removed is gone on with, or not looked at.
        let _ = fs::remove_dir_all(&self.own);
        let _ = fs::remove_dir(&self.directory);
        let _ = storage::sync_directory(&self.directory);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    matches!(
        (file.metadata().map(identity), fs::metadata(path).map(identity)),
        (Ok(open), Ok(there)) if open == there
    )
}

//! One advisory lock per run, held by its worker for as long as that lives; the file says who holds it.
//!
//! The kernel drops the lock with the process, however it dies, so a free lock means: no worker.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// How often and how long a worker tries: a reader that looks whether the lock is free holds it for an instant.
const ATTEMPTS: u32 = 25;
const PATIENCE: Duration = Duration::from_millis(20);

/// Bytes of the last line, which says what the holder waits for. It is there from the beginning, so that it can be written
/// over where no disk has room for a new byte.
const SIGN: usize = 32;

/// A held lock.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    path: PathBuf,
}

/// What the holder wrote about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    /// Where it listens; `None` when it could not open a socket (or not yet).
    pub socket: Option<PathBuf>,
}

impl RunLock {
    /// Takes the lock of run `id`, whose lock file is `path`.
    ///
    /// # Errors
    /// `Busy` when another process holds it, `Io` when the file cannot be used.
    pub fn acquire(path: &Path, id: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| Error::io("open", path, e))?;
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => {
                    let path = path.to_path_buf();
                    return Ok(Self { file, path });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
            }
        }
        Err(Error::Busy {
            run: id.into(),
            pid: holder(path).pid,
        })
    }

    /// Writes who holds the lock and where it listens.
    ///
    /// # Errors
    /// `Io` when the file cannot be written; the lock is held all the same.
    pub fn describe(&mut self, holder: &Holder) -> Result<Sign> {
        let socket = holder
            .socket
            .as_ref()
            .map_or(String::new(), |s| s.display().to_string());
        let text = format!("{}\n{}\n{socket}\n", holder.pid, holder.host);
        let whole = format!("{text}{:SIGN$}\n", "");
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(whole.as_bytes()))
            .and_then(|()| self.file.try_clone())
            .map(|file| Sign {
                file: Some(file),
                at: text.len() as u64,
            })
            .map_err(|e| Error::io("write", &self.path, e))
    }
}

/// Where a holder says what it waits for, without needing room on the disk.
#[derive(Debug, Default)]
pub struct Sign {
    /// None in tests.
    file: Option<File>,
    at: u64,
}

impl Sign {
    /// Says it; empty where it waits for nothing. Where even that cannot be written, nobody is told: training matters more.
    pub fn say(&self, why: &str) {
        if let Some(file) = &self.file {
            let short: String = why.chars().filter(char::is_ascii).take(SIGN).collect();
            let _ = file.write_all_at(format!("{short:SIGN$}").as_bytes(), self.at);
        }
    }
}

/// What the holder waits for; none where it waits for nothing.
#[must_use]
pub fn waits_for(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let why = text.lines().nth(3)?.trim();
    Some(crate::text::sanitize(why)).filter(|why| !why.is_empty())
}

/// Whether some process holds the lock. A missing or unreadable file is not held.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What the last holder wrote; zeros and nothing where there is nothing to read.
#[must_use]
pub fn holder(path: &Path) -> Holder {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    Holder {
        pid: next().parse().unwrap_or(0),
        host: crate::text::sanitize(next()),
        socket: Some(next()).filter(|s| !s.is_empty()).map(PathBuf::from),
    }
}

/// This machine's name.
#[must_use]
pub fn host_name() -> String {
    sysinfo::System::host_name().map_or_else(|_| "unknown".into(), |h| crate::text::sanitize(&h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_and_says_who() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!is_held(&path));
        let mut lock = RunLock::acquire(&path, "r").unwrap();
        let me = Holder {
            pid: 4711,
            host: "box".into(),
            socket: Some("/tmp/a.sock".into()),
        };
        let sign = lock.describe(&me).unwrap();
        assert!(is_held(&path));
        assert_eq!(holder(&path), me);
        assert_eq!(waits_for(&path), None);
        let length = std::fs::metadata(&path).unwrap().len();
        for (said, read) in [("disk full", Some("disk full")), ("", None)] {
            sign.say(said);
            assert_eq!(waits_for(&path).as_deref(), read);
            assert_eq!(holder(&path), me);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
        }
        assert!(matches!(
            RunLock::acquire(&path, "r"),
            Err(Error::Busy { pid: 4711, .. })
        ));
        drop((lock, sign));
        assert!(!is_held(&path));
        assert!(RunLock::acquire(&path, "r").is_ok());
    }
}

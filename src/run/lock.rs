//! One advisory lock per run, held by its worker for as long as that lives, and for a moment by whoever starts, resumes
//! or deletes it; the file says who holds it.
//!
//! The kernel drops the lock with the process, however it dies, so a free lock means: no worker. A lock whose file was
//! removed or replaced is nobody's: who gets it tries again with the file that is there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::storage;

/// How often and how long a worker tries: a reader that looks whether the lock is free holds it for an instant.
const ATTEMPTS: u32 = 25;
const PATIENCE: Duration = Duration::from_millis(20);

/// **Units** bytes of a lock file that are read: a number, a name and a path.
const LONGEST: u64 = 8 << 10;

/// Bytes of the last line, which says what the holder waits for. It is there from the beginning, so that it can be
/// written over where no disk has room for a new byte.
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
    /// The worker; 0 while there is none yet.
    pub pid: u32,
    pub host: String,
    /// Where it listens; `None` when it could not open a socket (or not yet).
    pub socket: Option<PathBuf>,
    /// How many processes the system had killed for memory when it began; see [`super::memory::kills`].
    pub kills: Option<u64>,
}

impl RunLock {
    /// Takes the lock of run `id`, whose lock file is `path`; its directory is there. Until
    /// [`describe`](Self::describe) says more, the file says that no worker has it, and no longer which one had it.
    ///
    /// # Errors
    /// `Busy` when another process holds it, `Io` when the file cannot be used.
    pub fn acquire(path: &Path, id: &str) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Self::begin(file, path)),
                // Its holder has just removed it.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
            }
        }
        Err(Error::Busy {
            run: id.into(),
            pid: holder(path).pid,
        })
    }

    fn begin(file: File, path: &Path) -> Self {
        let mut lock = Self {
            file,
            path: path.to_path_buf(),
        };
        // On a full disk the file is empty then, which says as little of a worker.
        let _ = lock.describe(&Holder {
            host: host_name(),
            ..Holder::default()
        });
        lock
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
        let kills = holder.kills.map_or(String::new(), |n| n.to_string());
        let whole = format!("{text}{:SIGN$}\n{kills}\n", "");
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

    /// Removes the lock's file and lets go of it: who waits for it finds out.
    ///
    /// # Errors
    /// `Io` when it cannot be removed.
    pub fn remove(self) -> Result<()> {
        storage::remove(&self.path)
    }
}

/// Takes a lock for as long as the file that is given is open, and waits for it: whoever has it is at most changing a
/// small file.
///
/// # Errors
/// `Io` when it cannot be used.
pub(crate) fn exclusive(path: &Path) -> Result<File> {
    let file = open(path)?;
    file.lock().map_err(|e| Error::io("lock", path, e))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File> {
    let io = |e| Error::io("open", path, e);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io)?;
    storage::regular(&file).map_err(io)?;
    Ok(file)
}

/// Whether the path still leads to the open file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// Where a holder says what it waits for, without needing room on the disk.
#[derive(Debug, Default)]
pub struct Sign {
    /// None in tests.
    file: Option<File>,
    at: u64,
}

impl Sign {
    /// Says it; empty where it waits for nothing. Where even that cannot be written, nobody is told: training matters
    /// more.
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
    let text = storage::read_text(path, LONGEST).ok()?;
    let why = text.lines().nth(3)?.trim();
    Some(crate::text::sanitize(why)).filter(|why| !why.is_empty())
}

/// Whether some process holds the lock. A missing or unreadable file is not held.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    storage::open(path)
        .is_ok_and(|(file, _)| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What the holder wrote, or the last one there was; zeros and nothing where there is nothing to read.
#[must_use]
pub fn holder(path: &Path) -> Holder {
    let text = storage::read_text(path, LONGEST).unwrap_or_default();
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    Holder {
        pid: next().parse().unwrap_or(0),
        host: crate::text::sanitize(next()),
        socket: Some(next()).filter(|s| !s.is_empty()).map(PathBuf::from),
        // The sign comes before it.
        kills: text.lines().nth(4).and_then(|kills| kills.parse().ok()),
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
            kills: None,
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

    #[test]
    fn a_removed_lock_is_nobodys_and_a_fresh_one_says_nothing_of_the_last_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut lock = RunLock::acquire(&path, "r").unwrap();
        let holder_of_old = Holder {
            pid: 4711,
            host: "elsewhere".into(),
            socket: Some("/tmp/a.sock".into()),
            kills: None,
        };
        lock.describe(&holder_of_old).unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || RunLock::acquire(&path, "r")
        });
        std::thread::sleep(2 * PATIENCE);
        lock.remove().unwrap();
        let second = waiting.join().unwrap().unwrap();
        assert!(is_held(&path) && is_at(&second.file, &path));
        let nobody = Holder {
            host: host_name(),
            ..Holder::default()
        };
        assert_eq!(holder(&path), nobody);
        assert!(matches!(
            RunLock::acquire(&path, "r"),
            Err(Error::Busy { pid: 0, .. })
        ));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        assert!(!is_held(&path));
        assert_eq!(holder(&path), Holder::default());
        assert!(matches!(
            RunLock::acquire(&path, "r"),
            Err(Error::Io { .. })
        ));
    }
}

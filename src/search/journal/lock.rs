//! The lock of a journal, as Optuna takes it: a symbolic link beside the file, which only one process can make, on any
//! file system.
//!
//! **Reference** `optuna.storages.journal.JournalFileSymlinkLock`

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Error, Result};

/// A lock that nobody has touched for so long is nobody's, as Optuna has it.
const GRACE: Duration = Duration::from_secs(30);

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// The held lock of a journal.
pub(super) struct Lock {
    link: PathBuf,
}

impl Lock {
    /// Waits for the lock of a journal, whose path is absolute: Optuna waits for ever where the link leads nowhere.
    ///
    /// # Errors
    /// `Io` when no link can be made there.
    pub(super) fn take(journal: &Path) -> Result<Self> {
        let link = beside(journal);
        let mut pause = SHORTEST;
        let mut seen: Option<(SystemTime, Instant)> = None;
        loop {
            match symlink(journal, &link) {
                Ok(()) => return Ok(Self { link }),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("lock", &link, e)),
            }
            // Of the link itself: the journal may be written by whoever holds the lock next.
            if let Ok(made) = fs::symlink_metadata(&link).and_then(|link| link.modified()) {
                match seen {
                    Some((before, since)) if before == made => {
                        if since.elapsed() > GRACE {
                            release(&link);
                            seen = None;
                        }
                    }
                    _ => seen = Some((made, Instant::now())),
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        release(&self.link);
    }
}

/// Renamed first: whoever breaks a lock at the same time removes no other's.
fn release(link: &Path) {
    static RELEASED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let nth = RELEASED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut name = link.as_os_str().to_owned();
    name.push(format!(
        "{}-{}-{nth}.rename",
        std::process::id(),
        crate::text::now().to_bits()
    ));
    // Where it is gone already there is nothing to do.
    if fs::rename(link, &name).is_ok() {
        let _ = fs::remove_file(&name);
    }
}

fn beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

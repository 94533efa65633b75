//! The journal of a search: the file of Optuna's `JournalStorage`, which Optuna, its dashboard and any number of
//! workers read and write at the same time.
//!
//! A line is an operation as JSON. Whoever writes holds the lock ([`lock`]), has read everything before, and appends
//! whole lines; a last line without an end is of somebody who was killed, and is cut off before the next is written.

mod line;
mod lock;
mod replay;
mod write;

pub(crate) use write::Operation;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::study::{Direction, Study};
use crate::error::{Error, Result};
use crate::{storage, text};
use lock::Lock;
use replay::Replay;

/// **Units** bytes of the largest journal that is read.
const LONGEST: u64 = 4 << 30;

/// A journal that is open.
pub(crate) struct Journal {
    /// Absolute.
    path: PathBuf,
    /// Which worker writes.
    worker: String,
    replay: Replay,
    /// **Units** bytes that were read, and lines.
    read: u64,
    lines: u64,
    /// Whether what is written is on the disk before anything goes on.
    is_durable: bool,
}

impl Journal {
    /// Opens a journal that is there, or will be, and reads it.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Input` when it is no journal of Optuna's.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|e| Error::io("find", path, e))?;
        let mut journal = Self {
            path,
            worker: worker(),
            replay: Replay::default(),
            read: 0,
            lines: 0,
            is_durable: true,
        };
        journal.refresh()?;
        Ok(journal)
    }

    /// Does not wait for the disk: for measuring.
    #[cfg(test)]
    pub(crate) fn without_waiting(mut self) -> Self {
        self.is_durable = false;
        self
    }

    /// The studies that are there, with their ids.
    pub(crate) fn studies(&self) -> impl Iterator<Item = (usize, &Study)> {
        let all = self.replay.studies.iter().enumerate();
        all.filter_map(|(id, study)| study.as_ref().map(|study| (id, study)))
    }

    #[must_use]
    pub(crate) fn study(&self, name: &str) -> Option<(usize, &Study)> {
        self.studies().find(|(_, study)| study.name == name)
    }

    /// Reads what was written since; says whether there was anything.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn refresh(&mut self) -> Result<bool> {
        let (mut file, length) = match storage::open(&self.path) {
            Ok(open) => open,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && self.read == 0 => {
                return Ok(false);
            }
            Err(e) => return Err(Error::io("read", &self.path, e)),
        };
        if length < self.read {
            let remedy = "open it anew, if it was replaced on purpose";
            return Err(self.bad("has become shorter", remedy));
        }
        if length == self.read {
            return Ok(false);
        }
        if length > LONGEST {
            let problem = format!("has {}", text::bytes(length));
            return Err(self.bad(&problem, "search in a new journal"));
        }
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.read))
            .and_then(|_| file.take(length - self.read).read_to_end(&mut new))
            .map_err(|e| Error::io("read", &self.path, e))?;
        let whole = new.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for line in new[..whole].split_inclusive(|b| *b == b'\n') {
            self.lines += 1;
            self.apply(line)?;
            self.read += line.len() as u64;
        }
        Ok(whole > 0)
    }

    fn apply(&mut self, line: &[u8]) -> Result<()> {
        let number = self.lines;
        let applied = line::with(line, |line| self.replay.apply(line));
        let problem = match applied {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => format!("is no operation of Optuna's ({error})"),
        };
        Err(Error::input(
            format!("line {number} of {}", self.path.display()),
            problem,
            "name a file of Optuna's JournalStorage, or take this line out",
        ))
    }

    fn bad(&self, problem: &str, remedy: &str) -> Error {
        Error::input(self.path.display().to_string(), problem, remedy)
    }

    /// Lets nobody else write as long as `change` does; what it has decided is on the disk at the end.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh), whatever `change` says, and `Io` when the journal cannot be written: nothing is
    /// written then.
    pub(crate) fn edit<T>(
        &mut self,
        change: impl FnOnce(&mut Editor<'_>) -> Result<T>,
    ) -> Result<T> {
        let _lock = Lock::take(&self.path)?;
        self.refresh()?;
        let mut editor = Editor {
            journal: self,
            lines: Vec::new(),
        };
        let done = change(&mut editor)?;
        let lines = editor.lines;
        if !lines.is_empty() {
            self.append(&lines)?;
        }
        Ok(done)
    }

    /// Appends whole lines behind those that were read; whatever lies there besides is a torn one.
    fn append(&mut self, lines: &[u8]) -> Result<()> {
        let fail = |e| Error::io("write", &self.path, e);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.path)
            .map_err(fail)?;
        let written = write(&mut file, self.read, lines, self.is_durable);
        if written.is_err() {
            // On a full disk a part may be there.
            let _ = file.set_len(self.read);
        }
        written.map_err(fail)?;
        self.refresh().map(drop)
    }
}

fn write(file: &mut File, at: u64, lines: &[u8], is_durable: bool) -> std::io::Result<()> {
    if file.metadata()?.len() > at {
        file.set_len(at)?;
    }
    file.seek(SeekFrom::Start(at))?;
    file.write_all(lines)?;
    if is_durable {
        file.sync_data()?;
    }
    Ok(())
}

/// A journal whose lock is held.
pub(crate) struct Editor<'a> {
    journal: &'a mut Journal,
    lines: Vec<u8>,
}

impl Editor<'_> {
    /// The journal as it was when the lock was taken.
    #[must_use]
    pub(crate) fn journal(&self) -> &Journal {
        self.journal
    }

    /// The id of the trial that is created next, where none was since the lock was taken.
    #[cfg(test)]
    pub(crate) fn next_trial(&self) -> usize {
        self.journal.replay.trial_count()
    }

    /// Notes an operation on a study.
    pub(crate) fn push(&mut self, study: usize, operation: &Operation) {
        let line = operation.line(&self.journal.worker, study, text::now());
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
    }

    /// The study with this name, which is made where there is none yet; only where nothing was noted before.
    pub(crate) fn create_study(&mut self, name: &str, directions: &[Direction]) -> usize {
        if let Some((id, _)) = self.journal.study(name) {
            return id;
        }
        let operation = Operation::CreateStudy {
            name: name.into(),
            directions: directions.to_vec(),
        };
        self.push(0, &operation);
        self.journal.replay.studies.len()
    }
}

/// A name that no other worker has.
fn worker() -> String {
    static OPENED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let nth = OPENED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!(
        "fmtui-{}-{:x}-{nth}",
        std::process::id(),
        text::now().to_bits()
    )
}

#[cfg(test)]
mod tests;

//! Some room on the disk that a run keeps back for its end: its state and what it has to say then find place on a full
//! disk too.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// Bytes kept back: a record of a thousand epochs, and the last lines of the log.
const BYTES: usize = 512 << 10;

/// Room that is kept back; given back with the run.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// With the file open, so that it can grow.
    kept: Option<(PathBuf, File)>,
}

impl Reserve {
    /// Keeps room back in this file. A disk that has none gives none: then the run has no reserve.
    #[must_use]
    pub(crate) fn keep(path: PathBuf) -> Self {
        // Written and not only allocated: some file systems give room to whoever writes first.
        let Ok(mut file) = File::create(&path) else {
            return Self::default();
        };
        let written = file
            .write_all(&vec![b'.'; BYTES])
            .and_then(|()| file.sync_all());
        let reserve = Self {
            kept: Some((path, file)),
        };
        if written.is_ok() {
            return reserve;
        }
        drop(reserve);
        Self::default()
    }

    /// Keeps room for so many bytes more, where the file system can set it aside without writing them.
    pub(crate) fn grow(&mut self, bytes: u64) {
        if let Some((_, file)) = &self.kept {
            let flags = rustix::fs::FallocateFlags::empty();
            // What is not granted is not kept: the run trains all the same.
            let _ = rustix::fs::fallocate(file, flags, BYTES as u64, bytes);
        }
    }

    /// Gives the room back; whether there was some.
    pub(crate) fn give_back(&mut self) -> bool {
        self.kept
            .take()
            .is_some_and(|(path, _)| fs::remove_file(path).is_ok())
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reserve");
        let mut reserve = Reserve::keep(path.clone());
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES as u64);
        reserve.grow(1 << 20);
        let whole = fs::metadata(&path).unwrap().len();
        assert!([BYTES as u64, BYTES as u64 + (1 << 20)].contains(&whole));
        assert!(reserve.give_back() && !reserve.give_back());
        assert!(!path.exists());
        drop(Reserve::keep(path.clone()));
        assert!(!path.exists());
        assert!(!Reserve::keep(dir.path().join("no/where")).give_back());
    }
}

//! Some room on the disk that a run keeps back for its end: what it has to say then finds place on a full disk too.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// Bytes kept back: a record of a thousand epochs, and the last lines of the log.
const BYTES: usize = 512 << 10;

/// Room that is kept back; given back with the run.
#[derive(Debug, Default)]
pub struct Reserve {
    path: Option<PathBuf>,
}

impl Reserve {
    /// Keeps room back in this file. A disk that has none gives none: then the run has no reserve.
    #[must_use]
    pub fn keep(path: PathBuf) -> Self {
        // Written and not only allocated: some file systems give room to whoever writes first.
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![b'.'; BYTES])
                .and_then(|()| file.sync_all())
        });
        let reserve = Self { path: Some(path) };
        if written.is_ok() {
            return reserve;
        }
        drop(reserve);
        Self::default()
    }

    /// Gives the room back; whether there was some.
    pub fn give_back(&mut self) -> bool {
        self.path
            .take()
            .is_some_and(|path| fs::remove_file(path).is_ok())
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
        assert!(reserve.give_back() && !reserve.give_back());
        assert!(!path.exists());
        drop(Reserve::keep(path.clone()));
        assert!(!path.exists());
        assert!(!Reserve::keep(dir.path().join("no/where")).give_back());
    }
}

//! Where content comes from: what an error about a file says, and reading one without believing its sizes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::{storage, text};

/// The largest content that is read, in bytes: well above the largest known set (EMNIST `byclass`, 0.6 GB).
pub(super) const LARGEST: u64 = 4 << 30;

/// Deflate cannot shrink better than this: <https://zlib.net/zlib_tech.html>.
pub(super) const BEST_COMPRESSION: u64 = 1032;

/// What is allocated before the first byte of content has been seen.
const FIRST_ALLOCATION: u64 = 64 << 20;

/// How an error about a file reads: its name and what to do about it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file, for people; sanitised.
    pub file: String,
    /// Starts with a verb.
    pub remedy: String,
}

impl Origin {
    #[must_use]
    pub fn new(path: &Path, remedy: &str) -> Self {
        Self {
            file: text::sanitize(&path.display().to_string()),
            remedy: remedy.into(),
        }
    }

    /// One of the things in this file.
    #[must_use]
    pub(super) fn member(&self, name: &str) -> Self {
        Self {
            file: format!("{} in {}", text::sanitize(name), self.file),
            remedy: self.remedy.clone(),
        }
    }

    /// The error that this file has a `problem`.
    #[must_use]
    pub fn error(&self, problem: impl Into<String>) -> Error {
        Error::input(&self.file, problem, &self.remedy)
    }

    /// The same with something else to do about it.
    #[must_use]
    pub(super) fn error_with(&self, problem: impl Into<String>, remedy: &str) -> Error {
        Error::input(&self.file, problem, remedy)
    }

    /// The file is whole; it is the memory that is not enough.
    pub(super) fn too_large(&self) -> Error {
        self.error_with(
            "needs more memory than this process may use",
            "free some memory, or take a smaller data set",
        )
    }

    /// A read error that is the content's fault, as gzip reports it, is bad input; the system's own is `Io`.
    pub(super) fn read_error(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::OutOfMemory {
            self.too_large()
        } else if error.raw_os_error().is_some() {
            Error::io("read", &self.file, error)
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            self.error("is truncated")
        } else {
            self.error(format!("is damaged ({error})"))
        }
    }
}

/// Opens a regular file; gives its length in bytes, too.
///
/// # Errors
/// `Input` for what is no regular file, `Io` when it cannot be opened.
pub(super) fn open(path: &Path, origin: &Origin) -> Result<(BufReader<File>, u64)> {
    let (file, length) = storage::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => origin.error("is not a regular file"),
        _ => Error::io("read", path, e),
    })?;
    Ok((BufReader::with_capacity(1 << 18, file), length))
}

/// Reads a whole file of at most `most` bytes.
///
/// # Errors
/// As [`open`]; `Input` for a longer one.
pub(super) fn whole(path: &Path, most: u64, origin: &Origin) -> Result<Vec<u8>> {
    storage::read(path, most).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => origin.error("is not a regular file"),
        io::ErrorKind::FileTooLarge => {
            origin.error(format!("is longer than {}", text::bytes(most)))
        }
        io::ErrorKind::OutOfMemory => origin.too_large(),
        _ => Error::io("read", path, e),
    })
}

/// The content of what may be gzipped and has `length` bytes as it lies there; and the most bytes it can come to.
///
/// # Errors
/// As reading has.
pub(super) fn inflated<'a>(
    mut reader: impl BufRead + 'a,
    length: u64,
    origin: &Origin,
) -> Result<(Box<dyn Read + 'a>, u64)> {
    let start = reader.fill_buf().map_err(|e| origin.read_error(e))?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        let most = length.saturating_mul(BEST_COMPRESSION);
        (Box::new(MultiGzDecoder::new(reader)), most)
    } else {
        (Box::new(reader), length)
    })
}

/// Reads exactly `expected` bytes and the end of the stream, and never more than one byte beyond.
///
/// # Errors
/// `Input` where there are more or fewer, or no memory; as reading has.
pub(super) fn capped(reader: &mut impl Read, expected: u64, origin: &Origin) -> Result<Vec<u8>> {
    let mut values = Vec::new();
    let first = usize::try_from((expected + 1).min(FIRST_ALLOCATION)).unwrap_or(usize::MAX);
    values
        .try_reserve_exact(first)
        .map_err(|_| origin.too_large())?;
    reader
        .take(expected + 1)
        .read_to_end(&mut values)
        .map_err(|e| origin.read_error(e))?;
    match (values.len() as u64).cmp(&expected) {
        std::cmp::Ordering::Equal => Ok(values),
        std::cmp::Ordering::Less => Err(origin.error(format!(
            "is truncated: its header declares {expected} bytes, it holds {}",
            values.len()
        ))),
        std::cmp::Ordering::Greater => Err(origin.error(format!(
            "is too long: its header declares {expected} bytes and more follow"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_memory_is_too_small_for_is_not_called_damaged() {
        let origin = Origin::new(
            Path::new("train-images"),
            "replace it with the original file",
        );
        let told = origin
            .read_error(io::ErrorKind::OutOfMemory.into())
            .to_string();
        assert!(
            told.contains("memory") && !told.contains("damaged"),
            "{told}"
        );
        assert!(!told.contains("replace"), "{told}");
    }

    #[test]
    fn only_regular_files_of_a_sensible_length_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        let origin = Origin::new(&path, "replace it");
        assert_eq!(whole(&path, 4, &origin).unwrap(), b"1234");
        let told = whole(&path, 3, &origin).unwrap_err().to_string();
        assert!(told.ends_with("is longer than 3 B; replace it"), "{told}");
        for told in [
            whole(directory.path(), 9, &origin).unwrap_err(),
            open(directory.path(), &origin).unwrap_err(),
        ] {
            assert!(told.to_string().contains("not a regular file"), "{told}");
        }
        let missing = whole(&directory.path().join("none"), 3, &origin).unwrap_err();
        assert!(matches!(missing, Error::Io { .. }));
    }
}

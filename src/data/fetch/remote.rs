//! What a downloaded file has to be, and whether it is.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::catalog::{self, Parcel, Size};
use crate::storage;

/// **Units** bytes that are hashed between two looks at the cancel flag.
const PIECE: usize = 1 << 20;

/// A file that is known before it is downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// As it is called at the mirrors and in the set's directory.
    pub file: String,
    pub check: Check,
    /// The files of a zip archive that are kept in its place, by their paths in it; empty where the file itself is.
    pub members: Vec<String>,
}

/// What is published of a file; digests in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Size and SHA-256 of what a gzip file holds, however it is compressed.
    Content { bytes: u64, sha256: String },
    /// Of the file as it is sent.
    Sha256 { bytes: u64, sha256: String },
    /// MD5 of the file as it is sent, and the size of what it holds, gzipped.
    Md5 { content: u64, md5: String },
}

/// Why a file is not.
pub(super) enum Fault {
    Cancelled,
    /// In words that go on from its name.
    Wrong(String),
    Unreadable(io::Error),
}

impl Remote {
    /// A file of a set's own, gzipped.
    pub(super) fn gzipped(file: &catalog::File) -> Self {
        Self {
            file: format!("{}.gz", file.name),
            check: Check::Content {
                bytes: file.bytes,
                sha256: file.sha256.into(),
            },
            members: Vec::new(),
        }
    }

    pub(super) fn of(parcel: &Parcel) -> Self {
        let check = match (parcel.digest, parcel.size) {
            (catalog::Digest::Sha256(digest), Size::Sent(bytes)) => Check::Sha256 {
                bytes,
                sha256: digest.into(),
            },
            (catalog::Digest::Sha256(digest), Size::Content(bytes)) => Check::Content {
                bytes,
                sha256: digest.into(),
            },
            (catalog::Digest::Md5(digest), Size::Content(content) | Size::Sent(content)) => {
                Check::Md5 {
                    content,
                    md5: digest.into(),
                }
            }
        };
        Self {
            file: parcel.name.into(),
            check,
            members: parcel.members.iter().map(ToString::to_string).collect(),
        }
    }

    pub(super) fn address(&self, mirror: &str) -> String {
        format!("{}/{}", mirror.trim_end_matches('/'), self.file)
    }

    /// The names of the files that stay, without directories.
    pub(super) fn kept(&self) -> impl Iterator<Item = &str> {
        let whole = self.members.is_empty().then_some(self.file.as_str());
        let members = self.members.iter().map(|path| name_of(path));
        whole.into_iter().chain(members)
    }
}

/// The last part of a path in an archive.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Check {
    /// **Units** bytes that are sent; none where they are not known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Sha256 { bytes, .. } => Some(*bytes),
            Self::Content { .. } | Self::Md5 { .. } => None,
        }
    }

    /// **Units** bytes: the most that may be sent. Of gzip, stored blocks cost five bytes per 16 KiB at worst.
    #[must_use]
    pub fn most(&self) -> u64 {
        match self {
            Self::Sha256 { bytes, .. } => *bytes,
            Self::Content { bytes: content, .. } | Self::Md5 { content, .. } => {
                content + content / 1000 + 4096
            }
        }
    }

    /// Whether no SHA-256 is published.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Md5 { .. })
    }

    /// Reads a file and holds it to what is published, no more of a gzip file's content than a byte beyond its size.
    /// Gives the SHA-256 of the file as it lies there.
    pub(super) fn verify(&self, path: &Path, cancel: &AtomicBool) -> Result<String, Fault> {
        let (file, length) = storage::open(path).map_err(Fault::Unreadable)?;
        if length > self.most() {
            let most = self.most();
            return Err(wrong(format!(
                "is larger than the {most} bytes it may have"
            )));
        }
        let mut hashes = Hashes::new(self.is_weak());
        hashes.read(file, cancel)?;
        let (sha256, md5) = hashes.finish();
        match self {
            Self::Sha256 {
                bytes,
                sha256: published,
            } => {
                if length != *bytes {
                    return Err(wrong(format!("has {length} bytes instead of {bytes}")));
                }
                same("SHA-256", &sha256, published)?;
            }
            Self::Content {
                bytes,
                sha256: published,
            } => same("SHA-256", &content(path, *bytes, cancel)?, published)?,
            Self::Md5 {
                content: bytes,
                md5: published,
            } => {
                content(path, *bytes, cancel)?;
                same("MD5", &md5, published)?;
            }
        }
        Ok(sha256)
    }
}

/// The SHA-256 of a file.
pub(super) fn sha256(path: &Path, cancel: &AtomicBool) -> Result<String, Fault> {
    let (file, _) = storage::open(path).map_err(Fault::Unreadable)?;
    let mut hashes = Hashes::new(false);
    hashes.read(file, cancel)?;
    Ok(hashes.finish().0)
}

/// The SHA-256 of what a gzip file holds, which has to be of this size.
fn content(path: &Path, bytes: u64, cancel: &AtomicBool) -> Result<String, Fault> {
    let (file, _) = storage::open(path).map_err(Fault::Unreadable)?;
    let inflated = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file)).take(bytes + 1);
    let mut hashes = Hashes::new(false);
    let length = hashes.read(inflated, cancel).map_err(|fault| match fault {
        Fault::Unreadable(e) => wrong(format!("is not a complete gzip file ({e})")),
        other => other,
    })?;
    if length != bytes {
        let more = if length > bytes { "more" } else { "fewer" };
        return Err(wrong(format!("inflates to {more} than {bytes} bytes")));
    }
    Ok(hashes.finish().0)
}

fn same(kind: &str, is: &str, published: &str) -> Result<(), Fault> {
    if is == published {
        return Ok(());
    }
    Err(wrong(format!(
        "has the wrong {kind}: it is not the published file"
    )))
}

fn wrong(problem: String) -> Fault {
    Fault::Wrong(problem)
}

/// What is worked out of a stream while it is read.
struct Hashes {
    sha256: Sha256,
    md5: Option<Md5>,
}

impl Hashes {
    fn new(with_md5: bool) -> Self {
        Self {
            sha256: Sha256::new(),
            md5: with_md5.then(Md5::new),
        }
    }

    /// Reads to the end; gives the length.
    fn read(&mut self, mut from: impl Read, cancel: &AtomicBool) -> Result<u64, Fault> {
        let mut piece = vec![0; PIECE];
        let mut length = 0;
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(Fault::Cancelled);
            }
            let read = match from.read(&mut piece) {
                Ok(0) => return Ok(length),
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Fault::Unreadable(e)),
            };
            length += read as u64;
            self.sha256.update(&piece[..read]);
            if let Some(md5) = &mut self.md5 {
                md5.update(&piece[..read]);
            }
        }
    }

    /// SHA-256 and, where it was asked for, MD5.
    fn finish(self) -> (String, String) {
        let md5 = self.md5.map(|md5| storage::hex(&md5.finalize()));
        (
            storage::hex(&self.sha256.finalize()),
            md5.unwrap_or_default(),
        )
    }
}

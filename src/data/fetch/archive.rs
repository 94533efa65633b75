//! Taking single files out of a zip archive. An archive's own paths are never written to.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use zip::ZipArchive;

use super::remote::name_of;
use super::staging::Staging;
use crate::error::{Error, Result};
use crate::{storage, text};

/// **Units** bytes that are written between two looks at the cancel flag.
const PIECE: u64 = 4 << 20;

/// Takes the `members` out of an archive, each under its own name; false where that was cancelled.
///
/// A member is a gzip file, which zip does not shrink: one that is larger than the archive is refused.
///
/// # Errors
/// `Input` when the archive has not all of them or is damaged, `Io` for the disk.
pub(super) fn take(
    archive: &Path,
    members: &[String],
    staging: &Staging,
    cancel: &AtomicBool,
) -> Result<bool> {
    let (file, length) = storage::open(archive).map_err(|e| Error::io("read", archive, e))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let broken = |problem: String| {
        Error::input(
            text::sanitize(&name),
            problem,
            "fetch it again, or put the set's files there by hand",
        )
    };
    let mut zip = ZipArchive::new(BufReader::new(file))
        .map_err(|e| broken(format!("is not a zip archive that can be read ({e})")))?;
    for member in members {
        let entry = zip
            .by_name(member)
            .map_err(|e| broken(format!("has no {member} that can be read ({e})")))?;
        if !entry.is_file() || entry.is_symlink() {
            return Err(broken(format!("has {member}, which is not a file")));
        }
        if entry.size() > length {
            return Err(broken(format!("has {member}, which is larger than itself")));
        }
        let place = staging.part(name_of(member));
        let mut limited = entry.take(length + 1);
        let mut out = File::create(&place).map_err(|e| Error::io("write", &place, e))?;
        let written = copy(&mut limited, &mut out, cancel).map_err(|problem| match problem {
            Problem::Read(e) => broken(format!("has {member}, which is damaged ({e})")),
            Problem::Write(e) => Error::io("write", &place, e),
        });
        match written {
            Ok(Some(bytes)) if bytes > length => {
                let _ = fs::remove_file(&place);
                return Err(broken(format!("has {member}, which is larger than itself")));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let _ = fs::remove_file(&place);
                return written.map(|_| false);
            }
        }
        let whole = staging.whole(name_of(member));
        fs::rename(&place, &whole).map_err(|e| Error::io("write", &whole, e))?;
    }
    Ok(true)
}

enum Problem {
    Read(io::Error),
    Write(io::Error),
}

/// Copies and syncs; gives the length, or none where it was cancelled.
fn copy(from: &mut impl Read, to: &mut File, cancel: &AtomicBool) -> Result<Option<u64>, Problem> {
    let mut length = 0;
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut piece = Vec::new();
        from.take(PIECE)
            .read_to_end(&mut piece)
            .map_err(Problem::Read)?;
        if piece.is_empty() {
            to.sync_all().map_err(Problem::Write)?;
            return Ok(Some(length));
        }
        io::Write::write_all(to, &piece).map_err(Problem::Write)?;
        length += piece.len() as u64;
    }
}

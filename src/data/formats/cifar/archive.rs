//! A set as the archive that is downloaded: read from the gzipped tar itself; nothing is unpacked to disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, Read};
use std::path::{Component, Path};

use tar::{Archive, EntryType};

use super::layout::{Layout, Members, Role};
use crate::data::formats::origin::{self, Origin, capped};
use crate::error::Result;

/// **Units** bytes that an archive may unpack to, what is skipped included; the published ones have 185 MB.
const MOST_UNPACKED: u64 = 2 << 30;

/// The most entries of an archive.
const MOST_ENTRIES: usize = 1000;

/// The content of files by the layout they belong to.
pub(super) type Found<T> = BTreeMap<Layout, Members<T>>;

/// Reads an archive of `length` bytes and gives every file of a batch or of names to `take`.
///
/// # Errors
/// `Input` where it is no gzipped tar, is damaged or truncated, unpacks to too much, or has links or paths that lead
/// out of it; what `take` gives.
pub(super) fn read<T>(
    reader: impl BufRead,
    length: u64,
    origin: &Origin,
    mut take: impl FnMut(Layout, Role, &[u8], &Origin) -> Result<T>,
) -> Result<Found<T>> {
    let (reader, _) = origin::inflated(reader, length, origin)?;
    let mut archive = Archive::new(Bounded {
        reader,
        left: MOST_UNPACKED,
    });
    let mut found = Found::new();
    // Raw: the crate would read the long names of others into memory, however long they are.
    let entries = archive.entries().map_err(|e| origin.read_error(e))?;
    for (number, entry) in entries.raw(true).enumerate() {
        let mut entry = entry.map_err(|e| origin.read_error(e))?;
        if number >= MOST_ENTRIES {
            return Err(origin.error(format!("has more than {MOST_ENTRIES} entries")));
        }
        match entry.header().entry_type() {
            EntryType::Regular => {}
            EntryType::Directory
            | EntryType::XHeader
            | EntryType::XGlobalHeader
            | EntryType::GNULongName => continue,
            EntryType::Symlink | EntryType::Link => return Err(origin.error("has links in it")),
            _ => return Err(origin.error("has something else than files in it")),
        }
        let path = entry.path().map_err(|e| origin.read_error(e))?.into_owned();
        check_path(&path, origin)?;
        let name = path.file_name().and_then(OsStr::to_str);
        let Some((layout, role)) = name.and_then(Layout::recognise) else {
            continue;
        };
        let size = entry.size();
        let member = origin.member(name.unwrap_or_default());
        if size > MOST_UNPACKED {
            return Err(member.error("is too large for a batch"));
        }
        let bytes = capped(&mut entry, size, &member)?;
        let members = found.entry(layout).or_default();
        if members
            .insert(role, take(layout, role, &bytes, &member)?)
            .is_some()
        {
            return Err(member.error("is there more than once"));
        }
    }
    // To the end, where gzip's checksum is.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|e| origin.read_error(e))?;
    Ok(found)
}

/// Paths of an archive stay below the directory that it is unpacked in.
fn check_path(path: &Path, origin: &Origin) -> Result<()> {
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.components().all(stays) {
        return Ok(());
    }
    Err(origin.error(format!(
        "has a path that leads out of it: {}",
        path.display()
    )))
}

/// A stream of which only so many bytes are read.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than 2 GiB"))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;

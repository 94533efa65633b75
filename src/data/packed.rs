//! Images of files of their own, decoded once and kept in one file, all of one size.
//!
//! A packed file belongs to a set's content and to what was done to its images; whoever asks for the same again finds
//! it. It is put in place whole. Every image in it has a checksum, which is compared whenever it is read.

use std::fs::{File, TryLockError};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Dataset, Examples, InMemory, Part, Store};
use crate::error::{Error, Result};
use crate::{storage, text};

/// Of the file, as this version writes it.
const FORMAT: u32 = 1;

/// At its beginning.
const MAGIC: &[u8; 8] = b"fmtuipk\n";

/// Where the header begins: behind it, where the images do, and the header's length. **Units** bytes.
const START: u64 = 24;

/// Images that are decoded at a time.
const PIECE: usize = 256;

/// Room on the disk that is left to others. **Units** bytes.
const SPARE: u64 = 64 << 20;

/// How often it is looked whether another process has finished.
const LOOK: Duration = Duration::from_millis(100);

/// The end of a packed file's name.
const EXTENSION: &str = "packed";

/// And of one that is being written.
const PART: &str = "part";

/// What the images of a packed file are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The set, by [`Dataset::sha256`].
    pub set: String,
    /// What was done to each image, such as `antialias`, with the version of how.
    pub method: String,
    /// **Shape** `[channels, height, width]` of each.
    pub shape: [usize; 3],
}

/// What stands before the images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    format: u32,
    spec: Spec,
    images: usize,
    /// SHA-256 of all pixels, in the order of pooled indices.
    pixels_sha256: String,
    /// CRC-32 of each image.
    checksums: Vec<u32>,
}

impl Spec {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where the packed file of these images lies below `directory`.
    pub(crate) fn path(&self, directory: &Path) -> PathBuf {
        let text = format!("{FORMAT} {} {} {:?}", self.set, self.method, self.shape);
        let digest = storage::sha256(text.as_bytes());
        directory.join(format!("{}.{EXTENSION}", &digest[..16]))
    }
}

/// Makes of an image what a packed file keeps. **Shape** `image` `[channels, sides.0, sides.1]`; it may be changed.
pub(crate) type Fit<'a> = &'a (dyn Fn(&mut Vec<u8>, (usize, usize), &mut [u8]) + Sync);

/// Writes the packed file of a set's images, each brought to its size by `fit`; tells `progress` how many of how many
/// are done. Where another process is writing it, waits for that.
///
/// # Errors
/// `Input` for an image that cannot be read or a disk that is too small, `Io`, `Cancelled`.
pub(crate) fn write(
    dataset: &Dataset,
    spec: &Spec,
    fit: Fit<'_>,
    path: &Path,
    free: Option<u64>,
    progress: &mut dyn FnMut(usize, usize),
    cancel: &AtomicBool,
) -> Result<()> {
    let (images, size) = (dataset.len(), spec.len());
    let needed = (images * size) as u64;
    if let Some(free) = free.filter(|free| *free < needed + SPARE) {
        return Err(Error::input(
            format!("data set {}", dataset.name),
            format!(
                "takes {} decoded, with {} to spare, and {} are free on the disk",
                text::bytes(needed),
                text::bytes(SPARE),
                text::bytes(free)
            ),
            "free some space, or set a smaller data.image_size",
        ));
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
    let new = path.with_extension(PART);
    let (before, begun) = (inode(path), SystemTime::now());
    let Some(file) = own(&new, &|| inode(path) != before, cancel, &dataset.name)? else {
        return Ok(());
    };
    let written = pack(dataset, spec, fit, (&file, &new), progress, cancel)
        // What changes while it is written is found by `check_files`.
        .and_then(|()| {
            file.set_modified(begun)
                .map_err(|e| Error::io("write", &new, e))
        })
        .and_then(|()| std::fs::rename(&new, path).map_err(|e| Error::io("write", path, e)))
        .and_then(|()| {
            storage::sync_directory(directory).map_err(|e| Error::io("write", directory, e))
        });
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// The file, locked for as long as it is open; waits while another process writes it. `None` once that is finished.
fn own(
    path: &Path,
    is_finished: &dyn Fn() -> bool,
    cancel: &AtomicBool,
    name: &str,
) -> Result<Option<File>> {
    loop {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(path)
            .map_err(|e| Error::io("create", path, e))?;
        match file.try_lock() {
            Ok(()) if is_finished() => {
                // It was opened after the other had put its own in place.
                let _ = std::fs::remove_file(path);
                return Ok(None);
            }
            Ok(()) if same(&file, path) => {
                file.set_len(0).map_err(|e| Error::io("write", path, e))?;
                return Ok(Some(file));
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
        }
        stop_if(cancel, name)?;
    }
}

/// Whether an open file is the one of this name.
fn same(file: &File, path: &Path) -> bool {
    file.metadata().ok().map(|m| m.ino()) == inode(path)
}

fn inode(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|m| m.ino())
}

fn stop_if(cancel: &AtomicBool, name: &str) -> Result<()> {
    if !cancel.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(Error::Cancelled {
        file: name.into(),
        remedy: "its images are decoded when they are needed again".into(),
    })
}

fn pack(
    dataset: &Dataset,
    spec: &Spec,
    fit: Fit<'_>,
    (file, path): (&File, &Path),
    progress: &mut dyn FnMut(usize, usize),
    cancel: &AtomicBool,
) -> Result<()> {
    let failed = |e| Error::io("write", path, e);
    let (images, size) = (dataset.len(), spec.len());
    let mut header = Header {
        format: FORMAT,
        spec: spec.clone(),
        images,
        pixels_sha256: "0".repeat(64),
        checksums: vec![0; images],
    };
    let mut out = BufWriter::new(file);
    // Of the same length when all is known.
    let room = START + (header_bytes(&header)?.len() + 10 * images) as u64;
    out.seek(SeekFrom::Start(room)).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut pixels = vec![0; PIECE * size];
    progress(0, images);
    for first in (0..images).step_by(PIECE) {
        stop_if(cancel, &dataset.name)?;
        let count = PIECE.min(images - first);
        let piece = &mut pixels[..count * size];
        piece
            .par_chunks_exact_mut(size)
            .zip(&mut header.checksums[first..first + count])
            .enumerate()
            .try_for_each_init(Vec::new, |own, (place, (out, checksum))| {
                stop_if(cancel, &dataset.name)?;
                let sides = dataset.size(first + place);
                own.resize(dataset.channels * sides.0 * sides.1, 0);
                dataset.read(first + place, own)?;
                fit(own, sides, out);
                *checksum = crc(out);
                Ok::<(), Error>(())
            })?;
        hash.update(&*piece);
        out.write_all(piece).map_err(failed)?;
        progress(first + count, images);
    }
    header.pixels_sha256 = storage::hex(&hash.finalize());
    out.flush().map_err(failed)?;
    drop(out);
    let bytes = header_bytes(&header)?;
    file.write_all_at(MAGIC, 0).map_err(failed)?;
    let places = [room, bytes.len() as u64].map(u64::to_le_bytes).concat();
    file.write_all_at(&places, 8).map_err(failed)?;
    file.write_all_at(&bytes, START).map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn header_bytes(header: &Header) -> Result<Vec<u8>> {
    serde_json::to_vec(header).map_err(|e| Error::compute("writing a packed file", e))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// The set with the images of a packed file: in memory where they take at most `most` bytes, else read from the file
/// when they are asked for. `None` where there is no whole file of this kind.
///
/// # Errors
/// `Io` when it cannot be read, `Input` when an image in it is damaged.
pub(crate) fn read(
    dataset: &Dataset,
    spec: &Spec,
    path: &Path,
    most: u64,
) -> Result<Option<Dataset>> {
    let Ok((file, length)) = storage::open(path) else {
        return Ok(None);
    };
    let Some((header, start)) = header(&file, length) else {
        return Ok(None);
    };
    let images = dataset.len();
    let is_whole = header.spec == *spec
        && header.images == images
        && header.checksums.len() == images
        && length == start + (images * spec.len()) as u64;
    if !is_whole {
        return Ok(None);
    }
    let in_file = InFile {
        file: Arc::new(file),
        path: path.to_path_buf(),
        start,
        first: 0,
        shape: spec.shape,
        checksums: Arc::new(header.checksums),
    };
    let is_small = (images * spec.len()) as u64 <= most;
    let mut new = Dataset {
        channels: spec.shape[0],
        height: spec.shape[1],
        width: spec.shape[2],
        pixels_sha256: header.pixels_sha256,
        ..dataset.clone()
    };
    let mut first = 0;
    for part in Part::ALL {
        let examples = match part {
            Part::Train => &mut new.train,
            Part::Test => &mut new.test,
            Part::Validation => &mut new.validation,
        };
        let own = InFile {
            first,
            ..in_file.clone()
        };
        first += examples.len();
        let labels = std::mem::take(&mut examples.labels);
        *examples = if is_small {
            Examples::in_memory(own.whole(labels.len())?, labels)
        } else {
            Examples {
                images: Arc::new(own),
                labels,
            }
        };
    }
    Ok(Some(new))
}

/// When a packed file was begun, or last held to the files that its images came from; `None` where there is none.
pub(crate) fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|m| m.modified()).ok()
}

/// Looks whether the files that the images of a packed file came from are still what was added, where they have changed
/// after `written`.
///
/// # Errors
/// `Input` naming the first that is not, `Io`, `Cancelled`.
pub(crate) fn check_files(
    dataset: &Dataset,
    path: &Path,
    written: SystemTime,
    cancel: &AtomicBool,
) -> Result<()> {
    let begun = SystemTime::now();
    // Clocks of file systems are coarse.
    let time = written
        .checked_sub(Duration::from_secs(2))
        .unwrap_or(written);
    let looked = (0..dataset.len()).into_par_iter().map(|index| {
        stop_if(cancel, &dataset.name)?;
        dataset.check(index, time)
    });
    // The first in the set's order, whichever thread was first.
    let looked: Vec<Result<()>> = looked.collect();
    looked.into_iter().collect::<Result<()>>()?;
    // So that none is looked at again that has not changed since.
    let touched = File::options().write(true).open(path);
    let _ = touched.and_then(|file| file.set_modified(begun));
    Ok(())
}

/// The header, and where the images begin.
fn header(file: &File, length: u64) -> Option<(Header, u64)> {
    let mut start = [0; 24];
    file.read_exact_at(&mut start, 0).ok()?;
    let number = |at: usize| Some(u64::from_le_bytes(start[at..at + 8].try_into().ok()?));
    let (room, size) = (number(8)?, number(16)?);
    if &start[..8] != MAGIC || room > length || size.checked_add(START)? > room {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut bytes, START).ok()?;
    let header: Header = serde_json::from_slice(&bytes).ok()?;
    (header.format == FORMAT).then_some((header, room))
}

/// Whether a file is called as [`Spec::path`] calls it, or as it is while it is written (before, the process had its
/// number in that name); others' files are not touched.
fn is_ours(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let mut parts = name.split('.');
    let is_digest = |part: &str| part.len() == 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let is_digest = parts.next().is_some_and(is_digest);
    let rest: Vec<&str> = parts.collect();
    is_digest
        && match rest.as_slice() {
            [end] => [EXTENSION, PART].contains(end),
            [process, end] => *end == PART && process.parse::<u32>().is_ok(),
            _ => false,
        }
}

/// Removes the packed files below a directory, but for those that are being written; gives how many, and their bytes.
///
/// # Errors
/// `Io` when one cannot be removed.
pub(crate) fn clean(directory: &Path) -> Result<(usize, u64)> {
    let (mut count, mut bytes) = (0, 0);
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let is_one = is_ours(&path);
        if let Ok(metadata) = entry.metadata().map(|m| (m.is_file(), m.len()))
            && is_one
            && metadata.0
            && !is_being_written(&path)
        {
            storage::remove(&path)?;
            count += 1;
            bytes += metadata.1;
        }
    }
    Ok((count, bytes))
}

fn is_being_written(path: &Path) -> bool {
    let locked = |file: File| matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    storage::open(path).is_ok_and(|(file, _)| locked(file))
}

/// Images of one size in a packed file.
#[derive(Clone, Debug)]
struct InFile {
    file: Arc<File>,
    path: PathBuf,
    /// Where the first image of all begins.
    start: u64,
    /// The number of its own first one.
    first: usize,
    shape: [usize; 3],
    checksums: Arc<Vec<u32>>,
}

impl InFile {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn whole(&self, count: usize) -> Result<InMemory> {
        let mut pixels = vec![0; count * self.len()];
        pixels
            .par_chunks_exact_mut(self.len())
            .enumerate()
            .try_for_each(|(index, image)| self.read(index, image))?;
        let [channels, height, width] = self.shape;
        Ok(InMemory {
            pixels,
            channels,
            height,
            width,
        })
    }
}

impl Store for InFile {
    fn size(&self, _: usize) -> (usize, usize) {
        (self.shape[1], self.shape[2])
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        let index = self.first + index;
        let at = self.start + (index * self.len()) as u64;
        let read = self.file.read_exact_at(out, at);
        read.map_err(|e| Error::io("read", &self.path, e))?;
        if crc(out) == self.checksums[index] {
            return Ok(());
        }
        Err(Error::input(
            self.path.display().to_string(),
            format!("is damaged at image {index}"),
            "`fmtui data clean` removes it; it is made again from the set's files",
        ))
    }

    fn announce(&self, _: usize) {}

    fn is_in_memory(&self) -> bool {
        false
    }

    /// The checksums are those of all parts.
    fn bytes(&self) -> u64 {
        if self.first > 0 {
            return 0;
        }
        (self.checksums.len() * size_of::<u32>()) as u64
    }
}

#[cfg(test)]
mod tests;

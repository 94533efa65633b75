//! The one way files that matter get to disk: written beside the target, synced, renamed, the directory synced. And the
//! one way files of others are read: regular ones, of a size that is asked first.
//!
//! A reader sees the old file or the new one, never a half. A failed sync condemns the new file; it is not retried.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::text;

pub(crate) mod pickle;

/// How the names of files end that are not yet whole.
pub const PARTIAL: &str = ".partial";

/// The path with a leading `~/` as the home directory: shells leave it in `--option=~/x`, and files have no shell.
#[must_use]
pub fn expand_home(path: &Path) -> PathBuf {
    let home = || directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf());
    match (path.strip_prefix("~"), home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

/// The user's `config.toml`, in the platform's configuration directory.
#[must_use]
pub fn config_path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "fmtui").map(|d| d.config_dir().join("config.toml"))
}

/// Opens a file for reading, whoever put it there: a regular one, with its length in bytes. Does not wait, as opening a
/// FIFO would.
///
/// # Errors
/// The operating system's, and `InvalidInput` for what is not a regular file.
pub fn open(path: &Path) -> std::io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(NO_WAITING)
        .open(path)?;
    let length = regular(&file)?;
    Ok((file, length))
}

/// For opening what may be a FIFO, or a terminal.
const NO_WAITING: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();

/// Whether something lies there that is no directory; a FIFO or a device is refused by name when it is [opened](open).
#[must_use]
pub fn is_there(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_dir())
}

/// The length of an open file in bytes, where it is a regular one.
///
/// # Errors
/// `InvalidInput` for what is none.
pub fn regular(file: &File) -> std::io::Result<u64> {
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(metadata.len()),
        _ if kind.is_dir() => "is a directory",
        _ if kind.is_fifo() => "is a FIFO",
        _ if kind.is_char_device() || kind.is_block_device() => "is a device",
        _ => "is not a regular file",
    };
    Err(std::io::Error::new(
        std::io::ErrorKind::InvalidInput,
        format!("it {what}"),
    ))
}

/// Reads a file, whoever put it there, where it has no more than `most` bytes; a longer one is not begun. Every file
/// that somebody else may have written is read so, or opened by [`open`] and read in pieces.
///
/// # Errors
/// As [`open`]; `FileTooLarge` for a longer one, `OutOfMemory` where there is not so much memory.
pub fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    let refuse = |length: u64| {
        let problem = format!(
            "it has {} and at most {} are read",
            text::bytes(length),
            text::bytes(most)
        );
        Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            problem,
        ))
    };
    if length > most {
        return refuse(length);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    // It may grow meanwhile.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return refuse(bytes.len() as u64);
    }
    Ok(bytes)
}

/// As [`read`], text.
///
/// # Errors
/// As [`read`], and `InvalidData` where it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> std::io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// The last `most` bytes of a file as text, whoever put it there; what is no UTF-8 is replaced.
///
/// # Errors
/// As [`open`].
pub fn read_end(path: &Path, most: u64) -> std::io::Result<String> {
    let (mut file, length) = open(path)?;
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces `path` by `bytes` as a whole.
///
/// # Errors
/// `Io` naming the path; the old file is then untouched.
pub fn commit(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
    let partial = beside(path);
    let written = write_synced(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| sync_directory(directory));
    written.map_err(|e| {
        // The partial file is worthless; its removal failing too would say nothing new.
        let _ = fs::remove_file(&partial);
        Error::io("write", path, e)
    })
}

/// Where a file is made before it takes the place of `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}{PARTIAL}", std::process::id()));
    path.with_file_name(name)
}

/// One way to make the second path stand for the first, a file beside it.
type Way = fn(&Path, &Path) -> std::io::Result<()>;

/// The ways to make a link, the best first: where a file system has no links, a copy must do.
const WAYS: [Way; 3] = [
    |file, link| std::os::unix::fs::symlink(file.file_name().unwrap_or_default(), link),
    |file, link| fs::hard_link(file, link),
    |file, link| write_synced(link, &read(file, u64::MAX)?),
];

/// Makes `path` stand for `file`, which lies beside it, as a whole: a reader finds what stood there before or this.
/// Writes nothing where it does already.
///
/// # Errors
/// `Io` naming the path; what stood there before is then untouched.
pub fn link(path: &Path, file: &Path) -> Result<()> {
    if fs::read_link(path).is_ok_and(|to| Some(to.as_os_str()) == file.file_name()) {
        return Ok(());
    }
    link_by(&WAYS, path, file)
}

fn link_by(ways: &[Way], path: &Path, file: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let partial = beside(path);
    let mut linked = Err(std::io::ErrorKind::Unsupported.into());
    for way in ways {
        // What a process of this number has left there would be in the way.
        let _ = fs::remove_file(&partial);
        linked = way(file, &partial);
        if linked.is_ok() {
            break;
        }
    }
    let linked = linked
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| sync_directory(directory));
    // Two names of one file are not renamed: the new one stays. After a failure it is worthless.
    let _ = fs::remove_file(&partial);
    linked.map_err(|e| Error::io("write", path, e))
}

/// Removes a file, if there is one.
///
/// # Errors
/// `Io` naming the path.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Writes a new file and syncs it.
///
/// # Errors
/// The operating system's.
pub fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename inside `directory` durable.
///
/// # Errors
/// The operating system's.
pub fn sync_directory(directory: &Path) -> std::io::Result<()> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)?.sync_all()
}

/// When a file or directory changed last, be it in content, place or rights.
///
/// # Errors
/// As [`std::fs::metadata`].
pub fn changed(path: &Path) -> std::io::Result<SystemTime> {
    let metadata = fs::metadata(path)?;
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let rest = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    let status = SystemTime::UNIX_EPOCH + Duration::new(seconds, rest);
    Ok(status.max(metadata.modified()?))
}

/// Bytes this user may still write where `path` lies or will lie; `None` where the system does not tell.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|p| p.exists())?;
    let found = rustix::fs::statvfs(existing).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// SHA-256 of some bytes, as 64 hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_replaces_whole_files_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.toml");
        commit(&path, b"one").unwrap();
        commit(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_commit_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(matches!(commit(&path, b"x"), Err(Error::Io { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_as_a_whole_and_leaves_nothing_else() {
        for ways in [&WAYS[..], &WAYS[1..], &WAYS[2..]] {
            let dir = tempfile::tempdir().unwrap();
            let (one, two) = (dir.path().join("one"), dir.path().join("two"));
            fs::write(&one, "1").unwrap();
            fs::write(&two, "2").unwrap();
            let path = dir.path().join("link");
            for (file, is) in [(&one, "1"), (&two, "2"), (&two, "2"), (&one, "1")] {
                link_by(ways, &path, file).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), is);
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
            }
            assert_eq!(path.is_symlink(), ways.len() == WAYS.len());
        }
    }

    #[test]
    fn a_link_that_cannot_be_made_leaves_what_stood_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        fs::write(&path, "before").unwrap();
        let failed = link_by(&[], &path, &dir.path().join("one"));
        assert!(matches!(failed, Err(Error::Io { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_symbolic_link_names_its_neighbour_so_that_the_directory_can_move() {
        let dir = tempfile::tempdir().unwrap();
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        fs::create_dir(&before).unwrap();
        fs::write(before.join("file"), "x").unwrap();
        link(&before.join("link"), &before.join("file")).unwrap();
        fs::rename(&before, &after).unwrap();
        assert_eq!(fs::read_to_string(after.join("link")).unwrap(), "x");
    }

    #[test]
    fn only_regular_files_of_a_sensible_size_are_read_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("whole"), "1234").unwrap();
        assert_eq!(read(&path("whole"), 4).unwrap(), b"1234");
        let since = std::time::Instant::now();
        let longer = read(&path("whole"), 3).unwrap_err().to_string();
        assert!(longer.contains("4 B and at most 3 B"), "{longer}");
        File::create(path("sparse"))
            .unwrap()
            .set_len(1 << 42)
            .unwrap();
        let giant = read(&path("sparse"), 8 << 20).unwrap_err();
        assert_eq!(giant.kind(), std::io::ErrorKind::FileTooLarge);
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), mode).unwrap();
        for (other, word) in [
            (path("fifo"), "FIFO"),
            (dir.path().into(), "directory"),
            ("/dev/zero".into(), "device"),
        ] {
            let refused = read(&other, 100).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
            assert!(refused.to_string().contains(word), "{refused}");
        }
        fs::write(path("bytes"), [0xff]).unwrap();
        assert!(read_text(&path("bytes"), 9).is_err());
        assert!(since.elapsed() < std::time::Duration::from_secs(1));
        // What grows while it is read: nothing says how long this is.
        assert!(
            !read(Path::new("/proc/self/status"), 1 << 16)
                .unwrap()
                .is_empty()
        );
        assert!(read(Path::new("/proc/self/status"), 5).is_err());
    }
}

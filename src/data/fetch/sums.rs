//! What lies in a set's directory already, and the SHA-256 that are kept there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::remote::{self, Fault, Remote};
use crate::error::Result;
use crate::storage;

/// The file in a set's directory with the SHA-256 of the others, as `sha256sum --check` takes it.
pub const SUMS: &str = "SHA256SUMS";

/// **Units** bytes of the longest such file that is read.
const LONGEST: u64 = 64 << 10;

/// SHA-256 by the name of the file.
pub(super) type Sums = BTreeMap<String, String>;

/// For each file of a set the SHA-256 of what is kept of it; none where that is not there as it should be.
pub(super) struct InPlace(pub(super) Vec<Option<Sums>>);

impl InPlace {
    /// Of the whole set, where it is whole.
    pub(super) fn all(self) -> Option<Sums> {
        let sums: Option<Vec<Sums>> = self.0.into_iter().collect();
        Some(sums?.into_iter().flatten().collect())
    }
}

/// Looks for files in a set's directory; none where that was cancelled.
pub(super) fn in_place(files: &[Remote], directory: &Path, cancel: &AtomicBool) -> Option<InPlace> {
    let recorded = read(directory);
    let found = files.iter().map(|remote| {
        let found = if remote.members.is_empty() {
            let sha256 = remote.check.verify(&directory.join(&remote.file), cancel);
            sha256.map(|sha256| Sums::from([(remote.file.clone(), sha256)]))
        } else {
            members(remote, &recorded, directory, cancel)
        };
        match found {
            Ok(sums) => Some(Some(sums)),
            Err(Fault::Cancelled) => None,
            Err(Fault::Wrong(_) | Fault::Unreadable(_)) => Some(None),
        }
    });
    found.collect::<Option<_>>().map(InPlace)
}

/// Of the files of an archive nothing is published: they have to be what they were when they came.
fn members(
    remote: &Remote,
    recorded: &Sums,
    directory: &Path,
    cancel: &AtomicBool,
) -> Result<Sums, Fault> {
    let sum = |name: &str| {
        let sha256 = remote::sha256(&directory.join(name), cancel)?;
        if recorded.get(name) == Some(&sha256) {
            return Ok((name.to_string(), sha256));
        }
        Err(Fault::Wrong("was changed".into()))
    };
    remote.kept().map(sum).collect()
}

/// Keeps the SHA-256 of a set's files beside them.
///
/// # Errors
/// `Io` naming the file.
pub(super) fn write(directory: &Path, sums: &Sums) -> Result<()> {
    let text = sums.iter().fold(String::new(), |mut text, (name, sum)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sum}  {name}");
        text
    });
    storage::commit(&directory.join(SUMS), text.as_bytes())
}

/// What [`write()`] has kept; empty where there is nothing.
fn read(directory: &Path) -> Sums {
    let text = storage::read_text(&directory.join(SUMS), LONGEST).unwrap_or_default();
    let pair = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        Some((name.to_string(), sum.to_string()))
    };
    text.lines().filter_map(pair).collect()
}

//! Finding data sets: in the directory given, the workspace, the system's; else saying what was tried and what to type.
//!
//! Opens no socket: downloading is [`fetch`](super::fetch)'s, on somebody's word.

use std::path::{Path, PathBuf};

use super::idx::{self, Origin};
use super::layout::{self, Holding, Role};
use super::{Dataset, assemble, known, mini};
use crate::error::{Error, Result};
use crate::text;

pub use super::fetch::{FETCHABLE, Progress, fetch};

/// Where distributions install data sets (Debian's `dataset-fashion-mnist`).
const SYSTEM: &str = "/usr/share/datasets";

/// Where sets are looked for, before the system's directory.
#[derive(Clone, Debug, Default)]
pub struct SearchPath {
    /// `--data-dir`: holds the set's files, or a directory with the set's name that does.
    pub data_dir: Option<PathBuf>,
    /// The workspace's `data/`.
    pub workspace_data: PathBuf,
}

/// A set that can be loaded now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    /// The directory of its files; none for the one compiled in.
    pub path: Option<PathBuf>,
}

impl Found {
    /// Where it lies, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.path.as_ref().map_or_else(
            || "built in".into(),
            |path| text::sanitize(&path.display().to_string()),
        )
    }
}

/// Loads the set called `name` from the first place that has it.
///
/// # Errors
/// `Input` when it is nowhere (the message says where it was looked for and what to type) or when its files are not right.
pub fn load(name: &str, search: &SearchPath) -> Result<Dataset> {
    check_name(name)?;
    if name == mini::NAME {
        return mini::load();
    }
    let mut tried = Vec::new();
    for directory in directories(name, search, Path::new(SYSTEM)) {
        let shown = text::sanitize(&directory.display().to_string());
        match layout::find(&directory, name) {
            Holding::Complete(files) => return load_files(name, &shown, &files),
            Holding::Partial(missing) => {
                tried.push(format!("{shown} (without {})", missing.join(", ")));
            }
            Holding::Nothing if directory.is_dir() => {
                tried.push(format!("{shown} (no IDX files)"));
            }
            Holding::Nothing => tried.push(format!("{shown} (not there)")),
        }
    }
    let remedy = if FETCHABLE.contains(&name) {
        format!(
            "type `fmtui data fetch {name}` to download it, or use {}, which is built in",
            mini::NAME
        )
    } else {
        format!(
            "put its four IDX files there or use `--data-dir DIR`; {} is built in",
            mini::NAME
        )
    };
    Err(Error::input(
        format!("data set {}", text::sanitize(name)),
        format!("is not here; looked in {}", tried.join(", ")),
        remedy,
    ))
}

/// Every set that can be loaded now, each once, by name, from the place [`load`] would take it from.
#[must_use]
pub fn available(search: &SearchPath) -> Vec<Found> {
    let mut found = vec![Found {
        name: mini::NAME.into(),
        path: None,
    }];
    let system = Path::new(SYSTEM);
    let mut candidates = Vec::new();
    let roots = search
        .data_dir
        .iter()
        .map(PathBuf::as_path)
        .chain([search.workspace_data.as_path(), system]);
    for root in roots {
        candidates.extend(layout::sets_in(root));
        for entry in root.read_dir().into_iter().flatten().flatten() {
            candidates.extend(layout::sets_in(&entry.path()));
        }
    }
    candidates.sort();
    candidates.dedup();
    for name in candidates {
        if check_name(&name).is_err() || name == mini::NAME {
            continue;
        }
        let place = directories(&name, search, system)
            .into_iter()
            .find(|directory| matches!(layout::find(directory, &name), Holding::Complete(_)));
        if place.is_some() {
            found.push(Found { name, path: place });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A data set's name is one plain directory name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::input(
        "data.name",
        format!(
            "{:?} is not the name of a data set",
            text::ellipsis(&text::sanitize(name), 40)
        ),
        "use letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`",
    ))
}

/// The directories to look in, in order.
fn directories(name: &str, search: &SearchPath, system: &Path) -> Vec<PathBuf> {
    let roots = search
        .data_dir
        .iter()
        .map(PathBuf::as_path)
        .chain([search.workspace_data.as_path(), system]);
    let mut directories = Vec::new();
    for root in roots {
        directories.push(root.join(name));
        if search.data_dir.as_deref() == Some(root) {
            directories.push(root.to_path_buf());
        }
        // All of EMNIST is published as one archive of one directory.
        if name.starts_with("emnist-") {
            directories.extend(["emnist", "gzip"].map(|directory| root.join(directory)));
        }
    }
    directories
}

/// Reads the four files at once, each on its own thread.
fn load_files(name: &str, place: &str, files: &[PathBuf; 4]) -> Result<Dataset> {
    let remedy = if FETCHABLE.contains(&name) {
        format!("fetch it again with `fmtui data fetch {name}`")
    } else {
        "replace it by the original file".into()
    };
    let origins = files.each_ref().map(|path| Origin::new(path, &remedy));
    let read: Result<Vec<idx::Idx>> = std::thread::scope(|scope| {
        let threads: Vec<_> = Role::ALL
            .into_iter()
            .zip(files)
            .map(|(role, path)| {
                let remedy = &remedy;
                scope.spawn(move || idx::read(path, role.rank(), remedy))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Error::compute("reading the data set", "a bug")))
            })
            .collect()
    });
    let read = <[_; 4]>::try_from(read?)
        .map_err(|_| Error::compute("reading the data set", "a file is missing"))?;
    assemble::assemble(name, place, read, &origins)
}

/// Whether `name` is the set whose published hashes are known and demanded.
#[must_use]
pub fn is_verified(name: &str) -> bool {
    name == mini::NAME || known::published(name).is_some()
}

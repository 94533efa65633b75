//! Finding data sets: in the directory given, the workspace, the system's; else saying what was tried and what to type.
//!
//! Opens no socket: downloading is [`fetch`](super::fetch)'s, on somebody's word.

use std::path::{Path, PathBuf};

use super::idx::{self, Origin};
use super::layout::{self, Holding, Plain, Role};
use super::{Dataset, assemble, mini};
use crate::catalog;
use crate::error::{Error, Result};
use crate::{storage, text};

/// Where distributions install data sets (Debian's `dataset-fashion-mnist`).
const SYSTEM: &str = "/usr/share/datasets";

/// Where sets are looked for, before the system's directory.
#[derive(Clone, Debug, Default)]
pub struct SearchPath {
    /// `--data-dir`: holds a directory with the set's name, or is one.
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
    layout::check_name(name)?;
    if name == mini::NAME {
        return mini::load();
    }
    let mut tried = Vec::new();
    for place in places(name, search, Path::new(SYSTEM)) {
        let shown = shown(&place.directory);
        match place.holding(name) {
            Holding::Complete(files) => return load_files(name, &shown, &files),
            Holding::Partial(missing) => {
                tried.push(format!("{shown} (without {})", missing.join(", ")));
            }
            Holding::Nothing if !place.directory.is_dir() => {
                if place.is_told {
                    tried.push(format!("{shown} (not there)"));
                }
            }
            Holding::Nothing => match layout::sets_in(&place.directory).as_slice() {
                [] => tried.push(format!("{shown} (no IDX files)")),
                sets => {
                    let sets = text::sanitize(&sets.join(" and "));
                    tried.push(format!("{shown} (its files are {sets})"));
                }
            },
        }
    }
    let beside = search.data_dir.as_deref().map(layout::sets_in);
    let remedy = if let Some([called, ..]) = beside.as_deref() {
        let called = text::sanitize(called);
        format!("set data.name = \"{called}\", or name the directory of its files {name}")
    } else if is_fetchable(name) {
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
            candidates.extend(layout::sets_in(&entry.path().join("raw")));
        }
    }
    // Recognised by its content, whatever its directory is called.
    candidates.extend(catalog::fetchable().map(|set| set.name.to_string()));
    candidates.sort();
    candidates.dedup();
    for name in candidates {
        if layout::check_name(&name).is_err() || name == mini::NAME {
            continue;
        }
        if let Some(place) = first(&name, search) {
            let path = Some(place.directory);
            found.push(Found { name, path });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What is to be said of where the set called `name` is taken from: that there is another of that name, or that the directory
/// that was given is not it.
#[must_use]
pub fn remarks(name: &str, search: &SearchPath) -> Vec<String> {
    let Some(given) = search.data_dir.as_deref().filter(|_| name != mini::NAME) else {
        return Vec::new();
    };
    let Some(taken) = first(name, search) else {
        return Vec::new();
    };
    let place = shown(&taken.directory);
    if !taken.directory.starts_with(given) {
        let sets = layout::sets_in(given);
        let called = sets
            .iter()
            .map(|set| text::sanitize(set))
            .collect::<Vec<_>>();
        return match called.as_slice() {
            [] => Vec::new(),
            called => vec![format!(
                "data set {name} is taken from {place}: {} (--data-dir) holds {}",
                shown(given),
                called.join(" and ")
            )],
        };
    }
    let own = SearchPath {
        data_dir: None,
        workspace_data: search.workspace_data.clone(),
    };
    let real = |directory: &Path| directory.canonicalize().ok();
    match first(name, &own) {
        Some(other)
            if other.directory.starts_with(&search.workspace_data)
                && real(&other.directory) != real(&taken.directory) =>
        {
            vec![format!(
                "data set {name} is taken from {place} (--data-dir), and not the workspace's in {}",
                shown(&other.directory)
            )]
        }
        _ => Vec::new(),
    }
}

fn shown(directory: &Path) -> String {
    text::sanitize(&directory.display().to_string())
}

/// A directory to look in for a set.
struct Place {
    directory: PathBuf,
    plain: Plain,
    /// Whether it is told where the set is looked for, even where there is no such directory.
    is_told: bool,
}

impl Place {
    fn holding(&self, name: &str) -> Holding {
        layout::find(&self.directory, name, self.plain)
    }
}

/// The first place that has all files of a set.
fn first(name: &str, search: &SearchPath) -> Option<Place> {
    places(name, search, Path::new(SYSTEM))
        .into_iter()
        .find(|place| matches!(place.holding(name), Holding::Complete(_)))
}

/// The directories to look in, in order.
fn places(name: &str, search: &SearchPath, system: &Path) -> Vec<Place> {
    let roots = search
        .data_dir
        .iter()
        .map(PathBuf::as_path)
        .chain([search.workspace_data.as_path(), system]);
    let mut places = Vec::new();
    for root in roots {
        let mut add = |directory: PathBuf, plain: Plain, is_told: bool| {
            places.push(Place {
                directory,
                plain,
                is_told,
            });
        };
        add(root.join(name), Plain::Counts, true);
        if let Some(raw) = layout::torchvisions(name) {
            // EMNIST's files say which of its sets they are.
            let is_several = name.starts_with("emnist-");
            let plain = if is_several {
                Plain::Ignored
            } else {
                Plain::Counts
            };
            add(root.join(raw), plain, false);
        }
        if search.data_dir.as_deref() == Some(root) {
            let is_it = layout::called(root).iter().any(|called| called == name);
            let plain = if is_it || has_published(root, name) {
                Plain::Counts
            } else {
                Plain::Ignored
            };
            add(root.to_path_buf(), plain, true);
            if is_it {
                add(root.join("raw"), Plain::Counts, false);
            }
        }
        // All of EMNIST is published as one archive of one directory.
        if name.starts_with("emnist-") {
            for directory in ["emnist", "gzip"] {
                add(root.join(directory), Plain::Ignored, false);
            }
        }
    }
    places
}

/// Whether plain files in a directory are the set that was published under this name, by the SHA-256 of their labels; all
/// four are held to it when they are read.
fn has_published(directory: &Path, name: &str) -> bool {
    let published = match catalog::find(name).map(|set| set.files) {
        Some(files) if !files.is_empty() => files,
        _ => return false,
    };
    let Holding::Complete(files) = layout::find(directory, name, Plain::Counts) else {
        return false;
    };
    [1, 3].into_iter().all(|labels| {
        let read = idx::read(&files[labels], 1, "");
        let file = published.get(labels);
        read.is_ok_and(|read| file.is_some_and(|f| storage::hex(&read.sha256) == f.sha256))
    })
}

/// Reads the four files at once, each on its own thread.
fn load_files(name: &str, place: &str, files: &[PathBuf; 4]) -> Result<Dataset> {
    let remedy = if is_fetchable(name) {
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

fn is_fetchable(name: &str) -> bool {
    catalog::fetchable().any(|set| set.name == name)
}

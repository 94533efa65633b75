//! Adding a set that lies somewhere: its files are looked at once and written down; they stay where they are.
//!
//! A manifest is put in place whole or not at all, and only when every file that it names was decoded.

mod folder;
mod formatted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use self::folder::Folder;
pub(super) use self::folder::divide;
pub(super) use self::formatted::known;
use super::formats::added::{self, FORMAT, LIST, MANIFEST, Manifest};
use super::formats::folder::scan;
use super::{exclude, mini, packed, places};
use crate::error::{Error, Result};
use crate::{catalog, storage, text};

/// How a set is added.
#[derive(Clone, Debug)]
pub struct Options {
    /// How it will be called; else by its directory or file.
    pub name: Option<String>,
    /// Directories that name a class.
    pub class_depth: usize,
    /// Whether broken files are passed over.
    pub skips_broken: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            class_depth: 1,
            skips_broken: false,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Added(Summary),
    /// Files that cannot be read as images, and why; nothing was written.
    Broken(BTreeMap<String, String>),
}

/// A set that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub name: String,
    /// Training, test and validation images, in [`Part::ALL`](super::Part::ALL)'s order.
    pub images: [usize; 3],
    pub classes: usize,
    /// Whether the test split was drawn.
    pub divided: bool,
    /// Files that are no images by their names.
    pub ignored: usize,
    /// Images that lie beside the splits.
    pub beside: usize,
    /// Files whose names end as another kind of image does.
    pub misnamed: usize,
    /// Broken files that were passed over, and why.
    pub skipped: BTreeMap<String, String>,
    /// What is to be said of how it was read.
    pub remarks: Vec<String>,
}

impl Summary {
    /// `flowers added: 5 classes; 96 training, 24 test images (…)`.
    #[must_use]
    pub fn words(&self) -> String {
        let [train, test, validation] = self.images;
        let count = |number: usize, of: &str| {
            (number > 0).then(|| format!("{} {of}", text::grouped(number as u64)))
        };
        let parts = [
            count(train, "training"),
            count(validation, "validation"),
            count(test, "test"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let drawn = if self.divided {
            " (one in five of each class, at least one, drawn)"
        } else {
            ""
        };
        format!(
            "{} added: {} classes; {} images{drawn}",
            self.name,
            self.classes,
            parts.join(", ")
        )
    }
}

/// Adds the set at `path` to `data_dir` (the workspace's `data/`). Tells `progress` how many of how many files it has
/// seen.
///
/// # Errors
/// `Input` when there is no set, or one of that name is there already; `Io` when it cannot be read or written;
/// `Cancelled`.
pub fn add(
    path: &Path,
    options: &Options,
    data_dir: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
    cancel: &AtomicBool,
) -> Result<Outcome> {
    let shown = text::sanitize(&path.display().to_string());
    let real = path.canonicalize().map_err(|e| {
        let problem = match e.kind() {
            std::io::ErrorKind::NotFound => "is not there".into(),
            _ => format!("cannot be read: {e}"),
        };
        let remedy = "give a directory of images, or a data set's file";
        Error::input(&shown, problem, remedy)
    })?;
    if real.to_str().is_none() {
        return Err(Error::input(
            shown,
            "has a name that is not UTF-8",
            "rename it",
        ));
    }
    // A table that lies beside images is not the set.
    let scan = real.is_dir().then(|| scan(&real, options.class_depth));
    let scan = scan.transpose()?;
    let is_folder = scan.as_ref().is_some_and(|scan| !scan.files.is_empty());
    let known = if is_folder { None } else { known(&real)? };
    let known = known.map(|known| formatted::coarse(known, options.name.as_deref()));
    let name = match &options.name {
        Some(name) => name.clone(),
        None => known
            .as_ref()
            .map_or_else(|| called(&real), |(.., own)| own.clone()),
    };
    if name.is_empty() {
        return Err(Error::input(
            shown,
            "gives no name of letters and digits",
            "give one with --name",
        ));
    }
    places::check_name(&name)?;
    if name == mini::NAME {
        return Err(taken(&name, "is the name of the built-in set"));
    }
    if known.is_none() && catalog::find(&name).is_some() {
        return Err(taken(&name, "is the name of a published set"));
    }
    let directory = data_dir.join(&name);
    if directory.is_dir() && !directory.join(MANIFEST).exists() {
        clear(&directory);
    }
    if directory.exists() {
        return Err(taken(
            &name,
            &format!("exists already in {}", data_dir.display()),
        ));
    }
    match (known, scan) {
        (Some(known), _) => {
            formatted::check_options(&shown, options)?;
            formatted::add(known, &real, name, &directory)
        }
        (None, Some(scan)) => {
            let folder = Folder {
                root: &real,
                scan,
                directory: &directory,
                options,
            };
            folder.add(name, progress, cancel)
        }
        (None, None) => Err(Error::input(
            shown,
            "is not a data set that fmtui knows",
            "give a directory of images, or a file that is called as docs/data.md says",
        )),
    }
}

/// A set that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub name: String,
    /// Where its images stay.
    pub images: PathBuf,
    /// Where its list of excluded images is kept, if it had one.
    pub list: Option<PathBuf>,
}

impl Removed {
    /// `flowers removed; its images stay in /photos/flowers`.
    #[must_use]
    pub fn words(&self) -> String {
        let shown = |path: &Path| text::sanitize(&path.display().to_string());
        let list = self.list.as_deref().map_or_else(String::new, |list| {
            format!("; its list of excluded images is {} now", shown(list))
        });
        format!(
            "{} removed; its images stay in {}{list}",
            self.name,
            shown(&self.images)
        )
    }
}

/// Takes the set called `name` out of `data_dir` again, with its decoded copies; its images stay, and so does its list
/// of excluded images, as `NAME-excluded.tsv`.
///
/// # Errors
/// `Input` when it was not added, `Io`.
pub fn remove(name: &str, data_dir: &Path) -> Result<Removed> {
    places::check_name(name)?;
    let directory = data_dir.join(name);
    if !directory.join(MANIFEST).is_file() {
        return Err(Error::input(
            format!("data set {name}"),
            "was not added with `fmtui data add`",
            "`fmtui data` lists all sets, and where they lie",
        ));
    }
    let images = added::manifest(&directory)
        .map(|m| m.path)
        .unwrap_or_default();
    packed::clean(&directory)?;
    let (list, kept) = (
        directory.join(exclude::FILE),
        data_dir.join(format!("{name}-{}", exclude::FILE)),
    );
    let has_list = storage::is_there(&list);
    if has_list {
        std::fs::rename(&list, &kept).map_err(|e| Error::io("write", &kept, e))?;
    }
    for file in [LIST, MANIFEST] {
        storage::remove(&directory.join(file))?;
    }
    // Whatever else lies there is somebody's.
    let _ = std::fs::remove_dir(&directory);
    Ok(Removed {
        name: name.into(),
        images,
        list: has_list.then_some(kept),
    })
}

/// Takes away a directory that has nothing but decoded copies of a set that was removed meanwhile.
fn clear(directory: &Path) {
    let _ = packed::clean(directory);
    // Fails where there is anything else.
    let _ = std::fs::remove_dir(directory);
}

fn taken(name: &str, problem: &str) -> Error {
    Error::input(
        format!("data set {name}"),
        problem,
        format!("choose another --name, or `fmtui data remove {name}` if you added it"),
    )
}

/// The name of a directory or file as a set's name.
fn called(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = if path.is_dir() {
        &*name
    } else {
        name.split('.').next().unwrap_or_default()
    };
    let sign = |c: char| match c {
        'a'..='z' | '0'..='9' | '-' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '-',
    };
    let name: String = name.chars().map(sign).take(64).collect();
    name.trim_matches('-').into()
}

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        added: text::timestamp(text::now()),
        fmtui: env!("CARGO_PKG_VERSION").into(),
        ..Manifest::default()
    }
}

/// Puts the set's directory in place whole.
fn commit(directory: &Path, manifest: &Manifest, list: Option<&str>) -> Result<()> {
    let text = toml::to_string(manifest).map_err(|e| Error::compute("writing a manifest", e))?;
    let parent = directory.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let new = parent.join(format!(".{name}.{}", std::process::id()));
    let write = || -> Result<()> {
        std::fs::create_dir_all(&new).map_err(|e| Error::io("create", &new, e))?;
        if let Some(list) = list {
            storage::commit(&new.join(LIST), list.as_bytes())?;
        }
        storage::commit(&new.join(MANIFEST), text.as_bytes())?;
        std::fs::rename(&new, directory).map_err(|e| match e.kind() {
            std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => {
                taken(&name, "was added at the same time")
            }
            _ => Error::io("create", directory, e),
        })?;
        storage::sync_directory(parent).map_err(|e| Error::io("write", parent, e))
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_dir_all(&new);
    }
    written
}

#[cfg(test)]
mod tests;

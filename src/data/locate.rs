//! Finding data sets: in the directory given, the workspace, the system's; else saying what was tried and what to type.
//!
//! Opens no socket: downloading is [`fetch`](super::fetch)'s, on somebody's word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::formats::{self, FORMATS, Format, Holding, Plain, added};
use super::{Dataset, mini, places};
use crate::error::{Error, Result};
use crate::{catalog, text};

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
    /// Whether it was added with `fmtui data add`.
    #[must_use]
    pub fn is_added(&self) -> bool {
        let directory = self.path.as_deref();
        directory.is_some_and(|d| d.join(added::MANIFEST).is_file())
    }

    /// Whether a set that was read before is still this one, as far as its manifest says where it was added.
    #[must_use]
    pub fn is_current(&self, dataset: &Dataset) -> bool {
        match self.path.as_deref().filter(|_| self.is_added()) {
            None => true,
            Some(directory) => added::manifest(directory).is_ok_and(|manifest| {
                let is_there =
                    manifest.kind != added::FOLDER || shown(&manifest.path) == dataset.source;
                let is_same = manifest.sha256.is_empty() || manifest.sha256 == dataset.sha256;
                is_same && is_there
            }),
        }
    }

    /// Where it lies, for people.
    #[must_use]
    pub fn place(&self) -> String {
        let Some(directory) = &self.path else {
            return "built in".into();
        };
        if !self.is_added() {
            return shown(directory);
        }
        match added::manifest(directory) {
            Ok(manifest) if manifest.path.exists() => shown(&manifest.path),
            Ok(manifest) => format!("{} (missing)", shown(&manifest.path)),
            Err(e) => e.to_string(),
        }
    }
}

/// Loads the set called `name` from the first place that has it, in whatever format.
///
/// # Errors
/// `Input` when it is nowhere (the message says where it was looked for and what to type) or when its files are not
/// right.
pub fn load(name: &str, search: &SearchPath) -> Result<Dataset> {
    Finder::new(search).load(name)
}

/// Every set that can be loaded now, each once, by name, from the place [`load`] would take it from.
#[must_use]
pub fn available(search: &SearchPath) -> Vec<Found> {
    Finder::new(search).available()
}

/// What is to be said of where the set called `name` is taken from: that there is another of that name, or that the
/// directory that was given is not it.
#[must_use]
pub fn remarks(name: &str, search: &SearchPath) -> Vec<String> {
    Finder::new(search).remarks(name)
}

/// Looks for sets in some formats.
#[derive(Clone, Copy)]
pub struct Finder<'a> {
    search: &'a SearchPath,
    formats: &'a [&'a dyn Format],
}

/// A directory to look in for a set.
struct Place {
    directory: PathBuf,
    plain: Plain,
    told: Told,
}

/// Whether a place is named where a set was not found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Always,
    /// Where there is such a directory.
    Existing,
    /// Where it has some of the set's files.
    Partial,
}

impl Place {
    fn of<'a>(&'a self, name: &'a str) -> formats::Place<'a> {
        formats::Place {
            directory: &self.directory,
            name,
            plain: self.plain,
        }
    }
}

impl<'a> Finder<'a> {
    #[must_use]
    pub fn new(search: &'a SearchPath) -> Self {
        Self {
            search,
            formats: FORMATS,
        }
    }

    /// The same in these formats.
    #[must_use]
    pub fn of(self, formats: &'a [&'a dyn Format]) -> Self {
        Self { formats, ..self }
    }

    /// As the function [`load`].
    ///
    /// # Errors
    /// As it has.
    pub fn load(&self, name: &str) -> Result<Dataset> {
        places::check_name(name)?;
        if name == mini::NAME {
            return mini::load();
        }
        let mut tried = Vec::new();
        for place in self.places(name) {
            match self.holding(&place, name) {
                Holding::Complete(format) => return format.load(place.of(name)),
                Holding::Partial(missing) => {
                    let place = shown(&place.directory);
                    tried.push(format!("{place} (without {})", missing.join(", ")));
                }
                Holding::Nothing => tried.extend(self.tried(&place)),
            }
        }
        Err(Error::input(
            format!("data set {}", text::sanitize(name)),
            format!("not found; looked in {}", tried.join(", ")),
            self.remedy(name),
        ))
    }

    /// What a directory has instead of a set that was looked for there.
    fn tried(&self, place: &Place) -> Option<String> {
        let shown = shown(&place.directory);
        match place.told {
            Told::Partial => return None,
            told if !place.directory.is_dir() => {
                return (told == Told::Always).then(|| format!("{shown} (missing)"));
            }
            Told::Always | Told::Existing => {}
        }
        Some(match self.sets_in(&place.directory).as_slice() {
            [] => format!("{shown} (no {} files)", self.told(|format| format.name())),
            sets => {
                let sets = text::sanitize(&sets.join(" and "));
                format!("{shown} (its files are {sets})")
            }
        })
    }

    fn remedy(&self, name: &str) -> String {
        let beside = self.search.data_dir.as_deref().map(|d| self.sets_in(d));
        if let Some([called, ..]) = beside.as_deref() {
            let called = text::sanitize(called);
            format!("set data.name = \"{called}\", or rename its directory to {name}")
        } else if catalog::fetchable().any(|set| set.name == name) {
            format!(
                "type `fmtui data fetch {name}` to download it, or use {}, which is built in",
                mini::NAME
            )
        } else {
            format!(
                "put its {} there or use `--data-dir DIR`; `fmtui data add DIR` takes a folder of images; {} is built in",
                self.told(|format| format.files()),
                mini::NAME
            )
        }
    }

    fn told(&self, word: impl Fn(&dyn Format) -> &'static str) -> String {
        let formats = self.formats.iter().filter(|f| !f.files().is_empty());
        let words: Vec<_> = formats.map(|format| word(*format)).collect();
        match words.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            words => words.concat(),
        }
    }

    /// The format in which a place has all of a set, else what is missing of it.
    fn holding(&self, place: &Place, name: &str) -> Holding<&'a dyn Format> {
        let mut absent = Vec::new();
        for format in self.formats {
            match format.probe(place.of(name)) {
                Holding::Complete(()) => return Holding::Complete(*format),
                Holding::Partial(missing) => absent.extend(missing),
                Holding::Nothing => {}
            }
        }
        if absent.is_empty() {
            Holding::Nothing
        } else {
            Holding::Partial(absent)
        }
    }

    /// The names of the sets in a directory, in any format.
    fn sets_in(&self, directory: &Path) -> Vec<String> {
        let sets = self.formats.iter().flat_map(|f| f.sets_in(directory));
        sets.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The first place that has all files of a set.
    fn first(&self, name: &str) -> Option<Place> {
        let mut places = self.places(name).into_iter();
        places.find(|place| matches!(self.holding(place, name), Holding::Complete(_)))
    }

    /// The directories that hold directories of sets, in order.
    fn roots(&self) -> impl Iterator<Item = &'a Path> {
        let search: &'a SearchPath = self.search;
        let given = search.data_dir.iter().map(PathBuf::as_path);
        given.chain([search.workspace_data.as_path(), Path::new(SYSTEM)])
    }

    /// As the function [`available`].
    #[must_use]
    pub fn available(&self) -> Vec<Found> {
        let mut candidates = BTreeSet::new();
        for root in self.roots() {
            candidates.extend(self.sets_in(root));
            for entry in root.read_dir().into_iter().flatten().flatten() {
                candidates.extend(self.sets_in(&entry.path()));
                candidates.extend(self.sets_in(&entry.path().join("raw")));
            }
        }
        // Recognised by its content, whatever its directory is called.
        candidates.extend(catalog::fetchable().map(|set| set.name.to_string()));
        candidates.retain(|name| places::check_name(name).is_ok() && name != mini::NAME);
        let found = candidates.into_iter().filter_map(|name| {
            let path = Some(self.first(&name)?.directory);
            Some(Found { name, path })
        });
        let built_in = Found {
            name: mini::NAME.into(),
            path: None,
        };
        let mut found: Vec<_> = found.chain([built_in]).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// As the function [`remarks`].
    #[must_use]
    pub fn remarks(&self, name: &str) -> Vec<String> {
        let search = self.search;
        let Some(given) = search.data_dir.as_deref().filter(|_| name != mini::NAME) else {
            return Vec::new();
        };
        let Some(taken) = self.first(name) else {
            return Vec::new();
        };
        let place = shown(&taken.directory);
        if !taken.directory.starts_with(given) {
            let sets = self.sets_in(given);
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
        let own = Finder {
            search: &own,
            ..*self
        };
        match own.first(name) {
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

    /// The directories to look in, in order.
    fn places(&self, name: &str) -> Vec<Place> {
        let mut found = Vec::new();
        for root in self.roots() {
            let mut add = |directory: PathBuf, plain: Plain, told: Told| {
                found.push(Place {
                    directory,
                    plain,
                    told,
                });
            };
            add(root.join(name), Plain::Counts, Told::Always);
            add(root.join(name).join("raw"), Plain::Counts, Told::Existing);
            if let Some(raw) = places::torchvisions(name) {
                // EMNIST's files say which of its sets they are.
                let is_several = name.starts_with("emnist-");
                let plain = if is_several {
                    Plain::Ignored
                } else {
                    Plain::Counts
                };
                add(root.join(raw), plain, Told::Existing);
            }
            if self.search.data_dir.as_deref() == Some(root) {
                let is_it = places::called(root).iter().any(|called| called == name);
                let plain = if is_it || self.formats.iter().any(|f| f.is_published(root, name)) {
                    Plain::Counts
                } else {
                    Plain::Ignored
                };
                add(root.to_path_buf(), plain, Told::Always);
                if is_it {
                    add(root.join("raw"), Plain::Counts, Told::Existing);
                }
            } else {
                // Files that begin with the set's name, or are called as it is published.
                add(root.to_path_buf(), Plain::Ignored, Told::Partial);
            }
            for directory in places::shared(name) {
                add(root.join(directory), Plain::Ignored, Told::Existing);
            }
        }
        found
    }
}

fn shown(directory: &Path) -> String {
    text::sanitize(&directory.display().to_string())
}

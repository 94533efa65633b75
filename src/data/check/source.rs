//! What is checked: the images of a set, of a folder that was added, or of a directory as it would be added.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::picture::Plain;
use crate::data::decode::Picture;
use crate::data::formats::added::{self, Entry, FOLDER};
use crate::data::formats::{Place, Plain as PlainNames, folder};
use crate::data::locate::{self, SearchPath};
use crate::data::{Dataset, Part, decode, places, register};
use crate::error::{Error, Result};
use crate::{storage, text};

/// Images that can be checked.
#[derive(Debug)]
pub struct Source {
    /// As the set is called; empty where none was added.
    pub set: String,
    /// Where it lies, for people.
    pub place: String,
    pub classes: Vec<String>,
    pub(super) items: Items,
    /// What was refused by its name, and why.
    pub(super) faults: BTreeMap<String, String>,
    /// Files that are no images by their names.
    pub(super) ignored: usize,
    /// Images that lie beside the splits.
    pub(super) beside: usize,
    /// Images in the directory of a set that are not in the set.
    pub(super) new: Vec<String>,
}

/// Where images come from.
#[derive(Debug)]
pub(super) enum Items {
    /// Files below a directory, in the order of pooled indices. Without SHA-256 where they were not added.
    Files {
        root: PathBuf,
        entries: Vec<Entry>,
        /// Whether the test split is yet to be drawn.
        divides: bool,
    },
    Pixels(Box<Dataset>),
}

/// An image as it was read.
pub(super) struct Read {
    pub picture: Picture,
    /// What the file is, where its name says otherwise.
    pub kind: Option<&'static str>,
}

impl Source {
    /// The set called `what`, else the directory or file at that path, as it would be added.
    ///
    /// # Errors
    /// `Input` when it is neither, or no set; `Io` when it cannot be read.
    pub fn find(what: &str, class_depth: usize, search: &SearchPath) -> Result<Self> {
        let path = storage::expand_home(Path::new(what));
        let is_path = what.contains('/') || what.starts_with('.');
        if !is_path && places::check_name(what).is_ok() {
            let sets = locate::available(search);
            if let Some(found) = sets.iter().find(|set| set.name == what) {
                return Self::of_set(found, search);
            }
        }
        if path.exists() {
            return Self::at(&path, class_depth);
        }
        if is_path {
            return Err(Error::input(
                text::sanitize(what),
                "is not there",
                "give the name of a data set, or a directory of images",
            ));
        }
        locate::load(what, search).map(Self::of_dataset)
    }

    fn of_set(found: &locate::Found, search: &SearchPath) -> Result<Self> {
        if let Some(directory) = found.path.as_deref().filter(|_| found.is_added()) {
            let manifest = added::manifest(directory)?;
            // Where it is missing, loading says so.
            if manifest.kind == FOLDER && manifest.path.is_dir() {
                let mut entries = added::entries(directory, &manifest)?;
                let new = added::new_files(&manifest, &entries);
                let order = |entry: &Entry| Part::ALL.iter().position(|part| *part == entry.part);
                entries.sort_by_key(order);
                return Ok(Self {
                    set: found.name.clone(),
                    place: text::sanitize(&manifest.path.display().to_string()),
                    classes: manifest.classes,
                    items: Items::Files {
                        root: manifest.path,
                        entries,
                        divides: false,
                    },
                    faults: BTreeMap::new(),
                    ignored: 0,
                    beside: 0,
                    new,
                });
            }
        }
        locate::load(&found.name, search).map(Self::of_dataset)
    }

    /// A set whose images are pixels already.
    #[must_use]
    pub fn of_dataset(dataset: Dataset) -> Self {
        Self {
            set: dataset.name.clone(),
            place: dataset.source.clone(),
            classes: dataset.classes.clone(),
            items: Items::Pixels(Box::new(dataset)),
            faults: BTreeMap::new(),
            ignored: 0,
            beside: 0,
            new: Vec::new(),
        }
    }

    /// What lies at a path, as [`register::add`] would see it; nothing is written.
    fn at(path: &Path, class_depth: usize) -> Result<Self> {
        let shown = text::sanitize(&path.display().to_string());
        let real = path
            .canonicalize()
            .map_err(|e| Error::io("read", path, e))?;
        let scan = real.is_dir().then(|| folder::scan(&real, class_depth));
        let scan = scan.transpose()?;
        let is_folder = scan.as_ref().is_some_and(|scan| !scan.files.is_empty());
        let known = if is_folder {
            None
        } else {
            register::known(&real)?
        };
        if let Some((format, directory, own)) = known {
            let place = Place {
                directory: &directory,
                name: &own,
                plain: PlainNames::Counts,
            };
            let source = Self::of_dataset(format.load(place)?);
            return Ok(Self {
                set: String::new(),
                ..source
            });
        }
        let Some(scan) = scan.filter(|scan| !scan.files.is_empty()) else {
            return Err(Error::input(
                shown,
                "is not a data set that fmtui knows",
                "give a directory with one of images for each class; docs/data.md lists the formats",
            ));
        };
        let entry = |listed: folder::Listed| Entry {
            part: listed.part,
            label: listed.label,
            height: 0,
            width: 0,
            sha256: String::new(),
            path: listed.path,
        };
        Ok(Self {
            set: String::new(),
            place: shown,
            classes: scan.classes,
            items: Items::Files {
                root: real,
                entries: scan.files.into_iter().map(entry).collect(),
                divides: !scan.has_splits,
            },
            faults: scan.faults,
            ignored: scan.ignored,
            beside: scan.beside,
            new: Vec::new(),
        })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match &self.items {
            Items::Files { entries, .. } => entries.len(),
            Items::Pixels(dataset) => dataset.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The split of an image.
    #[must_use]
    pub fn part(&self, index: u32) -> Part {
        match &self.items {
            Items::Files { entries, .. } => entries[index as usize].part,
            Items::Pixels(dataset) => {
                let place = dataset.place(index as usize);
                place.map_or(Part::Train, |(part, _)| part)
            }
        }
    }

    /// The class of an image.
    #[must_use]
    pub fn label(&self, index: u32) -> u16 {
        match &self.items {
            Items::Files { entries, .. } => entries[index as usize].label,
            Items::Pixels(dataset) => dataset.label(index as usize),
        }
    }

    /// The name of an image's class.
    #[must_use]
    pub fn class(&self, index: u32) -> &str {
        let label = usize::from(self.label(index));
        self.classes.get(label).map_or("", String::as_str)
    }

    /// The file of an image below the set's directory, where it has one of its own.
    #[must_use]
    pub fn path(&self, index: u32) -> Option<&str> {
        match &self.items {
            Items::Files { entries, .. } => Some(&entries[index as usize].path),
            Items::Pixels(_) => None,
        }
    }

    /// The number of an image in its split.
    #[must_use]
    pub fn own_index(&self, index: u32) -> usize {
        let place = match &self.items {
            Items::Pixels(dataset) => dataset.place(index as usize),
            Items::Files { .. } => None,
        };
        place.map_or(index as usize, |(_, own)| own)
    }

    /// How an image is called: by its path, else `test 4,071`.
    #[must_use]
    pub fn name(&self, index: u32) -> String {
        if let Some(path) = self.path(index) {
            return text::sanitize(path);
        }
        let own = text::grouped(self.own_index(index) as u64);
        format!("{} {own}", self.part(index).name())
    }

    /// Whether there is an image's file, where it has one.
    pub(super) fn is_there(&self, index: u32) -> bool {
        match &self.items {
            Items::Files { root, entries, .. } => root.join(&entries[index as usize].path).exists(),
            Items::Pixels(_) => true,
        }
    }

    /// SHA-256 of an image's file as it was added, else of its pixels.
    pub(super) fn digest(&self, index: u32) -> Result<String> {
        match &self.items {
            Items::Files { entries, .. } => Ok(entries[index as usize].sha256.clone()),
            Items::Pixels(dataset) => Ok(storage::sha256(&dataset.image(index as usize)?)),
        }
    }

    /// Reads an image.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(&self, index: u32) -> Result<Read, String> {
        match &self.items {
            Items::Files { root, entries, .. } => {
                let entry = &entries[index as usize];
                let bytes = storage::read(&root.join(&entry.path), decode::LARGEST_FILE)
                    .map_err(|e| format!("cannot be read: {e}"))?;
                let picture = decode::decode(&bytes)?;
                if !entry.sha256.is_empty() && storage::sha256(&bytes) != entry.sha256 {
                    return Err("is not what was added: its SHA-256 differs".into());
                }
                Ok(Read {
                    picture,
                    kind: decode::is_misnamed(&entry.path, &bytes),
                })
            }
            Items::Pixels(dataset) => {
                let (height, width) = dataset.size(index as usize);
                let pixels = dataset.image(index as usize).map_err(|e| e.to_string())?;
                let picture = Picture {
                    channels: dataset.channels,
                    height,
                    width,
                    pixels,
                };
                Ok(Read {
                    picture,
                    kind: None,
                })
            }
        }
    }

    /// Reads an image that could be read before.
    pub(super) fn plain(&self, index: u32) -> Option<Plain> {
        let read = self.read(index).ok()?;
        Some(Plain::new(&read.picture))
    }

    /// Draws the test split as adding the directory would, of the images that can be read.
    pub(super) fn divide(&mut self, is_broken: impl Fn(usize) -> bool) {
        let Items::Files {
            entries,
            divides: true,
            ..
        } = &mut self.items
        else {
            return;
        };
        let (mut whole, places): (Vec<Entry>, Vec<usize>) = entries
            .iter()
            .enumerate()
            .filter(|(index, _)| !is_broken(*index))
            .map(|(index, entry)| (entry.clone(), index))
            .unzip();
        register::divide(&mut whole, self.classes.len());
        for (entry, index) in whole.into_iter().zip(places) {
            entries[index].part = entry.part;
        }
    }

    /// Whether the test split is drawn by chance, not given.
    pub(super) fn divides(&self) -> bool {
        matches!(self.items, Items::Files { divides: true, .. })
    }
}

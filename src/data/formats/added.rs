//! Sets that somebody added: a small directory in the workspace says where the files lie, what each of them is, and to
//! which split it belongs. The files stay where they are.
//!
//! Adding one is [`register`](crate::data::register)'s.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::super::decode::{self, Picture};
use super::super::{Dataset, Examples, Part, Store};
use super::folder::scan;
use super::{FORMATS, Format, Holding, Place, Plain};
use crate::error::{Error, Result};
use crate::{storage, text};

/// What a set is, and where.
pub(crate) const MANIFEST: &str = "set.toml";

/// Its files, a line each.
pub(crate) const LIST: &str = "files.tsv";

/// Of both, as this version writes them.
pub(crate) const FORMAT: u32 = 1;

/// The largest manifest and list. **Units** bytes.
const LARGEST_MANIFEST: u64 = 16 << 20;
const LARGEST_LIST: u64 = 4 << 30;

/// Decoded images that are kept for who looks at them again. **Units** bytes.
const KEPT: usize = 64 << 20;

/// The kind of a set that is a directory of images.
pub(crate) const FOLDER: &str = "folder";

/// `set.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    /// `folder`, or the name of a [`Format`].
    pub kind: String,
    /// Absolute.
    pub path: PathBuf,
    /// The name that the set goes by in its own files, where it is no folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The file that was added, where it was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Of the files' content, sorted by path, each with its split and class; in other formats that of the set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Of `files.tsv`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub list_sha256: String,
    /// 1, 3 or 4; the most that any image has.
    #[serde(default)]
    pub channels: usize,
    /// Directories that name a class; 0 stands for one.
    #[serde(default)]
    pub class_depth: usize,
    /// Whether the test split was drawn when the set was added.
    #[serde(default)]
    pub divided: bool,
    /// Files that were passed over because they are broken.
    #[serde(default)]
    pub skipped: usize,
    #[serde(default)]
    pub classes: Vec<String>,
    /// When it was added, and by which version.
    pub added: String,
    pub fmtui: String,
}

/// A line of `files.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub part: Part,
    pub label: u16,
    pub height: usize,
    pub width: usize,
    /// Of the file's bytes.
    pub sha256: String,
    /// Below the set's directory.
    pub path: String,
}

impl Entry {
    pub(crate) fn line(&self) -> String {
        let Self {
            part,
            label,
            height,
            width,
            sha256,
            path,
        } = self;
        let part = part.name();
        format!("{part}\t{label}\t{height}\t{width}\t{sha256}\t{path}\n")
    }

    fn read(line: &str) -> Option<Self> {
        let mut fields = line.splitn(6, '\t');
        let mut next = || fields.next();
        let part = next()?;
        let entry = Self {
            part: Part::ALL.into_iter().find(|p| p.name() == part)?,
            label: next()?.parse().ok()?,
            height: next()?.parse().ok().filter(|side| *side > 0)?,
            width: next()?.parse().ok().filter(|side| *side > 0)?,
            sha256: next()?.to_owned(),
            path: next()?.to_owned(),
        };
        // Nothing outside of the set's directory is read.
        let is_inside = !entry.path.starts_with('/') && entry.path.split('/').all(|p| p != "..");
        is_inside.then_some(entry)
    }
}

/// The format of what was added.
#[derive(Clone, Copy, Debug)]
pub struct Added;

impl Format for Added {
    fn name(&self) -> &'static str {
        "added"
    }

    fn files(&self) -> &'static str {
        ""
    }

    fn sets_in(&self, directory: &Path) -> Vec<String> {
        let name = directory.file_name().and_then(|name| name.to_str());
        let is_one = directory.join(MANIFEST).is_file();
        name.filter(|_| is_one)
            .map(String::from)
            .into_iter()
            .collect()
    }

    fn claims(&self, file: &str) -> bool {
        file == MANIFEST
    }

    fn probe(&self, place: Place<'_>) -> Holding {
        let is_called = place.directory.file_name() == Some(place.name.as_ref());
        if is_called && place.directory.join(MANIFEST).is_file() {
            Holding::Complete(())
        } else {
            Holding::Nothing
        }
    }

    fn is_published(&self, _: &Path, _: &str) -> bool {
        false
    }

    /// The images are decoded when they are read, and held to the SHA-256 that they were added with.
    fn load(&self, place: Place<'_>) -> Result<Dataset> {
        let manifest = manifest(place.directory)?;
        if manifest.kind == FOLDER {
            return folder(place, &manifest);
        }
        let format = FORMATS.iter().find(|f| f.name() == manifest.kind);
        let Some(format) = format else {
            return Err(broken(
                &place.directory.join(MANIFEST),
                &format!("names the format `{}`, which is unknown", manifest.kind),
                place.name,
            ));
        };
        let file = manifest.path.join(&manifest.file);
        if !manifest.file.is_empty() && !file.is_file() {
            return Err(Error::input(
                format!("data set {}", place.name),
                format!(
                    "is {}, which is missing",
                    text::sanitize(&file.display().to_string())
                ),
                format!("put it back, or `fmtui data remove {}`", place.name),
            ));
        }
        let there = Place {
            directory: &manifest.path,
            name: &manifest.name,
            plain: Plain::Counts,
        };
        let dataset = format.load(there)?;
        if !manifest.sha256.is_empty() && manifest.sha256 != dataset.sha256 {
            return Err(Error::input(
                format!("data set {}", place.name),
                "is not what was added: its SHA-256 differs",
                format!(
                    "put back what was added, or `fmtui data remove {}` and add it again",
                    place.name
                ),
            ));
        }
        Ok(Dataset {
            name: place.name.into(),
            ..dataset
        })
    }
}

/// Reads a set's manifest.
///
/// # Errors
/// `Input` when it is none, or of a newer version.
pub(crate) fn manifest(directory: &Path) -> Result<Manifest> {
    let path = directory.join(MANIFEST);
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let text = storage::read_text(&path, LARGEST_MANIFEST)
        .map_err(|e| broken(&path, &format!("cannot be read: {e}"), &name))?;
    let read: Manifest = toml::from_str(&text).map_err(|e| {
        broken(
            &path,
            &format!("is damaged: {}", text::sanitize(e.message())),
            &name,
        )
    })?;
    if read.format > FORMAT {
        return Err(Error::input(
            path.display().to_string(),
            format!("has format {} of a newer fmtui", read.format),
            "use that version, or add the set again",
        ));
    }
    Ok(read)
}

fn broken(path: &Path, problem: &str, name: &str) -> Error {
    Error::input(
        path.display().to_string(),
        problem,
        format!("`fmtui data remove {name}`, then add the set again"),
    )
}

/// The files of a set.
///
/// # Errors
/// `Input` when the list is not the one that was written.
pub(crate) fn entries(directory: &Path, manifest: &Manifest) -> Result<Vec<Entry>> {
    let path = directory.join(LIST);
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let damaged = |problem: &str| broken(&path, problem, &name);
    let bytes =
        storage::read(&path, LARGEST_LIST).map_err(|e| damaged(&format!("cannot be read: {e}")))?;
    if storage::sha256(&bytes) != manifest.list_sha256 {
        return Err(damaged("is not what was written: its SHA-256 differs"));
    }
    let text = String::from_utf8(bytes).map_err(|_| damaged("is not UTF-8"))?;
    let entry = |line: &str| {
        let entry = Entry::read(line);
        let known = entry.filter(|e| usize::from(e.label) < manifest.classes.len());
        known.ok_or_else(|| damaged("has a line that is none"))
    };
    text.lines().map(entry).collect()
}

/// Images in a set's directory that are not in the set, because they came later or are broken.
pub(crate) fn new_files(manifest: &Manifest, entries: &[Entry]) -> Vec<String> {
    let known: HashSet<&str> = entries.iter().map(|entry| &*entry.path).collect();
    let Ok(scan) = scan(&manifest.path, manifest.class_depth.max(1)) else {
        return Vec::new();
    };
    let files = scan.files.into_iter().map(|file| file.path);
    files.filter(|path| !known.contains(&**path)).collect()
}

fn folder(place: Place<'_>, manifest: &Manifest) -> Result<Dataset> {
    let entries = entries(place.directory, manifest)?;
    if !manifest.path.is_dir() {
        return Err(Error::input(
            format!("data set {}", place.name),
            format!(
                "has its images in {}, which is missing",
                text::sanitize(&manifest.path.display().to_string())
            ),
            format!(
                "put them back, or `fmtui data remove {}` and add them from where they are",
                place.name
            ),
        ));
    }
    let side = |of: fn(&Entry) -> usize| entries.iter().map(of).max().unwrap_or(0);
    let (height, width) = (side(|e| e.height), side(|e| e.width));
    let examples = |part: Part| {
        let own = entries.iter().filter(|entry| entry.part == part);
        let files: Vec<Entry> = own.cloned().collect();
        let labels = files.iter().map(|entry| entry.label).collect();
        let images = Files {
            set: place.name.into(),
            root: manifest.path.clone(),
            entries: files,
            channels: manifest.channels,
            kept: Mutex::default(),
        };
        Examples {
            images: Arc::new(images),
            labels,
        }
    };
    Ok(Dataset {
        name: place.name.into(),
        classes: manifest.classes.clone(),
        channels: manifest.channels,
        height,
        width,
        train: examples(Part::Train),
        validation: examples(Part::Validation),
        test: examples(Part::Test),
        source: text::sanitize(&manifest.path.display().to_string()),
        sha256: manifest.sha256.clone(),
        pixels_sha256: String::new(),
        remarks: Vec::new(),
        excluded: Vec::new(),
    })
}

/// Images in files of their own, decoded when they are read.
#[derive(Debug)]
struct Files {
    set: String,
    root: PathBuf,
    entries: Vec<Entry>,
    channels: usize,
    /// The latest ones, the oldest first.
    kept: Mutex<VecDeque<(usize, Arc<Picture>)>>,
}

impl Files {
    fn decode(&self, index: usize) -> Result<Picture> {
        let entry = &self.entries[index];
        let wrong = |problem: String| self.wrong(index, problem);
        let bytes = self.bytes_of(index)?;
        let picture = decode::decode(&bytes).map_err(wrong)?;
        if (picture.height, picture.width) != (entry.height, entry.width) {
            return Err(wrong("has another size than when it was added".into()));
        }
        Ok(picture.widened(self.channels))
    }

    fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.entries[index].path)
    }

    fn wrong(&self, index: usize, problem: String) -> Error {
        Error::input(
            text::sanitize(&self.path(index).display().to_string()),
            problem,
            format!(
                "put back what was added to {0}, or `fmtui data remove {0}` and add it again",
                self.set
            ),
        )
    }

    /// What a file has in it, if that is what was added.
    fn bytes_of(&self, index: usize) -> Result<Vec<u8>> {
        let bytes = storage::read(&self.path(index), decode::LARGEST_FILE)
            .map_err(|e| self.wrong(index, format!("cannot be read: {e}")))?;
        if storage::sha256(&bytes) != self.entries[index].sha256 {
            let problem = "is not what was added: its SHA-256 differs";
            return Err(self.wrong(index, problem.into()));
        }
        Ok(bytes)
    }
}

impl Store for Files {
    fn size(&self, index: usize) -> (usize, usize) {
        (self.entries[index].height, self.entries[index].width)
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept()
            .iter()
            .find(|(own, _)| *own == index)
            .map(|(_, p)| Arc::clone(p));
        if let Some(picture) = known {
            out.copy_from_slice(&picture.pixels);
            return Ok(());
        }
        let picture = self.decode(index)?;
        out.copy_from_slice(&picture.pixels);
        let mut kept = kept();
        kept.push_back((index, Arc::new(picture)));
        while kept.iter().map(|(_, p)| p.pixels.len()).sum::<usize>() > KEPT {
            kept.pop_front();
        }
        Ok(())
    }

    fn announce(&self, _: usize) {}

    fn is_decoded(&self) -> bool {
        false
    }

    fn is_in_memory(&self) -> bool {
        false
    }

    fn name(&self, index: usize) -> Option<&str> {
        Some(&self.entries[index].path)
    }

    fn digest(&self, index: usize) -> Option<&str> {
        Some(&self.entries[index].sha256)
    }

    /// The directories count too: a class may have been put in the place of another.
    fn check(&self, index: usize, time: SystemTime) -> Result<()> {
        let path = self.path(index);
        let above = path.ancestors().take_while(|p| p.starts_with(&self.root));
        for path in above {
            let changed = storage::changed(path)
                .map_err(|e| self.wrong(index, format!("cannot be read: {e}")))?;
            if changed >= time {
                return self.bytes_of(index).map(drop);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        KEPT as u64
    }
}

//! Adding a set that lies somewhere: its files are looked at once and written down; they stay where they are.
//!
//! A manifest is put in place whole or not at all, and only when every file that it names was decoded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::formats::added::{self, Entry, FOLDER, FORMAT, LIST, MANIFEST, Manifest};
use super::formats::folder::{self, Listed, Scan};
use super::formats::{FORMATS, Format, Holding, Place, Plain};
use super::{Part, decode, exclude, mini, packed, places};
use crate::error::{Error, Result};
use crate::{catalog, storage, text};

/// The share of each class that becomes the test split where a set has none: one in so many.
const ONE_IN: usize = 5;

/// Images that are looked at between two reports.
const REPORT: usize = 64;

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
    /// Training, test and validation images, in [`Part::ALL`]'s order.
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
    let scan = real
        .is_dir()
        .then(|| folder::scan(&real, options.class_depth));
    let scan = scan.transpose()?;
    let is_folder = scan.as_ref().is_some_and(|scan| !scan.files.is_empty());
    let known = if is_folder { None } else { known(&real)? };
    let known = known.map(|known| coarse(known, options.name.as_deref()));
    let name = match &options.name {
        Some(name) => name.clone(),
        None => known
            .as_ref()
            .map_or_else(|| called(&real), |(.., own)| own.clone()),
    };
    places::check_name(&name)?;
    if name == mini::NAME {
        return Err(taken(&name, "is the name of the built-in set"));
    }
    if known.is_none() && catalog::find(&name).is_some() {
        return Err(taken(&name, "is the name of a published set"));
    }
    let directory = data_dir.join(&name);
    if directory.exists() {
        return Err(taken(
            &name,
            &format!("exists already in {}", data_dir.display()),
        ));
    }
    match (known, scan) {
        (Some(known), _) => {
            check_options(&shown, options)?;
            add_known(known, &real, name, &directory)
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

/// Refuses options that only a folder of images has.
fn check_options(path: &str, options: &Options) -> Result<()> {
    let given = [
        (options.class_depth != 1, "--class-depth"),
        (options.skips_broken, "--skip-broken"),
    ];
    let Some((_, option)) = given.into_iter().find(|(is_given, _)| *is_given) else {
        return Ok(());
    };
    Err(Error::input(
        option,
        format!("does not apply to {path}, which is no directory of images"),
        "leave it out",
    ))
}

/// A set in one of the other formats: read once, so that what is wrong with it shows now.
fn add_known(
    (format, place, own): Known,
    file: &Path,
    name: String,
    directory: &Path,
) -> Result<Outcome> {
    let dataset = format.load(Place {
        directory: &place,
        name: &own,
        plain: Plain::Counts,
    })?;
    let manifest = Manifest {
        kind: format.name().into(),
        file: file
            .strip_prefix(&place)
            .map(|file| file.to_string_lossy().into_owned())
            .unwrap_or_default(),
        path: place,
        name: own,
        ..manifest()
    };
    commit(directory, &manifest, None)?;
    Ok(Outcome::Added(Summary {
        name,
        images: Part::ALL.map(|part| dataset.part(part).len()),
        classes: dataset.classes.len(),
        divided: false,
        ignored: 0,
        beside: 0,
        misnamed: 0,
        skipped: BTreeMap::new(),
        remarks: dataset.remarks,
    }))
}

/// Takes the set called `name` out of `data_dir` again, with its decoded copies; its images stay. Gives where these
/// lie.
///
/// # Errors
/// `Input` when it was not added, `Io`.
pub fn remove(name: &str, data_dir: &Path) -> Result<PathBuf> {
    places::check_name(name)?;
    let directory = data_dir.join(name);
    if !directory.join(MANIFEST).is_file() {
        return Err(Error::input(
            format!("data set {name}"),
            "was not added with `fmtui data add`",
            "`fmtui data` lists all sets, and where they lie",
        ));
    }
    let path = added::manifest(&directory)
        .map(|m| m.path)
        .unwrap_or_default();
    packed::clean(&directory)?;
    for file in [exclude::FILE, LIST, MANIFEST] {
        storage::remove(&directory.join(file))?;
    }
    // Whatever else lies there is somebody's.
    let _ = std::fs::remove_dir(&directory);
    Ok(path)
}

fn taken(name: &str, problem: &str) -> Error {
    Error::input(
        format!("data set {name}"),
        problem,
        format!("choose another --name, or `fmtui data remove {name}`"),
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

/// The format, directory and own name of a set that is no folder of images.
pub(super) type Known = (&'static dyn Format, PathBuf, String);

/// The set that a directory or file is in one of the other formats. Torchvision's directory of a set has its files in
/// `raw/`.
///
/// # Errors
/// `Input` where some of its files are missing.
pub(super) fn known(path: &Path) -> Result<Option<Known>> {
    if !path.is_dir() {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let directory = path.parent().unwrap_or(Path::new("/"));
        return known_in(directory, Some(&file));
    }
    let raw = path.join("raw");
    match known_in(path, None)? {
        None if raw.is_dir() => known_in(&raw, None),
        found => Ok(found),
    }
}

/// The set that lies in a directory, or that this file of it belongs to.
fn known_in(directory: &Path, file: Option<&str>) -> Result<Option<Known>> {
    let formats = FORMATS.iter().filter(|f| f.name() != added::Added.name());
    for format in formats {
        let names: Vec<String> = if let Some(file) = file {
            format.set_of(directory, file).into_iter().collect()
        } else {
            let complete = format.sets_in(directory);
            complete
                .into_iter()
                .chain(places::called(directory))
                .collect()
        };
        for own in names {
            let place = Place {
                directory,
                name: &own,
                plain: Plain::Counts,
            };
            match format.probe(place) {
                Holding::Complete(()) => return Ok(Some((*format, directory.into(), own))),
                Holding::Partial(missing) => {
                    let path = file.map_or_else(|| directory.into(), |file| directory.join(file));
                    return Err(Error::input(
                        text::sanitize(&path.display().to_string()),
                        format!(
                            "is a set in {} without {}",
                            format.files(),
                            missing.join(", ")
                        ),
                        "put the missing files there",
                    ));
                }
                Holding::Nothing => {}
            }
        }
    }
    Ok(None)
}

/// The set with the coarse labels, where the name that is asked for says so and the files have them.
fn coarse((format, directory, own): Known, name: Option<&str>) -> Known {
    if name.is_some_and(places::is_coarse) && !places::is_coarse(&own) {
        let coarse = places::coarse(&own);
        let place = Place {
            directory: &directory,
            name: &coarse,
            plain: Plain::Counts,
        };
        if matches!(format.probe(place), Holding::Complete(())) {
            return (format, directory, coarse);
        }
    }
    (format, directory, own)
}

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        added: text::timestamp(text::now()),
        fmtui: env!("CARGO_PKG_VERSION").into(),
        ..Manifest::default()
    }
}

/// A folder of images that is being added.
struct Folder<'a> {
    root: &'a Path,
    scan: Scan,
    /// Of its manifest.
    directory: &'a Path,
    options: &'a Options,
}

impl Folder<'_> {
    fn add(
        self,
        name: String,
        progress: &(dyn Fn(usize, usize) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Outcome> {
        let Self {
            root,
            scan,
            directory,
            options,
        } = self;
        let looked = look(root, &scan.files, progress, cancel);
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled {
                file: name,
                remedy: "nothing was written; add it again at any time".into(),
            });
        }
        let mut broken = scan.faults;
        let mut entries = Vec::new();
        let (mut channels, mut misnamed) = (1, 0);
        for (listed, looked) in scan.files.into_iter().zip(looked) {
            match looked {
                Ok(seen) => {
                    channels = channels.max(seen.channels);
                    misnamed += usize::from(seen.is_misnamed);
                    entries.push(Entry {
                        part: listed.part,
                        label: listed.label,
                        height: seen.height,
                        width: seen.width,
                        sha256: seen.sha256,
                        path: listed.path,
                    });
                }
                Err(problem) => {
                    broken.insert(listed.path, problem);
                }
            }
        }
        if !broken.is_empty() && !options.skips_broken {
            return Ok(Outcome::Broken(broken));
        }
        let mut classes = scan.classes;
        drop_empty(&mut classes, &mut entries);
        check(root, &classes, &entries, scan.ignored)?;
        let divided = !entries.iter().any(|entry| entry.part != Part::Train);
        if divided {
            divide(&mut entries, classes.len());
        }
        let count = |part| entries.iter().filter(|entry| entry.part == part).count();
        let summary = Summary {
            name,
            images: Part::ALL.map(count),
            classes: classes.len(),
            divided,
            ignored: scan.ignored,
            beside: scan.beside,
            misnamed,
            skipped: broken,
            remarks: Vec::new(),
        };
        let list: String = entries.iter().map(Entry::line).collect();
        let manifest = Manifest {
            kind: FOLDER.into(),
            path: root.to_path_buf(),
            sha256: hash(&entries),
            list_sha256: storage::sha256(list.as_bytes()),
            channels,
            class_depth: options.class_depth,
            divided,
            skipped: summary.skipped.len(),
            classes,
            ..manifest()
        };
        commit(directory, &manifest, Some(&list))?;
        Ok(Outcome::Added(summary))
    }
}

/// What was seen of a file.
struct Seen {
    is_misnamed: bool,
    channels: usize,
    height: usize,
    width: usize,
    sha256: String,
}

/// Decodes every file once, on all threads.
fn look(
    root: &Path,
    files: &[Listed],
    progress: &(dyn Fn(usize, usize) + Sync),
    cancel: &AtomicBool,
) -> Vec<Result<Seen, String>> {
    let done = AtomicUsize::new(0);
    let one = |listed: &Listed| {
        if cancel.load(Ordering::Relaxed) {
            return Err(String::new());
        }
        let bytes = storage::read(&root.join(&listed.path), decode::LARGEST_FILE)
            .map_err(|e| format!("cannot be read: {e}"))?;
        let picture = decode::decode(&bytes)?;
        let seen = Seen {
            is_misnamed: decode::is_misnamed(&listed.path, &bytes).is_some(),
            channels: picture.channels,
            height: picture.height,
            width: picture.width,
            sha256: storage::sha256(&bytes),
        };
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(REPORT) {
            progress(done, files.len());
        }
        Ok(seen)
    };
    files.par_iter().map(one).collect()
}

/// Leaves out classes of which no file is left.
fn drop_empty(classes: &mut Vec<String>, entries: &mut [Entry]) {
    let mut counts = vec![0_usize; classes.len()];
    for entry in &*entries {
        counts[usize::from(entry.label)] += 1;
    }
    let mut next = 0;
    let new: Vec<u16> = counts
        .iter()
        .map(|count| {
            let own = next;
            next += u16::from(*count > 0);
            own
        })
        .collect();
    for entry in entries {
        entry.label = new[usize::from(entry.label)];
    }
    let mut counts = counts.iter();
    classes.retain(|_| counts.next().is_some_and(|count| *count > 0));
}

fn check(root: &Path, classes: &[String], entries: &[Entry], ignored: usize) -> Result<()> {
    let refuse = |problem: String, remedy: &str| {
        let root = text::sanitize(&root.display().to_string());
        Err(Error::input(root, problem, remedy))
    };
    let layout = "put the images of each class into a directory of its own";
    if entries.is_empty() {
        let files = match ignored {
            0 => String::new(),
            some => format!(" ({})", text::count(some, "other file")),
        };
        return refuse(
            format!("has no images in directories of classes{files}"),
            layout,
        );
    }
    if classes.len() < 2 {
        return refuse(format!("has only one class, {}", classes.concat()), layout);
    }
    let mut trained = vec![false; classes.len()];
    for entry in entries.iter().filter(|entry| entry.part == Part::Train) {
        trained[usize::from(entry.label)] = true;
    }
    if let Some(class) = trained.iter().position(|is| !is) {
        return refuse(
            format!("has no training images of the class {}", classes[class]),
            "give it some, or remove it from the other splits",
        );
    }
    Ok(())
}

/// Moves one in five images of each class to the test split, those whose paths have the least digests: images that come
/// later move hardly any of the others. A class of one image keeps it.
pub(super) fn divide(entries: &mut [Entry], classes: usize) {
    let mut of_class = vec![Vec::new(); classes];
    for (index, entry) in entries.iter().enumerate() {
        of_class[usize::from(entry.label)].push(index);
    }
    for mut members in of_class {
        let count = match members.len() {
            0 | 1 => 0,
            many => ((many + ONE_IN / 2) / ONE_IN).max(1),
        };
        members.sort_by_cached_key(|index| Sha256::digest(&entries[*index].path));
        for index in &members[..count] {
            entries[*index].part = Part::Test;
        }
    }
}

/// Of every file, sorted by path: split, class, content.
fn hash(entries: &[Entry]) -> String {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for entry in sorted {
        let Entry {
            part,
            label,
            sha256,
            path,
            ..
        } = entry;
        hash.update(format!("{path}\0{}\0{label}\0{sha256}\n", part.name()));
    }
    storage::hex(&hash.finalize())
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

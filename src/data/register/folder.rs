//! A folder of images: every file is decoded once, its split and class are written down.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Manifest, Options, Outcome, Summary, commit, manifest};
use crate::data::formats::added::{Entry, FOLDER};
use crate::data::formats::folder::{Listed, Scan};
use crate::data::{Part, decode};
use crate::error::{Error, Result};
use crate::{storage, text};

/// The share of each class that becomes the test split where a set has none: one in so many.
const ONE_IN: usize = 5;

/// Images that are looked at between two reports.
const REPORT: usize = 64;

/// A folder of images that is being added.
pub(super) struct Folder<'a> {
    pub(super) root: &'a Path,
    pub(super) scan: Scan,
    /// Of its manifest.
    pub(super) directory: &'a Path,
    pub(super) options: &'a Options,
}

impl Folder<'_> {
    pub(super) fn add(
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
pub(in crate::data) fn divide(entries: &mut [Entry], classes: usize) {
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

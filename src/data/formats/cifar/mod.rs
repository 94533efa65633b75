//! Images of 32×32 in colour, in the batches that CIFAR-10 and CIFAR-100 are published in: the binary or the Python
//! version, in a directory or as the archive itself.
//!
//! Batches may have any number of images. A set under another name than the published ones' may have any number of
//! training batches, and no test set. A set in CIFAR-100's files is also NAME-coarse, with the coarse labels.

use std::path::Path;

use self::batch::{Batch, Labels, SHAPE};
use self::layout::{Files, Layout, Members, Role, Version};
use super::content::{Content, Split};
use super::origin::{self, LARGEST, Origin};
use super::{Format, Holding, Place, labels};
use crate::catalog::{self, Set};
use crate::data::{Dataset, places};
use crate::error::{Error, Result};
use crate::text;

mod archive;
mod batch;
mod layout;
mod python;

/// **Units** bytes of the longest file of a batch; CIFAR-100's training set has 155 MB.
const MOST_OF_FILE: u64 = 1 << 30;

/// The format of CIFAR's batches. A set's SHA-256 is that of its content, as
/// [`Content::into_dataset`] takes it: all versions have the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches;

impl Format for Batches {
    fn name(&self) -> &'static str {
        "CIFAR"
    }

    fn files(&self) -> &'static str {
        "CIFAR batches"
    }

    fn sets_in(&self, directory: &Path) -> Vec<String> {
        layout::sets_in(directory)
    }

    fn set_of(&self, _: &Path, file: &str) -> Option<String> {
        let is_its = |set: &&Set| set.archives.iter().any(|archive| archive.name == file);
        let set = catalog::SETS.iter().find(is_its)?;
        Some(set.name.into())
    }

    fn claims(&self, file: &str) -> bool {
        file.strip_suffix(".tar.gz").is_some()
    }

    fn probe(&self, place: Place<'_>) -> Holding {
        match layout::find(place) {
            Holding::Complete(_) => Holding::Complete(()),
            Holding::Partial(missing) => Holding::Partial(missing),
            Holding::Nothing => Holding::Nothing,
        }
    }

    /// They are recognised by the names of their directories alone.
    fn is_published(&self, _: &Path, _: &str) -> bool {
        false
    }

    fn load(&self, place: Place<'_>) -> Result<Dataset> {
        let Holding::Complete(files) = layout::find(place) else {
            return Err(Error::input(
                format!("data set {}", text::sanitize(place.name)),
                format!("is not in {}", place.directory.display()),
                "put its batches there",
            ));
        };
        let labels = if places::is_coarse(place.name) {
            Labels::Coarse
        } else {
            Labels::Fine
        };
        let (source, members) = match files {
            Files::Loose(layout, paths) => {
                let mut members = Members::new();
                let mut left = LARGEST;
                for (role, path) in paths {
                    let origin = Origin::new(&path, REMEDY);
                    let bytes = origin::whole(&path, MOST_OF_FILE, &origin)?;
                    left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                        origin.error("and the batches before it have more than 4 GiB")
                    })?;
                    let member = Member::read(layout, role, labels, &bytes, &origin)?;
                    members.insert(role, member);
                }
                (place.directory.to_path_buf(), members)
            }
            Files::Archive(path) => {
                let origin = Origin::new(&path, REMEDY);
                let is_published = layout::published(place.name).is_some();
                let members = unpacked(&path, labels, is_published, &origin)?;
                (path, members)
            }
        };
        assemble(place.name, source.display().to_string(), members)
    }
}

const REMEDY: &str = "replace it with the original file";

/// A file as it was read.
enum Member {
    Batch(Batch, Origin),
    Names(Vec<String>),
    /// Names of the labels that are not taken.
    Unused,
}

impl Member {
    fn read(
        layout: Layout,
        role: Role,
        labels: Labels,
        bytes: &[u8],
        origin: &Origin,
    ) -> Result<Self> {
        let kind = layout.kind;
        let is_unused = match role {
            Role::CoarseNames => labels == Labels::Fine,
            Role::Names => layout.version == Version::Binary && labels == Labels::Coarse,
            Role::Train(_) | Role::Test => {
                let batch = match layout.version {
                    Version::Binary => batch::read(bytes, kind, labels, origin)?,
                    Version::Python => python::read(bytes, kind, labels, origin)?,
                };
                return Ok(Self::Batch(batch, origin.clone()));
            }
        };
        if is_unused {
            return Ok(Self::Unused);
        }
        Ok(Self::Names(match layout.version {
            Version::Binary => batch::names(bytes, origin)?,
            Version::Python => python::names(bytes, kind, labels, origin)?,
        }))
    }
}

/// The files of the first layout that an archive has all of.
fn unpacked(
    path: &Path,
    labels: Labels,
    is_published: bool,
    origin: &Origin,
) -> Result<Members<Member>> {
    let (reader, length) = origin::open(path, origin)?;
    let found = archive::read(reader, length, origin, |layout, role, bytes, origin| {
        Member::read(layout, role, labels, bytes, origin)
    })?;
    let mut absent = Vec::new();
    for (layout, members) in found {
        let missing = layout.missing(&members, is_published);
        if missing.is_empty() {
            return Ok(members);
        }
        absent.extend(missing);
    }
    Err(origin.error(if absent.is_empty() {
        "has no CIFAR batches in it".into()
    } else {
        format!("has no {} in it", absent.join(", "))
    }))
}

fn assemble(name: &str, source: String, members: Members<Member>) -> Result<Dataset> {
    let (mut train, mut test) = (None::<Split>, None::<Split>);
    let mut classes = Vec::new();
    for member in members.values() {
        if let Member::Names(names) = member {
            classes.clone_from(names);
        }
    }
    let known = catalog::alike(name).map_or(classes.len(), |set| set.classes.names().len());
    for (role, member) in members {
        match member {
            Member::Batch(batch, origin) => {
                if known > 0 {
                    labels::counted((&batch.labels, &origin), 0, known)?;
                }
                let split = if role == Role::Test {
                    &mut test
                } else {
                    &mut train
                };
                add(split, batch, origin)?;
            }
            Member::Names(_) | Member::Unused => {}
        }
    }
    let train = train.ok_or_else(|| Error::compute("reading the data set", "a file is missing"))?;
    Content {
        name,
        source,
        classes,
        train,
        test,
        validation: None,
    }
    .into_dataset()
}

/// Puts a batch behind those before it.
fn add(split: &mut Option<Split>, batch: Batch, origin: Origin) -> Result<()> {
    let Some(split) = split else {
        *split = Some(Split {
            shape: SHAPE,
            pixels: batch.pixels,
            labels: batch.labels,
            images_in: origin.clone(),
            labels_in: origin,
        });
        return Ok(());
    };
    split
        .pixels
        .try_reserve(batch.pixels.len())
        .map_err(|_| origin.too_large())?;
    split.pixels.extend(batch.pixels);
    split.labels.extend(batch.labels);
    Ok(())
}

#[cfg(test)]
mod tests;

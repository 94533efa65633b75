//! Images and labels in IDX files, as MNIST and its successors are published.

use std::path::{Path, PathBuf};

use self::file::{Idx, Items, Origin};
use self::layout::Role;
use super::{Format, Holding, Place, Plain};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::{catalog, storage, text};

mod dataset;
pub mod file;
pub(crate) mod layout;

/// The format of IDX files: images and labels of the training set, and of the test set where there is one. A set's
/// SHA-256 is that of its decompressed files.
#[derive(Clone, Copy, Debug)]
pub struct Files;

impl Format for Files {
    fn name(&self) -> &'static str {
        "IDX"
    }

    fn files(&self) -> &'static str {
        "IDX files"
    }

    fn sets_in(&self, directory: &Path) -> Vec<String> {
        layout::sets_in(directory)
    }

    fn claims(&self, file: &str) -> bool {
        file.contains("idx")
    }

    fn probe(&self, place: Place<'_>) -> Holding {
        match layout::find(place) {
            Holding::Complete(_) => Holding::Complete(()),
            Holding::Partial(missing) => Holding::Partial(missing),
            Holding::Nothing => Holding::Nothing,
        }
    }

    /// By the SHA-256 of the labels; all four files are held to it when they are read.
    fn is_published(&self, directory: &Path, name: &str) -> bool {
        let place = Place {
            directory,
            name,
            plain: Plain::Counts,
        };
        let published = catalog::find(name).map_or(&[][..], |set| set.files);
        let Holding::Complete(files) = layout::find(place) else {
            return false;
        };
        [1, 3].into_iter().all(|labels| {
            let pair = published.get(labels).zip(files.get(labels));
            pair.is_some_and(|(published, path)| {
                file::read(path, Items::Labels, "")
                    .is_ok_and(|read| storage::hex(&read.sha256) == published.sha256)
            })
        })
    }

    fn load(&self, place: Place<'_>) -> Result<Dataset> {
        match layout::find(place) {
            Holding::Complete(files) => read(place, &files),
            Holding::Partial(_) | Holding::Nothing => Err(Error::input(
                format!("data set {}", text::sanitize(place.name)),
                format!("is not in {}", place.directory.display()),
                "put its IDX files there",
            )),
        }
    }
}

/// Reads all files at once, each on its own thread.
fn read(place: Place<'_>, files: &[PathBuf]) -> Result<Dataset> {
    let name = place.name;
    let remedy = if catalog::fetchable().any(|set| set.name == name) {
        format!("fetch it again with `fmtui data fetch {name}`")
    } else {
        "replace it with the original file".into()
    };
    let origins: Vec<_> = files
        .iter()
        .map(|path| Origin::new(path, &remedy))
        .collect();
    let read: Result<Vec<Idx>> = std::thread::scope(|scope| {
        let threads: Vec<_> = Role::ALL
            .into_iter()
            .zip(files)
            .map(|(role, path)| {
                let remedy = &remedy;
                scope.spawn(move || file::read(path, role.items(), remedy))
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
    let source = place.directory.display().to_string();
    dataset::assemble(name, &source, read?, &origins)
}

/// Unpacks the gzipped files of a set that is part of the program, in [`Role::ALL`]'s order.
///
/// # Errors
/// `Input` when the program was built from damaged files.
pub fn unpack(name: &str, packed: &[&[u8]; 4], remedy: &str) -> Result<Dataset> {
    let origins = Role::ALL.map(|role| Origin {
        file: format!("built-in {name}/{}", role.standard_name()),
        remedy: remedy.into(),
    });
    let mut files = Vec::with_capacity(4);
    for ((role, bytes), origin) in Role::ALL.into_iter().zip(packed).zip(&origins) {
        files.push(file::parse(
            *bytes,
            bytes.len() as u64,
            role.items(),
            origin,
        )?);
    }
    dataset::assemble(name, "built in", files, &origins)
}

//! Grey images and labels in four IDX files, as MNIST and its successors are published.

use std::path::{Path, PathBuf};

use self::file::{Idx, Origin};
use self::layout::Role;
use super::{Format, Holding, Place, Plain};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::{catalog, storage, text};

mod dataset;
pub mod file;
pub(crate) mod layout;

/// The format of four IDX files.
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
            published.get(labels).is_some_and(|published| {
                file::read(&files[labels], 1, "")
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
                "put its four IDX files there",
            )),
        }
    }
}

/// Reads the four files at once, each on its own thread.
fn read(place: Place<'_>, files: &[PathBuf; 4]) -> Result<Dataset> {
    let name = place.name;
    let remedy = if catalog::fetchable().any(|set| set.name == name) {
        format!("fetch it again with `fmtui data fetch {name}`")
    } else {
        "replace it with the original file".into()
    };
    let origins = files.each_ref().map(|path| Origin::new(path, &remedy));
    let read: Result<Vec<Idx>> = std::thread::scope(|scope| {
        let threads: Vec<_> = Role::ALL
            .into_iter()
            .zip(files)
            .map(|(role, path)| {
                let remedy = &remedy;
                scope.spawn(move || file::read(path, role.rank(), remedy))
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
    let source = place.directory.display().to_string();
    dataset::assemble(name, &source, read, &origins)
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
            role.rank(),
            origin,
        )?);
    }
    let files = <[_; 4]>::try_from(files)
        .map_err(|_| Error::compute("unpacking the built-in set", "a file is missing"))?;
    dataset::assemble(name, "built in", files, &origins)
}

//! Images and labels in one `.npz` file of numpy's, as MedMNIST and Keras have them.
//!
//! The arrays are `train_images`, `train_labels` and so on for `val` and `test`; or `x_train`, `y_train`, …; or
//! `images` and `labels` alone. Images are N × height × width, or with 1, 3 or 4 channels last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use self::npy::Array;
use super::content::{Content, Split, to_planes};
use super::origin::{self, BEST_COMPRESSION, LARGEST, Origin};
use super::{Format, Holding, Place, Plain};
use crate::data::Dataset;
use crate::data::places::called;
use crate::error::{Error, Result};
use crate::text;

mod npy;

/// The most arrays of a file.
const MOST_ARRAYS: usize = 1000;

/// What a file is called.
const EXTENSION: &str = "npz";

const REMEDY: &str = "replace it with one as docs/data.md describes";

/// Names of the arrays of images and labels of the training, test and validation set.
const KEYS: [[(&str, &str); 3]; 3] = [
    [
        ("train_images", "train_labels"),
        ("test_images", "test_labels"),
        ("val_images", "val_labels"),
    ],
    [
        ("x_train", "y_train"),
        ("x_test", "y_test"),
        ("x_val", "y_val"),
    ],
    [("images", "labels"), ("", ""), ("", "")],
];

/// The format of one file of arrays: NAME.npz, or the only one in a directory called NAME. A set's SHA-256 is that of
/// its content, as [`Content::into_dataset`] takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrays;

impl Format for Arrays {
    fn name(&self) -> &'static str {
        "NPZ"
    }

    fn files(&self) -> &'static str {
        ".npz file"
    }

    fn sets_in(&self, directory: &Path) -> Vec<String> {
        let files = files(directory);
        let mut names: Vec<String> = files.keys().cloned().collect();
        if files.len() == 1 {
            names.extend(called(directory));
        }
        names
    }

    fn claims(&self, file: &str) -> bool {
        file.strip_suffix(".npz").is_some()
    }

    fn probe(&self, place: Place<'_>) -> Holding {
        find(place).map_or(Holding::Nothing, |_| Holding::Complete(()))
    }

    /// Nothing is known of files before they are read.
    fn is_published(&self, _: &Path, _: &str) -> bool {
        false
    }

    fn load(&self, place: Place<'_>) -> Result<Dataset> {
        let path = find(place).ok_or_else(|| {
            Error::input(
                format!("data set {}", text::sanitize(place.name)),
                format!("is not in {}", place.directory.display()),
                "put its .npz file there",
            )
        })?;
        let origin = Origin::new(&path, REMEDY);
        Reader::open(&path, origin)?.read(place.name)
    }
}

/// The `.npz` files of a directory by the names of their sets.
fn files(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == EXTENSION) && path.is_file())
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_string(), path)))
        .collect()
}

fn find(place: Place<'_>) -> Option<PathBuf> {
    let own = place.directory.join(format!("{}.{EXTENSION}", place.name));
    if own.is_file() {
        return Some(own);
    }
    let mut files = files(place.directory).into_values();
    let first = files.next().filter(|_| place.plain == Plain::Counts);
    first.filter(|_| files.next().is_none())
}

/// A file whose arrays are read one after the other.
struct Reader {
    archive: ZipArchive<BufReader<File>>,
    origin: Origin,
}

impl Reader {
    fn open(path: &Path, origin: Origin) -> Result<Self> {
        let (reader, _) = origin::open(path, &origin)?;
        // The file begins with the first array; left to find that out, the crate may take another place for it.
        let config = zip::read::Config {
            archive_offset: zip::read::ArchiveOffset::Known(0),
        };
        let archive = ZipArchive::with_config(config, reader).map_err(|e| match e {
            ZipError::Io(e) => origin.read_error(e),
            e => origin.error(format!("is not an .npz file ({e})")),
        })?;
        if archive.len() > MOST_ARRAYS {
            return Err(origin.error(format!("has more than {MOST_ARRAYS} arrays")));
        }
        Ok(Self { archive, origin })
    }

    fn read(mut self, name: &str) -> Result<Dataset> {
        let names = self.names();
        let has = |key: &str| names.iter().any(|name| name == key);
        let Some([train, test, validation]) = KEYS.iter().find(|keys| has(keys[0].0)) else {
            let keys = KEYS.map(|keys| keys[0].0).join(", ");
            return Err(self.origin.error(format!(
                "has none of the arrays {keys} (it has {})",
                text::ellipsis(&text::sanitize(&names.join(", ")), 100)
            )));
        };
        let train = self.split(train)?;
        let mut optional = |keys: &(&str, &str)| has(keys.0).then(|| self.split(keys)).transpose();
        Content {
            name,
            test: optional(test)?,
            validation: optional(validation)?,
            source: self.origin.file,
            classes: Vec::new(),
            train,
        }
        .into_dataset()
    }

    fn names(&self) -> Vec<String> {
        let members = self.archive.file_names().filter_map(Result::ok);
        let arrays = members.filter_map(|name| name.strip_suffix(".npy").map(String::from));
        arrays.collect()
    }

    fn array(&mut self, key: &str) -> Result<(Array, Origin)> {
        let origin = self.origin.member(&format!("array {key}"));
        let member = self
            .archive
            .by_name(&format!("{key}.npy"))
            .map_err(|e| match e {
                ZipError::FileNotFound => origin.error("is missing"),
                ZipError::Io(e) => origin.read_error(e),
                e => origin.error(format!("cannot be read ({e})")),
            })?;
        let most = member.compressed_size().saturating_mul(BEST_COMPRESSION);
        let most = most.min(LARGEST);
        Ok((npy::read(member, most, &origin)?, origin))
    }

    fn split(&mut self, (images, labels): &(&str, &str)) -> Result<Split> {
        let (images, images_in) = self.array(images)?;
        let shape = match *images.shape.as_slice() {
            [_, height, width] => Some([1, height, width]),
            [_, height, width, channels @ (1 | 3 | 4)] => Some([channels, height, width]),
            _ => None,
        };
        let shape = shape.ok_or_else(|| {
            images_in.error(format!(
                "has the shape {}; images are N × height × width, or with 1, 3 or 4 channels last",
                text::shape(&images.shape)
            ))
        })?;
        let pixels = images.kind.pixels(images.bytes, images.order);
        let mut pixels = pixels.map_err(|problem| images_in.error(problem))?;
        let [channels, height, width] = shape;
        if channels > 1 {
            to_planes(&mut pixels, channels, height * width);
        }
        let (labels, labels_in) = self.array(labels)?;
        if !matches!(labels.shape.as_slice(), [_] | [_, 1]) {
            return Err(labels_in.error(format!(
                "has the shape {}; labels are one number for each image",
                text::shape(&labels.shape)
            )));
        }
        let labels = labels.kind.labels(&labels.bytes, labels.order);
        Ok(Split {
            shape,
            pixels,
            labels: labels.map_err(|problem| labels_in.error(problem))?,
            images_in,
            labels_in,
        })
    }
}

#[cfg(test)]
mod tests;

//! How directories of data sets are called, whatever the format of their files. Opens no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::catalog;
use crate::error::{Error, Result};
use crate::text;

/// How the name of a set ends that is meant by its coarse labels.
const COARSE: &str = "-coarse";

/// A data set's name is one plain directory name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::input(
        "data.name",
        format!(
            "{:?} is not the name of a data set",
            text::ellipsis(&text::sanitize(name), 40)
        ),
        "use letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`",
    ))
}

/// Where torchvision keeps the set called `name` below a directory, where it knows that set.
#[must_use]
pub(crate) fn torchvisions(name: &str) -> Option<PathBuf> {
    let directory = match catalog::find(name).and_then(|set| set.torchvision) {
        Some(theirs) => theirs,
        None if name.starts_with("emnist-") => "EMNIST",
        None => return None,
    };
    Some(Path::new(directory).join("raw"))
}

/// The sets that plain file names in `directory` stand for: the one it is called by, wherever a link to it lies,
/// torchvision's, and the one that the directory above is called by where this is a `raw` one.
#[must_use]
pub(crate) fn called(directory: &Path) -> Vec<String> {
    let mut names = BTreeSet::new();
    let real = directory.canonicalize().ok();
    for directory in std::iter::once(directory).chain(real.as_deref()) {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_string());
        let Some(own) = name(directory) else { continue };
        let theirs = match own.as_str() {
            "raw" => directory.parent().and_then(name),
            _ => Some(own.clone()),
        };
        let known = catalog::SETS
            .iter()
            .find(|set| set.torchvision.is_some() && set.torchvision == theirs.as_deref());
        names.extend(known.map(|set| set.name.to_string()));
        if known.is_none() || own != "raw" {
            names.extend(theirs);
            names.insert(own);
        }
    }
    names.into_iter().collect()
}

/// What the set called `name` is called by its coarse labels, where its files have two for each image.
#[must_use]
pub(crate) fn coarse(name: &str) -> String {
    format!("{name}{COARSE}")
}

/// Whether a set is meant by its coarse labels.
#[must_use]
pub(crate) fn is_coarse(name: &str) -> bool {
    name.ends_with(COARSE)
}

/// Whether `name` means the coarse labels of the set called `whole`.
#[must_use]
pub(crate) fn is_coarse_of(name: &str, whole: &str) -> bool {
    name.strip_suffix(COARSE) == Some(whole)
}

/// Directories that may have the set called `name` among others: EMNIST is published as one archive of one directory,
/// and coarse labels lie beside the fine ones.
#[must_use]
pub(super) fn shared(name: &str) -> Vec<&str> {
    if name.starts_with("emnist-") {
        return vec!["emnist", "gzip"];
    }
    name.strip_suffix(COARSE).into_iter().collect()
}

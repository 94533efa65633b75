//! How directories of data sets are called, whatever the format of their files. Opens no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::catalog;
use crate::error::{Error, Result};
use crate::text;

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

/// The sets that plain file names in `directory` stand for: the one it is called by, wherever a link to it lies, and
/// torchvision's.
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
            names.insert(own);
        }
    }
    names.into_iter().collect()
}

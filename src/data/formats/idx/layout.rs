//! Which four files in a directory make up a data set.
//!
//! Names in use: `train-images-idx3-ubyte` and `train-images.idx3-ubyte`, each with or without `.gz`, the test files
//! beginning with `t10k` or `test`, and EMNIST's, which begin with the set:
//! `emnist-balanced-train-images-idx3-ubyte.gz`. Files that don't begin with a set's name are the set that their
//! directory is called by; torchvision keeps them in `FashionMNIST/raw`. Looks at names only; opens no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::formats::{Holding, Place, Plain};
use crate::data::places::called;

/// What a file is in its set. The order is that of every `[_; 4]` in this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    TrainImages,
    TrainLabels,
    TestImages,
    TestLabels,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [
        Self::TrainImages,
        Self::TrainLabels,
        Self::TestImages,
        Self::TestLabels,
    ];

    /// Dimensions of the file's array.
    #[must_use]
    pub(crate) fn rank(self) -> usize {
        match self {
            Self::TrainImages | Self::TestImages => 3,
            Self::TrainLabels | Self::TestLabels => 1,
        }
    }

    /// The usual file name, without `.gz`.
    #[must_use]
    pub(crate) fn standard_name(self) -> &'static str {
        match self {
            Self::TrainImages => "train-images-idx3-ubyte",
            Self::TrainLabels => "train-labels-idx1-ubyte",
            Self::TestImages => "t10k-images-idx3-ubyte",
            Self::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }

    /// Every name the file may have, behind a prefix; first the one that a download has, so that it replaces others.
    fn names(self) -> impl Iterator<Item = String> {
        let parts: &[&str] = match self {
            Self::TrainImages | Self::TrainLabels => &["train"],
            Self::TestImages | Self::TestLabels => &["t10k", "test"],
        };
        let content = if self.rank() == 3 { "images" } else { "labels" };
        parts.iter().flat_map(move |part| {
            ["-", "."].into_iter().flat_map(move |separator| {
                [".gz", ""].into_iter().map(move |packed| {
                    format!(
                        "{part}-{content}{separator}idx{}-ubyte{packed}",
                        self.rank()
                    )
                })
            })
        })
    }
}

/// Looks for the four files of a set, which come in [`Role::ALL`]'s order.
#[must_use]
pub(crate) fn find(place: Place<'_>) -> Holding<[PathBuf; 4]> {
    let mut best = Holding::Nothing;
    let prefixes = [
        Some(format!("{}-", place.name)),
        (place.plain == Plain::Counts).then(String::new),
    ];
    for prefix in prefixes.into_iter().flatten() {
        let found = Role::ALL.map(|role| {
            role.names()
                .map(|file| place.directory.join(format!("{prefix}{file}")))
                .find(|path| path.exists())
        });
        let missing: Vec<String> = Role::ALL
            .iter()
            .zip(&found)
            .filter(|(_, path)| path.is_none())
            .map(|(role, _)| format!("{prefix}{}", role.standard_name()))
            .collect();
        if let [Some(a), Some(b), Some(c), Some(d)] = found {
            return Holding::Complete([a, b, c, d]);
        }
        if missing.len() < 4 {
            best = Holding::Partial(missing);
        }
    }
    best
}

/// The names of the complete sets in `directory`: what it is called for files without a prefix, else their prefixes.
#[must_use]
pub(crate) fn sets_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    for entry in entries.flatten() {
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        for ending in Role::TrainImages.names() {
            match file.strip_suffix(&ending) {
                Some("") => names.extend(called(directory)),
                Some(prefix) => {
                    names.extend(prefix.strip_suffix('-').map(String::from));
                }
                None => {}
            }
        }
    }
    let is_complete = |name: &String| {
        let place = Place {
            directory,
            name,
            plain: Plain::Counts,
        };
        matches!(find(place), Holding::Complete(_))
    };
    names.into_iter().filter(is_complete).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::places::torchvisions;

    fn find(directory: &Path, name: &str, plain: Plain) -> Holding<[PathBuf; 4]> {
        super::find(Place {
            directory,
            name,
            plain,
        })
    }

    fn touch(directory: &Path, names: &[&str]) {
        std::fs::create_dir_all(directory).unwrap();
        for name in names {
            std::fs::write(directory.join(name), b"").unwrap();
        }
    }

    #[test]
    fn every_spelling_is_found() {
        let root = tempfile::tempdir().unwrap();
        let plain = root.path().join("mnist");
        touch(
            &plain,
            &[
                "train-images.idx3-ubyte",
                "train-labels-idx1-ubyte.gz",
                "t10k-images.idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte",
            ],
        );
        assert!(matches!(
            find(&plain, "mnist", Plain::Counts),
            Holding::Complete(_)
        ));
        assert_eq!(sets_in(&plain), ["mnist"]);

        let emnist = root.path().join("gzip");
        let files = |set: &str| {
            ["train", "test"].map(|part| {
                [
                    format!("emnist-{set}-{part}-images-idx3-ubyte.gz"),
                    format!("emnist-{set}-{part}-labels-idx1-ubyte.gz"),
                ]
            })
        };
        for set in ["balanced", "letters"] {
            for pair in files(set) {
                touch(&emnist, &[&pair[0], &pair[1]]);
            }
        }
        assert_eq!(sets_in(&emnist), ["emnist-balanced", "emnist-letters"]);
        let Holding::Complete(paths) = find(&emnist, "emnist-letters", Plain::Ignored) else {
            panic!("not found")
        };
        assert!(paths[2].ends_with("emnist-letters-test-images-idx3-ubyte.gz"));
    }

    #[test]
    fn a_downloaded_file_comes_before_a_plain_one() {
        let root = tempfile::tempdir().unwrap();
        for role in Role::ALL {
            let name = role.standard_name();
            touch(root.path(), &[name, &format!("{name}.gz")]);
        }
        let Holding::Complete(paths) = find(root.path(), "x", Plain::Counts) else {
            panic!("not found")
        };
        assert!(paths.iter().all(|path| path.extension().unwrap() == "gz"));
    }

    #[test]
    fn missing_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        touch(
            root.path(),
            &["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
        );
        assert_eq!(
            find(root.path(), "x", Plain::Counts),
            Holding::Partial(vec![
                "train-labels-idx1-ubyte".into(),
                "t10k-images-idx3-ubyte".into()
            ])
        );
        assert!(sets_in(root.path()).is_empty());
        assert_eq!(find(root.path(), "x", Plain::Ignored), Holding::Nothing);
        let none = root.path().join("none");
        assert_eq!(find(&none, "x", Plain::Counts), Holding::Nothing);
    }

    #[test]
    fn plain_files_are_the_set_that_their_directory_is_called_by() {
        let root = tempfile::tempdir().unwrap();
        let raw = root.path().join("FashionMNIST/raw");
        touch(&raw, &Role::ALL.map(Role::standard_name));
        assert_eq!(called(&raw), ["fashion-mnist"]);
        assert_eq!(called(&raw.join("..")), ["FashionMNIST", "fashion-mnist"]);
        assert_eq!(sets_in(&raw), ["fashion-mnist"]);
        assert!(raw.ends_with(torchvisions("fashion-mnist").unwrap()));
        assert_eq!(torchvisions("mine"), None);
        assert_eq!(called(&root.path().join("none")), ["none"]);
        std::os::unix::fs::symlink(&raw, root.path().join("mine")).unwrap();
        let linked = called(&root.path().join("mine"));
        assert_eq!(linked, ["fashion-mnist", "mine"]);
    }
}

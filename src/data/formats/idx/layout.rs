//! Which files in a directory make up a data set.
//!
//! Names in use: `train-images-idx3-ubyte` and `train-images.idx3-ubyte`, each with or without `.gz`, the test files
//! beginning with `t10k` or `test`, and EMNIST's, which begin with the set:
//! `emnist-balanced-train-images-idx3-ubyte.gz`. Other dimensions and types may stand at the end, as in QMNIST's
//! `qmnist-train-labels-idx2-int`; what a file holds is said by its first bytes alone. Files that don't begin with a
//! set's name are the set that their directory is called by; torchvision keeps them in `FashionMNIST/raw`. Looks at
//! names only; opens no file.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::file::Items;
use crate::catalog;
use crate::data::formats::{Holding, Place, Plain};
use crate::data::places::called;

/// How the names of files say what their values are; the usual one first.
const TYPES: [&str; 6] = ["ubyte", "byte", "short", "int", "float", "double"];

/// What a file is in its set. The order is that of the files of a set everywhere in this room.
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

    #[must_use]
    pub(crate) fn items(self) -> Items {
        match self {
            Self::TrainImages | Self::TestImages => Items::Images,
            Self::TrainLabels | Self::TestLabels => Items::Labels,
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
        let (content, ranks): (_, &[u8]) = match self.items() {
            Items::Images => ("images", &[3, 2, 4]),
            Items::Labels => ("labels", &[1, 2]),
        };
        let forms = ranks
            .iter()
            .flat_map(|rank| TYPES.map(|kind| format!("idx{rank}-{kind}")));
        forms.flat_map(move |form| {
            parts.iter().flat_map(move |part| {
                let form = form.clone();
                ["-", "."].into_iter().flat_map(move |separator| {
                    let form = form.clone();
                    [".gz", ""].map(|packed| format!("{part}-{content}{separator}{form}{packed}"))
                })
            })
        })
    }
}

/// Looks for the files of a set, which come in [`Role::ALL`]'s order: four, or those of the training set alone where
/// nothing is known of the set.
#[must_use]
pub(crate) fn find(place: Place<'_>) -> Holding<Vec<PathBuf>> {
    let mut best = Holding::Nothing;
    let there = candidates(place.directory);
    if there.is_empty() {
        return best;
    }
    let prefixes = [
        Some(format!("{}-", place.name)),
        (place.plain == Plain::Counts).then(String::new),
    ];
    for prefix in prefixes.into_iter().flatten() {
        let found = Role::ALL.map(|role| {
            role.names()
                .map(|file| format!("{prefix}{file}"))
                .filter(|file| there.contains(file))
                .map(|file| place.directory.join(file))
                .find(|path| path.exists())
        });
        if let [Some(images), Some(labels), None, None] = &found
            && catalog::alike(place.name).is_none()
        {
            return Holding::Complete(vec![images.clone(), labels.clone()]);
        }
        let missing: Vec<String> = Role::ALL
            .iter()
            .zip(&found)
            .filter(|(_, path)| path.is_none())
            .map(|(role, _)| format!("{prefix}{}", role.standard_name()))
            .collect();
        if missing.is_empty() {
            return Holding::Complete(found.into_iter().flatten().collect());
        }
        if missing.len() < 4 {
            best = Holding::Partial(missing);
        }
    }
    best
}

/// The files of a directory that may be images or labels.
fn candidates(directory: &Path) -> HashSet<String> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.contains("idx")).collect()
}

/// The names of the complete sets in `directory`: what it is called for files without a prefix, else their prefixes.
#[must_use]
pub(crate) fn sets_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    let endings: Vec<_> = Role::TrainImages.names().collect();
    for entry in entries.flatten() {
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        for ending in &endings {
            match file.strip_suffix(ending.as_str()) {
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

    fn find(directory: &Path, name: &str, plain: Plain) -> Holding<Vec<PathBuf>> {
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
    fn only_a_set_that_nothing_is_known_of_may_lack_test_files() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("mine");
        touch(
            &directory,
            &["train-images-idx4-float", "train-labels.idx1-ubyte.gz"],
        );
        let Holding::Complete(files) = find(&directory, "mine", Plain::Counts) else {
            panic!("not found")
        };
        assert_eq!(files.len(), 2);
        assert_eq!(sets_in(&directory), ["mine"]);
        let known = find(&directory, "kmnist", Plain::Counts);
        assert!(matches!(known, Holding::Partial(missing) if missing.len() == 2));
        touch(&directory, &["test-images-idx3-ubyte"]);
        let torn = find(&directory, "mine", Plain::Counts);
        assert_eq!(
            torn,
            Holding::Partial(vec!["t10k-labels-idx1-ubyte".into()])
        );
    }

    #[test]
    fn qmnists_files_are_found() {
        let root = tempfile::tempdir().unwrap();
        let raw = root.path().join("QMNIST/raw");
        let files = [
            "qmnist-train-images-idx3-ubyte",
            "qmnist-train-labels-idx2-int",
            "qmnist-test-images-idx3-ubyte.gz",
            "qmnist-test-labels-idx2-int.gz",
        ];
        touch(&raw, &files);
        let Holding::Complete(paths) = find(&raw, "qmnist", Plain::Ignored) else {
            panic!("not found")
        };
        assert_eq!(paths, files.map(|file| raw.join(file)));
        assert_eq!(sets_in(&raw), ["qmnist"]);
        assert!(raw.ends_with(torchvisions("qmnist").unwrap()));
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
        assert_eq!(
            called(&root.path().join("Garments/raw")),
            ["Garments", "raw"]
        );
        std::os::unix::fs::symlink(&raw, root.path().join("mine")).unwrap();
        let linked = called(&root.path().join("mine"));
        assert_eq!(linked, ["fashion-mnist", "mine"]);
    }
}

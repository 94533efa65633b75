//! Which four files in a directory make up a data set.
//!
//! Names in use: `train-images-idx3-ubyte` and `train-images.idx3-ubyte`, each with or without `.gz`, the test files
//! beginning with `t10k` or `test`, and EMNIST's, which begin with the set: `emnist-balanced-train-images-idx3-ubyte.gz`.
//! Looks at names only; opens no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a file is in its set. The order is that of every `[_; 4]` in this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    TrainImages,
    TrainLabels,
    TestImages,
    TestLabels,
}

impl Role {
    pub const ALL: [Self; 4] = [
        Self::TrainImages,
        Self::TrainLabels,
        Self::TestImages,
        Self::TestLabels,
    ];

    /// Dimensions of the file's array.
    #[must_use]
    pub fn rank(self) -> usize {
        match self {
            Self::TrainImages | Self::TestImages => 3,
            Self::TrainLabels | Self::TestLabels => 1,
        }
    }

    /// The usual file name, without `.gz`.
    #[must_use]
    pub fn standard_name(self) -> &'static str {
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

/// What a directory holds of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// All four files, in [`Role::ALL`]'s order.
    Complete([PathBuf; 4]),
    /// Some; the names of those that are missing.
    Partial(Vec<String>),
    Nothing,
}

/// Looks in `directory` for the files of the set called `name`.
#[must_use]
pub fn find(directory: &Path, name: &str) -> Holding {
    let mut best = Holding::Nothing;
    for prefix in [format!("{name}-"), String::new()] {
        let found = Role::ALL.map(|role| {
            role.names()
                .map(|file| directory.join(format!("{prefix}{file}")))
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

/// The names of the complete sets in `directory`: its own name for files without a prefix, else their prefixes.
#[must_use]
pub fn sets_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    for entry in entries.flatten() {
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        for ending in Role::TrainImages.names() {
            match file.strip_suffix(&ending) {
                Some("") => names.extend(
                    directory
                        .file_name()
                        .map(|n| n.to_string_lossy().into_owned()),
                ),
                Some(prefix) => {
                    names.extend(prefix.strip_suffix('-').map(String::from));
                }
                None => {}
            }
        }
    }
    names
        .into_iter()
        .filter(|name| matches!(find(directory, name), Holding::Complete(_)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(matches!(find(&plain, "mnist"), Holding::Complete(_)));
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
        let Holding::Complete(paths) = find(&emnist, "emnist-letters") else {
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
        let Holding::Complete(paths) = find(root.path(), "x") else {
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
            find(root.path(), "x"),
            Holding::Partial(vec![
                "train-labels-idx1-ubyte".into(),
                "t10k-images-idx3-ubyte".into()
            ])
        );
        assert!(sets_in(root.path()).is_empty());
        assert_eq!(find(&root.path().join("none"), "x"), Holding::Nothing);
    }
}

//! Which CSV files make up a data set. Looks at names only; opens no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::formats::{Place, Plain};
use crate::data::places::called;

/// How a file's name ends; first the plain one.
const ENDINGS: [&str; 2] = [".csv", ".csv.gz"];

/// What stands between the name of a set and that of a split.
const SEPARATORS: [char; 2] = ['_', '-'];

const TRAIN: &str = "train";
const TEST: &str = "test";

/// The files of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) train: PathBuf,
    pub(super) test: Option<PathBuf>,
}

/// Looks for a set: `NAME_train.csv`, else `NAME.csv`, else `train.csv` where plain names count.
pub(super) fn find(place: Place<'_>) -> Option<Files> {
    let there = |stem: &str| {
        ENDINGS
            .iter()
            .map(|ending| place.directory.join(format!("{stem}{ending}")))
            .find(|path| path.is_file())
    };
    let pair = |prefix: &str| {
        Some(Files {
            train: there(&format!("{prefix}{TRAIN}"))?,
            test: there(&format!("{prefix}{TEST}")),
        })
    };
    let name = place.name;
    let prefixed = SEPARATORS
        .iter()
        .find_map(|separator| pair(&format!("{name}{separator}")));
    let alone = || {
        let train = there(name).filter(|_| !is_split(name))?;
        Some(Files { train, test: None })
    };
    let plain = || pair("").filter(|_| place.plain == Plain::Counts);
    prefixed.or_else(alone).or_else(plain)
}

/// The names of the complete sets in `directory`.
pub(super) fn sets_in(directory: &Path) -> Vec<String> {
    let mut names = BTreeSet::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let file = entry.file_name();
        let stem = file
            .to_str()
            .and_then(|file| ENDINGS.iter().find_map(|ending| file.strip_suffix(ending)));
        match stem {
            Some(TRAIN) => names.extend(called(directory)),
            Some(stem) => {
                let is_separated = |rest: &&str| rest.ends_with(SEPARATORS) && rest.len() > 1;
                let whole = match stem.strip_suffix(TRAIN).filter(is_separated) {
                    Some(rest) => Some(&rest[..rest.len() - 1]),
                    None => Some(stem).filter(|stem| !is_split(stem)),
                };
                names.extend(whole.map(String::from));
            }
            None => {}
        }
    }
    let is_there = |name: &String| {
        let plain = Plain::Counts;
        let place = Place {
            directory,
            name,
            plain,
        };
        find(place).is_some()
    };
    names.into_iter().filter(is_there).collect()
}

/// Whether a file of this name is one of several splits.
fn is_split(stem: &str) -> bool {
    [TRAIN, TEST].iter().any(|split| {
        stem.strip_suffix(split)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(SEPARATORS))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_found_by_the_names_of_files_and_directories() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("mine");
        std::fs::create_dir(&directory).unwrap();
        for file in [
            "a_train.csv",
            "a_test.csv.gz",
            "b-train.csv.gz",
            "c.csv",
            "d_test.csv",
            "train.csv",
            "test.csv",
            "_train.csv",
            "notes.txt",
        ] {
            std::fs::write(directory.join(file), "").unwrap();
        }
        assert_eq!(sets_in(&directory), ["a", "b", "c", "mine"]);
        let of = |name, plain| {
            let place = Place {
                directory: &directory,
                name,
                plain,
            };
            let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
            find(place).map(|files| (name(files.train), files.test.map(name)))
        };
        let pair = |train: &str, test: Option<&str>| Some((train.into(), test.map(String::from)));
        assert_eq!(
            of("a", Plain::Ignored),
            pair("a_train.csv", Some("a_test.csv.gz"))
        );
        assert_eq!(of("b", Plain::Ignored), pair("b-train.csv.gz", None));
        assert_eq!(of("c", Plain::Ignored), pair("c.csv", None));
        assert_eq!(
            of("mine", Plain::Counts),
            pair("train.csv", Some("test.csv"))
        );
        for (name, plain) in [
            ("mine", Plain::Ignored),
            ("d", Plain::Ignored),
            ("train", Plain::Ignored),
            ("d_test", Plain::Ignored),
        ] {
            assert_eq!(of(name, plain), None, "{name}");
        }
    }
}

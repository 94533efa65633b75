//! Which files make up a set of CIFAR's, in a directory or an archive. Looks at names only; opens no file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::catalog::{self, Archive, Set};
use crate::data::formats::{Holding, Place, Plain};
use crate::data::places::{self, called};

/// How the batches are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Records of labels and pixels, one after the other.
    Binary,
    /// Pickled dictionaries.
    Python,
}

/// How images are labelled and spread over files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// CIFAR-10's: one label, several training batches.
    Ten,
    /// CIFAR-100's: a coarse and a fine label, one training batch.
    Hundred,
}

/// One of the four ways in which files go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    pub(super) version: Version,
}

/// What a file is in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The training batch of this number.
    Train(u8),
    Test,
    /// Of all classes; of the fine ones where there are two files.
    Names,
    /// Of the coarse ones.
    CoarseNames,
}

/// The training batches of the published CIFAR-10.
const PUBLISHED_BATCHES: u8 = 5;

/// The files of a set by what they are.
pub(super) type Members<T> = BTreeMap<Role, T>;

impl Layout {
    pub(super) fn file(self, role: Role) -> String {
        let ten = self.kind == Kind::Ten;
        let bare = match role {
            Role::Train(number) if ten => format!("data_batch_{number}"),
            Role::Train(_) => "train".into(),
            Role::Test if ten => "test_batch".into(),
            Role::Test => "test".into(),
            Role::Names if ten => "batches.meta".into(),
            Role::Names if self.version == Version::Python => "meta".into(),
            Role::Names => return "fine_label_names.txt".into(),
            Role::CoarseNames => return "coarse_label_names.txt".into(),
        };
        match (self.version, role) {
            (Version::Python, _) => bare,
            (Version::Binary, Role::Names) => format!("{bare}.txt"),
            (Version::Binary, _) => format!("{bare}.bin"),
        }
    }

    /// What a file of this name is, and in which layout.
    pub(super) fn recognise(name: &str) -> Option<(Self, Role)> {
        let number = name.strip_prefix("data_batch_").map(|rest| {
            let rest = rest.strip_suffix(".bin").unwrap_or(rest);
            rest.parse::<u8>().unwrap_or(0)
        });
        let roles = [
            Role::Train(number.unwrap_or(1)),
            Role::Test,
            Role::Names,
            Role::CoarseNames,
        ];
        let kinds = [Kind::Ten, Kind::Hundred].into_iter();
        let mut layouts = kinds.flat_map(|kind| {
            [Version::Binary, Version::Python]
                .into_iter()
                .map(move |version| Self { kind, version })
        });
        layouts.find_map(|layout| {
            let has = |role: Role| match role {
                Role::Train(number) => number > 0,
                Role::CoarseNames => layout.kind == Kind::Hundred,
                Role::Test | Role::Names => true,
            };
            let is_it = |role: &Role| has(*role) && layout.file(*role) == name;
            Some((layout, roles.into_iter().find(is_it)?))
        })
    }

    /// The files that are missing of a set. Only a published one is known to have five batches and a test set.
    pub(super) fn missing<T>(self, members: &Members<T>, is_published: bool) -> Vec<String> {
        let numbers = members.keys().filter_map(|role| match role {
            Role::Train(number) => Some(*number),
            _ => None,
        });
        let published = match self.kind {
            Kind::Ten if is_published => PUBLISHED_BATCHES,
            _ => 1,
        };
        let count = numbers.max().unwrap_or(0).max(published);
        let mut needed: Vec<_> = (1..=count).map(Role::Train).collect();
        needed.extend(is_published.then_some(Role::Test));
        // `train` alone may be anything.
        let is_bare = self.kind == Kind::Hundred && self.version == Version::Python;
        needed.extend(is_bare.then_some(Role::Names));
        needed.retain(|role| !members.contains_key(role));
        needed.into_iter().map(|role| self.file(role)).collect()
    }
}

/// Where a set lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Files {
    Loose(Layout, Members<PathBuf>),
    Archive(PathBuf),
}

/// The row of a set that is published as archives of batches.
pub(super) fn published(name: &str) -> Option<&'static Set> {
    catalog::alike(name).filter(|set| !set.archives.is_empty())
}

/// Looks for a set: files in the directory itself, in a published archive's directory in it, an archive in it.
pub(super) fn find(place: Place<'_>) -> Holding<Files> {
    let set = published(place.name);
    let archives = set.map_or(&[][..], |set| set.archives);
    let is_published = set.is_some();
    let mut directories: Vec<PathBuf> = archives
        .iter()
        .map(|archive| place.directory.join(archive.directory))
        .collect();
    if is_meant(place, archives) {
        directories.insert(0, place.directory.to_path_buf());
    }
    let mut best = Holding::Nothing;
    for directory in directories {
        match loose(&directory, is_published) {
            Holding::Partial(missing) if best == Holding::Nothing => {
                best = Holding::Partial(missing);
            }
            Holding::Nothing | Holding::Partial(_) => {}
            Holding::Complete(files) => return Holding::Complete(files),
        }
    }
    let mut packed = archives
        .iter()
        .map(|archive| place.directory.join(archive.name));
    packed
        .find(|path| path.is_file())
        .map_or(best, |path| Holding::Complete(Files::Archive(path)))
}

/// Whether the files of a directory itself stand for the set that is looked for there.
fn is_meant(place: Place<'_>, archives: &[Archive]) -> bool {
    place.plain == Plain::Counts
        || called(place.directory).iter().any(|called| {
            archives.iter().any(|archive| archive.directory == called)
                || places::is_coarse_of(place.name, called)
        })
}

/// The set whose files lie in `directory`.
fn loose(directory: &Path, is_published: bool) -> Holding<Files> {
    let mut found = BTreeMap::<Layout, Members<PathBuf>>::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_name().and_then(OsStr::to_str);
        if let Some((layout, role)) = name.and_then(Layout::recognise)
            && path.is_file()
        {
            found.entry(layout).or_default().insert(role, path);
        }
    }
    let mut best = Holding::Nothing;
    for (layout, members) in found {
        let missing = layout.missing(&members, is_published);
        if missing.is_empty() {
            return Holding::Complete(Files::Loose(layout, members));
        }
        let has_images = members
            .keys()
            .any(|role| matches!(role, Role::Train(_) | Role::Test));
        // Of a bare `train` or `test` nothing is known.
        let is_bare = layout.kind == Kind::Hundred && layout.version == Version::Python;
        if has_images && (!is_bare || members.contains_key(&Role::Names)) {
            best = Holding::Partial(missing);
        }
    }
    best
}

/// The names of the complete sets in `directory`.
pub(super) fn sets_in(directory: &Path) -> Vec<String> {
    let own = called(directory);
    let published = catalog::SETS
        .iter()
        .filter(|set| !set.archives.is_empty())
        .map(|set| set.name.to_string());
    let coarse = own.iter().map(|name| places::coarse(name));
    let is_complete = |name: &String, plain: Plain| {
        let place = Place {
            directory,
            name,
            plain,
        };
        match find(place) {
            Holding::Complete(Files::Loose(layout, _)) => {
                layout.kind == Kind::Hundred || !places::is_coarse(name)
            }
            Holding::Complete(Files::Archive(_)) => true,
            _ => false,
        }
    };
    let mut names: Vec<String> = own
        .iter()
        .filter(|name| {
            // In `cifar-10-batches-bin` lies the published set, in no directory of its own name.
            let known = |set: &Set| set.archives.iter().any(|a| a.directory == name.as_str());
            !catalog::SETS.iter().any(known) && is_complete(name, Plain::Counts)
        })
        .cloned()
        .collect();
    names.extend(
        published
            .chain(coarse)
            .filter(|name| is_complete(name, Plain::Ignored)),
    );
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_BINARY: Layout = Layout {
        kind: Kind::Ten,
        version: Version::Binary,
    };

    fn touch(directory: &Path, names: &[&str]) {
        std::fs::create_dir_all(directory).unwrap();
        for name in names {
            std::fs::write(directory.join(name), b"").unwrap();
        }
    }

    fn at<'a>(directory: &'a Path, name: &'a str, plain: Plain) -> Place<'a> {
        Place {
            directory,
            name,
            plain,
        }
    }

    #[test]
    fn every_file_is_recognised() {
        let of = |name| Layout::recognise(name).map(|(layout, role)| (layout.file(role), role));
        for (name, role) in [
            ("data_batch_1.bin", Role::Train(1)),
            ("data_batch_12", Role::Train(12)),
            ("test_batch.bin", Role::Test),
            ("test_batch", Role::Test),
            ("batches.meta.txt", Role::Names),
            ("batches.meta", Role::Names),
            ("train.bin", Role::Train(1)),
            ("train", Role::Train(1)),
            ("test.bin", Role::Test),
            ("test", Role::Test),
            ("meta", Role::Names),
            ("fine_label_names.txt", Role::Names),
            ("coarse_label_names.txt", Role::CoarseNames),
        ] {
            assert_eq!(of(name), Some((name.into(), role)));
        }
        for name in [
            "data_batch_0",
            "data_batch_01",
            "data_batch_300",
            "train.csv",
            "",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_published_set_is_whole_and_another_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let some = ["data_batch_1.bin", "data_batch_3.bin"];
        touch(&root.path().join("mine"), &some);
        touch(&root.path().join("cifar10"), &some);
        let holding = |name: &str| find(at(&root.path().join(name), name, Plain::Counts));
        assert_eq!(
            holding("mine"),
            Holding::Partial(vec!["data_batch_2.bin".into()])
        );
        let Holding::Partial(missing) = holding("cifar10") else {
            panic!("complete")
        };
        assert_eq!(
            missing,
            [
                "data_batch_2.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin"
            ]
        );
        touch(&root.path().join("mine"), &["data_batch_2.bin"]);
        let Holding::Complete(Files::Loose(layout, members)) = holding("mine") else {
            panic!("not complete")
        };
        assert_eq!((layout, members.len()), (TEN_BINARY, 3));
        let mine = root.path().join("mine");
        assert_eq!(find(at(&mine, "mine", Plain::Ignored)), Holding::Nothing);
        assert_eq!(sets_in(&mine), ["mine"]);
    }

    #[test]
    fn published_directories_and_archives_are_found_by_their_names() {
        let root = tempfile::tempdir().unwrap();
        let batches: Vec<_> = (1..=5).map(|n| format!("data_batch_{n}")).collect();
        let mut all: Vec<&str> = batches.iter().map(String::as_str).collect();
        all.extend(["test_batch", "batches.meta"]);
        let inner = root.path().join("cifar-10-batches-py");
        touch(&inner, &all);
        for directory in [root.path(), &inner] {
            assert_eq!(sets_in(directory), ["cifar10"]);
            let found = find(at(directory, "cifar10", Plain::Ignored));
            assert!(
                matches!(found, Holding::Complete(Files::Loose(..))),
                "{found:?}"
            );
        }
        touch(root.path(), &["cifar-100-binary.tar.gz"]);
        assert_eq!(
            sets_in(root.path()),
            ["cifar10", "cifar100", "cifar100-coarse"]
        );
        let hundred = root.path().join("mine");
        touch(&hundred, &["train", "test"]);
        assert_eq!(sets_in(&hundred), [""; 0]);
        assert_eq!(find(at(&hundred, "mine", Plain::Counts)), Holding::Nothing);
        touch(&hundred, &["meta"]);
        assert_eq!(sets_in(&hundred), ["mine", "mine-coarse"]);
        let coarse = find(at(&hundred, "mine-coarse", Plain::Ignored));
        assert!(matches!(coarse, Holding::Complete(_)));
        assert_eq!(
            find(at(&hundred, "other-coarse", Plain::Ignored)),
            Holding::Nothing
        );
    }
}

//! Directories of images: which files belong to which split and class. Opens no image.
//!
//! As torchvision's `ImageFolder`: a class is a directory, and classes are sorted by name. Splits are directories above
//! the classes, by any of their usual names; where there is none, all files are one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::super::Part;
use super::super::decode::is_image_name;
use crate::error::{Error, Result};
use crate::metrics::MOST_CLASSES;
use crate::text;

/// Names of the directories of a split, in lower case.
const SPLITS: [(Part, &[&str]); 3] = [
    (Part::Train, &["train", "training", "trn"]),
    (Part::Validation, &["val", "valid", "validation", "dev"]),
    (Part::Test, &["test", "testing", "tst"]),
];

/// Directories within directories that are followed, links among them.
const DEEPEST: usize = 32;

/// A file of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Below the set's directory, with `/`.
    pub path: String,
    pub part: Part,
    /// The index of its class.
    pub label: u16,
}

/// What lies in a directory of images.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Sorted by path.
    pub files: Vec<Listed>,
    /// Sorted; more than one directory deep they have `/` in them.
    pub classes: Vec<String>,
    /// Whether the directory has splits.
    pub has_splits: bool,
    /// Files that are no images by their names.
    pub ignored: usize,
    /// Images that lie beside the splits.
    pub beside: usize,
    /// What cannot be taken, by path.
    pub faults: BTreeMap<String, String>,
}

/// Looks through a directory; a class is named by its first `depth` directories.
///
/// # Errors
/// `Input` when it is no directory of classes, `Io` when it cannot be read.
pub fn scan(root: &Path, depth: usize) -> Result<Scan> {
    let (real, found, mut scan) = walk(root)?;
    let splits = splits(&real);
    scan.has_splits = !splits.is_empty();
    let mut of_class = Vec::new();
    for path in found {
        let (part, inside) = match path.split_once('/') {
            Some((first, rest)) if splits.contains_key(first) => (splits[first], rest),
            // What lies beside the splits belongs to none of them.
            _ if scan.has_splits => {
                scan.beside += 1;
                continue;
            }
            _ => (Part::Train, path.as_str()),
        };
        let directories: Vec<&str> = inside.split('/').collect();
        if directories.len() <= depth {
            let problem = match depth {
                1 => "lies in no directory of a class".into(),
                depth => format!("lies less than {depth} directories deep"),
            };
            scan.faults.insert(path, problem);
            continue;
        }
        let class = directories[..depth].join("/");
        of_class.push((path, part, class));
    }
    let alike = alike(&of_class);
    of_class.retain(|(path, ..)| to_file(path).all(|part| !alike.contains_key(part)));
    scan.faults.extend(alike);
    let names: BTreeSet<&String> = of_class.iter().map(|(.., class)| class).collect();
    let labels: HashMap<&String, u16> = names
        .iter()
        .enumerate()
        .map(|(label, name)| (*name, u16::try_from(label).unwrap_or(u16::MAX)))
        .collect();
    if names.len() > MOST_CLASSES {
        let count = text::grouped(names.len() as u64);
        let most = text::grouped(MOST_CLASSES as u64);
        return Err(refuse(
            root,
            &format!("has {count} classes; at most {most} are supported"),
            "give a directory of fewer, or another --class-depth",
        ));
    }
    scan.files = of_class
        .iter()
        .map(|(path, part, class)| Listed {
            path: path.clone(),
            part: *part,
            label: labels[class],
        })
        .collect();
    scan.classes = names.into_iter().cloned().collect();
    Ok(scan)
}

/// The images below a directory, by their names and sorted, whatever directories they lie in; and what cannot be taken.
///
/// # Errors
/// `Io` when the directory cannot be read.
pub(crate) fn images(root: &Path) -> Result<(Vec<String>, BTreeMap<String, String>)> {
    let (_, found, scan) = walk(root)?;
    Ok((found, scan.faults))
}

/// The real directory, the images in it, and a scan with what cannot be taken.
fn walk(root: &Path) -> Result<(PathBuf, Vec<String>, Scan)> {
    let real = root
        .canonicalize()
        .map_err(|e| Error::io("read", root, e))?;
    let mut walk = Walk {
        root: real.clone(),
        found: Vec::new(),
        scan: Scan::default(),
        above: Vec::new(),
    };
    walk.directory(&real, "")?;
    walk.found.sort();
    Ok((real, walk.found, walk.scan))
}

fn refuse(root: &Path, problem: &str, remedy: &str) -> Error {
    Error::input(text::sanitize(&root.display().to_string()), problem, remedy)
}

/// The directories of splits, where there is one for training.
fn splits(root: &Path) -> HashMap<String, Part> {
    let mut found = HashMap::new();
    for entry in root.read_dir().into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let lower = name.to_lowercase();
        let part = SPLITS.iter().find(|(_, names)| names.contains(&&*lower));
        if let Some((part, _)) = part.filter(|_| entry.path().is_dir()) {
            found.insert(name, *part);
        }
    }
    if !found.values().any(|part| *part == Part::Train) {
        found.clear();
    }
    found
}

/// Every directory that a file lies in, from the first, and the file itself.
fn to_file(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.chain([path.len()]).map(|end| &path[..end])
}

/// Directories and files whose names differ in case alone, without what is in such directories: another computer has
/// only one of them.
fn alike(files: &[(String, Part, String)]) -> BTreeMap<String, String> {
    let mut first: HashMap<String, &str> = HashMap::new();
    let mut faults = BTreeMap::new();
    for (path, ..) in files {
        for part in to_file(path) {
            let known = first.entry(part.to_lowercase()).or_insert(part);
            if *known != part {
                let problem = format!("differs from {known} in capital letters alone");
                faults.insert(part.to_owned(), problem);
                break;
            }
        }
    }
    faults
}

/// The directory of a prefix, for people.
fn within(prefix: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" => ".".into(),
        directory => directory.into(),
    }
}

/// A walk through directories.
struct Walk {
    root: PathBuf,
    found: Vec<String>,
    scan: Scan,
    /// The real directories on the way, so that no link leads round in circles.
    above: Vec<PathBuf>,
}

impl Walk {
    fn fault(&mut self, path: String, problem: impl Into<String>) {
        self.scan.faults.insert(path, problem.into());
    }

    fn directory(&mut self, directory: &Path, prefix: &str) -> Result<()> {
        if prefix.matches('/').count() > DEEPEST {
            self.fault(prefix.into(), "lies too deep");
            return Ok(());
        }
        let entries = match directory.read_dir() {
            Ok(entries) => entries,
            Err(e) if prefix.is_empty() => return Err(Error::io("read", directory, e)),
            Err(e) => {
                self.fault(within(prefix), format!("cannot be read: {e}"));
                return Ok(());
            }
        };
        self.above.push(directory.to_path_buf());
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry.path(), &entry.file_name(), prefix)?,
                Err(e) => self.fault(within(prefix), format!("cannot be read: {e}")),
            }
        }
        self.above.pop();
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &std::ffi::OsStr, prefix: &str) -> Result<()> {
        let shown = format!("{prefix}{}", name.to_string_lossy());
        let Some(name) = name.to_str() else {
            self.fault(shown, "has a name that is not UTF-8");
            return Ok(());
        };
        // `.DS_Store`, `._a.jpg`, `.git`.
        if name.starts_with('.') {
            return Ok(());
        }
        if !text::is_harmless(name) {
            self.fault(shown, "has a name with control characters");
            return Ok(());
        }
        let Ok(real) = path.canonicalize() else {
            self.fault(shown, "is a link to nothing");
            return Ok(());
        };
        if !real.starts_with(&self.root) {
            self.fault(shown, "is a link that leads out of the directory");
            return Ok(());
        }
        if real.is_dir() {
            if self.above.contains(&real) {
                self.fault(shown, "is a link to a directory that it lies in");
                return Ok(());
            }
            return self.directory(&real, &format!("{shown}/"));
        }
        if !is_image_name(name) {
            self.scan.ignored += 1;
        } else if real.is_file() {
            self.found.push(shown);
        } else {
            self.fault(shown, "is not a regular file");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn with(paths: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for path in paths {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        dir
    }

    fn listed(scan: &Scan) -> Vec<(&str, Part, &str)> {
        let class = |f: &Listed| scan.classes[usize::from(f.label)].as_str();
        let files = scan.files.iter();
        files.map(|f| (f.path.as_str(), f.part, class(f))).collect()
    }

    #[test]
    fn classes_are_the_first_directories_below_a_split() {
        let dir = with(&[
            "Train/rose/1.jpg",
            "Train/rose/more/2.png",
            "Train/daisy/1.JPEG",
            "valid/daisy/9.webp",
            "test/rose/5.gif",
            "readme.txt",
            "samples/x.png",
            "Train/rose/notes.txt",
            "Train/rose/.hidden.png",
        ]);
        let scan = scan(dir.path(), 1).unwrap();
        assert_eq!(
            listed(&scan),
            [
                ("Train/daisy/1.JPEG", Part::Train, "daisy"),
                ("Train/rose/1.jpg", Part::Train, "rose"),
                ("Train/rose/more/2.png", Part::Train, "rose"),
                ("test/rose/5.gif", Part::Test, "rose"),
                ("valid/daisy/9.webp", Part::Validation, "daisy"),
            ]
        );
        assert!(scan.has_splits && scan.faults.is_empty());
        assert_eq!((scan.ignored, scan.beside), (2, 1));
    }

    #[test]
    fn one_folder_of_classes_may_be_deep() {
        let dir = with(&["animals/birds/a.png", "animals/cats/b.png", "food/c.png"]);
        let one = scan(dir.path(), 1).unwrap();
        assert_eq!(one.classes, ["animals", "food"]);
        assert!(!one.has_splits && one.files.iter().all(|f| f.part == Part::Train));
        let two = scan(dir.path(), 2).unwrap();
        assert_eq!(two.classes, ["animals/birds", "animals/cats"]);
        assert_eq!(
            two.faults.into_iter().collect::<Vec<_>>(),
            [(
                "food/c.png".into(),
                "lies less than 2 directories deep".into()
            )]
        );
    }

    #[test]
    fn a_test_directory_alone_is_a_class() {
        let dir = with(&["test/a.png", "other/b.png"]);
        let scan = scan(dir.path(), 1).unwrap();
        assert_eq!(scan.classes, ["other", "test"]);
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        let dir = with(&[
            "a/1.png", "b/1.png", "d/x.PNG", "d/X.png", "B/2.png", "0.png",
        ]);
        let outside = with(&["2.png"]);
        let at = |path: &str| dir.path().join(path);
        symlink(outside.path().join("2.png"), at("a/out.png")).unwrap();
        symlink(outside.path(), at("c")).unwrap();
        symlink(at("a"), at("a/again")).unwrap();
        symlink(at("a/1.png"), at("a/inside.png")).unwrap();
        symlink(at("none"), at("a/none.png")).unwrap();
        std::fs::write(at("a").join(std::ffi::OsStr::from_bytes(b"\xff.png")), b"x").unwrap();
        std::fs::write(at("a/\u{1b}[2J.png"), b"x").unwrap();
        let scan = scan(dir.path(), 1).unwrap();
        let words: Vec<String> = scan
            .faults
            .iter()
            .map(|(p, w)| format!("{p} {w}"))
            .collect();
        for expected in [
            "0.png lies in no directory of a class",
            "a/again is a link to a directory that it lies in",
            "a/out.png is a link that leads out of the directory",
            "a/none.png is a link to nothing",
            "c is a link that leads out of the directory",
            "a/\u{fffd}.png has a name that is not UTF-8",
            "a/\u{1b}[2J.png has a name with control characters",
            "d/x.PNG differs from d/X.png in capital letters alone",
            "b differs from B in capital letters alone",
        ] {
            assert!(
                words.contains(&expected.to_string()),
                "{expected}: {words:#?}"
            );
        }
        assert!(scan.files.iter().any(|f| f.path == "a/inside.png"));
        assert_eq!(scan.classes, ["B", "a", "d"]);
    }
}

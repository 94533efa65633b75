//! Images as rows of a CSV file, as on Kaggle: a label and the pixels of a square image, plain or gzipped.
//!
//! n² values are a grey image, 3·n² values three planes: all red ones, then all green ones, then all blue ones.

use std::path::Path;

use self::layout::Files;
use super::content::{Content, Split, transpose};
use super::origin::{self, Origin};
use super::{Format, Holding, Place};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::{catalog, text};

mod layout;
mod table;

const REMEDY: &str = "replace it with one as docs/data.md describes";

/// The format of CSV files: `NAME_train.csv` and `NAME_test.csv`, `train.csv` and `test.csv` in a directory called
/// NAME, or NAME.csv alone. A set's SHA-256 is that of its content, as [`Content::into_dataset`] takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables;

impl Format for Tables {
    fn name(&self) -> &'static str {
        "CSV"
    }

    fn files(&self) -> &'static str {
        "CSV files"
    }

    fn sets_in(&self, directory: &Path) -> Vec<String> {
        layout::sets_in(directory)
    }

    fn claims(&self, file: &str) -> bool {
        let name = file.strip_suffix(".gz").unwrap_or(file);
        name.strip_suffix(".csv").is_some()
    }

    fn probe(&self, place: Place<'_>) -> Holding {
        layout::find(place).map_or(Holding::Nothing, |_| Holding::Complete(()))
    }

    /// Nothing is known of files before they are read.
    fn is_published(&self, _: &Path, _: &str) -> bool {
        false
    }

    fn load(&self, place: Place<'_>) -> Result<Dataset> {
        let name = place.name;
        let Files { train, test } = layout::find(place).ok_or_else(|| {
            Error::input(
                format!("data set {}", text::sanitize(name)),
                format!("is not in {}", place.directory.display()),
                "put its CSV files there",
            )
        })?;
        let source = match &test {
            Some(_) => place.directory.display().to_string(),
            None => train.display().to_string(),
        };
        let train_file = train.display().to_string();
        let (train, test) = rayon::join(
            || split(name, &train),
            || test.map(|path| split(name, &path)).transpose(),
        );
        let (own, has_names) = train?;
        let remark = format!(
            "{} has no row with the names of its columns: the first is taken for the labels",
            text::sanitize(&train_file)
        );
        let mut dataset = Content {
            name,
            source,
            classes: Vec::new(),
            train: own,
            test: test?.map(|(own, _)| own),
            validation: None,
        }
        .into_dataset()?;
        dataset.remarks.extend((!has_names).then_some(remark));
        Ok(dataset)
    }
}

/// The images of a file, and whether its columns have names.
fn split(name: &str, path: &Path) -> Result<(Split, bool)> {
    let origin = Origin::new(path, REMEDY);
    let (reader, length) = origin::open(path, &origin)?;
    let (mut split, has_names) = table::read(reader, length, &origin)?;
    if catalog::is_transposed(name) {
        transpose(&mut split);
    }
    Ok((split, has_names))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::fs;

    use super::*;
    use crate::data::formats::Plain;
    use crate::data::mini;

    fn load(directory: &Path, name: &str) -> Result<Dataset> {
        Tables.load(Place {
            directory,
            name,
            plain: Plain::Counts,
        })
    }

    #[test]
    fn the_built_in_set_comes_back_bit_by_bit() {
        let set = mini::load().unwrap();
        let root = tempfile::tempdir().unwrap();
        for (file, range) in [("mine_train.csv", 0..2000), ("mine_test.csv", 2000..2500)] {
            let mut text = String::from("label");
            for n in 0..784 {
                write!(text, ",pixel{n}").unwrap();
            }
            for index in range {
                write!(text, "\n{}", set.label(index)).unwrap();
                let image = set.image(index).unwrap();
                for value in image {
                    write!(text, ",{value}").unwrap();
                }
            }
            fs::write(root.path().join(file), text).unwrap();
        }
        let read = load(root.path(), "mine").unwrap();
        assert_eq!((read.train.len(), read.test.len()), (2000, 500));
        for index in 0..2500 {
            assert_eq!(read.image(index).unwrap(), set.image(index).unwrap());
            assert_eq!(read.label(index), set.label(index));
        }
    }

    #[test]
    fn one_file_is_a_set_without_test_images_and_emnist_is_turned_upright() {
        let root = tempfile::tempdir().unwrap();
        let rows = "1,1,2,3,4\n2,5,6,7,8\n";
        for name in ["signs", "emnist-letters"] {
            fs::write(root.path().join(format!("{name}.csv")), rows).unwrap();
        }
        let signs = load(root.path(), "signs").unwrap();
        assert_eq!((signs.train.len(), signs.test.len()), (2, 0));
        assert_eq!(signs.classes, ["1", "2"]);
        assert_eq!(signs.remarks[0], "labels 1, 2 of signs are classes 0, 1");
        assert!(signs.remarks[1].ends_with("the first is taken for the labels"));
        assert!(signs.source.ends_with("signs.csv"));
        let letters = load(root.path(), "emnist-letters").unwrap();
        assert_eq!(letters.image(0).unwrap(), [1, 3, 2, 4]);
        assert_eq!(letters.classes[usize::from(letters.label(1))], "B");
    }

    #[test]
    fn splits_that_do_not_fit_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
        write("train.csv", "0,1,2,3,4\n1,5,6,7,8\n");
        write("test.csv", "0,1\n");
        let message = || load(root.path(), "x").unwrap_err().to_string();
        let told = message();
        assert!(
            told.contains("test.csv has images of 1×1 where the training images have 2×2"),
            "{told}"
        );
        write("test.csv", "2,1,2,3,4\n");
        assert!(message().contains("test.csv has the label 2 at image 0"));
        write("test.csv", "p1,p2,p3,p4\n1,2,3,4\n");
        assert!(message().contains("test.csv has no column label"));
    }
}

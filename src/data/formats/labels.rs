//! From the labels in files to classes: those of a known set as it has them, all others in ascending order from 0.

use std::collections::BTreeSet;

use super::origin::Origin;
use crate::catalog;
use crate::error::{Error, Result};
use crate::metrics::MOST_CLASSES;

/// As many labels are told one by one; of more the first two and the last.
const MOST_TOLD: usize = 8;

/// The labels of a split and the file that they are in.
pub(super) type Given<'a> = (&'a [i64], &'a Origin);

/// The classes of a set and its labels as numbers of them.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) names: Vec<String>,
    /// Of every split that was given.
    pub(super) labels: Vec<Vec<u16>>,
    /// What is to be said where the labels are not the classes' numbers.
    pub(super) remark: Option<String>,
}

/// Brings the labels of all splits, those of the training set first, to classes from 0 on.
///
/// A known set has the classes of its row, whatever the files say; else those that are `given`. Where there are no
/// names either, the labels that occur are the classes in ascending order, called by their numbers.
///
/// # Errors
/// `Input` naming the file with a label that is none of the classes, or lies outside the training set's; too many
/// classes, or only one.
pub(super) fn classes(name: &str, given: &[String], splits: &[Given<'_>]) -> Result<Classes> {
    let Some(train) = splits.first() else {
        return Err(Error::compute("reading the labels", "there is no split"));
    };
    let known = catalog::alike(name);
    let first = known.map_or(0, |set| i64::from(set.first_label));
    let names = known.map_or_else(|| given.to_vec(), |set| set.classes.names());
    let classes = if names.is_empty() {
        unnamed(name, splits)?
    } else {
        Classes {
            labels: splits
                .iter()
                .map(|split| counted(*split, first, names.len()))
                .collect::<Result<_>>()?,
            names,
            remark: None,
        }
    };
    match classes.names.len() {
        0 | 1 => Err(train
            .1
            .error("has only one class; there is nothing to classify")),
        2..=MOST_CLASSES => Ok(classes),
        many => Err(train.1.error(too_many(many))),
    }
}

fn too_many(classes: usize) -> String {
    format!("has {classes} classes; at most {MOST_CLASSES} are supported")
}

/// Labels that count so many classes from `first`, as numbers of classes.
///
/// # Errors
/// `Input` naming the file with a label that is none of them.
pub(super) fn counted((labels, origin): Given<'_>, first: i64, classes: usize) -> Result<Vec<u16>> {
    let class = |(index, label): (usize, &i64)| {
        if *label < first && first > 0 {
            return Err(origin.error(format!(
                "has the label {label} where labels count from {first}"
            )));
        }
        let class = label.checked_sub(first).and_then(|c| u16::try_from(c).ok());
        class.filter(|c| usize::from(*c) < classes).ok_or_else(|| {
            origin.error(format!(
                "has the label {label} at image {index}, outside the {classes} classes"
            ))
        })
    };
    labels.iter().enumerate().map(class).collect()
}

/// Labels of a set that nothing is known of.
fn unnamed(name: &str, splits: &[Given<'_>]) -> Result<Classes> {
    let mut occurring = BTreeSet::new();
    for (number, (labels, origin)) in splits.iter().enumerate() {
        let range = occurring.first().copied().zip(occurring.last().copied());
        for (index, label) in labels.iter().enumerate() {
            if number > 0
                && let Some((least, largest)) = range
                && !(least..=largest).contains(label)
            {
                return Err(origin.error(format!(
                    "has the label {label} at image {index}, outside the training set's labels {least} to {largest}"
                )));
            }
            occurring.insert(*label);
            if occurring.len() > MOST_CLASSES {
                return Err(origin.error(too_many(occurring.len())));
            }
        }
    }
    let occurring: Vec<i64> = occurring.into_iter().collect();
    let class = |label: &i64| {
        let class = occurring.binary_search(label).unwrap_or(0);
        u16::try_from(class).unwrap_or(u16::MAX)
    };
    let labels = splits
        .iter()
        .map(|(labels, _)| labels.iter().map(class).collect());
    let is_counted = (0..).zip(&occurring).all(|(class, label)| class == *label);
    Ok(Classes {
        labels: labels.collect(),
        names: occurring.iter().map(ToString::to_string).collect(),
        remark: (!is_counted).then(|| {
            let classes: Vec<_> = (0..occurring.len()).collect();
            format!(
                "labels {} of {name} are classes {}",
                listed(&occurring),
                listed(&classes)
            )
        }),
    })
}

fn listed<T: ToString>(numbers: &[T]) -> String {
    let words: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    match words.as_slice() {
        [first, second, .., last] if words.len() > MOST_TOLD => {
            format!("{first}, {second}, …, {last}")
        }
        words => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn origins() -> [Origin; 2] {
        ["train", "test"].map(|file| Origin::new(Path::new(file), "replace it"))
    }

    fn of(name: &str, named: &[&str], train: &[i64], test: &[i64]) -> Result<Classes> {
        let named: Vec<_> = named.iter().map(ToString::to_string).collect();
        let [a, b] = origins();
        classes(name, &named, &[(train, &a), (test, &b)])
    }

    fn message(name: &str, named: &[&str], train: &[i64], test: &[i64]) -> String {
        of(name, named, train, test).unwrap_err().to_string()
    }

    #[test]
    fn gaps_and_other_first_numbers_are_mapped_and_told() {
        let mapped = of("garments", &[], &[7, 1, 3, 1], &[3, 7]).unwrap();
        assert_eq!(mapped.names, ["1", "3", "7"]);
        assert_eq!(mapped.labels, [vec![2, 0, 1, 0], vec![1, 2]]);
        assert_eq!(
            mapped.remark.unwrap(),
            "labels 1, 3, 7 of garments are classes 0, 1, 2"
        );
        let negative = of("x", &[], &[-1, 1], &[]).unwrap();
        assert_eq!(negative.labels, [vec![0, 1], vec![]]);
        let many: Vec<i64> = (1..=26).collect();
        assert_eq!(
            of("x", &[], &many, &[]).unwrap().remark.unwrap(),
            "labels 1, 2, …, 26 of x are classes 0, 1, …, 25"
        );
        let plain = of("x", &[], &[0, 2], &[1]).unwrap();
        assert_eq!(
            (plain.names.len(), plain.remark, plain.labels),
            (3, None, vec![vec![0, 2], vec![1]])
        );
    }

    #[test]
    fn known_and_named_classes_are_held_to() {
        let named = of("x", &["cat", "dog"], &[1, 1], &[0]).unwrap();
        assert_eq!(named.names, ["cat", "dog"]);
        assert_eq!(named.labels, [vec![1, 1], vec![0]]);
        for wrong in [2, -1, i64::MIN, i64::MAX] {
            assert_eq!(
                message("x", &["cat", "dog"], &[0], &[1, wrong]),
                format!("test has the label {wrong} at image 1, outside the 2 classes; replace it")
            );
        }
        // Ten classes, whatever occurs and whatever the file calls them.
        let known = of("mnist", &["a", "b"], &[3, 5], &[]).unwrap();
        assert_eq!((known.names.len(), known.remark), (10, None));
        assert_eq!(known.labels[0], [3, 5]);
        assert!(message("mnist", &[], &[10], &[]).contains("label 10 at image 0"));
        let letters = of("emnist-letters", &[], &[1, 26], &[2]).unwrap();
        assert_eq!(letters.labels, [vec![0, 25], vec![1]]);
        assert!(message("emnist-letters", &[], &[0], &[]).contains("labels count from 1"));
    }

    #[test]
    fn a_label_beyond_the_training_sets_and_too_many_are_refused() {
        assert_eq!(
            message("x", &[], &[0, 1], &[1, 2]),
            "test has the label 2 at image 1, outside the training set's labels 0 to 1; replace it"
        );
        assert!(message("x", &[], &[4, 4], &[]).contains("only one class"));
        let many: Vec<i64> = (0..5000).collect();
        assert!(message("x", &[], &many, &[]).contains("at most 4096 are supported"));
    }
}

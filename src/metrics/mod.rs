//! Counts of right and wrong, and the figures computed from them. Pure functions; figures match scikit-learn's.

pub mod calibration;
pub mod certainty;
mod list;
mod mistakes;
pub mod predictions;
pub mod ranking;
pub mod significance;
mod written;

pub use list::{MACRO_F1, METRICS, Metric, Unit, metric};
pub use mistakes::{Mistake, class_name, mistakes, share, worst_pair};
pub use written::lean;

use serde::{Deserialize, Deserializer, Serialize};

/// The most classes of a data set: their confusion matrix, of the square of them, is kept for every epoch.
pub const MOST_CLASSES: usize = 4096;

/// The confusion matrix: `counts[true][predicted]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    pub counts: Vec<Vec<u32>>,
}

impl Confusion {
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self {
            counts: vec![vec![0; classes]; classes],
        }
    }

    /// The counts, where there is a column for every row; else none.
    #[must_use]
    pub fn squared(self) -> Self {
        let is_square = self.counts.iter().all(|row| row.len() == self.counts.len());
        if is_square { self } else { Self::default() }
    }

    /// Counts one image.
    pub fn add(&mut self, label: usize, prediction: usize) {
        self.counts[label][prediction] += 1;
    }

    #[must_use]
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// All images.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().map(|c| u64::from(*c)).sum()
    }

    /// Images predicted right.
    #[must_use]
    pub fn correct(&self) -> u64 {
        (0..self.classes())
            .map(|i| u64::from(self.counts[i][i]))
            .sum()
    }

    /// Images whose true class is `label` (the support).
    #[must_use]
    pub fn row_total(&self, label: usize) -> u64 {
        self.counts[label].iter().map(|c| u64::from(*c)).sum()
    }

    /// Images predicted as `prediction`.
    #[must_use]
    pub fn column_total(&self, prediction: usize) -> u64 {
        self.counts.iter().map(|r| u64::from(r[prediction])).sum()
    }

    /// Share predicted right, 0 for no images.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Precision, recall, F1 and support of each class; 0 where the denominator is (as `zero_division=0`).
    #[must_use]
    pub fn per_class(&self) -> Vec<ClassScore> {
        (0..self.classes())
            .map(|i| {
                let hit = u64::from(self.counts[i][i]);
                let support = self.row_total(i);
                let precision = ratio(hit, self.column_total(i));
                let recall = ratio(hit, support);
                ClassScore {
                    precision,
                    recall,
                    f1: harmonic(precision, recall),
                    support,
                }
            })
            .collect()
    }
}

/// Figures of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub precision: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub recall: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub f1: f64,
    #[serde(default)]
    pub support: u64,
}

/// A figure that a record or an event of another version lacks.
#[must_use]
pub fn unknown() -> f64 {
    f64::NAN
}

/// Reads a figure. JSON has no word for one that is not finite: it is written as null and read as NaN.
///
/// # Errors
/// When there is neither a number nor null.
pub fn figure<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// What was measured on one part of the data. Everything else follows from it: see [`METRICS`] and
/// [`per_class`](Self::per_class).
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// Mean over images.
    pub loss: f64,
    pub accuracy: f64,
    /// Share of images whose label is among the three most likely classes.
    pub top3_accuracy: f64,
    /// Without a class where none was counted.
    pub confusion: Confusion,
}

/// By bits: what is not known is alike.
impl PartialEq for Scores {
    fn eq(&self, other: &Self) -> bool {
        let bits = |s: &Self| [s.loss, s.accuracy, s.top3_accuracy].map(f64::to_bits);
        bits(self) == bits(other) && self.confusion == other.confusion
    }
}

impl Scores {
    /// All figures from the counts, the mean loss and the number of images whose label is in the top three.
    #[must_use]
    pub fn new(loss: f64, top3: u64, confusion: Confusion) -> Self {
        Self {
            loss,
            accuracy: confusion.accuracy(),
            top3_accuracy: ratio(top3, confusion.total()),
            confusion,
        }
    }

    /// What is known of an epoch as it was trained: means over it, and no counts.
    #[must_use]
    pub fn running(loss: f64, accuracy: f64) -> Self {
        Self {
            loss,
            accuracy,
            top3_accuracy: unknown(),
            confusion: Confusion::default(),
        }
    }

    /// What is known where nothing was evaluated.
    #[must_use]
    pub fn unknown() -> Self {
        Self::running(unknown(), unknown())
    }

    /// Whether anything was evaluated, be it to a loss that is no number.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.accuracy.is_nan()
    }

    /// Scores of two classes of 5,000 images, of which this share is right.
    #[cfg(test)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of 5,000"
    )]
    pub(crate) fn of_accuracy(loss: f64, accuracy: f64) -> Self {
        let right = (accuracy * 5000.0).round() as u32;
        let counts = vec![vec![right, 5000 - right], vec![5000 - right, right]];
        Self::new(loss, 10_000, Confusion { counts })
    }

    /// Precision, recall, F1 and support of each class.
    #[must_use]
    pub fn per_class(&self) -> Vec<ClassScore> {
        self.confusion.per_class()
    }

    /// The unweighted mean over the classes, as scikit-learn takes it: over those that are there or were predicted. NaN
    /// where nothing was counted.
    #[must_use]
    pub fn macro_mean(&self, of: fn(&ClassScore) -> f64) -> f64 {
        let scores = self.per_class();
        let is_met = |class: &usize| {
            self.confusion.row_total(*class) + self.confusion.column_total(*class) > 0
        };
        let met: Vec<f64> = (0..scores.len())
            .filter(is_met)
            .map(|class| of(&scores[class]))
            .collect();
        mean(&met)
    }

    /// The mean over the classes, weighted by their support. NaN where nothing was counted.
    #[must_use]
    pub fn weighted_mean(&self, of: fn(&ClassScore) -> f64) -> f64 {
        let total = self.confusion.total();
        if total == 0 {
            return unknown();
        }
        let scores = self.per_class();
        scores.iter().map(|c| of(c) * ratio(c.support, total)).sum()
    }

    /// The share of the largest class, where the accuracy is not above it by more than two standard errors: whoever
    /// names that class alone does as well. `None` where it is, or where there are too few images to tell.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn chance(&self) -> Option<f64> {
        let total = self.confusion.total();
        let largest = (0..self.confusion.classes()).map(|label| self.confusion.row_total(label));
        let chance = ratio(largest.max()?, total);
        let least = chance + 2.0 * (chance * (1.0 - chance) / total.max(1) as f64).sqrt();
        (total > 0 && least < 1.0 && self.accuracy <= least).then_some(chance)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn harmonic(a: f64, b: f64) -> f64 {
    if a + b == 0.0 {
        0.0
    } else {
        2.0 * a * b / (a + b)
    }
}

/// NaN of no values.
#[expect(clippy::cast_precision_loss, reason = "class counts are small")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// What other programs make of the same figures: `scripts/significance.py`.
#[cfg(test)]
pub(crate) mod reference {
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    pub(crate) struct Share {
        pub hits: u64,
        pub total: u64,
        pub low: f64,
        pub high: f64,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Groups {
        pub first: Vec<f64>,
        pub second: Vec<f64>,
        pub mean: f64,
        pub deviation: f64,
        pub interval: [f64; 2],
        pub p: f64,
        pub freedom: f64,
        pub difference: [f64; 2],
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Pair {
        pub first: u64,
        pub second: u64,
        pub exact: f64,
        pub mid: f64,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Calibration {
        pub probabilities: Vec<Vec<f64>>,
        pub labels: Vec<usize>,
        pub ece: f64,
        pub temperature: f64,
        pub auc: Option<f64>,
        pub average_precision: Option<f64>,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct References {
        pub shares: Vec<Share>,
        pub groups: Vec<Groups>,
        pub pairs: Vec<Pair>,
        pub calibrations: Vec<Calibration>,
    }
}

#[cfg(test)]
pub(crate) fn references() -> reference::References {
    serde_json::from_str(include_str!("../../tests/support/significance.json")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        counts: Vec<Vec<u32>>,
        /// By the names of [`METRICS`]; null where it is not a number.
        expected: std::collections::BTreeMap<String, Option<f64>>,
        f1: Vec<f64>,
    }

    /// Random counts, also of classes that are not there, with what scripts/sklearn_metrics.py makes of them.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/support/metrics.json")).unwrap();
        assert!(cases.len() >= 40);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan());
        for case in cases {
            let counts = case.counts.clone();
            let scores = Scores::new(0.5, 0, Confusion { counts });
            for (key, expected) in &case.expected {
                let found = (metric(key).unwrap().of)(&scores);
                let expected = expected.unwrap_or(f64::NAN);
                assert!(
                    near(found, expected),
                    "{key} of {:?}: {found}, {expected}",
                    case.counts
                );
            }
            for (class, f1) in scores.per_class().iter().zip(&case.f1) {
                assert!(near(class.f1, *f1), "F1 of {:?}", case.counts);
            }
            for metric in METRICS {
                let is_checked = case.expected.contains_key(metric.key)
                    || ["loss", "top3_accuracy"].contains(&metric.key);
                assert!(is_checked, "{} has no reference", metric.key);
            }
        }
    }

    #[test]
    fn what_was_never_counted_is_no_number() {
        let running = Scores::running(0.5, 0.75);
        for metric in METRICS {
            let value = (metric.of)(&running);
            assert_eq!(
                value.is_nan(),
                !["loss", "accuracy"].contains(&metric.key),
                "{}: {value}",
                metric.key
            );
        }
    }

    #[test]
    fn chance_is_what_the_largest_class_alone_gives() {
        let of = |hits: u32, size: u32| {
            let counts = vec![vec![hits, size - hits], vec![size - hits, hits]];
            Scores::new(0.0, 0, Confusion { counts }).chance()
        };
        assert_eq!(of(500, 1000), Some(0.5));
        assert_eq!(of(510, 1000), Some(0.5));
        assert_eq!(of(400, 1000), Some(0.5));
        assert_eq!(of(530, 1000), None);
        assert_eq!(of(1, 1), None);
        let uneven = vec![vec![950, 0], vec![50, 0]];
        assert_eq!(
            Scores::new(0.0, 0, Confusion { counts: uneven }).chance(),
            Some(0.95)
        );
        let one = vec![vec![9]];
        assert_eq!(
            Scores::new(0.0, 0, Confusion { counts: one }).chance(),
            None
        );
        assert_eq!(Scores::default().chance(), None);
    }
}

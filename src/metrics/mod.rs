//! Counts of right and wrong, and the figures computed from them. Pure functions; figures match scikit-learn's.

pub mod predictions;

use serde::{Deserialize, Deserializer, Serialize};

/// The confusion matrix: `counts[true][predicted]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
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

    /// Counts one picture.
    pub fn add(&mut self, label: usize, prediction: usize) {
        self.counts[label][prediction] += 1;
    }

    #[must_use]
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// All pictures.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().map(|c| u64::from(*c)).sum()
    }

    /// Pictures predicted right.
    #[must_use]
    pub fn correct(&self) -> u64 {
        (0..self.classes())
            .map(|i| u64::from(self.counts[i][i]))
            .sum()
    }

    /// Pictures whose true class is `label` (the support).
    #[must_use]
    pub fn row_total(&self, label: usize) -> u64 {
        self.counts[label].iter().map(|c| u64::from(*c)).sum()
    }

    /// Pictures predicted as `prediction`.
    #[must_use]
    pub fn column_total(&self, prediction: usize) -> u64 {
        self.counts.iter().map(|r| u64::from(r[prediction])).sum()
    }

    /// Share predicted right, 0 for no pictures.
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

/// Everything measured on one part of the data. What a record of another version lacks of it follows from its counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Scores {
    /// Mean over pictures.
    pub loss: f64,
    pub accuracy: f64,
    /// Share of pictures whose label is among the three most likely classes.
    pub top3_accuracy: f64,
    /// Unweighted means over classes.
    pub macro_precision: f64,
    pub macro_recall: f64,
    pub macro_f1: f64,
    /// Means weighted by support.
    pub weighted_precision: f64,
    pub weighted_recall: f64,
    pub weighted_f1: f64,
    pub per_class: Vec<ClassScore>,
    pub confusion: Confusion,
}

/// Scores as a record has them, of whatever version.
#[derive(Deserialize)]
struct Written {
    #[serde(default = "unknown", deserialize_with = "figure")]
    loss: f64,
    #[serde(default, deserialize_with = "given")]
    accuracy: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    top3_accuracy: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    macro_precision: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    macro_recall: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    macro_f1: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    weighted_precision: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    weighted_recall: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    weighted_f1: Option<f64>,
    per_class: Option<Vec<ClassScore>>,
    #[serde(default)]
    confusion: Confusion,
}

/// A figure that is there, be it null.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    figure(from).map(Some)
}

impl From<Written> for Scores {
    fn from(written: Written) -> Self {
        let counted = Self::new(written.loss, 0, written.confusion);
        Self {
            accuracy: written.accuracy.unwrap_or(counted.accuracy),
            top3_accuracy: written.top3_accuracy.unwrap_or_else(unknown),
            macro_precision: written.macro_precision.unwrap_or(counted.macro_precision),
            macro_recall: written.macro_recall.unwrap_or(counted.macro_recall),
            macro_f1: written.macro_f1.unwrap_or(counted.macro_f1),
            weighted_precision: written
                .weighted_precision
                .unwrap_or(counted.weighted_precision),
            weighted_recall: written.weighted_recall.unwrap_or(counted.weighted_recall),
            weighted_f1: written.weighted_f1.unwrap_or(counted.weighted_f1),
            per_class: written.per_class.unwrap_or(counted.per_class),
            ..Self::new(counted.loss, 0, counted.confusion)
        }
    }
}

impl Scores {
    /// All figures from the counts, the mean loss and the number of pictures whose label is in the top three.
    #[must_use]
    pub fn new(loss: f64, top3: u64, confusion: Confusion) -> Self {
        let per_class = confusion.per_class();
        let total = confusion.total();
        let plain = |f: fn(&ClassScore) -> f64| mean(per_class.iter().map(f));
        let weighted = |f: fn(&ClassScore) -> f64| {
            per_class
                .iter()
                .map(|c| f(c) * ratio(c.support, total))
                .sum::<f64>()
        };
        Self {
            loss,
            accuracy: confusion.accuracy(),
            top3_accuracy: ratio(top3, total),
            macro_precision: plain(|c| c.precision),
            macro_recall: plain(|c| c.recall),
            macro_f1: plain(|c| c.f1),
            weighted_precision: weighted(|c| c.precision),
            weighted_recall: weighted(|c| c.recall),
            weighted_f1: weighted(|c| c.f1),
            per_class,
            confusion,
        }
    }

    /// The share of the largest class, where the accuracy is not above it by more than two standard errors: whoever names
    /// that class alone does as well. `None` where it is, or where there are too few pictures to tell.
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

#[expect(clippy::cast_precision_loss, reason = "class counts are small")]
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from sklearn.metrics import precision_recall_fscore_support as f
    /// y=[0,0,0,1,1,2,2,2,2,0]; p=[0,1,0,1,1,2,0,2,1,0]
    /// f(y,p,average=None); f(y,p,average="macro"); f(y,p,average="weighted")
    /// ```
    #[test]
    fn figures_match_scikit_learn() {
        let mut c = Confusion::new(3);
        for (y, p) in [0, 0, 0, 1, 1, 2, 2, 2, 2, 0]
            .into_iter()
            .zip([0, 1, 0, 1, 1, 2, 0, 2, 1, 0])
        {
            c.add(y, p);
        }
        let s = Scores::new(0.5, 9, c);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        near(s.accuracy, 0.7);
        near(s.macro_precision, 0.75);
        near(s.macro_recall, 0.75);
        near(s.macro_f1, 0.694_444_444);
        near(s.weighted_precision, 0.8);
        near(s.weighted_f1, 0.7);
        near(s.per_class[2].f1, 2.0 / 3.0);
        near(s.top3_accuracy, 0.9);
        assert_eq!(s.per_class[0].support, 4);
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

    #[test]
    fn absent_classes_count_as_zero() {
        let s = Scores::new(0.0, 0, Confusion::new(4));
        assert!(s.accuracy == 0.0 && s.macro_f1 == 0.0);
    }
}

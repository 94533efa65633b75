//! Targets of a batch that are more than labels which count alike: a share for every class, a weight for every image.
//!
//! Label smoothing and the weights' mean are worked in here once, so that the kernels know neither. Batches of labels
//! alone never come here.

use std::ops::Range;

use crate::error::{Error, Result};

/// How far a row's sum may be from 1.
const SUM_TOLERANCE: f64 = 1e-3;

/// What a batch's cross-entropy is taken against: the loss is `Σ factors[b] · −Σ targets[b][k] · log
/// softmax(logits[b])[k] / B`.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    classes: usize,
    labels: Vec<u32>,
    rows: Vec<f32>,
    factors: Vec<f32>,
}

/// The targets of some images that lie together.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// With label smoothing. **Shape** `[B, K]`.
    pub rows: &'a [f32],
    /// Weights relative to the batch's mean weight; all 0 where all weights are. **Shape** `[B]`.
    pub factors: &'a [f32],
}

impl Targets {
    /// Targets from `soft`, or from the labels where there are none; weights of 1 where there are none.
    ///
    /// Smoothing `s` makes of a target `t` of `K` classes `t·(1 − s) + s/K`. With weights the loss is `Σ w·loss / Σ w`,
    /// which is no number's mean where all are 0: loss and gradient are 0 then.
    ///
    /// **Shape** labels, weights `[B]`, soft `[B, K]`. **Reference** `torch.nn.CrossEntropyLoss` with class
    /// probabilities as targets; a class weight `w[label]` for each image gives its `weight=…` (there, label smoothing
    /// weighs each class apart).
    ///
    /// # Errors
    /// `Input` when a length does not fit, a target or weight is negative or no number, a row does not sum to 1, or a
    /// label is not below `classes`.
    pub fn new(
        classes: usize,
        labels: &[u32],
        soft: Option<&[f32]>,
        weights: Option<&[f32]>,
        smoothing: f64,
    ) -> Result<Self> {
        let rows = match soft {
            Some(soft) => {
                check_rows(classes, labels.len(), soft)?;
                smoothed(classes, soft, smoothing)
            }
            None => smoothed(classes, &one_hot(classes, labels)?, smoothing),
        };
        let factors = match weights {
            Some(weights) => relative(weights, labels.len())?,
            None => vec![1.0; labels.len()],
        };
        let labels = match soft {
            Some(soft) => soft.chunks_exact(classes).map(largest).collect(),
            None => labels.to_vec(),
        };
        Ok(Self {
            classes,
            labels,
            rows,
            factors,
        })
    }

    /// What a prediction is right by: the class of the largest target, the first of equal ones; the label itself where
    /// there are no soft targets.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    #[must_use]
    pub fn all(&self) -> Part<'_> {
        self.of(0..self.labels.len())
    }

    /// Those of some images.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn of(&self, images: Range<usize>) -> Part<'_> {
        Part {
            rows: &self.rows[images.start * self.classes..images.end * self.classes],
            factors: &self.factors[images],
        }
    }
}

fn refused(subject: &str, problem: String, remedy: &str) -> Error {
    Error::input(format!("a batch's {subject}"), problem, remedy)
}

fn check_rows(classes: usize, batch: usize, soft: &[f32]) -> Result<()> {
    let refused = |problem| {
        Err(refused(
            "targets",
            problem,
            "give each image a share of every class, which sum to 1",
        ))
    };
    if classes == 0 || soft.len() != batch * classes {
        let numbers = soft.len();
        return refused(format!(
            "{numbers} numbers are not {batch} rows of {classes}"
        ));
    }
    for (image, row) in soft.chunks_exact(classes).enumerate() {
        let sum: f64 = row.iter().map(|t| f64::from(*t)).sum();
        let is_share = |t: &f32| *t >= 0.0;
        if !row.iter().all(is_share) || (sum - 1.0).abs() > SUM_TOLERANCE || !sum.is_finite() {
            return refused(format!(
                "row {image} has a negative number or sums to {sum}"
            ));
        }
    }
    Ok(())
}

fn one_hot(classes: usize, labels: &[u32]) -> Result<Vec<f32>> {
    let mut rows = vec![0.0; labels.len() * classes];
    for (row, label) in rows.chunks_exact_mut(classes.max(1)).zip(labels) {
        let slot = row.get_mut(*label as usize).ok_or_else(|| {
            let problem = format!("label {label} with {classes} classes");
            refused("labels", problem, "give labels below the number of classes")
        })?;
        *slot = 1.0;
    }
    Ok(rows)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "classes are few; targets are f32"
)]
fn smoothed(classes: usize, rows: &[f32], smoothing: f64) -> Vec<f32> {
    let share = smoothing / classes as f64;
    let of = |t: &f32| (f64::from(*t) * (1.0 - smoothing) + share) as f32;
    rows.iter().map(of).collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "batches are small; factors are f32"
)]
fn relative(weights: &[f32], batch: usize) -> Result<Vec<f32>> {
    let is_weight = |w: &f32| w.is_finite() && *w >= 0.0;
    if weights.len() != batch || !weights.iter().all(is_weight) {
        return Err(refused(
            "weights",
            format!(
                "{} numbers for {batch} images, or one that is negative or not finite",
                weights.len()
            ),
            "give each image a weight of 0 or more",
        ));
    }
    let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let factor = if sum > 0.0 { batch as f64 / sum } else { 0.0 };
    Ok(weights
        .iter()
        .map(|w| (f64::from(*w) * factor) as f32)
        .collect())
}

/// The first of the largest.
fn largest(row: &[f32]) -> u32 {
    let best = |(best, most), (k, t): (u32, &f32)| if *t > most { (k, *t) } else { (best, most) };
    (0..).zip(row).fold((0, f32::NEG_INFINITY), best).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_weights_and_labels() {
        let soft = [0.5, 0.5, 0.0, 0.1, 0.2, 0.7];
        let targets = Targets::new(3, &[2, 0], Some(&soft), Some(&[1.0, 3.0]), 0.3).unwrap();
        assert_eq!(
            targets.labels(),
            [0, 2],
            "the first of equals, not the label"
        );
        let part = targets.of(0..1);
        assert_eq!(part.factors, [0.5]);
        assert_eq!(part.rows, [0.45, 0.45, 0.1]);
        let hard = Targets::new(3, &[2, 0], None, None, 0.0).unwrap();
        assert_eq!(hard.labels(), [2, 0]);
        assert_eq!(hard.all().rows, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(hard.all().factors, [1.0, 1.0]);
        let none = Targets::new(3, &[2, 0], None, Some(&[0.0; 2]), 0.0).unwrap();
        assert_eq!(none.all().factors, [0.0, 0.0]);
    }

    #[test]
    fn what_is_no_target_or_weight_is_refused() {
        let good = [0.5, 0.5];
        let of = |label, soft: &[f32], weights: &[f32]| {
            Targets::new(2, &[label], Some(soft), Some(weights), 0.0).map(|_| ())
        };
        assert_eq!(of(1, &good, &[2.0]).ok(), Some(()));
        for soft in [
            &[0.5, 0.6][..],
            &[-0.5, 1.5],
            &[f32::NAN, 1.0],
            &[f32::INFINITY, 0.0],
            &[1.0],
            &[],
        ] {
            let error = of(1, soft, &[1.0]).unwrap_err().to_string();
            assert!(error.contains("targets"), "{error}");
        }
        for weights in [&[-1.0][..], &[f32::NAN], &[f32::INFINITY], &[1.0, 1.0], &[]] {
            let error = of(1, &good, weights).unwrap_err().to_string();
            assert!(error.contains("weights"), "{error}");
        }
        let error = Targets::new(2, &[2], None, Some(&[1.0]), 0.0).unwrap_err();
        assert!(error.to_string().contains("label 2"), "{error}");
    }
}

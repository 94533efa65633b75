//! Measuring a learner on a part of the data: loss, counts, and what it said about each image.

#![expect(
    clippy::cast_possible_truncation,
    reason = "classes and images are far below 2^32"
)]

use crate::data::{Batch, SplitDataset};
use crate::error::Result;
use crate::metrics::predictions::{Prediction, Predictions, RANKS};
use crate::metrics::{Confusion, Scores};
use crate::model::architectures::{Rule, rule};
use crate::profile::{Loss, Profile};

use super::Learner;

/// Images a forward pass takes at once.
pub(crate) const BATCH: usize = 256;

/// How the loss of held-out images is computed: the training's, without label smoothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossKind {
    CrossEntropy,
    Mse,
    /// Mean over classes of max(0, −y·score), y = ±1.
    Perceptron,
}

impl LossKind {
    /// The criterion of a profile.
    #[must_use]
    pub(super) fn of(profile: &Profile) -> Self {
        match (rule(&profile.model.architecture), profile.train.loss) {
            (Rule::Perceptron, _) => Self::Perceptron,
            (Rule::Gradient | Rule::ByHand, Loss::CrossEntropy) => Self::CrossEntropy,
            (Rule::Gradient | Rule::ByHand, Loss::Mse) => Self::Mse,
        }
    }
}

/// Scores and predictions of one part.
pub(crate) struct Evaluation {
    pub scores: Scores,
    pub predictions: Predictions,
}

/// Evaluates on the images with these pooled indices, in order. `go_on` is asked between batches;
/// `None` when it said no.
///
/// # Errors
/// What the learner says.
pub(super) fn evaluate(
    learner: &mut dyn Learner,
    data: &SplitDataset,
    indices: &[u32],
    classes: usize,
    criterion: LossKind,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Evaluation>> {
    let mut batch = Batch::default();
    let mut tally = Tally::new(classes, criterion);
    data.expect(indices, BATCH);
    for chunk in indices.chunks(BATCH) {
        if !go_on() {
            return Ok(None);
        }
        let logits = learner.logits_on(data, chunk, &mut batch)?;
        tally.add(&logits, &batch.labels, chunk);
    }
    Ok(Some(tally.evaluation()))
}

/// What is measured of images that come batch by batch.
pub(crate) struct Tally {
    criterion: LossKind,
    classes: usize,
    confusion: Confusion,
    predictions: Predictions,
    /// Sum over the images.
    loss: f64,
    top3: u64,
}

impl Tally {
    /// Of no image yet.
    #[must_use]
    pub(super) fn new(classes: usize, criterion: LossKind) -> Self {
        Self {
            criterion,
            classes,
            confusion: Confusion::new(classes),
            predictions: Predictions::new(classes as u16),
            loss: 0.0,
            top3: 0,
        }
    }

    /// Adds images.
    ///
    /// **Shape** `logits [B, K]`, `labels [B]`, `indices [B]`.
    pub(crate) fn add(&mut self, logits: &[f32], labels: &[u32], indices: &[u32]) {
        let rows = logits.chunks_exact(self.classes);
        for ((row, label), index) in rows.zip(labels).zip(indices) {
            let label = *label as usize;
            let probabilities = softmax(row);
            self.loss += image_loss(self.criterion, row, &probabilities, label);
            let prediction = rank(row, &probabilities, label, *index);
            self.confusion.add(label, usize::from(prediction.top[0]));
            let ranks = self.classes.min(3);
            self.top3 += u64::from(prediction.top[..ranks].contains(&(label as u16)));
            self.predictions.add(prediction, &probabilities);
        }
    }

    /// All of it.
    #[must_use]
    pub(crate) fn evaluation(self) -> Evaluation {
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
        let mean = self.loss / self.predictions.items.len().max(1) as f64;
        Evaluation {
            scores: Scores::new(mean, self.top3, self.confusion),
            predictions: self.predictions,
        }
    }
}

/// **Shape** `logits [K]`.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits
        .iter()
        .map(|l| f64::from(l - highest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

#[expect(clippy::cast_precision_loss, reason = "class counts are small")]
fn image_loss(criterion: LossKind, logits: &[f32], probabilities: &[f64], label: usize) -> f64 {
    let classes = logits.len() as f64;
    let per_class = |f: fn(f64, bool) -> f64| {
        logits
            .iter()
            .enumerate()
            .map(|(k, l)| f(f64::from(*l), k == label))
            .sum::<f64>()
            / classes
    };
    match criterion {
        LossKind::CrossEntropy => cross_entropy(logits, probabilities[label], label),
        LossKind::Mse => per_class(|l, own| (l - f64::from(u8::from(own))).powi(2)),
        LossKind::Perceptron => per_class(|l, own| if own { (-l).max(0.0) } else { l.max(0.0) }),
    }
}

/// −ln of the label's softmax.
///
/// Training takes it from the logits, log Σ exp(l − highest) + highest − l. The logarithm of the probability differs
/// from that in the last bits, and the held-out losses of recorded runs were computed by it: it stays wherever the
/// probability is a normal number. Below (the label is 708 under the highest logit, or a logit is not finite), the
/// probability has lost its digits, and the logits are taken.
fn cross_entropy(logits: &[f32], probability: f64, label: usize) -> f64 {
    if probability >= f64::MIN_POSITIVE {
        return -probability.ln();
    }
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let powers = logits.iter().map(|l| (f64::from(*l) - highest).exp());
    powers.sum::<f64>().ln() + (highest - f64::from(logits[label]))
}

/// The most likely classes; of equal ones the lower class first.
fn rank(logits: &[f32], probabilities: &[f64], label: usize, index: u32) -> Prediction {
    let mut top = [0_usize; RANKS];
    let mut filled = 0;
    for k in 0..logits.len() {
        let place = (0..filled)
            .find(|p| logits[k] > logits[top[*p]])
            .unwrap_or(filled);
        if place < RANKS {
            top.copy_within(place..RANKS - 1, place + 1);
            top[place] = k;
            filled = (filled + 1).min(RANKS);
        }
    }
    Prediction {
        index,
        label: label as u16,
        top: top.map(|k| k as u16),
        probability: top.map(|k| probabilities.get(k).copied().unwrap_or(0.0) as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_by_logit_with_lower_class_first_on_ties() {
        let logits = [0.5, 2.0, 2.0, -1.0, 1.0];
        let p = rank(&logits, &softmax(&logits), 4, 9);
        assert_eq!((p.top, p.label, p.index), ([1, 2, 4, 0, 3], 4, 9));
        assert!(p.probability[0] > p.probability[2]);
    }

    /// `F.cross_entropy(torch.tensor([[1.,2.,3.]]), torch.tensor([0]))`, `F.mse_loss(torch.tensor([1.,2.,3.]),
    /// one_hot)`
    #[test]
    fn losses() {
        let logits = [1.0, 2.0, 3.0];
        let loss = |c| image_loss(c, &logits, &softmax(&logits), 0);
        assert!((loss(LossKind::CrossEntropy) - 2.407_605_964).abs() < 1e-8);
        assert!((loss(LossKind::Mse) - 13.0 / 3.0).abs() < 1e-12);
        assert!((loss(LossKind::Perceptron) - 5.0 / 3.0).abs() < 1e-12);
    }

    /// ```python
    /// for x in [[0, 2000], [0, 1e30], [-1e30, 0, 0], [3e38, -3e38], [0, 708], [0, 709], [0, 740], [0, float("inf")]]:
    ///     x = torch.tensor([x], dtype=torch.float32).double()
    ///     print(F.cross_entropy(x, torch.tensor([0 if x[0, 0] < x[0, 1] else 1])))
    /// ```
    #[test]
    fn a_confident_wrong_answer_costs_what_its_logits_say() {
        let loss = |logits: &[f32], label| {
            image_loss(LossKind::CrossEntropy, logits, &softmax(logits), label)
        };
        for (logits, label, torch) in [
            (&[0.0, 2000.0][..], 0, 2000.0),
            (&[0.0, 1e30], 0, f64::from(1e30_f32)),
            (&[-1e30, 0.0, 0.0], 0, f64::from(1e30_f32)),
            (&[3e38, -3e38], 1, 2.0 * f64::from(3e38_f32)),
            (&[0.0, 708.0], 0, 708.0),
            (&[0.0, 709.0], 0, 709.0),
            (&[0.0, 740.0], 0, 740.0),
            (&[0.0, 0.0, 2000.0], 2, 0.0),
            (&[0.0, 2000.0, 2000.0], 1, std::f64::consts::LN_2),
        ] {
            let loss = loss(logits, label);
            assert!(
                (loss - torch).abs() <= 1e-15 * torch,
                "{logits:?}: {loss}, PyTorch {torch}"
            );
        }
        // As PyTorch: where a logit is not finite, neither is the loss.
        assert!(loss(&[0.0, f32::INFINITY], 0).is_nan());
        assert!(loss(&[f32::NAN, 0.0], 1).is_nan());
        assert_eq!(loss(&[f32::NEG_INFINITY, 0.0], 0), f64::INFINITY);
    }

    /// The held-out losses of recorded runs are the logarithms of probabilities.
    #[test]
    fn ordinary_losses_keep_their_bits() {
        for i in 0_u8..200 {
            let logits: Vec<f32> = (0..10_u8)
                .map(|k| f32::from(i) * 3.5 * (f32::from(k) + f32::from(i)).sin())
                .collect();
            let probabilities = softmax(&logits);
            for (label, p) in probabilities.iter().enumerate() {
                let loss = image_loss(LossKind::CrossEntropy, &logits, &probabilities, label);
                if *p >= f64::MIN_POSITIVE {
                    assert_eq!(loss.to_bits(), (-p.ln()).to_bits());
                } else {
                    assert!(loss > 708.0 && loss < 1400.0, "{loss}");
                }
            }
        }
    }
}

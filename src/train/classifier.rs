//! A trained network that only predicts: built as its training ended, on the same backend.

use super::evaluate::{LossKind, Tally, softmax};
use super::trainer::thawed;
use super::{Learner, StateDict, learners};
use crate::data::Batch;
use crate::error::Result;
use crate::model;
use crate::profile::Profile;

/// What is said of an image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    /// What the network gives, a number for each class.
    pub logits: Vec<f32>,
    /// Of every class; they sum to 1.
    pub probabilities: Vec<f64>,
}

impl Said {
    /// The classes, most likely first; of equal ones the lower class. By logits, as many probabilities may be 0.
    #[must_use]
    pub(crate) fn ranked(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.logits.len()).collect();
        let of = |class: usize| {
            let logit = self.logits[class];
            // −0 is 0.
            if logit.is_nan() {
                f32::NEG_INFINITY
            } else {
                logit + 0.0
            }
        };
        classes.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
        classes
    }

    /// The most likely class.
    #[must_use]
    pub(crate) fn class(&self) -> usize {
        self.ranked().first().copied().unwrap_or(0)
    }
}

/// See the module.
pub(crate) struct Classifier {
    learner: Box<dyn Learner>,
    classes: usize,
    criterion: LossKind,
}

impl Classifier {
    /// A network with these weights for images of the set's shape; `frozen` is what its last epoch kept, as
    /// `model.freeze` says it, for features then come in the same batches.
    ///
    /// **Shape** `shape [channels, height, width]`.
    ///
    /// # Errors
    /// `Input` when profile, weights and device do not fit; `Compute` when the device fails.
    pub(crate) fn new(
        profile: &Profile,
        frozen: &str,
        shape: [usize; 3],
        classes: usize,
        weights: &StateDict,
    ) -> Result<Self> {
        let architecture = model::resolve(&profile.model, profile.data.input(shape), classes)?;
        let predicting = learners::predicting(&thawed(profile, frozen));
        let mut learner = learners::build(&predicting, &architecture, classes)?;
        learner.set_weights(weights)?;
        Ok(Self {
            learner,
            classes,
            criterion: LossKind::of(profile),
        })
    }

    /// What it says of each image, by its own: a batch takes nothing from one to another.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub(crate) fn predict(&mut self, batch: &Batch) -> Result<Vec<Said>> {
        let logits = self.learner.logits(batch)?;
        let said = |logits: &[f32]| Said {
            logits: logits.to_vec(),
            probabilities: softmax(logits),
        };
        Ok(logits.chunks_exact(self.classes).map(said).collect())
    }

    /// Of no image yet.
    #[must_use]
    pub(crate) fn tally(&self) -> Tally {
        Tally::new(self.classes, self.criterion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranked_by_logits_where_probabilities_are_alike() {
        let logits = vec![-2000.0, 0.0, -1000.0, -0.0, f32::NAN, -3000.0];
        let said = Said {
            probabilities: softmax(&logits[..4]),
            logits,
        };
        assert_eq!(said.probabilities[0], said.probabilities[2], "both 0");
        assert_eq!(said.ranked(), [1, 3, 2, 0, 5, 4]);
        assert_eq!(said.class(), 1);
    }
}

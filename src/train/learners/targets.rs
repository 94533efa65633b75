//! What a step of a batch is held to, where that is more than its labels.

use crate::data::Batch;
use crate::error::{Error, Result};
use crate::kernels::targets::Targets;
use crate::profile::{Loss, Train};

/// A batch's targets with the recipe's label smoothing; none where its labels are all there is to learn, and all count
/// alike.
///
/// # Errors
/// `Input` when the loss isn't cross-entropy, or as [`Targets::new`].
pub(super) fn of(batch: &Batch, train: &Train, classes: usize) -> Result<Option<Targets>> {
    let (soft, weights) = (batch.targets.as_deref(), batch.weights.as_deref());
    if soft.is_none() && weights.is_none() {
        return Ok(None);
    }
    if train.loss != Loss::CrossEntropy {
        return Err(Error::input(
            "train.loss",
            "mean squared error takes plain labels only: no mixed images, no weights of images or classes",
            "set it to \"cross-entropy\"",
        ));
    }
    let smoothing = train.label_smoothing;
    Targets::new(classes, &batch.labels, soft, weights, smoothing).map(Some)
}

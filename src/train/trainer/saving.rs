//! Which ends of epochs are saved: all that `train.checkpoint_every` names, but of epochs of a few steps not one a
//! step.

use std::time::{Duration, Instant};

/// Epochs of fewer steps than this are not saved each.
const SHORT: u64 = 10;
/// Then it takes so many steps to the next checkpoint …
const STEPS: u64 = 100;
/// … or so long.
const TIME: Duration = Duration::from_secs(1);

/// What was saved last.
pub(super) struct Saving {
    step: u64,
    since: Instant,
    /// An epoch has ended since then that is to be saved.
    pub is_wanted: bool,
}

impl Saving {
    /// Saved at this step, just now.
    pub(super) fn new(step: u64) -> Self {
        Self {
            step,
            since: Instant::now(),
            is_wanted: false,
        }
    }

    /// Whether it is time to save the end of an epoch of so many steps.
    pub(super) fn is_due(&self, step: u64, steps_per_epoch: u64) -> bool {
        steps_per_epoch >= SHORT || step - self.step >= STEPS || self.since.elapsed() >= TIME
    }
}

//! What the loop needs of something that learns: take a step on a batch, predict, and lay its state open.

use std::time::Instant;

use crate::data::{Batch, SplitDataset};
use crate::error::Result;
use crate::state::StateDict;

/// What varies from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub learning_rate: f64,
    /// Steps taken before this one.
    pub step: u64,
}

/// What a step gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepOutcome {
    /// Mean over the batch, before the update.
    pub loss: f64,
    /// Images predicted right, before the update.
    pub correct: usize,
    /// L2 norm of the whole gradient, before clipping.
    pub gradient_norm: f64,
    /// Seconds spent in gathering the batch, where the learner did that.
    pub load_seconds: f64,
    /// Seconds spent in forward (with the loss), backward, update.
    pub seconds: [f64; 3],
}

/// What a piece of a planned step's work took of the first thread's time.
#[derive(Clone, Debug, PartialEq)]
pub struct PieceTime {
    pub name: String,
    /// Per step.
    pub seconds: f64,
    /// **Units** 10⁹ floating-point operations a second, on that thread; 0 where the work is no product.
    pub gflops: f64,
}

/// A classifier that learns batch by batch. Deterministic: the same state, batch and update give the same bits.
pub trait Learner: Send {
    /// What computes a step, in a word or two for people.
    fn backend(&self) -> &'static str {
        "graph"
    }

    /// Why it is not a faster path, where somebody may wonder; told once at the start.
    fn backend_note(&self) -> Option<String> {
        None
    }

    /// What else is worth meter at the start, of a set of so many images.
    fn note(&self, _images: usize) -> Option<String> {
        None
    }

    /// Computes ahead what every epoch needs of these images and is still missing. After a part of it `go_on` gets how
    /// many images are done, of how many; where it says no, the rest is left. Returns whether all is there.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    fn precompute_features(
        &mut self,
        _data: &SplitDataset,
        _go_on: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<bool> {
        Ok(true)
    }

    /// Times every piece of work from now on, where the path knows pieces.
    fn time_pieces(&mut self) {}

    /// What the pieces took since.
    fn pieces(&self) -> Vec<PieceTime> {
        Vec::new()
    }

    /// Takes one optimizer step.
    ///
    /// # Errors
    /// `NotFinite` when loss or gradient is not a number (before anything is written); `Compute` when the device fails.
    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome>;

    /// [`step`](Self::step) on the images of these pooled indices, changed at random where the data says so; `batch` is
    /// working memory that holds their labels after.
    ///
    /// # Errors
    /// As `step`.
    fn step_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        batch: &mut Batch,
        update: Update,
    ) -> Result<StepOutcome> {
        let begun = Instant::now();
        data.training_batch(indices, update.step, batch)?;
        let load_seconds = begun.elapsed().as_secs_f64();
        let outcome = self.step(batch, update)?;
        Ok(StepOutcome {
            load_seconds,
            ..outcome
        })
    }

    /// [`logits`](Self::logits) of the images of these pooled indices; `batch` is working memory that holds their
    /// labels after.
    ///
    /// # Errors
    /// As `logits`.
    fn logits_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        batch: &mut Batch,
    ) -> Result<Vec<f32>> {
        data.batch(indices, batch)?;
        self.logits(batch)
    }

    /// Logits in evaluation mode (with the averaged weights where there are some).
    ///
    /// **Shape** `[B, K]`, row-major. A network that ends in a map or a flattened one, as the frozen part of another
    /// does, gives its numbers in PyTorch's order `[B, C, H, W]`, whatever order it computes in.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>>;

    /// The weights a user would want (averaged ones where there are some) and the running statistics, by parameter
    /// name.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    fn weights(&self) -> Result<StateDict>;

    /// Replaces the weights by what [`weights`](Self::weights) gave.
    ///
    /// # Errors
    /// `Input` when a name or shape does not fit; nothing is replaced then.
    fn set_weights(&mut self, weights: &StateDict) -> Result<()>;

    /// Everything a resume needs beyond the step number: weights, statistics, moments, averages.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    fn state(&self) -> Result<StateDict>;

    /// Takes up what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// `Input` when a name or shape does not fit; nothing is replaced then.
    fn set_state(&mut self, state: &StateDict) -> Result<()>;
}

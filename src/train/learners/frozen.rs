//! A network whose first layers keep their weights: those are run once an image, and what comes out is kept.
//!
//! Two learners in one: a backbone that only predicts, in evaluation mode, and a head that learns on what it gives.
//! Neither knows of the other.

use std::collections::BTreeSet;

use crate::data::{Batch, Key, SplitDataset};
use crate::error::Result;
use crate::model::Shape;
use crate::state::StateDict;
use crate::text;
use crate::train::{Learner, PieceTime, StepOutcome, Update};

/// **Units** bytes of features that are kept at most; those of further images are computed at every step.
const MOST_KEPT: usize = 2 << 30;

/// Images that go through the backbone at a time.
const AT_A_TIME: usize = 1024;

/// See the module.
pub(crate) struct FrozenLearner {
    backbone: Box<dyn Learner>,
    head: Box<dyn Learner>,
    /// Names of the backbone's arrays.
    frozen: BTreeSet<String>,
    /// What the backbone gives for an image: a map or a vector, in PyTorch's order like all that a learner gives.
    features: Shape,
    kept: Option<Kept>,
    /// As [`MOST_KEPT`].
    most_kept: usize,
    /// Whether images are trained on as they are.
    is_unaugmented: bool,
}

/// Features of the first images seen, as many as there is room for; forgotten when the backbone's weights change.
struct Kept {
    /// Data and transform.
    key: Key,
    /// **Shape** `[room, features]`.
    rows: Vec<f32>,
    /// The row of each image, by pooled index.
    places: Vec<Option<u32>>,
    used: usize,
    room: usize,
}

impl FrozenLearner {
    /// `shape` is what the backbone gives for an image; `is_unaugmented` says whether images are trained on as they
    /// are.
    ///
    /// # Errors
    /// When the backbone does not lay its weights open.
    pub(crate) fn new(
        backbone: Box<dyn Learner>,
        head: Box<dyn Learner>,
        shape: Shape,
        is_unaugmented: bool,
    ) -> Result<Self> {
        Ok(Self {
            frozen: backbone.weights()?.into_keys().collect(),
            backbone,
            head,
            features: shape,
            kept: None,
            most_kept: MOST_KEPT,
            is_unaugmented,
        })
    }

    /// Of how many images the features are kept.
    fn room(&self, images: usize) -> usize {
        images.min(self.most_kept / (4 * self.features.elements()).max(1))
    }

    /// What is kept of an image.
    fn row(&self, index: u32) -> Option<&[f32]> {
        let kept = self.kept.as_ref()?;
        let (place, count) = (kept.places[index as usize]?, self.features.elements());
        Some(&kept.rows[place as usize * count..][..count])
    }

    /// Fills `batch` with the features of these images.
    fn gather(&mut self, data: &SplitDataset, indices: &[u32], batch: &mut Batch) -> Result<()> {
        let count = self.features.elements();
        self.keep(data, indices)?;
        let is_other = |index: &u32| self.row(*index).is_none();
        let others: Vec<u32> = indices.iter().copied().filter(is_other).collect();
        let mut fresh = Vec::new();
        if !others.is_empty() {
            fresh = self.backbone.logits_on(data, &others, batch)?;
        }
        let mut fresh = fresh.chunks_exact(count);
        batch.images.resize(indices.len() * count, 0.0);
        for (index, to) in indices.iter().zip(batch.images.chunks_exact_mut(count)) {
            let row = self.row(*index).or_else(|| fresh.next());
            to.copy_from_slice(row.unwrap_or_default());
        }
        data.label(indices, batch);
        (batch.channels, batch.height, batch.width) = self.features.sides();
        Ok(())
    }

    /// Keeps the features of these images as far as there is room; computes those of others along, which come sooner or
    /// later.
    fn keep(&mut self, data: &SplitDataset, indices: &[u32]) -> Result<()> {
        let (count, images) = (self.features.elements(), data.dataset.len());
        let room = self.room(images);
        self.kept.take_if(|kept| !kept.key.is_of(data));
        let kept = self.kept.get_or_insert_with(|| Kept {
            key: data.key(),
            rows: vec![0.0; room * count],
            places: vec![None; images],
            used: 0,
            room,
        });
        let left = kept.room - kept.used;
        let is_new = |index: &u32| kept.places[*index as usize].is_none();
        let asked: BTreeSet<u32> = indices.iter().copied().filter(is_new).collect();
        if asked.is_empty() || left == 0 {
            return Ok(());
        }
        let mut wanted: Vec<u32> = asked.iter().copied().collect();
        let others = data.train.iter().copied();
        let others = others.filter(|index| is_new(index) && !asked.contains(index));
        wanted.extend(others.take(AT_A_TIME.saturating_sub(asked.len())));
        wanted.truncate(left);
        let mut batch = Batch::default();
        for part in wanted.chunks(AT_A_TIME) {
            let rows = self.backbone.logits_on(data, part, &mut batch)?;
            for (index, row) in part.iter().zip(rows.chunks_exact(count)) {
                kept.rows[kept.used * count..][..count].copy_from_slice(row);
                kept.places[*index as usize] = u32::try_from(kept.used).ok();
                kept.used += 1;
            }
        }
        Ok(())
    }

    /// The features of a batch that is in no data set.
    fn features_of(&mut self, batch: &Batch) -> Result<Batch> {
        let (channels, height, width) = self.features.sides();
        Ok(Batch {
            images: self.backbone.logits(batch)?,
            labels: batch.labels.clone(),
            targets: batch.targets.clone(),
            weights: batch.weights.clone(),
            channels,
            height,
            width,
        })
    }

    /// Parts a state into the backbone's arrays and the others.
    fn part(&self, state: &StateDict) -> (StateDict, StateDict) {
        state
            .clone()
            .into_iter()
            .partition(|(name, _)| self.frozen.contains(name))
    }

    /// Sets the backbone's weights; where they do not fit, the head gets its former state back.
    fn set_backbone_or(&mut self, weights: &StateDict, before: &StateDict) -> Result<()> {
        self.set_backbone(weights).or_else(|error| {
            self.head.set_state(before)?;
            Err(error)
        })
    }

    fn set_backbone(&mut self, weights: &StateDict) -> Result<()> {
        if self.backbone.weights()? != *weights {
            self.backbone.set_weights(weights)?;
            self.kept = None;
        }
        Ok(())
    }
}

impl Learner for FrozenLearner {
    fn backend(&self) -> &'static str {
        self.head.backend()
    }

    fn backend_note(&self) -> Option<String> {
        self.head
            .backend_note()
            .or_else(|| self.backbone.backend_note())
    }

    fn note(&self, images: usize) -> Option<String> {
        let room = self.room(images);
        let how = if !self.is_unaugmented {
            "images are augmented, so features are computed at every step".into()
        } else if room == images {
            "features are computed once per image and cached".into()
        } else {
            format!(
                "features of {} images are computed once and cached in {}, those of the other {} at every step",
                text::grouped(room as u64),
                text::bytes(self.most_kept as u64),
                text::grouped((images - room) as u64)
            )
        };
        Some(format!(
            "the frozen layers give {} features per image; {how}",
            text::grouped(self.features.elements() as u64)
        ))
    }

    fn precompute_features(
        &mut self,
        data: &SplitDataset,
        go_on: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<bool> {
        if data.augments() {
            return Ok(true);
        }
        let parts = [&data.train, &data.validation, &data.test];
        let images: Vec<u32> = parts.into_iter().flatten().copied().collect();
        data.expect(&images, AT_A_TIME);
        for part in images.chunks(AT_A_TIME) {
            let used = |kept: &Option<Kept>| kept.as_ref().map_or(0, |kept| kept.used);
            let before = used(&self.kept);
            self.keep(data, part)?;
            let done = used(&self.kept);
            let all = self.room(images.len());
            if done > before && !go_on(done, all) {
                return Ok(done == all);
            }
        }
        Ok(true)
    }

    fn time_pieces(&mut self) {
        self.head.time_pieces();
    }

    fn pieces(&self) -> Vec<PieceTime> {
        self.head.pieces()
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        let features = self.features_of(batch)?;
        self.head.step(&features, update)
    }

    fn step_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        batch: &mut Batch,
        update: Update,
    ) -> Result<StepOutcome> {
        let begun = std::time::Instant::now();
        if data.augments() {
            data.training_batch(indices, update.step, batch)?;
            *batch = self.features_of(batch)?;
        } else {
            self.gather(data, indices, batch)?;
        }
        let load_seconds = begun.elapsed().as_secs_f64();
        let outcome = self.head.step(batch, update)?;
        Ok(StepOutcome {
            load_seconds,
            ..outcome
        })
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let features = self.features_of(batch)?;
        self.head.logits(&features)
    }

    fn logits_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        batch: &mut Batch,
    ) -> Result<Vec<f32>> {
        self.gather(data, indices, batch)?;
        self.head.logits(batch)
    }

    fn weights(&self) -> Result<StateDict> {
        let mut weights = self.backbone.weights()?;
        weights.extend(self.head.weights()?);
        Ok(weights)
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        let (frozen, trained) = self.part(weights);
        let before = self.head.state()?;
        self.head.set_weights(&trained)?;
        self.set_backbone_or(&frozen, &before)
    }

    fn state(&self) -> Result<StateDict> {
        let mut state = self.backbone.weights()?;
        state.extend(self.head.state()?);
        Ok(state)
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let (frozen, trained) = self.part(state);
        let before = self.head.state()?;
        self.head.set_state(&trained)?;
        self.set_backbone_or(&frozen, &before)
    }
}

#[cfg(test)]
mod tests;

//! A data set made ready for a run: split, its transform worked out, batches gathered from pooled indices.
//!
//! Keeps no position and no generator: the order of an epoch is a function of seed and epoch, so a resume can start
//! anywhere.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::augment::{Augmentations, Changes};
use super::read_ahead::ReadAhead;
use super::resize::Scratch;
use super::split::{self, Parts};
use super::transform::Transform;
use super::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::profile::{Augment, Data};
use crate::rng::{Purpose, Stream};

/// Numbers in a batch from which on several threads are worth waking; a resized number counts several times.
const PARALLEL_FROM: usize = 1 << 18;
const RESIZE_COST: usize = 6;

/// Images that one thread fetches and transforms at a time; they fit the first-level cache.
const PIECE: usize = 32;

/// A data set with its split and transform. Indices are pooled: `dataset.train` first, then `dataset.test`.
#[derive(Clone, Debug)]
pub struct SplitDataset {
    pub dataset: Arc<Dataset>,
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
    /// **Shape** of an image as the network takes it: `[channels, height, width]`.
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    transform: Transform,
    augmentation: Option<Augmentations>,
    /// Where images lie on the disk and are read ahead.
    ahead: Option<Arc<ReadAhead>>,
}

/// What a [`SplitDataset`] set gives for a pooled index, changes at random aside: under the same key it is the same
/// numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// As [`Dataset::sha256`].
    dataset: String,
    transform: Transform,
}

impl Key {
    /// Whether it is the key of `data`.
    #[must_use]
    pub fn is_of(&self, data: &SplitDataset) -> bool {
        self.dataset == data.dataset.sha256 && self.transform == data.transform
    }
}

/// Working memory of one thread.
#[derive(Default)]
struct Work {
    scratch: Scratch,
    /// An image as it lies in the set.
    original: Vec<u8>,
    /// The changed image.
    changed: Vec<u8>,
}

/// Changes of a step's images, of which the first is at this place in the batch.
type Changed<'a> = Option<(Changes<'a>, usize)>;

impl SplitDataset {
    /// Splits the set and works out its transform; statistics are taken from the training set only.
    ///
    /// # Errors
    /// `Input` naming the field of `[data]` that does not fit the set.
    pub fn new(dataset: Arc<Dataset>, settings: &Data) -> Result<Self> {
        let Parts {
            train,
            validation,
            test,
        } = split::split(&dataset, settings)?;
        let transform = Transform::new(&dataset, settings, &train)?;
        Ok(Self {
            dataset,
            train,
            validation,
            test,
            channels: transform.channels,
            height: transform.height,
            width: transform.width,
            transform,
            augmentation: None,
            ahead: None,
        })
    }

    /// The same with images that lie on the disk read ahead, in the order that [`expect`](Self::expect) says.
    ///
    /// # Errors
    /// `Compute` when no thread can be started.
    pub fn reading_ahead(self) -> Result<Self> {
        if self.dataset.is_in_memory() {
            return Ok(self);
        }
        let ahead = Some(Arc::new(ReadAhead::new(Arc::clone(&self.dataset))?));
        Ok(Self { ahead, ..self })
    }

    /// Says which images will be asked for next, by their pooled indices and in this order, so many at once.
    ///
    /// # Panics
    /// When an index is not below the data set's length.
    pub fn expect(&self, indices: &[u32], at_once: usize) {
        if let Some(ahead) = &self.ahead {
            ahead.expect(indices, at_once);
        }
    }

    /// Time that was spent waiting for images so far, summed over the threads that asked.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.ahead
            .as_ref()
            .map_or(Duration::ZERO, |ahead| ahead.waited())
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        match &self.ahead {
            Some(ahead) => ahead.read(index, out),
            None => self.dataset.read(index, out),
        }
    }

    /// The same with training images that change from step to step, where the settings say so.
    #[must_use]
    pub fn augmented(self, settings: &Augment, seed: u64) -> Self {
        Self {
            augmentation: Augmentations::new(settings, seed),
            ..self
        }
    }

    /// Without the test set, where it is not to be read or the set has none.
    ///
    /// # Errors
    /// `Input` where epochs could then be measured on no part.
    pub fn tested(self, is_tested: bool) -> Result<Self> {
        if is_tested && !self.test.is_empty() {
            return Ok(self);
        }
        if self.validation.is_empty() {
            let (cause, remedy) = if is_tested {
                (
                    "a data set without a test set",
                    "set data.split = \"pooled\"",
                )
            } else {
                ("train.test = false", "leave train.test out")
            };
            return Err(Error::input(
                "data.validation",
                format!("holds out no images, and {cause} leaves none to evaluate on"),
                format!("increase it, or {remedy}"),
            ));
        }
        let test = Vec::new();
        Ok(Self { test, ..self })
    }

    /// Whether training images change from step to step.
    #[must_use]
    pub fn augments(&self) -> bool {
        self.augmentation.is_some()
    }

    /// What is done to every image.
    #[must_use]
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// What its numbers can be kept under.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            dataset: self.dataset.sha256.clone(),
            transform: self.transform.clone(),
        }
    }

    /// The training images in the order of this epoch.
    #[must_use]
    pub fn order(&self, seed: u64, epoch: usize) -> Vec<u32> {
        let mut order = self.train.clone();
        Stream::new(seed, Purpose::Shuffle, epoch as u64).shuffle(&mut order);
        order
    }

    /// Fills `batch` with the images of these pooled indices, reusing its memory.
    ///
    /// # Errors
    /// `Io` or `Input` when an image cannot be read.
    ///
    /// # Panics
    /// When an index is not below the data set's length.
    pub fn batch(&self, indices: &[u32], batch: &mut Batch) -> Result<()> {
        self.fill(indices, None, batch)
    }

    /// The same as a step learns from them, changed as it asks.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    ///
    /// # Panics
    /// As [`batch`](Self::batch).
    pub fn training_batch(&self, indices: &[u32], step: u64, batch: &mut Batch) -> Result<()> {
        self.fill(indices, self.changes(step, 0), batch)
    }

    fn changes(&self, step: u64, first: usize) -> Changed<'_> {
        let augmentation = self.augmentation.as_ref()?;
        Some((augmentation.at(step), first))
    }

    fn fill(&self, indices: &[u32], changed: Changed<'_>, batch: &mut Batch) -> Result<()> {
        let size = self.transform.len();
        batch.channels = self.channels;
        batch.height = self.height;
        batch.width = self.width;
        self.label(indices, batch);
        batch.images.resize(indices.len() * size, 0.0);

        let cost = if self.transform.resizes() || changed.is_some() {
            RESIZE_COST
        } else {
            1
        };
        if batch.images.len() * cost < PARALLEL_FROM {
            let work = &mut Work::default();
            self.gather(indices, changed, &mut batch.images, work)
        } else {
            batch
                .images
                .par_chunks_mut(PIECE * size)
                .zip(indices.par_chunks(PIECE))
                .enumerate()
                .try_for_each_init(Work::default, |work, (piece, (images, indices))| {
                    let changed = changed.map(|(changes, first)| (changes, first + piece * PIECE));
                    self.gather(indices, changed, images, work)
                })
        }
    }

    /// Replaces the labels by those of these pooled indices; they are the targets, and all count alike.
    ///
    /// # Panics
    /// As [`batch`](Self::batch).
    pub fn label(&self, indices: &[u32], batch: &mut Batch) {
        batch.labels.clear();
        let own = indices.iter().map(|i| self.dataset.label(*i as usize));
        batch.labels.extend(own.map(u32::from));
        (batch.targets, batch.weights) = (None, None);
    }

    /// The images of these pooled indices, on this thread alone. **Shape** `[indices, channels, height, width]`.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    ///
    /// # Panics
    /// As [`batch`](Self::batch), or when `images` has another length.
    pub fn rows(&self, indices: &[u32], images: &mut [f32]) -> Result<()> {
        self.fill_rows(indices, None, images)
    }

    /// The same as a step learns from them; the first is at place `first` of its batch.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    ///
    /// # Panics
    /// As `rows`.
    pub fn training_rows(
        &self,
        indices: &[u32],
        step: u64,
        first: usize,
        images: &mut [f32],
    ) -> Result<()> {
        self.fill_rows(indices, self.changes(step, first), images)
    }

    fn fill_rows(&self, indices: &[u32], changed: Changed<'_>, images: &mut [f32]) -> Result<()> {
        thread_local! {
            static WORK: RefCell<Work> = RefCell::default();
        }
        assert_eq!(images.len(), indices.len() * self.transform.len());
        WORK.with_borrow_mut(|work| self.gather(indices, changed, images, work))
    }

    fn gather(
        &self,
        indices: &[u32],
        changed: Changed<'_>,
        images: &mut [f32],
        work: &mut Work,
    ) -> Result<()> {
        let size = self.transform.len();
        let Work {
            scratch,
            original,
            changed: other,
        } = work;
        let conversion = self.transform.conversion;
        let mut place = 0;
        for (indices, images) in indices.chunks(PIECE).zip(images.chunks_mut(PIECE * size)) {
            self.dataset.announce(indices);
            for (index, image) in indices.iter().zip(images.chunks_exact_mut(size)) {
                let sides = self.dataset.size(*index as usize);
                original.resize(conversion.from * sides.0 * sides.1, 0);
                self.read(*index as usize, original)?;
                conversion.apply(original);
                let mut own: &[u8] = original;
                if let Some((changes, first)) = changed {
                    other.resize(own.len(), 0);
                    changes.apply(first + place, own, sides, other);
                    own = other;
                }
                self.transform.apply(own, sides, image, scratch);
                place += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;
    use crate::profile::Normalize;

    fn prepared(image_size: usize) -> SplitDataset {
        let settings = Data {
            name: mini::NAME.into(),
            validation: 0.1,
            normalize: Normalize::Unit,
            image_size,
            ..Data::default()
        };
        SplitDataset::new(Arc::new(mini::load().unwrap()), &settings).unwrap()
    }

    #[test]
    fn an_epochs_order_is_a_repeatable_permutation_of_the_training_part() {
        let data = prepared(0);
        let order = data.order(1, 3);
        assert_eq!(order, data.order(1, 3));
        assert_ne!(order, data.order(1, 4));
        assert_ne!(order, data.order(2, 3));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, data.train);
    }

    #[test]
    fn a_batch_holds_the_asked_images_in_order() {
        let data = prepared(0);
        let mut batch = Batch::default();
        data.batch(&[5, 2400, 0], &mut batch).unwrap();
        data.batch(&[2001, 7], &mut batch).unwrap();
        assert_eq!((batch.len(), batch.images.len()), (2, 2 * 784));
        assert_eq!((batch.channels, batch.height, batch.width), (1, 28, 28));
        for (place, index) in [2001, 7].into_iter().enumerate() {
            assert_eq!(batch.labels[place], u32::from(data.dataset.label(index)));
            let image = batch.images.chunks_exact(784).nth(place).unwrap();
            for (value, byte) in image.iter().zip(&data.dataset.image(index).unwrap()) {
                assert!((value * 255.0 - f32::from(*byte)).abs() < 1e-4);
            }
        }
        (batch.targets, batch.weights) = (Some(vec![0.1; 20]), Some(vec![1.0; 2]));
        data.batch(&[], &mut batch).unwrap();
        assert!(batch.is_empty() && batch.images.is_empty());
        assert!(
            batch.targets.is_none() && batch.weights.is_none(),
            "those of another batch"
        );
    }

    #[test]
    fn training_images_change_by_step_and_place_however_they_are_gathered() {
        let settings = Augment {
            flip: 0.5,
            shift: 3,
            rotate: 15.0,
            erase: 0.5,
        };
        let plain = prepared(0);
        let data = plain.clone().augmented(&settings, 4);
        assert!(data.augments() && !plain.clone().augmented(&Augment::default(), 4).augments());
        let indices: Vec<u32> = data.order(9, 1)[..200].to_vec();
        let (mut one, mut other) = (Batch::default(), Batch::default());
        data.training_batch(&indices, 5, &mut one).unwrap();
        plain.training_batch(&indices, 5, &mut other).unwrap();
        assert_ne!(one.images, other.images);
        data.batch(&indices, &mut other).unwrap();
        assert_ne!(one.images, other.images, "evaluation sees them as they are");
        data.training_batch(&indices, 6, &mut other).unwrap();
        assert_ne!(one.images, other.images, "another step");
        let mut images = vec![0.0; one.images.len()];
        for (piece, rows) in images.chunks_mut(50 * 784).enumerate() {
            let first = 50 * piece;
            data.training_rows(&indices[first..first + 50], 5, first, rows)
                .unwrap();
        }
        assert!(images == one.images, "in pieces as in one");
    }

    #[test]
    fn large_batches_are_the_same_as_small_ones() {
        for (size, count) in [(0, 700), (32, 130)] {
            let data = prepared(size);
            let indices: Vec<u32> = data.order(9, 1)[..count].to_vec();
            let (mut large, mut small) = (Batch::default(), Batch::default());
            data.batch(&indices, &mut large).unwrap();
            let mut images = Vec::new();
            for piece in indices.chunks(10) {
                data.batch(piece, &mut small).unwrap();
                images.extend_from_slice(&small.images);
            }
            assert!(large.images == images);
        }
    }
}

//! What a run's network says about images that anybody gives: through the run's own transform, by the weights that its
//! scores are of, on its backend.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::weights::{self, Which};
use super::{Workspace, record};
use crate::data::decode::LARGEST_FILE;
use crate::data::input::{self, Input, Seen};
use crate::data::resize::Scratch;
use crate::data::{Batch, SplitDataset};
use crate::error::{Error, Result};
use crate::metrics::class_name;
use crate::nn;
use crate::profile::{Profile, Status, Weights};
use crate::train::checkpoint;
pub(crate) use crate::train::classifier::Said;
use crate::{storage, text};

use crate::train::classifier::Classifier;
use crate::train::evaluate::{BATCH, Tally};

/// Images that are predicted at once.
pub(crate) const AT_ONCE: usize = BATCH;

/// Which weights predict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Used {
    pub which: Which,
    /// The epoch whose they are, where that is known.
    pub epoch: Option<usize>,
    /// SHA-256 of their file.
    pub sha256: String,
}

/// A run's network, ready to predict.
pub(crate) struct Predictor {
    pub run: String,
    pub profile: Profile,
    pub input: Input,
    pub used: Used,
    /// What is to be said of how it came about.
    pub notes: Vec<String>,
    classifier: Classifier,
    batch: Batch,
}

/// An image with what is said of it, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Predicted {
    pub seen: Seen,
    /// Classes and their probabilities, most likely first.
    pub ranked: Vec<(String, f64)>,
    /// By which weights.
    pub told: String,
    pub looks_inverted: bool,
}

/// Reads the file of an image.
///
/// # Errors
/// `Input` when it is none or too large, `Io` when it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let refused = |problem: String| {
        Error::input(
            text::sanitize(&path.display().to_string()),
            problem,
            "give the path of an image",
        )
    };
    storage::read(path, LARGEST_FILE).map_err(|e| match e.kind() {
        ErrorKind::NotFound => refused("is not there".into()),
        ErrorKind::InvalidInput | ErrorKind::FileTooLarge => {
            refused(format!("cannot be read: {e}"))
        }
        _ => Error::io("read", path, e),
    })
}

impl Used {
    /// In words: "the best weights, of epoch 3".
    #[must_use]
    pub(crate) fn told(&self) -> String {
        let which = match self.which {
            Which::Best => "best",
            Which::Last => "last",
        };
        match self.epoch {
            Some(epoch) => format!("the {which} weights, of epoch {epoch}"),
            None => format!("the {which} weights so far"),
        }
    }
}

impl Predictor {
    /// The network of a run.
    ///
    /// # Errors
    /// `Input` when the run has no weights yet, they are not what was recorded, or nobody knows what its images go
    /// through; `Compute` when the device fails.
    pub(crate) fn load(workspace: &Workspace, id: &str) -> Result<Self> {
        let mut profile = workspace.load(id)?;
        record::check_known(&profile)?;
        let which = which(&profile);
        let kept = weights::read(workspace, id, which)?;
        let mut notes = Vec::new();
        if !kept.is_verified {
            notes.push(format!(
                "nothing was recorded of {}, so it is not verified",
                which.file_name()
            ));
        }
        // Where the best weights are lost, it says so.
        let result = profile.result.iter().filter(|r| !r.note.is_empty());
        notes.extend(result.map(|r| r.note.clone()));
        let sha256 = storage::sha256(&kept.bytes);
        let used = Used {
            which,
            epoch: epoch(workspace, &profile, id, which, &sha256),
            sha256,
        };
        let weights = checkpoint::from_safetensors(&kept.bytes, &kept.path)?;
        let input = find_input(workspace, id, &profile, &mut notes)?;
        if let Err(e) = nn::device::select(&profile.train.device) {
            notes.push(format!("{e}; the CPU predicts"));
            profile.train.device = "cpu".into();
        }
        let frozen = frozen(workspace, id, &profile);
        let classes = input.classes.len();
        let classifier = Classifier::new(&profile, &frozen, input.shape(), classes, &weights)?;
        let [channels, height, width] = input.output();
        Ok(Self {
            run: id.into(),
            profile,
            input,
            used,
            notes,
            classifier,
            batch: Batch {
                channels,
                height,
                width,
                ..Batch::default()
            },
        })
    }

    /// What is said of an image file, which is called `name`.
    ///
    /// # Errors
    /// `Input` when it is no image; else as [`predict`](Self::predict).
    pub(crate) fn predict_file(
        &mut self,
        name: &str,
        bytes: &[u8],
        is_inverted: bool,
    ) -> Result<Predicted> {
        let seen = self.see(name, bytes, is_inverted)?;
        let said = self.predict(std::slice::from_ref(&seen))?;
        let said = said
            .first()
            .ok_or_else(|| Error::compute("predicting", "nothing was said"))?;
        let of = |class: usize| {
            let name = class_name(&self.input.classes, class);
            (name, said.probabilities[class])
        };
        Ok(Predicted {
            ranked: said.ranked().into_iter().map(of).collect(),
            told: self.used.told(),
            looks_inverted: self.input.looks_inverted(&seen),
            seen,
        })
    }

    /// An image file, which is called `name`, as the run's set would have it.
    ///
    /// # Errors
    /// `Input` when it is no image.
    pub(crate) fn see(&self, name: &str, bytes: &[u8], is_inverted: bool) -> Result<Seen> {
        let seen = self.input.see_file(bytes, is_inverted);
        seen.map_err(|problem| {
            Error::input(name, problem, "give a whole PNG, JPEG, WebP, BMP or GIF")
        })
    }

    /// Predicts images, at most [`AT_ONCE`] for no more memory than needed.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub(crate) fn predict(&mut self, images: &[Seen]) -> Result<Vec<Said>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let input = &self.input;
        gather(&mut self.batch, images.len(), &|place, out, scratch| {
            input.fill(&images[place], out, scratch);
            Ok(0)
        })?;
        self.classifier.predict(&self.batch)
    }

    /// Of no image yet.
    #[must_use]
    pub(crate) fn tally(&self) -> Tally {
        self.classifier.tally()
    }

    /// Predicts images that have labels and counts them; `fill` gives the label of the image at this place of the
    /// batch, `indices` are their numbers.
    ///
    /// # Errors
    /// What `fill` says; `Compute` when the device fails.
    pub(super) fn count(
        &mut self,
        indices: &[u32],
        fill: Fill<'_>,
        tally: &mut Tally,
    ) -> Result<()> {
        gather(&mut self.batch, indices.len(), fill)?;
        for (place, said) in self.classifier.predict(&self.batch)?.iter().enumerate() {
            tally.add(&said.logits, &[self.batch.labels[place]], &[indices[place]]);
        }
        Ok(())
    }
}

/// Makes it a batch of so many images, in the memory that it has.
fn gather(batch: &mut Batch, count: usize, fill: Fill<'_>) -> Result<()> {
    let size = batch.channels * batch.height * batch.width;
    batch.images.resize(count * size, 0.0);
    batch.labels.resize(count, 0);
    batch
        .images
        .par_chunks_exact_mut(size)
        .zip(&mut batch.labels)
        .enumerate()
        .try_for_each_init(Scratch::default, |scratch, (place, (image, label))| {
            *label = fill(place, image, scratch)?;
            Ok(())
        })
}

/// Writes the image at a place of a batch and gives its label.
pub(super) type Fill<'a> = &'a (dyn Fn(usize, &mut [f32], &mut Scratch) -> Result<u32> + Sync);

/// The weights that the run's scores are of: the best, or the last where nothing chose them.
fn which(profile: &Profile) -> Which {
    let is_finished = profile
        .run
        .as_ref()
        .is_some_and(|run| run.status == Status::Finished);
    match profile.weights().filter(|_| is_finished) {
        Some(Weights::Last(_)) => Which::Last,
        _ => Which::Best,
    }
}

fn epoch(
    workspace: &Workspace,
    profile: &Profile,
    id: &str,
    which: Which,
    sha256: &str,
) -> Option<usize> {
    let result = profile.result.as_ref();
    if which == Which::Last {
        return result.map(|r| r.epochs);
    }
    let recorded = result.filter(|r| r.best_epoch > 0).map(|r| r.best_epoch);
    recorded.or_else(|| {
        let best = checkpoint::newest_progress(&workspace.run_dir(id))?.best?;
        (best.file_sha256 == sha256).then_some(best.epoch)
    })
}

/// What the run's last epoch froze, as `model.freeze` says it.
fn frozen(workspace: &Workspace, id: &str, profile: &Profile) -> String {
    let progress = checkpoint::newest_progress(&workspace.run_dir(id));
    let epochs = progress.as_ref().map_or(1, |progress| progress.epoch);
    let saved = progress.and_then(|progress| progress.frozen);
    saved.unwrap_or_else(|| profile.model.freeze_in(epochs.max(1)).to_owned())
}

/// What the run kept of it; of older runs, what its data set gives.
fn find_input(
    workspace: &Workspace,
    id: &str,
    profile: &Profile,
    notes: &mut Vec<String>,
) -> Result<Input> {
    let expected = profile.run.as_ref().map_or("", |run| &run.data_sha256);
    let path = workspace.run_dir(id).join(input::FILE);
    if let Ok(bytes) = storage::read(&path, input::LONGEST) {
        match Input::from_json(&bytes, &profile.data) {
            Ok(input) if input.data_sha256 == expected => return Ok(input),
            Ok(_) => notes.push(format!("{} is of another data set", input::FILE)),
            Err(problem) => notes.push(format!("{} {problem}", input::FILE)),
        }
    }
    let remedy = || {
        format!(
            "get the data set {} that it was trained on",
            profile.data.name
        )
    };
    let dataset = workspace.dataset(&profile.data).map_err(|e| {
        let problem = format!(
            "has not kept the classes and statistics of its data set, and that cannot be read: {e}"
        );
        Error::input(format!("run {id}"), problem, remedy())
    })?;
    if dataset.sha256 != expected {
        return Err(Error::input(
            format!("run {id}"),
            format!(
                "was trained on another {} than the one that is here",
                profile.data.name
            ),
            remedy(),
        ));
    }
    Input::of(&SplitDataset::new(Arc::new(dataset), &profile.data)?)
}

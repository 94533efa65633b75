//! Everything that can be found wrong with a profile before anything is written: fields, layers, data, device, disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Workspace, memory, pretrained};
use crate::data::{self, Dataset, SplitDataset};
use crate::error::{Error, Result};
use crate::model::architectures::{self, Rule};
use crate::model::{self, Architecture};
use crate::net::DownloadProgress;
use crate::nn;
use crate::profile::{Backend, Data, Normalize, Profile};
pub use crate::storage::free_space;
use crate::text;
use crate::train::{self, learners};

/// What a run needs on disk beside its checkpoints: log, predictions, profile.
const BESIDES: u64 = 64 << 20;

/// Two generations and the one being written; and in the place of a fourth the best weights that these name, and the
/// last.
const GENERATIONS: u64 = 4;

/// Weights, two moments and an average.
const COPIES: u64 = 4;

/// A profile with its data set and network, which fit each other and this machine: read once in a process.
pub struct Network {
    pub profile: Profile,
    pub dataset: Arc<Dataset>,
    pub architecture: Architecture,
    warning: Option<String>,
}

/// A profile that can be trained, its weights pinned.
#[derive(Debug)]
pub struct Checked {
    pub profile: Profile,
    /// What is to be known before it begins.
    pub warning: Option<String>,
}

/// What is made ready before a run, and how far it is.
#[derive(Clone, Debug)]
pub enum Preparation {
    /// The weights to begin with are downloaded.
    Weights(DownloadProgress),
    /// The images of a set are decoded: how many of how many.
    Images {
        set: String,
        done: usize,
        all: usize,
    },
}

impl Network {
    /// Reads the data set and checks all that can be without the weights to begin with; `force` lets memory be wanting.
    /// Images that must be decoded first are, which takes a while.
    ///
    /// # Errors
    /// `Input` naming what does not fit; no run has been made. `Cancelled`.
    pub fn read(
        workspace: &Workspace,
        mut profile: Profile,
        force: bool,
        progress: &mut dyn FnMut(Preparation),
        cancel: &AtomicBool,
    ) -> Result<Self> {
        profile.validate()?;
        let search = workspace.search_path();
        let dataset = data::locate::load(&profile.data.name, &search)?;
        workspace.pin_exclusions(&mut profile.data)?;
        let dataset = workspace.without_excluded(dataset, &profile.data)?;
        let settled = data::prepare::suit(&mut profile.data, &dataset);
        let mut decoded = |done, all| {
            let set = profile.data.name.clone();
            progress(Preparation::Images { set, done, all });
        };
        let dataset = workspace.decoded(dataset, &profile.data, &mut decoded, cancel)?;
        let dataset = Arc::new(dataset);
        let prepared = prepare(&profile, &dataset)?;
        if matches!(
            profile.data.normalize,
            Normalize::Dataset | Normalize::Given
        ) && let Some((mean, std)) = prepared.transform().figures()
        {
            // So that the record has them.
            (profile.data.mean, profile.data.std) = (Some(mean.clone()), Some(std.clone()));
        }
        let architecture = architecture(&profile, &dataset)?;
        train::check(&profile, &prepared, &architecture)?;
        let mut network = Self {
            profile,
            dataset,
            architecture,
            warning: None,
        };
        // Before anything is built of it.
        let mut warnings = settled;
        warnings.extend(network.check_memory(force)?);
        network.warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        network.check_here(workspace)?;
        Ok(network)
    }

    /// Checks that another recipe fits the same data set: its split and preprocessing, layers, what is frozen. `splits`
    /// keeps what was split already.
    ///
    /// # Errors
    /// `Input` naming what does not fit.
    pub(crate) fn check_another(
        &self,
        mut profile: Profile,
        splits: &mut Vec<(Data, SplitDataset)>,
    ) -> Result<()> {
        // What it settles was told of the first.
        let _ = data::prepare::suit(&mut profile.data, &self.dataset);
        let known = splits.iter().position(|(of, _)| *of == profile.data);
        let place = if let Some(place) = known {
            place
        } else {
            splits.push((profile.data.clone(), prepare(&profile, &self.dataset)?));
            splits.len() - 1
        };
        let architecture = architecture(&profile, &self.dataset)?;
        train::check(&profile, &splits[place].1, &architecture)?;
        check_frozen(&profile, &architecture)
    }

    /// Checks what is frozen, the device, the backend and the disk.
    fn check_here(&self, workspace: &Workspace) -> Result<()> {
        let (profile, architecture) = (&self.profile, &self.architecture);
        check_frozen(profile, architecture)?;
        // Opening a GPU takes seconds and memory: that is left to the worker. Without one compiled in, a wrong name
        // shows here.
        if !cfg!(any(feature = "cuda", feature = "metal")) {
            nn::device::select(&profile.train.device)?;
        }
        if profile.train.backend == Backend::Plan {
            learners::build(profile, architecture, self.dataset.classes.len())?;
        }
        let parameters = model::summary::summarise(architecture).parameters;
        check_space(&workspace.root, parameters)
    }

    /// [`read`](Self::read), then fetches the weights to begin with where they lie on the hub, and pins their commit.
    /// Blocks; cancels within a second.
    ///
    /// # Errors
    /// `Input` when the profile cannot work or the weights do not fit; else as
    /// [`Hub::fetch`](crate::net::hub::Hub::fetch).
    pub fn with_weights(
        workspace: &Workspace,
        profile: Profile,
        force: bool,
        progress: &mut dyn FnMut(Preparation),
        cancel: &AtomicBool,
    ) -> Result<Self> {
        let mut network = Self::read(workspace, profile, force, progress, cancel)?;
        let (model, architecture) = (&mut network.profile.model, &network.architecture);
        let mut downloaded = |p| progress(Preparation::Weights(p));
        pretrained::fetch(
            workspace,
            model,
            Some(architecture),
            &mut downloaded,
            cancel,
        )?;
        Ok(network)
    }

    /// Checks the rest, the weights, and pins them.
    ///
    /// # Errors
    /// `Input` naming what does not fit; nothing has been written.
    pub fn check(self, workspace: &Workspace) -> Result<Checked> {
        let Self {
            mut profile,
            architecture,
            warning,
            ..
        } = self;
        if let Some(found) = pretrained::pin(workspace, &mut profile.model)? {
            let heads = model::freeze::head(&architecture);
            let fresh = architecture.zeros();
            let settings = &profile.model;
            let (name, keep_head) = (&settings.pretrained, settings.keep_head);
            model::pretrained::fit(name, fresh, found, &heads, keep_head)?;
        }
        Ok(Checked { profile, warning })
    }

    /// What to say where memory is tight.
    fn check_memory(&self, force: bool) -> Result<Option<String>> {
        // A GPU has memory of its own.
        let is_on_cpu =
            !cfg!(any(feature = "cuda", feature = "metal")) || self.profile.train.device == "cpu";
        let Some(limits) = memory::Limits::here().filter(|_| is_on_cpu) else {
            return Ok(None);
        };
        let batch_size = self.profile.train.batch_size;
        memory::check(batch_size, &limits, force, &|batch| {
            self.needed_memory(batch)
        })
    }

    /// The memory that a run will take, about, with batches of this size. **Units** bytes.
    ///
    /// # Errors
    /// As [`memory::needed`].
    pub fn needed_memory(&self, batch_size: usize) -> Result<u64> {
        let size = memory::Data::of(&self.dataset);
        let mut profile = self.profile.clone();
        profile.train.threads = profile.train.thread_count();
        // No batch is larger than the set.
        profile.train.batch_size = batch_size.min(size.training).max(1);
        memory::needed(&profile, &self.architecture, &size)
    }
}

/// Checks what is frozen, from which epochs on less is, and which stages learn at a rate of their own.
///
/// # Errors
/// `Input` naming the stages that there are.
pub fn check_frozen(profile: &Profile, architecture: &Architecture) -> Result<()> {
    let frozen = |freeze: &str| {
        let cut = model::freeze::cut(architecture, freeze)?;
        Ok(cut.map_or(0, |cut| cut.frozen.nodes.len()))
    };
    let mut before = frozen(&profile.model.freeze)?;
    for step in &profile.model.unfreeze {
        let now = frozen(&step.freeze).map_err(|error| match error {
            Error::Input {
                problem, remedy, ..
            } => Error::input(
                format!("model.unfreeze, epoch {}", step.epoch),
                problem,
                remedy,
            ),
            other => other,
        })?;
        if now >= before {
            return Err(Error::input(
                "model.unfreeze",
                format!(
                    "epoch {} would freeze no less than the one before",
                    step.epoch
                ),
                "name an earlier stage, or none",
            ));
        }
        before = now;
    }
    if !profile.train.lr_multipliers.is_empty()
        && architectures::rule(&profile.model.architecture) != Rule::Gradient
    {
        return Err(Error::input(
            "train.lr_multipliers",
            format!("{} has one learning rate", profile.model.architecture),
            "leave train.lr_multipliers out",
        ));
    }
    model::lr_multipliers::check(architecture, &profile.train.lr_multipliers)
}

/// The architecture a profile comes to on its data.
///
/// # Errors
/// `Input` naming the wrong layer or field.
pub fn resolve(profile: &Profile, dataset: &Arc<Dataset>) -> Result<Architecture> {
    // What else of `[data]` does not fit the set is found so.
    prepare(profile, dataset)?;
    architecture(profile, dataset)
}

fn prepare(profile: &Profile, dataset: &Arc<Dataset>) -> Result<SplitDataset> {
    SplitDataset::new(Arc::clone(dataset), &profile.data)?.tested(profile.train.test)
}

fn architecture(profile: &Profile, dataset: &Dataset) -> Result<Architecture> {
    let input = profile.data.input(dataset.shape());
    model::resolve(&profile.model, input, dataset.classes.len())
}

fn check_space(root: &Path, parameters: u64) -> Result<()> {
    let needed = BESIDES + parameters.saturating_mul(4 * COPIES * GENERATIONS);
    let Some(free) = free_space(root) else {
        return Ok(());
    };
    if free >= needed {
        return Ok(());
    }
    Err(Error::input(
        format!("workspace {}", root.display()),
        format!(
            "has {} free and the run may need {}",
            text::bytes(free),
            text::bytes(needed)
        ),
        "free some space or give another place with --workspace",
    ))
}

//! Everything that can be found wrong with a profile before anything is written: fields, layers, data, device, disk.

use std::path::Path;

use super::{Workspace, memory, pretrained};
use crate::data::{self, Dataset, Prepared};
use crate::error::{Error, Result};
use crate::model::architectures::{self, Rule};
use crate::model::{self, Architecture};
use crate::nn;
use crate::profile::{Backend, Profile};
use crate::text;
use crate::train::learners;

/// What a run needs on disk beside its checkpoints: log, predictions, profile.
const BESIDES: u64 = 64 << 20;

/// Two generations and the one being written; and in the place of a fourth the best weights that these name, and the last.
const GENERATIONS: u64 = 4;

/// Weights, two moments and an average.
const COPIES: u64 = 4;

/// Checks a profile against this workspace and this machine; loads the data set to do so.
///
/// # Errors
/// `Input` naming what does not fit; nothing has been written.
pub fn check(workspace: &Workspace, profile: &Profile) -> Result<()> {
    let architecture = check_network(workspace, profile)?;
    let Some(found) = pretrained::load(workspace, &profile.model)? else {
        return Ok(());
    };
    let heads = model::freeze::head(&architecture);
    let settings = &profile.model;
    let fresh = architecture.zeros();
    model::pretrained::fit(
        &settings.pretrained,
        fresh,
        found,
        &heads,
        settings.keep_head,
    )
    .map(drop)
}

/// Checks that there is memory for a run; what to say where it is tight. Loads the data set to do so.
///
/// # Errors
/// `Input` when it needs more than there is, unless it is forced; as [`check`] for what else is wrong.
pub fn check_memory(
    workspace: &Workspace,
    profile: &Profile,
    force: bool,
) -> Result<Option<String>> {
    // A GPU has memory of its own.
    let is_on_cpu =
        !cfg!(any(feature = "cuda", feature = "metal")) || profile.train.device == "cpu";
    let Some(limits) = memory::Limits::here().filter(|_| is_on_cpu) else {
        return Ok(None);
    };
    let needed = needed_memory(workspace, profile)?;
    memory::check(profile.train.batch_size, &limits, force, &needed)
}

/// The memory that a run of this profile will take, about, for a batch size. Loads the data set.
///
/// # Errors
/// As [`check`].
pub fn needed_memory(
    workspace: &Workspace,
    profile: &Profile,
) -> Result<impl Fn(usize) -> Result<u64> + use<>> {
    profile.validate()?;
    let dataset = data::source::load(&profile.data.name, &workspace.search_path())?;
    let size = memory::Data::of(&dataset);
    let architecture = resolve(profile, dataset)?;
    let mut profile = profile.clone();
    if profile.train.threads == 0 {
        profile.train.threads = std::thread::available_parallelism().map_or(1, usize::from);
    }
    Ok(move |batch: usize| {
        let mut profile = profile.clone();
        // No batch is larger than the set.
        profile.train.batch_size = batch.min(size.training).max(1);
        memory::needed(&profile, &architecture, &size)
    })
}

/// What can be checked before the weights to begin with are here; gives the network.
///
/// # Errors
/// As [`check`].
pub fn check_network(workspace: &Workspace, profile: &Profile) -> Result<Architecture> {
    profile.validate()?;
    let dataset = data::source::load(&profile.data.name, &workspace.search_path())?;
    let classes = dataset.classes.len();
    let architecture = resolve(profile, dataset)?;
    check_frozen(profile, &architecture)?;
    // Opening a GPU takes seconds and memory: that is left to the worker. Without one compiled in, a wrong name shows here.
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        nn::device::select(&profile.train.device)?;
    }
    if profile.train.backend == Backend::Plan {
        learners::build(profile, &architecture, classes)?;
    }
    let parameters = model::summary::summarise(&architecture).parameters;
    check_space(&workspace.root, parameters)?;
    Ok(architecture)
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
    model::rates::check(architecture, &profile.train.lr_multipliers)
}

/// The architecture a profile comes to on its data.
///
/// # Errors
/// `Input` naming the wrong layer or field.
pub fn resolve(profile: &Profile, dataset: Dataset) -> Result<Architecture> {
    let classes = dataset.classes.len();
    let input = profile.data.input(dataset.height, dataset.width);
    // What else of `[data]` does not fit the set is found so.
    Prepared::new(std::sync::Arc::new(dataset), &profile.data)?.tested(profile.train.test)?;
    model::resolve(&profile.model, input, classes)
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

/// Bytes this user may still write where `path` lies or will lie; `None` where the system does not tell.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|p| p.exists())?;
    let found = rustix::fs::statvfs(existing).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

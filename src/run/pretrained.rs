//! Where a run's first weights come from: a file, another run or the hub, found and pinned when the run begins.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::{Workspace, weights};
use crate::error::{Error, Result};
use crate::model::pretrained::catalog::known;
use crate::model::pretrained::{Found, file};
use crate::model::{self, Architecture};
use crate::net::DownloadProgress;
use crate::net::hub::{Cached, Fits, Part, Reference, SCHEME};
use crate::profile::{Head, Model};
use crate::state::{self, Shapes};
use crate::storage;
use crate::train::checkpoint;

/// How `model.pretrained` names another run.
pub(super) const RUN: &str = "run:";

/// Whether a profile begins with weights from the hub.
#[must_use]
pub(crate) fn is_on_hub(model: &Model) -> bool {
    model.pretrained.starts_with(SCHEME)
}

/// Fetches the weights that a profile names on the hub, where they are not in the cache, and pins their commit; does
/// nothing for others. Where `network` is given, nothing is fetched that does not fit it. Blocks; cancels within a
/// second.
///
/// # Errors
/// As [`Hub::fetch`](crate::net::hub::Hub::fetch), and `Input` when they do not fit.
pub(crate) fn fetch(
    workspace: &Workspace,
    model: &mut Model,
    network: Option<&Architecture>,
    progress: &mut dyn FnMut(DownloadProgress),
    cancel: &AtomicBool,
) -> Result<()> {
    if !is_on_hub(model) {
        return Ok(());
    }
    let reference = Reference::parse(&model.pretrained)?;
    let fits = network.map(|network| {
        let (own, head) = (
            state::shapes(&network.zeros()),
            model::freeze::head(network),
        );
        let (name, keep_head) = (reference.to_string(), model.keep_head);
        move |found: &Shapes| {
            model::pretrained::pair(&name, &own, found, &head, keep_head).map(drop)
        }
    });
    let fits = fits.as_ref().map(|fits| fits as &Fits<'_>);
    let hub = workspace.hub();
    let cached = hub.fetch_fitting(&reference, part(model), fits, progress, cancel)?;
    model.pretrained = reference.at(&cached.source.commit).to_string();
    Ok(())
}

/// What lies in the cache for a profile that names the hub, without a look into it.
#[must_use]
pub(crate) fn cached(workspace: &Workspace, model: &Model) -> Option<Cached> {
    let reference = Reference::parse(&model.pretrained).ok()?;
    workspace.hub().cache.look(&reference, part(model))
}

/// Whether only a part of a file on the hub is fetched.
pub(super) fn takes_part(model: &Model) -> bool {
    is_on_hub(model) && part(model) != Part::Whole
}

/// What of a file on the hub a network takes: where a VGG has none of the original's hidden layers, most of the file is
/// of no use.
fn part(model: &Model) -> Part {
    let own_head = model.head == Some(Head::Linear) && !model.keep_head;
    if model.architecture.starts_with("vgg") && own_head {
        Part::Named("features.")
    } else {
        Part::Whole
    }
}

/// Reads the weights that a profile names, and writes down where they are and their SHA-256, so that the run can be
/// made again with the same.
///
/// # Errors
/// `Input` when there are none, others than when the profile was pinned, or no file of weights; `Io` when they cannot
/// be read.
pub(crate) fn pin(workspace: &Workspace, model: &mut Model) -> Result<Option<Found>> {
    let Some((path, bytes)) = read(workspace, model)? else {
        return Ok(None);
    };
    let hash = storage::sha256(&bytes);
    check(model, &path, &hash)?;
    model.pretrained_sha256 = hash;
    model.pretrained = if let Some(run) = model.pretrained.strip_prefix(RUN) {
        format!("{RUN}{}", workspace.resolve(run)?)
    } else if is_on_hub(model) {
        model.pretrained.clone()
    } else {
        pinned_path(workspace, &path)?.display().to_string()
    };
    file::parse_named(&bytes, &path).map(Some)
}

/// How a profile names a file of weights: below the workspace's own directory for them by its path there, which another
/// machine has too, else by its absolute path.
fn pinned_path(workspace: &Workspace, path: &Path) -> Result<PathBuf> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| Error::io("find", path, e));
    let path = absolute(path)?;
    let short = path
        .strip_prefix(absolute(&workspace.weights_dir())?)
        .ok()
        // A file of that name in the working directory would be taken before it.
        .filter(|short| !short.is_file());
    Ok(short.unwrap_or(&path).to_path_buf())
}

/// The weights that a profile names, if it names some.
///
/// # Errors
/// As [`pin`].
pub(crate) fn load(workspace: &Workspace, model: &Model) -> Result<Option<Found>> {
    let Some((path, bytes)) = read(workspace, model)? else {
        return Ok(None);
    };
    check(model, &path, &storage::sha256(&bytes))?;
    file::parse_named(&bytes, &path).map(Some)
}

/// The file with the weights that a profile names, and its bytes; those of a run are held to what was recorded of them.
fn read(workspace: &Workspace, model: &Model) -> Result<Option<(PathBuf, Vec<u8>)>> {
    if let Some(run) = model.pretrained.strip_prefix(RUN) {
        let kept = weights::to_begin_with(workspace, &workspace.resolve(run)?)?;
        return Ok(Some((kept.path, kept.bytes)));
    }
    let Some(path) = find(workspace, model)? else {
        return Ok(None);
    };
    let bytes = file::bytes(&path)?;
    Ok(Some((path, bytes)))
}

/// The file with the weights that a profile names, if it names some, without a look into it.
///
/// # Errors
/// `Input` when it is not there.
pub(super) fn find(workspace: &Workspace, model: &Model) -> Result<Option<PathBuf>> {
    let named = model.pretrained.as_str();
    if named.is_empty() {
        return Ok(None);
    }
    if named.starts_with(SCHEME) {
        let reference = Reference::parse(named)?;
        let cached = workspace.hub().cache.find(&reference, part(model))?;
        return match cached {
            Some(cached) => Ok(Some(cached.path)),
            None => Err(Error::input(
                "model.pretrained",
                format!("{reference} has not been downloaded"),
                format!("download it with: fmtui weights fetch {reference}"),
            )),
        };
    }
    let Some(run) = named.strip_prefix(RUN) else {
        let weights = workspace.weights_dir();
        let mut places = vec![storage::expand_home(Path::new(named)), weights.join(named)];
        // A profile from elsewhere names a path that may not be here; what has that name is held to the SHA-256.
        if let Some(name) = Path::new(named).file_name()
            && !model.pretrained_sha256.is_empty()
        {
            places.push(weights.join(name));
        }
        return match places.into_iter().find(|path| storage::is_there(path)) {
            Some(path) => Ok(Some(path)),
            None if named.contains("huggingface.co/") => Err(Error::input(
                "model.pretrained",
                format!("{named} is a URL"),
                format!("write {SCHEME}OWNER/NAME for weights on the hub"),
            )),
            None => Err(Error::input(
                "model.pretrained",
                format!("there is no file {named}"),
                format!(
                    "put it into {}{}, or give the path of a .safetensors, .pth, .pt or .th file, run:ID, or {SCHEME}OWNER/NAME for weights on the hub",
                    weights.display(),
                    known(named).map_or_else(String::new, |k| format!(" (by {})", k.trained_by))
                ),
            )),
        };
    };
    let id = workspace.resolve(run)?;
    let directory = workspace.run_dir(&id);
    let found = [checkpoint::BEST, checkpoint::LAST].map(|name| directory.join(name));
    match found.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(Some(path)),
        None => Err(Error::input(
            "model.pretrained",
            format!("run {id} has no weights yet"),
            "choose a run that has finished an epoch",
        )),
    }
}

fn check(model: &Model, path: &Path, hash: &str) -> Result<()> {
    if model.pretrained_sha256.is_empty() || model.pretrained_sha256 == hash {
        return Ok(());
    }
    Err(Error::input(
        "model.pretrained",
        format!(
            "{} has the SHA-256 {}…, and the profile was made with {}…",
            path.display(),
            &hash[..12],
            model.pretrained_sha256.chars().take(12).collect::<String>()
        ),
        "give the file it was made with, or remove model.pretrained_sha256",
    ))
}

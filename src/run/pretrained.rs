//! Where a run's first weights come from: a file or another run, found and pinned when the run begins.

use std::path::{Path, PathBuf};

use super::Workspace;
use crate::error::{Error, Result};
use crate::model::pretrained::file;
use crate::profile::Model;
use crate::state::StateDict;
use crate::storage;
use crate::train::checkpoint;

/// How `model.pretrained` names another run.
const RUN: &str = "run:";

/// Finds the weights that a profile names, and writes down where they are and their SHA-256, so that the run can be made
/// again with the same.
///
/// # Errors
/// `Input` when there are none, or others than when the profile was pinned; `Io` when they cannot be read.
pub fn pin(workspace: &Workspace, model: &mut Model) -> Result<()> {
    let Some(path) = find(workspace, model)? else {
        return Ok(());
    };
    let hash = storage::sha256(&file::bytes(&path)?);
    check(model, &path, &hash)?;
    model.pretrained_sha256 = hash;
    model.pretrained = if let Some(run) = model.pretrained.strip_prefix(RUN) {
        format!("{RUN}{}", workspace.resolve(run)?)
    } else {
        let path = std::path::absolute(&path).map_err(|e| Error::io("find", &path, e))?;
        path.display().to_string()
    };
    Ok(())
}

/// The weights that a profile names, if it names some.
///
/// # Errors
/// As [`pin`], and `Input` when the file is no file of weights.
pub fn load(workspace: &Workspace, model: &Model) -> Result<Option<StateDict>> {
    let Some(path) = find(workspace, model)? else {
        return Ok(None);
    };
    let bytes = file::bytes(&path)?;
    check(model, &path, &storage::sha256(&bytes))?;
    file::parse_named(&bytes, &path).map(Some)
}

fn find(workspace: &Workspace, model: &Model) -> Result<Option<PathBuf>> {
    let named = model.pretrained.as_str();
    if named.is_empty() {
        return Ok(None);
    }
    let Some(run) = named.strip_prefix(RUN) else {
        let path = PathBuf::from(named);
        if path.is_file() {
            return Ok(Some(path));
        }
        return Err(Error::input(
            "model.pretrained",
            format!("there is no file {named}"),
            "give the path of a .safetensors, .pth, .pt or .th file, or run:ID",
        ));
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

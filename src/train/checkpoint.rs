//! Checkpoints: generations `state-<step>/` that hold everything a resume needs, and the best weights ([`kept`]).
//!
//! A generation is written beside its place, synced, and renamed in as a whole; its manifest holds length and SHA-256
//! of every file. The two newest are kept; an older one goes only after a newer one was read back and verified. Those
//! of later steps than the one just saved are of a history that was given up, and go too.

pub(crate) mod kept;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Array, StateDict};
use crate::error::{Error, Result};
use crate::profile::{EpochRecord, FORMAT, Intervention};
use crate::storage;

/// The weights with the best held-out accuracy: a link to the file that [`kept`] has of them.
pub const BEST: &str = "best.safetensors";
/// The weights at the end.
pub const LAST: &str = "last.safetensors";

const STATE_FILE: &str = "state.safetensors";
const PROGRESS_FILE: &str = "progress.json";
const MANIFEST_FILE: &str = "manifest.json";
/// **Units** bytes of the longest manifest that is read; the other files of a generation have the length it says.
const LONGEST_MANIFEST: u64 = 1 << 20;
const KEPT: usize = 2;

/// Where a run stands, beyond its learner's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// The format of profiles when it was written, which its recipe's digest is taken over; the first ones do not say.
    #[serde(default = "first_format")]
    pub format: u32,
    /// Steps taken.
    pub step: u64,
    /// Finished epochs.
    pub epoch: usize,
    /// Batches done of the epoch under way.
    pub batch: usize,
    /// Sums over the epoch under way.
    #[serde(deserialize_with = "crate::metrics::figure")]
    pub epoch_loss: f64,
    pub epoch_correct: u64,
    #[serde(alias = "epoch_pictures")]
    pub epoch_images: u64,
    #[serde(deserialize_with = "crate::metrics::figure")]
    pub epoch_seconds: f64,
    /// Training time, features of frozen layers included, pauses and evaluation left out.
    #[serde(deserialize_with = "crate::metrics::figure")]
    pub elapsed_seconds: f64,
    /// The learning rate is the schedule's times this.
    #[serde(deserialize_with = "crate::metrics::figure")]
    pub learning_rate_factor: f64,
    pub best: Option<Best>,
    /// Best value so far of what early stopping monitors, and epochs since it improved.
    pub monitored: Option<f64>,
    pub stale_epochs: usize,
    /// Training time of the finished epochs, without the features of frozen layers.
    #[serde(default, deserialize_with = "crate::metrics::figure")]
    pub training_seconds: f64,
    pub interventions: Vec<Intervention>,
    /// What is frozen, as `model.freeze` says it; older checkpoints do not say.
    #[serde(default)]
    pub frozen: Option<String>,
    /// Why training ended before all epochs were done, empty where it has not; older checkpoints do not say.
    #[serde(default)]
    pub early: Option<String>,
    /// Bytes of the event log when this was written.
    pub log_length: u64,
    /// Only read: the first format has the epochs here, which are in the log.
    #[serde(default, skip_serializing)]
    pub history: Vec<EpochRecord>,
    /// SHA-256 of the recipe's TOML, of `format`, and of the data set: a resume must use the same.
    pub recipe_sha256: String,
    pub data_sha256: String,
    pub version: String,
}

fn first_format() -> u32 {
    1
}

/// The best epoch so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub epoch: usize,
    #[serde(deserialize_with = "crate::metrics::figure")]
    pub accuracy: f64,
    #[serde(deserialize_with = "crate::metrics::figure")]
    pub loss: f64,
    /// SHA-256 of the file with its weights.
    pub file_sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    files: Vec<ManifestFile>,
}

#[derive(Serialize, Deserialize)]
struct ManifestFile {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Arrays as safetensors bytes, in name order.
///
/// # Errors
/// `Compute` when a shape does not match its values.
pub fn to_safetensors(state: &StateDict, note: &str) -> Result<Vec<u8>> {
    let failed = |e: safetensors::SafeTensorError| Error::compute("packing a checkpoint", e);
    let bytes: Vec<(&String, &Array, Vec<u8>)> = state
        .iter()
        .map(|(name, array)| (name, array, little_endian(&array.values)))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, array, bytes)| {
            Ok((
                name.as_str(),
                TensorView::new(Dtype::F32, array.shape.clone(), bytes)?,
            ))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let metadata = HashMap::from([("fmtui".to_string(), note.to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(failed)
}

/// Safetensors bytes as arrays.
///
/// # Errors
/// `Input` naming `source` when the bytes are not a safetensors file of f32 arrays.
pub fn from_safetensors(bytes: &[u8], source: &Path) -> Result<StateDict> {
    let bad = |problem: String| {
        Error::input(
            source.display().to_string(),
            problem,
            "use another checkpoint of the run",
        )
    };
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| bad(format!("is not a safetensors file ({e})")))?;
    file.iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(bad(format!("{name} is {:?}, not F32", view.dtype())));
            }
            let values = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect();
            Ok((
                name.to_string(),
                Array {
                    shape: view.shape().to_vec(),
                    values,
                },
            ))
        })
        .collect()
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// SHA-256 over names, shapes and bits of some arrays.
#[must_use]
pub fn state_sha256(state: &StateDict) -> String {
    let mut hasher = Sha256::new();
    for (name, array) in state {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        for dimension in &array.shape {
            hasher.update((*dimension as u64).to_le_bytes());
        }
        hasher.update(little_endian(&array.values));
    }
    storage::hex(&hasher.finalize())
}

/// Writes a generation and removes those no longer needed.
///
/// # Errors
/// `Io`; earlier generations are untouched then.
pub fn save(directory: &Path, state: &StateDict, progress: &TrainingProgress) -> Result<()> {
    let place = generation(directory, progress.step);
    let mut partial = place.clone();
    partial.set_extension("partial");
    let written = write_generation(&partial, state, progress).and_then(|()| {
        if place.exists() {
            // The same step saved again: the old one goes aside first, so that one of the two is always whole.
            let mut old = place.clone();
            old.set_extension("old");
            remove(&old)?;
            fs::rename(&place, &old).map_err(|e| Error::io("replace", &place, e))?;
        }
        fs::rename(&partial, &place).map_err(|e| Error::io("write", &place, e))?;
        storage::sync_directory(directory).map_err(|e| Error::io("write", directory, e))
    });
    if let Err(error) = written {
        // What is half written is worthless; that it cannot be removed either would say nothing new.
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    if read_generation(&place).is_ok() {
        remove(&place.with_extension("old"))?;
        let (later, found): (Vec<_>, Vec<_>) = generations(directory)
            .into_iter()
            .partition(|(step, _)| *step > progress.step);
        for (_, path) in later.into_iter().chain(found.into_iter().skip(KEPT)) {
            remove(&path)?;
        }
        kept::sweep(directory, progress.best.as_ref());
    }
    Ok(())
}

fn generation(directory: &Path, step: u64) -> PathBuf {
    directory.join(format!("state-{step:010}"))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

fn write_generation(partial: &Path, state: &StateDict, progress: &TrainingProgress) -> Result<()> {
    remove(partial)?;
    fs::create_dir_all(partial).map_err(|e| Error::io("create", partial, e))?;
    let json = |e: serde_json::Error| Error::compute("packing a checkpoint", e);
    let files = [
        (STATE_FILE, to_safetensors(state, "state")?),
        (
            PROGRESS_FILE,
            serde_json::to_vec_pretty(progress).map_err(json)?,
        ),
    ];
    let manifest = Manifest {
        files: files
            .iter()
            .map(|(name, bytes)| ManifestFile {
                name: (*name).to_string(),
                bytes: bytes.len() as u64,
                sha256: storage::sha256(bytes),
            })
            .collect(),
    };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(json)?;
    for (name, bytes) in files
        .iter()
        .map(|(n, b)| (*n, b))
        .chain([(MANIFEST_FILE, &manifest)])
    {
        let path = partial.join(name);
        storage::write_synced(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
    }
    storage::sync_directory(partial).map_err(|e| Error::io("write", partial, e))
}

/// Leaves only the newest generation that verifies, to make room for the next. Where none does, nothing goes.
///
/// # Errors
/// `Io` when one cannot be removed.
pub fn make_room(directory: &Path) -> Result<()> {
    let found = generations(directory);
    let Some((_, newest)) = found.iter().find(|(_, path)| read_generation(path).is_ok()) else {
        return Ok(());
    };
    found
        .iter()
        .filter(|(_, path)| path != newest)
        .try_for_each(|(_, path)| remove(path))
}

/// Whether a run has ever saved its state; what was saved may still be broken.
#[must_use]
pub fn exists(directory: &Path) -> bool {
    !generations(directory).is_empty()
}

/// The generations of a run, newest first.
fn generations(directory: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|e| {
            let name = e.file_name().into_string().ok()?;
            let step = name
                .strip_prefix("state-")?
                .trim_end_matches(".old")
                .parse()
                .ok()?;
            Some((step, e.path()))
        })
        .collect();
    // Of one step the old one comes last: it stands for the new one only where that is not there yet.
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found
}

/// What [`load_newest`] found.
pub struct Loaded {
    pub state: StateDict,
    pub progress: TrainingProgress,
    /// Generations that were newer but broken, with the reason; for a warning.
    pub skipped: Vec<String>,
}

/// The newest generation that verifies.
///
/// # Errors
/// `Input` when there is none, with what is wrong with each.
pub fn load_newest(directory: &Path) -> Result<Loaded> {
    let mut skipped = Vec::new();
    for (_, path) in generations(directory) {
        match read_generation(&path) {
            Ok((state, progress)) => {
                return Ok(Loaded {
                    state,
                    progress,
                    skipped,
                });
            }
            Err(error) => skipped.push(error.to_string()),
        }
    }
    let problem = if skipped.is_empty() {
        "has no checkpoint yet".to_string()
    } else {
        format!("has no valid checkpoint ({})", skipped.join("; "))
    };
    Err(Error::input(
        directory.display().to_string(),
        problem,
        "train the profile again from the start",
    ))
}

/// Where the newest generation stands whose progress verifies; its state is not looked at.
#[must_use]
pub fn newest_progress(directory: &Path) -> Option<TrainingProgress> {
    let mut found = generations(directory).into_iter();
    found.find_map(|(_, path)| Generation::open(&path).ok()?.progress().ok())
}

/// The generation of an epoch's end, where it was kept and verifies.
#[must_use]
pub fn at_epoch(directory: &Path, epoch: usize) -> Option<(PathBuf, TrainingProgress)> {
    generations(directory).into_iter().find_map(|(_, path)| {
        let (_, progress) = read_generation(&path).ok()?;
        (progress.epoch == epoch && progress.batch == 0).then_some((path, progress))
    })
}

/// Copies a generation of one run into the directory of another, with the files of the best epoch that it names.
///
/// # Errors
/// `Io` when a file cannot be read or written.
pub fn copy(from: &Path, to: &Path, generation: &Path, progress: &TrainingProgress) -> Result<()> {
    let name = generation.file_name().unwrap_or_default();
    let name = name.to_str().unwrap_or_default().trim_end_matches(".old");
    let place = to.join(name);
    fs::create_dir_all(&place).map_err(|e| Error::io("create", &place, e))?;
    for file in [STATE_FILE, PROGRESS_FILE, MANIFEST_FILE] {
        copy_file(&generation.join(file), &place.join(file))?;
    }
    if let Some(best) = &progress.best {
        kept::copy(from, to, &best.file_sha256)?;
    }
    Ok(())
}

/// Removes every generation.
///
/// # Errors
/// `Io` when one cannot be removed.
pub fn forget(directory: &Path) -> Result<()> {
    let mut found = generations(directory).into_iter();
    found.try_for_each(|(_, path)| remove(&path))
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    // A file that went meanwhile is missed when the copy is verified.
    match fs::copy(from, to) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("copy", from, e)),
        _ => Ok(()),
    }
}

fn read_generation(path: &Path) -> Result<(StateDict, TrainingProgress)> {
    let generation = Generation::open(path)?;
    let progress = generation.progress()?;
    let state = from_safetensors(&generation.verified(STATE_FILE)?, path)?;
    Ok((state, progress))
}

/// A generation on disk, of which nothing is read that is not what its manifest says.
struct Generation<'a> {
    path: &'a Path,
    manifest: Manifest,
}

impl<'a> Generation<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let manifest = serde_json::from_slice(&read(path, MANIFEST_FILE, LONGEST_MANIFEST)?)
            .map_err(|e| broken(path, format!("manifest: {e}")))?;
        Ok(Self { path, manifest })
    }

    fn progress(&self) -> Result<TrainingProgress> {
        let mut progress: TrainingProgress = serde_json::from_slice(&self.verified(PROGRESS_FILE)?)
            .map_err(|e| broken(self.path, format!("{PROGRESS_FILE}: {e}")))?;
        progress.training_seconds += progress.history.drain(..).map(|e| e.seconds).sum::<f64>();
        if progress.format > FORMAT {
            let problem = format!("has format {} of a newer fmtui", progress.format);
            return Err(broken(self.path, problem));
        }
        Ok(progress)
    }

    fn verified(&self, name: &str) -> Result<Vec<u8>> {
        let mut files = self.manifest.files.iter();
        let expected = files
            .find(|f| f.name == name)
            .ok_or_else(|| broken(self.path, format!("manifest lacks {name}")))?;
        let bytes = read(self.path, name, expected.bytes)?;
        if bytes.len() as u64 != expected.bytes || storage::sha256(&bytes) != expected.sha256 {
            return Err(broken(self.path, format!("{name} is corrupt")));
        }
        Ok(bytes)
    }
}

fn read(generation: &Path, name: &str, most: u64) -> Result<Vec<u8>> {
    let file = generation.join(name);
    storage::read(&file, most).map_err(|e| Error::io("read", file, e))
}

fn broken(generation: &Path, problem: String) -> Error {
    Error::input(
        generation.display().to_string(),
        problem,
        "use another checkpoint of the run",
    )
}

#[cfg(test)]
mod tests;

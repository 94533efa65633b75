//! The best epoch's files: its weights and what they predicted, each with the weights' digest in its name, and a link
//! to each.
//!
//! `best-<D>.safetensors` and `predictions-best-<D>.bin`, where `<D>` are the first digits of the SHA-256 of the file
//! with the weights; `best.safetensors` and `predictions-best.bin` are links to them for people, set last. A file goes
//! only when neither the run nor a saved generation names it: who goes on from a generation finds that generation's
//! best epoch, whatever came after it. Nothing is read that is not what was recorded. fmtui 0.1 wrote plain files in
//! the links' places.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BEST, Best, LAST, PROGRESS_FILE, TrainingProgress, generations, to_safetensors};
use crate::error::{Error, Result};
use crate::metrics::predictions::{self, Predictions};
use crate::model::pretrained::file;
use crate::state::StateDict;
use crate::storage;

/// Digits of a digest that stand in a file's name: as many as no two files of a run have in common.
const DIGITS: usize = 16;

/// **Units** bytes of the longest progress that is read: that of a million epochs.
const LONGEST_PROGRESS: u64 = 1 << 30;

const WEIGHTS: [&str; 2] = ["best-", ".safetensors"];
const PREDICTIONS: [&str; 2] = ["predictions-best-", ".bin"];

/// The best weights of an epoch as the bytes of their file.
///
/// # Errors
/// `Compute` when a shape does not match its values.
pub(crate) fn pack(weights: &StateDict, epoch: usize) -> Result<Vec<u8>> {
    to_safetensors(weights, &format!("best, epoch {epoch}"))
}

/// Writes the weights, which have this digest, under their own name; no link says so yet.
///
/// # Errors
/// `Io`; whatever the links stand for is untouched then.
pub(crate) fn write(directory: &Path, sha256: &str, bytes: &[u8]) -> Result<()> {
    storage::commit(&named(directory, WEIGHTS, sha256), bytes)
}

/// What the file is called that holds the predictions of the weights with this digest.
#[must_use]
pub(crate) fn predictions_name(sha256: &str) -> String {
    name(PREDICTIONS, sha256)
}

/// Sets the links to the files of the weights with this digest. Where there are no predictions of theirs, there is no
/// link to any.
///
/// # Errors
/// `Io`; a link that could not be set is what it was.
pub(crate) fn point(directory: &Path, sha256: &str) -> Result<()> {
    let (link, predictions) = (
        directory.join(predictions::BEST),
        named(directory, PREDICTIONS, sha256),
    );
    if predictions.is_file() {
        storage::link(&link, &predictions)?;
    } else {
        storage::remove(&link)?;
    }
    storage::link(&directory.join(BEST), &named(directory, WEIGHTS, sha256))
}

/// The bytes of the weights with this digest; `None` where they are gone or damaged.
///
/// # Errors
/// `Io` when they are there and cannot be read.
pub(crate) fn read(directory: &Path, sha256: &str) -> Result<Option<Vec<u8>>> {
    for path in [named(directory, WEIGHTS, sha256), directory.join(BEST)] {
        let bytes = match file::bytes(&path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                continue;
            }
            other => other?,
        };
        if storage::sha256(&bytes) == sha256 {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Copies the files of the weights with this digest into the directory of another run.
///
/// # Errors
/// `Io` when one cannot be read or written.
pub(super) fn copy(from: &Path, to: &Path, sha256: &str) -> Result<()> {
    for of in [WEIGHTS, PREDICTIONS] {
        super::copy_file(&named(from, of, sha256), &named(to, of, sha256))?;
    }
    Ok(())
}

/// Whether a file with this digest is one that was written here, by its name.
#[must_use]
pub(crate) fn is_named(directory: &Path, sha256: &str) -> bool {
    named(directory, WEIGHTS, sha256).is_file()
}

/// The file of the weights with this digest; where there is none, the link that should lead to it.
#[must_use]
pub(crate) fn weights_file(directory: &Path, sha256: &str) -> PathBuf {
    let own = named(directory, WEIGHTS, sha256);
    if own.is_file() {
        own
    } else {
        directory.join(BEST)
    }
}

/// Sets the links to the best epoch that a run's progress names, as it must be where a run goes on from a generation.
/// `weights` are those of that progress: where the best ones are gone or damaged, and these are they, they are written
/// again. False where they are lost: no link stands then for what was not recorded.
///
/// # Errors
/// `Io` when a file cannot be read or a link not be set; `Compute` when the device fails.
pub(crate) fn restore(
    directory: &Path,
    progress: &TrainingProgress,
    weights: impl FnOnce() -> Result<StateDict>,
) -> Result<bool> {
    let Some(best) = &progress.best else {
        unlink(directory)?;
        return Ok(true);
    };
    let sha256 = best.file_sha256.as_str();
    let mut found = read(directory, sha256)?;
    if found.is_none() && best.epoch == progress.epoch && progress.batch == 0 {
        let again = pack(&weights()?, best.epoch)?;
        found = (storage::sha256(&again) == sha256).then_some(again);
    }
    let Some(bytes) = found else {
        unlink(directory)?;
        return Ok(false);
    };
    let path = named(directory, WEIGHTS, sha256);
    if !file::bytes(&path).is_ok_and(|there| there == bytes) {
        write(directory, sha256, &bytes)?;
    }
    take_up_predictions(directory, best)?;
    point(directory, sha256)?;
    Ok(true)
}

/// Gives a plain file of 0.1's the name that says whose predictions it holds, where it is of the best epoch.
fn take_up_predictions(directory: &Path, best: &Best) -> Result<()> {
    let plain = directory.join(predictions::BEST);
    let path = named(directory, PREDICTIONS, &best.file_sha256);
    if plain.is_symlink() || path.is_file() || epoch_of(&plain) != Some(best.epoch) {
        return Ok(());
    }
    fs::rename(&plain, &path).map_err(|e| Error::io("write", &path, e))
}

fn epoch_of(predictions: &Path) -> Option<usize> {
    let found =
        Predictions::decode(&storage::read(predictions, predictions::LARGEST).ok()?).ok()?;
    usize::try_from(found.epoch).ok()
}

fn unlink(directory: &Path) -> Result<()> {
    storage::remove(&directory.join(BEST))?;
    storage::remove(&directory.join(predictions::BEST))
}

/// Removes what later epochs than this, and an end, have left of a history that is given up.
///
/// # Errors
/// `Io` naming what cannot be removed.
pub(crate) fn give_up_after(directory: &Path, epoch: usize) -> Result<()> {
    storage::remove(&directory.join(LAST))?;
    storage::remove(&directory.join(predictions::TEST))?;
    let latest = directory.join(predictions::LATEST);
    match epoch_of(&latest) {
        Some(of) if of <= epoch => Ok(()),
        _ => storage::remove(&latest),
    }
}

/// Removes the files of best epochs that nothing names any more, and what was half written when a process died. What
/// cannot be removed now is removed another time.
pub(crate) fn sweep(directory: &Path, best: Option<&Best>) {
    let mut alive: HashSet<String> = best
        .map(|b| key(&b.file_sha256).into())
        .into_iter()
        .collect();
    for (_, generation) in generations(directory) {
        match best_of(&generation) {
            Ok(best) => alive.extend(best.map(|b| key(&b.file_sha256).into())),
            // It may name any of them.
            Err(_) => return,
        }
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let is_dead = [WEIGHTS, PREDICTIONS].into_iter().any(|[front, end]| {
            let key = name.strip_prefix(front).and_then(|n| n.strip_suffix(end));
            key.is_some_and(|key| key.len() == DIGITS && !alive.contains(key))
        });
        if is_dead || is_half_written(name) {
            let _ = fs::remove_file(entry.path());
        } else if name.starts_with("state-") && name.ends_with(storage::PARTIAL) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_half_written(name: &str) -> bool {
    let is_ours = ["best", "last", "predictions-"]
        .iter()
        .any(|front| name.starts_with(front));
    is_ours && name.ends_with(storage::PARTIAL)
}

/// The best epoch that a generation names.
fn best_of(generation: &Path) -> std::io::Result<Option<Best>> {
    #[derive(Deserialize)]
    struct Named {
        best: Option<Best>,
    }
    let json = storage::read(&generation.join(PROGRESS_FILE), LONGEST_PROGRESS)?;
    let named: Named = serde_json::from_slice(&json)?;
    Ok(named.best)
}

fn named(directory: &Path, of: [&str; 2], sha256: &str) -> PathBuf {
    directory.join(name(of, sha256))
}

fn name([front, end]: [&str; 2], sha256: &str) -> String {
    format!("{front}{}{end}", key(sha256))
}

/// The part of a digest that stands in names; what is no digest names no file.
fn key(sha256: &str) -> &str {
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
    if is_digest { &sha256[..DIGITS] } else { "none" }
}

#[cfg(test)]
mod tests {
    use super::super::{Array, load_newest, save};
    use super::*;

    fn weights(value: f32) -> StateDict {
        let array = Array {
            shape: vec![1],
            values: vec![value],
        };
        StateDict::from([("a.weight".into(), array)])
    }

    /// The progress at an epoch's end whose best epoch is `best`, with weights `best` as f32.
    fn progress(epoch: usize, best: usize) -> TrainingProgress {
        let bytes = pack(&weights(best as f32), best).unwrap();
        TrainingProgress {
            step: epoch as u64,
            epoch,
            best: Some(Best {
                epoch: best,
                file_sha256: storage::sha256(&bytes),
                ..Best::default()
            }),
            ..TrainingProgress::default()
        }
    }

    fn sha256(best: usize) -> String {
        progress(0, best).best.unwrap().file_sha256
    }

    /// An epoch that is the best so far.
    fn keep(directory: &Path, epoch: usize) {
        let bytes = pack(&weights(epoch as f32), epoch).unwrap();
        write(directory, &sha256(epoch), &bytes).unwrap();
        let predicted = Predictions {
            epoch: u32::try_from(epoch).unwrap(),
            ..Predictions::default()
        };
        storage::commit(
            &named(directory, PREDICTIONS, &sha256(epoch)),
            &predicted.encode(),
        )
        .unwrap();
        point(directory, &sha256(epoch)).unwrap();
        sweep(directory, progress(epoch, epoch).best.as_ref());
    }

    /// Whose weights and predictions the links stand for.
    fn linked(directory: &Path) -> (Option<String>, Option<usize>) {
        let bytes = fs::read(directory.join(BEST)).ok();
        (
            bytes.map(|b| storage::sha256(&b)),
            epoch_of(&directory.join(predictions::BEST)),
        )
    }

    fn is_there(directory: &Path, epoch: usize) -> bool {
        let both = [WEIGHTS, PREDICTIONS].map(|n| named(directory, n, &sha256(epoch)).is_file());
        assert_eq!(both[0], both[1]);
        both[0]
    }

    fn none() -> Result<StateDict> {
        panic!("nobody needs the weights")
    }

    #[test]
    fn a_best_epoch_stays_for_as_long_as_a_generation_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path();
        for epoch in 1..=7 {
            keep(directory, epoch);
            if [3, 5].contains(&epoch) {
                save(directory, &weights(0.0), &progress(epoch, epoch)).unwrap();
            }
        }
        let alive: Vec<usize> = (1..=7).filter(|e| is_there(directory, *e)).collect();
        assert_eq!(alive, [3, 5, 7]);
        assert_eq!(linked(directory), (Some(sha256(7)), Some(7)));

        // Epoch 7 was never saved: whoever goes on does so from epoch 5.
        let loaded = load_newest(directory).unwrap();
        assert!(restore(directory, &loaded.progress, none).unwrap());
        assert_eq!(linked(directory), (Some(sha256(5)), Some(5)));
        for epoch in [6, 8, 9] {
            save(directory, &weights(0.0), &progress(epoch, 5)).unwrap();
        }
        let alive: Vec<usize> = (1..=7).filter(|e| is_there(directory, *e)).collect();
        assert_eq!(alive, [5]);
        assert_eq!(linked(directory), (Some(sha256(5)), Some(5)));
    }

    #[test]
    fn a_generation_that_cannot_be_read_may_name_any() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), 1);
        save(dir.path(), &weights(0.0), &progress(1, 1)).unwrap();
        fs::write(
            super::super::generation(dir.path(), 1).join(PROGRESS_FILE),
            "{",
        )
        .unwrap();
        keep(dir.path(), 2);
        assert!(is_there(dir.path(), 1) && is_there(dir.path(), 2));
    }

    #[test]
    fn what_is_damaged_is_not_read_and_not_linked() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path();
        keep(directory, 2);
        let path = named(directory, WEIGHTS, &sha256(2));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 0x80;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(directory, &sha256(2)).unwrap(), None);
        // The run has gone on since: other weights are no help.
        let at_three = || Ok(weights(3.0));
        assert!(!restore(directory, &progress(3, 2), at_three).unwrap());
        assert!(!restore(directory, &progress(2, 2), at_three).unwrap());
        assert_eq!(linked(directory), (None, None));
        // It has not, and so the weights are still at hand.
        assert!(restore(directory, &progress(2, 2), || Ok(weights(2.0))).unwrap());
        assert_eq!(linked(directory), (Some(sha256(2)), Some(2)));
        // Gone is as good as damaged.
        fs::remove_file(&path).unwrap();
        assert!(!restore(directory, &progress(3, 2), at_three).unwrap());
        assert!(!directory.join(BEST).is_symlink());
    }

    #[test]
    fn plain_files_of_version_0_1_are_taken_up_where_they_are_what_was_recorded() {
        for (of, is_it) in [(2, true), (4, false)] {
            let dir = tempfile::tempdir().unwrap();
            let plain = |name: &str, bytes: &[u8]| {
                fs::write(dir.path().join(name), bytes).unwrap();
            };
            plain(BEST, &pack(&weights(of as f32), of).unwrap());
            let predicted = Predictions {
                epoch: u32::try_from(of).unwrap(),
                ..Predictions::default()
            };
            plain(predictions::BEST, &predicted.encode());
            let restored = restore(dir.path(), &progress(3, 2), || Ok(weights(3.0))).unwrap();
            assert_eq!(restored, is_it);
            let expected = if is_it {
                (Some(sha256(2)), Some(2))
            } else {
                (None, None)
            };
            assert_eq!(linked(dir.path()), expected);
            assert_eq!(is_there(dir.path(), 2), is_it);
        }
    }

    #[test]
    fn what_a_death_left_half_written_goes() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "best-0123456789abcdef.safetensors.7.partial",
            "best.safetensors.7.partial",
            "predictions-latest.bin.7.partial",
            "notes.partial",
        ] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join("state-0000000007.partial")).unwrap();
        keep(dir.path(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
        assert!(dir.path().join("notes.partial").exists());
    }

    #[test]
    fn what_is_given_up_leaves_the_epochs_before() {
        let dir = tempfile::tempdir().unwrap();
        let latest = dir.path().join(predictions::LATEST);
        for (epoch, stays) in [(5, true), (6, false)] {
            let predicted = Predictions {
                epoch,
                ..Predictions::default()
            };
            fs::write(&latest, predicted.encode()).unwrap();
            fs::write(dir.path().join(LAST), "x").unwrap();
            give_up_after(dir.path(), 5).unwrap();
            assert_eq!(latest.exists(), stays);
            assert!(!dir.path().join(LAST).exists());
        }
    }

    #[test]
    fn a_digest_that_is_none_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "../../x", "é".repeat(32).as_str()] {
            let path = named(dir.path(), WEIGHTS, name);
            assert_eq!(path.parent(), Some(dir.path()));
            assert_eq!(read(dir.path(), name).unwrap(), None);
        }
    }
}

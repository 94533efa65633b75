//! The weights that a run has kept, held to what was recorded of them. Nothing else is given out.

use std::path::{Path, PathBuf};

use super::Workspace;
use crate::error::{Error, Result};
use crate::model::pretrained::file;
use crate::profile::{Profile, Status};
use crate::storage;
use crate::train::checkpoint::{self, kept};

/// How often a link is followed whose file goes meanwhile, as a run's that has just found a better epoch.
const ATTEMPTS: u32 = 3;

/// Which weights of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Best,
    Last,
}

impl Which {
    #[must_use]
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Best => checkpoint::BEST,
            Self::Last => checkpoint::LAST,
        }
    }
}

/// The bytes of a file of weights.
#[derive(Debug)]
pub(crate) struct Kept {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    /// They are what was recorded; false where nothing was.
    pub is_verified: bool,
}

/// Weights of a run.
///
/// # Errors
/// `Input` when the run has none yet, or they are not what was recorded; `Io` when they cannot be read.
pub(crate) fn read(workspace: &Workspace, id: &str, which: Which) -> Result<Kept> {
    find(workspace, id, which)?.ok_or_else(|| {
        Error::input(
            format!("run {id}"),
            format!("has no {} yet", which.file_name()),
            "choose a run that has finished an epoch",
        )
    })
}

/// The weights that another run begins with: the best ones, or the last ones where there never were best ones.
///
/// # Errors
/// As [`read`].
pub(crate) fn to_begin_with(workspace: &Workspace, id: &str) -> Result<Kept> {
    for which in [Which::Best, Which::Last] {
        if let Some(kept) = find(workspace, id, which)? {
            return Ok(kept);
        }
    }
    Err(Error::input(
        "model.pretrained",
        format!("run {id} has no weights yet"),
        "choose a run that has finished an epoch",
    ))
}

fn find(workspace: &Workspace, id: &str, which: Which) -> Result<Option<Kept>> {
    // A record that cannot be read says nothing of the weights; the checkpoints do.
    let record = workspace.load(id).ok();
    let directory = workspace.run_dir(id);
    let path = directory.join(which.file_name());
    let file_of = |sha256: &str| match which {
        Which::Best => kept::weights_file(&directory, sha256),
        Which::Last => path.clone(),
    };
    let verified = |bytes| Kept {
        path: path.clone(),
        bytes,
        is_verified: true,
    };
    if let Some(sha256) = record.as_ref().and_then(|r| file_sha256(r, which)) {
        let found = match which {
            Which::Best => kept::read(&directory, sha256)?,
            Which::Last => bytes(&path)?.filter(|bytes| storage::sha256(bytes) == sha256),
        };
        return match found {
            Some(bytes) => Ok(Some(verified(bytes))),
            None => Err(damaged(&file_of(sha256), which)),
        };
    }
    // It has not ended, or 0.1 has trained it: the newest checkpoint says which its best weights are.
    let saved = (which == Which::Best)
        .then(|| checkpoint::newest_progress(&directory)?.best)
        .flatten()
        .map(|best| best.file_sha256);
    let Some(bytes) = bytes(&path)? else {
        let Some(sha256) = saved else {
            return Ok(None);
        };
        return match kept::read(&directory, &sha256)? {
            Some(bytes) => Ok(Some(verified(bytes))),
            None => Err(damaged(&file_of(&sha256), which)),
        };
    };
    let sha256 = storage::sha256(&bytes);
    let scored = record.as_ref().and_then(|r| weights_sha256(r, which));
    let is_verified = saved.as_ref() == Some(&sha256)
        // Newer than the newest checkpoint, it has its digest in its name.
        || (which == Which::Best && kept::is_named(&directory, &sha256))
        || scored.is_some_and(|scored| is_of(&bytes, &path, scored));
    if !is_verified && (saved.is_some() || scored.is_some()) {
        return Err(damaged(&path, which));
    }
    Ok(Some(Kept {
        path,
        bytes,
        is_verified,
    }))
}

/// The digest of the file, as the end of the run recorded it.
fn file_sha256(record: &Profile, which: Which) -> Option<&str> {
    let result = record.result.as_ref()?;
    let sha256 = match which {
        Which::Best => &result.best_file_sha256,
        Which::Last => &result.last_file_sha256,
    };
    Some(sha256.as_str()).filter(|sha256| !sha256.is_empty())
}

/// The digest of the weights themselves, where the final scores are theirs.
fn weights_sha256(record: &Profile, which: Which) -> Option<&str> {
    let is_finished = record.run.as_ref()?.status == Status::Finished;
    let scored = if record.data.validation == 0.0 {
        Which::Last
    } else {
        Which::Best
    };
    let sha256 = record.result.as_ref()?.weights_sha256.as_str();
    Some(sha256).filter(|sha256| is_finished && which == scored && !sha256.is_empty())
}

fn is_of(bytes: &[u8], path: &Path, weights_sha256: &str) -> bool {
    checkpoint::from_safetensors(bytes, path)
        .is_ok_and(|weights| checkpoint::state_sha256(&weights) == weights_sha256)
}

/// A file's bytes; `None` where it is not there.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    for _ in 0..ATTEMPTS {
        match file::bytes(path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

fn damaged(path: &Path, which: Which) -> Error {
    let is_there = |name: &str| path.with_file_name(name).exists();
    let remedy = match which {
        Which::Best if is_there(checkpoint::LAST) => {
            "take the last ones with `fmtui export --last`, or train the run again"
        }
        Which::Last if is_there(checkpoint::BEST) => {
            "take the best ones with `fmtui export`, or train the run again"
        }
        Which::Best | Which::Last => "resume it with `fmtui resume`, or train the run again",
    };
    Error::input(
        path.display().to_string(),
        "is missing, or not what was recorded",
        remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ResultRecord;
    use crate::train::{Array, StateDict};

    fn packed(value: f32) -> (StateDict, Vec<u8>) {
        let array = Array {
            shape: vec![1],
            values: vec![value],
        };
        let weights = StateDict::from([("a.weight".into(), array)]);
        let bytes = kept::pack(&weights, 1).unwrap();
        (weights, bytes)
    }

    struct Run {
        _dir: tempfile::TempDir,
        workspace: Workspace,
        id: String,
    }

    impl Run {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let workspace = Workspace::at(dir.path());
            let id = workspace.create(&Profile::new("lenet5")).unwrap();
            Self {
                _dir: dir,
                workspace,
                id,
            }
        }

        fn dir(&self) -> PathBuf {
            self.workspace.run_dir(&self.id)
        }

        fn finished(&self, result: ResultRecord) {
            let mut profile = self.workspace.load(&self.id).unwrap();
            profile.data.validation = 0.1;
            profile.run.as_mut().unwrap().status = Status::Finished;
            profile.result = Some(result);
            self.workspace.save(&profile).unwrap();
        }

        /// What is given out, and whether it was held to something; or why not.
        fn read(&self, which: Which) -> Result<(Vec<u8>, bool), String> {
            read(&self.workspace, &self.id, which)
                .map(|kept| (kept.bytes, kept.is_verified))
                .map_err(|e| e.to_string())
        }
    }

    #[test]
    fn what_the_record_names_is_given_out_and_nothing_else() {
        let run = Run::new();
        let none = run.read(Which::Best).unwrap_err();
        assert!(none.contains("has no best.safetensors yet"), "{none}");
        let ((_, one), (_, two)) = (packed(1.0), packed(2.0));
        let sha256 = storage::sha256(&one);
        for bytes in [&one, &two] {
            kept::write(&run.dir(), &storage::sha256(bytes), bytes).unwrap();
        }
        std::fs::write(run.dir().join(checkpoint::LAST), &one).unwrap();
        run.finished(ResultRecord {
            best_file_sha256: sha256.clone(),
            last_file_sha256: sha256.clone(),
            ..ResultRecord::default()
        });
        // The link stands for another epoch's, and for none.
        kept::point(&run.dir(), &storage::sha256(&two)).unwrap();
        assert_eq!(run.read(Which::Best), Ok((one.clone(), true)));
        std::fs::remove_file(run.dir().join(checkpoint::BEST)).unwrap();
        assert_eq!(run.read(Which::Best), Ok((one.clone(), true)));
        assert_eq!(run.read(Which::Last), Ok((one.clone(), true)));

        kept::write(&run.dir(), &sha256, &two).unwrap();
        std::fs::write(run.dir().join(checkpoint::LAST), &two).unwrap();
        for which in [Which::Best, Which::Last] {
            let refused = run.read(which).unwrap_err();
            assert!(refused.contains("not what was recorded"), "{refused}");
        }
    }

    #[test]
    fn a_run_under_way_gives_out_what_has_its_digest_in_its_name() {
        let run = Run::new();
        let ((_, one), (_, two)) = (packed(1.0), packed(2.0));
        let sha256 = storage::sha256(&one);
        kept::write(&run.dir(), &sha256, &one).unwrap();
        kept::point(&run.dir(), &sha256).unwrap();
        assert_eq!(run.read(Which::Best), Ok((one.clone(), true)));
        let progress = checkpoint::TrainingProgress {
            best: Some(checkpoint::Best {
                file_sha256: sha256.clone(),
                ..checkpoint::Best::default()
            }),
            ..checkpoint::TrainingProgress::default()
        };
        checkpoint::save(&run.dir(), &StateDict::new(), &progress).unwrap();
        std::fs::remove_file(run.dir().join(checkpoint::BEST)).unwrap();
        assert_eq!(run.read(Which::Best), Ok((one, true)));
        kept::write(&run.dir(), &sha256, &two).unwrap();
        assert!(run.read(Which::Best).is_err());
        kept::point(&run.dir(), &sha256).unwrap();
        assert!(run.read(Which::Best).is_err());
        assert!(to_begin_with(&run.workspace, &run.id).is_err());
    }

    #[test]
    fn records_of_version_0_1_name_the_weights_that_were_scored() {
        let run = Run::new();
        let ((weights, one), (_, two)) = (packed(1.0), packed(2.0));
        run.finished(ResultRecord {
            weights_sha256: checkpoint::state_sha256(&weights),
            ..ResultRecord::default()
        });
        let path = run.dir().join(checkpoint::BEST);
        std::fs::write(&path, &one).unwrap();
        assert_eq!(run.read(Which::Best), Ok((one, true)));
        std::fs::write(&path, &two).unwrap();
        assert!(run.read(Which::Best).is_err());
        // Of the others nothing was recorded.
        std::fs::write(run.dir().join(checkpoint::LAST), &two).unwrap();
        assert_eq!(run.read(Which::Last), Ok((two, false)));
    }
}

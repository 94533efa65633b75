//! The recorded run that is part of the program (checkpoints/example): what a run looks like, before there is one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::list::RunSummary;
use super::store::Workspace;
use crate::error::Result;
use crate::profile::{Profile, Status};
use crate::storage;

/// Its id, and what people call it.
pub(crate) const ID: &str = "example";

/// Its record.
pub(crate) const RECORD: &str = include_str!("../../checkpoints/example/record.toml");

/// Its files, by their places in a workspace.
const FILES: [(&str, &[u8]); 5] = [
    ("profiles/runs/example.toml", RECORD.as_bytes()),
    (
        "checkpoints/example/events.jsonl",
        include_bytes!("../../checkpoints/example/events.jsonl"),
    ),
    (
        "checkpoints/example/predictions-best.bin",
        include_bytes!("../../checkpoints/example/predictions-best.bin"),
    ),
    (
        "checkpoints/example/predictions-latest.bin",
        include_bytes!("../../checkpoints/example/predictions-latest.bin"),
    ),
    (
        "checkpoints/example/predictions-test.bin",
        include_bytes!("../../checkpoints/example/predictions-test.bin"),
    ),
];

/// The workspace in which a run lies: the given one; where `example` is none of its own, one that has the example
/// alone.
///
/// # Errors
/// `Io` when the example's files cannot be written to the user's cache.
pub(crate) fn home(workspace: &Workspace, id: &str) -> Result<Workspace> {
    if id != ID || workspace.profile_path(id).exists() {
        return Ok(workspace.clone());
    }
    let root = directory();
    for (place, bytes) in FILES {
        let path = root.join(place);
        let there = storage::read(&path, bytes.len() as u64);
        if there.ok().as_deref() != Some(bytes) {
            storage::commit(&path, bytes)?;
        }
    }
    Ok(Workspace {
        root,
        ..workspace.clone()
    })
}

/// [`Workspace::resolve`], which also finds the example where no run of the workspace is meant by its name.
///
/// # Errors
/// As `resolve` and [`home`].
pub(crate) fn resolve(workspace: &Workspace, text: &str) -> Result<(Workspace, String)> {
    if text == ID && workspace.candidates(text)?.is_empty() {
        return Ok((home(workspace, ID)?, ID.into()));
    }
    Ok((workspace.clone(), workspace.resolve(text)?))
}

/// The example as it stands in a list of runs.
#[must_use]
pub(crate) fn summary() -> RunSummary {
    RunSummary {
        id: ID.into(),
        status: Status::Finished,
        profile: Profile::parse_record(RECORD, ID)
            .map(Arc::new)
            .map_err(|e| e.to_string()),
    }
}

/// In the user's cache, by the version that wrote it.
fn directory() -> PathBuf {
    let cache = directories::ProjectDirs::from("", "", "fmtui").map(|d| d.cache_dir().to_owned());
    let version = concat!("example-", env!("CARGO_PKG_VERSION"));
    cache
        .unwrap_or_else(std::env::temp_dir)
        .join(Path::new(version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::predictions::Predictions;
    use crate::run::log;

    #[test]
    fn the_example_is_a_whole_run() {
        let example = summary();
        let profile = example.profile.unwrap();
        assert_eq!(profile.run.as_ref().unwrap().id, ID);
        assert!(profile.result.is_some() && profile.history.len() > 10);
        let directory = tempfile::tempdir().unwrap();
        for (place, bytes) in FILES {
            let path = directory.path().join(place);
            storage::commit(&path, bytes).unwrap();
            if place.contains("predictions") {
                assert!(
                    !Predictions::decode(bytes).unwrap().items.is_empty(),
                    "{place}"
                );
            }
        }
        let events = Workspace::at(directory.path()).events_path(ID);
        assert!(log::read(&events).unwrap().len() > 100);
    }

    #[test]
    fn a_run_of_ones_own_of_that_name_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(directory.path());
        let own = crate::run::record::created(&Profile::new(ID), "20260101-000000-mlp-aaaa");
        workspace.save(&own).unwrap();
        let (home, id) = resolve(&workspace, ID).unwrap();
        assert_eq!((home, id.as_str()), (workspace, "20260101-000000-mlp-aaaa"));
    }
}

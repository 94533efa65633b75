//! What ended in a workspace since somebody looked at it last. `seen` has the moment; it is written while a screen is
//! open, so that a connection that breaks is noticed as a leave.

use std::path::PathBuf;

use super::ended::{Ended, ended_at};
use super::list::RunList;
use super::store::Workspace;
use crate::error::Result;
use crate::{storage, text};

/// **Units** bytes: a moment has 24.
const LONGEST: u64 = 64;

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root.join("seen")
}

/// When the workspace was looked at last, in seconds since 1970; `None` where nobody has, or it is not known.
#[must_use]
pub(crate) fn seen(workspace: &Workspace) -> Option<f64> {
    let content = storage::read_text(&path(workspace), LONGEST).ok()?;
    text::seconds_of(content.trim())
}

/// Somebody looks at the workspace at this moment. A workspace that is not there is not made for this.
///
/// # Errors
/// `Io` where it cannot be written, which is no reason to stop.
pub(crate) fn mark_seen(workspace: &Workspace) -> Result<()> {
    if !workspace.root.is_dir() {
        return Ok(());
    }
    let now = text::exact_timestamp(text::now()) + "\n";
    storage::commit(&path(workspace), now.as_bytes())
}

/// The runs that have ended since, the earliest first.
#[must_use]
pub(crate) fn since(workspace: &Workspace, list: &RunList, seen: f64) -> Vec<Ended> {
    let runs = list.runs();
    let ended = runs.iter().filter(|run| !run.status.has_worker());
    // Records of 0.1 tell the end to the second. Whatever ended before is not looked at any further.
    let is_to_the_second = |at: f64| at.fract() == 0.0;
    let is_new = |at| at >= seen || (is_to_the_second(at) && at >= seen.floor());
    let new = ended.filter(|run| ended_at(workspace, run).is_some_and(is_new));
    let mut ended: Vec<Ended> = new.filter_map(|run| Ended::of(workspace, run)).collect();
    ended.sort_by(|a, b| a.at.unwrap_or(0.0).total_cmp(&b.at.unwrap_or(0.0)));
    ended
}

/// What has ended since the workspace was looked at last, as a line; and now it is looked at. `None` where nothing has.
#[must_use]
pub(crate) fn welcome(workspace: &Workspace) -> Option<String> {
    let since_then = seen(workspace).and_then(|seen| {
        let mut list = RunList::new(workspace);
        list.refresh().ok()?;
        Some(since(workspace, &list, seen))
    });
    // Of a workspace that is read-only the same is told again.
    let _ = mark_seen(workspace);
    let ended = since_then.filter(|ended| !ended.is_empty())?;
    Some(format!(
        "while you were away: {}",
        super::ended::told(&ended)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::metrics::Scores;
    use crate::profile::{Profile, ResultRecord, Status};

    /// A run that ended so long after 1970.
    fn end(workspace: &Workspace, name: &str, status: Status, at: f64, error: &str) -> String {
        let mut profile = Profile::new("mlp");
        profile.name = name.into();
        let id = workspace.create(&profile).unwrap();
        let mut profile = workspace.load(&id).unwrap();
        let run = profile.run.as_mut().unwrap();
        run.status = status;
        run.finished = text::timestamp(at);
        run.error = error.into();
        if status == Status::Finished {
            profile.result = Some(ResultRecord {
                test: Some(Scores {
                    accuracy: 0.9,
                    ..Scores::default()
                }),
                ..ResultRecord::default()
            });
        }
        workspace.save(&profile).unwrap();
        id
    }

    #[test]
    fn what_ended_since_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        let now = text::now();
        end(&workspace, "old", Status::Finished, now - 3600.0, "");
        // Nobody has been here before: nobody was away.
        assert_eq!(welcome(&workspace), None);
        let earlier = text::exact_timestamp(now - 1800.0);
        let leave = || std::fs::write(path(&workspace), &earlier).unwrap();
        leave();
        assert_eq!(welcome(&workspace), None);
        leave();
        end(&workspace, "lenet5", Status::Finished, now - 60.0, "");
        assert_eq!(
            welcome(&workspace).unwrap(),
            "while you were away: lenet5 finished: 90.0 % on the test set"
        );
        assert!(seen(&workspace).unwrap() >= now - 0.001);
        leave();
        let diverged = Error::NotFinite {
            quantity: "loss",
            value: f64::NAN,
            step: 812,
        };
        end(
            &workspace,
            "mlp",
            Status::Failed,
            now - 50.0,
            &diverged.to_string(),
        );
        // The file says that it runs, and no worker does: the log tells when it was there last.
        let crashed = end(&workspace, "vgg", Status::Running, 0.0, "");
        let log = std::fs::File::create(workspace.events_path(&crashed)).unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(120);
        log.set_modified(then).unwrap();
        assert_eq!(
            welcome(&workspace).unwrap(),
            "while you were away: 1 finished, 1 diverged at step 812, 1 crashed; best 90.0 % on the test set (lenet5)"
        );
    }

    #[test]
    fn what_is_not_there_or_not_a_moment_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path().join("none"));
        assert_eq!(welcome(&workspace), None);
        assert!(!workspace.root.exists());
        let workspace = Workspace::at(dir.path());
        std::fs::write(path(&workspace), "yesterday").unwrap();
        assert_eq!(seen(&workspace), None);
        std::fs::remove_file(path(&workspace)).unwrap();
        std::fs::create_dir(path(&workspace)).unwrap();
        assert!(mark_seen(&workspace).is_err());
        assert_eq!(welcome(&workspace), None);
    }
}

//! Which other runs of the workspace this machine has at the moment: whoever starts one more is told, and not refused.

use super::{RunList, Workspace, id, lock};
use crate::profile::Status;

/// A run that has a worker now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub id: String,
    pub name: String,
    pub is_paused: bool,
}

/// Every run with a worker, the newest first. One that has told its end is over, though its worker may still be there.
#[must_use]
pub(crate) fn live(list: &RunList) -> Vec<Live> {
    let runs = list.with_worker().into_iter();
    runs.map(|run| {
        let name = run.profile.as_ref().map(|profile| profile.run_name());
        Live {
            name: name.unwrap_or_else(|_| id::name(&run.id)).to_owned(),
            is_paused: run.status == Status::Paused,
            id: run.id,
        }
    })
    .collect()
}

/// One line about the runs beside `own` that have the same cores; `None` where there are
/// none.
#[must_use]
pub(crate) fn note(workspace: &Workspace, own: &str) -> Option<String> {
    let here = lock::host_name();
    let others: Vec<(String, Status)> = workspace
        .ids()
        .into_iter()
        .filter(|id| id != own && workspace.is_running(id))
        .filter(|id| lock::holder(&workspace.lock_path(id)).host == here)
        .map(|id| {
            let status = workspace.summary(&id).status;
            (id, status)
        })
        .collect();
    words(&others)
}

/// Says the running ones; the paused ones where there are no others.
fn words(others: &[(String, Status)]) -> Option<String> {
    let of = |paused: bool| {
        let mut found = others
            .iter()
            .filter(move |(_, status)| (*status == Status::Paused) == paused)
            .map(|(id, _)| id);
        let first = found.next()?;
        Some(match found.count() {
            0 => (format!("{first} is"), "both"),
            more => (format!("{first} and {more} more are"), "all"),
        })
    };
    of(false)
        .map(|(who, all)| format!("{who} also running: {all} compete for the CPU"))
        .or_else(|| {
            of(true).map(|(who, all)| {
                format!("{who} paused: once continued, {all} compete for the CPU")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::run::lock::{Holder, RunLock};

    #[test]
    fn runs_that_have_a_worker_here_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        let [first, second, third] = ["a", "b", "c"].map(|name| {
            let mut profile = Profile::new("mlp");
            profile.name = name.into();
            workspace.create(&profile).unwrap()
        });
        assert_eq!(note(&workspace, ""), None);
        let hold = |id: &str, host: &str| {
            let mut lock = RunLock::acquire(&workspace.lock_path(id), id).unwrap();
            let holder = Holder {
                pid: 1,
                host: host.into(),
                socket: None,
                kills: None,
            };
            lock.describe(&holder).unwrap();
            lock
        };
        let _elsewhere = hold(&third, "another machine");
        assert_eq!(note(&workspace, ""), None);
        let _one = hold(&first, &lock::host_name());
        assert_eq!(note(&workspace, &first), None);
        let said = note(&workspace, &second).unwrap();
        assert!(
            said.contains(&first) && said.contains("is also running"),
            "{said}"
        );
        let mut profile = workspace.load(&first).unwrap();
        profile.run.as_mut().unwrap().status = Status::Paused;
        workspace.save(&profile).unwrap();
        assert!(note(&workspace, "").unwrap().contains("is paused"));
        let live = || {
            let mut list = RunList::new(&workspace);
            list.refresh().unwrap();
            super::live(&list)
        };
        let ids = || live().into_iter().map(|l| (l.id, l.is_paused));
        let here = |id: &String, is_paused| (id.clone(), is_paused);
        let mut alive = vec![here(&first, true), here(&third, false)];
        alive.sort_by(|a, b| b.cmp(a));
        assert_eq!(ids().collect::<Vec<_>>(), alive);
        assert_eq!(live()[0].name.len(), 1);
        // Its worker tells the end before it goes.
        profile.run.as_mut().unwrap().status = Status::Finished;
        workspace.save(&profile).unwrap();
        assert_eq!(ids().collect::<Vec<_>>(), [here(&third, false)]);
        profile.run.as_mut().unwrap().status = Status::Paused;
        workspace.save(&profile).unwrap();
        let _two = hold(&second, &lock::host_name());
        let said = note(&workspace, "").unwrap();
        assert!(
            said.starts_with(&second) && said.contains("is also running"),
            "{said}"
        );
        profile.run.as_mut().unwrap().status = Status::Running;
        workspace.save(&profile).unwrap();
        assert!(
            note(&workspace, "")
                .unwrap()
                .contains("and 1 more are also running: all")
        );
    }
}

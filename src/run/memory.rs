//! Whether a run's memory is there: what it will take, what this machine and the process's group may have, and whether
//! a worker that is gone was killed for it.

use std::path::{Path, PathBuf};

use super::{Workspace, lock};
use crate::data::{Dataset, read_ahead};
use crate::error::{Error, Result};
use crate::model::Architecture;
use crate::profile::Profile;
use crate::train::learners;
use crate::{storage, text};

/// What the program itself takes: its code, threads, and what an evaluation gathers; measured.
const PROGRAM: u64 = 56 << 20;

/// **Units** bytes of a file of the system's figures that are read.
const LONGEST: u64 = 64 << 10;

/// How an allocation that fails is told by Rust's own runtime.
const FAILED_ALLOCATION: &str = "memory allocation of ";

/// Memory that a run of this profile will take at most, about.
///
/// **Units** bytes.
///
/// # Errors
/// `Input` when `model.freeze` names nothing that could be frozen.
pub(crate) fn needed(
    profile: &Profile,
    architecture: &Architecture,
    dataset: &Data,
) -> Result<u64> {
    let learner = learners::memory_bytes(profile, architecture, dataset.images)?;
    Ok(PROGRAM + dataset.bytes + learner)
}

/// How large a data set is in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Data {
    pub images: usize,
    /// Images that may be in one batch.
    pub training: usize,
    pub bytes: u64,
}

impl Data {
    #[must_use]
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let images = dataset.len();
        Self {
            images,
            training: dataset.train.len(),
            bytes: dataset.bytes() + read_ahead::room(dataset),
        }
    }
}

/// What a process may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes that there are at most.
    pub total: u64,
    /// Whose limit that is.
    pub whose: &'static str,
    /// Bytes that are free now.
    pub free: u64,
}

impl Limits {
    /// This process's: the machine's memory, its control groups', and its own limit of addresses.
    #[must_use]
    pub(crate) fn here() -> Option<Self> {
        let mut system = sysinfo::System::new().ok()?;
        system.refresh_memory();
        let mut limits = Self {
            total: system.total_memory(),
            whose: "this machine has",
            free: system.available_memory(),
        };
        for group in groups() {
            let Some(limit) = group.figure(["memory.max", "memory.limit_in_bytes"]) else {
                continue;
            };
            if limit < limits.total {
                (limits.total, limits.whose) = (limit, "this process's control group may have");
            }
            let used = group.figure(["memory.current", "memory.usage_in_bytes"]);
            // The cache of files goes when its room is needed.
            let used = used.unwrap_or(0).saturating_sub(group.cache());
            let left = limit.saturating_sub(used);
            limits.free = limits.free.min(left);
        }
        let addresses = rustix::process::getrlimit(rustix::process::Resource::As).current;
        if let Some(limit) = addresses.filter(|limit| *limit < limits.total) {
            (limits.total, limits.whose) = (limit, "this process may have (ulimit -v)");
            limits.free = limits.free.min(limit);
        }
        (limits.total > 0).then_some(limits)
    }
}

/// A control group's directory.
struct Group(PathBuf);

impl Group {
    /// A figure of the group, in the second or first version's file; none where it has no limit.
    fn figure(&self, files: [&str; 2]) -> Option<u64> {
        let read = |file: &str| storage::read_text(&self.0.join(file), LONGEST).ok();
        let text = files.into_iter().find_map(read)?;
        text.trim().parse().ok()
    }

    /// Bytes of files that have been read and are not in use.
    fn cache(&self) -> u64 {
        let text = storage::read_text(&self.0.join("memory.stat"), LONGEST).unwrap_or_default();
        cache(&text)
    }
}

/// The figure in a control group's `memory.stat`; the first version has it with its subgroups' too.
fn cache(statistics: &str) -> u64 {
    let of = |name: &str| {
        let line = statistics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok())
    };
    of("total_inactive_file ")
        .or_else(|| of("inactive_file "))
        .unwrap_or(0)
}

/// The groups this process is in, and those around them.
fn groups() -> Vec<Group> {
    let own = storage::read_text(Path::new("/proc/self/cgroup"), LONGEST).unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            _ if controllers.split(',').any(|c| c == "memory") => {
                Path::new("/sys/fs/cgroup/memory")
            }
            _ => continue,
        };
        let inside = Path::new(path.trim_start_matches('/'));
        found.extend(inside.ancestors().map(|part| Group(root.join(part))));
    }
    found
}

/// What to say before a run begins that needs more than is free; `needed_with` tells its memory for a batch size.
///
/// # Errors
/// `Input` when it needs more than there is, unless it is forced; names a batch size that would do.
pub(crate) fn check(
    batch: usize,
    limits: &Limits,
    force: bool,
    needed_with: &dyn Fn(usize) -> Result<u64>,
) -> Result<Option<String>> {
    let needed = needed_with(batch)?;
    let (total, free) = (text::bytes(limits.total), text::bytes(limits.free));
    if needed > limits.total && !force {
        let mut smaller = batch / 2;
        while smaller > 0 && needed_with(smaller)? > limits.total {
            smaller /= 2;
        }
        let remedy = match smaller {
            0 => "choose a smaller network; --force starts it anyway".into(),
            batch => format!("set train.batch_size = {batch}; --force starts it anyway"),
        };
        return Err(Error::input(
            "memory",
            format!(
                "the run needs about {}, and {} {total}",
                text::bytes(needed),
                limits.whose
            ),
            remedy,
        ));
    }
    Ok((needed > limits.free).then(|| {
        format!(
            "the run needs about {} of memory, and {free} are free",
            text::bytes(needed)
        )
    }))
}

/// How many processes the system has killed for memory so far, as far as it tells.
#[must_use]
pub(crate) fn kills() -> u64 {
    let vmstat = storage::read_text(Path::new("/proc/vmstat"), LONGEST).unwrap_or_default();
    let of_machine = vmstat
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "));
    let own = groups().into_iter().next();
    let events = own.and_then(|g| storage::read_text(&g.0.join("memory.events"), LONGEST).ok());
    let of_group = events.as_deref().and_then(|events| {
        let mut lines = events.lines();
        lines.find_map(|line| line.strip_prefix("oom_kill "))
    });
    [of_machine, of_group]
        .into_iter()
        .flatten()
        .filter_map(|n| n.trim().parse::<u64>().ok())
        .sum()
}

/// What became of a worker that exited unexpectedly, where memory was the reason.
#[must_use]
pub(crate) fn cause_of_death(workspace: &Workspace, id: &str) -> Option<String> {
    let log = workspace.worker_log_end(id);
    let refused = log.lines().next_back().and_then(|line| {
        let size = line.strip_prefix(FAILED_ALLOCATION)?;
        size.split(' ').next()?.parse().ok()
    });
    if let Some(size) = refused {
        return Some(format!(
            "ran out of memory: the system refused it {} more",
            text::bytes(size)
        ));
    }
    let holder = lock::holder(&workspace.lock_path(id));
    let was_here = holder.host == lock::host_name();
    (was_here && holder.kills.is_some_and(|before| kills() > before))
        .then(|| "was killed, apparently because memory ran out".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_of_files_is_free() {
        let second = "anon 4096\nfile 900\ninactive_file 500\nactive_file 400\n";
        assert_eq!(cache(second), 500);
        let first = "inactive_file 20\ntotal_inactive_file 70\n";
        assert_eq!(cache(first), 70);
        assert_eq!(cache(""), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_batch_that_does_and_what_is_tight_is_said() {
        let limits = Limits {
            total: 1000 << 20,
            whose: "this machine has",
            free: 300 << 20,
        };
        // 100 MiB and one for every image of a batch.
        let needed = |batch: usize| Ok((100 + batch as u64) << 20);
        assert_eq!(check(128, &limits, false, &needed).unwrap(), None);
        let tight = check(512, &limits, false, &needed).unwrap().unwrap();
        assert!(tight.contains("612") && tight.contains("300"), "{tight}");
        let refused = check(4096, &limits, false, &needed)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("train.batch_size = 512") && refused.contains("--force"),
            "{refused}"
        );
        assert!(check(4096, &limits, true, &needed).unwrap().is_some());
        let hopeless = check(64, &limits, false, &|_| Ok(2000 << 20)).unwrap_err();
        assert!(
            hopeless.to_string().contains("smaller network"),
            "{hopeless}"
        );
    }

    #[test]
    fn a_refused_allocation_is_told_with_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        std::fs::create_dir_all(workspace.run_dir("r")).unwrap();
        assert_eq!(cause_of_death(&workspace, "r"), None);
        let log = "memory allocation of 1073741824 bytes failed\n";
        std::fs::write(workspace.worker_log_path("r"), log).unwrap();
        let cause = cause_of_death(&workspace, "r").unwrap();
        assert!(cause.contains("1.00 GiB"), "{cause}");
    }

    #[test]
    fn this_machine_has_memory() {
        let limits = Limits::here().unwrap();
        assert!(
            limits.total > 64 << 20 && limits.free <= limits.total,
            "{limits:?}"
        );
    }
}

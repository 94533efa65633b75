//! The lines of the table: runs, and groups of seeds with their runs below them while they are open.

use std::collections::{BTreeMap, BTreeSet};

use super::RunRow;
use crate::run::group::{self, Member, Summary};

/// A line of the table.
#[derive(Clone, Debug)]
pub(super) enum Entry<'a> {
    Group(GroupRow),
    Run { row: &'a RunRow, below: Below },
}

/// What a run's line stands below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    Nothing,
    Group,
    /// The run that it was forked from after this epoch, itself so deep.
    Parent {
        epoch: usize,
        depth: usize,
    },
}

/// A group as its line tells.
#[derive(Clone, Debug)]
pub(super) struct GroupRow {
    pub name: String,
    pub members: Vec<Member>,
    pub summary: Summary,
    pub is_open: bool,
}

impl Entry<'_> {
    /// The name of a group, the id of a run.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Group(group) => &group.name,
            Self::Run { row, .. } => &row.id,
        }
    }
}

/// The group that a row is of.
pub(super) fn group_of(row: &RunRow) -> Option<&str> {
    group::name_of(row.profile.as_ref().ok()?)
}

/// The groups among rows, by name.
pub(super) fn groups(rows: &[RunRow]) -> BTreeMap<String, Vec<Member>> {
    let mut groups: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for row in rows {
        if let (Some(name), Ok(profile)) = (group_of(row), &row.profile) {
            groups.entry(name.into()).or_default().push(Member {
                id: row.id.clone(),
                status: row.status,
                profile: profile.clone(),
            });
        }
    }
    for members in groups.values_mut() {
        members.sort_by_key(|member| (member.profile.train.seed, member.id.clone()));
    }
    groups
}

/// The run that a row was forked from, and after which epoch.
fn parent(row: &RunRow) -> Option<(&str, usize)> {
    let forks = &row.profile.as_ref().ok()?.run.as_ref()?.forks;
    // It is older: records that name each other hide nothing.
    let fork = forks.last().filter(|fork| fork.run < row.id)?;
    Some((fork.run.as_str(), fork.epoch))
}

/// Sorted rows with each group in the place of its first run, its runs below it where it is open, and forks below the
/// runs that they left.
pub(super) fn arranged<'a>(
    sorted: &[&'a RunRow],
    groups: &BTreeMap<String, Vec<Member>>,
    open: &BTreeSet<String>,
) -> Vec<Entry<'a>> {
    let there: BTreeSet<&str> = sorted.iter().map(|row| row.id.as_str()).collect();
    let is_below = |row: &RunRow| parent(row).is_some_and(|(run, _)| there.contains(run));
    let mut told = BTreeSet::new();
    let mut entries = Vec::new();
    for row in sorted.iter().filter(|row| !is_below(row)) {
        let Some((name, members)) = group_of(row).and_then(|name| groups.get_key_value(name))
        else {
            push(&mut entries, row, Below::Nothing, sorted);
            continue;
        };
        if !told.insert(name) {
            continue;
        }
        let is_open = open.contains(name);
        entries.push(Entry::Group(GroupRow {
            name: name.clone(),
            members: members.clone(),
            summary: Summary::of(members),
            is_open,
        }));
        let mut own: Vec<&RunRow> = sorted
            .iter()
            .filter(|row| group_of(row) == Some(name))
            .copied()
            .collect();
        own.sort_by_key(|row| members.iter().position(|member| member.id == row.id));
        for row in own {
            if is_open {
                push(&mut entries, row, Below::Group, sorted);
            } else {
                forks_of(&mut entries, row, 0, sorted);
            }
        }
    }
    entries
}

/// Adds a run and its forks.
fn push<'a>(entries: &mut Vec<Entry<'a>>, row: &'a RunRow, below: Below, sorted: &[&'a RunRow]) {
    entries.push(Entry::Run { row, below });
    let depth = match below {
        Below::Parent { depth, .. } => depth + 1,
        Below::Nothing | Below::Group => 0,
    };
    forks_of(entries, row, depth, sorted);
}

fn forks_of<'a>(entries: &mut Vec<Entry<'a>>, row: &RunRow, depth: usize, sorted: &[&'a RunRow]) {
    for fork in sorted {
        if let Some((run, epoch)) = parent(fork)
            && run == row.id
        {
            push(entries, fork, Below::Parent { epoch, depth }, sorted);
        }
    }
}

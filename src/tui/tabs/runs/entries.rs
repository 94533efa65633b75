//! The lines of the table: runs, and groups of seeds with their runs below them while they are open.

use std::collections::{BTreeMap, BTreeSet};

use super::RunRow;
use crate::run::group::{self, Member, Summary};

/// A line of the table.
#[derive(Clone, Debug)]
pub(super) enum Entry<'a> {
    Group(GroupRow),
    Run {
        row: &'a RunRow,
        /// Below its group.
        is_inside: bool,
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
fn group_of(row: &RunRow) -> Option<&str> {
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

/// Sorted rows with each group in the place of its first run; its runs stand below it where it is open.
pub(super) fn arranged<'a>(
    sorted: &[&'a RunRow],
    groups: &BTreeMap<String, Vec<Member>>,
    open: &BTreeSet<String>,
) -> Vec<Entry<'a>> {
    let mut told = BTreeSet::new();
    let mut entries = Vec::new();
    for row in sorted {
        let Some((name, members)) = group_of(row).and_then(|name| groups.get_key_value(name))
        else {
            let is_inside = false;
            entries.push(Entry::Run { row, is_inside });
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
        if is_open {
            let mut own: Vec<&RunRow> = sorted
                .iter()
                .filter(|row| group_of(row) == Some(name))
                .copied()
                .collect();
            own.sort_by_key(|row| members.iter().position(|member| member.id == row.id));
            let is_inside = true;
            entries.extend(own.into_iter().map(|row| Entry::Run { row, is_inside }));
        }
    }
    entries
}

//! Runs of one recipe that differ in their seed alone: what they come to together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{RunSummary, Workspace, comparison, id};
use crate::error::{Error, Result};
use crate::metrics::significance::Group;
use crate::profile::{EpochRecord, Profile, Status};
use crate::text;

/// The most seeds that one command queues.
pub(crate) const MOST_SEEDS: u16 = 100;

/// The recipes of a group: one for each seed, from the recipe's own on, and the group's name.
#[must_use]
pub(crate) fn recipes(profile: &Profile, seeds: usize) -> (String, Vec<Profile>) {
    let name = if profile.name.is_empty() {
        &profile.model.architecture
    } else {
        &profile.name
    };
    let of_seed = |nth: usize| {
        let mut profile = profile.clone();
        profile.train.seed = profile.train.seed.wrapping_add(nth as u64);
        profile
    };
    (id::group(name, seeds), (0..seeds).map(of_seed).collect())
}

/// The name of the group that a run is of; none where it is of none.
#[must_use]
pub(crate) fn name_of(profile: &Profile) -> Option<&str> {
    let group = profile.run.as_ref().map(|run| run.group.as_str());
    group.filter(|group| !group.is_empty())
}

/// The groups among runs, by name, each with its runs in the order of their seeds; runs that cannot be read are in
/// none.
#[must_use]
pub(crate) fn among(runs: &[RunSummary]) -> BTreeMap<String, Vec<Member>> {
    let mut groups: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for run in runs {
        let Ok(profile) = &run.profile else { continue };
        if let Some(name) = name_of(profile) {
            groups.entry(name.into()).or_default().push(Member {
                id: run.id.clone(),
                status: run.status,
                profile: Arc::clone(profile),
            });
        }
    }
    for members in groups.values_mut() {
        members.sort_by(|a, b| {
            let key = |m: &Member| (m.profile.train.seed, m.id.clone());
            key(a).cmp(&key(b))
        });
    }
    groups
}

/// A run of a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub id: String,
    pub status: Status,
    pub profile: Arc<Profile>,
}

/// What the runs of a group come to.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub runs: usize,
    pub finished: usize,
    /// Of the finished runs, where these are enough to be tested.
    pub test: Option<Group>,
    pub validation: Option<Group>,
    /// Training time. **Units** seconds.
    pub seconds: Option<Group>,
}

impl Summary {
    #[must_use]
    pub(crate) fn of(members: &[Member]) -> Self {
        let finished: Vec<&Profile> = members
            .iter()
            .filter(|member| member.status == Status::Finished)
            .map(|member| &*member.profile)
            .collect();
        let of = |figure: &dyn Fn(&Profile) -> Option<f64>| {
            let values: Vec<f64> = finished.iter().filter_map(|run| figure(run)).collect();
            Group::of(&values)
        };
        Self {
            runs: members.len(),
            finished: finished.len(),
            test: of(&comparison::test_accuracy),
            validation: of(&comparison::validation_accuracy),
            seconds: of(&comparison::seconds),
        }
    }

    /// The accuracy that the group is judged by: on the test set, else on the validation set.
    #[must_use]
    pub(crate) fn accuracy(&self) -> Option<(&'static str, &Group)> {
        self.test
            .as_ref()
            .map(|group| ("test", group))
            .or_else(|| self.validation.as_ref().map(|group| ("validation", group)))
    }
}

/// `91.24 % ± 0.31, 95 % of the mean 90.85 … 91.63`: mean, standard deviation, and the interval of the mean.
#[must_use]
pub(crate) fn in_words(group: &Group) -> String {
    let share = |value: f64| format!("{:.2}", 100.0 * value);
    let deviation = match group.deviation {
        one if one.is_nan() => String::new(),
        some => format!(" ± {}", share(some)),
    };
    let interval = group.interval.as_ref().map_or_else(String::new, |i| {
        format!(", 95 % {} … {}", share(i.low), share(i.high))
    });
    format!("{} %{deviation}{interval}", share(group.mean))
}

/// An epoch of a group: mean and standard deviation of its runs' held-out accuracy, of as many as have come to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Band {
    pub epoch: usize,
    pub mean: f64,
    pub deviation: f64,
    pub runs: usize,
}

/// The bands of runs' held-out accuracy, epoch by epoch.
#[must_use]
pub(crate) fn bands<'a>(runs: impl IntoIterator<Item = &'a Profile>) -> Vec<Band> {
    bands_of(runs, |row| row.held_out_accuracy)
}

/// The bands of a figure of runs, epoch by epoch.
#[must_use]
pub(crate) fn bands_of<'a>(
    runs: impl IntoIterator<Item = &'a Profile>,
    figure: fn(&EpochRecord) -> f64,
) -> Vec<Band> {
    let mut epochs: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for row in runs.into_iter().flat_map(|run| &run.history) {
        let value = figure(row);
        if value.is_finite() {
            epochs.entry(row.epoch).or_default().push(value);
        }
    }
    let band = |(epoch, values): (usize, Vec<f64>)| {
        let group = Group::of(&values)?;
        Some(Band {
            epoch,
            mean: group.mean,
            deviation: if group.count > 1 {
                group.deviation
            } else {
                0.0
            },
            runs: values.len(),
        })
    };
    epochs.into_iter().filter_map(band).collect()
}

impl Workspace {
    /// The runs of the group that somebody names, by its name or the start of exactly one; none where no group is
    /// called so.
    ///
    /// # Errors
    /// `Input` where several are, `Io` when the runs cannot be read.
    pub(crate) fn group(&self, named: &str) -> Result<Option<(String, Vec<Member>)>> {
        let mut groups = among(&self.runs()?);
        if let Some(members) = groups.remove(named) {
            return Ok(Some((named.into(), members)));
        }
        let begins = |name: &&String| !named.is_empty() && name.starts_with(named);
        let found: Vec<String> = groups.keys().filter(begins).cloned().collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(groups.remove_entry(one)),
            several => Err(Error::input(
                format!("group {named}"),
                format!(
                    "matches {}: {}",
                    text::count(several.len(), "group"),
                    several.join(", ")
                ),
                "give the whole name",
            )),
        }
    }

    /// The runs that somebody names: a group's, or one.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(crate) fn resolve_all(&self, named: &str) -> Result<Vec<String>> {
        let run = match self.resolve(named) {
            Ok(id) => return Ok(vec![id]),
            Err(error) => error,
        };
        match self.group(named)? {
            Some((_, members)) => Ok(members.into_iter().map(|member| member.id).collect()),
            None => Err(run),
        }
    }
}

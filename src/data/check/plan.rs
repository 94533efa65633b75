//! Which images are left out so that a set has fewer problems.
//!
//! The test set stays as it is, but for files that cannot be read: scores on it remain comparable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::picture::Fill;
use super::report::{Kind, rank};
use super::source::Items;
use super::{Source, Survey};
use crate::data::Part;
use crate::data::exclude::{List, Row};
use crate::error::Result;
use crate::text;

/// What becomes of images that are nearly the same as held-out ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    Kept,
    Excluded,
}

impl Survey {
    /// Leaves out what is on the set's list already.
    ///
    /// # Errors
    /// As [`List::places`].
    pub fn leave_out(&mut self, list: &List, path: &Path) -> Result<()> {
        self.excluded = self.source.listed(list, path)?.into_iter().collect();
        Ok(())
    }

    /// What to leave out beside what is left out already, and why, by pooled index:
    ///
    /// - files that are there and cannot be read;
    /// - of images with the same pixels all but one: that of the test set, else of the validation set, else the first;
    ///   under several labels all that are not in the test set;
    /// - training and validation images of one colour;
    /// - where asked for, training and validation images that are nearly the same as one held out.
    #[must_use]
    pub fn superfluous(&self, near: Near) -> BTreeMap<u32, String> {
        let mut out = BTreeMap::new();
        // What is away may come back; what is broken stays so.
        let broken = self
            .broken
            .iter()
            .filter(|(index, _)| self.source.is_there(**index));
        for (index, problem) in broken {
            out.insert(*index, text::sanitize(problem));
        }
        let is_tested = |index: &u32| self.source.part(*index) == Part::Test;
        for group in self.groups() {
            let labels: BTreeSet<u16> = group.iter().map(|i| self.source.label(*i)).collect();
            let by_rank =
                |index: &&u32| (std::cmp::Reverse(rank(self.source.part(**index))), **index);
            let Some(kept) = group.iter().min_by_key(by_rank).copied() else {
                continue;
            };
            for index in group.iter().filter(|index| !is_tested(index)) {
                if labels.len() > 1 {
                    let other = group
                        .iter()
                        .find(|o| self.source.label(**o) != self.source.label(*index));
                    let other = other.copied().unwrap_or(kept);
                    let why = format!(
                        "as {}, which is {}",
                        self.source.name(other),
                        self.source.class(other)
                    );
                    out.insert(*index, why);
                } else if *index != kept {
                    out.insert(*index, format!("copy of {}", self.source.name(kept)));
                }
            }
        }
        let constant = self
            .kept()
            .filter(|(_, facts)| facts.fill == Fill::Constant);
        for (index, _) in constant.filter(|(index, _)| !is_tested(index)) {
            out.entry(index).or_insert_with(|| "one colour only".into());
        }
        if near == Near::Excluded {
            let report = self.report(None);
            for case in report
                .findings
                .iter()
                .filter(|f| f.kind == Kind::NearLeak)
                .flat_map(|f| &f.cases)
            {
                if let (Some(held_out), Some(index)) = (case.image, case.copy_of) {
                    let why = || format!("nearly {}", self.source.name(held_out));
                    out.entry(index).or_insert_with(why);
                }
            }
        }
        out.retain(|index, _| !self.excluded.contains(index));
        out
    }

    /// Leaves these images out from now on; gives their lines for the set's list.
    ///
    /// # Errors
    /// `Io` or `Input` when an image cannot be read again.
    pub fn exclude(&mut self, images: &BTreeMap<u32, String>) -> Result<Vec<Row>> {
        let row = |(index, reason): (&u32, &String)| {
            Ok(Row {
                part: self.source.part(*index),
                image: match self.source.path(*index) {
                    Some(path) => path.to_owned(),
                    None => self.source.own_index(*index).to_string(),
                },
                sha256: self.source.digest(*index)?,
                reason: reason.clone(),
            })
        };
        let rows = images.iter().map(row).collect::<Result<_>>()?;
        self.excluded.extend(images.keys());
        Ok(rows)
    }
}

impl Source {
    /// The images of a list.
    ///
    /// # Errors
    /// As [`List::places`].
    fn listed(&self, list: &List, path: &Path) -> Result<Vec<u32>> {
        let mut by_path: HashMap<&str, u32> = HashMap::new();
        if let Items::Files { entries, .. } = &self.items {
            by_path.extend(
                (0..)
                    .zip(entries)
                    .map(|(index, entry)| (&*entry.path, index)),
            );
        }
        list.places(path, |row| {
            let index = match &self.items {
                Items::Files { .. } => by_path.get(&*row.image).copied(),
                Items::Pixels(dataset) => {
                    let range = dataset.range(row.part);
                    let own = row
                        .image
                        .parse()
                        .ok()
                        .filter(|own: &usize| *own < range.len());
                    own.and_then(|own| u32::try_from(range.start + own).ok())
                }
            };
            let index = index.filter(|index| self.part(*index) == row.part);
            index
                .map(|index| Ok((index, self.digest(index)?)))
                .transpose()
        })
    }
}

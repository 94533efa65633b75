//! Checking a set: broken files, copies within and across splits, classes, sizes, statistics.
//!
//! Every image is read once, and a second time where it looks like another; about 160 bytes are kept of each. Writes
//! nothing: what is to be left out is [`exclude`](super::exclude)'s.

mod classes;
mod figures;
mod findings;
mod picture;
mod plan;
mod report;
mod similar;
mod source;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

pub use figures::{Figures, figures, numbers};
pub use plan::Near;
pub use report::{Case, Finding, Kind, Level, Report};
pub use source::Source;

use crate::error::{Error, Result};
use picture::{Facts, Plain};

/// Images that are looked at between two reports.
const REPORT: usize = 64;

/// What was seen of a set.
#[derive(Debug)]
pub struct Survey {
    pub source: Source,
    /// Of every image that can be read.
    facts: Vec<Option<Facts>>,
    broken: BTreeMap<u32, String>,
    /// Files that are another kind of image than their names say, and which.
    misnamed: BTreeMap<u32, &'static str>,
    /// Images with the same pixels.
    copies: Vec<Vec<u32>>,
    near: Vec<similar::Near>,
    /// Left out by the set's list already.
    pub excluded: BTreeSet<u32>,
}

/// A checked set, for who shows it.
#[derive(Debug)]
pub struct Checked {
    pub source: Source,
    pub report: Report,
    /// Images that `--fix` would leave out.
    pub superfluous: usize,
}

impl Survey {
    /// The report with the set that it is about.
    #[must_use]
    pub fn checked(self, figures: Option<&Figures>) -> Checked {
        Checked {
            report: self.report(figures),
            superfluous: self.superfluous(Near::Kept).len(),
            source: self.source,
        }
    }
}

/// Looks at every image. Tells `progress` how many of how many it has seen.
///
/// # Errors
/// `Cancelled`.
pub fn survey(
    mut source: Source,
    progress: &(dyn Fn(usize, usize) + Sync),
    cancel: &AtomicBool,
) -> Result<Survey> {
    let (count, done) = (source.len(), AtomicUsize::new(0));
    let look = |index: u32| {
        if cancel.load(Ordering::Relaxed) {
            return Err(String::new());
        }
        let read = source.read(index)?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(REPORT) || done == count {
            progress(done, count);
        }
        let facts = Plain::new(&read.picture).facts(read.picture.channels);
        Ok((facts, read.kind))
    };
    let indices = 0..u32::try_from(count).unwrap_or(u32::MAX);
    let looked: Vec<Result<_, String>> = indices.into_par_iter().map(look).collect();
    stop_if_cancelled(&source, cancel)?;
    let (mut broken, mut misnamed) = (BTreeMap::new(), BTreeMap::new());
    let mut facts = Vec::with_capacity(count);
    for (index, looked) in (0..).zip(looked) {
        match looked {
            Ok((own, kind)) => {
                facts.push(Some(own));
                misnamed.extend(kind.map(|kind| (index, kind)));
            }
            Err(problem) => {
                facts.push(None);
                broken.insert(index, problem);
            }
        }
    }
    source.divide(|index| facts[index].is_none());
    let copies = similar::copies(&facts);
    let near = similar::near(&facts, &copies, &|index| source.plain(index), cancel);
    stop_if_cancelled(&source, cancel)?;
    Ok(Survey {
        source,
        facts,
        broken,
        misnamed,
        copies,
        near,
        excluded: BTreeSet::new(),
    })
}

fn stop_if_cancelled(source: &Source, cancel: &AtomicBool) -> Result<()> {
    if !cancel.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(Error::Cancelled {
        file: format!("check of {}", source.place),
        remedy: "nothing was written".into(),
    })
}

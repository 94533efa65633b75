//! A run's course: what its event log says, or where that is gone, what its record has kept.

use super::Source;
use crate::error::{Error, Result};
use crate::event::{EpochEnd, Event, Stamped, Step};
use crate::profile::EpochRecord;
use crate::run::log;

/// Something that happened, in order.
pub(super) enum Entry {
    Step(Step),
    Epoch(Box<EpochEnd>),
    /// Of the record, which keeps less of an epoch.
    Recorded(EpochRecord),
}

/// Steps and epochs of a run.
///
/// # Errors
/// `Input` where somebody asks for certain weights, or the record cannot be read; `Io` where the log cannot be.
pub(super) fn read(run: &Source) -> Result<Vec<Entry>> {
    if run.weights.is_some() {
        return Err(Error::input(
            "--last",
            "selects weights, and this format has none",
            "leave it out",
        ));
    }
    let events = log::read(&run.workspace.events_path(run.id))?;
    if events.is_empty() {
        let history = run.workspace.load(run.id)?.history;
        return Ok(history.into_iter().map(Entry::Recorded).collect());
    }
    Ok(events.into_iter().filter_map(entry).collect())
}

fn entry(stamped: Stamped) -> Option<Entry> {
    match stamped.event {
        Event::Step(step) => Some(Entry::Step(step)),
        Event::EpochEnd(end) => Some(Entry::Epoch(end)),
        _ => None,
    }
}

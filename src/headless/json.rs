//! Events as JSON lines, as they stand in the log.

use super::Output;
use crate::error::Result;
use crate::event::{self, Event, Observer, Stamped};

/// Prints every event.
pub(crate) struct Json {
    out: Output,
}

impl Json {
    #[must_use]
    pub(crate) fn new(out: Output) -> Self {
        Self { out }
    }
}

impl Observer for Json {
    fn on_event(&mut self, event: &Stamped) -> Result<()> {
        // Whatever format a log is of, its lines are printed in this one.
        match &event.event {
            Event::Started(started) if started.format < event::FORMAT => {
                let mut started = started.clone();
                started.format = event::FORMAT;
                self.out.json(&Stamped {
                    at: event.at,
                    event: Event::Started(started),
                })
            }
            _ => self.out.json(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::Kept;
    use super::*;
    use crate::run::log;

    #[test]
    fn printed_lines_are_log_lines() {
        let kept = Kept::default();
        let event = Stamped::now(Event::Paused { step: 7 });
        Json::new(kept.output()).on_event(&event).unwrap();
        let text = kept.text();
        assert_eq!(log::parse_line(text.trim_end()), Some(event));
        assert_eq!(text.lines().count(), 1);
    }
}

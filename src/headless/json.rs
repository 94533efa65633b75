//! Events as JSON lines, as they stand in the log.

use super::Output;
use crate::error::Result;
use crate::event::{Observer, Stamped};

/// Prints every event.
pub struct Json {
    out: Output,
}

impl Json {
    #[must_use]
    pub fn new(out: Output) -> Self {
        Self { out }
    }
}

impl Observer for Json {
    fn on_event(&mut self, event: &Stamped) -> Result<()> {
        self.out.json(event)
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::Kept;
    use super::*;
    use crate::event::Event;
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

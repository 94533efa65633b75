//! What the terminal is told beside the frames: alerts at once, the window's title and its progress when they change.

use std::time::{Duration, Instant};

use super::app::App;
use crate::notify::{Channels, Progress};

/// Least time between two changes of title and progress.
const PERIOD: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Announcer {
    channels: Channels,
    title: String,
    progress: Option<Progress>,
    changed: Option<Instant>,
}

impl Announcer {
    #[must_use]
    pub(super) fn new(channels: Channels) -> Self {
        Self {
            channels,
            title: String::new(),
            progress: None,
            changed: None,
        }
    }

    /// What is to be written now; mostly nothing.
    pub(super) fn due(&mut self, app: &mut App, now: Instant) -> String {
        let alerts = app.take_alerts();
        let mut out: String = alerts.iter().map(|a| self.channels.alert(a)).collect();
        if self.changed.is_some_and(|at| now - at < PERIOD) {
            return out;
        }
        let title = app.window_title();
        if title != self.title {
            out += &self.channels.title(&title);
            self.title = title;
            self.changed = Some(now);
        }
        let progress = app.window_progress();
        if progress != self.progress {
            out += &self.channels.progress(progress);
            self.progress = progress;
            self.changed = Some(now);
        }
        out
    }

    /// The terminal was somebody else's: it shows nothing of this any more.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.channels);
    }
}

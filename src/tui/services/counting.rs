//! How many of how many images are done, told now and then.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::text;
use crate::tui::message::Message;

/// How often it is told.
const EVERY: Duration = Duration::from_millis(200);

/// Tells how far something is; many threads may.
pub(super) struct Counting {
    /// Such as `checking flowers`.
    doing: String,
    last: Mutex<Instant>,
    out: mpsc::Sender<Message>,
}

impl Counting {
    pub(super) fn new(doing: String, out: mpsc::Sender<Message>) -> Self {
        let last = Mutex::new(Instant::now());
        Self { doing, last, out }
    }

    pub(super) fn tell(&self, done: usize, all: usize) {
        let Ok(mut last) = self.last.try_lock() else {
            return;
        };
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        let (done, all) = (text::grouped(done as u64), text::count(all, "image"));
        let words = format!("{}: {done} of {all}; Esc cancels", self.doing);
        // A full queue loses a line of progress, nothing else.
        let _ = self.out.try_send(Message::DatasetStatus(words));
    }
}

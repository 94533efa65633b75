//! A download as it is shown on standard error, which Ctrl-C cancels.

use std::io::IsTerminal;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::headless::{can_draw_bar, draw_bar, notice, redraw_notice};
use crate::net::DownloadProgress;
use crate::run::preflight::Preparation;
use crate::run::signals::Watch;
use crate::text;

/// Columns that are surely there.
const COLUMNS: usize = 79;

/// Runs a download with its progress shown; Ctrl-C cancels it.
///
/// # Errors
/// As the download.
pub(super) fn shown<T>(
    download: impl FnOnce(&mut dyn FnMut(DownloadProgress), &AtomicBool) -> Result<T>,
) -> Result<T> {
    let mut shown = Shown::new();
    let outcome = cancellable(|cancel| download(&mut |progress| shown.show(&progress), cancel));
    shown.end(outcome.is_ok());
    outcome
}

/// Makes a run ready with its progress shown, downloads and decoded images alike.
///
/// # Errors
/// As the work.
pub(super) fn prepared<T>(
    work: impl FnOnce(&mut dyn FnMut(Preparation)) -> Result<T>,
) -> Result<T> {
    let mut shown = Shown::new();
    let outcome = work(&mut |preparation| match preparation {
        Preparation::Weights(progress) => shown.show(&progress),
        Preparation::Images { set, done, all } => shown.show_images(&set, done, all),
    });
    shown.end(outcome.is_ok());
    outcome
}

/// Does what Ctrl-C and other signals that end a process cancel.
///
/// # Errors
/// As the work.
pub(super) fn cancellable<T>(work: impl FnOnce(&AtomicBool) -> Result<T>) -> Result<T> {
    let signals = Watch::begin()?;
    work(&signals.cancels())
}

/// How many of how many are done, in a line of the terminal that is redrawn; nothing where there is none.
pub(super) struct Counted {
    what: &'static str,
    draws: bool,
    last: Instant,
    is_drawn: bool,
}

impl Counted {
    /// Of so many `what`.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            draws: can_draw_bar(std::io::stderr().is_terminal()),
            last: Instant::now(),
            is_drawn: false,
        }
    }

    pub(super) fn show(&mut self, done: usize, all: usize) {
        if !self.draws || self.last.elapsed() < Duration::from_millis(200) {
            return;
        }
        let (done, all) = (text::grouped(done as u64), text::grouped(all as u64));
        redraw_notice(&format!("{done} of {all} {}", self.what), COLUMNS);
        (self.last, self.is_drawn) = (Instant::now(), true);
    }

    pub(super) fn clear(&self) {
        if self.is_drawn {
            redraw_notice("", COLUMNS);
        }
    }
}

/// The download as it is shown, on standard error.
struct Shown {
    draws: bool,
    last: Option<Instant>,
    note: Option<String>,
    /// Whether the note is in a line that stays.
    stands: bool,
}

impl Shown {
    fn new() -> Self {
        Self {
            draws: can_draw_bar(std::io::stderr().is_terminal()),
            last: None,
            note: None,
            stands: false,
        }
    }

    fn show(&mut self, progress: &DownloadProgress) {
        if self.note != progress.note {
            (self.note, self.stands) = (progress.note.clone(), false);
        }
        self.tell(|| words(progress));
    }

    fn show_images(&mut self, set: &str, done: usize, all: usize) {
        if done == all && !self.draws && self.last.is_some() {
            // The last of lines that stay.
            self.last = None;
        }
        self.tell(|| {
            #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
            let share = done as f64 / all.max(1) as f64;
            let set = text::sanitize(set);
            let bar = draw_bar(share, 20, false);
            let count = text::count(all, "image");
            format!("decoding {set}  {bar} {:>3.0} % of {count}", share * 100.0)
        });
    }

    /// Shows a line, where the one before has stood for long enough.
    fn tell(&mut self, line: impl FnOnce() -> String) {
        let period = Duration::from_millis(if self.draws { 100 } else { 2000 });
        if self.last.is_some_and(|at| at.elapsed() < period) {
            return;
        }
        self.last = Some(Instant::now());
        if self.draws {
            redraw_notice(&line(), COLUMNS);
        } else {
            notice(line());
            self.stands = true;
        }
    }

    /// Leaves what is to be known of it.
    fn end(self, is_done: bool) {
        if self.draws {
            redraw_notice("", COLUMNS);
        }
        // What was waited for last is what it came to; where lines stay, it may stand there already.
        if let (true, Some(note)) = (is_done, self.note.filter(|_| !self.stands)) {
            notice(note);
        }
    }
}

fn words(progress: &DownloadProgress) -> String {
    let share = |total: u64| {
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let share = progress.bytes as f64 / total.max(1) as f64;
        format!("{} {:>3.0} %", draw_bar(share, 20, false), share * 100.0)
    };
    let bar = progress
        .total
        .map_or_else(|| text::bytes(progress.bytes), share);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let pace = text::bytes(progress.bytes_per_second as u64);
    let number = match progress.files {
        1 => String::new(),
        files => format!("{}/{files} ", progress.file_index + 1),
    };
    let left = progress.seconds_left().map_or_else(String::new, |s| {
        format!("  {} left", text::seconds(s.ceil()))
    });
    let note = progress
        .note
        .as_ref()
        .map_or_else(String::new, |n| format!("  {n}"));
    format!(
        "{number}{}  {bar}  {pace}/s{left}{note}",
        text::sanitize(&progress.file)
    )
}

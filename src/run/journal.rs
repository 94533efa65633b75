//! Where a worker's events go: into the log and to every connected client, in one order for all of them.
//!
//! A client that subscribes learns the log's length at that moment, under the same lock: the log up to there and the
//! lines it is sent afterwards are every event exactly once. A slow client is dropped; nobody ever holds up the
//! training.
//!
//! Lines that the log has no room for are told as such, and wait here until it has: the log gets every line, in order.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::log::LogWriter;
use super::protocol;
use crate::error::{Error, Result};
use crate::event::{Event, Observer, Stamped};

/// Lines that may wait for a client before it is dropped.
const BACKLOG: usize = 4096;

/// Lines that may wait for room in the log before it gets gaps.
const UNLOGGED: usize = 1024;

/// A line as it stands in the log, `\n` included.
pub(crate) type Line = Arc<[u8]>;

/// The log and its listeners; clones are the same journal.
#[derive(Clone)]
pub(crate) struct Journal {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    log: LogWriter,
    clients: Vec<mpsc::Sender<Line>>,
    /// What was told and is not in the log yet.
    unlogged: VecDeque<Unlogged>,
    /// There is no room even for what waits; that is told once.
    has_gaps: bool,
    stage: Stage,
}

/// A line that waits for the log: as it will stand there, and as clients are told of it meanwhile.
struct Unlogged {
    line: Line,
    told: Line,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Preparing,
    /// Training has begun: only now is the machine's load of interest.
    UnderWay,
    /// The run's last event was told; nothing may follow it.
    Ended,
    /// Nobody can subscribe any more.
    Closed,
}

impl Journal {
    /// Opens the log of a run.
    ///
    /// # Errors
    /// `Io` when the log cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            shared: Arc::new(Mutex::new(Shared {
                log: LogWriter::open(path)?,
                clients: Vec::new(),
                unlogged: VecDeque::new(),
                has_gaps: false,
                stage: Stage::Preparing,
            })),
        })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere left no half-done change: every change below is one statement.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells an event now.
    #[cfg(test)]
    fn tell(&self, event: Event) {
        self.shared().tell(&Stamped::now(event));
    }

    /// Whether training has begun and not ended.
    #[must_use]
    pub(crate) fn is_under_way(&self) -> bool {
        self.shared().stage == Stage::UnderWay
    }

    /// Length of the log in bytes, with everything in it that there is room for.
    #[must_use]
    pub(crate) fn log_length(&self) -> u64 {
        let mut shared = self.shared();
        // What does not fit now may do so later.
        let _ = shared.catch_up();
        shared.log.len()
    }

    /// Whether the log holds everything that was told.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        self.shared().unlogged.is_empty()
    }

    /// Cuts the log and tells every client where it goes on.
    ///
    /// # Errors
    /// `Io` when the log cannot be cut.
    pub(crate) fn rewind(&self, length: u64) -> Result<()> {
        let mut shared = self.shared();
        shared.log.rewind(length)?;
        shared.has_gaps = false;
        let line = protocol::rewound_line(shared.log.len());
        shared.send(&line.into());
        Ok(())
    }

    /// The log's length and every line after it; `None` once the journal is closed.
    #[must_use]
    pub(crate) fn subscribe(&self) -> Option<(u64, mpsc::Receiver<Line>)> {
        let mut shared = self.shared();
        if shared.stage == Stage::Closed {
            return None;
        }
        let (sender, receiver) = mpsc::channel(BACKLOG);
        for waiting in &shared.unlogged {
            // There are fewer than fit.
            let _ = sender.try_send(Arc::clone(&waiting.told));
        }
        shared.clients.push(sender);
        Some((shared.log.len(), receiver))
    }

    /// Whether nothing is told any more.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.shared().stage == Stage::Closed
    }

    /// Lets every client go once it has been told what there was.
    pub(crate) fn close(&self) {
        let mut shared = self.shared();
        shared.stage = Stage::Closed;
        shared.clients.clear();
    }
}

impl Shared {
    fn tell(&mut self, stamped: &Stamped) {
        if matches!(self.stage, Stage::Ended | Stage::Closed) {
            return;
        }
        match stamped.event {
            Event::Started(_) => self.stage = Stage::UnderWay,
            Event::Finished { .. } | Event::Failed { .. } => self.stage = Stage::Ended,
            _ => {}
        }
        let Ok(mut line) = serde_json::to_vec(stamped) else {
            return;
        };
        line.push(b'\n');
        let line: Line = line.into();
        match self.catch_up().and_then(|()| self.log.append(&line)) {
            Ok(()) => self.send(&line),
            Err(e) => self.set_aside(line, stamped, &e),
        }
    }

    /// Writes what waits for the log, and tells where that goes on.
    fn catch_up(&mut self) -> Result<()> {
        if self.unlogged.is_empty() {
            return Ok(());
        }
        while let Some(waiting) = self.unlogged.front() {
            self.log.append(&waiting.line)?;
            self.unlogged.pop_front();
        }
        self.has_gaps = false;
        let line = protocol::rewound_line(self.log.len());
        self.send(&line.into());
        Ok(())
    }

    /// Keeps a line that the log has no room for, and tells the clients of it.
    fn set_aside(&mut self, line: Line, stamped: &Stamped, error: &Error) {
        let told: Line = protocol::unlogged_line(stamped).into();
        if self.unlogged.is_empty() {
            self.warn(format!(
                "{error}; events are kept in memory until they can be written"
            ));
        }
        let is_figure = matches!(stamped.event, Event::Step(_) | Event::Load(_));
        // Of what is told all the time only so much waits that there is room for what is told once.
        let room = if is_figure { UNLOGGED / 2 } else { UNLOGGED };
        if self.unlogged.len() < room {
            let told = Arc::clone(&told);
            self.unlogged.push_back(Unlogged { line, told });
        } else if !std::mem::replace(&mut self.has_gaps, true) {
            self.warn(format!("the event log has gaps from here: {error}"));
        }
        // Last: nothing follows a run's end.
        self.send(&told);
    }

    /// Tells the clients alone: the log is what fails.
    fn warn(&mut self, message: String) {
        let warning = Stamped::now(Event::Warning { message });
        self.send(&protocol::unlogged_line(&warning).into());
    }

    fn send(&mut self, line: &Line) {
        self.clients
            .retain(|client| client.try_send(Arc::clone(line)).is_ok());
    }
}

impl Observer for Journal {
    fn on_event(&mut self, event: &Stamped) -> Result<()> {
        self.shared().tell(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::run::log;

    #[test]
    fn log_and_live_lines_together_are_every_event_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let journal = Journal::open(&path).unwrap();
        let teller = journal.clone();
        let subscribed = Arc::new(AtomicBool::new(false));
        let seen_there = Arc::clone(&subscribed);
        let telling = std::thread::spawn(move || {
            let (mut step, mut last) = (0, u64::MAX);
            while step < last {
                teller.tell(Event::Paused { step });
                // Slow enough that no moment's pause of the subscriber fills its backlog.
                std::thread::sleep(std::time::Duration::from_micros(100));
                if last == u64::MAX && seen_there.load(Ordering::Relaxed) {
                    last = step + 500;
                }
                step += 1;
            }
            teller.close();
            step
        });
        while journal.log_length() < 5000 {
            std::thread::yield_now();
        }
        let (length, mut live) = journal.subscribe().unwrap();
        subscribed.store(true, Ordering::Relaxed);
        let told = telling.join().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut seen = bytes[..usize::try_from(length).unwrap()].to_vec();
        while let Some(line) = live.blocking_recv() {
            seen.extend_from_slice(&line);
        }
        assert_eq!(seen, bytes);
        assert_eq!(log::read(&path).unwrap().len() as u64, told);
        assert!(journal.subscribe().is_none());
    }

    #[test]
    fn nothing_follows_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let journal = Journal::open(&path).unwrap();
        journal.tell(Event::Failed {
            message: "m".into(),
            remedy: "r".into(),
        });
        journal.tell(Event::Paused { step: 1 });
        assert_eq!(log::read(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_client_that_does_not_read_is_dropped_and_the_log_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let journal = Journal::open(&path).unwrap();
        let (_, mut slow) = journal.subscribe().unwrap();
        let told = BACKLOG as u64 + 10;
        for step in 0..told {
            journal.tell(Event::Paused { step });
        }
        assert_eq!(log::read(&path).unwrap().len() as u64, told);
        let mut received = 0;
        while slow.blocking_recv().is_some() {
            received += 1;
        }
        assert_eq!(received, BACKLOG);
    }

    #[test]
    fn what_finds_no_room_is_told_and_written_as_soon_as_there_is_some() {
        let full = std::fs::OpenOptions::new().append(true).open("/dev/full");
        let Ok(full) = full else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let journal = Journal::open(&path).unwrap();
        let steps = |events: &[Stamped]| -> Vec<u64> {
            let step = |e: &Stamped| match e.event {
                Event::Paused { step } => Some(step),
                _ => None,
            };
            events.iter().filter_map(step).collect()
        };
        let told = |lines: &mut mpsc::Receiver<Line>| {
            let mut told = Vec::new();
            while let Ok(line) = lines.try_recv() {
                told.extend(protocol::parse(std::str::from_utf8(&line).unwrap()));
            }
            told
        };
        let (_, mut live) = journal.subscribe().unwrap();
        journal.tell(Event::Paused { step: 1 });
        let file = journal.shared().log.swap(full);
        for step in 2..=3 {
            journal.tell(Event::Paused { step });
        }
        assert!(!journal.is_whole());
        let (length, mut late) = journal.subscribe().unwrap();
        assert_eq!(length, std::fs::metadata(&path).unwrap().len());
        for lines in [&mut live, &mut late] {
            let unlogged = told(lines)
                .into_iter()
                .filter_map(|line| match line {
                    protocol::FromWorker::Unlogged(event) => Some(*event),
                    _ => None,
                })
                .collect::<Vec<_>>();
            assert_eq!(steps(&unlogged), [2, 3]);
        }
        drop(journal.shared().log.swap(file));
        journal.tell(Event::Paused { step: 4 });
        assert!(journal.is_whole());
        assert_eq!(steps(&log::read(&path).unwrap()), [1, 2, 3, 4]);
        for lines in [&mut live, &mut late] {
            let told = told(lines);
            assert!(
                matches!(&told[..], [
                    protocol::FromWorker::Rewound(_),
                    protocol::FromWorker::Event(event)
                ] if event.event == Event::Paused { step: 4 }),
                "{told:?}"
            );
        }
    }
}

//! What the training sees of its worker: commands come in, events go out to every observer.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::journal::Journal;
use super::record::Recorder;
use crate::error::Result;
use crate::event::{Command, Event, Observer, Stamped};
use crate::profile::Profile;
use crate::train::{Host, Outcome};

/// The training's host in a worker.
pub struct WorkerHost {
    commands: Receiver<Command>,
    recorder: Recorder,
    journal: Journal,
    /// Told after the profile and before the log, so that who sees an event in the log finds its effects on disk.
    observers: Vec<Box<dyn Observer>>,
    /// The last try of an observer failed and was told of.
    failing: bool,
    ended: bool,
}

impl WorkerHost {
    #[must_use]
    pub fn new(commands: Receiver<Command>, recorder: Recorder, journal: Journal) -> Self {
        Self {
            commands,
            recorder,
            journal,
            observers: Vec::new(),
            failing: false,
            ended: false,
        }
    }

    /// Adds an output.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observers.push(observer);
    }

    /// Takes note of where the run runs, as the profile given to the training says it.
    pub fn describe(&mut self, profile: &Profile) {
        self.recorder.describe(profile);
    }

    /// Takes note of the whole history; it is written with the end.
    pub fn conclude(&mut self, outcome: &Outcome) {
        self.recorder.conclude(outcome);
    }

    /// Whether the run's last event was told.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

impl Host for WorkerHost {
    fn next_command(&mut self, wait: Duration) -> Option<Command> {
        match self.commands.recv_timeout(wait) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // Nobody is left who could command; whoever waits (a pause) must not spin.
                std::thread::sleep(wait);
                None
            }
        }
    }

    fn emit(&mut self, event: Event) {
        if self.ended {
            return;
        }
        let stamped = Stamped::now(event);
        self.ended = matches!(stamped.event, Event::Finished { .. } | Event::Failed { .. });
        let mut problem = self.recorder.on_event(&stamped).err();
        for observer in &mut self.observers {
            let failed = observer.on_event(&stamped).err();
            problem = problem.or(failed);
        }
        if let Some(error) = &problem
            && !self.failing
        {
            self.journal.tell(Event::Warning {
                message: format!("{error}; training goes on"),
            });
        }
        self.failing = problem.is_some();
        // The journal keeps its own failures to itself and its clients.
        let _ = self.journal.on_event(&stamped);
    }

    fn log_length(&self) -> u64 {
        self.journal.log_length()
    }

    fn rewind_log(&mut self, length: u64) -> Result<()> {
        self.journal.rewind(length)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::run::{log, record};

    #[test]
    fn a_profile_that_cannot_be_written_is_told_once_and_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let profile_path = dir.path().join("p/r.toml");
        let created = record::created(&Profile::new("mlp"), "r");
        let recorder = Recorder::begin(profile_path.clone(), created).unwrap();
        let (sender, receiver) = sync_channel(4);
        let mut host = WorkerHost::new(receiver, recorder, Journal::open(&path).unwrap());
        // From now on every save fails: a file stands where the directory was.
        std::fs::remove_dir_all(dir.path().join("p")).unwrap();
        std::fs::write(dir.path().join("p"), "").unwrap();
        for epoch in 1..=3 {
            host.emit(Event::EpochEnd(Box::new(crate::event::EpochEnd {
                epoch,
                ..crate::event::EpochEnd::default()
            })));
        }
        let events = log::read(&path).unwrap();
        let warnings = events
            .iter()
            .filter(|e| matches!(&e.event, Event::Warning { message } if message.contains("r.toml") || message.contains("/p")))
            .count();
        assert_eq!((events.len(), warnings), (4, 1));
        sender.send(Command::Pause).unwrap();
        assert_eq!(host.next_command(Duration::ZERO), Some(Command::Pause));
        assert_eq!(host.next_command(Duration::from_millis(1)), None);
    }
}

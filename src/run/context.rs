//! What the training sees of its worker: commands come in, events go out on the bus.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bus::Bus;
use super::journal::Journal;
use super::lock::Sign;
use super::record::Recorder;
use super::reserve::Reserve;
use crate::error::Result;
use crate::event::{Command, Event, Observer, Stamped};
use crate::profile::Profile;
use crate::train::{DISK_FULL, Outcome, TrainingContext};

/// How long a run that has ended waits between two tries to record its end: on a full disk, and after another failure.
const AGAIN_WHEN_FULL: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(200);

/// Tries to record an end where something else than a full disk is in the way.
const TRIES: u32 = 4;

/// The training's host in a worker.
pub(crate) struct WorkerContext {
    commands: Receiver<Command>,
    recorder: Arc<Mutex<Recorder>>,
    journal: Journal,
    bus: Bus,
    /// Where it is said what the run waits for.
    sign: Sign,
    reserve: Reserve,
    ended: bool,
    /// Set where a signal has asked the run to stop.
    signalled: Arc<AtomicBool>,
}

impl WorkerContext {
    /// A host whose bus tells the record first and the log last, so that who sees an event in the log finds its effects
    /// on disk; what `subscribe` adds comes in between.
    #[must_use]
    pub(crate) fn new(
        commands: Receiver<Command>,
        recorder: Recorder,
        journal: Journal,
        subscribe: impl FnOnce(&Bus),
    ) -> Self {
        let recorder = Arc::new(Mutex::new(recorder));
        let bus = Bus::default();
        bus.subscribe(Arc::clone(&recorder));
        subscribe(&bus);
        bus.subscribe(journal.clone());
        Self {
            commands,
            recorder,
            journal,
            bus,
            sign: Sign::default(),
            reserve: Reserve::default(),
            ended: false,
            signalled: Arc::default(),
        }
    }

    /// Takes note of signals here.
    #[must_use]
    pub(crate) fn with_signals(mut self, signalled: Arc<AtomicBool>) -> Self {
        self.signalled = signalled;
        self
    }

    /// Says on this sign what the run waits for.
    #[must_use]
    pub(crate) fn with_sign(mut self, sign: Sign) -> Self {
        self.sign = sign;
        self
    }

    /// Keeps some room back for the run's end.
    #[must_use]
    pub(crate) fn with_reserve(mut self, reserve: Reserve) -> Self {
        self.reserve = reserve;
        self
    }

    /// Where events of this run go.
    #[must_use]
    pub(crate) fn bus(&self) -> Bus {
        self.bus.clone()
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of where the run runs, as the profile given to the training says it.
    pub(crate) fn describe(&mut self, profile: &Profile) {
        self.recorder().describe(profile);
    }

    /// Takes note of what somebody changed; it is written with the end.
    pub(crate) fn conclude(&mut self, outcome: &Outcome) {
        let signalled = self.signalled.load(Ordering::SeqCst);
        self.recorder().conclude(outcome, signalled);
    }

    /// Tells the run's end, which is its record's last chance to be written: waits for room on a full disk until
    /// somebody stops the run, and tries again after other failures. False when the record does not say it; the run is
    /// told to have failed then, for it must be taken up again.
    pub(crate) fn end(&mut self, event: Event) -> bool {
        let mut stamped = Stamped::now(event);
        let problem = self.record_end(&stamped).err();
        let is_recorded = problem.is_none();
        if let Some(error) = problem
            && !matches!(stamped.event, Event::Failed { .. })
        {
            stamped = Stamped::now(Event::Failed {
                message: format!("the run's end could not be recorded: {error}"),
                remedy: "free some space, then `fmtui resume` the run".into(),
            });
        }
        self.ended = true;
        if !self.journal.is_whole() {
            self.reserve.give_back();
        }
        self.bus.tell_stamped(&stamped);
        self.sign.say("");
        is_recorded
    }

    fn record_end(&mut self, stamped: &Stamped) -> Result<()> {
        // A run that failed or was stopped has nothing to wait for: it is taken up again.
        let may_wait = matches!(stamped.event, Event::Finished { complete: true, .. });
        let mut tries = 0;
        loop {
            let recorded = self.recorder().on_event(stamped);
            let Err(error) = recorded else {
                return Ok(());
            };
            if error.is_disk_full() && self.reserve.give_back() {
                continue;
            }
            let waits = may_wait && error.is_disk_full();
            if waits && tries == 0 {
                self.bus.tell(Event::Warning {
                    message: format!("{error}; free some space, the run waits to record its end"),
                });
                self.sign.say(DISK_FULL);
            }
            tries += 1;
            let pause = if waits { AGAIN_WHEN_FULL } else { AGAIN };
            if (!waits && tries >= TRIES) || self.is_stopped_within(pause) {
                return Err(error);
            }
        }
    }

    /// Whether somebody stops the run meanwhile.
    fn is_stopped_within(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            if self.next_command(left) == Some(Command::Stop) {
                return true;
            }
        }
    }
}

impl TrainingContext for WorkerContext {
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
        match &stamped.event {
            Event::Waiting { why, .. } => self.sign.say(why),
            Event::Continued { .. } => self.sign.say(""),
            _ => {}
        }
        self.bus.tell_stamped(&stamped);
    }

    fn log_length(&self) -> u64 {
        self.journal.log_length()
    }

    fn rewind_log(&mut self, length: u64) -> Result<()> {
        self.journal.rewind(length)
    }

    fn keep_room(&mut self, bytes: u64) {
        self.reserve.grow(bytes);
    }

    fn give_room_back(&mut self) {
        self.reserve.give_back();
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
        let mut context =
            WorkerContext::new(receiver, recorder, Journal::open(&path).unwrap(), |_| ());
        // From now on every save fails: a file stands where the directory was.
        std::fs::remove_dir_all(dir.path().join("p")).unwrap();
        std::fs::write(dir.path().join("p"), "").unwrap();
        for epoch in 1..=3 {
            context.emit(Event::Paused { step: epoch });
            context.emit(Event::Step(crate::event::Step::default()));
        }
        let events = log::read(&path).unwrap();
        let warnings = events
            .iter()
            .filter(|e| matches!(&e.event, Event::Warning { message } if message.contains("r.toml") || message.contains("/p")))
            .count();
        assert_eq!((events.len(), warnings), (7, 1));
        sender.send(Command::Pause).unwrap();
        assert_eq!(context.next_command(Duration::ZERO), Some(Command::Pause));
        assert_eq!(context.next_command(Duration::from_millis(1)), None);
    }

    #[test]
    fn the_end_is_recorded_at_the_second_try_or_the_run_has_failed() {
        for is_mended in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("events.jsonl");
            let (records, profile_path) = (dir.path().join("p"), dir.path().join("p/r.toml"));
            let created = record::created(&Profile::new("mlp"), "r");
            let recorder = Recorder::begin(profile_path.clone(), created).unwrap();
            let (_sender, receiver) = sync_channel(4);
            let mut context =
                WorkerContext::new(receiver, recorder, Journal::open(&path).unwrap(), |_| ());
            std::fs::remove_dir_all(&records).unwrap();
            std::fs::write(&records, "").unwrap();
            let mending = std::thread::spawn(move || {
                std::thread::sleep(AGAIN / 2);
                if is_mended {
                    std::fs::remove_file(&records).unwrap();
                }
            });
            let is_recorded = context.end(Event::Finished {
                complete: true,
                reason: "all done".into(),
                result: Box::default(),
            });
            mending.join().unwrap();
            assert_eq!(is_recorded, is_mended);
            let last = log::read(&path).unwrap().pop().unwrap().event;
            if is_mended {
                assert!(matches!(last, Event::Finished { complete: true, .. }));
                let text = std::fs::read_to_string(&profile_path).unwrap();
                assert!(text.contains("status = \"finished\""), "{text}");
            } else {
                assert!(
                    matches!(&last, Event::Failed { message, .. } if message.contains("could not be recorded")),
                    "{last:?}"
                );
            }
        }
    }
}

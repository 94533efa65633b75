//! Notices runs that ought to take steps and tell nothing. A machine that sleeps stalls nothing: only the time counts
//! in which somebody looked.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::log;
use crate::event::Event;
use crate::storage;

/// **Units** bytes of the end of a log in which the newest event is looked for: a minute and more of load.
const TAIL: u64 = 16 << 10;

/// When a run did something last (in seconds since 1970, by its own clock): what its machine does beside does not
/// count. `None` where the end of the log has nothing else.
#[must_use]
pub(crate) fn newest(log_path: &Path) -> Option<f64> {
    let tail = storage::read_end(log_path, TAIL).ok()?;
    let events = tail.lines().rev().filter_map(log::parse_line);
    let mut acts = events.filter(|e| is_act(&e.event));
    acts.next().map(|e| e.at)
}

/// Whether an event is something that a run does.
#[must_use]
pub(crate) fn is_act(event: &Event) -> bool {
    !matches!(event, Event::Load(_))
}

/// What is known of the runs that are looked at.
#[derive(Debug)]
pub(crate) struct Stalls {
    after: Duration,
    runs: HashMap<String, Quiet>,
}

#[derive(Debug)]
struct Quiet {
    newest: Option<f64>,
    since: Instant,
    is_told: bool,
}

impl Stalls {
    /// A run has stalled that tells nothing for so long.
    #[must_use]
    pub(crate) fn new(after: Duration) -> Self {
        Self {
            after,
            runs: HashMap::new(),
        }
    }

    /// Takes the runs that train now, each with the time of its [`newest`] event; gives those that have stalled, each
    /// once until it goes on.
    pub(crate) fn look(&mut self, now: Instant, running: &[(String, Option<f64>)]) -> Vec<String> {
        self.runs
            .retain(|id, _| running.iter().any(|(running, _)| running == id));
        let mut stalled = Vec::new();
        for (id, newest) in running {
            let quiet = self.runs.entry(id.clone()).or_insert(Quiet {
                newest: *newest,
                since: now,
                is_told: false,
            });
            if newest.is_some() && *newest != quiet.newest {
                *quiet = Quiet {
                    newest: *newest,
                    since: now,
                    is_told: false,
                };
            }
            let is_over = now.saturating_duration_since(quiet.since) >= self.after;
            if is_over && !quiet.is_told {
                quiet.is_told = true;
                stalled.push(id.clone());
            }
        }
        stalled
    }

    /// How long a run must be quiet.
    #[must_use]
    pub(crate) fn after(&self) -> Duration {
        self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ResourceUsage, Stamped};

    #[test]
    fn a_stall_is_told_once_and_again_after_the_run_went_on() {
        let mut stalls = Stalls::new(Duration::from_secs(300));
        let start = Instant::now();
        let mut look = |seconds, running: &[(&str, Option<f64>)]| {
            let running: Vec<_> = running.iter().map(|(id, at)| ((*id).into(), *at)).collect();
            stalls.look(start + Duration::from_secs(seconds), &running)
        };
        // That its last event is old says nothing: the machine may have slept.
        assert!(look(0, &[("a", Some(1.0)), ("b", Some(1.0))]).is_empty());
        assert!(look(200, &[("a", Some(1.0)), ("b", Some(9.0))]).is_empty());
        // Nothing but load is at the end of the log.
        assert_eq!(look(300, &[("a", None), ("b", Some(9.0))]), ["a"]);
        assert!(look(400, &[("a", Some(1.0)), ("b", Some(9.0))]).is_empty());
        // b is paused, which is no stall, and then has all the time anew.
        assert!(look(550, &[("a", Some(500.0))]).is_empty());
        assert!(look(600, &[("a", Some(500.0)), ("b", Some(9.0))]).is_empty());
        assert_eq!(
            look(900, &[("a", Some(500.0)), ("b", Some(9.0))]),
            ["a", "b"]
        );
    }

    #[test]
    fn load_is_no_act_of_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        assert_eq!(newest(&path), None);
        let line = |at, event| serde_json::to_string(&Stamped { at, event }).unwrap() + "\n";
        let load = |at| line(at, Event::Load(ResourceUsage::default()));
        let act = line(3.0, Event::Continued { step: 1 });
        std::fs::write(&path, act + &load(4.0) + &load(5.0) + "{\"at\":6").unwrap();
        assert_eq!(newest(&path), Some(3.0));
        let loads: String = (0..2000).map(|i| load(f64::from(i))).collect();
        std::fs::write(&path, loads).unwrap();
        assert_eq!(newest(&path), None);
    }
}

//! The one way that events of a run go: to its record, to whoever subscribes, and to its log and the clients of its
//! socket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::event::{Event, Observer, Stamped};

/// Tells events to observers, in the order in which they subscribed; clones are the same bus.
#[derive(Clone, Default)]
pub(crate) struct Bus {
    observers: Arc<Mutex<Vec<Subscribed>>>,
}

struct Subscribed {
    observer: Box<dyn Observer>,
    /// Its last try failed, and was told of.
    is_failing: bool,
}

impl Bus {
    /// Adds an observer; it is told every event from now on.
    pub(crate) fn subscribe(&self, observer: impl Observer + 'static) {
        self.observers().push(Subscribed {
            observer: Box::new(observer),
            is_failing: false,
        });
    }

    /// Tells an event that happens now.
    pub(crate) fn tell(&self, event: Event) {
        self.tell_stamped(&Stamped::now(event));
    }

    /// Tells an event. Where an observer fails, the others are told of that, once until it succeeds again, before they
    /// are told the event.
    pub(crate) fn tell_stamped(&self, stamped: &Stamped) {
        let mut observers = self.observers();
        for at in 0..observers.len() {
            let told = observers[at].observer.on_event(stamped);
            // What it takes no note of says nothing of whether it could.
            if told.is_ok() && !observers[at].observer.takes(&stamped.event) {
                continue;
            }
            let was_failing = std::mem::replace(&mut observers[at].is_failing, told.is_err());
            let is_end = matches!(stamped.event, Event::Finished { .. } | Event::Failed { .. });
            if let Err(error) = told
                && !was_failing
                && !is_end
            {
                let warning = Stamped::now(Event::Warning {
                    message: format!("{error}; training continues"),
                });
                for other in (0..observers.len()).filter(|other| *other != at) {
                    // One that fails at this too is told of with its next event.
                    let _ = observers[other].observer.on_event(&warning);
                }
            }
        }
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Subscribed>> {
        // A panic elsewhere left no half-done change.
        self.observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// An observer that others have hold of too.
impl<T: Observer> Observer for Arc<Mutex<T>> {
    fn on_event(&mut self, event: &Stamped) -> Result<()> {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .on_event(event)
    }

    fn takes(&self, event: &Event) -> bool {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .takes(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Keeps what it is told; fails at pauses of the steps in `fails`.
    #[derive(Default)]
    struct Witness {
        told: Vec<Event>,
        fails: Vec<u64>,
    }

    impl Observer for Witness {
        fn on_event(&mut self, stamped: &Stamped) -> Result<()> {
            if matches!(&stamped.event, Event::Paused { step } if self.fails.contains(step)) {
                return Err(Error::compute("writing", "no room"));
            }
            self.told.push(stamped.event.clone());
            Ok(())
        }

        fn takes(&self, event: &Event) -> bool {
            matches!(event, Event::Paused { .. })
        }
    }

    #[test]
    fn every_observer_is_told_everything_and_once_of_anothers_failure() {
        let witness = |fails: &[u64]| {
            Arc::new(Mutex::new(Witness {
                fails: fails.to_vec(),
                ..Witness::default()
            }))
        };
        let (failing, whole) = (witness(&[2, 3, 5]), witness(&[]));
        let bus = Bus::default();
        bus.subscribe(Arc::clone(&failing));
        bus.subscribe(Arc::clone(&whole));
        let note = || Event::Note {
            message: String::new(),
        };
        for step in 1..=5 {
            bus.tell(Event::Paused { step });
            bus.clone().tell(note());
        }
        let words = |witness: &Arc<Mutex<Witness>>| -> String {
            let word = |event: &Event| match event {
                Event::Paused { step } => step.to_string(),
                Event::Warning { message } if message.contains("no room") => "!".into(),
                _ => "-".into(),
            };
            witness.lock().unwrap().told.iter().map(word).collect()
        };
        assert_eq!(words(&whole), "1-!2-3-4-!5-");
        assert_eq!(words(&failing), "1---4--");
    }
}

//! Commands between steps: pause is real, every change is journaled and comes again on replay.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Host;
use super::checkpoint::Progress;
use super::session::PAUSE_LOOK;
use crate::error::Result;
use crate::event::{Command, Event};
use crate::profile::Intervention;

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoOn,
    Stop,
}

/// How often a full disk is tried again by itself.
const RETRY: Duration = Duration::from_secs(30);

/// The value of a `stop` intervention: where in the loop it took hold.
const BETWEEN_STEPS: f64 = 0.0;
const IN_EVALUATION: f64 = 1.0;
const IN_THE_LAST_EVALUATION: f64 = 2.0;

/// What a run waits for on a full disk.
pub const DISK_FULL: &str = "disk full";

/// What has been asked for and is not yet done.
pub struct Control {
    /// Interventions of an earlier run of the same profile, in order of their steps.
    scheduled: VecDeque<Intervention>,
    save_requested: bool,
    stop_requested: bool,
    /// Changes asked for during evaluation, applied at the next step.
    pending: VecDeque<Command>,
}

impl Control {
    /// On a resume, what was done before the checkpoint is part of it, and the stop that led here is over.
    pub fn new(recorded: &[Intervention], step: u64, resume: bool) -> Self {
        let mut scheduled: Vec<Intervention> = recorded
            .iter()
            .filter(|i| !resume || (i.step >= step && i.what != "stop"))
            .cloned()
            .collect();
        scheduled.sort_by_key(|i| i.step);
        Self {
            scheduled: scheduled.into(),
            save_requested: false,
            stop_requested: false,
            pending: VecDeque::new(),
        }
    }

    /// Whether somebody has asked for the end.
    pub fn is_stopping(&self) -> bool {
        self.stop_requested
    }

    pub fn take_save_request(&mut self) -> bool {
        std::mem::take(&mut self.save_requested)
    }

    /// Applies what is due before the next step; returns when it may be taken. `scheduled_rate` is the schedule's.
    pub fn between_steps(
        &mut self,
        progress: &mut Progress,
        scheduled_rate: f64,
        host: &mut dyn Host,
    ) -> Flow {
        while self
            .scheduled
            .front()
            .is_some_and(|i| i.step <= progress.step)
        {
            let Some(Intervention { what, value, .. }) = self.scheduled.pop_front() else {
                break;
            };
            match what.as_str() {
                "learning_rate" => set_learning_rate(value, progress, scheduled_rate, host),
                "stop" => self.stop_requested = true,
                other => host.emit(Event::Warning {
                    message: format!(
                        "the profile's intervention `{other}` is unknown and was left out"
                    ),
                }),
            }
        }
        while let Some(command) = self
            .pending
            .pop_front()
            .or_else(|| host.next_command(Duration::ZERO))
        {
            self.obey(&command, progress, scheduled_rate, host);
        }
        if self.stop_requested {
            let stop = Intervention {
                step: progress.step,
                what: "stop".into(),
                value: BETWEEN_STEPS,
            };
            if progress.interventions.last() != Some(&stop) {
                progress.interventions.push(stop);
            }
            return Flow::Stop;
        }
        Flow::GoOn
    }

    /// Whether somebody asks for something, which [`between_steps`](Self::between_steps) will do.
    pub fn is_asked(&mut self, host: &mut dyn Host) -> bool {
        while let Some(command) = host.next_command(Duration::ZERO) {
            self.pending.push_back(command);
        }
        !self.pending.is_empty()
    }

    /// Looks for a stop while pictures are evaluated; everything else waits for the next step.
    pub fn during_evaluation(&mut self, progress: &mut Progress, host: &mut dyn Host) -> Flow {
        let stop = Intervention {
            step: progress.step,
            what: "stop".into(),
            // Until an epoch is evaluated, its batches are those of the epoch under way.
            value: if progress.batch > 0 {
                IN_EVALUATION
            } else {
                IN_THE_LAST_EVALUATION
            },
        };
        if self.scheduled.front() == Some(&stop) {
            self.scheduled.pop_front();
            self.stop_requested = true;
            progress.interventions.push(stop.clone());
        }
        while let Some(command) = host.next_command(Duration::ZERO) {
            if command == Command::Stop {
                self.stop_requested = true;
                progress.interventions.push(stop.clone());
            } else {
                self.pending.push_back(command);
            }
        }
        if self.stop_requested {
            Flow::Stop
        } else {
            Flow::GoOn
        }
    }

    fn obey(
        &mut self,
        command: &Command,
        progress: &mut Progress,
        scheduled_rate: f64,
        host: &mut dyn Host,
    ) {
        match command {
            Command::Pause => self.pause(progress, scheduled_rate, host),
            Command::Resume => {}
            Command::SaveCheckpoint => self.save_requested = true,
            Command::Stop => self.stop_requested = true,
            Command::SetLearningRate { value } => {
                set_learning_rate(*value, progress, scheduled_rate, host);
            }
        }
    }

    fn pause(&mut self, progress: &mut Progress, scheduled_rate: f64, host: &mut dyn Host) {
        host.emit(Event::Paused {
            step: progress.step,
        });
        loop {
            // Whoever paused while pictures were evaluated may have asked to go on since.
            let waiting = self.pending.pop_front();
            match waiting.or_else(|| host.next_command(PAUSE_LOOK)) {
                None | Some(Command::Pause) => {}
                Some(Command::Resume) => break,
                Some(Command::Stop) => {
                    self.stop_requested = true;
                    return;
                }
                Some(Command::SaveCheckpoint) => {
                    // Saved at the next step; the state does not change until then.
                    self.save_requested = true;
                }
                Some(Command::SetLearningRate { value }) => {
                    set_learning_rate(value, progress, scheduled_rate, host);
                }
            }
        }
        host.emit(Event::Resumed {
            step: progress.step,
        });
    }

    /// Does `save`; when the disk is full, pauses and tries again until there is room or somebody stops the run.
    ///
    /// # Errors
    /// Every other failure of `save`, and the full disk once the run is stopped.
    pub fn retrying(
        &mut self,
        step: u64,
        host: &mut dyn Host,
        mut save: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        loop {
            let Err(error) = save() else {
                return Ok(());
            };
            if self.stop_requested || !error.is_disk_full() {
                return Err(error);
            }
            host.emit(Event::Warning {
                message: format!("{error}; free some space, the run waits and tries again"),
            });
            host.emit(Event::Waiting {
                step,
                why: DISK_FULL.into(),
            });
            let again = Instant::now() + RETRY;
            while Instant::now() < again {
                match host.next_command(PAUSE_LOOK) {
                    Some(Command::Stop) => {
                        self.stop_requested = true;
                        break;
                    }
                    Some(Command::Resume) => break,
                    Some(other) => self.pending.push_back(other),
                    None => {}
                }
            }
            host.emit(Event::Resumed { step });
        }
    }
}

fn set_learning_rate(
    value: f64,
    progress: &mut Progress,
    scheduled_rate: f64,
    host: &mut dyn Host,
) {
    if !(value.is_finite() && (1e-12..=1e3).contains(&value)) {
        host.emit(Event::Warning {
            message: format!("learning rate {value} is not between 1e-12 and 1e3; kept as it was"),
        });
        return;
    }
    let from = scheduled_rate * progress.learning_rate_factor;
    progress.learning_rate_factor = value / scheduled_rate;
    progress.interventions.push(Intervention {
        step: progress.step,
        what: "learning_rate".into(),
        value,
    });
    host.emit(Event::Changed {
        step: progress.step,
        what: "learning_rate".into(),
        from,
        to: value,
    });
}

//! Commands between steps: pause is real, every change is journaled and comes again on replay.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::TrainingContext;
use super::checkpoint::TrainingProgress;
use crate::error::Result;
use crate::event::{Command, Event};
use crate::profile::Intervention;
use crate::{schedule, text};

/// How long a paused run sleeps between looks at its commands.
const PAUSE_LOOK: Duration = Duration::from_millis(100);

/// What is to be done before the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Take it.
    Step,
    /// Save a checkpoint, then ask again: a run that is paused still is.
    Save,
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
pub(super) struct Control {
    /// Interventions of an earlier run of the same profile, in order of their steps.
    scheduled: VecDeque<Intervention>,
    stop_requested: bool,
    is_paused: bool,
    /// What was asked for and waits for the next step, stops left out: they wait for nothing.
    pending: VecDeque<Command>,
}

impl Control {
    /// On a resume, what was done before the checkpoint is part of it, and the stop that led here is over.
    pub(super) fn new(recorded: &[Intervention], step: u64, resume: bool) -> Self {
        let mut scheduled: Vec<Intervention> = recorded
            .iter()
            .filter(|i| !resume || (i.step >= step && i.what != "stop"))
            .cloned()
            .collect();
        scheduled.sort_by_key(|i| i.step);
        Self {
            scheduled: scheduled.into(),
            stop_requested: false,
            is_paused: false,
            pending: VecDeque::new(),
        }
    }

    /// Whether somebody has asked for the end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop_requested
    }

    /// Applies what is due before the next step, and waits while the run is paused. `scheduled_rate` is the schedule's.
    pub(super) fn before_step(
        &mut self,
        progress: &mut TrainingProgress,
        scheduled_rate: f64,
        context: &mut dyn TrainingContext,
    ) -> Due {
        self.apply_scheduled(progress, scheduled_rate, context);
        if !self.is_paused {
            // All of it first: a stop further back wins over a pause.
            self.take_all(context);
        }
        loop {
            if let Some(command) = self.pending.pop_front() {
                let due = self.obey(&command, progress, scheduled_rate, context);
                if due == Due::Save {
                    return due;
                }
            } else if self.stop_requested {
                self.is_paused = false;
                note_stop(progress, BETWEEN_STEPS);
                return Due::Stop;
            } else if !self.is_paused {
                return Due::Step;
            } else if let Some(command) = context.next_command(PAUSE_LOOK) {
                self.take(command);
            }
        }
    }

    /// What was done before this step in an earlier run of the same profile.
    fn apply_scheduled(
        &mut self,
        progress: &mut TrainingProgress,
        scheduled_rate: f64,
        context: &mut dyn TrainingContext,
    ) {
        while self
            .scheduled
            .front()
            .is_some_and(|i| i.step <= progress.step)
        {
            let Some(Intervention { what, value, .. }) = self.scheduled.pop_front() else {
                break;
            };
            match what.as_str() {
                "learning_rate" => set_learning_rate(value, progress, scheduled_rate, context),
                "stop" => self.stop_requested = true,
                other => context.emit(Event::Warning {
                    message: format!(
                        "the profile's intervention `{other}` is unknown and was ignored"
                    ),
                }),
            }
        }
    }

    fn take(&mut self, command: Command) {
        if command == Command::Stop {
            self.stop_requested = true;
        } else {
            self.pending.push_back(command);
        }
    }

    fn take_all(&mut self, context: &mut dyn TrainingContext) {
        while let Some(command) = context.next_command(Duration::ZERO) {
            self.take(command);
        }
    }

    /// Whether somebody asks for something, which [`before_step`](Self::before_step) will do.
    pub(super) fn is_asked(&mut self, context: &mut dyn TrainingContext) -> bool {
        self.take_all(context);
        self.stop_requested || !self.pending.is_empty()
    }

    /// Looks for a stop while images are evaluated; everything else waits for the next step.
    pub(super) fn during_evaluation(
        &mut self,
        progress: &mut TrainingProgress,
        context: &mut dyn TrainingContext,
    ) -> ControlFlow<()> {
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
        while let Some(command) = context.next_command(Duration::ZERO) {
            if command == Command::Stop {
                self.stop_requested = true;
                progress.interventions.push(stop.clone());
            } else {
                self.pending.push_back(command);
            }
        }
        if self.stop_requested {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Does what is asked; a run that is about to stop neither pauses nor saves first: it saves at its end.
    fn obey(
        &mut self,
        command: &Command,
        progress: &mut TrainingProgress,
        scheduled_rate: f64,
        context: &mut dyn TrainingContext,
    ) -> Due {
        let step = progress.step;
        match command {
            Command::Pause if !self.stop_requested && !self.is_paused => {
                self.is_paused = true;
                context.emit(Event::Paused { step });
            }
            Command::Continue if self.is_paused => {
                self.is_paused = false;
                context.emit(Event::Continued { step });
            }
            Command::SaveCheckpoint if !self.stop_requested => return Due::Save,
            Command::Pause | Command::Continue | Command::SaveCheckpoint => {}
            Command::Stop => self.stop_requested = true,
            Command::SetLearningRate { value } => {
                set_learning_rate(*value, progress, scheduled_rate, context);
            }
            Command::StepLearningRate { up } => {
                step_learning_rate(*up, progress, scheduled_rate, context);
            }
        }
        Due::Step
    }

    /// Does `save`; when the disk is full, pauses and tries again until there is room or somebody stops the run.
    ///
    /// # Errors
    /// Every other failure of `save`, and the full disk once the run is stopped.
    pub(super) fn retrying(
        &mut self,
        step: u64,
        context: &mut dyn TrainingContext,
        mut save: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut has_room_kept = true;
        loop {
            let Err(error) = save() else {
                return Ok(());
            };
            if !error.is_disk_full() || (self.stop_requested && !has_room_kept) {
                return Err(error);
            }
            if self.stop_requested {
                // Nobody waits for room any more: what was kept for this is used.
                context.give_room_back();
                has_room_kept = false;
                continue;
            }
            context.emit(Event::Warning {
                message: format!("{error}; free some space, the run waits and tries again"),
            });
            context.emit(Event::Waiting {
                step,
                why: DISK_FULL.into(),
            });
            let again = Instant::now() + RETRY;
            while Instant::now() < again {
                match context.next_command(PAUSE_LOOK) {
                    Some(Command::Stop) => {
                        self.stop_requested = true;
                        break;
                    }
                    Some(Command::Continue) => {
                        self.is_paused = false;
                        break;
                    }
                    Some(other) => self.pending.push_back(other),
                    None => {}
                }
            }
            // Whoever had paused the run before has not gone on.
            context.emit(if self.is_paused {
                Event::Paused { step }
            } else {
                Event::Continued { step }
            });
        }
    }
}

/// Notes that the run was stopped here.
fn note_stop(progress: &mut TrainingProgress, value: f64) {
    let stop = Intervention {
        step: progress.step,
        what: "stop".into(),
        value,
    };
    if progress.interventions.last() != Some(&stop) {
        progress.interventions.push(stop);
    }
}

fn step_learning_rate(
    up: bool,
    progress: &mut TrainingProgress,
    scheduled_rate: f64,
    context: &mut dyn TrainingContext,
) {
    let now = scheduled_rate * progress.learning_rate_factor;
    match schedule::neighbour_rate(now, up) {
        Some(value) => set_learning_rate(value, progress, scheduled_rate, context),
        None => context.emit(Event::Warning {
            message: format!(
                "the learning rate stays at {}: steps go from {} to {}",
                text::figure::learning_rate(now, 9),
                text::figure::learning_rate(*schedule::STEPPED.start(), 9),
                text::figure::learning_rate(*schedule::STEPPED.end(), 9),
            ),
        }),
    }
}

/// Changes the rate from the next step on. Of several changes before one step the last is kept: only it takes effect.
fn set_learning_rate(
    value: f64,
    progress: &mut TrainingProgress,
    scheduled_rate: f64,
    context: &mut dyn TrainingContext,
) {
    let what = "learning_rate";
    if !(value.is_finite() && (1e-12..=1e3).contains(&value)) {
        context.emit(Event::Warning {
            message: format!("learning rate {value} is not between 1e-12 and 1e3; kept as it was"),
        });
        return;
    }
    let from = scheduled_rate * progress.learning_rate_factor;
    let step = progress.step;
    progress.learning_rate_factor = value / scheduled_rate;
    progress
        .interventions
        .retain(|i| i.step != step || i.what != what);
    progress.interventions.push(Intervention {
        step,
        what: what.into(),
        value,
    });
    context.emit(Event::Changed {
        step,
        what: what.into(),
        from,
        to: value,
    });
}

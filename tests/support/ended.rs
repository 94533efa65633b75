//! A training with the event log that a worker keeps: what it has told through all its resumes, it has told to the end.

use std::path::Path;
use std::time::Duration;

use fmtui::error::Result;
use fmtui::event::{Command, Event, Stamped};
use fmtui::profile::{EpochRecord, Intervention, ResultRecord};
use fmtui::run::history;
use fmtui::run::log::LogWriter;
use fmtui::train::{Setup, TrainingContext, train};

/// The log's name in the run's directory.
pub const LOG: &str = "events.jsonl";

/// How a training ended, with all its epochs.
#[derive(Clone, Debug)]
pub struct Ended {
    pub complete: bool,
    pub reason: String,
    pub result: ResultRecord,
    pub history: Vec<EpochRecord>,
    pub interventions: Vec<Intervention>,
}

struct Logged<'a> {
    context: &'a mut dyn TrainingContext,
    log: LogWriter,
}

impl TrainingContext for Logged<'_> {
    fn next_command(&mut self, wait: Duration) -> Option<Command> {
        self.context.next_command(wait)
    }

    fn emit(&mut self, event: Event) {
        self.context.emit(event.clone());
        let mut line = serde_json::to_vec(&Stamped { at: 1.0, event }).unwrap();
        line.push(b'\n');
        self.log.append(&line).unwrap();
    }

    fn log_length(&self) -> u64 {
        self.log.len()
    }

    fn rewind_log(&mut self, length: u64) -> Result<()> {
        self.context.rewind_log(length)?;
        self.log.rewind(length)
    }
}

/// Trains with a log in the run's directory.
pub fn train_logged(setup: Setup<'_>, context: &mut dyn TrainingContext) -> Result<Ended> {
    let (directory, resume) = (setup.directory.to_path_buf(), setup.resume);
    let path: &Path = &directory.join(LOG);
    let mut log = LogWriter::open(path)?;
    if !resume {
        log.rewind(0)?;
    }
    let outcome = train(setup, &mut Logged { context, log })?;
    Ok(Ended {
        complete: outcome.complete,
        reason: outcome.reason,
        result: outcome.result,
        history: history::of_log(path),
        interventions: outcome.interventions,
    })
}

//! A run's history as JSON, an object a line: epochs with their confusion counts, and the steps that the log has.

use std::io::Write;

use serde::Serialize;

use super::history::{self, Entry};
use super::{Exporter, Source, Written};
use crate::error::{Error, Result};
use crate::text;

pub(super) struct JsonLines;

/// The fields of an event of the log, and which it is.
#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'static str,
    #[serde(flatten)]
    fields: &'a T,
}

impl Exporter for JsonLines {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn about(&self) -> &'static str {
        "The history as JSON lines: every epoch and logged step, by its `kind`"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn write(&self, run: &Source, out: &mut dyn Write) -> Result<Written> {
        let (mut epochs, mut steps) = (0, 0);
        for entry in history::read(run)? {
            let line = match &entry {
                Entry::Step(step) => {
                    steps += 1;
                    line("step", step)
                }
                Entry::Epoch(end) => {
                    epochs += 1;
                    line("epoch", end)
                }
                Entry::Recorded(epoch) => {
                    epochs += 1;
                    line("epoch", epoch)
                }
            };
            let line = line.map_err(|e| Error::compute("writing JSON", e))?;
            writeln!(out, "{line}").map_err(|e| Error::io("write", self.extension(), e))?;
        }
        let (epochs, steps) = (text::count(epochs, "epoch"), text::count(steps, "step"));
        Ok(Written {
            what: format!("{epochs} and {steps}"),
            notes: Vec::new(),
        })
    }
}

fn line(kind: &'static str, fields: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(&Line { kind, fields })
}

//! A run's epochs as a table: a row each, every metric a column.

use std::io::Write;

use super::history::{self, Entry};
use super::{Exporter, Source, Written};
use crate::error::{Error, Result};
use crate::event::EpochEnd;
use crate::metrics::{METRICS, Scores};
use crate::profile::EpochRecord;
use crate::text;

pub(super) struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "The history as a table, one row per epoch; unknown or non-finite values are empty cells"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn write(&self, run: &Source, out: &mut dyn Write) -> Result<Written> {
        let line = |cells: Vec<String>| cells.join(",") + "\n";
        let head = row(&EpochEnd::default()).into_iter().map(|(name, _)| name);
        let mut lines = vec![line(head.collect())];
        for entry in history::read(run)? {
            let end = match entry {
                Entry::Step(_) => continue,
                Entry::Epoch(end) => *end,
                Entry::Recorded(epoch) => recorded(&epoch),
            };
            lines.push(line(row(&end).into_iter().map(|(_, cell)| cell).collect()));
        }
        out.write_all(lines.concat().as_bytes())
            .map_err(|e| Error::io("write", self.extension(), e))?;
        Ok(Written {
            what: text::count(lines.len() - 1, "epoch"),
            notes: Vec::new(),
        })
    }
}

/// The columns' names, which are those of records, with the cells of an epoch.
fn row(end: &EpochEnd) -> Vec<(String, String)> {
    let cell = |name: &str, cell| (name.to_owned(), cell);
    let mut row = vec![
        cell("epoch", count(end.epoch as u64)),
        cell("step", count(end.step)),
        cell("train_loss", number(end.train.loss)),
        cell("train_accuracy", number(end.train.accuracy)),
    ];
    row.extend(METRICS.iter().map(|metric| {
        let name = format!("held_out_{}", metric.key);
        (name, number((metric.of)(&end.held_out)))
    }));
    let stale = (end.best_epoch > 0).then(|| end.stale_epochs.to_string());
    row.extend([
        cell("learning_rate", number(end.learning_rate)),
        cell("seconds", number(end.seconds)),
        cell("evaluation_seconds", number(end.evaluation_seconds)),
        cell("images_per_second", number(end.images_per_second)),
        cell("best_epoch", count(end.best_epoch as u64)),
        cell("stale_epochs", stale.unwrap_or_default()),
    ]);
    row
}

/// As much of an epoch as a record keeps.
fn recorded(epoch: &EpochRecord) -> EpochEnd {
    EpochEnd {
        epoch: epoch.epoch,
        train: Scores::running(epoch.train_loss, epoch.train_accuracy),
        held_out: Scores::running(epoch.held_out_loss, epoch.held_out_accuracy),
        learning_rate: epoch.learning_rate,
        seconds: epoch.seconds,
        images_per_second: epoch.images_per_second,
        evaluation_seconds: f64::NAN,
        ..EpochEnd::default()
    }
}

/// All that is counted begins with 1.
fn count(count: u64) -> String {
    if count > 0 {
        count.to_string()
    } else {
        String::new()
    }
}

/// The fewest digits that are read as the same number.
fn number(number: f64) -> String {
    if number.is_finite() {
        format!("{number:?}")
    } else {
        String::new()
    }
}

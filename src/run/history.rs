//! A run's epochs: in its event log while it goes on, and in its record, thinned, when it has ended.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use super::log;
use crate::catalog;
use crate::event::{self, EpochEnd, Event, Stamped, Started};
use crate::metrics::Scores;
use crate::profile::{EpochRecord, Profile, RunRecord, Status};
use crate::storage;

/// Rows that a record holds at most.
pub const MOST: usize = 5000;

/// **Units** bytes of the longest line of a log that is looked at.
const LONGEST_LINE: usize = 16 << 20;

/// The finished epochs that a log tells of, those trained again after a resume once; empty where there is none that can
/// be read.
#[must_use]
pub fn of_log(path: &Path) -> Vec<EpochRecord> {
    let mut logged = Logged::default();
    logged.read_on(path);
    logged.history
}

/// The step at which an epoch ended, as a log tells it.
#[must_use]
pub(crate) fn step_of_epoch(path: &Path, epoch: usize) -> Option<u64> {
    let events = log::read(path).ok()?;
    events
        .iter()
        .rev()
        .find_map(|stamped| match &stamped.event {
            Event::EpochEnd(end) if end.epoch == epoch => Some(end.step),
            _ => None,
        })
}

/// The epochs of a log that may still grow.
#[derive(Debug, Default)]
pub struct Logged {
    /// Bytes of the whole lines that were read.
    position: u64,
    /// The last line.
    last: Vec<u8>,
    pub history: Vec<EpochRecord>,
}

impl Logged {
    /// Reads what has come since; all anew where the log was shortened.
    pub fn read_on(&mut self, path: &Path) {
        let Ok((mut file, _)) = storage::open(path) else {
            return;
        };
        if !log::still_has(&mut file, self.position, &self.last) {
            *self = Self::default();
        }
        if file.seek(SeekFrom::Start(self.position)).is_err() {
            return;
        }
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).unwrap_or(0);
            // A torn line is read again when it is whole.
            if read > LONGEST_LINE || !line.ends_with(b"\n") {
                return;
            }
            self.position += read as u64;
            take(&mut self.history, &line);
            self.last.clone_from(&line);
        }
    }
}

/// Takes a line of the log; most are of no interest here and are not parsed.
fn take(history: &mut Vec<EpochRecord>, line: &[u8]) {
    let Ok(line) = std::str::from_utf8(line) else {
        return;
    };
    if !line.contains("\"event\":\"epoch-end\"") && !line.contains("\"event\":\"started\"") {
        return;
    }
    match log::parse_line(line).map(|stamped| stamped.event) {
        Some(Event::Started(started)) => resume(history, &started),
        Some(Event::EpochEnd(end)) => add(history, EpochRecord::from(&*end)),
        _ => {}
    }
}

/// Forgets what came after the checkpoint that a run goes on from: it is trained, and told, again.
pub fn resume(history: &mut Vec<EpochRecord>, started: &Started) {
    let whole_epochs = started.resumed_at_step / started.steps_per_epoch.max(1);
    history.retain(|e| e.epoch as u64 <= whole_epochs);
}

/// Adds an epoch, in the place of itself and of what came after it.
pub fn add(history: &mut Vec<EpochRecord>, epoch: EpochRecord) {
    let later = history.iter().rev().take_while(|e| e.epoch >= epoch.epoch);
    history.truncate(history.len() - later.count());
    history.push(epoch);
}

/// The events of a run that is over as its record tells them: for where its log is missing or truncated. `told` is the
/// last epoch that is known already, 0 before the first, and `None` where not even the beginning is.
#[must_use]
pub fn events_of(record: &Profile, told: Option<usize>) -> Vec<Stamped> {
    let Some(run) = record.run.as_ref().filter(|run| run.status.is_over()) else {
        return Vec::new();
    };
    let mut events = Vec::new();
    if told.is_none() {
        events.push(Event::Started(Box::new(started(record, run))));
    }
    let message = "the event log is missing or truncated: the rest comes from the record".into();
    events.push(Event::Warning { message });
    let best = record.best_epoch().map_or(0, |best| best.epoch);
    for epoch in record
        .history
        .iter()
        .filter(|e| e.epoch > told.unwrap_or(0))
    {
        events.push(Event::EpochEnd(Box::new(EpochEnd {
            epoch: epoch.epoch,
            step: epoch.epoch as u64 * steps_per_epoch(record),
            train: Scores::running(epoch.train_loss, epoch.train_accuracy),
            held_out: Scores::running(epoch.held_out_loss, epoch.held_out_accuracy),
            learning_rate: epoch.learning_rate,
            seconds: epoch.seconds,
            images_per_second: epoch.images_per_second,
            best_epoch: best.min(epoch.epoch),
            ..EpochEnd::default()
        })));
    }
    events.push(match (&record.result, run.status) {
        (Some(result), Status::Finished | Status::Stopped) => Event::Finished {
            complete: run.status == Status::Finished,
            reason: run.status.name().into(),
            result: Box::new(result.clone()),
        },
        _ => Event::Failed {
            message: run.error.clone(),
            remedy: String::new(),
        },
    });
    events.into_iter().map(Stamped::now).collect()
}

/// Known from how many images were scored; 0 where none were.
fn steps_per_epoch(record: &Profile) -> u64 {
    let scores = record.result.as_ref().and_then(|r| r.train.as_ref());
    let images = scores.map_or(0, |s| s.confusion.total());
    images.div_ceil(record.train.batch_size.max(1) as u64)
}

/// How a run began, as far as its record tells.
fn started(record: &Profile, run: &RunRecord) -> Started {
    let result = record.result.as_ref();
    let images = |scores: Option<&Scores>| {
        let images = scores.map_or(0, |s| s.confusion.total());
        usize::try_from(images).unwrap_or(usize::MAX)
    };
    let train = &record.train;
    Started {
        format: event::FORMAT,
        run: run.id.clone(),
        name: record.name.clone(),
        architecture: record.model.architecture.clone(),
        dataset: record.data.name.clone(),
        classes: catalog::find(&record.data.name).map_or_else(Vec::new, |set| set.classes.names()),
        parameters: result.map_or(0, |r| r.parameters),
        trained_parameters: result.map_or(0, |r| r.trained_parameters),
        multiply_adds: result.map_or(0, |r| r.multiply_adds),
        epochs: train.epochs,
        batch_size: train.batch_size,
        steps_per_epoch: steps_per_epoch(record),
        train_images: images(result.and_then(|r| r.train.as_ref())),
        validation_images: images(result.and_then(|r| r.validation.as_ref())),
        test_images: images(result.and_then(|r| r.test.as_ref())),
        no_test_set: run.no_test_set,
        curve_is_test: record.curve_is_test(),
        device: run.device.clone(),
        threads: run.threads,
        backend: run.backend.clone(),
        learning_rate: train.optimizer.learning_rate,
        patience: train.early_stop.patience,
        ..Started::default()
    }
}

/// At most [`MOST`] rows, evenly over all, with the first, the best and the last.
#[must_use]
pub fn thinned(history: &[EpochRecord], best_epoch: usize) -> Vec<EpochRecord> {
    thinned_to(MOST, history, best_epoch)
}

/// [`thinned`] to so many rows, at least three.
#[must_use]
pub fn thinned_to(most: usize, history: &[EpochRecord], best_epoch: usize) -> Vec<EpochRecord> {
    if history.len() <= most {
        return history.to_vec();
    }
    // One place is left for the best.
    let last = most.max(3) - 2;
    let mut places: Vec<usize> = (0..=last)
        .map(|row| row * (history.len() - 1) / last)
        .collect();
    let best = history.iter().position(|e| e.epoch == best_epoch);
    if let Some(best) = best
        && let Err(at) = places.binary_search(&best)
    {
        places.insert(at, best);
    }
    places.into_iter().map(|at| history[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EpochEnd, Stamped};

    fn rows(epochs: impl IntoIterator<Item = usize>) -> Vec<EpochRecord> {
        let row = |epoch| EpochRecord {
            epoch,
            ..EpochRecord::default()
        };
        epochs.into_iter().map(row).collect()
    }

    fn numbers(history: &[EpochRecord]) -> Vec<usize> {
        history.iter().map(|e| e.epoch).collect()
    }

    #[test]
    fn a_log_tells_each_epoch_once_through_resumes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        assert!(of_log(&path).is_empty());
        let started = |resumed_at_step| {
            Event::Started(Box::new(Started {
                steps_per_epoch: 10,
                resumed_at_step,
                ..Started::default()
            }))
        };
        let end = |epoch| {
            Event::EpochEnd(Box::new(EpochEnd {
                epoch,
                ..EpochEnd::default()
            }))
        };
        let events = [
            started(0),
            end(1),
            end(2),
            end(3),
            started(20),
            end(3),
            end(4),
        ];
        let line = |event| serde_json::to_string(&Stamped { at: 1.0, event }).unwrap() + "\n";
        let lines: String = events.map(line).concat();
        std::fs::write(&path, format!("{lines}garbage\n{{\"event\":\"epoch-end\"")).unwrap();
        assert_eq!(numbers(&of_log(&path)), [1, 2, 3, 4]);

        // As it grows, with a line that comes in two pieces; and when it was cut.
        let mut logged = Logged::default();
        for cut in (0..=lines.len()).step_by(7) {
            std::fs::write(&path, &lines[..cut]).unwrap();
            logged.read_on(&path);
            assert_eq!(numbers(&logged.history), numbers(&of_log(&path)), "{cut}");
        }
        let first = lines.find('\n').unwrap() + 1;
        std::fs::write(&path, &lines[..first]).unwrap();
        logged.read_on(&path);
        assert!(logged.history.is_empty());
    }

    #[test]
    fn a_long_history_is_thinned_evenly_with_its_first_best_and_last_epoch() {
        for length in [1, MOST, MOST + 1, MOST + 2, 2 * MOST + 7, 40_000] {
            let all = rows(1..=length);
            for best in [0, 1, length / 2 + 1, length] {
                let kept = numbers(&thinned(&all, best));
                assert!(kept.len() <= MOST && kept.len() >= length.min(MOST) - 1);
                assert_eq!((kept[0], kept[kept.len() - 1]), (1, length));
                assert!(best == 0 || kept.contains(&best));
                let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max();
                assert!(widest.unwrap_or(1) <= length / (MOST - 2) + 1, "{length}");
                assert!(kept.is_sorted());
            }
        }
    }
}

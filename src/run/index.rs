//! `profiles/runs/index.jsonl`: what the list of runs shows of each, so that it opens without reading every record. A
//! cache: each line says which file it is of, and what is not of the present file is read anew. It may be deleted at
//! any time.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::{history, record};
use crate::error::Result;
use crate::metrics::{self, Scores};
use crate::profile::{EpochRecord, Profile};
use crate::storage;

/// The version of the lines.
const FORMAT: u32 = 1;

/// Epochs that are kept of a run: more than a screen has columns.
pub(crate) const EPOCHS: usize = 256;

/// Runs of more classes are not kept: their counts are longer than what else there is of them.
const MOST_CLASSES: usize = 32;

/// **Units** bytes of the largest index that is read.
const LARGEST: u64 = 1 << 30;

/// Lines that were replaced by later ones before the file is written anew.
const MOST_OLD: usize = 1000;

/// What tells a file from a later one of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp(i64, i64, u64, u64);

impl Stamp {
    /// Of a file; `None` where there is none.
    #[must_use]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self(
            found.mtime(),
            found.mtime_nsec(),
            found.size(),
            found.ino(),
        ))
    }

    /// When the file was changed last, in seconds since 1970.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 + self.1 as f64 / 1e9
    }
}

/// What is known of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    /// Of its record.
    pub record: Stamp,
    /// Of its log, where its epochs are from there.
    pub log: Option<Stamp>,
    /// The record, its history [thinned](history::thinned) to [`EPOCHS`] rows; or why it cannot be read.
    pub profile: Result<Arc<Profile>, String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    format: u32,
    id: String,
    record: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
    /// Without scores and history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
    #[serde(default)]
    scores: [Option<Lean>; 3],
    #[serde(default)]
    history: Vec<Row>,
}

/// Scores without what follows from their counts.
#[derive(Deserialize)]
#[serde(transparent)]
struct Lean(Scores);

impl Serialize for Lean {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        metrics::lean(&self.0, to)
    }
}

/// An epoch and its figures, which are null where they are not finite.
#[derive(Serialize, Deserialize)]
struct Row(usize, [Option<f64>; 7]);

impl From<&EpochRecord> for Row {
    fn from(e: &EpochRecord) -> Self {
        let figures = [
            e.train_loss,
            e.train_accuracy,
            e.held_out_loss,
            e.held_out_accuracy,
            e.learning_rate,
            e.seconds,
            e.images_per_second,
        ];
        Self(e.epoch, figures.map(|f| Some(f).filter(|f| f.is_finite())))
    }
}

impl From<Row> for EpochRecord {
    fn from(Row(epoch, figures): Row) -> Self {
        let [
            train_loss,
            train_accuracy,
            held_out_loss,
            held_out_accuracy,
            learning_rate,
            seconds,
            images_per_second,
        ] = figures.map(|f| f.unwrap_or(f64::NAN));
        Self {
            epoch,
            train_loss,
            train_accuracy,
            held_out_loss,
            held_out_accuracy,
            learning_rate,
            seconds,
            images_per_second,
        }
    }
}

impl Known {
    /// As a line, `\n` included; `None` for what is not kept.
    fn line(&self, id: &str) -> Option<Vec<u8>> {
        let mut line = Line {
            format: FORMAT,
            id: id.to_owned(),
            record: self.record,
            log: self.log,
            broken: self.profile.as_ref().err().cloned(),
            profile: None,
            scores: [None, None, None],
            history: Vec::new(),
        };
        if let Ok(profile) = &self.profile {
            let mut profile = Profile::clone(profile);
            line.history = profile.history.iter().map(Row::from).collect();
            profile.history.clear();
            if let Some(result) = &mut profile.result {
                let scores = [&mut result.train, &mut result.validation, &mut result.test];
                line.scores = scores.map(|scores| scores.take().map(Lean));
            }
            line.profile = Some(profile);
        }
        let classes = |scores: &Lean| scores.0.confusion.classes();
        if line
            .scores
            .iter()
            .flatten()
            .any(|s| classes(s) > MOST_CLASSES)
        {
            return None;
        }
        let mut bytes = serde_json::to_vec(&line).ok()?;
        bytes.push(b'\n');
        Some(bytes)
    }

    fn of_line(line: &[u8]) -> Option<(String, Self)> {
        let line: Line = serde_json::from_slice(line).ok()?;
        if line.format != FORMAT {
            return None;
        }
        let profile = match (line.profile, line.broken) {
            (Some(mut profile), _) => {
                profile.history = line.history.into_iter().map(EpochRecord::from).collect();
                if let Some(result) = &mut profile.result {
                    [result.train, result.validation, result.test] =
                        line.scores.map(|scores| scores.map(|Lean(scores)| scores));
                }
                record::sanitize(&mut profile);
                Ok(Arc::new(profile))
            }
            (None, Some(reason)) => Err(crate::text::sanitize(&reason)),
            (None, None) => return None,
        };
        let known = Self {
            record: line.record,
            log: line.log,
            profile,
        };
        Some((line.id, known))
    }
}

/// The index of a workspace.
pub(crate) struct Index {
    path: PathBuf,
    /// Lines in the file.
    lines: usize,
}

impl Index {
    /// The index in the directory of the records.
    #[must_use]
    pub(crate) fn new(profiles_dir: &Path) -> Self {
        Self {
            path: profiles_dir.join("index.jsonl"),
            lines: 0,
        }
    }

    /// What it knows; nothing where it is not there or cannot be read.
    pub(crate) fn read(&mut self) -> HashMap<String, Known> {
        let bytes = storage::read(&self.path, LARGEST).unwrap_or_default();
        let lines: Vec<&[u8]> = bytes
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .collect();
        self.lines = lines.len();
        // Later lines are of later files.
        in_parallel(&lines, |line| Known::of_line(line))
            .into_iter()
            .flatten()
            .collect()
    }

    /// Adds what was read anew. Where it cannot be written, the next list reads it again.
    pub(crate) fn add<'a>(
        &mut self,
        read: impl Iterator<Item = (&'a String, &'a Known)>,
        all: &HashMap<String, Known>,
    ) {
        let mut bytes = Vec::new();
        for line in read.filter_map(|(id, known)| known.line(id)) {
            bytes.extend(line);
            self.lines += 1;
        }
        if self.lines > all.len() + MOST_OLD {
            let lines = all.iter().filter_map(|(id, known)| known.line(id));
            let bytes: Vec<u8> = lines.flatten().collect();
            if storage::commit(&self.path, &bytes).is_ok() {
                self.lines = all.len();
            }
        } else if !bytes.is_empty() {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.path);
            // In one write, so that lines of several processes do not mix.
            let _ = file.and_then(|mut file| file.write_all(&bytes));
        }
    }
}

/// The history of a record as it is kept.
pub(crate) fn shorten(profile: &mut Profile) {
    let best = profile.best_epoch().map_or(0, |best| best.epoch);
    profile.history = history::thinned_to(EPOCHS, &profile.history, best);
}

/// `work` on each of `items`, on all cores; the results are in their order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores.min(8)).max(32);
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(results) => results,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = include_str!("../../tests/support/run-0.1/record.toml");

    fn known() -> Known {
        let mut profile = Profile::parse(RECORD, "record").unwrap();
        profile.history[3].held_out_loss = f64::NAN;
        Known {
            record: Stamp(1, 2, 3, 4),
            log: Some(Stamp(5, 6, 7, 8)),
            profile: Ok(Arc::new(profile)),
        }
    }

    #[test]
    fn a_line_has_all_of_a_run_but_long_histories_and_many_classes() {
        let line = known().line("a").unwrap();
        assert!(line.len() < 5000, "{}", line.len());
        let (id, again) = Known::of_line(&line).unwrap();
        assert_eq!(id, "a");
        // Not equal for its NaN alone.
        assert_eq!(again.line("a").unwrap(), line);
        let whole = |known: &Known| known.profile.as_ref().unwrap().to_toml();
        assert_eq!(whole(&again), whole(&known()));
        let broken = Known {
            profile: Err("is not TOML".into()),
            ..known()
        };
        let line = broken.line("b").unwrap();
        assert_eq!(Known::of_line(&line).unwrap(), ("b".into(), broken));

        let mut many = Profile::parse(RECORD, "record").unwrap();
        let test = many.result.as_mut().unwrap().test.as_mut().unwrap();
        test.confusion = metrics::Confusion::new(MOST_CLASSES + 1);
        let many = Known {
            profile: Ok(Arc::new(many)),
            ..known()
        };
        assert!(many.line("c").is_none());
    }

    #[test]
    fn damaged_and_foreign_lines_are_left_out_and_the_last_of_a_run_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = Index::new(dir.path());
        assert!(index.read().is_empty());
        let (a, mut b) = (known(), known());
        b.record = Stamp(9, 9, 9, 9);
        let all = HashMap::from([("x".to_string(), b.clone())]);
        let id = "x".to_string();
        index.add([(&id, &a)].into_iter(), &all);
        index.add([(&id, &b)].into_iter(), &all);
        let path = dir.path().join("index.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"{\"format\":1}\n{\"format\":99,\"id\":\"y\"}\ngarbage\n\xff\n");
        fs::write(&path, bytes).unwrap();
        let read = index.read();
        assert_eq!(read.len(), 1);
        assert_eq!(read["x"].record, b.record);
        // What was replaced goes by and by.
        index.lines = MOST_OLD + 2;
        index.add(std::iter::empty(), &all);
        assert_eq!(fs::read(&path).unwrap(), b.line("x").unwrap());
    }
}

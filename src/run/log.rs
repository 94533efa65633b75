//! The event log, `events.jsonl`: one event a line, appended with one write each, read by everyone.
//!
//! A torn last line (a worker that died while writing) is ignored by readers and cut away by the next writer.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::event::{Event, FORMAT, Stamped};
use crate::{storage, text};

/// The most that is read from a log at once.
const CHUNK: u64 = 16 << 20;

/// How much of the end of what was read is compared to notice a log that was cut and has grown again.
const REMEMBERED: usize = 64;

/// Appends to the log.
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    path: PathBuf,
    length: u64,
}

impl LogWriter {
    /// Opens the log for appending, cutting away a torn last line.
    ///
    /// # Errors
    /// `Io` when the log cannot be opened or cut.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|e| Error::io("open", path, e))?;
        storage::regular(&file).map_err(|e| Error::io("open", path, e))?;
        let length = whole_lines(&mut file).map_err(|e| Error::io("read", path, e))?;
        file.set_len(length)
            .map_err(|e| Error::io("cut", path, e))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            length,
        })
    }

    /// Bytes of whole lines.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a line, `\n` included, in one write.
    ///
    /// # Errors
    /// `Io` when not all of it could be written; what was written of it is cut away again.
    pub fn append(&mut self, line: &[u8]) -> Result<()> {
        let written = self.file.write(line).and_then(|n| {
            if n == line.len() {
                Ok(())
            } else {
                Err(std::io::ErrorKind::StorageFull.into())
            }
        });
        match written {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(e) => {
                // Where even this fails, the torn line is skipped by every reader.
                let _ = self.file.set_len(self.length);
                Err(Error::io("write", &self.path, e))
            }
        }
    }

    /// Writes somewhere else from now on; gives where it wrote.
    #[cfg(test)]
    pub(super) fn swap(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    /// Cuts the log back to `length` bytes (as a checkpoint remembers it); a shorter log stays as it is.
    ///
    /// # Errors
    /// `Io` when the log cannot be cut.
    pub fn rewind(&mut self, length: u64) -> Result<()> {
        if length >= self.length {
            return Ok(());
        }
        self.file
            .set_len(length)
            .map_err(|e| Error::io("cut", &self.path, e))?;
        self.length = whole_lines(&mut self.file).map_err(|e| Error::io("read", &self.path, e))?;
        self.file
            .set_len(self.length)
            .map_err(|e| Error::io("cut", &self.path, e))
    }
}

/// The length of a file up to and with its last `\n`.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = [0_u8; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..usize::try_from(end - start).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// One line of the log, its texts made harmless; `None` for what is not an event.
#[must_use]
pub fn parse_line(line: &str) -> Option<Stamped> {
    let mut stamped: Stamped = serde_json::from_str(line).ok()?;
    sanitize(&mut stamped.event);
    Some(stamped)
}

fn sanitize(event: &mut Event) {
    let clean = |text: &mut String| *text = text::sanitize(text);
    match event {
        Event::Started(started) => {
            clean(&mut started.run);
            clean(&mut started.name);
            clean(&mut started.architecture);
            clean(&mut started.dataset);
            clean(&mut started.device);
            clean(&mut started.backend);
            started.classes.iter_mut().for_each(clean);
        }
        Event::CheckpointSaved { kind, .. } => clean(kind),
        Event::Changed { what, .. } => clean(what),
        Event::Waiting { why, .. } => clean(why),
        Event::Warning { message } | Event::Note { message } => clean(message),
        Event::Finished { reason, result, .. } => {
            clean(reason);
            clean(&mut result.note);
        }
        Event::Failed { message, remedy } => {
            clean(message);
            clean(remedy);
        }
        Event::Step(_)
        | Event::Features(_)
        | Event::EpochEnd(_)
        | Event::Paused { .. }
        | Event::Continued { .. }
        | Event::Load(_) => {}
    }
}

/// What is to be told of a start that is of a later format than this program writes.
fn of_later_format(stamped: &Stamped) -> Option<Stamped> {
    let Event::Started(started) = &stamped.event else {
        return None;
    };
    (started.format > FORMAT).then(|| Stamped {
        at: stamped.at,
        event: Event::Warning {
            message: format!(
                "this log is from a newer fmtui (format {}, this one writes {FORMAT}): unknown content is skipped",
                started.format
            ),
        },
    })
}

/// The events of whole lines; how many of these are none is a warning after them.
fn events(lines: &[u8]) -> Vec<Stamped> {
    let mut unread = 0;
    let mut events = Vec::new();
    let lines = lines.split(|b| *b == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        match std::str::from_utf8(line).ok().and_then(parse_line) {
            Some(stamped) => {
                let later = of_later_format(&stamped);
                events.push(stamped);
                events.extend(later);
            }
            None => unread += 1,
        }
    }
    if unread > 0 {
        let message = format!(
            "{} of the event log cannot be read: damaged, or from another version of fmtui",
            text::count(unread, "line")
        );
        events.push(Stamped {
            at: events.last().map_or(0.0, |event: &Stamped| event.at),
            event: Event::Warning { message },
        });
    }
    events
}

/// All events of a log; empty for a log that is not there yet.
///
/// # Errors
/// `Io` when the log is there and cannot be read.
pub fn read(path: &Path) -> Result<Vec<Stamped>> {
    let mut follower = Follower::new(path);
    let mut events = Vec::new();
    loop {
        let more = follower.poll()?;
        if more.is_empty() {
            return Ok(events);
        }
        events.extend(more);
    }
}

/// Reads a log that may still grow, from where it stopped the last time.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    position: u64,
    /// The last bytes before `position`, as they were read.
    tail: Vec<u8>,
}

impl Follower {
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            position: 0,
            tail: Vec::new(),
        }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes note of a whole line that was learned from somewhere else (the socket), so that it is not read again.
    pub fn skip(&mut self, line: &[u8]) {
        self.position += line.len() as u64;
        self.remember(line);
    }

    /// Goes on from byte `length`, to which the log was cut.
    pub fn rewind(&mut self, length: u64) {
        self.position = length;
        self.tail.clear();
    }

    /// The events of the whole lines since the last time, at most some megabytes of them; all from the start again when
    /// the log was cut (a resume). Lines that are no events are counted, and told of.
    ///
    /// # Errors
    /// `Io` when the log is there and cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Stamped>> {
        self.poll_until(u64::MAX)
    }

    /// [`poll`](Self::poll), reading no further than byte `end`.
    ///
    /// # Errors
    /// `Io` when the log is there and cannot be read.
    pub fn poll_until(&mut self, end: u64) -> Result<Vec<Stamped>> {
        loop {
            let bytes = match self.read_new(end) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(e) => return Err(Error::io("read", &self.path, e)),
            };
            let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            self.skip(&bytes[..whole]);
            let events = events(&bytes[..whole]);
            // Where there are only empty lines in this chunk, an empty answer would read as "nothing new".
            if !events.is_empty() || whole == 0 {
                return Ok(events);
            }
        }
    }

    fn read_new(&mut self, end: u64) -> std::io::Result<Vec<u8>> {
        let (mut file, length) = storage::open(&self.path)?;
        if length == self.position {
            return Ok(Vec::new());
        }
        if length < self.position || !still_has(&mut file, self.position, &self.tail) {
            self.position = 0;
            self.tail.clear();
        }
        file.seek(SeekFrom::Start(self.position))?;
        let limit = end.saturating_sub(self.position).min(CHUNK);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == CHUNK && !bytes.contains(&b'\n') {
            let problem = format!("it has a line of more than {}", text::bytes(CHUNK));
            return Err(std::io::Error::new(ErrorKind::InvalidData, problem));
        }
        Ok(bytes)
    }

    fn remember(&mut self, read: &[u8]) {
        self.tail
            .extend_from_slice(&read[read.len().saturating_sub(REMEMBERED)..]);
        let excess = self.tail.len().saturating_sub(REMEMBERED);
        self.tail.drain(..excess);
    }
}

/// Whether a log has `last`, the end of what was read of it, before `position` still: a run that resumes shortens its
/// log to its checkpoint, and may since have written more than there was.
pub(super) fn still_has(file: &mut (impl Read + Seek), position: u64, last: &[u8]) -> bool {
    let mut there = vec![0; last.len()];
    let from = position.saturating_sub(last.len() as u64);
    let read = file
        .seek(SeekFrom::Start(from))
        .and_then(|_| file.read_exact(&mut there));
    read.is_ok() && there == last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Features, ResourceUsage, Step};
    use crate::profile::ResultRecord;

    fn line(step: u64) -> Vec<u8> {
        let stamped = Stamped {
            at: 1.5,
            event: Event::Paused { step },
        };
        let mut bytes = serde_json::to_vec(&stamped).unwrap();
        bytes.push(b'\n');
        bytes
    }

    fn steps(events: &[Stamped]) -> Vec<u64> {
        events
            .iter()
            .filter_map(|e| match e.event {
                Event::Paused { step } => Some(step),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_log_cut_at_every_byte_reads_its_whole_lines_and_can_be_continued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let whole: Vec<u8> = (1..=3).flat_map(line).collect();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].split(|b| *b == b'\n').count() as u64 - 1;
            let expected: Vec<u64> = (1..=lines).collect();
            assert_eq!(steps(&read(&path).unwrap()), expected, "cut at {cut}");
            let mut writer = LogWriter::open(&path).unwrap();
            writer.append(&line(9)).unwrap();
            let continued: Vec<u64> = expected.into_iter().chain([9]).collect();
            assert_eq!(steps(&read(&path).unwrap()), continued, "cut at {cut}");
            assert_eq!(writer.len(), std::fs::metadata(&path).unwrap().len());
        }
    }

    #[test]
    fn a_follower_tells_each_line_once_and_starts_over_after_a_rewind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut follower = Follower::new(&path);
        assert!(follower.poll().unwrap().is_empty());
        let mut writer = LogWriter::open(&path).unwrap();
        writer.append(&line(1)).unwrap();
        let checkpoint = writer.len();
        writer.append(&line(2)).unwrap();
        assert_eq!(steps(&follower.poll().unwrap()), [1, 2]);
        assert!(follower.poll().unwrap().is_empty());
        // Cut, and grown again beyond where the follower was.
        writer.rewind(checkpoint).unwrap();
        for step in 7..10 {
            writer.append(&line(step)).unwrap();
        }
        assert_eq!(steps(&follower.poll().unwrap()), [1, 7, 8, 9]);
        follower.skip(&line(10));
        writer.append(&line(10)).unwrap();
        writer.append(&line(11)).unwrap();
        assert_eq!(steps(&follower.poll().unwrap()), [11]);
    }

    #[test]
    fn lines_of_older_logs_are_read() {
        let step = r#"{"at":1.0,"event":"step","step":3,"epoch":1,"loss":0.5,"accuracy":0.8,"learning_rate":0.1,"gradient_norm":1.0,"images_per_second":10.0,"elapsed_seconds":2.0}"#;
        assert!(matches!(parse_line(step).unwrap().event, Event::Step(s) if s.step == 3));
        let started = r#"{"at":1.0,"event":"started","format":1,"run":"r","name":"n","architecture":"mlp","dataset":"d","classes":[],"parameters":1,"trained_parameters":1,"multiply_adds":1,"epochs":1,"steps_per_epoch":1,"batch_size":1,"train_images":1,"validation_images":0,"test_images":0,"curve_is_test":true,"device":"cpu","threads":2,"learning_rate":0.1,"patience":0,"resumed_at_step":0}"#;
        let Event::Started(started) = parse_line(started).unwrap().event else {
            panic!("not a start");
        };
        assert_eq!((started.backend.as_str(), started.threads), ("", 2));
    }

    /// Every figure of every event: what is not finite is written as null, and null is read again.
    #[test]
    fn figures_that_are_not_finite_survive_the_log() {
        let result = ResultRecord::default();
        let started = r#"{"format":1,"run":"r","name":"n","architecture":"mlp","dataset":"d","classes":[],"parameters":1,"trained_parameters":1,"multiply_adds":1,"epochs":1,"steps_per_epoch":1,"batch_size":1,"train_images":1,"validation_images":0,"test_images":0,"curve_is_test":true,"device":"cpu","threads":2,"learning_rate":0.1,"patience":0,"resumed_at_step":0}"#;
        let events = [
            Event::Started(serde_json::from_str(started).unwrap()),
            Event::Step(Step::default()),
            Event::Features(Features::default()),
            Event::EpochEnd(Box::default()),
            Event::Load(ResourceUsage {
                gpu_percent: Some(1.0),
                ..ResourceUsage::default()
            }),
            Event::Changed {
                step: 1,
                what: "learning_rate".into(),
                from: 0.1,
                to: 0.2,
            },
            Event::Finished {
                complete: true,
                reason: String::new(),
                result: Box::new(result),
            },
        ];
        for event in events {
            let mut value = serde_json::to_value(Stamped { at: 1.0, event }).unwrap();
            let figures = without_figures(&mut value);
            assert!(figures >= 2, "{value}");
            let read = parse_line(&value.to_string());
            let read = read.unwrap_or_else(|| panic!("cannot be read again: {value}"));
            assert!(read.at.is_nan());
            // What is NaN is written as null again.
            assert_eq!(serde_json::to_value(read).unwrap(), value);
        }
    }

    /// Puts null in the place of every floating-point number; tells how many there were.
    fn without_figures(value: &mut serde_json::Value) -> usize {
        use serde_json::Value;
        match value {
            Value::Number(number) if number.is_f64() => {
                *value = Value::Null;
                1
            }
            Value::Array(values) => values.iter_mut().map(without_figures).sum(),
            Value::Object(fields) => fields.values_mut().map(without_figures).sum(),
            _ => 0,
        }
    }

    #[test]
    fn foreign_lines_are_counted_and_texts_are_harmless() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut bytes = b"garbage\n\xff\xfe\n{\"at\":1,\"event\":\"nonsense\"}\n".to_vec();
        bytes.extend(b"{\"at\":1.0,\"event\":\"warning\",\"message\":\"a\\u001b[31mb\"}\n");
        std::fs::write(&path, bytes).unwrap();
        let events = read(&path).unwrap();
        let told =
            "3 lines of the event log cannot be read: damaged, or from another version of fmtui";
        let warnings = ["a[31mb", told].map(|message| Event::Warning {
            message: message.into(),
        });
        assert!(events.iter().map(|stamped| &stamped.event).eq(&warnings));
    }

    #[test]
    fn lines_of_other_versions_are_read() {
        let parse = |line: &str| parse_line(line).unwrap().event;
        let later = r#"{"at":1,"event":"step","step":7,"loss":0.5,"energy":{"joules":3}}"#;
        let Event::Step(step) = parse(later) else {
            panic!("{later}");
        };
        assert_eq!((step.step, step.loss), (7, 0.5));
        assert!(step.gradient_norm.is_nan());
        let Event::Started(started) = parse(r#"{"at":1,"event":"started","run":"a"}"#) else {
            panic!("no start");
        };
        assert_eq!((started.run.as_str(), started.format), ("a", 0));
        let end = parse(r#"{"event":"epoch-end","epoch":3,"held_out_accuracy":null}"#);
        let Event::EpochEnd(end) = end else {
            panic!("no end");
        };
        assert!(end.epoch == 3 && end.held_out.accuracy.is_nan());
        let first = r#"{"at":1,"event":"started","format":1,"path":"plan","train_pictures":3}"#;
        let Event::Started(started) = parse(first) else {
            panic!("no start");
        };
        assert_eq!(
            (started.backend.as_str(), started.train_images),
            ("plan", 3)
        );
        let of = |format| format!(r#"{{"at":1,"event":"started","format":{format}}}"#);
        assert_eq!(super::events(of(FORMAT).as_bytes()).len(), 1);
        let later = super::events(of(FORMAT + 1).as_bytes());
        assert!(
            matches!(&later[1].event, Event::Warning { message } if message.contains("newer fmtui")),
            "{later:?}"
        );
        for word in ["resumed", "continued"] {
            let line = format!(r#"{{"at":1,"event":"{word}","step":4}}"#);
            assert_eq!(parse(&line), Event::Continued { step: 4 });
        }
        let paused = parse(r#"{"at":1,"event":"paused"}"#);
        assert_eq!(paused, Event::Paused { step: 0 });
    }

    #[test]
    fn what_is_no_log_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let since = std::time::Instant::now();
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let giant = read(&path).unwrap_err().to_string();
        assert!(giant.contains("a line of more than 16 MiB"), "{giant}");
        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        assert!(read(&path).is_err() && LogWriter::open(&path).is_err());
        assert!(since.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_log() {
        let path = Path::new("/dev/full");
        if !path.exists() {
            return;
        }
        let mut writer = LogWriter {
            file: OpenOptions::new().append(true).open(path).unwrap(),
            path: path.into(),
            length: 0,
        };
        let message = writer.append(&line(1)).unwrap_err().to_string();
        assert!(message.contains("/dev/full"), "{message}");
        assert_eq!(writer.len(), 0);
    }
}

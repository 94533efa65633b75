//! Getting bytes from elsewhere: bounded, patient, cancellable. Opens no socket unless somebody asks for something.

pub mod hub;
pub(crate) mod transfer;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::text;

/// How a download stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DownloadProgress {
    /// The file that is being downloaded.
    pub file: String,
    /// Its place among the files, from 0, and their number.
    pub file_index: usize,
    pub files: usize,
    /// Bytes of this file so far, as they are sent.
    pub bytes: u64,
    /// Its size, where the server said it.
    pub total: Option<u64>,
    pub bytes_per_second: f64,
    /// What is being waited for, where nothing moves: the reason of the last failure and the next attempt.
    pub note: Option<String>,
}

impl DownloadProgress {
    /// The step of one of several files.
    #[must_use]
    pub fn of(file: String, (file_index, files): (usize, usize), step: FileProgress) -> Self {
        Self {
            file,
            file_index,
            files,
            bytes: step.bytes,
            total: step.total,
            bytes_per_second: step.bytes_per_second,
            note: step.note,
        }
    }

    /// Seconds until it is whole at this rate; none while that is not known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a guess for people")]
    pub fn seconds_left(&self) -> Option<f64> {
        let left = self.total?.checked_sub(self.bytes)? as f64;
        (self.bytes_per_second > 0.0).then(|| left / self.bytes_per_second)
    }
}

/// How long and how often is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands and the server has answered.
    pub connect: Duration,
    /// Within this time [`LEAST_PER_STALL`](transfer::LEAST_PER_STALL) bytes have to arrive.
    pub stall: Duration,
    /// Attempts per file, over all mirrors.
    pub attempts: usize,
    /// Pause after the first failure; doubled after each.
    pub back_off: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            attempts: 4,
            back_off: Duration::from_millis(500),
        }
    }
}

/// How far one file is.
#[derive(Clone, Debug, Default)]
pub struct FileProgress {
    pub bytes: u64,
    pub total: Option<u64>,
    pub bytes_per_second: f64,
    pub note: Option<String>,
}

impl FileProgress {
    fn of(bytes: u64, total: Option<u64>, since: Instant) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let bytes_per_second = bytes as f64 / since.elapsed().as_secs_f64().max(1e-3);
        Self {
            bytes,
            total,
            bytes_per_second,
            note: None,
        }
    }

    /// The step of a transfer that goes on behind `before` bytes.
    pub(crate) fn behind(self, before: u64) -> Self {
        Self {
            bytes: self.bytes + before,
            total: self.total.map(|total| total + before),
            ..self
        }
    }
}

/// **Units** bytes. A transfer that got on by as many is not given up, however often it breaks off.
const MOVED: u64 = 1 << 20;

/// Why an attempt failed, and whether another is worth it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub words: String,
    again: Again,
    /// Enough came before it that the attempt does not count.
    moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    Soon,
    After(Duration),
}

impl Failure {
    /// It will not get better.
    pub fn never(words: impl Into<String>) -> Self {
        Self::new(words, Again::Never)
    }

    /// It may work the next time.
    pub fn soon(words: impl Into<String>) -> Self {
        Self::new(words, Again::Soon)
    }

    /// It may work after a while.
    pub fn after(words: impl Into<String>, wait: Duration) -> Self {
        Self::new(words, Again::After(wait))
    }

    fn new(words: impl Into<String>, again: Again) -> Self {
        Self {
            words: words.into(),
            again,
            moved: false,
        }
    }

    /// The same in other words.
    #[must_use]
    pub(crate) fn told(self, words: impl Fn(&str) -> String) -> Self {
        Self {
            words: words(&self.words),
            ..self
        }
    }

    /// The same where something else is tried the next time.
    #[must_use]
    pub(crate) fn worth_another(self) -> Self {
        let again = match self.again {
            Again::Never => Again::Soon,
            again => again,
        };
        Self { again, ..self }
    }

    /// The same behind so many bytes that the next attempt does not fetch again.
    #[must_use]
    pub fn behind(self, bytes: u64) -> Self {
        Self {
            moved: bytes >= MOVED,
            ..self
        }
    }
}

/// Why it was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenUp {
    Cancelled,
    /// It cannot work: what is wrong, in words.
    Failed(String),
    /// It may work another time: what went wrong, in words.
    Tried(String),
}

/// Attempts something until it works, cannot work, or was tried often enough; says between attempts what it waits for.
///
/// # Errors
/// As [`GivenUp`] says.
pub async fn persist<T>(
    limits: &Limits,
    report: &mut dyn FnMut(FileProgress),
    cancel: &AtomicBool,
    mut attempt: impl AsyncFnMut(usize, &mut dyn FnMut(FileProgress)) -> Result<T, Failure>,
) -> Result<T, GivenUp> {
    let mut failures: Vec<String> = Vec::new();
    let mut pause = limits.back_off;
    let mut wait = pause;
    let mut tries = 0;
    for number in 0.. {
        if number > 0 {
            report(FileProgress {
                note: failures.last().cloned(),
                ..FileProgress::default()
            });
            transfer::cancellable(tokio::time::sleep(wait), cancel)
                .await
                .ok_or(GivenUp::Cancelled)?;
        }
        let failure = match transfer::cancellable(attempt(number, report), cancel).await {
            None => return Err(GivenUp::Cancelled),
            Some(Ok(done)) => return Ok(done),
            Some(Err(failure)) => failure,
        };
        let words = text::sanitize(&failure.words);
        wait = match failure.again {
            Again::Never => return Err(GivenUp::Failed(words)),
            Again::Soon => pause,
            Again::After(wait) => wait.max(pause),
        };
        pause *= 2;
        tries += 1;
        if failure.moved {
            (tries, pause) = (0, limits.back_off);
        }
        if !failures.contains(&words) {
            failures.push(words);
        }
        if tries >= limits.attempts {
            break;
        }
    }
    let failures = failures.join("; ");
    Err(GivenUp::Tried(match limits.attempts {
        0 | 1 => failures,
        attempts => format!("tried {attempts} times; {failures}"),
    }))
}

/// Whether the user forbids the network.
#[must_use]
pub fn is_offline() -> bool {
    ["FMTUI_OFFLINE", "HF_HUB_OFFLINE"].iter().any(|name| {
        std::env::var(name).is_ok_and(|value| {
            !matches!(
                value.trim().to_lowercase().as_str(),
                "" | "0" | "false" | "no" | "off"
            )
        })
    })
}

//! The one error type of the core. Every message names the file, field or shape it is about and what to do next, and is
//! harmless to show whatever it quotes.
//!
//! Deliberately knows nothing of Candle, terminals or processes: those rooms turn their failures into one of these.

use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};

use crate::text::Harmless;

/// What can go wrong, sorted by what the user can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something the user gave is wrong: a field, a file, an argument. Nothing has been written.
    Input {
        subject: String,
        problem: String,
        remedy: String,
    },
    /// The operating system refused something.
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A download failed.
    Download {
        file: String,
        problem: String,
        remedy: String,
    },
    /// The user gave something up: a download, a check.
    Cancelled { file: String, remedy: String },
    /// A computation failed: a shape, a device, memory.
    Compute { doing: String, problem: String },
    /// Loss or gradient stopped being a number; the weights were not touched.
    NotFinite {
        quantity: &'static str,
        value: f64,
        step: u64,
    },
    /// Another process owns the run: it trains it, or (`pid` is 0) is starting, resuming or deleting it.
    Busy { run: String, pid: u32 },
}

/// What a problem begins with that reads on from its subject: `train.epochs is 0`, where others stand behind a colon.
const VERBS: &[&str] = &[
    "are", "cannot", "does", "ends", "exists", "fits", "has", "holds", "is", "leaves", "lies",
    "matches", "needs", "starts", "takes", "uses", "waits", "was", "were",
];

/// Names the thing and says what is wrong with it, in one sentence where it is one.
#[must_use]
pub(crate) fn statement(subject: &str, problem: &str) -> String {
    let first = problem.split(' ').next().unwrap_or_default();
    let colon = if VERBS.contains(&first) { "" } else { ":" };
    format!("{subject}{colon} {problem}")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths, names and values come from others.
        let mut out = Harmless(f);
        match self {
            Self::Input {
                subject,
                problem,
                remedy,
            } => {
                write!(out, "{}; {remedy}", statement(subject, problem))
            }
            Self::Io {
                action,
                path,
                source,
            } => write!(out, "cannot {action} {}: {source}", path.display()),
            Self::Download {
                file,
                problem,
                remedy,
            } => write!(out, "cannot download {file}: {problem}; {remedy}"),
            Self::Cancelled { file, remedy } => {
                write!(out, "{file}: it was cancelled; {remedy}")
            }
            Self::Compute { doing, problem } => write!(out, "{doing}: {problem}"),
            Self::NotFinite {
                quantity,
                value,
                step,
            } => write!(
                out,
                "{quantity} became {value} at step {step}; the weights of the step before are kept. \
                 Lower train.optimizer.learning_rate or set train.clip"
            ),
            Self::Busy { run, pid: 0 } => write!(
                out,
                "run {run} is being started, resumed or deleted by another process; `fmtui runs` shows its status"
            ),
            Self::Busy { run, pid } => write!(
                out,
                "run {run} is already being trained by process {pid}; use `fmtui attach {run}`"
            ),
        }
    }
}

/// The result of everything fallible in the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Bad input: `subject` names the field, file or argument, `remedy` starts with a verb.
    pub fn input(
        subject: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Input {
            subject: subject.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// A failed file operation; `action` is a verb ("read", "write", "create").
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// A failed computation.
    pub fn compute(doing: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Compute {
            doing: doing.into(),
            problem: problem.to_string(),
        }
    }

    /// Whether there was no room on the disk, or none left for this user.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// The exit code of a command that ends with this error: 2 for bad input, 3 for what the user stopped, 1 for
    /// everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input { .. } | Self::Busy { .. } => 2,
            Self::Cancelled { .. } => 3,
            Self::Io { .. }
            | Self::Download { .. }
            | Self::Compute { .. }
            | Self::NotFinite { .. } => 1,
        }
    }

    /// The step at which a run diverged, by the message that its record keeps; `None` where it failed otherwise.
    #[must_use]
    pub fn diverged_at(message: &str) -> Option<u64> {
        let (_, from) = message.split_once(" at step ")?;
        let (step, behind) = from.split_once("; ")?;
        step.parse()
            .ok()
            .filter(|_| behind.starts_with("the weights of the step before are kept"))
    }

    /// What to try next, for errors whose message does not already say so.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::Input { remedy, .. }
            | Self::Download { remedy, .. }
            | Self::Cancelled { remedy, .. } => Some(remedy),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, then `fmtui resume` the run")
            }
            Self::Io { .. } => Some("check that the path exists and may be read and written"),
            Self::Compute { .. } => {
                Some("try a smaller train.batch_size, or `fmtui doctor` for the device")
            }
            Self::NotFinite { .. } => {
                Some("lower train.optimizer.learning_rate or set train.clip, then start again")
            }
            Self::Busy { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_where_a_run_diverged() {
        for (quantity, step) in [("the loss", 1), ("the gradient norm", 812)] {
            let error = Error::NotFinite {
                quantity,
                value: f64::INFINITY,
                step,
            };
            assert_eq!(Error::diverged_at(&error.to_string()), Some(step));
        }
        for other in ["", "cannot read a at step 3: b", "a at step 3; b"] {
            assert_eq!(Error::diverged_at(other), None);
        }
    }

    #[test]
    fn what_an_error_quotes_is_harmless() {
        let bad = "a\x1b[2J\u{9b}\n\u{202e}b";
        let text = || bad.to_string();
        let errors = [
            Error::input(bad, bad, bad),
            Error::io("read", bad, io::Error::other(bad)),
            Error::Download {
                file: text(),
                problem: text(),
                remedy: text(),
            },
            Error::Cancelled {
                file: text(),
                remedy: text(),
            },
            Error::compute(bad, bad),
            Error::Busy {
                run: text(),
                pid: 0,
            },
            Error::Busy {
                run: text(),
                pid: 1,
            },
        ];
        for error in errors {
            let said = error.to_string();
            assert!(crate::text::is_harmless(&said), "{said:?}");
            assert!(said.contains("a[2J b"), "{said:?}");
        }
    }
}

//! The one error type of the core. Every message names the file, field or shape it is about and what to do next.
//!
//! Deliberately knows nothing of Candle, terminals or processes: those rooms turn their failures into one of these.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong, sorted by what the user can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something the user gave is wrong: a field, a file, an argument. Nothing has been written.
    #[error("{subject}: {problem}; {remedy}")]
    Input {
        subject: String,
        problem: String,
        remedy: String,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A download failed.
    #[error("cannot download {file}: {problem}; {remedy}")]
    Download {
        file: String,
        problem: String,
        remedy: String,
    },
    /// The user gave a download up.
    #[error("cannot download {file}: it was cancelled; {remedy}")]
    Cancelled { file: String, remedy: String },
    /// A computation failed: a shape, a device, memory.
    #[error("{doing}: {problem}")]
    Compute { doing: String, problem: String },
    /// Loss or gradient stopped being a number; the weights were not touched.
    #[error(
        "{quantity} became {value} at step {step}; the weights of the step before are kept. \
         Lower train.optimizer.learning_rate or set train.clip"
    )]
    NotFinite {
        quantity: &'static str,
        value: f64,
        step: u64,
    },
    /// Another process owns the run.
    #[error("run {run} is already being trained by process {pid}; use `fmtui attach {run}`")]
    Busy { run: String, pid: u32 },
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

    /// The exit code of a command that ends with this error: 2 for bad input, 3 for what the user stopped, 1 for everything else.
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

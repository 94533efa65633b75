//! What a run writes into its profile: who ran it where, what came out, epoch by epoch.
//!
//! Read whatever version wrote it: what is missing is empty, or not a number; what is unknown is [kept](super::kept).

use serde::{Deserialize, Serialize};

use super::Fork;
use crate::metrics::{Scores, figure, unknown};

/// `[run]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRecord {
    pub id: String,
    pub status: Status,
    /// When it was made. UTC, RFC 3339, with milliseconds; in records of 0.2 to the second, and when its first worker
    /// came up.
    pub started: String,
    /// UTC, RFC 3339; empty until it happens.
    pub finished: String,
    pub host: String,
    /// Such as `cpu` or `cuda:0 (NVIDIA H200)`.
    pub device: String,
    pub threads: usize,
    /// The instruction set the CPU kernels used (`avx512`, `avx2`, `portable`).
    pub kernels: String,
    /// What computed a step, such as `graph`; empty in records that are older than it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// fmtui's version and git revision when the run began; whoever resumes it leaves them.
    pub version: String,
    pub revision: String,
    /// SHA-256 over the data set's images and labels.
    pub data_sha256: String,
    /// SHA-256 of the pixels that its images were decoded to; empty where they lie in the set as pixels.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pixels_sha256: String,
    /// The data set has no part for test scores.
    #[serde(alias = "no_test_part", skip_serializing_if = "std::ops::Not::not")]
    pub no_test_set: bool,
    /// The runs that it is one of, of one recipe and different seeds; empty where it is of none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The sweep that it is a trial of, with the trial's number, from 0; empty where it is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sweep: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<usize>,
    /// The epoch at which it stops, though its recipe has more: the rung of a sweep that it may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<usize>,
    /// It was stopped by a signal, such as that of a machine that is shut down, and not by somebody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// What somebody changed while it ran; applied again on replay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Where it left other runs, the earliest first: part of its recipe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forks: Vec<Fork>,
}

/// What is known against a run that this version of fmtui began.
#[must_use]
pub fn known_against(version: &str) -> Option<&'static str> {
    let mut parts = version.split('.').map(str::parse::<u64>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        return None;
    };
    ((major, minor) < (0, 2)).then_some(
        "this run was started by fmtui 0.1, which computed some networks and learning rates wrong (CHANGELOG.md, Wrong results in 0.1)",
    )
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Written down, its worker not yet up.
    #[default]
    Created,
    /// Written down, and waits in the queue.
    Queued,
    Running,
    /// Its worker waits for somebody to say go on.
    Paused,
    /// Its worker waits until the disk has room. Written as `paused`, which older programs know.
    #[serde(rename(serialize = "paused", deserialize = "waiting"))]
    Waiting,
    Finished,
    /// Ended by somebody; can be resumed.
    Stopped,
    Failed,
    /// Its worker exited unexpectedly; can be resumed.
    #[serde(rename = "crashed", alias = "lost")]
    Lost,
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

impl Status {
    /// A worker has it: it trains, or waits to.
    #[must_use]
    pub fn has_worker(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Waiting)
    }

    /// It has ended, and its record says how.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Stopped | Self::Failed)
    }

    /// Every status that is known.
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Waiting,
        Self::Finished,
        Self::Stopped,
        Self::Failed,
        Self::Lost,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Waiting => "waiting: disk full",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Lost => "crashed",
            Self::Unknown => "unknown",
        }
    }
}

/// A change somebody made to a running run, applied before the step with this number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intervention {
    /// Steps taken before it.
    pub step: u64,
    /// `learning_rate` or `stop`.
    pub what: String,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub value: f64,
}

/// `[result]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultRecord {
    pub parameters: u64,
    pub trained_parameters: u64,
    /// Of one image, forward.
    pub multiply_adds: u64,
    pub epochs: usize,
    pub best_epoch: usize,
    /// Training time without pauses.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub seconds: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub images_per_second: f64,
    pub peak_memory_bytes: u64,
    /// Of the weights that were evaluated.
    pub weights_sha256: String,
    /// Of the files with the best and with the last weights; empty in records that are older than them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub best_file_sha256: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_file_sha256: String,
    /// What to know of these figures: that they are not those of the best weights, where these are damaged.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    pub train: Option<Scores>,
    pub validation: Option<Scores>,
    /// Read once, at the end (unless `data.validation = 0`, where it is also the curve).
    pub test: Option<Scores>,
}

/// `[[history]]`: one finished epoch. Loss is the mean per image, accuracy a share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EpochRecord {
    pub epoch: usize,
    /// Running mean over the epoch, in training mode.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub train_loss: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub train_accuracy: f64,
    /// On the validation set, or on the test set where `data.validation = 0`.
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub held_out_loss: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub held_out_accuracy: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub learning_rate: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub seconds: f64,
    #[serde(default = "unknown", deserialize_with = "figure")]
    pub images_per_second: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints and event logs are JSON, records TOML.
    #[test]
    fn something_is_known_against_the_first_version_alone() {
        for old in ["0.1.0", "0.1.7"] {
            let known = known_against(old).unwrap();
            assert!(known.contains("Wrong results in 0.1"), "{old}");
        }
        for other in [
            "0.2.0",
            "0.10.0",
            "1.1.0",
            "",
            "x",
            env!("CARGO_PKG_VERSION"),
        ] {
            assert_eq!(known_against(other), None, "{other}");
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_can_be_read_again() {
        let epoch = |held_out_loss| EpochRecord {
            epoch: 1,
            held_out_loss,
            ..EpochRecord::default()
        };
        for loss in [f64::NAN, f64::INFINITY] {
            let json = serde_json::to_string(&epoch(loss)).unwrap();
            let read: EpochRecord = serde_json::from_str(&json).unwrap();
            assert!(read.held_out_loss.is_nan(), "{json}");
            let toml = toml::to_string(&epoch(loss)).unwrap();
            let read: EpochRecord = toml::from_str(&toml).unwrap();
            assert_eq!(read.held_out_loss.is_nan(), loss.is_nan(), "{toml}");
            assert_eq!(read.held_out_loss.is_infinite(), loss.is_infinite());
        }
        let scores = Scores {
            loss: f64::NAN,
            ..Scores::default()
        };
        let json = serde_json::to_string(&scores).unwrap();
        let read: Scores = serde_json::from_str(&json).unwrap();
        assert!(read.loss.is_nan());
        let (json, ordinary) = (serde_json::to_string(&epoch(0.1)).unwrap(), epoch(0.1));
        assert_eq!(
            serde_json::from_str::<EpochRecord>(&json).unwrap(),
            ordinary
        );
    }
}

//! Runs: where they lie on disk, the process that trains one, and how everyone else speaks with it.
//!
//! Screens and commands are clients of this room. It never draws and never prints.

pub(crate) mod bus;
pub mod client;
pub(crate) mod comparison;
pub(crate) mod concurrent_runs;
pub(crate) mod connection;
pub(crate) mod context;
pub(crate) mod digest;
pub(crate) mod ended;
pub(crate) mod evaluation;
pub(crate) mod example;
mod exclusions;
pub(crate) mod fork;
pub(crate) mod group;
pub mod history;
pub(crate) mod id;
mod images;
pub(crate) mod index;
pub(crate) mod journal;
pub(crate) mod kept_predictions;
pub(crate) mod list;
pub mod lock;
pub mod log;
pub(crate) mod logind;
pub(crate) mod memory;
pub(crate) mod prediction;
pub mod preflight;
pub(crate) mod pretrained;
pub(crate) mod protocol;
pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod reserve;
pub(crate) mod resolve;
pub(crate) mod resource_monitor;
pub(crate) mod server;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod spool;
pub(crate) mod stall;
pub(crate) mod store;
pub(crate) mod sweep;
pub(crate) mod training;
pub(crate) mod user_profiles;
pub(crate) mod verdict;
pub(crate) mod weights;
pub(crate) mod weights_info;
pub(crate) mod worker;

pub use connection::{Connection, Sender};
pub use list::{RunList, RunSummary};
pub use store::Workspace;

/// The exit code of a program that leaves a run running that it was to wait for.
pub const GOES_ON: u8 = 4;

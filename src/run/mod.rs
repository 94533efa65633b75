//! Runs: where they lie on disk, the process that trains one, and how everyone else speaks with it.
//!
//! Screens and commands are clients of this room. It never draws and never prints.

pub mod bus;
pub mod client;
pub mod comparison;
pub mod concurrent_runs;
pub mod connection;
pub mod context;
pub mod example;
pub mod history;
pub mod id;
pub mod index;
pub mod journal;
pub mod list;
pub mod lock;
pub mod log;
pub mod logind;
pub mod memory;
pub mod preflight;
pub mod pretrained;
pub mod protocol;
pub mod record;
pub mod reserve;
pub mod resolve;
pub mod resource_monitor;
pub mod server;
pub mod signals;
pub mod socket;
pub mod spool;
pub mod store;
pub mod training;
pub mod user_profiles;
pub mod weights;
pub mod weights_info;
pub mod worker;

pub use connection::{Connection, Sender};
pub use list::{RunList, RunSummary};
pub use store::Workspace;

/// The exit code of a program that leaves a run running that it was to wait for.
pub const GOES_ON: u8 = 4;

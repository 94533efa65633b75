//! Runs: where they lie on disk, the process that trains one, and how everyone else speaks with it.
//!
//! Screens and commands are clients of this room. It never draws and never prints.

pub mod bus;
pub mod card;
pub mod client;
pub mod company;
pub mod comparison;
pub mod connection;
pub mod history;
pub mod host;
pub mod id;
pub mod index;
pub mod journal;
pub mod lingering;
pub mod list;
pub mod load;
pub mod lock;
pub mod log;
pub mod memory;
pub mod own;
pub mod preflight;
pub mod pretrained;
pub mod protocol;
pub mod record;
pub mod reserve;
pub mod server;
pub mod signals;
pub mod socket;
pub mod spool;
pub mod store;
pub mod training;
pub mod weights;
pub mod worker;

pub use connection::{Connection, Sender};
pub use list::{RunList, RunSummary};
pub use store::Workspace;

/// The exit code of a program that leaves a run running that it was to wait for.
pub const GOES_ON: u8 = 4;

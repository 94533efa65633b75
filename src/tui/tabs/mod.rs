//! One file or folder per tab.

pub mod confusion;
pub mod data;
pub mod metrics;
pub mod model;
pub mod runs;
pub mod train;

mod timeline;

#[cfg(test)]
pub(super) mod testing;

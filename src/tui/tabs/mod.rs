//! One file or folder per tab.

pub(crate) mod confusion;
pub(crate) mod data;
pub(crate) mod metrics;
pub(crate) mod model;
pub(crate) mod runs;
pub(crate) mod sweep;
pub(crate) mod train;

mod gallery;
mod timeline;

#[cfg(test)]
pub(super) mod testing;

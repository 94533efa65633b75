//! One file per tab.

pub mod runs;
pub mod train;

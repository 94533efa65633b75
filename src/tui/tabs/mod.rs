//! One file per tab.

pub mod train;

//! fmtui: train and study image classifiers in the terminal. See docs/ARCHITECTURE.md for the map.

#![warn(unreachable_pub)]
// The documentation is built with private items, for who works on them.
#![allow(rustdoc::private_intra_doc_links)]
#![cfg_attr(
    not(feature = "tui"),
    allow(dead_code, unused_imports, reason = "the TUI uses more of it")
)]
#![cfg_attr(
    test,
    allow(
        clippy::float_cmp,
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::too_many_lines,
        clippy::duration_suboptimal_units,
        reason = "tests compare exact numbers"
    )
)]

mod catalog;
pub mod commands;
pub mod data;
pub mod error;
pub mod event;
mod export;
mod headless;
pub mod kernels;
pub mod layers;
pub mod metrics;
pub mod model;
pub mod net;
pub mod nn;
mod notify;
pub mod optim;
pub mod profile;
pub mod rng;
pub mod run;
pub mod schedule;
mod search;
pub mod state;
pub mod storage;
pub mod text;
pub mod train;
#[cfg(feature = "tui")]
mod tui;

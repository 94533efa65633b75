//! fmtui: train and study image classifiers in the terminal. See docs/ARCHITECTURE.md for the map.

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

pub mod catalog;
pub mod commands;
pub mod data;
pub mod error;
pub mod event;
pub mod export;
pub mod headless;
pub mod kernels;
pub mod layers;
pub mod metrics;
pub mod model;
pub mod net;
pub mod nn;
pub mod optim;
pub mod profile;
pub mod rng;
pub mod run;
pub mod schedule;
pub mod state;
pub mod storage;
pub mod text;
pub mod train;
#[cfg(feature = "tui")]
pub mod tui;

//! The program from outside: its commands, files of every kind, data sets, and servers that behave badly.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and compare exact numbers"
)]

mod broken_data;
mod cifar_presets;
mod cli;
mod data_check;
mod data_fetch;
mod data_source;
mod hub;
#[path = "../support/hub_server.rs"]
mod hub_server;
mod interrupted;
mod outside;
mod predict;
mod pretrained;
mod program;
mod real_data;
mod same_bits;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/small.rs"]
mod small;

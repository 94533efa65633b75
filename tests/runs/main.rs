//! Runs as processes: watched, controlled, killed, resumed and read again.

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

#[path = "../support/ended.rs"]
mod ended;
mod fork;
mod place;
mod queue;
mod resumed;
#[path = "../support/skip.rs"]
mod skip;
mod slurm;
mod sweep;
mod worker;

//! The numbers: against PyTorch, torchvision and Lightning, against finite differences, and the backends against each
//! other.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::many_single_char_names,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unreadable_literal,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and compare exact numbers"
)]

mod backends_agree;
#[cfg(feature = "cuda")]
mod cuda;
mod early_stopping;
#[path = "../support/ended.rs"]
mod ended;
#[path = "../support/formula.rs"]
mod formula;
mod gradients;
mod identity_block;
mod plan;
#[path = "../support/skip.rs"]
mod skip;
mod torch_gradients;
mod torch_parity;
mod torch_schedules;
mod torchvision_parity;
mod training;

//! The numeric kernels training runs on: convolution, linear layers, pooling, normalisation, activations, losses,
//! optimizers.
//!
//! Plain functions on contiguous slices, image tensors in NCHW order. [`cpu`] is the fast version,
//! [`reference`](mod@reference) the readable one that every fast version is held to. Deliberately knows nothing of
//! layers, parameters, tensors or autograd.

#![expect(
    clippy::similar_names,
    clippy::many_single_char_names,
    reason = "x, w, y and their gradients dx, dw, dy are the field's names"
)]
#![cfg_attr(
    test,
    expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::float_cmp,
        clippy::unreadable_literal,
        reason = "tests compare exact results and paste numbers"
    )
)]

pub mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(feature = "cuda")]
mod launch;
mod memory;
pub(crate) mod plan;
pub mod reference;
pub mod shape;
pub mod targets;

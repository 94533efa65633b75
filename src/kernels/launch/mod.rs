//! What a GPU is asked to do: kernels with their arguments, and what operations become launches with.

pub(in crate::kernels) mod arguments;
pub(in crate::kernels) mod device;
mod lower;
mod products;
mod tables;

pub(in crate::kernels) use lower::{
    COUNTERS, ENOUGH_BLOCKS, Launches, Lowering, SUMS, Shared, WARPS, code,
};
pub(in crate::kernels) use products::PARTIAL;
pub(in crate::kernels) use tables::{Direction, Tables, number};

//! The kernels for CPUs, on f32, parallel over rayon's current pool.
//!
//! Every result is the same whatever the number of threads: work is split by output, or into pieces of fixed size that
//! are added in a fixed order. Deliberately allocates no results: callers pass the slices to be overwritten, and a
//! slice of the wrong length is a bug that panics.

pub(crate) mod conv;
pub(crate) mod elementwise;
mod gemm;
mod isa;
pub(crate) mod lanes;
pub mod layer_norm;
mod layout;
pub(crate) mod linear;
pub(crate) mod loss;
mod math;
pub(crate) mod norm;
pub(crate) mod optimizer;
mod pieces;
pub(crate) mod pool;
mod reduce;
pub(crate) mod resample;
pub(in crate::kernels) mod scratch;
mod simd;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod testing;
mod tile;

pub use isa::{Isa, isa};
pub(in crate::kernels) use math::rounded;
pub(in crate::kernels) use pieces::portion;

//! The memory of a plan: what its work names, and where that lies.

mod arena;
mod operands;

pub(in crate::kernels) use arena::{Layout, Memory};
pub(crate) use operands::{Buffer, Kernel, Norm, Weights};

/// How a panic's message begins where the system gives no memory.
pub(crate) const OUT_OF_MEMORY: &str = "out of memory";

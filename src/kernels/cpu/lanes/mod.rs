//! Kernels on pictures side by side: 32 pictures are a *block*, and every number of a feature map is a row of 32 lanes.
//!
//! **Layout** of a map in a block: `[pixel][channel][32]`. A vector always holds the same pixel and channel of different
//! pictures, so no shape wastes lanes, any stride or padding is a choice of rows, and taps that fall on padding are left
//! out instead of being multiplied with zeros. Weights lie as `[out][row][column][in]`; a linear layer is a convolution as
//! large as its input.
//!
//! Everything here runs on the calling thread, on one block, and writes one contiguous range of its result, so that a plan
//! can hand any part of it to any thread: each result is one chain of operations in a fixed order.

pub(in crate::kernels) mod conv;
mod dot;
pub(in crate::kernels) mod layout;
pub(in crate::kernels) mod loss;
pub(in crate::kernels) mod norm;
pub(in crate::kernels) mod pointwise;
pub(in crate::kernels) mod pool;
#[cfg(test)]
mod tests;
mod tile;

/// Pictures of a block.
pub const LANES: usize = 32;

/// Where one stretch of a product's depth lies in its two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) len: u32,
}

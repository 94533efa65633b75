//! Kernels on images side by side: 32 images are a *block*, and every number of a feature map is a row of 32 lanes.
//!
//! **Layout** of a map in a block: `[pixel][channel][32]`. A vector always holds the same pixel and channel of
//! different images, so no shape wastes lanes, any stride or padding is a choice of rows, and taps that fall on padding
//! are left out instead of being multiplied with zeros. Weights lie as `[out][row][column][in]`; a linear layer is a
//! convolution as large as its input.
//!
//! Everything here runs on the calling thread, on one block, and writes one contiguous range of its result, so that a
//! plan can hand any part of it to any thread: each result is one chain of operations in a fixed order.

pub(in crate::kernels) mod conv;
mod dot;
pub(in crate::kernels) mod layout;
pub(in crate::kernels) mod loss;
pub(in crate::kernels) mod norm;
pub(in crate::kernels) mod pointwise;
pub(in crate::kernels) mod pool;
pub(in crate::kernels) mod resample;
#[cfg(test)]
mod tests;
mod tile;
mod winograd;

use crate::kernels::cpu::simd::Simd;

/// Images of a block.
pub(crate) const LANES: usize = 32;

/// A map's rows of lanes.
fn rows(map: &[f32]) -> &[[f32; LANES]] {
    map.as_chunks().0
}

/// The same to be written.
fn rows_mut(map: &mut [f32]) -> &mut [[f32; LANES]] {
    map.as_chunks_mut().0
}

/// A row's vectors, for loops that must not be left to a compiler's choice of direction.
trait Row {
    /// Vector number `v`.
    ///
    /// # Safety
    /// The processor has the instruction set, and `v` vectors and one more fit the row.
    unsafe fn vector<V: Simd>(&self, v: usize) -> V;
}

impl Row for [f32; LANES] {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "features are the caller's")]
    unsafe fn vector<V: Simd>(&self, v: usize) -> V {
        // SAFETY: the caller's.
        unsafe { V::load(self.as_ptr().add(v * V::LANES)) }
    }
}

/// Writes vector number `v` of a row.
///
/// # Safety
/// As [`Row::vector`].
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn put<V: Simd>(row: &mut [f32; LANES], v: usize, value: V) {
    // SAFETY: the caller's.
    unsafe { value.store(row.as_mut_ptr().add(v * V::LANES)) }
}

/// Where one stretch of a product's depth lies in its two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) len: u32,
}

//! What work runs with: its operands taken out of the shared memory.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use super::{Input, LossKind, NormState};
use crate::kernels::cpu::Isa;
use crate::kernels::cpu::lanes::LANES;
use crate::kernels::cpu::lanes::loss::Share;
use crate::kernels::cpu::lanes::norm::Moments;
use crate::kernels::memory::{Buffer, Layout, Weights};

/// What members write into, as pointers: work is cut so that no two write the same numbers.
pub(super) struct Shared {
    pub(super) base: *mut f32,
    pub(super) parameters: *const f32,
    pub(super) parameter_count: usize,
    pub(super) gradients: *mut f32,
    pub(super) gradient_count: usize,
    /// Of all normalisations.
    pub(super) moments: *mut Moments,
    pub(super) sums: *mut [f64; 2],
    pub(super) shares: *mut Share,
}

// SAFETY: members write disjoint parts, and read only what was complete before a barrier or is their own.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// A member's own memory of `size` numbers, for work without gradients.
    pub(super) fn for_member(&self, member: usize, size: usize) -> Self {
        Self {
            base: self.base.wrapping_add(member * size),
            parameters: self.parameters,
            parameter_count: self.parameter_count,
            gradients: self.gradients,
            gradient_count: 0,
            moments: self.moments,
            sums: self.sums,
            shares: self.shares,
        }
    }
}

/// Everything a piece of work may need.
pub(in crate::kernels) struct Context<'a> {
    pub(super) isa: Isa,
    pub(super) layout: &'a Layout,
    pub(super) shared: &'a Shared,
    pub(super) norms: &'a [NormState],
    pub(super) epsilon: f64,
    pub(super) input: Input<'a>,
    pub(super) criterion: LossKind,
    pub(super) seed: u64,
    pub(super) step: u64,
    /// In an evaluation, whose every block is worked on by itself: the images of this one.
    pub(super) only: Option<Range<usize>>,
    /// Time spent gathering images, of all members.
    pub(super) load_nanos: AtomicU64,
}

impl Context<'_> {
    /// Images of the batch.
    pub(super) fn batch(&self) -> usize {
        self.input.goal.labels.len()
    }

    pub(super) fn blocks(&self) -> usize {
        self.batch().div_ceil(LANES)
    }

    /// Images of a block.
    pub(super) fn images(&self, block: usize) -> Range<usize> {
        block * LANES..((block + 1) * LANES).min(self.batch())
    }

    pub(super) fn weights(&self, weights: Weights) -> &[f32] {
        let range = weights.range();
        assert!(range.end <= self.shared.parameter_count);
        // SAFETY: inside, as checked; parameters are written only after all work of a step is done.
        unsafe { std::slice::from_raw_parts(self.shared.parameters.add(range.start), range.len()) }
    }

    /// The batch's mean loss and the images predicted right.
    ///
    /// # Safety
    /// Every block's share is written.
    pub(super) unsafe fn loss(&self) -> (f64, usize) {
        // SAFETY: the plan keeps a share for every block.
        let shares = unsafe { std::slice::from_raw_parts(self.shared.shares, self.blocks()) };
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
        let count = self.batch() as f64;
        let sum: f64 = shares.iter().map(|s| s.loss).sum();
        (sum / count, shares.iter().map(|s| s.correct).sum())
    }

    /// A buffer's numbers of a block.
    ///
    /// # Safety
    /// They are complete, and nobody writes them.
    pub(super) unsafe fn block(&self, buffer: Buffer, block: usize) -> &[f32] {
        let at = self.layout.start(buffer) + block * buffer.size;
        // SAFETY: the layout gave the buffer room for every block.
        unsafe { std::slice::from_raw_parts(self.shared.base.add(at), buffer.size) }
    }

    /// Some of a buffer's numbers of a block, to be written.
    ///
    /// # Safety
    /// Nobody else reads or writes them.
    #[expect(
        clippy::mut_from_ref,
        reason = "members write different parts of shared memory"
    )]
    pub(super) unsafe fn part(
        &self,
        buffer: Buffer,
        block: usize,
        range: Range<usize>,
    ) -> &mut [f32] {
        assert!(range.end <= buffer.size);
        let at = self.layout.start(buffer) + block * buffer.size + range.start;
        // SAFETY: as in `block`; the range was checked.
        unsafe { std::slice::from_raw_parts_mut(self.shared.base.add(at), range.len()) }
    }

    /// Some gradients, to be written.
    ///
    /// # Safety
    /// Nobody else reads or writes them.
    #[expect(
        clippy::mut_from_ref,
        reason = "members write different parts of shared memory"
    )]
    pub(super) unsafe fn gradient(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.shared.gradient_count);
        // SAFETY: inside, as checked; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.shared.gradients.add(start), len) }
    }
}

/// Some units of a block.
pub(in crate::kernels) struct Part<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) block: usize,
    pub(super) units: Range<usize>,
    /// The numbers of the block that they write.
    pub(super) range: Range<usize>,
}

impl Part<'_> {
    /// Images of the block.
    pub(super) fn images(&self) -> Range<usize> {
        self.context.images(self.block)
    }

    /// A buffer's numbers of the block.
    ///
    /// # Safety
    /// They are complete, and nobody writes them.
    pub(super) unsafe fn all(&self, buffer: Buffer) -> &[f32] {
        // SAFETY: the caller's.
        unsafe { self.context.block(buffer, self.block) }
    }

    /// Those of them that lie where the units write.
    ///
    /// # Safety
    /// They are complete, and nobody writes them.
    pub(super) unsafe fn same(&self, buffer: Buffer) -> &[f32] {
        // SAFETY: the caller's.
        unsafe { &self.all(buffer)[self.range.clone()] }
    }
}

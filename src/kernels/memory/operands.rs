//! What work names: places in a plan's memory, and parameters.

use std::ops::Range;

use crate::kernels::cpu::lanes::LANES;

/// A place in the plan's memory: every block has its own stretch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub(in crate::kernels) id: usize,
    /// Numbers of one block.
    pub(in crate::kernels) size: usize,
}

impl Buffer {
    /// Numbers of one block.
    #[must_use]
    pub(crate) fn size(self) -> usize {
        self.size
    }

    /// Pixels of a map with so many channels.
    pub(in crate::kernels) fn pixels(self, channels: usize) -> usize {
        self.size / (channels * LANES)
    }
}

/// Weights by their place among all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weights {
    pub start: usize,
    pub len: usize,
}

impl Weights {
    pub(in crate::kernels) fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// A convolution's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    pub weight: Weights,
    pub bias: Option<Weights>,
}

/// A batch normalisation's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm {
    /// Its number among the plan's normalisations.
    pub index: usize,
    pub channels: usize,
    pub gamma: Weights,
    pub beta: Weights,
}

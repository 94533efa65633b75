//! What operations become launches with: addresses, and how many threads.

use super::arguments::Gate;
use super::device::{Argument, Gpu, Launch, THREADS};
use super::tables::Tables;
use crate::error::Result;
use crate::kernels::cpu::lanes::LANES;
use crate::kernels::cpu::lanes::loss::LossKind;
use crate::kernels::memory::{Buffer, Layout, Weights};
use crate::profile::{Activation, Precision};

/// Warps of a block of threads.
pub(in crate::kernels) const WARPS: usize = THREADS as usize / 32;
/// Blocks of threads that keep a large GPU busy.
pub(in crate::kernels) const ENOUGH_BLOCKS: usize = 528;
/// Pairs of sums of what parts of normalisations give.
pub(in crate::kernels) const SUMS: usize = 1 << 16;
/// Counters of those who are there.
pub(in crate::kernels) const COUNTERS: usize = 1 << 16;

/// Where what all launches share lies on the GPU.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::kernels) struct Shared {
    pub(in crate::kernels) parameters: u64,
    pub(in crate::kernels) gradients: u64,
    pub(in crate::kernels) head: u64,
    pub(in crate::kernels) shares: u64,
    pub(in crate::kernels) targets: u64,
    pub(in crate::kernels) affine: u64,
    pub(in crate::kernels) back: u64,
    pub(in crate::kernels) variance: u64,
    pub(in crate::kernels) running_mean: u64,
    pub(in crate::kernels) running_variance: u64,
    pub(in crate::kernels) partial: u64,
    pub(in crate::kernels) sums: u64,
    pub(in crate::kernels) counters: u64,
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The number by which the kernels know an activation.
pub(in crate::kernels) fn code(activation: Activation) -> i32 {
    match activation {
        Activation::None => 0,
        Activation::Relu => 1,
        Activation::LeakyRelu => 2,
        Activation::Tanh => 3,
        Activation::Sigmoid => 4,
        Activation::Gelu => 5,
        Activation::Silu => 6,
    }
}

/// What a piece of work launches, one after the other.
pub(in crate::kernels) type Launches = Result<Vec<Launch>>;

/// Turns the operations of one program into launches.
pub(in crate::kernels) struct Lowering<'a> {
    pub(in crate::kernels) gpu: &'a Gpu,
    pub(in crate::kernels) tables: &'a mut Tables,
    pub(in crate::kernels) layout: &'a Layout,
    /// Where the layout's memory starts.
    pub(in crate::kernels) base: u64,
    pub(in crate::kernels) blocks: usize,
    pub(in crate::kernels) shared: Shared,
    /// Of every normalisation, where its channels start among those of all.
    pub(in crate::kernels) norms: &'a [usize],
    pub(in crate::kernels) epsilon: f64,
    pub(in crate::kernels) criterion: LossKind,
    pub(in crate::kernels) precision: Precision,
    /// Images that the head has room for.
    pub(in crate::kernels) capacity: usize,
}

impl Lowering<'_> {
    pub(in crate::kernels) fn at(&self, buffer: Buffer) -> u64 {
        self.base + 4 * self.layout.start(buffer) as u64
    }

    pub(in crate::kernels) fn parameter(&self, weights: Weights) -> u64 {
        self.shared.parameters + 4 * weights.start as u64
    }

    pub(in crate::kernels) fn gradient(&self, weights: Weights) -> u64 {
        self.shared.gradients + 4 * weights.start as u64
    }

    /// Numbers of all blocks of a buffer.
    pub(in crate::kernels) fn size(&self, buffer: Buffer) -> u64 {
        (buffer.size * self.blocks) as u64
    }

    pub(in crate::kernels) fn launch<A: Argument>(
        &self,
        kernel: &'static str,
        grid: (usize, usize, usize),
        argument: &A,
    ) -> Launches {
        let grid = (count(grid.0), count(grid.1), count(grid.2));
        Launch::new(self.gpu, kernel, grid, THREADS, argument).map(|launch| vec![launch])
    }

    /// A thread for each of `size` numbers, or for each four.
    pub(in crate::kernels) fn over<A: Argument>(
        &self,
        kernel: &'static str,
        threads: u64,
        argument: &A,
    ) -> Launches {
        let blocks = threads.div_ceil(u64::from(THREADS));
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        self.launch(kernel, (blocks, 1, 1), argument)
    }

    pub(in crate::kernels) fn gate(&self, gate: Option<(Activation, Buffer)>) -> Gate {
        gate.map_or_else(Gate::default, |(kind, y)| Gate {
            y: self.at(y),
            activation: u64::from(code(kind).unsigned_abs()),
        })
    }

    /// A block of threads for each block of images.
    pub(in crate::kernels) fn a_thread_an_image<A: Argument>(
        &self,
        kernel: &'static str,
        argument: &A,
    ) -> Launches {
        let grid = (count(self.blocks), 1, 1);
        Launch::new(self.gpu, kernel, grid, count(LANES), argument).map(|launch| vec![launch])
    }
}

//! The operations that programs are made of, a file for each family: operands, how they are cut up, the kernel they
//! call here and the one they launch on a GPU.
//!
//! Another one is a file that implements `Operation`, and its line below.

pub(crate) mod conv;
pub(crate) mod dropout;
pub(crate) mod layer_norm;
pub(crate) mod load;
pub(crate) mod loss;
pub(crate) mod norm;
pub(crate) mod pointwise;
pub(crate) mod pool;
pub(crate) mod reorder;
pub(crate) mod resample;

use std::any::Any;
use std::ops::Range;

use super::context::Part;
use crate::kernels::cpu::lanes::LANES;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments::Gate};
use crate::kernels::memory::Buffer;

/// What a step does. Maps are buffers in lanes: `[pixels][channels][32]`.
///
/// Nothing has a default: whoever adds an operation answers everything.
pub(in crate::kernels) trait Operation: Any + Send + Sync {
    /// What is known of it before it runs.
    fn outline(&self) -> Outline;

    /// Works out some units of a block, into `out`: their stretch of the buffer that the outline says is written.
    ///
    /// # Safety
    /// What it reads is complete, and nobody else works on these units.
    unsafe fn run(&self, part: &Part<'_>, out: &mut [f32]);

    /// The same for all blocks on a GPU; what is written is multiplied with the gate's slope.
    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: Gate) -> Launches;
}

/// What a program goes by.
pub(in crate::kernels) struct Outline {
    /// The name in a table of times, and what tells it from others of its kind.
    pub(in crate::kernels) label: String,
    /// For one image, as they are worked out.
    pub(in crate::kernels) multiply_adds: usize,
    pub(super) scope: Scope,
    pub(super) units: Units,
    /// All buffers it reads or writes.
    pub(in crate::kernels) buffers: Vec<Buffer>,
    /// The buffer that its units write, where they write one.
    pub(in crate::kernels) written: Option<Buffer>,
}

/// What a unit of work is a part of, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A part of a block, which needs only that block.
    Block,
    /// A part of a block, which needs what other blocks' work before wrote.
    BlockAfterAll,
    /// Not of a block: it needs them all.
    Batch,
}

/// Parts that work is cut into, so that no two write the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) count: usize,
    /// Numbers that each writes of the buffer's block; the last one writes it to the end.
    pub(super) each: usize,
}

impl Units {
    /// The whole block.
    const ONE: Self = Self::new(1, 0);

    const fn new(count: usize, each: usize) -> Self {
        Self { count, each }
    }

    /// Stretches of `each` numbers of a buffer's block.
    fn stretches(of: Buffer, each: usize) -> Self {
        Self::new(of.size.div_ceil(each), each)
    }

    /// Those of work number by number.
    fn lines(of: Buffer) -> Self {
        Self::stretches(of, LINE)
    }
}

/// Numbers of a unit of work number by number.
const LINE: usize = 64 * LANES;

impl Outline {
    /// Of work without multiply-adds, on each block by itself.
    fn of_block(name: &str, units: Units, read: &[Buffer], to: Buffer) -> Self {
        Self {
            label: format!("{name} {}", to.size / LANES),
            multiply_adds: 0,
            scope: Scope::Block,
            units,
            buffers: read.iter().copied().chain([to]).collect(),
            written: Some(to),
        }
    }

    /// What some units of a block write: a buffer, and which of its numbers.
    pub(super) fn stretch(&self, units: &Range<usize>) -> Option<(Buffer, Range<usize>)> {
        let Units { count, each } = self.units;
        self.written.map(|buffer| {
            let last = units.end == count;
            let end = if last { buffer.size } else { units.end * each };
            (buffer, units.start * each..end)
        })
    }
}

/// An operation with its outline.
pub(crate) struct Work {
    pub(in crate::kernels) operation: Box<dyn Operation>,
    pub(in crate::kernels) outline: Outline,
}

impl<O: Operation> From<O> for Work {
    fn from(operation: O) -> Self {
        Self {
            outline: operation.outline(),
            operation: Box::new(operation),
        }
    }
}

impl Work {
    /// Parts of a block, or of all.
    pub(super) fn units(&self) -> usize {
        self.outline.units.count
    }

    /// The operation, if it is of this type.
    pub(in crate::kernels) fn is<O: Operation>(&self) -> Option<&O> {
        let operation: &dyn Any = self.operation.as_ref();
        operation.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::plan::{Conv, Geometry, Kernel, Pool, Weights};
    use crate::profile::Activation;

    fn buffer(numbers: usize) -> Buffer {
        Buffer {
            id: 0,
            size: numbers * LANES,
        }
    }

    /// What an operation's units are said to write, beside what its kernel writes.
    fn assert_cut(outline: &Outline, kernel: impl Fn(&Range<usize>) -> Range<usize>) {
        let count = outline.units.count;
        for (start, end) in (0..count).flat_map(|s| (s + 1..=count).map(move |e| (s, e))) {
            let (_, range) = outline.stretch(&(start..end)).unwrap();
            assert_eq!(
                range,
                kernel(&(start..end)),
                "{} {start}..{end}",
                outline.label
            );
        }
    }

    #[test]
    fn units_write_what_the_kernels_write() {
        let kernel = Kernel {
            weight: Weights { start: 0, len: 0 },
            bias: None,
        };
        for (channels, side, k, stride, padding) in [
            (3, 7, 3, 2, 1),
            (64, 7, 3, 1, 1),
            (64, 5, 3, 1, 2),
            (30, 1, 1, 1, 0),
            (5, 4, 4, 1, 0),
        ] {
            let conv = Conv::new(Geometry {
                in_channels: channels,
                height: side,
                width: side,
                out_channels: channels,
                kernel_height: k,
                kernel_width: k,
                stride,
                padding,
            });
            let g = conv.geometry;
            let [x, y] = [g.pixels(), g.out_pixels()].map(|pixels| buffer(pixels * channels));
            let forward = conv::Conv {
                conv: conv.clone(),
                kernel,
                activation: Activation::None,
                x,
                y,
            };
            assert_cut(&forward.outline(), |units| conv.forward_range(units));
            let back = conv::ConvBack {
                conv: conv.clone(),
                kernel,
                add: false,
                dy: y,
                dx: x,
            };
            assert_cut(&back.outline(), |units| conv.backward_range(units));
        }
        for (side, k, stride, padding) in [(8, 2, 2, 0), (7, 2, 2, 0), (9, 3, 4, 0), (8, 3, 2, 1)] {
            let pool = Pool {
                channels: 3,
                height: side,
                width: side,
                kernel_height: k,
                kernel_width: k,
                stride,
                padding,
            };
            let (x, y) = (
                buffer(side * side * 3),
                buffer(pool.out_height() * pool.out_width() * 3),
            );
            let forward = pool::MeanPool { pool, x, y };
            assert_cut(&forward.outline(), |units| pool.forward_range(units));
            let back = pool::MeanPoolBack { pool, dy: y, dx: x };
            assert_cut(&back.outline(), |units| pool.backward_range(units));
        }
    }
}

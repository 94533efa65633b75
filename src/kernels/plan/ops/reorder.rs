//! Maps whose numbers change places.

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::{LANES, layout};
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::context::Part;

/// Each pixel turned over, for a convolution whose weight gradient wants it.
pub(crate) struct Turn {
    pub channels: usize,
    pub x: Buffer,
    pub turned: Buffer,
}

impl Operation for Turn {
    fn outline(&self) -> Outline {
        let units = Units::stretches(self.turned, self.channels * LANES);
        Outline::of_block("turn", units, &[self.x], self.turned)
    }

    unsafe fn run(&self, part: &Part<'_>, turned: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.same(self.x) };
        layout::turn(part.context.isa, self.channels, x, turned);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, _: &mut Lowering<'_>, _: args::Gate) -> Launches {
        Err(crate::error::Error::compute(
            "laying out a step on the GPU",
            "maps are not turned over there",
        ))
    }
}

/// `y[channel][pixel] = x[pixel][channel]`, of so many: a map as PyTorch flattens it. With both turned about, the way
/// back.
pub(crate) struct Reorder {
    pub channels: usize,
    pub pixels: usize,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Reorder {
    fn outline(&self) -> Outline {
        Outline::of_block("reorder", Units::ONE, &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.all(self.x) };
        layout::reorder(self.channels, self.pixels, x, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let argument = args::Reorder {
            x: gpu.at(self.x),
            to: gpu.at(self.y),
            gate,
            size: gpu.size(self.y),
            channels: number(self.channels),
            pixels: number(self.pixels),
        };
        gpu.over("reorder", argument.size, &argument)
    }
}

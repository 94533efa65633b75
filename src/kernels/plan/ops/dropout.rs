//! Dropout, forward and back.

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::LANES;
use crate::kernels::cpu::lanes::pointwise::{self, BlockPosition};
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::context::Part;
use crate::rng::{Purpose, Stream};

/// y = x where the mask keeps it; forward and back are the same.
pub(crate) struct Dropout {
    /// Number among the network's dropout layers.
    pub layer: usize,
    pub p: f64,
    pub channels: usize,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Dropout {
    fn outline(&self) -> Outline {
        Outline::of_block("dropout", Units::ONE, &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        let context = part.context;
        let layer = u64::try_from(self.layer).unwrap_or(u64::MAX);
        let place = (layer << 40) ^ context.step;
        let stream = Stream::new(context.seed, Purpose::Dropout, place);
        let places = BlockPosition {
            first_image: part.block * LANES,
            pixels: self.x.pixels(self.channels),
            channels: self.channels,
        };
        // SAFETY: the caller's.
        let x = unsafe { part.all(self.x) };
        pointwise::dropout(context.isa, places, &stream, self.p, x, y);
    }

    #[cfg(feature = "cuda")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as on the CPU: the threshold is in [0, 2²⁴] and the factor is rounded once"
    )]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let argument = args::Dropout {
            x: gpu.at(self.x),
            to: gpu.at(self.y),
            head: gpu.shared.head,
            gate,
            size: gpu.size(self.y),
            layer: self.layer as u64,
            purpose: Purpose::Dropout as u64,
            channels: number(self.channels),
            pixels: number(self.x.pixels(self.channels)),
            threshold: (self.p * f64::from(1 << 24)).ceil() as u32,
            factor: (1.0 / (1.0 - self.p)) as f32,
        };
        gpu.over("dropout", argument.size, &argument)
    }
}

//! The batch's images into lanes.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::layout::into_lanes;
use crate::kernels::cpu::scratch;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::Images;
use crate::kernels::plan::context::{Context, Part};

/// The batch's images into lanes, and as rows where a weight gradient wants those.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub channels: usize,
    pub pixels: usize,
    pub rows: Option<Buffer>,
    pub to: Buffer,
}

impl Operation for Load {
    fn outline(&self) -> Outline {
        Outline::of_block("load", Units::ONE, self.rows.as_slice(), self.to)
    }

    unsafe fn run(&self, part: &Part<'_>, to: &mut [f32]) {
        let (context, isa) = (part.context, part.context.isa);
        let begun = Instant::now();
        let images = context.only.clone().unwrap_or_else(|| part.images());
        let len = images.len() * self.channels * self.pixels;
        // SAFETY: the caller's; the block's rows are written by this unit alone, which is all of it.
        let rows = (self.rows).map(|r| unsafe { context.part(r, part.block, 0..r.size) });
        match (context.input.images, rows) {
            (Images::Rows(all), None) => {
                let start = images.start * self.channels * self.pixels;
                into_lanes(
                    isa,
                    self.channels,
                    self.pixels,
                    &all[start..start + len],
                    to,
                );
            }
            (_, Some(rows)) => {
                let (own, rest) = rows.split_at_mut(len);
                context.gather(images, own);
                rest.fill(0.0);
                into_lanes(isa, self.channels, self.pixels, own, to);
            }
            (Images::Gathered(_), None) => scratch::with(len, |own| {
                context.gather(images, own);
                into_lanes(isa, self.channels, self.pixels, own, to);
            }),
        }
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        context.load_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, _: args::Gate) -> Launches {
        use crate::kernels::cpu::lanes::LANES;
        let argument = args::Load {
            to: gpu.at(self.to),
            head: gpu.shared.head,
            channels: number(self.channels),
            pixels: number(self.pixels),
        };
        let grid = ((self.channels * self.pixels).div_ceil(LANES), gpu.blocks, 1);
        gpu.launch("load", grid, &argument)
    }
}

impl Context<'_> {
    /// Some images, a row each.
    fn gather(&self, images: Range<usize>, rows: &mut [f32]) {
        match self.input.images {
            Images::Gathered(gather) => gather(images, rows),
            Images::Rows(all) => {
                let size = rows.len() / images.len().max(1);
                rows.copy_from_slice(&all[images.start * size..images.end * size]);
            }
        }
    }
}

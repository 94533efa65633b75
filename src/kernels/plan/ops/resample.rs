//! Weightless sums of pixels.

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::resample;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::context::Part;

/// y = the pixels of x, taken or averaged.
#[expect(clippy::struct_field_names, reason = "the arithmetic of that name")]
pub(crate) struct Resample {
    pub resample: resample::Resample,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Resample {
    fn outline(&self) -> Outline {
        Outline::of_block("resample", Units::ONE, &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.all(self.x) };
        self.resample.forward(part.context.isa, x, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        launch(gpu, &self.resample, false, (self.x, self.y), gate)
    }
}

/// dx = the gradient's way back.
pub(crate) struct ResampleBack {
    pub resample: resample::Resample,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for ResampleBack {
    fn outline(&self) -> Outline {
        Outline::of_block("resample back", Units::ONE, &[self.dy], self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        // SAFETY: the caller's.
        let dy = unsafe { part.all(self.dy) };
        self.resample.backward(part.context.isa, dy, dx);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        launch(gpu, &self.resample, true, (self.dy, self.dx), gate)
    }
}

#[cfg(feature = "cuda")]
fn launch(
    gpu: &mut Lowering<'_>,
    resample: &resample::Resample,
    back: bool,
    (from, to): (Buffer, Buffer),
    gate: args::Gate,
) -> Launches {
    let [starts, terms] = gpu.tables.terms(resample, back)?;
    let shape = resample.shape();
    let (out_channels, out_height, out_width) = shape.output();
    let (inside, outside) = (
        (shape.channels, shape.height * shape.width),
        (out_channels, out_height * out_width),
    );
    let ((channels, pixels), (from_channels, from_pixels)) = if back {
        (inside, outside)
    } else {
        (outside, inside)
    };
    let before = number(shape.channels_before());
    let argument = args::Resample {
        from: gpu.at(from),
        to: gpu.at(to),
        starts,
        terms,
        gate,
        size: gpu.size(to),
        channels: number(channels),
        pixels: number(pixels),
        from_channels: number(from_channels),
        from_pixels: number(from_pixels),
        shift: if back { before } else { -before },
        padding: 0,
    };
    gpu.over("resample", argument.size, &argument)
}

//! Batch normalisation: each block's sums, and what all blocks' sums make of a map.

use std::ops::Range;

use super::{Operation, Outline, Scope, Units};
use crate::kernels::cpu::lanes::LANES;
use crate::kernels::cpu::lanes::norm::{self, Back};
use crate::kernels::cpu::{rounded, scratch};
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, SUMS, arguments as args, number};
use crate::kernels::memory::{Buffer, Norm};
use crate::kernels::plan::context::{Context, Part};

/// Channels that the sums of a normalisation are cut into.
const CHANNEL_UNIT: usize = 16;

/// A block's moments of every channel.
pub(crate) struct Moments {
    pub norm: Norm,
    pub x: Buffer,
}

impl Operation for Moments {
    fn outline(&self) -> Outline {
        self.norm.sums("moments", vec![self.x])
    }

    unsafe fn run(&self, part: &Part<'_>, _: &mut [f32]) {
        let (context, norm) = (part.context, &self.norm);
        let channels = norm.channels_of(&part.units);
        let (isa, images) = (context.isa, part.images().len());
        // SAFETY: the caller's.
        unsafe {
            let at = (part.block, &channels);
            let out = context.of_block(context.shared.moments, norm, at);
            norm::moments(isa, &channels, norm.channels, images, part.all(self.x), out);
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        launch_sums(gpu, "moments", &self.norm, [self.x; 3], gate)
    }
}

/// y = f(γ·(x − mean)/deviation + β) with the batch's moments.
pub(crate) struct Normalise {
    pub norm: Norm,
    pub relu: bool,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Normalise {
    fn outline(&self) -> Outline {
        self.norm.by_pixel("normalise", &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        unsafe {
            let x = part.same(self.x);
            part.context.with_affine(&self.norm, |affine| {
                norm::apply(part.context.isa, x, affine, self.relu, y);
            });
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.x, self.y];
        launch_map(gpu, "normalise", &self.norm, operands, gate, self.relu)
    }
}

/// y = f(γ·(x − running mean)/running deviation + β).
pub(crate) struct Affine {
    pub norm: Norm,
    pub relu: bool,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Affine {
    fn outline(&self) -> Outline {
        let units = Units::stretches(self.y, self.norm.channels * LANES);
        Outline::of_block("normalise", units, &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.same(self.x) };
        part.context.with_running(&self.norm, |affine| {
            norm::apply(part.context.isa, x, affine, self.relu, y);
        });
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.x, self.y];
        launch_map(gpu, "affine", &self.norm, operands, gate, self.relu)
    }
}

/// A block's sums of the gradient and of its product with x.
pub(crate) struct GradientSums {
    pub norm: Norm,
    pub x: Buffer,
    pub dy: Buffer,
}

impl Operation for GradientSums {
    fn outline(&self) -> Outline {
        self.norm.sums("gradient sums", vec![self.x, self.dy])
    }

    unsafe fn run(&self, part: &Part<'_>, _: &mut [f32]) {
        let (context, norm, all) = (part.context, &self.norm, self.norm.channels);
        let channels = norm.channels_of(&part.units);
        let (isa, images) = (context.isa, part.images().len());
        scratch::with(all, |means| {
            // SAFETY: the caller's.
            let (operands, out) = unsafe {
                for channel in channels.clone() {
                    means[channel] = rounded(context.batch_moments(norm, channel).mean);
                }
                let operands = (part.all(self.x), part.all(self.dy));
                let at = (part.block, &channels);
                (operands, context.of_block(context.shared.sums, norm, at))
            };
            norm::gradient_sums(isa, &channels, all, images, operands, means, out);
        });
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.dy, self.x];
        launch_sums(gpu, "gradient_sums", &self.norm, operands, gate)
    }
}

/// The input's gradient, from the batch's sums; `dx` may be `dy`.
pub(crate) struct NormaliseBack {
    pub norm: Norm,
    pub x: Buffer,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for NormaliseBack {
    fn outline(&self) -> Outline {
        let read = [self.x, self.dy];
        self.norm.by_pixel("normalise back", &read, self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        let (context, isa) = (part.context, part.context.isa);
        // SAFETY: the caller's; of all blocks' units one is the first.
        unsafe {
            if part.block == 0 && part.units.start == 0 {
                context.scale_and_shift_gradients(&self.norm);
            }
            let x = part.same(self.x);
            context.with_back(&self.norm, |channels| {
                if self.dx == self.dy {
                    norm::back_in_place(isa, x, channels, dx);
                } else {
                    norm::back(isa, x, channels, part.same(self.dy), dx);
                }
            });
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.dy, self.dx];
        launch_map(gpu, "normalise_back", &self.norm, operands, gate, false)
    }
}

impl Norm {
    /// Channels of some units of its sums.
    fn channels_of(&self, units: &Range<usize>) -> Range<usize> {
        let end = (units.end * CHANNEL_UNIT).min(self.channels);
        (units.start * CHANNEL_UNIT).min(end)..end
    }

    fn label(&self, name: &str, map: Buffer) -> String {
        format!("{name} {} × {}", self.channels, map.pixels(self.channels))
    }

    /// Of sums over a block, some channels a unit.
    fn sums(&self, name: &str, read: Vec<Buffer>) -> Outline {
        Outline {
            label: self.label(name, read[0]),
            multiply_adds: 0,
            scope: Scope::Block,
            units: Units::new(self.channels.div_ceil(CHANNEL_UNIT), 0),
            buffers: read,
            written: None,
        }
    }

    /// Of what is made with the sums of all blocks, a pixel a unit.
    fn by_pixel(&self, name: &str, read: &[Buffer], to: Buffer) -> Outline {
        let units = Units::stretches(to, self.channels * LANES);
        Outline {
            label: self.label(name, to),
            scope: Scope::BlockAfterAll,
            ..Outline::of_block(name, units, read, to)
        }
    }
}

impl Context<'_> {
    /// What a block has of some channels, in moments or sums, to be written.
    ///
    /// # Safety
    /// Nobody else reads or writes these channels of the block.
    #[expect(
        clippy::mut_from_ref,
        reason = "members write different parts of shared memory"
    )]
    unsafe fn of_block<T>(&self, all: *mut T, norm: &Norm, at: (usize, &Range<usize>)) -> &mut [T] {
        let (block, c) = at;
        assert!(c.end <= norm.channels && block < self.blocks());
        let start = self.norms[norm.index].start + block * norm.channels + c.start;
        // SAFETY: the plan keeps one for every block and channel; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(all.add(start), c.len()) }
    }

    /// What all blocks have of a channel, in their order.
    ///
    /// # Safety
    /// All blocks' are complete.
    unsafe fn of_channel<T: Copy>(
        &self,
        all: *const T,
        norm: &Norm,
        channel: usize,
    ) -> impl Iterator<Item = T> {
        let (start, channels) = (self.norms[norm.index].start, norm.channels);
        let first = all.wrapping_add(start + channel);
        // SAFETY: the plan keeps one for every block and channel.
        (0..self.blocks()).map(move |block| unsafe { *first.add(block * channels) })
    }

    /// A channel's moments over the batch.
    ///
    /// # Safety
    /// All blocks' moments are complete.
    unsafe fn batch_moments(&self, norm: &Norm, channel: usize) -> norm::Moments {
        // SAFETY: the caller's.
        let of_blocks = unsafe { self.of_channel(self.shared.moments, norm, channel) };
        of_blocks.fold(norm::Moments::default(), norm::Moments::and)
    }

    /// A channel's sums over the batch.
    ///
    /// # Safety
    /// All blocks' sums are complete.
    unsafe fn batch_sums(&self, norm: &Norm, channel: usize) -> [f64; 2] {
        // SAFETY: the caller's.
        let of_blocks = unsafe { self.of_channel(self.shared.sums, norm, channel) };
        of_blocks.fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d])
    }

    /// # Safety
    /// All blocks' moments are complete.
    unsafe fn with_affine(&self, norm: &Norm, work: impl FnOnce(&[[f32; 3]])) {
        let (gamma, beta) = (self.weights(norm.gamma), self.weights(norm.beta));
        with_each(norm.channels, work, |c| {
            // SAFETY: the caller's.
            let moments = unsafe { self.batch_moments(norm, c) };
            let deviation = rounded(moments.inverse_deviation(self.epsilon));
            [rounded(moments.mean), gamma[c] * deviation, beta[c]]
        });
    }

    /// The gradients to a normalisation's γ and β.
    ///
    /// # Safety
    /// All blocks' moments and sums are complete, and one thread calls it a step.
    unsafe fn scale_and_shift_gradients(&self, norm: &Norm) {
        // SAFETY: the caller's.
        unsafe {
            let gammas = self.gradient(norm.gamma.start, norm.channels);
            let betas = self.gradient(norm.beta.start, norm.channels);
            for (c, (gamma, beta)) in gammas.iter_mut().zip(betas).enumerate() {
                let [sum, dot] = self.batch_sums(norm, c);
                let moments = self.batch_moments(norm, c);
                *gamma = rounded(dot * moments.inverse_deviation(self.epsilon));
                *beta = rounded(sum);
            }
        }
    }

    fn with_running(&self, norm: &Norm, work: impl FnOnce(&[[f32; 3]])) {
        let (gamma, beta) = (self.weights(norm.gamma), self.weights(norm.beta));
        let state = &self.norms[norm.index];
        with_each(norm.channels, work, |c| {
            let variance = f64::from(state.running_var[c]) + self.epsilon;
            let scale = rounded(f64::from(gamma[c]) / variance.sqrt());
            [state.running_mean[c], scale, beta[c]]
        });
    }

    /// # Safety
    /// All blocks' moments and sums are complete.
    unsafe fn with_back(&self, norm: &Norm, work: impl FnOnce(&[Back])) {
        let gamma = self.weights(norm.gamma);
        with_each(norm.channels, work, |c| {
            // SAFETY: the caller's.
            let (moments, [sum, dot]) =
                unsafe { (self.batch_moments(norm, c), self.batch_sums(norm, c)) };
            let deviation = moments.inverse_deviation(self.epsilon);
            let scale = f64::from(gamma[c]) * deviation;
            Back {
                mean: rounded(moments.mean),
                scale: rounded(scale),
                average: rounded(sum / moments.count),
                slope: rounded(-scale * deviation * deviation * dot / moments.count),
            }
        });
    }
}

/// Channels up to which nothing is allocated for them.
const FEW: usize = 512;

/// Calls `work` with what `of` says of every channel.
fn with_each<T: Copy + Default>(channels: usize, work: impl FnOnce(&[T]), of: impl Fn(usize) -> T) {
    let mut few = [T::default(); FEW];
    if channels <= few.len() {
        for (c, slot) in few.iter_mut().take(channels).enumerate() {
            *slot = of(c);
        }
        work(&few[..channels]);
    } else {
        work(&(0..channels).map(of).collect::<Vec<_>>());
    }
}

/// Blocks of threads for each channel, which share its pixels.
#[cfg(feature = "cuda")]
fn launch_sums(
    gpu: &Lowering<'_>,
    kernel: &'static str,
    norm: &Norm,
    operands: [Buffer; 3],
    gate: args::Gate,
) -> Launches {
    let (argument, parts) = argument(gpu, norm, operands, gate, false);
    gpu.launch(kernel, (norm.channels, parts, 1), &argument)
}

/// A thread for each four numbers.
#[cfg(feature = "cuda")]
fn launch_map(
    gpu: &Lowering<'_>,
    kernel: &'static str,
    norm: &Norm,
    operands: [Buffer; 3],
    gate: args::Gate,
    relu: bool,
) -> Launches {
    let (argument, _) = argument(gpu, norm, operands, gate, relu);
    gpu.over(kernel, argument.size / 4, &argument)
}

/// What all its kernels take, and the parts in which sums are worked out.
#[cfg(feature = "cuda")]
fn argument(
    gpu: &Lowering<'_>,
    norm: &Norm,
    [x, y_or_dy, to]: [Buffer; 3],
    gate: args::Gate,
    relu: bool,
) -> (args::Norm, usize) {
    use crate::kernels::launch::{ENOUGH_BLOCKS, WARPS};
    let channels = norm.channels;
    let pixels = x.pixels(channels);
    let items = gpu.blocks * pixels;
    let parts = (2 * ENOUGH_BLOCKS / channels)
        .clamp(1, items.div_ceil(8 * WARPS))
        .min(SUMS / channels.min(SUMS));
    let first = gpu.norms[norm.index];
    let of = |start: u64, size: usize| start + (4 * first * size) as u64;
    let shared = &gpu.shared;
    let argument = args::Norm {
        x: gpu.at(x),
        y_or_dy: gpu.at(y_or_dy),
        to: gpu.at(to),
        head: shared.head,
        gamma: gpu.parameter(norm.gamma),
        beta: gpu.parameter(norm.beta),
        dgamma: gpu.gradient(norm.gamma),
        dbeta: gpu.gradient(norm.beta),
        affine: of(shared.affine, args::FACTORS),
        back: of(shared.back, args::FACTORS),
        variance: of(shared.variance, 1),
        running_mean: of(shared.running_mean, 1),
        running_variance: of(shared.running_variance, 1),
        partial: shared.sums,
        counters: shared.counters,
        gate,
        epsilon: gpu.epsilon,
        size: gpu.size(x),
        channels: number(channels),
        pixels: number(pixels),
        blocks: number(gpu.blocks),
        parts: number(parts),
        relu: i32::from(relu),
        padding: 0,
    };
    (argument, parts)
}

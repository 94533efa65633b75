//! Running a piece of work: its operands taken out of the shared memory, and the kernel called.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::arena::Layout;
use super::program::Step;
use super::work::{Buffer, Norm, Weights, Work};
use super::{Criterion, Input, NormState, Pictures};
use crate::kernels::cpu::Isa;
use crate::kernels::cpu::lanes::LANES;
use crate::kernels::cpu::lanes::layout;
use crate::kernels::cpu::lanes::loss::{self, Share};
use crate::kernels::cpu::lanes::norm::{self, Back, Moments};
use crate::kernels::cpu::lanes::pointwise::{self, Places};
use crate::kernels::cpu::portion;
use crate::kernels::cpu::scratch;
use crate::rng::{Purpose, Stream};

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
pub(super) struct Context<'a> {
    pub(super) isa: Isa,
    pub(super) layout: &'a Layout,
    pub(super) shared: &'a Shared,
    pub(super) norms: &'a [NormState],
    pub(super) epsilon: f64,
    pub(super) input: Input<'a>,
    pub(super) criterion: Criterion,
    pub(super) seed: u64,
    pub(super) step: u64,
    /// In an evaluation, whose every block is worked on by itself: the pictures of this one.
    pub(super) only: Option<Range<usize>>,
    /// Time spent gathering pictures, of all members.
    pub(super) load_nanos: AtomicU64,
}

impl Context<'_> {
    /// Pictures of the batch.
    fn batch(&self) -> usize {
        self.input.labels.len()
    }

    pub(super) fn blocks(&self) -> usize {
        self.batch().div_ceil(LANES)
    }

    /// Pictures of a block.
    fn pictures(&self, block: usize) -> Range<usize> {
        block * LANES..((block + 1) * LANES).min(self.batch())
    }

    fn weights(&self, weights: Weights) -> &[f32] {
        let range = weights.range();
        assert!(range.end <= self.shared.parameter_count);
        // SAFETY: inside, as checked; parameters are written only after all work of a step is done.
        unsafe { std::slice::from_raw_parts(self.shared.parameters.add(range.start), range.len()) }
    }

    /// The batch's mean loss and the pictures predicted right.
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
    unsafe fn part(&self, buffer: Buffer, block: usize, range: Range<usize>) -> &mut [f32] {
        assert!(range.end <= buffer.size);
        let at = self.layout.start(buffer) + block * buffer.size + range.start;
        // SAFETY: as in `block`; the range was checked.
        unsafe { std::slice::from_raw_parts_mut(self.shared.base.add(at), range.len()) }
    }

    /// A whole step of one block.
    ///
    /// # Safety
    /// What it reads is complete, and nobody else works on the block.
    pub(super) unsafe fn all_of_block(&self, step: &Step, block: usize) {
        // SAFETY: the caller's.
        unsafe { self.units(step, block, 0..step.units()) }
    }

    /// Some units of a step of one block.
    ///
    /// # Safety
    /// What it reads is complete, and nobody else works on these units.
    pub(super) unsafe fn units(&self, step: &Step, block: usize, units: Range<usize>) {
        // SAFETY: the caller's.
        unsafe {
            self.work(&step.work, block, &units);
            if let (Some((activation, y)), Some(dx)) = (step.gate, step.work.written()) {
                let range = step.work.range(&units);
                let y = &self.block(y, block)[range.clone()];
                pointwise::gate(self.isa, activation, y, self.part(dx, block, range));
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a kind of work, a call each")]
    unsafe fn work(&self, work: &Work, block: usize, units: &Range<usize>) {
        let isa = self.isa;
        let range = work.range(units);
        // SAFETY: the caller vouches that what is read is complete and that the units' range is this thread's alone.
        unsafe {
            let get = |buffer: Buffer| self.block(buffer, block);
            let set = |buffer: Buffer| self.part(buffer, block, range.clone());
            match work {
                Work::Load {
                    channels,
                    pixels,
                    rows,
                    to,
                } => {
                    let rows = rows.map(|rows| self.part(rows, block, 0..rows.size));
                    self.load((*channels, *pixels), block, rows, set(*to));
                }
                Work::Conv {
                    conv,
                    kernel,
                    activation,
                    x,
                    y,
                } => {
                    let bias = kernel.bias.map(|b| self.weights(b));
                    let w = self.weights(kernel.weight);
                    conv.forward(isa, units, get(*x), w, (bias, *activation), set(*y));
                }
                Work::ConvBack {
                    conv,
                    kernel,
                    add,
                    dy,
                    dx,
                } => {
                    let w = self.weights(kernel.weight);
                    conv.backward(isa, units, get(*dy), w, *add, set(*dx));
                }
                Work::Turn {
                    channels,
                    x,
                    turned,
                } => {
                    layout::turn(isa, *channels, &get(*x)[range.clone()], set(*turned));
                }
                Work::ConvWeights { .. } => {}
                Work::Moments { norm, x } => {
                    let channels = Work::channels(norm, units);
                    let out = self.moments_of(norm, block, &channels);
                    let pictures = self.pictures(block).len();
                    norm::moments(isa, &channels, norm.channels, pictures, get(*x), out);
                }
                Work::Normalise { norm, relu, x, y } => {
                    self.with_affine(norm, |affine| {
                        norm::apply(isa, &get(*x)[range.clone()], affine, *relu, set(*y));
                    });
                }
                Work::Affine { norm, relu, x, y } => {
                    self.with_running(norm, |affine| {
                        norm::apply(isa, &get(*x)[range.clone()], affine, *relu, set(*y));
                    });
                }
                Work::GradientSums { norm, x, dy } => {
                    let channels = Work::channels(norm, units);
                    let out = self.sums_of(norm, block, &channels);
                    let pictures = self.pictures(block).len();
                    scratch::with(norm.channels, |means| {
                        for channel in channels.clone() {
                            means[channel] = rounded(self.batch_moments(norm, channel).mean);
                        }
                        let operands = (get(*x), get(*dy));
                        let all = norm.channels;
                        norm::gradient_sums(isa, &channels, all, pictures, operands, means, out);
                    });
                }
                Work::NormaliseBack { norm, x, dy, dx } => {
                    if block == 0 && units.start == 0 {
                        self.scale_and_shift_gradients(norm);
                    }
                    self.with_back(norm, |channels| {
                        let x = &get(*x)[range.clone()];
                        if dx == dy {
                            norm::back_in_place(isa, x, channels, set(*dx));
                        } else {
                            norm::back(isa, x, channels, &get(*dy)[range.clone()], set(*dx));
                        }
                    });
                }
                Work::Activate { activation, x, y } => {
                    pointwise::activate(isa, *activation, &get(*x)[range.clone()], set(*y));
                }
                Work::ActivateBack {
                    activation,
                    x,
                    y,
                    dy,
                    dx,
                } => {
                    let [x, y, dy] = [*x, *y, *dy].map(|b| &get(b)[range.clone()]);
                    pointwise::activate_back(isa, *activation, (x, y), dy, set(*dx));
                }
                Work::Gate {
                    activation,
                    y,
                    dy,
                    dx,
                } => {
                    let to = set(*dx);
                    if dx != dy {
                        to.copy_from_slice(&get(*dy)[range.clone()]);
                    }
                    pointwise::gate(isa, *activation, &get(*y)[range.clone()], to);
                }
                Work::MaxPool { pool, x, y } => pool.max(isa, units, get(*x), set(*y)),
                Work::MaxPoolBack { pool, x, y, dy, dx } => {
                    pool.max_back(isa, units, (get(*x), get(*y)), get(*dy), set(*dx));
                }
                Work::MeanPool { pool, x, y } => pool.mean(isa, units, get(*x), set(*y)),
                Work::MeanPoolBack { pool, dy, dx } => {
                    pool.mean_back(isa, units, get(*dy), set(*dx));
                }
                Work::Resample { resample, x, y } => resample.forward(isa, get(*x), set(*y)),
                Work::ResampleBack { resample, dy, dx } => {
                    resample.backward(isa, get(*dy), set(*dx));
                }
                Work::Reorder {
                    channels,
                    pixels,
                    x,
                    y,
                } => layout::reorder(*channels, *pixels, get(*x), set(*y)),
                Work::Dropout {
                    layer,
                    p,
                    channels,
                    x,
                    y,
                } => {
                    let layer = u64::try_from(*layer).unwrap_or(u64::MAX);
                    let stream =
                        Stream::new(self.seed, Purpose::Dropout, (layer << 40) ^ self.step);
                    let places = Places {
                        first_picture: block * LANES,
                        pixels: x.size / (channels * LANES),
                        channels: *channels,
                    };
                    pointwise::dropout(isa, places, &stream, *p, get(*x), set(*y));
                }
                Work::Add {
                    activation,
                    a,
                    b,
                    y,
                } => {
                    let [a, b] = [*a, *b].map(|buffer| &get(buffer)[range.clone()]);
                    let to = set(*y);
                    pointwise::add(isa, a, b, to);
                    pointwise::finish(isa, None, *activation, to);
                }
                Work::Accumulate { from, to } => {
                    pointwise::accumulate(isa, &get(*from)[range.clone()], set(*to));
                }
                Work::Loss { logits, gradient } => {
                    let labels = &self.input.labels[self.pictures(block)];
                    let (batch, logits) = (self.batch(), get(*logits));
                    let share =
                        loss::loss(isa, self.criterion, batch, labels, logits, set(*gradient));
                    *self.shared.shares.add(block) = share;
                }
            }
        }
    }

    /// A block's pictures in lanes; `rows`, where they are wanted too, a row each.
    fn load(
        &self,
        (channels, pixels): (usize, usize),
        block: usize,
        rows: Option<&mut [f32]>,
        to: &mut [f32],
    ) {
        let begun = Instant::now();
        let pictures = self.only.clone().unwrap_or_else(|| self.pictures(block));
        let len = pictures.len() * channels * pixels;
        match (self.input.pictures, rows) {
            (Pictures::Rows(all), None) => {
                let start = pictures.start * channels * pixels;
                layout::into_lanes(self.isa, channels, pixels, &all[start..start + len], to);
            }
            (_, Some(rows)) => {
                let (own, rest) = rows.split_at_mut(len);
                self.gather(pictures, own);
                rest.fill(0.0);
                layout::into_lanes(self.isa, channels, pixels, own, to);
            }
            (Pictures::Gathered(_), None) => scratch::with(len, |own| {
                self.gather(pictures, own);
                layout::into_lanes(self.isa, channels, pixels, own, to);
            }),
        }
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.load_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn gather(&self, pictures: Range<usize>, rows: &mut [f32]) {
        match self.input.pictures {
            Pictures::Gathered(gather) => gather(pictures, rows),
            Pictures::Rows(all) => {
                let size = rows.len() / pictures.len().max(1);
                rows.copy_from_slice(&all[pictures.start * size..pictures.end * size]);
            }
        }
    }

    /// A member's part of work that needs all blocks.
    ///
    /// # Safety
    /// What it reads is complete, and the members' numbers differ.
    pub(super) unsafe fn whole(&self, step: &Step, member: usize, members: usize) {
        let Work::ConvWeights {
            conv,
            kernel,
            x,
            dy,
        } = &step.work
        else {
            return;
        };
        let rows = portion(conv.geometry.out_channels, members, member);
        let depth = conv.geometry.depth();
        // SAFETY: rows of different members are apart, in weights and biases.
        unsafe {
            let weights = kernel.weight.start + rows.start * depth;
            let dw = self.gradient(weights, rows.len() * depth);
            let db = kernel
                .bias
                .map(|b| self.gradient(b.start + rows.start, rows.len()));
            let blocks = (0..self.blocks()).map(|block| {
                let pictures = self.pictures(block).len();
                (pictures, self.block(*x, block), self.block(*dy, block))
            });
            conv.weights(self.isa, &rows, blocks, dw, db);
        }
    }

    /// # Safety
    /// Nobody else reads or writes them.
    #[expect(
        clippy::mut_from_ref,
        reason = "members write different parts of shared memory"
    )]
    unsafe fn gradient(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.shared.gradient_count);
        // SAFETY: inside, as checked; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.shared.gradients.add(start), len) }
    }

    /// # Safety
    /// Nobody else reads or writes these channels of the block.
    #[expect(
        clippy::mut_from_ref,
        reason = "members write different parts of shared memory"
    )]
    unsafe fn moments_of(&self, norm: &Norm, block: usize, c: &Range<usize>) -> &mut [Moments] {
        assert!(c.end <= norm.channels && block < self.blocks());
        let start = self.norms[norm.index].start + block * norm.channels + c.start;
        // SAFETY: the plan keeps moments for every block and channel; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.shared.moments.add(start), c.len()) }
    }

    /// # Safety
    /// Nobody else reads or writes these channels of the block.
    #[expect(
        clippy::mut_from_ref,
        reason = "members write different parts of shared memory"
    )]
    unsafe fn sums_of(&self, norm: &Norm, block: usize, c: &Range<usize>) -> &mut [[f64; 2]] {
        assert!(c.end <= norm.channels && block < self.blocks());
        let start = self.norms[norm.index].start + block * norm.channels + c.start;
        // SAFETY: as for moments.
        unsafe { std::slice::from_raw_parts_mut(self.shared.sums.add(start), c.len()) }
    }

    /// A channel's moments over the batch.
    ///
    /// # Safety
    /// All blocks' moments are complete.
    unsafe fn batch_moments(&self, norm: &Norm, channel: usize) -> Moments {
        let start = self
            .shared
            .moments
            .wrapping_add(self.norms[norm.index].start);
        // SAFETY: the plan keeps moments for every block and channel.
        let of = |block: usize| unsafe { *start.add(block * norm.channels + channel) };
        (0..self.blocks()).fold(Moments::default(), |sum, block| sum.and(of(block)))
    }

    /// A channel's sums over the batch.
    ///
    /// # Safety
    /// All blocks' sums are complete.
    unsafe fn batch_sums(&self, norm: &Norm, channel: usize) -> [f64; 2] {
        let start = self.shared.sums.wrapping_add(self.norms[norm.index].start);
        // SAFETY: the plan keeps sums for every block and channel.
        let of = |block: usize| unsafe { *start.add(block * norm.channels + channel) };
        (0..self.blocks())
            .map(of)
            .fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d])
    }

    /// # Safety
    /// All blocks' moments are complete.
    unsafe fn with_affine(&self, norm: &Norm, work: impl FnOnce(&[[f32; 3]])) {
        let (gamma, beta) = (self.weights(norm.gamma), self.weights(norm.beta));
        with_triples(norm.channels, work, |c| {
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
        with_triples(norm.channels, work, |c| {
            let variance = f64::from(state.running_var[c]) + self.epsilon;
            let scale = rounded(f64::from(gamma[c]) / variance.sqrt());
            [state.running_mean[c], scale, beta[c]]
        });
    }

    /// # Safety
    /// All blocks' moments and sums are complete.
    unsafe fn with_back(&self, norm: &Norm, work: impl FnOnce(&[Back])) {
        let gamma = self.weights(norm.gamma);
        let mut channels = [Back::default(); FEW];
        let back = |c: usize| {
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
        };
        if norm.channels <= channels.len() {
            for (c, slot) in channels.iter_mut().take(norm.channels).enumerate() {
                *slot = back(c);
            }
            work(&channels[..norm.channels]);
        } else {
            work(&(0..norm.channels).map(back).collect::<Vec<_>>());
        }
    }
}

/// Channels up to which nothing is allocated for them.
const FEW: usize = 512;

/// Calls `work` with three numbers a channel.
fn with_triples(
    channels: usize,
    work: impl FnOnce(&[[f32; 3]]),
    triple: impl Fn(usize) -> [f32; 3],
) {
    let mut few = [[0.0; 3]; FEW];
    if channels <= few.len() {
        for (c, slot) in few.iter_mut().take(channels).enumerate() {
            *slot = triple(c);
        }
        work(&few[..channels]);
    } else {
        work(&(0..channels).map(triple).collect::<Vec<_>>());
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "computed in f64, rounded once"
)]
fn rounded(value: f64) -> f32 {
    value as f32
}

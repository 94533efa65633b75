//! From a program's work to launches: which kernel, how many threads, which addresses.

use super::arguments::{self as args, FACTORS, Gate};
use super::device::{Argument, Gpu, Launch, THREADS};
use super::tables::{Direction, Tables, number};
use crate::error::Result;
use crate::kernels::plan::{
    Buffer, Criterion, LANES, Layout, Norm, Pool, Program, Resample, Step, Weights, Work,
};
use crate::profile::{Activation, Precision};
use crate::rng::Purpose;

/// Warps of a block of threads.
pub(super) const WARPS: usize = THREADS as usize / 32;
/// Blocks of threads that keep a large GPU busy.
pub(super) const ENOUGH_BLOCKS: usize = 528;
/// Pairs of sums of what parts of normalisations give.
pub(super) const SUMS: usize = 1 << 16;
/// Counters of those who are there.
pub(super) const COUNTERS: usize = 1 << 16;

/// Where what all launches share lies on the GPU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    pub(super) parameters: u64,
    pub(super) gradients: u64,
    pub(super) head: u64,
    pub(super) shares: u64,
    pub(super) affine: u64,
    pub(super) back: u64,
    pub(super) variance: u64,
    pub(super) running_mean: u64,
    pub(super) running_variance: u64,
    pub(super) partial: u64,
    pub(super) sums: u64,
    pub(super) counters: u64,
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The number by which the kernels know an activation.
fn activation(activation: Activation) -> i32 {
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

/// Turns the steps of one program into launches.
pub(super) struct Lowering<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) tables: &'a mut Tables,
    pub(super) layout: &'a Layout,
    /// Where the layout's memory starts.
    pub(super) base: u64,
    pub(super) blocks: usize,
    pub(super) shared: Shared,
    /// Of every normalisation, where its channels start among those of all.
    pub(super) norms: &'a [usize],
    pub(super) epsilon: f64,
    pub(super) criterion: Criterion,
    pub(super) precision: Precision,
    /// Pictures that the head has room for.
    pub(super) capacity: usize,
}

impl Lowering<'_> {
    /// The launches of every step, with its number.
    pub(super) fn program(&mut self, program: &Program) -> Result<Vec<(usize, Launch)>> {
        let mut launches = Vec::new();
        for (index, step) in program.steps.iter().enumerate() {
            launches.extend(self.step(step)?.into_iter().map(|launch| (index, launch)));
        }
        Ok(launches)
    }

    pub(super) fn at(&self, buffer: Buffer) -> u64 {
        self.base + 4 * self.layout.start(buffer) as u64
    }

    pub(super) fn parameter(&self, weights: Weights) -> u64 {
        self.shared.parameters + 4 * weights.start as u64
    }

    pub(super) fn gradient(&self, weights: Weights) -> u64 {
        self.shared.gradients + 4 * weights.start as u64
    }

    /// Numbers of all blocks of a buffer.
    fn size(&self, buffer: Buffer) -> u64 {
        (buffer.size() * self.blocks) as u64
    }

    pub(super) fn launch<A: Argument>(
        &self,
        kernel: &'static str,
        grid: (usize, usize, usize),
        argument: &A,
    ) -> Result<Launch> {
        let grid = (count(grid.0), count(grid.1), count(grid.2));
        Launch::new(self.gpu, kernel, grid, THREADS, argument)
    }

    /// A thread for each of `size` numbers, or for each four.
    fn over<A: Argument>(
        &self,
        kernel: &'static str,
        threads: u64,
        argument: &A,
    ) -> Result<Launch> {
        let blocks = threads.div_ceil(u64::from(THREADS));
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        self.launch(kernel, (blocks, 1, 1), argument)
    }

    fn gate(&self, gate: Option<(Activation, Buffer)>) -> Gate {
        gate.map_or_else(Gate::default, |(kind, y)| Gate {
            y: self.at(y),
            activation: u64::from(activation(kind).unsigned_abs()),
        })
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind of work, a launch each"
    )]
    fn step(&mut self, step: &Step) -> Result<Vec<Launch>> {
        let gate = self.gate(step.gate);
        let launch = match &step.work {
            Work::Load {
                channels,
                pixels,
                to,
                ..
            } => {
                let argument = args::Load {
                    to: self.at(*to),
                    head: self.shared.head,
                    channels: number(*channels),
                    pixels: number(*pixels),
                };
                let grid = ((channels * pixels).div_ceil(LANES), self.blocks, 1);
                self.launch("load", grid, &argument)
            }
            Work::Conv {
                conv,
                kernel,
                activation: kind,
                x,
                y,
            } => {
                let bias = kernel.bias.map_or(0, |b| self.parameter(b));
                let product = args::Product {
                    bias,
                    activation: activation(*kind),
                    gate,
                    ..args::Product::default()
                };
                self.product(
                    &conv.geometry,
                    *kernel,
                    Direction::Forward,
                    (*x, *y),
                    product,
                )
            }
            Work::ConvBack {
                conv,
                kernel,
                add,
                dy,
                dx,
            } => {
                let product = args::Product {
                    add: i32::from(*add),
                    gate,
                    ..args::Product::default()
                };
                self.product(
                    &conv.geometry,
                    *kernel,
                    Direction::Backward,
                    (*dy, *dx),
                    product,
                )
            }
            Work::ConvWeights {
                conv,
                kernel,
                x,
                dy,
            } => return self.weights(&conv.geometry, *kernel, *x, *dy),
            Work::Moments { norm, x } => self.norm("moments", norm, [*x, *x, *x], gate, false),
            Work::GradientSums { norm, x, dy } => {
                self.norm("gradient_sums", norm, [*x, *dy, *x], gate, false)
            }
            Work::Normalise { norm, relu, x, y } => {
                self.norm("normalise", norm, [*x, *x, *y], gate, *relu)
            }
            Work::Affine { norm, relu, x, y } => {
                self.norm("affine", norm, [*x, *x, *y], gate, *relu)
            }
            Work::NormaliseBack { norm, x, dy, dx } => {
                self.norm("normalise_back", norm, [*x, *dy, *dx], gate, false)
            }
            Work::Activate {
                activation: kind,
                x,
                y,
            } => self.pointwise("activation", *kind, [*x, *x, *x], *y, gate),
            Work::ActivateBack {
                activation: kind,
                x,
                y,
                dy,
                dx,
            } => self.pointwise("activation_back", *kind, [*dy, *y, *x], *dx, gate),
            Work::Gate {
                activation: kind,
                y,
                dy,
                dx,
            } => self.pointwise("activation_back", *kind, [*dy, *y, *y], *dx, gate),
            Work::Add {
                activation: kind,
                a,
                b,
                y,
            } => self.pointwise("sum_of_two", *kind, [*a, *b, *a], *y, gate),
            Work::Accumulate { from, to } => {
                self.pointwise("sum_of_two", Activation::None, [*from, *to, *to], *to, gate)
            }
            Work::MaxPool { pool, x, y } => self.pool("max_pool", pool, [*x, *y, *y], *y, gate),
            Work::MeanPool { pool, x, y } => self.pool("mean_pool", pool, [*x, *y, *y], *y, gate),
            Work::MaxPoolBack { pool, x, y, dy, dx } => {
                self.pool("max_pool_back", pool, [*x, *y, *dy], *dx, gate)
            }
            Work::MeanPoolBack { pool, dy, dx } => {
                self.pool("mean_pool_back", pool, [*dx, *dy, *dy], *dx, gate)
            }
            Work::Resample { resample, x, y } => self.resample(resample, false, (*x, *y), gate),
            Work::ResampleBack { resample, dy, dx } => {
                self.resample(resample, true, (*dy, *dx), gate)
            }
            Work::Reorder {
                channels,
                pixels,
                x,
                y,
            } => {
                let size = self.size(*y);
                let argument = args::Reorder {
                    x: self.at(*x),
                    to: self.at(*y),
                    gate,
                    size,
                    channels: number(*channels),
                    pixels: number(*pixels),
                };
                self.over("reorder", size, &argument)
            }
            Work::Dropout {
                layer,
                p,
                channels,
                x,
                y,
            } => self.dropout((*layer, *p, *channels), (*x, *y), gate),
            Work::Loss { logits, gradient } => self.loss(*logits, *gradient),
            Work::Turn { .. } => Err(crate::error::Error::compute(
                "laying out a step on the GPU",
                "maps are not turned over there",
            )),
        };
        Ok(vec![launch?])
    }

    fn norm(
        &self,
        kernel: &'static str,
        norm: &Norm,
        [x, y_or_dy, to]: [Buffer; 3],
        gate: Gate,
        relu: bool,
    ) -> Result<Launch> {
        let channels = norm.channels;
        let pixels = x.size() / (channels * LANES);
        let items = self.blocks * pixels;
        let parts = (2 * ENOUGH_BLOCKS / channels)
            .clamp(1, items.div_ceil(8 * WARPS))
            .min(SUMS / channels.min(SUMS));
        let first = self.norms[norm.index];
        let of = |start: u64, size: usize| start + (4 * first * size) as u64;
        let shared = &self.shared;
        let size = self.size(x);
        let argument = args::Norm {
            x: self.at(x),
            y_or_dy: self.at(y_or_dy),
            to: self.at(to),
            head: shared.head,
            gamma: self.parameter(norm.gamma),
            beta: self.parameter(norm.beta),
            dgamma: self.gradient(norm.gamma),
            dbeta: self.gradient(norm.beta),
            affine: of(shared.affine, FACTORS),
            back: of(shared.back, FACTORS),
            variance: of(shared.variance, 1),
            running_mean: of(shared.running_mean, 1),
            running_variance: of(shared.running_variance, 1),
            partial: shared.sums,
            counters: shared.counters,
            gate,
            epsilon: self.epsilon,
            size,
            channels: number(channels),
            pixels: number(pixels),
            blocks: number(self.blocks),
            parts: number(parts),
            relu: i32::from(relu),
            padding: 0,
        };
        match kernel {
            "moments" | "gradient_sums" => self.launch(kernel, (channels, parts, 1), &argument),
            _ => self.over(kernel, size / 4, &argument),
        }
    }

    fn pointwise(
        &self,
        kernel: &'static str,
        kind: Activation,
        [a, b, x]: [Buffer; 3],
        to: Buffer,
        gate: Gate,
    ) -> Result<Launch> {
        let size = self.size(to);
        let argument = args::Pointwise {
            a: self.at(a),
            b: self.at(b),
            x: self.at(x),
            to: self.at(to),
            gate,
            size,
            activation: activation(kind),
            padding: 0,
        };
        self.over(kernel, size / 4, &argument)
    }

    #[expect(clippy::cast_precision_loss, reason = "windows are far below 2²⁴")]
    fn pool(
        &self,
        kernel: &'static str,
        pool: &Pool,
        [x, y, dy]: [Buffer; 3],
        to: Buffer,
        gate: Gate,
    ) -> Result<Launch> {
        let size = self.size(to);
        let argument = args::Pool {
            x: self.at(x),
            y: self.at(y),
            dy: self.at(dy),
            to: self.at(to),
            gate,
            size,
            channels: number(pool.channels),
            height: number(pool.height),
            width: number(pool.width),
            kernel_height: number(pool.kernel_height),
            kernel_width: number(pool.kernel_width),
            stride: number(pool.stride),
            margin: number(pool.padding),
            out_height: number(pool.out_height()),
            out_width: number(pool.out_width()),
            share: 1.0 / (pool.kernel_height * pool.kernel_width) as f32,
        };
        self.over(kernel, size / 4, &argument)
    }

    fn resample(
        &mut self,
        resample: &Resample,
        back: bool,
        (from, to): (Buffer, Buffer),
        gate: Gate,
    ) -> Result<Launch> {
        let [starts, terms] = self.tables.terms(resample, back)?;
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
        let size = self.size(to);
        let argument = args::Resample {
            from: self.at(from),
            to: self.at(to),
            starts,
            terms,
            gate,
            size,
            channels: number(channels),
            pixels: number(pixels),
            from_channels: number(from_channels),
            from_pixels: number(from_pixels),
            shift: if back { before } else { -before },
            padding: 0,
        };
        self.over("resample", size, &argument)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as on the CPU: the threshold is in [0, 2²⁴] and the factor is rounded once"
    )]
    fn dropout(
        &self,
        (layer, p, channels): (usize, f64, usize),
        (x, y): (Buffer, Buffer),
        gate: Gate,
    ) -> Result<Launch> {
        let size = self.size(y);
        let argument = args::Dropout {
            x: self.at(x),
            to: self.at(y),
            head: self.shared.head,
            gate,
            size,
            layer: layer as u64,
            purpose: Purpose::Dropout as u64,
            channels: number(channels),
            pixels: number(x.size() / (channels * LANES)),
            threshold: (p * f64::from(1 << 24)).ceil() as u32,
            factor: (1.0 / (1.0 - p)) as f32,
        };
        self.over("dropout", size, &argument)
    }

    fn loss(&self, logits: Buffer, gradient: Buffer) -> Result<Launch> {
        let (squared, smoothing) = match self.criterion {
            Criterion::CrossEntropy(smoothing) => (0, smoothing),
            Criterion::Mse => (1, 0.0),
        };
        let argument = args::Loss {
            logits: self.at(logits),
            gradient: self.at(gradient),
            head: self.shared.head,
            shares: self.shared.shares,
            smoothing,
            classes: number(logits.size() / LANES),
            squared,
            capacity: number(self.capacity),
            padding: 0,
        };
        // A thread a picture.
        let grid = (count(self.blocks), 1, 1);
        Launch::new(self.gpu, "loss", grid, count(LANES), &argument)
    }
}

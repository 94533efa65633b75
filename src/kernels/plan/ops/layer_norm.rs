//! Layer normalisation: the statistics of every group, and what they make of a map and of its gradients.

use std::ops::Range;

use super::{Operation, Outline, Scope, Units};
use crate::kernels::cpu::lanes::LANES;
use crate::kernels::cpu::layer_norm::{self, Groups};
use crate::kernels::cpu::rounded;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::{Buffer, Weights};
use crate::kernels::plan::context::Part;

/// A layer normalisation of a map in lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerNorm {
    /// Of one image.
    pub groups: Groups,
    pub epsilon: f64,
    pub gamma: Weights,
    pub beta: Weights,
}

impl LayerNorm {
    /// Numbers of a block's statistics.
    #[must_use]
    pub(crate) fn statistics(&self) -> usize {
        self.groups.outer * self.groups.inner * layer_norm::STATISTICS * LANES
    }

    fn label(&self, name: &str) -> String {
        let Groups {
            outer,
            count,
            inner,
        } = self.groups;
        format!("{name} {count} × {}", outer * inner)
    }

    /// The outline of work that is cut by outer part.
    fn by_part(&self, name: &str, read: &[Buffer], to: Buffer) -> Outline {
        let units = Units::new(self.groups.outer, to.size() / self.groups.outer);
        Outline {
            label: self.label(name),
            ..Outline::of_block(name, units, read, to)
        }
    }

    /// Some outer parts, and their share of a buffer's block.
    fn of<'a>(&self, units: &Range<usize>, buffer: &'a [f32]) -> (Groups, &'a [f32]) {
        let each = buffer.len() / self.groups.outer;
        let groups = Groups {
            outer: units.len(),
            ..self.groups
        };
        (groups, &buffer[units.start * each..units.end * each])
    }
}

/// Every group's mean and 1/√(variance + ε).
pub(crate) struct Statistics {
    pub norm: LayerNorm,
    pub x: Buffer,
    pub to: Buffer,
}

impl Operation for Statistics {
    fn outline(&self) -> Outline {
        self.norm.by_part("layer statistics", &[self.x], self.to)
    }

    unsafe fn run(&self, part: &Part<'_>, to: &mut [f32]) {
        // SAFETY: the caller's.
        let (groups, x) = unsafe { self.norm.of(&part.units, part.all(self.x)) };
        layer_norm::statistics(part.context.isa, true, groups, self.norm.epsilon, x, to);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let argument = argument(gpu, &self.norm, [self.x, self.x, self.to, self.x], gate);
        gpu.over("layer_statistics", argument.groups, &argument)
    }
}

/// y = γ·(x − mean)/deviation + β.
pub(crate) struct Normalise {
    pub norm: LayerNorm,
    pub x: Buffer,
    pub statistics: Buffer,
    pub y: Buffer,
}

impl Operation for Normalise {
    fn outline(&self) -> Outline {
        let read = [self.x, self.statistics];
        self.norm.by_part("layer norm", &read, self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        let (context, norm) = (part.context, &self.norm);
        // SAFETY: the caller's.
        let (x, statistics) = unsafe { (part.same(self.x), part.all(self.statistics)) };
        let (groups, statistics) = norm.of(&part.units, statistics);
        let affine = [norm.gamma, norm.beta].map(|weights| context.weights(weights));
        layer_norm::normalise(context.isa, true, groups, x, statistics, affine, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.x, self.statistics, self.y];
        let argument = argument(gpu, &self.norm, operands, gate);
        gpu.over("layer_norm", argument.size, &argument)
    }
}

/// The input's gradient.
pub(crate) struct Back {
    pub norm: LayerNorm,
    pub x: Buffer,
    pub statistics: Buffer,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for Back {
    fn outline(&self) -> Outline {
        let read = [self.x, self.statistics, self.dy];
        self.norm.by_part("layer norm back", &read, self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        let (context, norm) = (part.context, &self.norm);
        // SAFETY: the caller's.
        let [x, dy] = [self.x, self.dy].map(|buffer| unsafe { part.same(buffer) });
        // SAFETY: the caller's.
        let (groups, statistics) = norm.of(&part.units, unsafe { part.all(self.statistics) });
        let gamma = context.weights(norm.gamma);
        layer_norm::input_gradient(context.isa, true, groups, x, statistics, gamma, dy, dx);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.dy, self.statistics, self.dx];
        let argument = argument(gpu, &self.norm, operands, gate);
        gpu.over("layer_norm_back", argument.groups, &argument)
    }
}

/// The gradients to γ and β, over all blocks.
pub(crate) struct ParameterGradients {
    pub norm: LayerNorm,
    pub x: Buffer,
    pub statistics: Buffer,
    pub dy: Buffer,
}

impl Operation for ParameterGradients {
    fn outline(&self) -> Outline {
        Outline {
            label: self.norm.label("layer norm's gradients"),
            multiply_adds: 0,
            scope: Scope::Batch,
            units: Units::new(self.norm.groups.count, 0),
            buffers: vec![self.x, self.statistics, self.dy],
            written: None,
        }
    }

    unsafe fn run(&self, part: &Part<'_>, _: &mut [f32]) {
        let (context, norm) = (part.context, &self.norm);
        for number in part.units.clone() {
            let mut sums = [0.0; 2];
            for block in 0..context.blocks() {
                let images = context.images(block).len();
                // SAFETY: the caller's.
                let [x, statistics, dy] = [self.x, self.statistics, self.dy]
                    .map(|buffer| unsafe { context.block(buffer, block) });
                layer_norm::add_parameter_gradients(
                    context.isa,
                    true,
                    norm.groups,
                    number,
                    images,
                    x,
                    statistics,
                    dy,
                    &mut sums,
                );
            }
            for (weights, sum) in [norm.gamma, norm.beta].into_iter().zip(sums) {
                // SAFETY: parameters of different units are apart.
                let out = unsafe { context.gradient(weights.start + number, 1) };
                out[0] = rounded(sum);
            }
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.dy, self.statistics, self.x];
        let argument = argument(gpu, &self.norm, operands, gate);
        gpu.launch(
            "layer_norm_weights",
            (self.norm.groups.count, 1, 1),
            &argument,
        )
    }
}

#[cfg(feature = "cuda")]
args::arguments! {
    LayerNormArgument {
        x: u64, dy: u64, statistics: u64, to: u64,
        gamma: u64, beta: u64, dgamma: u64, dbeta: u64,
        gate: args::Gate, size: u64, groups: u64,
        count: i32, inner: i32, epsilon: f64,
    }
}

#[cfg(feature = "cuda")]
fn argument(
    gpu: &Lowering<'_>,
    norm: &LayerNorm,
    [x, dy, statistics, to]: [Buffer; 4],
    gate: args::Gate,
) -> LayerNormArgument {
    let Groups {
        outer,
        count,
        inner,
    } = norm.groups;
    LayerNormArgument {
        x: gpu.at(x),
        dy: gpu.at(dy),
        statistics: gpu.at(statistics),
        to: gpu.at(to),
        gamma: gpu.parameter(norm.gamma),
        beta: gpu.parameter(norm.beta),
        dgamma: gpu.gradient(norm.gamma),
        dbeta: gpu.gradient(norm.beta),
        gate,
        size: gpu.size(x),
        groups: (gpu.blocks * outer * inner * LANES) as u64,
        count: number(count),
        inner: number(inner),
        epsilon: norm.epsilon,
    }
}

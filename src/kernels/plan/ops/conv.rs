//! Convolutions and their gradients; a linear layer is one on a single pixel.

use super::{Operation, Outline, Scope, Units};
use crate::kernels::cpu::lanes::conv::{self, Geometry};
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Direction, Launches, Lowering, arguments as args, code};
use crate::kernels::memory::{Buffer, Kernel};
use crate::kernels::plan::context::Part;
use crate::profile::Activation;

/// y = f(x ∗ w + bias).
#[expect(clippy::struct_field_names, reason = "the arithmetic of that name")]
pub(crate) struct Conv {
    pub conv: conv::Conv,
    pub kernel: Kernel,
    pub activation: Activation,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Conv {
    fn outline(&self) -> Outline {
        Outline {
            label: label("product", &self.conv),
            multiply_adds: self.conv.multiplications()[0],
            scope: Scope::Block,
            units: forward_units(&self.conv),
            buffers: vec![self.x, self.y],
            written: Some(self.y),
        }
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        let context = part.context;
        let bias = self.kernel.bias.map(|b| context.weights(b));
        let w = context.weights(self.kernel.weight);
        // SAFETY: the caller's.
        let x = unsafe { part.all(self.x) };
        let finish = (bias, self.activation);
        self.conv.forward(context.isa, &part.units, x, w, finish, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let product = args::Product {
            bias: self.kernel.bias.map_or(0, |b| gpu.parameter(b)),
            activation: code(self.activation),
            gate,
            ..args::Product::default()
        };
        let (geometry, operands) = (&self.conv.geometry, (self.x, self.y));
        gpu.product(geometry, self.kernel, Direction::Forward, operands, product)
    }
}

/// dx = the gradient through a convolution, or added to what dx holds.
pub(crate) struct ConvBack {
    pub conv: conv::Conv,
    pub kernel: Kernel,
    pub add: bool,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for ConvBack {
    fn outline(&self) -> Outline {
        Outline {
            label: label("input gradient", &self.conv),
            multiply_adds: self.conv.multiplications()[1],
            scope: Scope::Block,
            units: backward_units(&self.conv),
            buffers: vec![self.dy, self.dx],
            written: Some(self.dx),
        }
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        let (isa, w) = (part.context.isa, part.context.weights(self.kernel.weight));
        // SAFETY: the caller's.
        let dy = unsafe { part.all(self.dy) };
        self.conv.backward(isa, &part.units, dy, w, self.add, dx);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let product = args::Product {
            add: i32::from(self.add),
            gate,
            ..args::Product::default()
        };
        let (geometry, operands) = (&self.conv.geometry, (self.dy, self.dx));
        gpu.product(
            geometry,
            self.kernel,
            Direction::Backward,
            operands,
            product,
        )
    }
}

/// The gradients to a convolution's weights and biases, over all blocks.
pub(crate) struct ConvWeights {
    pub conv: conv::Conv,
    pub kernel: Kernel,
    /// Turned over where the convolution wants it.
    pub x: Buffer,
    pub dy: Buffer,
}

impl Operation for ConvWeights {
    fn outline(&self) -> Outline {
        Outline {
            label: label("weight gradient", &self.conv),
            multiply_adds: self.conv.multiplications()[0],
            scope: Scope::Batch,
            units: Units::new(self.conv.geometry.out_channels, 0),
            buffers: vec![self.x, self.dy],
            written: None,
        }
    }

    unsafe fn run(&self, part: &Part<'_>, _: &mut [f32]) {
        let (context, rows) = (part.context, &part.units);
        let depth = self.conv.geometry.depth();
        let Kernel { weight, bias } = self.kernel;
        // SAFETY: the caller's; rows of different units are apart, in weights and biases.
        unsafe {
            let dw = context.gradient(weight.start + rows.start * depth, rows.len() * depth);
            let db = bias.map(|b| context.gradient(b.start + rows.start, rows.len()));
            let blocks = (0..context.blocks()).map(|block| {
                let images = context.images(block).len();
                let [x, dy] = [self.x, self.dy].map(|b| context.block(b, block));
                (images, x, dy)
            });
            self.conv.weights(context.isa, rows, blocks, dw, db);
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, _: args::Gate) -> Launches {
        gpu.weights(&self.conv.geometry, self.kernel, self.x, self.dy)
    }
}

fn forward_units(conv: &conv::Conv) -> Units {
    Units::new(conv.forward_units(), conv.forward_range(&(0..1)).end)
}

fn backward_units(conv: &conv::Conv) -> Units {
    Units::new(conv.backward_units(), conv.backward_range(&(0..1)).end)
}

fn label(name: &str, conv: &conv::Conv) -> String {
    let Geometry {
        in_channels: from,
        out_channels: to,
        kernel_height: k,
        height,
        width,
        ..
    } = conv.geometry;
    let tiled = if conv.tiled() { " in tiles" } else { "" };
    format!("{name} {from}→{to} {k}×{k} on {height}×{width}{tiled}")
}

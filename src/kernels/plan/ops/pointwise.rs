//! Work number by number: activations, their slopes, sums.

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::pointwise;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, code};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::context::Part;
use crate::profile::Activation;

/// y = f(x).
pub(crate) struct Activate {
    pub activation: Activation,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for Activate {
    fn outline(&self) -> Outline {
        Outline::of_block("activation", Units::lines(self.y), &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.same(self.x) };
        pointwise::activate(part.context.isa, self.activation, x, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        launch(
            gpu,
            "activation",
            self.activation,
            [self.x; 3],
            self.y,
            gate,
        )
    }
}

/// dx = dy · f′(x), with y = f(x).
pub(crate) struct ActivateBack {
    pub activation: Activation,
    pub x: Buffer,
    pub y: Buffer,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for ActivateBack {
    fn outline(&self) -> Outline {
        let read = [self.x, self.y, self.dy];
        Outline::of_block("activation back", Units::lines(self.dx), &read, self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        // SAFETY: the caller's.
        let [x, y, dy] = [self.x, self.y, self.dy].map(|b| unsafe { part.same(b) });
        pointwise::activate_back(part.context.isa, self.activation, (x, y), dy, dx);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let read = [self.dy, self.y, self.x];
        launch(gpu, "activation_back", self.activation, read, self.dx, gate)
    }
}

/// dx = dy · f′, from the result y; `dx` may be `dy`.
pub(crate) struct Gate {
    pub activation: Activation,
    pub y: Buffer,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for Gate {
    fn outline(&self) -> Outline {
        let (units, read) = (Units::lines(self.dx), [self.y, self.dy]);
        Outline::of_block("activation back", units, &read, self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        // SAFETY: the caller's.
        unsafe {
            if self.dx != self.dy {
                dx.copy_from_slice(part.same(self.dy));
            }
            pointwise::gate(part.context.isa, self.activation, part.same(self.y), dx);
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let read = [self.dy, self.y, self.y];
        launch(gpu, "activation_back", self.activation, read, self.dx, gate)
    }
}

/// y = f(a + b).
pub(crate) struct Add {
    pub activation: Activation,
    pub a: Buffer,
    pub b: Buffer,
    pub y: Buffer,
}

impl Operation for Add {
    fn outline(&self) -> Outline {
        Outline::of_block("sum", Units::lines(self.y), &[self.a, self.b], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        let isa = part.context.isa;
        // SAFETY: the caller's.
        let [a, b] = [self.a, self.b].map(|buffer| unsafe { part.same(buffer) });
        pointwise::add(isa, a, b, y);
        pointwise::finish(isa, None, self.activation, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let read = [self.a, self.b, self.a];
        launch(gpu, "sum_of_two", self.activation, read, self.y, gate)
    }
}

/// to = to + from.
pub(crate) struct Accumulate {
    pub from: Buffer,
    pub to: Buffer,
}

impl Operation for Accumulate {
    fn outline(&self) -> Outline {
        Outline::of_block("sum", Units::lines(self.to), &[self.from], self.to)
    }

    unsafe fn run(&self, part: &Part<'_>, to: &mut [f32]) {
        // SAFETY: the caller's.
        let from = unsafe { part.same(self.from) };
        pointwise::accumulate(part.context.isa, from, to);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let read = [self.from, self.to, self.to];
        launch(gpu, "sum_of_two", Activation::None, read, self.to, gate)
    }
}

#[cfg(feature = "cuda")]
fn launch(
    gpu: &Lowering<'_>,
    kernel: &'static str,
    activation: Activation,
    [a, b, x]: [Buffer; 3],
    to: Buffer,
    gate: args::Gate,
) -> Launches {
    let argument = args::Pointwise {
        a: gpu.at(a),
        b: gpu.at(b),
        x: gpu.at(x),
        to: gpu.at(to),
        gate,
        size: gpu.size(to),
        activation: code(activation),
        padding: 0,
    };
    gpu.over(kernel, argument.size / 4, &argument)
}

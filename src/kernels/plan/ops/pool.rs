//! Pooling and its gradients.

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::pool::Pool;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::context::Part;

/// y = the largest of every window of x.
pub(crate) struct MaxPool {
    pub pool: Pool,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for MaxPool {
    fn outline(&self) -> Outline {
        Outline::of_block("pool", forward_units(&self.pool), &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.all(self.x) };
        self.pool.max(part.context.isa, &part.units, x, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.y, self.y];
        launch(gpu, "max_pool", &self.pool, operands, self.y, gate)
    }
}

/// dx = dy where x is the largest of its window.
pub(crate) struct MaxPoolBack {
    pub pool: Pool,
    pub x: Buffer,
    pub y: Buffer,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for MaxPoolBack {
    fn outline(&self) -> Outline {
        let read = [self.x, self.y, self.dy];
        Outline::of_block("pool back", backward_units(&self.pool), &read, self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        // SAFETY: the caller's.
        let [x, y, dy] = [self.x, self.y, self.dy].map(|b| unsafe { part.all(b) });
        let (isa, units) = (part.context.isa, &part.units);
        self.pool.max_back(isa, units, (x, y), dy, dx);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.y, self.dy];
        launch(gpu, "max_pool_back", &self.pool, operands, self.dx, gate)
    }
}

/// y = the mean of every window of x.
pub(crate) struct MeanPool {
    pub pool: Pool,
    pub x: Buffer,
    pub y: Buffer,
}

impl Operation for MeanPool {
    fn outline(&self) -> Outline {
        Outline::of_block("pool", forward_units(&self.pool), &[self.x], self.y)
    }

    unsafe fn run(&self, part: &Part<'_>, y: &mut [f32]) {
        // SAFETY: the caller's.
        let x = unsafe { part.all(self.x) };
        self.pool.mean(part.context.isa, &part.units, x, y);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.x, self.y, self.y];
        launch(gpu, "mean_pool", &self.pool, operands, self.y, gate)
    }
}

/// dx = dy shared out among each window.
pub(crate) struct MeanPoolBack {
    pub pool: Pool,
    pub dy: Buffer,
    pub dx: Buffer,
}

impl Operation for MeanPoolBack {
    fn outline(&self) -> Outline {
        Outline::of_block("pool back", backward_units(&self.pool), &[self.dy], self.dx)
    }

    unsafe fn run(&self, part: &Part<'_>, dx: &mut [f32]) {
        // SAFETY: the caller's.
        let dy = unsafe { part.all(self.dy) };
        self.pool.mean_back(part.context.isa, &part.units, dy, dx);
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, gate: args::Gate) -> Launches {
        let operands = [self.dx, self.dy, self.dy];
        launch(gpu, "mean_pool_back", &self.pool, operands, self.dx, gate)
    }
}

fn forward_units(pool: &Pool) -> Units {
    Units::new(pool.forward_units(), pool.forward_range(&(0..1)).end)
}

fn backward_units(pool: &Pool) -> Units {
    Units::new(pool.backward_units(), pool.backward_range(&(0..1)).end)
}

#[cfg(feature = "cuda")]
#[expect(clippy::cast_precision_loss, reason = "windows are far below 2²⁴")]
fn launch(
    gpu: &Lowering<'_>,
    kernel: &'static str,
    pool: &Pool,
    [x, y, dy]: [Buffer; 3],
    to: Buffer,
    gate: args::Gate,
) -> Launches {
    let argument = args::Pool {
        x: gpu.at(x),
        y: gpu.at(y),
        dy: gpu.at(dy),
        to: gpu.at(to),
        gate,
        size: gpu.size(to),
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
    gpu.over(kernel, argument.size / 4, &argument)
}

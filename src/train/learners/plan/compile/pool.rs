//! Pooling: the maximum or the mean of every window.

use super::{Compiler, Emit, Id, Tensor};
use crate::kernels::plan::ops::pool;
use crate::kernels::plan::{Pool, Resample};
use crate::layers::{Activation, AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, MaxPool2d};
use crate::model::Node;

impl Emit for MaxPool2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        let (k, from) = (self.kernel_size, compiler.tensors[x]);
        let pool = windows(&from, (k, k), self.stride(), self.padding);
        let y = compiler.pooled(pool);
        let [from, to] = compiler.buffers([x, y]);
        compiler.program.push(pool::MaxPool {
            pool,
            x: from,
            y: to,
        });
        compiler.passed(y, move |compiler, dy| {
            compiler.accumulate_gradient(x, dy, false, |dx, _| pool::MaxPoolBack {
                pool,
                x: from,
                y: to,
                dy,
                dx,
            });
        })
    }
}

impl Emit for AvgPool2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        let (k, from) = (self.kernel_size, compiler.tensors[x]);
        let pool = windows(&from, (k, k), self.stride(), self.padding);
        compiler.means(pool, x)
    }
}

impl Emit for GlobalAvgPool {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        let from = compiler.tensors[x];
        let stride = from.height.max(from.width);
        let pool = windows(&from, (from.height, from.width), stride, 0);
        compiler.means(pool, x)
    }
}

impl Emit for AdaptiveAvgPool2d {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        let from = compiler.tensors[x];
        let map = (from.height, from.width);
        let windows = Resample::adaptive(from.channels, map, self.size);
        compiler.resampling(windows, x)
    }
}

impl Compiler {
    fn means(&mut self, pool: Pool, x: Id) -> Id {
        let y = self.pooled(pool);
        let [from, to] = self.buffers([x, y]);
        self.program.push(pool::MeanPool {
            pool,
            x: from,
            y: to,
        });
        self.passed(y, move |compiler, dy| {
            compiler.accumulate_gradient(x, dy, false, |dx, _| pool::MeanPoolBack { pool, dy, dx });
        })
    }

    fn pooled(&mut self, pool: Pool) -> Id {
        let size = (pool.channels, pool.out_height(), pool.out_width());
        self.tensor(size, Activation::None)
    }
}

fn windows(
    from: &Tensor,
    (kernel_height, kernel_width): (usize, usize),
    stride: usize,
    padding: usize,
) -> Pool {
    Pool {
        channels: from.channels,
        height: from.height,
        width: from.width,
        kernel_height,
        kernel_width,
        stride,
        padding,
    }
}

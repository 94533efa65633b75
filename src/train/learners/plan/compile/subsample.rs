//! Pixels picked and channels added: resampling, which adaptive pooling is too.

use super::{Compiler, Emit, Id};
use crate::kernels::plan::Resample;
use crate::kernels::plan::ops::resample;
use crate::layers::{Activation, Subsample};
use crate::model::Node;

impl Emit for Subsample {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        let from = compiler.tensors[x];
        let map = (from.channels, from.height, from.width);
        let pixels = Resample::subsample(map, self.out_channels, self.stride);
        compiler.resampling(pixels, x)
    }
}

impl Compiler {
    pub(super) fn resampling(&mut self, resample: Resample, x: Id) -> Id {
        let y = self.tensor(resample.output(), Activation::None);
        let [from, to] = self.buffers([x, y]);
        self.program.push(resample::Resample {
            resample,
            x: from,
            y: to,
        });
        self.passed(y, move |compiler, dy| {
            compiler.accumulate_gradient(x, dy, false, |dx, _| resample::ResampleBack {
                resample,
                dy,
                dx,
            });
        })
    }
}

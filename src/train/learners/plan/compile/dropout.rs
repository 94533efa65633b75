//! Dropout, in training only.

use super::{Compiler, Emit, Id};
use crate::kernels::plan::ops::dropout;
use crate::layers::{Activation, Dropout};
use crate::model::Node;

impl Emit for Dropout {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        // Its number decides the mask: one that leaves nothing out counts too.
        let layer = compiler.dropouts;
        compiler.dropouts += 1;
        let p = self.p;
        if !compiler.training || p == 0.0 {
            return x;
        }
        let y = compiler.like(x, Activation::None);
        let [from, to] = compiler.buffers([x, y]);
        let channels = compiler.tensors[x].channels;
        let masked = move |x, y| dropout::Dropout {
            layer,
            p,
            channels,
            x,
            y,
        };
        compiler.program.push(masked(from, to));
        compiler.passed(y, move |compiler, dy| {
            compiler.accumulate_gradient(x, dy, false, |dx, _| masked(dy, dx));
        })
    }
}

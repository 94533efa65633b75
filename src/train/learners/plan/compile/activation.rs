//! A function of every number, where the layer before does not apply it in passing.

use super::{Compiler, Emit, Id};
use crate::kernels::plan::ops::pointwise;
use crate::layers::{Activate, Activation};
use crate::model::Node;

impl Emit for Activate {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        compiler.activation(self.function, x)
    }
}

impl Compiler {
    pub(super) fn activation(&mut self, activation: Activation, x: Id) -> Id {
        if activation.is_none() {
            return x;
        }
        let y = self.like(x, Activation::None);
        let [from, to] = self.buffers([x, y]);
        self.program.push(pointwise::Activate {
            activation,
            x: from,
            y: to,
        });
        self.passed(y, move |compiler, dy| {
            compiler.accumulate_gradient(x, dy, false, |dx, _| pointwise::ActivateBack {
                activation,
                x: from,
                y: to,
                dy,
                dx,
            });
        })
    }
}

//! Residual blocks: both branches, and f of their sum.

use super::{Compiler, Emit, Id};
use crate::kernels::plan::is_gate;
use crate::kernels::plan::ops::pointwise;
use crate::layers::{Activation, Residual};
use crate::model::Node;

impl Emit for Residual {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, node: &Node, x: Id, _: Activation) -> Id {
        let [body, shortcut] = &node.branches;
        let a = compiler.chain(body, x);
        let b = compiler.chain(shortcut, x);
        // One whose slope needs its input becomes a layer of its own.
        if is_gate(self.activation) {
            compiler.sum(self.activation, a, b)
        } else {
            let sum = compiler.sum(Activation::None, a, b);
            compiler.activation(self.activation, sum)
        }
    }
}

impl Compiler {
    /// f(a + b), where f is a gate.
    fn sum(&mut self, activation: Activation, a: Id, b: Id) -> Id {
        let shape = |id: Id| (self.tensors[id].channels, self.tensors[id].pixels());
        let (a, b) = if shape(a) == shape(b) {
            (a, b)
        } else {
            (self.ordered(a), self.ordered(b))
        };
        let y = self.like(a, activation);
        let [a_buffer, b_buffer, to] = self.buffers([a, b, y]);
        self.program.push(pointwise::Add {
            activation,
            a: a_buffer,
            b: b_buffer,
            y: to,
        });
        self.passed(y, move |compiler, dy| {
            for to in [a, b] {
                compiler.share(to, dy);
            }
        })
    }
}

//! Batch normalisation: by the batch's moments in training, by the running ones in evaluation.

use super::back::Gradient;
use super::{Compiler, Emit, INPUT, Id};
use crate::kernels::plan::ops::norm;
use crate::kernels::plan::{Buffer, Norm};
use crate::layers::Activation;
use crate::layers::norm::BatchNorm;
use crate::model::Node;

impl<const MAPS: bool> Emit for BatchNorm<MAPS> {
    fn takes(&self, activation: Activation) -> bool {
        activation == Activation::Relu
    }

    fn emit(&self, compiler: &mut Compiler, node: &Node, x: Id, activation: Activation) -> Id {
        let x = if MAPS { x } else { compiler.vector(x) };
        let channels = compiler.tensors[x].channels;
        let norm = compiler.places.norm(node, channels);
        let relu = activation == Activation::Relu;
        let y = compiler.like(x, activation);
        let [from, to] = compiler.buffers([x, y]);
        if compiler.training {
            compiler.program.push(norm::Moments { norm, x: from });
            compiler.program.push(norm::Normalise {
                norm,
                relu,
                x: from,
                y: to,
            });
        } else {
            compiler.program.push(norm::Affine {
                norm,
                relu,
                x: from,
                y: to,
            });
        }
        compiler.passed(y, move |compiler, dy| compiler.norm_back(norm, x, dy))
    }
}

impl Compiler {
    /// Its own gradients are worked out along with its input's: also where nobody wants that.
    fn norm_back(&mut self, norm: Norm, x: Id, dy: Buffer) {
        let [from] = self.buffers([x]);
        self.program.push(norm::GradientSums { norm, x: from, dy });
        let back = |dx| norm::NormaliseBack {
            norm,
            x: from,
            dy,
            dx,
        };
        let in_place = !self.is_pending(dy);
        if in_place && self.gradients[x].is_none() {
            let writer = Some(self.program.push(back(dy)));
            if x != INPUT {
                self.gradients[x] = Some(Gradient { buffer: dy, writer });
            }
        } else if x == INPUT {
            let nowhere = self.program.buffer(dy.size());
            self.program.push(back(nowhere));
        } else {
            self.accumulate_gradient(x, dy, false, |dx, _| back(dx));
        }
    }
}

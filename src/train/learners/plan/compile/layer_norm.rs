//! Layer normalisation: the groups' statistics, which the way back needs again.

use super::{Compiler, Emit, Id, Tensor};
use crate::kernels::cpu::layer_norm::Groups;
use crate::kernels::plan::ops::layer_norm as ops;
use crate::layers::layer_norm::Axis;
use crate::layers::{Activation, LayerNorm, Shape};
use crate::model::Node;

impl Emit for LayerNorm {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, compiler: &mut Compiler, node: &Node, x: Id, _: Activation) -> Id {
        let x = match node.input {
            Shape::Map { .. } => x,
            Shape::Flat(_) => compiler.vector(x),
        };
        let Tensor {
            channels,
            height,
            width,
            ..
        } = compiler.tensors[x];
        // In lanes the channels of a pixel follow each other.
        let [outer, count, inner] = match (node.input, self.axis) {
            (Shape::Map { .. }, Axis::Last) => [height, width, channels],
            (Shape::Map { .. }, Axis::Channels) | (Shape::Flat(_), _) => {
                [height * width, channels, 1]
            }
        };
        let affine = self.affine(node.input);
        let [gamma, beta] = affine.map(|parameter| compiler.places.plain(node, parameter));
        let norm = ops::LayerNorm {
            groups: Groups {
                outer,
                count,
                inner,
            },
            epsilon: self.epsilon,
            gamma,
            beta,
        };
        let numbers = node.input.elements();
        let y = compiler.like(x, Activation::None);
        let [x_buffer, y_buffer] = compiler.buffers([x, y]);
        let statistics = compiler.program.buffer(norm.statistics());
        compiler.program.push(ops::Statistics {
            norm,
            x: x_buffer,
            to: statistics,
        });
        compiler.program.push(ops::Normalise {
            norm,
            x: x_buffer,
            statistics,
            y: y_buffer,
        });
        compiler.passed(y, move |compiler, dy| {
            let gradients = ops::ParameterGradients {
                norm,
                x: x_buffer,
                statistics,
                dy,
            };
            compiler.over_all(gradients, numbers, dy);
            compiler.accumulate_gradient(x, dy, false, |dx, _| ops::Back {
                norm,
                x: x_buffer,
                statistics,
                dy,
                dx,
            });
        })
    }
}

//! A linear layer, as a convolution of one pixel.

use super::{Compiler, Emit, Id};
use crate::kernels::plan::{Geometry, is_gate};
use crate::layers::{Activation, Linear};
use crate::model::Node;

impl Emit for Linear {
    fn takes(&self, activation: Activation) -> bool {
        is_gate(activation)
    }

    fn emit(&self, compiler: &mut Compiler, node: &Node, x: Id, activation: Activation) -> Id {
        let from = compiler.tensors[x];
        let inputs = (from.channels, from.pixels());
        let parameters = self.kernel(node.input);
        let kernel = compiler.places.kernel(node, parameters, inputs);
        // A map in lanes is one pixel of as many channels as it has numbers.
        let geometry = Geometry {
            in_channels: node.input.elements(),
            height: 1,
            width: 1,
            out_channels: self.out_features,
            kernel_height: 1,
            kernel_width: 1,
            stride: 1,
            padding: 0,
        };
        compiler.convolution(geometry, kernel, activation, x)
    }
}

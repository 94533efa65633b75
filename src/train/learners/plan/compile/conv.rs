//! Convolution; whatever else multiplies with weights goes the same way.

use super::{Compiler, Emit, INPUT, Id, Target};
use crate::kernels::plan::ops::{conv, reorder};
use crate::kernels::plan::{Buffer, Conv, Geometry, Kernel, is_gate};
use crate::layers::{Activation, Conv2d};
use crate::model::Node;

impl Emit for Conv2d {
    fn takes(&self, activation: Activation) -> bool {
        is_gate(activation)
    }

    fn emit(&self, compiler: &mut Compiler, node: &Node, x: Id, activation: Activation) -> Id {
        let from = compiler.tensors[x];
        let k = self.kernel_size;
        let inputs = (from.channels, k * k);
        let parameters = self.kernel(node.input);
        let kernel = compiler.places.kernel(node, parameters, inputs);
        let geometry = Geometry {
            in_channels: from.channels,
            height: from.height,
            width: from.width,
            out_channels: self.out_channels,
            kernel_height: k,
            kernel_width: k,
            stride: self.stride,
            padding: self.padding,
        };
        compiler.convolution(geometry, kernel, activation, x)
    }
}

impl Compiler {
    /// A convolution, and a function of its result that is a gate.
    pub(super) fn convolution(
        &mut self,
        geometry: Geometry,
        kernel: Kernel,
        activation: Activation,
        x: Id,
    ) -> Id {
        let conv = match self.place {
            Target::Cpu => Conv::new(geometry),
            #[cfg(feature = "cuda")]
            Target::Cuda(_) => Conv::elsewhere(geometry),
        };
        let size = (
            geometry.out_channels,
            geometry.out_height(),
            geometry.out_width(),
        );
        let y = self.tensor(size, activation);
        let [from, to] = self.buffers([x, y]);
        self.program.push(conv::Conv {
            conv: conv.clone(),
            kernel,
            activation,
            x: from,
            y: to,
        });
        self.passed(y, move |compiler, dy| {
            compiler.weight_gradient(&conv, kernel, x, dy);
            compiler.accumulate_gradient(x, dy, true, |dx, add| conv::ConvBack {
                conv,
                kernel,
                add,
                dy,
                dx,
            });
        })
    }

    fn weight_gradient(&mut self, conv: &Conv, kernel: Kernel, x: Id, dy: Buffer) {
        let tensor = self.tensors[x];
        let operand = if conv.turned {
            if x == INPUT && conv.geometry.pixels() == 1 && tensor.is_ordered() {
                self.rows()
            } else {
                let turned = self.program.buffer(tensor.buffer.size());
                self.program.push(reorder::Turn {
                    channels: conv.geometry.in_channels,
                    x: tensor.buffer,
                    turned,
                });
                turned
            }
        } else {
            tensor.buffer
        };
        let work = conv::ConvWeights {
            conv: conv.clone(),
            kernel,
            x: operand,
            dy,
        };
        self.over_all(work, conv.geometry.multiply_adds(), dy);
    }

    /// The images as rows, one copy for all who want them.
    fn rows(&mut self) -> Buffer {
        let size = self.tensors[INPUT].buffer.size();
        let rows = self.rows.unwrap_or_else(|| self.program.buffer(size));
        self.program.keep_rows(rows);
        self.rows = Some(rows);
        rows
    }
}

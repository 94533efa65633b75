//! Flattening, which is nothing until somebody asks for features by their number.

use super::{Compiler, Emit, Id};
use crate::kernels::plan::ops::reorder;
use crate::layers::{Activation, Flatten};
use crate::model::Node;

impl Emit for Flatten {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn emit(&self, _: &mut Compiler, _: &Node, x: Id, _: Activation) -> Id {
        x
    }
}

impl Compiler {
    /// A flattened map in the order of PyTorch.
    pub(super) fn ordered(&mut self, x: Id) -> Id {
        if self.tensors[x].is_ordered() {
            x
        } else {
            self.vector(x)
        }
    }

    /// A flattened map as one pixel of as many channels as it has numbers.
    pub(super) fn vector(&mut self, x: Id) -> Id {
        let from = self.tensors[x];
        let (channels, pixels) = (from.channels, from.pixels());
        if pixels == 1 {
            return x;
        }
        let y = self.tensor((channels * pixels, 1, 1), Activation::None);
        let [from, to] = self.buffers([x, y]);
        self.program.push(reorder::Reorder {
            channels,
            pixels,
            x: from,
            y: to,
        });
        self.passed(y, move |compiler, dy| {
            compiler.accumulate_gradient(x, dy, false, |dx, _| reorder::Reorder {
                // Turned about: pixels are to channels what channels are to pixels.
                channels: pixels,
                pixels: channels,
                x: dy,
                y: dx,
            });
        })
    }
}

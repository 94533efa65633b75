//! The way back through the layers: every gradient once, in place where nobody else needs what was there.

use super::{Compiler, INPUT, Id, TapeEntry, Tensor};
use crate::kernels::plan::ops::{loss, pointwise};
use crate::kernels::plan::{Buffer, Work};
use crate::layers::Activation;

/// Multiply-adds of a batch below which gradients to parameters wait for the others: a meeting of the team costs more
/// than keeping their operands.
const DEFERRED_BELOW: usize = 8_000_000;

/// What has come back to a tensor so far.
///
/// A sum hands its gradient on to both its operands without a copy, so several tensors' gradients may lie in one
/// buffer. It is written in place only where no [other](Compiler::is_pending) tensor waits with it.
#[derive(Clone, Copy)]
pub(super) struct Gradient {
    pub(super) buffer: Buffer,
    /// The step that wrote it last, for this tensor alone.
    pub(super) writer: Option<usize>,
}

impl Compiler {
    /// The loss at `last`, and the gradients back to every parameter.
    pub(super) fn backward(&mut self, last: Id) {
        self.gradients = vec![None; self.tensors.len()];
        let Tensor { buffer, .. } = self.tensors[last];
        let gradient = self.program.buffer(buffer.size());
        self.program.push(loss::Loss {
            logits: buffer,
            gradient,
        });
        self.gradients[last] = Some(Gradient {
            buffer: gradient,
            writer: None,
        });
        self.program.begin_backward();
        while let Some(TapeEntry { y, back }) = self.tape.pop() {
            if let Some(gradient) = self.gradients[y].take() {
                let gradient = self.gated(y, gradient);
                back(self, gradient.buffer);
            }
        }
        for work in std::mem::take(&mut self.deferred) {
            self.program.push(work);
        }
    }

    /// Appends work that needs `dy` and other operands of all blocks, and so many multiply-adds per image.
    pub(super) fn over_all(&mut self, work: impl Into<Work>, multiply_adds: usize, dy: Buffer) {
        let small = multiply_adds * self.batch < DEFERRED_BELOW;
        if small && !self.is_pending(dy) {
            self.deferred.push(work.into());
        } else {
            self.program.push(work);
        }
    }

    /// Whether a tensor that is still to be gone back through has its gradient in this buffer.
    pub(super) fn is_pending(&self, buffer: Buffer) -> bool {
        let mut pending = self.gradients.iter().flatten();
        pending.any(|gradient| gradient.buffer == buffer)
    }

    /// The gradient before the tensor's own activation.
    fn gated(&mut self, y: Id, gradient: Gradient) -> Gradient {
        let Tensor {
            activation,
            buffer: result,
            ..
        } = self.tensors[y];
        if activation == Activation::None {
            return gradient;
        }
        let shared = self.is_pending(gradient.buffer);
        match gradient.writer {
            Some(step) if !shared => {
                self.program.gate(step, activation, result);
                gradient
            }
            _ => {
                let dx = if shared {
                    self.program.buffer(gradient.buffer.size())
                } else {
                    gradient.buffer
                };
                self.program.push(pointwise::Gate {
                    activation,
                    y: result,
                    dy: gradient.buffer,
                    dx,
                });
                Gradient {
                    buffer: dx,
                    writer: None,
                }
            }
        }
    }

    /// Hands a gradient on as it is, to a tensor that was added.
    pub(super) fn share(&mut self, to: Id, dy: Buffer) {
        if to == INPUT {
            return;
        }
        let gradient = match self.gradients[to].take() {
            None => Gradient {
                buffer: dy,
                writer: None,
            },
            Some(before) if before.buffer == dy || self.is_pending(before.buffer) => {
                let sum = self.program.buffer(dy.size());
                let writer = self.program.push(pointwise::Add {
                    activation: Activation::None,
                    a: before.buffer,
                    b: dy,
                    y: sum,
                });
                Gradient {
                    buffer: sum,
                    writer: Some(writer),
                }
            }
            Some(before) => {
                let writer = self.program.push(pointwise::Accumulate {
                    from: dy,
                    to: before.buffer,
                });
                Gradient {
                    writer: Some(writer),
                    ..before
                }
            }
        };
        self.gradients[to] = Some(gradient);
    }

    /// Adds to what has come back to `x`; nothing comes back to the network's input.
    pub(super) fn accumulate_gradient<W: Into<Work>>(
        &mut self,
        x: Id,
        dy: Buffer,
        can_add: bool,
        work: impl FnOnce(Buffer, bool) -> W,
    ) {
        if x == INPUT {
            return;
        }
        let size = self.tensors[x].buffer.size();
        let before = self.gradients[x].take();
        let shared = before.is_some_and(|before| self.is_pending(before.buffer));
        let (buffer, writer) = match before {
            Some(before) if can_add && !shared && before.buffer != dy => {
                (before.buffer, self.program.push(work(before.buffer, true)))
            }
            _ => {
                let apart = self.program.buffer(size);
                let writer = self.program.push(work(apart, false));
                // Of the two the one that nobody else needs takes the sum.
                let sum = before.map(|before| {
                    if shared {
                        (before.buffer, apart)
                    } else {
                        (apart, before.buffer)
                    }
                });
                sum.map_or((apart, writer), |(from, to)| {
                    (to, self.program.push(pointwise::Accumulate { from, to }))
                })
            }
        };
        self.gradients[x] = Some(Gradient {
            buffer,
            writer: Some(writer),
        });
    }
}

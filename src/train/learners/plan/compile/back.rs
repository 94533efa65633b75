//! The way back through the layers: every gradient once, in place where nobody else needs what was there.

use super::{Compiler, INPUT, Id, Passed, Record, Tensor};
use crate::kernels::plan::ops::{conv, dropout, loss, norm, pointwise, pool, reorder, resample};
use crate::kernels::plan::{Buffer, Conv, Kernel, Norm, Work};
use crate::profile::Activation;

/// Multiply-adds of a batch below which a weight gradient waits for the others: a meeting of the team costs more than
/// keeping its operands.
const DEFERRED_BELOW: usize = 8_000_000;

/// What has come back to a tensor so far.
///
/// A sum hands its gradient on to both its operands without a copy, so several tensors' gradients may lie in one buffer.
/// It is written in place only where no [other](Compiler::is_pending) tensor waits with it.
#[derive(Clone, Copy)]
pub(super) struct Gradient {
    buffer: Buffer,
    /// The step that wrote it last, for this tensor alone.
    writer: Option<usize>,
}

impl Compiler {
    /// The loss at `last`, and the gradients back to every parameter.
    pub(super) fn way_back(&mut self, last: Id) {
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
        self.program.turn_back();
        while let Some(record) = self.records.pop() {
            if let Some(gradient) = self.gradients[record.y].take() {
                let gradient = self.gated(record.y, gradient);
                self.go_back(&record, gradient);
            }
        }
        for work in std::mem::take(&mut self.deferred) {
            self.program.push(work);
        }
    }

    /// Whether a tensor that is still to be gone back through has its gradient in this buffer.
    fn is_pending(&self, buffer: Buffer) -> bool {
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

    fn go_back(&mut self, record: &Record, gradient: Gradient) {
        let (x, dy) = (record.x, gradient.buffer);
        let [from, result] = [x, record.y].map(|id| self.tensors[id].buffer);
        match &record.passed {
            Passed::Conv { conv, kernel } => {
                self.weight_gradient(conv, *kernel, x, dy);
                if x != INPUT {
                    let conv = conv.clone();
                    let kernel = *kernel;
                    self.deliver(x, dy, true, |dx, add| conv::ConvBack {
                        conv,
                        kernel,
                        add,
                        dy,
                        dx,
                    });
                }
            }
            Passed::Norm(norm) => self.norm_back(*norm, x, dy),
            Passed::Activate(activation) => {
                let activation = *activation;
                self.deliver(x, dy, false, |dx, _| pointwise::ActivateBack {
                    activation,
                    x: from,
                    y: result,
                    dy,
                    dx,
                });
            }
            Passed::MaxPool(pool) => {
                let pool = *pool;
                self.deliver(x, dy, false, |dx, _| pool::MaxPoolBack {
                    pool,
                    x: from,
                    y: result,
                    dy,
                    dx,
                });
            }
            Passed::MeanPool(pool) => {
                let pool = *pool;
                self.deliver(x, dy, false, |dx, _| pool::MeanPoolBack { pool, dy, dx });
            }
            Passed::Resample(resample) => {
                let resample = *resample;
                self.deliver(x, dy, false, |dx, _| resample::ResampleBack {
                    resample,
                    dy,
                    dx,
                });
            }
            Passed::Reorder { channels, pixels } => {
                // Turned about: pixels are to channels what channels are to pixels.
                let (channels, pixels) = (*pixels, *channels);
                self.deliver(x, dy, false, |dx, _| reorder::Reorder {
                    channels,
                    pixels,
                    x: dy,
                    y: dx,
                });
            }
            Passed::Dropout { layer, p } => {
                let (layer, p, channels) = (*layer, *p, self.tensors[x].channels);
                self.deliver(x, dy, false, |dx, _| dropout::Dropout {
                    layer,
                    p,
                    channels,
                    x: dy,
                    y: dx,
                });
            }
            Passed::Add(other) => {
                for to in [x, *other] {
                    self.share(to, dy);
                }
            }
        }
    }

    /// Back through a batch normalisation, whose own gradients are worked out along with its input's: also where nobody
    /// wants that.
    fn norm_back(&mut self, norm: Norm, x: Id, dy: Buffer) {
        let from = self.tensors[x].buffer;
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
            self.deliver(x, dy, false, |dx, _| back(dx));
        }
    }

    /// Hands a gradient on as it is, to a tensor that was added.
    fn share(&mut self, to: Id, dy: Buffer) {
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
    fn deliver<W: Into<Work>>(
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

    /// The pictures as rows, one copy for all who want them.
    fn rows(&mut self) -> Buffer {
        let size = self.tensors[INPUT].buffer.size();
        let rows = self.rows.unwrap_or_else(|| self.program.buffer(size));
        self.program.keep_rows(rows);
        self.rows = Some(rows);
        rows
    }

    fn weight_gradient(&mut self, conv: &Conv, kernel: Kernel, x: Id, dy: Buffer) {
        let tensor = self.tensors[x];
        let (buffer, channels) = (tensor.buffer, conv.geometry.in_channels);
        let in_rows = tensor.channels == 1 || tensor.pixels() == 1;
        let operand = if conv.turned {
            if x == INPUT && conv.geometry.pixels() == 1 && in_rows {
                self.rows()
            } else {
                let turned = self.program.buffer(buffer.size());
                self.program.push(reorder::Turn {
                    channels,
                    x: buffer,
                    turned,
                });
                turned
            }
        } else {
            buffer
        };
        let work = conv::ConvWeights {
            conv: conv.clone(),
            kernel,
            x: operand,
            dy,
        };
        let small = conv.geometry.multiply_adds() * self.batch < DEFERRED_BELOW;
        if small && !self.is_pending(dy) {
            self.deferred.push(work.into());
        } else {
            self.program.push(work);
        }
    }
}

//! The way back through the layers: every gradient once, in place where nobody else needs what was there.

use super::{Compiler, INPUT, Id, Passed, Record, Tensor};
use crate::kernels::plan::{Buffer, Conv, Kernel, Work};
use crate::profile::Activation;

/// Multiply-adds of a batch below which a weight gradient waits for the others: a meeting of the team costs more than
/// keeping its operands.
const DEFERRED_BELOW: usize = 8_000_000;

/// What has come back to a tensor so far.
#[derive(Clone, Copy)]
pub(super) struct Gradient {
    buffer: Buffer,
    /// Other tensors' gradient lies in the same buffer: it must not be written in place.
    shared: bool,
    /// The step that wrote it last.
    writer: Option<usize>,
}

impl Compiler {
    /// The loss at `last`, and the gradients back to every parameter.
    pub(super) fn way_back(&mut self, last: Id) {
        self.gradients = vec![None; self.tensors.len()];
        let Tensor { buffer, .. } = self.tensors[last];
        let gradient = self.program.buffer(buffer.size());
        self.program.push(Work::Loss {
            logits: buffer,
            gradient,
        });
        self.gradients[last] = Some(Gradient {
            buffer: gradient,
            shared: false,
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
        match gradient.writer {
            Some(step) if !gradient.shared => {
                self.program.gate(step, activation, result);
                gradient
            }
            _ => {
                let dx = if gradient.shared {
                    self.program.buffer(gradient.buffer.size())
                } else {
                    gradient.buffer
                };
                self.program.push(Work::Gate {
                    activation,
                    y: result,
                    dy: gradient.buffer,
                    dx,
                });
                Gradient {
                    buffer: dx,
                    shared: false,
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
                self.weight_gradient(conv, *kernel, x, gradient);
                if x != INPUT {
                    let conv = Box::new(conv.clone());
                    let kernel = *kernel;
                    self.deliver(x, dy, true, |dx, add| Work::ConvBack {
                        conv,
                        kernel,
                        add,
                        dy,
                        dx,
                    });
                }
            }
            Passed::Norm(norm) => {
                let norm = *norm;
                self.program.push(Work::GradientSums { norm, x: from, dy });
                if gradient.shared || self.gradients[x].is_some() {
                    self.deliver(x, dy, false, |dx, _| Work::NormaliseBack {
                        norm,
                        x: from,
                        dy,
                        dx,
                    });
                } else {
                    let writer = self.program.push(Work::NormaliseBack {
                        norm,
                        x: from,
                        dy,
                        dx: dy,
                    });
                    self.gradients[x] = Some(Gradient {
                        writer: Some(writer),
                        ..gradient
                    });
                }
            }
            Passed::Activate(activation) => {
                let activation = *activation;
                self.deliver(x, dy, false, |dx, _| Work::ActivateBack {
                    activation,
                    x: from,
                    y: result,
                    dy,
                    dx,
                });
            }
            Passed::MaxPool(pool) => {
                let pool = *pool;
                self.deliver(x, dy, false, |dx, _| Work::MaxPoolBack {
                    pool,
                    x: from,
                    y: result,
                    dy,
                    dx,
                });
            }
            Passed::MeanPool(pool) => {
                let pool = *pool;
                self.deliver(x, dy, false, |dx, _| Work::MeanPoolBack { pool, dy, dx });
            }
            Passed::Resample(resample) => {
                let resample = *resample;
                self.deliver(x, dy, false, |dx, _| Work::ResampleBack {
                    resample,
                    dy,
                    dx,
                });
            }
            Passed::Dropout { layer, p } => {
                let (layer, p, channels) = (*layer, *p, self.tensors[x].channels);
                self.deliver(x, dy, false, |dx, _| Work::Dropout {
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

    /// Hands a gradient on as it is, to a tensor that was added.
    fn share(&mut self, to: Id, dy: Buffer) {
        match self.gradients[to] {
            None => {
                self.gradients[to] = Some(Gradient {
                    buffer: dy,
                    shared: true,
                    writer: None,
                });
            }
            Some(before) => {
                let writer = self.program.push(Work::Accumulate {
                    from: dy,
                    to: before.buffer,
                });
                self.gradients[to] = Some(Gradient {
                    writer: Some(writer),
                    ..before
                });
            }
        }
    }

    /// Adds to what has come back to `x`; nothing comes back to the network's input.
    fn deliver(
        &mut self,
        x: Id,
        dy: Buffer,
        can_add: bool,
        work: impl FnOnce(Buffer, bool) -> Work,
    ) {
        if x == INPUT {
            return;
        }
        let size = self.tensors[x].buffer.size();
        let gradient = match self.gradients[x] {
            None => {
                let buffer = self.program.buffer(size);
                let writer = self.program.push(work(buffer, false));
                Gradient {
                    buffer,
                    shared: false,
                    writer: Some(writer),
                }
            }
            Some(before) => {
                let writer = if can_add && before.buffer != dy {
                    self.program.push(work(before.buffer, true))
                } else {
                    let apart = self.program.buffer(size);
                    self.program.push(work(apart, false));
                    self.program.push(Work::Accumulate {
                        from: apart,
                        to: before.buffer,
                    })
                };
                // Whoever shared the buffer has been gone back through before: its layers come after x.
                Gradient {
                    shared: false,
                    writer: Some(writer),
                    ..before
                }
            }
        };
        self.gradients[x] = Some(gradient);
    }

    fn weight_gradient(&mut self, conv: &Conv, kernel: Kernel, x: Id, gradient: Gradient) {
        let tensor = self.tensors[x];
        let (buffer, channels) = (tensor.buffer, conv.geometry.in_channels);
        let in_rows = tensor.channels == 1 || tensor.pixels() == 1;
        let operand = if conv.turned {
            let turned = self.program.buffer(buffer.size());
            if x == INPUT && conv.geometry.pixels() == 1 && in_rows {
                self.program.keep_rows(turned);
            } else {
                self.program.push(Work::Turn {
                    channels,
                    x: buffer,
                    turned,
                });
            }
            turned
        } else {
            buffer
        };
        let work = Work::ConvWeights {
            conv: Box::new(conv.clone()),
            kernel,
            x: operand,
            dy: gradient.buffer,
        };
        let small = conv.geometry.multiply_adds() * self.batch < DEFERRED_BELOW;
        if small && !gradient.shared {
            self.deferred.push(work);
        } else {
            self.program.push(work);
        }
    }
}

//! From layers to programs: the work of a training step, forward and back, and of an evaluation.

mod back;

use super::engine::Place;
use super::layout::Places;
use crate::kernels::plan::ops::{conv, dropout, load, norm, pointwise, pool, reorder, resample};
use crate::kernels::plan::{
    Buffer, Conv, Geometry, Kernel, LANES, Norm, Pool, Program, Resample, Work, is_gate,
};
use crate::layers::{Activate, Activation, Layer, Shape};
use crate::model::{Architecture, Node};
use back::Gradient;

/// Both programs of a network.
pub(super) struct Programs {
    pub(super) training: Program,
    pub(super) evaluation: Program,
    /// The evaluation's result.
    pub(super) logits: Buffer,
    pub(super) places: Places,
}

/// The programs of an architecture.
pub(super) fn compile(architecture: &Architecture, batch: usize, place: Place) -> Programs {
    let mut evaluation = Compiler::new(false, batch, place);
    let logits = evaluation.network(architecture);
    let logits = evaluation.tensors[logits].buffer;
    let mut training = Compiler::new(true, batch, place);
    let last = training.network(architecture);
    training.way_back(last);
    Programs {
        training: training.program,
        evaluation: evaluation.program,
        logits,
        places: training.places,
    }
}

/// The number of a tensor.
type Id = usize;

/// What lies between two layers, as a map `[pixel][channel]` in lanes.
///
/// A flattened map is left as it lies, since a linear layer can have its weights in the same order. Whatever else asks for
/// features by their number takes it through [`Compiler::ordered`] or [`Compiler::vector`] first.
#[derive(Clone, Copy, Debug)]
struct Tensor {
    buffer: Buffer,
    channels: usize,
    height: usize,
    width: usize,
    /// Applied by whoever made it; its gradient is multiplied with the slope before it goes further back.
    activation: Activation,
}

impl Tensor {
    fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Whether its numbers lie as PyTorch flattens them: channel by channel.
    fn is_ordered(&self) -> bool {
        self.channels == 1 || self.pixels() == 1
    }
}

/// A layer that was passed on the way forward.
enum Passed {
    Conv {
        conv: Conv,
        kernel: Kernel,
    },
    Norm(Norm),
    Activate(Activation),
    MaxPool(Pool),
    MeanPool(Pool),
    Resample(Resample),
    /// Of a map of so many channels and pixels.
    Reorder {
        channels: usize,
        pixels: usize,
    },
    Dropout {
        layer: usize,
        p: f64,
    },
    /// Beside the input, this.
    Add(Id),
}

struct Record {
    passed: Passed,
    x: Id,
    y: Id,
}

struct Compiler {
    training: bool,
    batch: usize,
    place: Place,
    program: Program,
    places: Places,
    tensors: Vec<Tensor>,
    records: Vec<Record>,
    dropouts: usize,
    gradients: Vec<Option<Gradient>>,
    deferred: Vec<Work>,
    /// The pictures as rows, where a weight gradient wants them.
    rows: Option<Buffer>,
}

/// The network's input.
const INPUT: Id = 0;

impl Compiler {
    fn new(training: bool, batch: usize, place: Place) -> Self {
        Self {
            training,
            batch,
            place,
            program: Program::default(),
            places: Places::default(),
            tensors: Vec::new(),
            records: Vec::new(),
            dropouts: 0,
            gradients: Vec::new(),
            deferred: Vec::new(),
            rows: None,
        }
    }

    fn tensor(
        &mut self,
        (channels, height, width): (usize, usize, usize),
        activation: Activation,
    ) -> Id {
        let buffer = self.program.buffer(channels * height * width * LANES);
        self.tensors.push(Tensor {
            buffer,
            channels,
            height,
            width,
            activation,
        });
        self.tensors.len() - 1
    }

    fn network(&mut self, architecture: &Architecture) -> Id {
        let size = architecture.input.sides();
        let input = self.tensor(size, Activation::None);
        let Tensor {
            buffer, channels, ..
        } = self.tensors[input];
        self.program.push(load::Load {
            channels,
            pixels: size.1 * size.2,
            rows: None,
            to: buffer,
        });
        let last = self.chain(&architecture.nodes, input);
        self.ordered(last)
    }

    fn chain(&mut self, nodes: &[Node], mut x: Id) -> Id {
        let mut rest = nodes.iter().peekable();
        while let Some(node) = rest.next() {
            // What a layer can do to its result in passing.
            let takes = |activation: Activation| match node.layer {
                Layer::Conv2d(_) | Layer::Linear(_) => is_gate(activation),
                Layer::BatchNorm2d(_) | Layer::BatchNorm1d(_) => activation == Activation::Relu,
                _ => false,
            };
            let function = |node: &Node| match node.layer {
                Layer::Activation(Activate { function }) => Some(function),
                _ => None,
            };
            let next = rest.next_if(|next| function(next).is_some_and(takes));
            let activation = next.and_then(function).unwrap_or_default();
            x = self.layer(node, x, activation);
        }
        x
    }

    fn layer(&mut self, node: &Node, x: Id, activation: Activation) -> Id {
        let from = self.tensors[x];
        match &node.layer {
            Layer::Conv2d(conv) => {
                let k = conv.kernel_size;
                let inputs = (from.channels, k * k);
                let parameters = conv.kernel(node.input);
                let kernel = self.places.kernel(node, parameters, inputs);
                let geometry = Geometry {
                    in_channels: from.channels,
                    height: from.height,
                    width: from.width,
                    out_channels: conv.out_channels,
                    kernel_height: k,
                    kernel_width: k,
                    stride: conv.stride,
                    padding: conv.padding,
                };
                self.convolution(geometry, kernel, activation, x)
            }
            Layer::Linear(linear) => {
                let inputs = (from.channels, from.pixels());
                let parameters = linear.kernel(node.input);
                let kernel = self.places.kernel(node, parameters, inputs);
                // A map in lanes is one pixel of as many channels as it has numbers.
                let geometry = Geometry {
                    in_channels: node.input.elements(),
                    height: 1,
                    width: 1,
                    out_channels: linear.out_features,
                    kernel_height: 1,
                    kernel_width: 1,
                    stride: 1,
                    padding: 0,
                };
                self.convolution(geometry, kernel, activation, x)
            }
            Layer::BatchNorm2d(_) | Layer::BatchNorm1d(_) => {
                let x = match node.input {
                    Shape::Map { .. } => x,
                    Shape::Flat(_) => self.vector(x),
                };
                self.normalisation(node, activation == Activation::Relu, x)
            }
            Layer::MaxPool2d(layer) => {
                let k = layer.kernel_size;
                self.pooling(pool(&from, (k, k), layer.stride(), layer.padding), true, x)
            }
            Layer::AvgPool2d(layer) => {
                let k = layer.kernel_size;
                self.pooling(pool(&from, (k, k), layer.stride(), layer.padding), false, x)
            }
            Layer::GlobalAvgPool(_) => {
                let stride = from.height.max(from.width);
                let pool = pool(&from, (from.height, from.width), stride, 0);
                self.pooling(pool, false, x)
            }
            Layer::AdaptiveAvgPool2d(layer) => {
                let map = (from.height, from.width);
                let windows = Resample::adaptive(from.channels, map, layer.size);
                self.resampling(windows, x)
            }
            Layer::Subsample(layer) => {
                let map = (from.channels, from.height, from.width);
                let pixels = Resample::subsample(map, layer.out_channels, layer.stride);
                self.resampling(pixels, x)
            }
            Layer::Flatten(_) => x,
            Layer::Activation(layer) if layer.function.is_none() => x,
            Layer::Activation(layer) => self.activation(layer.function, x),
            Layer::Dropout(layer) => self.dropout(layer.p, x),
            Layer::Residual(block) => {
                let [body, shortcut] = &node.branches;
                let a = self.chain(body, x);
                let b = self.chain(shortcut, x);
                self.sum(block.activation, a, b)
            }
        }
    }

    fn activation(&mut self, activation: Activation, x: Id) -> Id {
        let y = self.like(x, Activation::None);
        self.program.push(pointwise::Activate {
            activation,
            x: self.tensors[x].buffer,
            y: self.tensors[y].buffer,
        });
        self.passed(Passed::Activate(activation), x, y)
    }

    fn dropout(&mut self, p: f64, x: Id) -> Id {
        let layer = self.dropouts;
        self.dropouts += 1;
        if !self.training || p == 0.0 {
            return x;
        }
        let y = self.like(x, Activation::None);
        let from = self.tensors[x];
        self.program.push(dropout::Dropout {
            layer,
            p,
            channels: from.channels,
            x: from.buffer,
            y: self.tensors[y].buffer,
        });
        self.passed(Passed::Dropout { layer, p }, x, y)
    }

    /// A flattened map in the order of PyTorch.
    fn ordered(&mut self, x: Id) -> Id {
        if self.tensors[x].is_ordered() {
            x
        } else {
            self.vector(x)
        }
    }

    /// A flattened map as one pixel of as many channels as it has numbers.
    fn vector(&mut self, x: Id) -> Id {
        let from = self.tensors[x];
        let (channels, pixels) = (from.channels, from.pixels());
        if pixels == 1 {
            return x;
        }
        let y = self.tensor((channels * pixels, 1, 1), Activation::None);
        self.program.push(reorder::Reorder {
            channels,
            pixels,
            x: from.buffer,
            y: self.tensors[y].buffer,
        });
        self.passed(Passed::Reorder { channels, pixels }, x, y)
    }

    /// A new tensor of x's shape.
    fn like(&mut self, x: Id, activation: Activation) -> Id {
        let Tensor {
            channels,
            height,
            width,
            ..
        } = self.tensors[x];
        self.tensor((channels, height, width), activation)
    }

    fn passed(&mut self, passed: Passed, x: Id, y: Id) -> Id {
        self.records.push(Record { passed, x, y });
        y
    }

    fn convolution(
        &mut self,
        geometry: Geometry,
        kernel: Kernel,
        activation: Activation,
        x: Id,
    ) -> Id {
        let conv = match self.place {
            Place::Cpu => Conv::new(geometry),
            #[cfg(feature = "cuda")]
            Place::Cuda(_) => Conv::elsewhere(geometry),
        };
        let size = (
            geometry.out_channels,
            geometry.out_height(),
            geometry.out_width(),
        );
        let y = self.tensor(size, activation);
        self.program.push(conv::Conv {
            conv: conv.clone(),
            kernel,
            activation,
            x: self.tensors[x].buffer,
            y: self.tensors[y].buffer,
        });
        self.passed(Passed::Conv { conv, kernel }, x, y)
    }

    fn normalisation(&mut self, node: &Node, relu: bool, x: Id) -> Id {
        let norm = self.places.norm(node, self.tensors[x].channels);
        let activation = if relu {
            Activation::Relu
        } else {
            Activation::None
        };
        let y = self.like(x, activation);
        let [from, to] = [x, y].map(|id| self.tensors[id].buffer);
        if self.training {
            self.program.push(norm::Moments { norm, x: from });
            self.program.push(norm::Normalise {
                norm,
                relu,
                x: from,
                y: to,
            });
        } else {
            self.program.push(norm::Affine {
                norm,
                relu,
                x: from,
                y: to,
            });
        }
        self.passed(Passed::Norm(norm), x, y)
    }

    fn pooling(&mut self, pool: Pool, max: bool, x: Id) -> Id {
        let size = (pool.channels, pool.out_height(), pool.out_width());
        let y = self.tensor(size, Activation::None);
        let [x_buffer, y_buffer] = [x, y].map(|id| self.tensors[id].buffer);
        if max {
            self.program.push(pool::MaxPool {
                pool,
                x: x_buffer,
                y: y_buffer,
            });
            self.passed(Passed::MaxPool(pool), x, y)
        } else {
            self.program.push(pool::MeanPool {
                pool,
                x: x_buffer,
                y: y_buffer,
            });
            self.passed(Passed::MeanPool(pool), x, y)
        }
    }

    fn resampling(&mut self, resample: Resample, x: Id) -> Id {
        let y = self.tensor(resample.output(), Activation::None);
        self.program.push(resample::Resample {
            resample,
            x: self.tensors[x].buffer,
            y: self.tensors[y].buffer,
        });
        self.passed(Passed::Resample(resample), x, y)
    }

    /// f(a + b); an activation whose slope needs its input becomes a layer of its own.
    fn sum(&mut self, activation: Activation, a: Id, b: Id) -> Id {
        let shape = |id: Id| (self.tensors[id].channels, self.tensors[id].pixels());
        let (a, b) = if shape(a) == shape(b) {
            (a, b)
        } else {
            (self.ordered(a), self.ordered(b))
        };
        let fused = if is_gate(activation) {
            activation
        } else {
            Activation::None
        };
        let y = self.like(a, fused);
        self.program.push(pointwise::Add {
            activation: fused,
            a: self.tensors[a].buffer,
            b: self.tensors[b].buffer,
            y: self.tensors[y].buffer,
        });
        let y = self.passed(Passed::Add(b), a, y);
        if fused == activation {
            return y;
        }
        self.activation(activation, y)
    }
}

fn pool(
    from: &Tensor,
    (kernel_height, kernel_width): (usize, usize),
    stride: usize,
    padding: usize,
) -> Pool {
    Pool {
        channels: from.channels,
        height: from.height,
        width: from.width,
        kernel_height,
        kernel_width,
        stride,
        padding,
    }
}

//! A network made of an architecture: its parameters, named as PyTorch names them, and its forward pass.
//!
//! Knows no loss, optimizer or file.

use candle_core::{Device, Tensor};

use super::architecture::{Architecture, Node};
use crate::error::{Error, Result};
use crate::layers::{Activation, Layer, Shape};
use crate::nn::norm::Statistics;
use crate::nn::{
    During, Parameters, Tape, activation, conv, dropout, init, linear, norm, pool, resample,
};
use crate::profile::Init;

/// What varies between forward passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mode {
    /// Dropout on, batch norm by the batch, gradients recorded.
    pub training: bool,
    /// Steps taken before this one; decides the dropout masks with `seed`.
    pub step: u64,
    pub seed: u64,
}

impl Mode {
    /// As a finished classifier is used: no dropout, running statistics, no graph.
    #[must_use]
    pub fn evaluation() -> Self {
        Self::default()
    }
}

/// Running statistics of batch norm layers still to be written, by layer name.
pub type PendingStatistics = Vec<(String, Statistics)>;

/// A network on a device.
#[derive(Clone, Debug)]
pub struct Network {
    input: Shape,
    nodes: Vec<Node>,
    parameters: Parameters,
    device: Device,
}

impl Network {
    /// A network with freshly drawn parameters: `<node>.weight`, `<node>.bias`, `<node>.running_mean`, `<node>.running_var`.
    ///
    /// # Errors
    /// `Input` when two layers have the same name, `Compute` when the device has no room.
    pub fn new(
        architecture: &Architecture,
        init: Init,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let mut parameters = Parameters::new();
        for (name, parameter) in architecture.arrays() {
            let array = init::fresh(parameter.start, &parameter.shape, init, seed, &name);
            if parameter.trained {
                parameters.add_trainable(&name, array, device)?;
            } else {
                parameters.add_buffer(&name, array, device)?;
            }
        }
        Ok(Self {
            input: architecture.input,
            nodes: architecture.nodes.clone(),
            parameters,
            device: device.clone(),
        })
    }

    /// The same network with its own copy of the trainable parameters and the same running statistics.
    ///
    /// # Errors
    /// `Compute` when the device has no room.
    pub fn with_own_weights(&self) -> Result<Self> {
        Ok(Self {
            parameters: self.parameters.copy_trainable()?,
            ..self.clone()
        })
    }

    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The network's output; in training mode the running statistics move on at once.
    ///
    /// **Shape** `[B, …input]` → `[B, …output]`.
    ///
    /// # Errors
    /// `Compute` naming the layer that failed; `Input` when batch norm is to train on one number per channel.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut pending = PendingStatistics::new();
        let y = self.forward_pending(x, mode, &Tape::off(), &mut pending)?;
        self.commit(&pending)?;
        Ok(y)
    }

    /// The network's output, recorded on `tape`; the running statistics wait in `pending` for [`commit`](Self::commit).
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_pending(
        &self,
        x: &Tensor,
        mode: Mode,
        tape: &Tape,
        pending: &mut PendingStatistics,
    ) -> Result<Tensor> {
        let x = match self.input {
            Shape::Flat(features) => x.reshape(((), features)).during("the network's input")?,
            Shape::Map { .. } => x.clone(),
        };
        let mut pass = Pass {
            parameters: &self.parameters,
            mode,
            tape,
            pending,
            dropouts: 0,
        };
        pass.chain(&self.nodes, x)
    }

    /// Moves the running statistics on by those of a training batch.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn commit(&self, pending: &PendingStatistics) -> Result<()> {
        for (name, statistics) in pending {
            let mean = self.parameters.get(&format!("{name}.running_mean"))?;
            let var = self.parameters.get(&format!("{name}.running_var"))?;
            statistics.commit(mean, var).during(name)?;
        }
        Ok(())
    }
}

/// One forward pass on its way through the layers.
struct Pass<'a> {
    parameters: &'a Parameters,
    mode: Mode,
    tape: &'a Tape,
    pending: &'a mut PendingStatistics,
    /// Dropout layers met so far: tells their masks apart.
    dropouts: usize,
}

impl Pass<'_> {
    fn chain(&mut self, nodes: &[Node], mut x: Tensor) -> Result<Tensor> {
        let mut rest = nodes.iter().peekable();
        while let Some(node) = rest.next() {
            // Batch norm takes a ReLU right after it along.
            let relu = matches!(node.layer, Layer::BatchNorm2d(_) | Layer::BatchNorm1d(_))
                && rest.next_if(|next| is_relu(next)).is_some();
            x = self.layer(node, &x, relu)?;
        }
        Ok(x)
    }

    fn layer(&mut self, node: &Node, x: &Tensor, relu: bool) -> Result<Tensor> {
        let tape = self.tape;
        let result = match &node.layer {
            Layer::Conv2d(conv) => {
                let (weight, bias) = self.weight_and_bias(node, conv.bias)?;
                conv::conv2d(tape, x, &weight, bias.as_ref(), conv.stride, conv.padding)
            }
            Layer::Linear(linear) => {
                let (weight, bias) = self.weight_and_bias(node, linear.bias)?;
                linear::linear(tape, x, &weight, bias.as_ref())
            }
            Layer::MaxPool2d(pool) => {
                pool::max_pool2d(tape, x, pool.kernel_size, pool.stride(), pool.padding)
            }
            Layer::AvgPool2d(pool) => {
                pool::avg_pool2d(tape, x, pool.kernel_size, pool.stride(), pool.padding)
            }
            Layer::GlobalAvgPool(_) => pool::global_avg_pool(tape, x),
            Layer::AdaptiveAvgPool2d(pool) => resample::adaptive_avg_pool2d(tape, x, pool.size),
            Layer::Subsample(subsample) => {
                resample::subsample(tape, x, subsample.out_channels, subsample.stride)
            }
            Layer::Flatten(_) => tape.reshape(x, (x.dims()[0], node.output.elements())),
            Layer::Activation(layer) => activation::activate(tape, x, layer.function),
            Layer::Dropout(layer) => {
                let number = self.dropouts;
                self.dropouts += 1;
                if self.mode.training {
                    let stream = dropout::stream(self.mode.seed, number, self.mode.step);
                    dropout::dropout(tape, x, layer.p, stream)
                } else {
                    Ok(x.clone())
                }
            }
            Layer::BatchNorm2d(_) | Layer::BatchNorm1d(_) => {
                return self.batch_norm(node, x, relu);
            }
            Layer::Residual(block) => {
                let [body, shortcut] = &node.branches;
                let body = self.chain(body, x.clone())?;
                let shortcut = self.chain(shortcut, x.clone())?;
                tape.add(&body, &shortcut)
                    .and_then(|sum| activation::activate(tape, &sum, block.activation))
            }
        };
        result.during(&format!("layer {}", node.name))
    }

    fn batch_norm(&mut self, node: &Node, x: &Tensor, relu: bool) -> Result<Tensor> {
        let doing = format!("layer {}", node.name);
        let gamma = self.parameter(node, "weight")?;
        let beta = self.parameter(node, "bias")?;
        if !self.mode.training {
            let mean = self.parameter(node, "running_mean")?;
            let var = self.parameter(node, "running_var")?;
            return norm::batch_norm_eval(x, &gamma, &beta, &mean, &var, relu).during(&doing);
        }
        if norm::per_channel(x).during(&doing)? < 2 {
            return Err(Error::input(
                doing,
                "batch normalisation cannot train on a batch of one picture: its variance is undefined",
                "choose a train.batch_size that leaves no single picture over",
            ));
        }
        let (y, statistics) =
            norm::batch_norm_train(self.tape, x, &gamma, &beta, relu).during(&doing)?;
        self.pending.push((node.name.clone(), statistics));
        Ok(y)
    }

    fn weight_and_bias(&self, node: &Node, bias: bool) -> Result<(Tensor, Option<Tensor>)> {
        let weight = self.parameter(node, "weight")?;
        let bias = bias.then(|| self.parameter(node, "bias")).transpose()?;
        Ok((weight, bias))
    }

    /// A parameter as a leaf of the graph, or outside any graph in evaluation.
    fn parameter(&self, node: &Node, what: &str) -> Result<Tensor> {
        let var = self.parameters.get(&format!("{}.{what}", node.name))?;
        Ok(if self.mode.training {
            var.as_tensor().clone()
        } else {
            var.as_detached_tensor()
        })
    }
}

fn is_relu(node: &Node) -> bool {
    matches!(&node.layer, Layer::Activation(layer) if layer.function == Activation::Relu)
}

//! A network made of an architecture: its parameters, named as PyTorch names them, and its forward pass.
//!
//! Knows no loss, optimizer or file.

use candle_core::{Device, Tensor};

use super::architecture::{Architecture, Node};
use crate::error::Result;
use crate::kinds_of_layers;
use crate::layers::Shape;
use crate::nn::forward::{Forward, Pass, Site};
use crate::nn::statistics::PendingStatistics;
use crate::nn::{During, Mode, Parameters, Tape, init};
use crate::profile::Init;

/// A network on a device.
#[derive(Clone, Debug)]
pub struct Network {
    input: Shape,
    nodes: Vec<Node>,
    parameters: Parameters,
    device: Device,
}

impl Network {
    /// A network with freshly drawn parameters: `<node>.weight`, `<node>.bias`, `<node>.running_mean`,
    /// `<node>.running_var`.
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
        let mut pass = Pass::new(&self.parameters, mode, tape, pending);
        chain(&mut pass, &self.nodes, x)
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

fn chain(pass: &mut Pass<'_>, nodes: &[Node], mut x: Tensor) -> Result<Tensor> {
    let mut rest = nodes.iter().peekable();
    while let Some(node) = rest.next() {
        let takes = |function| kinds_of_layers!(with &node.layer, kind => kind.takes(function));
        let next = rest.next_if(|next| next.function().is_some_and(takes));
        let branches = |pass: &mut Pass<'_>, x: &Tensor| -> Result<[Tensor; 2]> {
            let [body, shortcut] = &node.branches;
            let body = chain(pass, body, x.clone())?;
            Ok([body, chain(pass, shortcut, x.clone())?])
        };
        let site = Site {
            name: &node.name,
            output: node.output,
            activation: next.and_then(Node::function).unwrap_or_default(),
            branches: &branches,
        };
        x = kinds_of_layers!(with &node.layer, kind => kind.forward(pass, &site, &x))?;
    }
    Ok(x)
}

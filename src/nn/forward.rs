//! What every kind of layer does on the way through a network; each file of a kind implements `Forward`.

use candle_core::Tensor;

use super::statistics::PendingStatistics;
use super::{During, Parameters, Tape};
use crate::error::Result;
use crate::layers::{Activation, Shape};

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

/// The forward pass of a kind of layer. Nothing has a default: whoever adds a kind answers everything.
pub(crate) trait Forward {
    /// Whether it can apply this function to its result in passing.
    fn takes(&self, activation: Activation) -> bool;

    /// **Shape** `[B, …input]` → `[B, …output]`.
    ///
    /// # Errors
    /// `Compute` naming the layer, when the device fails.
    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> Result<Tensor>;
}

/// One forward pass on its way through the layers.
pub(crate) struct Pass<'a> {
    parameters: &'a Parameters,
    pub(super) mode: Mode,
    pub(super) tape: &'a Tape,
    pub(super) pending: &'a mut PendingStatistics,
    /// Dropout layers met so far: tells their masks apart.
    pub(super) dropouts: usize,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(
        parameters: &'a Parameters,
        mode: Mode,
        tape: &'a Tape,
        pending: &'a mut PendingStatistics,
    ) -> Self {
        Self {
            parameters,
            mode,
            tape,
            pending,
            dropouts: 0,
        }
    }

    /// A parameter of a layer as a leaf of the graph, or outside any graph in evaluation.
    pub(super) fn parameter(&self, site: &Site<'_>, what: &str) -> Result<Tensor> {
        let var = self.parameters.get(&format!("{}.{what}", site.name))?;
        Ok(if self.mode.training {
            var.as_tensor().clone()
        } else {
            var.as_detached_tensor()
        })
    }

    pub(super) fn weight_and_bias(
        &self,
        site: &Site<'_>,
        bias: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let weight = self.parameter(site, "weight")?;
        let bias = bias.then(|| self.parameter(site, "bias")).transpose()?;
        Ok((weight, bias))
    }
}

/// Passes a tensor through both lists of layers inside of a block.
type Branches<'a> = &'a dyn Fn(&mut Pass<'_>, &Tensor) -> Result<[Tensor; 2]>;

/// Where a layer stands in its network.
pub(crate) struct Site<'a> {
    pub(crate) name: &'a str,
    /// Of its result.
    pub(crate) output: Shape,
    /// Applied to its result in passing; one that it [takes](Forward::takes).
    pub(crate) activation: Activation,
    pub(crate) branches: Branches<'a>,
}

impl Site<'_> {
    pub(super) fn doing(&self) -> String {
        format!("layer {}", self.name)
    }

    /// Names the layer where a device failed.
    pub(super) fn named<T>(&self, result: candle_core::Result<T>) -> Result<T> {
        result.during(&self.doing())
    }
}

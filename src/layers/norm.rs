//! Batch normalisation: every channel brought to mean 0 and deviation 1 over the batch, then scaled and shifted.

use serde::{Deserialize, Serialize};

use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Parameter, Shape};

/// Of maps, `[B,C,H,W]`. **Reference** `torch.nn.BatchNorm2d`.
pub type BatchNorm2d = BatchNorm<true>;

/// Of vectors, `[B,C]`. **Reference** `torch.nn.BatchNorm1d`.
pub type BatchNorm1d = BatchNorm<false>;

/// eps 1e-5, momentum 0.1, affine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm<const MAPS: bool> {
    #[serde(default, skip_serializing_if = "Activation::is_none")]
    pub activation: Activation,
}

/// The factor and the offset of every channel.
#[must_use]
pub(crate) fn affine(channels: usize) -> [Parameter; 2] {
    [("weight", 1.0), ("bias", 0.0)]
        .map(|(name, value)| Parameter::constant(name, channels, value, true))
}

/// The running mean and variance of every channel.
#[must_use]
pub(crate) fn running(channels: usize) -> [Parameter; 2] {
    [("running_mean", 0.0), ("running_var", 1.0)]
        .map(|(name, value)| Parameter::constant(name, channels, value, false))
}

impl<const MAPS: bool> Kind for BatchNorm<MAPS> {
    fn facts(&self) -> Facts {
        Facts {
            stem: "bn",
            activation: self.activation,
            ends_stage: false,
            mixes_images: true,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        "batch norm".into()
    }

    fn check(&self) -> Result<(), OutOfRange> {
        Ok(())
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        if MAPS {
            input.map("use batch-norm1d here")?;
        } else {
            input.features("use batch-norm2d here, or put a flatten layer before it")?;
        }
        Ok(input)
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let (channels, ..) = input.sides();
        affine(channels)
            .into_iter()
            .chain(running(channels))
            .collect()
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> u64 {
        0
    }
}

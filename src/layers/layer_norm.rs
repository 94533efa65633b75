//! Layer normalisation: numbers of one image brought to mean 0 and deviation 1, then scaled and shifted.

use serde::{Deserialize, Serialize};

use super::fault::within;
use super::norm::affine;
use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Parameter, Shape};

/// **Shape** as its input. **Reference** `torch.nn.LayerNorm`; over channels, ConvNeXt's `LayerNorm2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    #[serde(default)]
    pub axis: Axis,
    /// Added to variances.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    #[serde(default, skip_serializing_if = "Activation::is_none")]
    pub activation: Activation,
}

/// Which numbers are normalised together; in a vector always all features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// The rows of a map, as `torch.nn.LayerNorm(width)` does.
    #[default]
    Last,
    /// The channels of every pixel.
    Channels,
}

/// PyTorch's.
fn epsilon() -> f64 {
    1e-5
}

impl LayerNorm {
    /// How an image's numbers, as PyTorch lays them, fall into groups: number `k` of a group lies at
    /// `(outer·count + k)·inner + i`. Gives `[outer, count, inner]`.
    #[must_use]
    pub fn groups(&self, input: Shape) -> [usize; 3] {
        let (channels, height, width) = input.sides();
        match (input, self.axis) {
            (Shape::Map { .. }, Axis::Last) => [channels * height, width, 1],
            (Shape::Map { .. }, Axis::Channels) => [1, channels, height * width],
            (Shape::Flat(features), _) => [1, features, 1],
        }
    }

    /// The factor and the offset of every number of a group.
    #[must_use]
    pub fn affine(&self, input: Shape) -> [Parameter; 2] {
        let [_, count, _] = self.groups(input);
        affine(count)
    }
}

impl Kind for LayerNorm {
    fn facts(&self) -> Facts {
        Facts {
            stem: "ln",
            activation: self.activation,
            ends_stage: false,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        match self.axis {
            Axis::Last => "layer norm".into(),
            Axis::Channels => "layer norm 2d".into(),
        }
    }

    fn check(&self) -> Result<(), OutOfRange> {
        within("epsilon", self.epsilon, 1e-12, 1.0)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        Ok(input)
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        self.affine(input).into()
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> u64 {
        0
    }
}

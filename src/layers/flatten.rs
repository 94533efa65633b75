//! A map as a vector, channel by channel.

use serde::{Deserialize, Serialize};

use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Shape, weightless};

/// **Shape** `[B,C,H,W]` → `[B,C·H·W]`. **Reference** `torch.nn.Flatten`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Kind for Flatten {
    fn facts(&self) -> Facts {
        Facts {
            stem: "flatten",
            activation: Activation::None,
            ends_stage: false,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        "flatten".into()
    }

    fn check(&self) -> Result<(), OutOfRange> {
        Ok(())
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        Ok(Shape::Flat(input.elements()))
    }

    weightless!();
}

//! A map as a vector, channel by channel.

use super::{Activation, Facts, Fault, Kind, OutOfRange, Shape, weightless};

/// **Shape** `[B,C,H,W]` → `[B,C·H·W]`. **Reference** `torch.nn.Flatten`.
pub struct Flatten;

impl Kind for Flatten {
    fn facts(&self) -> Facts {
        Facts {
            kind: "flatten",
            stem: "flatten",
            activation: Activation::None,
            ends_stage: false,
            mixes_pictures: false,
        }
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

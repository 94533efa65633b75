//! Numbers left out at random while training.

use serde::{Deserialize, Serialize};

use super::fault::within;
use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Shape, weightless};

/// **Reference** `torch.nn.Dropout`, with another generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Share of the numbers that is left out.
    pub p: f64,
}

impl Dropout {
    /// The largest share.
    pub const MOST: f64 = 0.999;
}

impl Kind for Dropout {
    fn facts(&self) -> Facts {
        Facts {
            stem: "dropout",
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
        format!("dropout {}", self.p)
    }

    fn check(&self) -> Result<(), OutOfRange> {
        within("p", self.p, 0.0, Self::MOST)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        Ok(input)
    }

    weightless!();
}

//! Every output a weighted sum of all features.

use serde::{Deserialize, Serialize};

use super::fault::within;
use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Parameter, Shape};

/// The most outputs of a linear layer.
pub const WIDEST: usize = 1 << 20;

/// **Shape** `[B,in]` → `[B,out_features]`. **Reference** `torch.nn.Linear`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    pub out_features: usize,
    #[serde(default = "super::yes")]
    pub bias: bool,
    #[serde(default, skip_serializing_if = "Activation::is_none")]
    pub activation: Activation,
}

impl Linear {
    /// Weight `[out,in]` and, where there is one, bias `[out]`.
    #[must_use]
    pub fn kernel(&self, input: Shape) -> (Parameter, Option<Parameter>) {
        Parameter::kernel(&[self.out_features, input.elements()], self.bias)
    }
}

impl Kind for Linear {
    fn facts(&self) -> Facts {
        Facts {
            stem: "fc",
            activation: self.activation,
            ends_stage: false,
            mixes_images: false,
            begins_head: true,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        "linear".into()
    }

    fn check(&self) -> Result<(), OutOfRange> {
        within("out_features", self.out_features, 1, WIDEST)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        input.features("put a flatten layer before it")?;
        Ok(Shape::Flat(self.out_features))
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let (weight, bias) = self.kernel(input);
        std::iter::once(weight).chain(bias).collect()
    }

    fn multiply_adds(&self, input: Shape, output: Shape) -> u64 {
        (input.elements() as u64).saturating_mul(output.elements() as u64)
    }
}

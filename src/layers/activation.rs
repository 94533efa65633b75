//! Elementwise functions, and the layer that is nothing else.

use serde::{Deserialize, Serialize};

use super::{Facts, Fault, Kind, Layer, OutOfRange, Shape, weightless};

/// An elementwise function; PyTorch's function of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    #[default]
    None,
    Relu,
    /// Slope 0.01 below zero.
    LeakyRelu,
    /// The exact one, with erf.
    Gelu,
    Silu,
    Tanh,
    Sigmoid,
}

impl Activation {
    /// Every activation, in the order they are offered.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Relu,
        Self::LeakyRelu,
        Self::Gelu,
        Self::Silu,
        Self::Tanh,
        Self::Sigmoid,
    ];

    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The name in profiles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky-relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// A layer that applies a function to every number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    pub function: Activation,
}

impl Kind for Activate {
    fn facts(&self) -> Facts {
        Facts {
            stem: "act",
            // The function is the layer, not something that follows it.
            activation: Activation::None,
            ends_stage: true,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        self.function.name().into()
    }

    fn check(&self) -> Result<(), OutOfRange> {
        Ok(())
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        Ok(input)
    }

    weightless!();
}

//! The layers a `custom` network is written in, and which every preset expands to.

use serde::{Deserialize, Serialize};

/// One layer of a network as written in a profile: `[[model.layers]]` with a `kind`.
///
/// `activation`, where a layer has one, is applied to the layer's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Layer {
    Conv2d {
        out_channels: usize,
        kernel_size: usize,
        #[serde(default = "one")]
        stride: usize,
        #[serde(default)]
        padding: usize,
        #[serde(default = "yes")]
        bias: bool,
        #[serde(default, skip_serializing_if = "Activation::is_none")]
        activation: Activation,
    },
    MaxPool2d {
        kernel_size: usize,
        /// Default: the kernel size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
        #[serde(default)]
        padding: usize,
    },
    AvgPool2d {
        kernel_size: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
        #[serde(default)]
        padding: usize,
    },
    /// [B,C,H,W] → [B,C].
    GlobalAvgPool,
    /// Means over a grid of `size` × `size` windows that cover the map; [B,C,H,W] → [B,C,size,size].
    AdaptiveAvgPool2d {
        size: usize,
    },
    /// Every `stride`-th pixel, and channels of zeros on both sides up to `out_channels`: the shortcut without weights of
    /// He et al. 2015 (option A).
    Subsample {
        out_channels: usize,
        stride: usize,
    },
    BatchNorm2d {
        #[serde(default, skip_serializing_if = "Activation::is_none")]
        activation: Activation,
    },
    BatchNorm1d {
        #[serde(default, skip_serializing_if = "Activation::is_none")]
        activation: Activation,
    },
    Linear {
        out_features: usize,
        #[serde(default = "yes")]
        bias: bool,
        #[serde(default, skip_serializing_if = "Activation::is_none")]
        activation: Activation,
    },
    Dropout {
        p: f64,
    },
    Flatten,
    Activation {
        function: Activation,
    },
    /// output = activation(layers(x) + shortcut(x)); an empty shortcut is the identity, and so are layers of an activation `none`.
    Residual {
        layers: Vec<Layer>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
        #[serde(default, skip_serializing_if = "Activation::is_none")]
        activation: Activation,
    },
}

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

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

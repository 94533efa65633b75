//! An architecture with every shape known: what the summary is computed from and the network is built from.
//!
//! Plain data; made by `model::resolve`, consumed by `model::network` and `model::summary`.

use crate::profile::Activation;
use crate::state::{Array, StateDict};

/// The shape of one picture's worth of data between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Channels, height, width.
    Map {
        channels: usize,
        height: usize,
        width: usize,
    },
    /// A vector of features.
    Flat(usize),
}

impl Shape {
    /// Numbers per picture.
    #[must_use]
    pub fn elements(self) -> usize {
        match self {
            Self::Map {
                channels,
                height,
                width,
            } => channels * height * width,
            Self::Flat(features) => features,
        }
    }

    /// Channels, height and width; a vector is a single pixel of as many channels.
    #[must_use]
    pub fn sides(self) -> (usize, usize, usize) {
        match self {
            Self::Map {
                channels,
                height,
                width,
            } => (channels, height, width),
            Self::Flat(features) => (features, 1, 1),
        }
    }
}

impl std::fmt::Display for Shape {
    /// `8 × 32 × 32` or `120`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Map {
                channels,
                height,
                width,
            } => write!(f, "{channels} × {height} × {width}"),
            Self::Flat(features) => write!(f, "{features}"),
        }
    }
}

/// A network's layers in order, with the shape of its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    pub input: Shape,
    pub nodes: Vec<Node>,
}

impl Architecture {
    /// The output's shape; the number of classes for a classifier.
    #[must_use]
    pub fn output(&self) -> Shape {
        self.nodes.last().map_or(self.input, |n| n.output)
    }
}

/// One layer, named as its parameters are (`conv1`, `layer2.0.bn1`, `fc`).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub name: String,
    pub op: Op,
    pub input: Shape,
    pub output: Shape,
}

/// What a layer does. Parameter names and shapes are PyTorch's: `weight [out,in,k,k]` or `[out,in]`, `bias [out]`;
/// batch norm adds `running_mean`, `running_var`.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Conv2d {
        in_channels: usize,
        out_channels: usize,
        kernel_size: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    MaxPool2d {
        kernel_size: usize,
        stride: usize,
        padding: usize,
    },
    /// Counts padding in the mean, as PyTorch does by default.
    AvgPool2d {
        kernel_size: usize,
        stride: usize,
        padding: usize,
    },
    GlobalAvgPool,
    /// Means over a grid of windows that cover the map.
    AdaptiveAvgPool2d {
        size: usize,
    },
    /// Every `stride`-th pixel, with channels of zeros before and behind, half of those that are missing each.
    Subsample {
        out_channels: usize,
        stride: usize,
    },
    /// 1d on `Shape::Flat`, 2d on `Shape::Map`; eps 1e-5, momentum 0.1, affine.
    BatchNorm {
        features: usize,
    },
    Linear {
        in_features: usize,
        out_features: usize,
        bias: bool,
    },
    Dropout {
        p: f64,
    },
    Flatten,
    Activation(Activation),
    /// output = activation(body(x) + shortcut(x)); an empty body or shortcut is the identity.
    Residual {
        body: Vec<Node>,
        shortcut: Vec<Node>,
        activation: Activation,
    },
}

impl Op {
    /// Trained numbers: weights, biases, and a batch norm's factor and offset. Saturates instead of overflowing.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let product = |sizes: &[usize]| sizes.iter().fold(1u64, |p, s| p.saturating_mul(*s as u64));
        match self {
            Self::Conv2d {
                in_channels,
                out_channels,
                kernel_size: k,
                bias,
                ..
            } => product(&[*out_channels, *in_channels, *k, *k]).saturating_add(if *bias {
                *out_channels as u64
            } else {
                0
            }),
            Self::Linear {
                in_features,
                out_features,
                bias,
            } => product(&[*out_features, *in_features]).saturating_add(if *bias {
                *out_features as u64
            } else {
                0
            }),
            Self::BatchNorm { features } => product(&[2, *features]),
            Self::Residual { body, shortcut, .. } => body
                .iter()
                .chain(shortcut)
                .fold(0, |sum, node| sum.saturating_add(node.op.parameters())),
            Self::MaxPool2d { .. }
            | Self::AvgPool2d { .. }
            | Self::GlobalAvgPool
            | Self::AdaptiveAvgPool2d { .. }
            | Self::Subsample { .. }
            | Self::Dropout { .. }
            | Self::Flatten
            | Self::Activation(_) => 0,
        }
    }
}

impl Architecture {
    /// Every array of the network by its name, trained ones and running statistics, filled with zeros.
    #[must_use]
    pub fn zeros(&self) -> StateDict {
        let mut state = StateDict::new();
        add_zeros(&self.nodes, &mut state);
        state
    }

    /// The first batch normalisation that sees one number a channel and picture: a batch of one picture gives it no variance.
    #[must_use]
    pub fn norm_of_single_numbers(&self) -> Option<&str> {
        norm_of_single_numbers(&self.nodes)
    }

    /// Trained numbers of all layers.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.nodes
            .iter()
            .fold(0, |sum, node| sum.saturating_add(node.op.parameters()))
    }
}

/// The name of the first normalisation that sees one number a channel and picture, also inside of blocks.
fn norm_of_single_numbers(nodes: &[Node]) -> Option<&str> {
    nodes.iter().find_map(|node| match &node.op {
        Op::BatchNorm { features } => {
            (node.input.elements() == *features).then_some(node.name.as_str())
        }
        Op::Residual { body, shortcut, .. } => {
            norm_of_single_numbers(body).or_else(|| norm_of_single_numbers(shortcut))
        }
        _ => None,
    })
}

fn add_zeros(nodes: &[Node], state: &mut StateDict) {
    for node in nodes {
        let mut add = |what: &str, shape: Vec<usize>| {
            let values = vec![0.0; shape.iter().product()];
            state.insert(format!("{}.{what}", node.name), Array { shape, values });
        };
        match &node.op {
            Op::Conv2d {
                in_channels,
                out_channels,
                kernel_size: k,
                bias,
                ..
            } => {
                add("weight", vec![*out_channels, *in_channels, *k, *k]);
                if *bias {
                    add("bias", vec![*out_channels]);
                }
            }
            Op::Linear {
                in_features,
                out_features,
                bias,
            } => {
                add("weight", vec![*out_features, *in_features]);
                if *bias {
                    add("bias", vec![*out_features]);
                }
            }
            Op::BatchNorm { features } => {
                for what in ["weight", "bias", "running_mean", "running_var"] {
                    add(what, vec![*features]);
                }
            }
            Op::Residual { body, shortcut, .. } => {
                add_zeros(body, state);
                add_zeros(shortcut, state);
            }
            _ => {}
        }
    }
}

//! An architecture with every shape known: what the summary is computed from and the network is built from.
//!
//! Plain data; made by `model::resolve`, consumed by `model::network` and `model::summary`.

use crate::layers::{Activate, Activation, Layer, Parameter, Shape};
use crate::state::{Array, StateDict};

/// A network's layers in order, with the shape of its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    pub input: Shape,
    pub nodes: Vec<Node>,
}

/// One layer, named as its parameters are (`conv1`, `layer2.0.bn1`, `fc`).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub name: String,
    /// As written; an activation of its own is the node after it, `<name>.<function>`.
    pub layer: Layer,
    pub input: Shape,
    pub output: Shape,
    /// The layers and the shortcut of a residual block; empty elsewhere.
    pub branches: [Vec<Node>; 2],
}

impl Node {
    /// A node of a layer without layers inside.
    #[must_use]
    pub fn plain(name: impl Into<String>, layer: Layer, input: Shape, output: Shape) -> Self {
        Self {
            name: name.into(),
            layer,
            input,
            output,
            branches: Default::default(),
        }
    }

    /// The function, where the layer is nothing else.
    #[must_use]
    pub fn function(&self) -> Option<Activation> {
        if let Layer::Activation(Activate { function }) = self.layer {
            return Some(function);
        }
        None
    }

    /// The arrays that the layer itself owns, each with its name in the network. Names and shapes are PyTorch's.
    pub fn arrays(&self) -> impl Iterator<Item = (String, Parameter)> + '_ {
        let arrays = self.layer.kind().parameters(self.input).into_iter();
        arrays.map(|array| (format!("{}.{}", self.name, array.name), array))
    }

    /// Trained numbers: weights, biases, and a norm's factors and offsets. Saturates instead of overflowing.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.count(true)
    }

    /// Numbers that follow the batches: running means and variances.
    #[must_use]
    pub fn statistics(&self) -> u64 {
        self.count(false)
    }

    fn count(&self, trained: bool) -> u64 {
        every(std::slice::from_ref(self))
            .flat_map(Self::arrays)
            .filter(|(_, array)| array.trained == trained)
            .fold(0, |sum, (_, array)| sum.saturating_add(array.elements()))
    }

    /// Of one image, forward. Saturates instead of overflowing.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        every(std::slice::from_ref(self))
            .map(|node| node.layer.kind().multiply_adds(node.input, node.output))
            .fold(0, u64::saturating_add)
    }
}

/// Nodes in order, each before those inside of it.
fn every(nodes: &[Node]) -> Box<dyn Iterator<Item = &Node> + '_> {
    Box::new(nodes.iter().flat_map(|node| {
        let inside = node.branches.iter().flat_map(|branch| every(branch));
        std::iter::once(node).chain(inside)
    }))
}

impl Architecture {
    /// The output's shape; the number of classes for a classifier.
    #[must_use]
    pub fn output(&self) -> Shape {
        self.nodes.last().map_or(self.input, |n| n.output)
    }

    /// Every array of the network by its name, trained ones and running statistics.
    pub fn arrays(&self) -> impl Iterator<Item = (String, Parameter)> + '_ {
        every(&self.nodes).flat_map(Node::arrays)
    }

    /// Every array of the network, filled with zeros.
    #[must_use]
    pub fn zeros(&self) -> StateDict {
        let zeros = |(name, Parameter { shape, .. })| {
            let values = vec![0.0; shape.iter().product()];
            (name, Array { shape, values })
        };
        self.arrays().map(zeros).collect()
    }

    /// The first layer that trains on means over the batch and sees one number a channel and image: a batch of one
    /// image gives it no variance.
    #[must_use]
    pub fn norm_of_single_numbers(&self) -> Option<&str> {
        let is_single = |node: &&Node| {
            let (channels, ..) = node.input.sides();
            node.layer.kind().facts().mixes_images && node.input.elements() == channels
        };
        every(&self.nodes)
            .find(is_single)
            .map(|node| node.name.as_str())
    }

    /// Trained numbers of all layers.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.nodes
            .iter()
            .map(Node::parameters)
            .fold(0, u64::saturating_add)
    }
}

//! What tests have to know of the kinds of layers, a file each: how one is drawn, what it computes in f64, what it is
//! in PyTorch.
//!
//! All of it is asked through the list of kinds, so a kind without [`Values`] does not compile: a new one is a file
//! here and its `mod` line.
//!
//! The shapes and names of the examples are PyTorch's (2.15), as this prints them; `torch_gives_the_examples` asks it
//! again.
//! ```python
//! import torch
//! from torch import nn
//! def show(module, *input):
//!     arrays = [(name, list(a.shape)) for name, a in module.state_dict().items() if a.dim()]
//!     print(list(module(torch.zeros(2, *input)).shape[1:]), arrays)
//! show(nn.Conv2d(2, 4, 3, 1, 0, bias=True), 2, 5, 6)
//! ```

mod activation;
mod conv;
mod dropout;
mod flatten;
mod layer_norm;
mod linear;
mod norm;
mod pool;
mod residual;
mod subsample;
mod window;

use std::collections::BTreeSet;

use fmtui::kinds_of_layers;
use fmtui::layers::{Flatten, Kind, Layer, Shape};
use fmtui::model::{Architecture, Node, resolve};
use fmtui::profile::Profile;

use super::draw::Draw;
use super::reference::Pass;

/// What the tests have to know of a kind.
pub trait Values: Kind + Into<Layer> + Clone {
    /// How often it is drawn beside the others.
    const ODDS: usize;

    const EXAMPLES: &'static [Example];

    /// One for this input, the edges of its ranges more often; none where it does not go. What does not fit is drawn
    /// again; so is, where `keeping`, what has an output of another shape than the input's.
    fn draw(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Self>;

    /// The same with one thing less each.
    fn simpler(&self) -> Vec<Self>;

    /// What it computes, as its definition says. **Shape** `[B, …input]` → `[B, …output]`.
    fn reference(&self, pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64>;

    /// Its PyTorch module, as an expression of `scripts/torch_networks.py`.
    fn torch(&self, node: &Node) -> String;
}

/// A layer, and what PyTorch says of its module.
pub struct Example {
    /// As an inline table of a profile.
    pub profile: &'static str,
    pub input: Shape,
    pub torch: &'static str,
    pub output: Shape,
    /// Names and shapes, running statistics too.
    pub arrays: &'static [(&'static str, &'static [usize])],
}

impl Example {
    fn layer(&self) -> Layer {
        #[derive(serde::Deserialize)]
        struct Written {
            layer: Layer,
        }
        let text = format!("layer = {}", self.profile);
        toml::from_str::<Written>(&text).unwrap().layer
    }

    /// A network of the layer, flattened.
    pub fn architecture(&self) -> Architecture {
        let mut profile = Profile::new("custom");
        profile.model.layers = vec![self.layer(), Flatten {}.into()];
        resolve(&profile.model, self.input, self.output.elements()).unwrap()
    }
}

pub const fn map(channels: usize, height: usize, width: usize) -> Shape {
    Shape::Map {
        channels,
        height,
        width,
    }
}

pub fn examples() -> Vec<&'static Example> {
    fn add<K: Values>(all: &mut Vec<&'static Example>) {
        all.extend(K::EXAMPLES);
    }
    let mut all = Vec::new();
    kinds_of_layers!(each add(&mut all));
    all
}

/// Draws a layer of one kind: see [`Values::draw`].
type Offer = fn(&mut Draw, Shape, bool) -> Option<Layer>;

/// Every kind with its odds.
pub fn offers() -> Vec<(usize, Offer)> {
    fn add<K: Values>(all: &mut Vec<(usize, Offer)>) {
        all.push((K::ODDS, |draw, input, keeping| {
            K::draw(draw, input, keeping).map(Into::into)
        }));
    }
    let mut all = Vec::new();
    kinds_of_layers!(each add(&mut all));
    all
}

/// The same layer with one thing less each.
pub fn simpler(layer: &Layer) -> Vec<Layer> {
    fn all<K: Values>(kind: &K) -> Vec<Layer> {
        kind.simpler().into_iter().map(Into::into).collect()
    }
    let mut found = kinds_of_layers!(with layer, kind => all(kind));
    found.retain(|simpler| simpler != layer);
    found
}

/// See [`Values::reference`].
pub fn reference(pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
    kinds_of_layers!(with &node.layer, kind => kind.reference(pass, node, x))
}

/// See [`Values::torch`].
pub fn module(node: &Node) -> String {
    kinds_of_layers!(with &node.layer, kind => kind.torch(node))
}

/// Modules by name as a Python dict, for nodes whose names begin with that of what is around them.
pub fn modules(nodes: &[Node], around: &str) -> String {
    let of = |node: &Node| {
        let name = node.name.strip_prefix(around).unwrap().replace('.', "_");
        format!("\"{name}\": {}", module(node))
    };
    let modules: Vec<String> = nodes.iter().map(of).collect();
    format!("{{{}}}", modules.join(", "))
}

fn python(truth: bool) -> &'static str {
    if truth { "True" } else { "False" }
}

/// Every kind has examples, which profiles write and read alike, and PyTorch's shapes and names.
#[test]
fn examples_are_as_in_torch() {
    let mut kinds = BTreeSet::new();
    for example in examples() {
        let (what, layer) = (example.profile, example.layer());
        kinds.insert(layer.name());
        assert!(
            what.contains(&format!("kind = '{}'", layer.name())),
            "{what}"
        );
        let written = toml::to_string(&layer).unwrap();
        assert_eq!(toml::from_str::<Layer>(&written).unwrap(), layer);

        let architecture = example.architecture();
        let node = &architecture.nodes[0];
        assert_eq!(module(node), example.torch, "{what}");
        assert_eq!(node.output, example.output, "{what}");
        let arrays: Vec<_> = architecture.arrays().collect();
        let ours = arrays.iter().map(|(name, array)| {
            let name = name.strip_prefix(&format!("{}.", node.name)).unwrap();
            (name, array.shape.as_slice())
        });
        assert!(
            ours.eq(example.arrays.iter().copied()),
            "{what}: {arrays:?}"
        );
    }
    assert_eq!(kinds, Layer::KINDS.iter().copied().collect());
}

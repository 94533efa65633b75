//! A multilayer perceptron with its backward pass written by hand: matrix products and the chain rule, no autograd.
//!
//! # Forward
//! A batch of B images is a matrix a₀ with one image per row. Layer l has a weight matrix W (one row per neuron) and a
//! bias b, and gives
//!
//! ```text
//! z = a₍ₗ₋₁₎·Wᵀ + b        aₗ = f(z)
//! ```
//!
//! with f applied number by number. The last layer has no f: its z are the logits, and [`loss`] turns them into the
//! mean loss L of the batch.
//!
//! # Backward
//! Wanted is how L changes with every weight. Write δ = ∂L/∂z for a layer: one row per image, one column per neuron. At
//! the output the loss gives δ at once, for softmax and cross-entropy the famous (softmax(z) − y)/B. Since z is linear
//! in W, b and a₍ₗ₋₁₎, the chain rule turns δ into all that is needed with two more matrix products:
//!
//! ```text
//! ∂L/∂W      = δᵀ·a₍ₗ₋₁₎        every weight: the error of its neuron times the input it weighs, summed over the batch
//! ∂L/∂b      = Σ over rows of δ  the same with an input of 1
//! ∂L/∂a₍ₗ₋₁₎ = δ·W              every input is blamed for what it fed into each neuron
//! ```
//!
//! and the layer before has δ = ∂L/∂a ⊙ f′(z). That is all of back-propagation: the forward pass keeps z and a of each
//! layer, and the backward pass walks the layers from last to first with one δ in hand.
//!
//! **Reference** Rumelhart, Hinton, Williams 1986. Starts from the same weights as the graph network of the same names
//! and seed. Deliberately knows no optimizer, no convolution, and no tensor library.

pub(crate) mod loss;

use super::{Architecture, Node};
use crate::error::{Error, Result};
use crate::kernels::cpu::{elementwise, linear};
use crate::layers::{self, Activate, Activation, Linear};
use crate::nn::init;
use crate::profile::Init;

/// A layer's numbers: its weights, or one number of some kind for each of them (gradients, moments, averages).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dense {
    /// **Shape** `[out, in]`.
    pub weight: Vec<f32>,
    /// **Shape** `[out]`.
    pub bias: Vec<f32>,
}

impl Dense {
    fn zeros(layer: &Layer) -> Self {
        Self {
            weight: vec![0.0; layer.out_features * layer.in_features],
            bias: vec![0.0; layer.out_features],
        }
    }
}

/// What a layer is, apart from its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// Its parameters are `<name>.weight` and `<name>.bias`.
    pub name: String,
    pub in_features: usize,
    pub out_features: usize,
    /// Applied to its output.
    pub activation: Activation,
}

/// The network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mlp {
    layers: Vec<Layer>,
    /// One per layer.
    pub weights: Vec<Dense>,
}

/// What the forward pass leaves for the backward pass: of each layer z and a, **Shape** `[B, out]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    z: Vec<Vec<f32>>,
    /// Empty for a layer without activation, whose a is z.
    a: Vec<Vec<f32>>,
}

impl Trace {
    /// The output of layer `index`.
    fn output(&self, index: usize) -> &[f32] {
        if self.a[index].is_empty() {
            &self.z[index]
        } else {
            &self.a[index]
        }
    }

    /// The network's output after [`Mlp::forward`]. **Shape** `[B, K]`.
    #[must_use]
    pub(crate) fn logits(&self) -> &[f32] {
        self.z.len().checked_sub(1).map_or(&[], |i| self.output(i))
    }
}

impl Mlp {
    /// The network of an `mlp-scratch` architecture with freshly drawn weights.
    ///
    /// # Errors
    /// `Input` when the architecture holds more than flatten, linear layers with bias, and their activations.
    pub(crate) fn new(architecture: &Architecture, init: Init, seed: u64) -> Result<Self> {
        let mut layers: Vec<Layer> = Vec::new();
        for node in &architecture.nodes {
            match (&node.layer, layers.last_mut()) {
                (layers::Layer::Flatten(_), None) => {}
                (layers::Layer::Linear(Linear { bias: true, .. }), _) => layers.push(Layer {
                    name: node.name.clone(),
                    in_features: node.input.elements(),
                    out_features: node.output.elements(),
                    activation: Activation::None,
                }),
                (layers::Layer::Activation(Activate { function }), Some(layer))
                    if layer.activation.is_none() =>
                {
                    layer.activation = *function;
                }
                _ => return Err(not_by_hand(node)),
            }
        }
        let weights = layers
            .iter()
            .map(|layer| {
                let Layer {
                    name,
                    in_features,
                    out_features,
                    ..
                } = layer;
                let shape = [*out_features, *in_features];
                let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
                Dense {
                    weight: init::weight(init, seed, &weight, &shape).values,
                    bias: init::bias(init, seed, &bias, *out_features, *in_features).values,
                }
            })
            .collect();
        Ok(Self { layers, weights })
    }

    #[must_use]
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Numbers per image that the first layer takes.
    #[must_use]
    pub(crate) fn features(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.in_features)
    }

    /// A zero for every weight.
    #[must_use]
    pub(crate) fn zeros(&self) -> Vec<Dense> {
        self.layers.iter().map(Dense::zeros).collect()
    }

    /// Computes the logits of `batch` images with the weights `weights` (the network's own or averages of them) and
    /// keeps in `trace` what [`backward`](Self::backward) needs.
    ///
    /// **Shape** images `[B, features]`.
    ///
    /// # Panics
    /// When a slice's length is not what the shapes say.
    pub(crate) fn forward(
        &self,
        weights: &[Dense],
        batch: usize,
        images: &[f32],
        trace: &mut Trace,
    ) {
        trace.z.resize_with(self.layers.len(), Vec::new);
        trace.a.resize_with(self.layers.len(), Vec::new);
        for (l, (layer, Dense { weight, bias })) in self.layers.iter().zip(weights).enumerate() {
            let mut z = std::mem::take(&mut trace.z[l]);
            z.resize(batch * layer.out_features, 0.0);
            let input = if l == 0 { images } else { trace.output(l - 1) };
            // z = a·Wᵀ + b
            let (inputs, outputs) = (layer.in_features, layer.out_features);
            linear::forward(batch, inputs, outputs, input, weight, Some(bias), &mut z);
            // a = f(z)
            let a = &mut trace.a[l];
            a.resize(
                if layer.activation.is_none() {
                    0
                } else {
                    z.len()
                },
                0.0,
            );
            if !a.is_empty() {
                elementwise::forward(layer.activation, &z, a);
            }
            trace.z[l] = z;
        }
    }

    /// The gradients of the loss with respect to every weight, from its gradient with respect to the logits.
    ///
    /// `images` and `trace` are those of the [`forward`](Self::forward) before; `gradients` is overwritten.
    ///
    /// **Shape** dlogits `[B, K]`.
    ///
    /// # Panics
    /// When a slice's length is not what the shapes say.
    pub(crate) fn backward(
        &self,
        batch: usize,
        images: &[f32],
        trace: &Trace,
        dlogits: &[f32],
        gradients: &mut [Dense],
    ) {
        // ∂L/∂a of the layer in hand.
        let mut da = dlogits.to_vec();
        for (l, layer) in self.layers.iter().enumerate().rev() {
            let (inputs, outputs) = (layer.in_features, layer.out_features);
            // δ = ∂L/∂a ⊙ f′(z)
            let mut delta = da;
            if !layer.activation.is_none() {
                let (z, a) = (&trace.z[l], &trace.a[l]);
                let mut product = vec![0.0; delta.len()];
                elementwise::backward(layer.activation, z, a, &delta, &mut product);
                delta = product;
            }
            // ∂L/∂W = δᵀ·a, ∂L/∂b = Σ δ
            let input = if l == 0 { images } else { trace.output(l - 1) };
            let Dense { weight, bias } = &mut gradients[l];
            linear::backward_weights(batch, inputs, outputs, input, &delta, weight, Some(bias));
            if l == 0 {
                // Nobody asks how the loss changes with the images.
                return;
            }
            // ∂L/∂a of the layer before = δ·W
            da = vec![0.0; batch * inputs];
            let weight = &self.weights[l].weight;
            linear::backward_input(batch, inputs, outputs, &delta, weight, &mut da);
        }
    }
}

fn not_by_hand(node: &Node) -> Error {
    Error::input(
        format!("layer {}", node.name),
        "mlp-scratch has no backward pass for it: only linear layers and their activations are written by hand",
        "set model.architecture = \"mlp\" or \"custom\"",
    )
}

#[cfg(test)]
mod tests;

//! Linear layers of the given widths with an activation between them; by autograd, and with gradients written by hand.

use super::parts::linear;
use super::{Blueprint, Definition, Field, Rule};
use crate::layers::{Activation, Flatten, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] =
    &[mlp("mlp", Rule::Gradient), mlp("mlp-scratch", Rule::ByHand)];

const fn mlp(name: &'static str, rule: Rule) -> Definition {
    Definition {
        name,
        uses: |_| &[Field::Hidden, Field::Activation],
        rule,
        layers,
    }
}

fn layers(model: &Model, classes: usize) -> Blueprint {
    let activation = model.activation.unwrap_or(Activation::Relu);
    let mut layers = vec![Layer::Flatten(Flatten {})];
    layers.extend(model.hidden.iter().map(|width| linear(*width, activation)));
    layers.push(linear(classes, Activation::None));
    Blueprint::counted(layers)
}

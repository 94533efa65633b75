//! One linear layer on the pixels, trained by Rosenblatt's rule (1958) instead of a gradient.

use super::parts::linear;
use super::{Blueprint, Definition, Rule};
use crate::layers::{Activation, Flatten, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition {
    rule: Rule::Perceptron,
    ..Definition::plain("perceptron", layers)
}];

fn layers(_: &Model, classes: usize) -> Blueprint {
    Blueprint {
        layers: vec![
            Layer::Flatten(Flatten {}),
            linear(classes, Activation::None),
        ],
        names: vec!["flatten".into(), "fc".into()],
    }
}

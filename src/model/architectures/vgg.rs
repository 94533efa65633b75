//! The networks of Simonyan and Zisserman 2014, with and without batch norm; parameter names as in torchvision.

use super::parts::{conv, linear, max_pool, norm};
use super::{Blueprint, Definition, Field};
use crate::layers::{Activation, AdaptiveAvgPool2d, Dropout, Flatten, GlobalAvgPool, Layer};
use crate::profile::{Head, Model};

/// Columns A, B, D and E of the paper's table 1: convolutions in each of the five stages.
const A: [usize; 5] = [1, 1, 2, 2, 2];
const B: [usize; 5] = [2, 2, 2, 2, 2];
const D: [usize; 5] = [2, 2, 3, 3, 3];
const E: [usize; 5] = [2, 2, 4, 4, 4];

pub(super) const ALL: &[Definition] = &[
    vgg("vgg11", |model, classes| layers(model, A, false, classes)),
    vgg("vgg11-bn", |model, classes| layers(model, A, true, classes)),
    vgg("vgg13", |model, classes| layers(model, B, false, classes)),
    vgg("vgg13-bn", |model, classes| layers(model, B, true, classes)),
    vgg("vgg16", |model, classes| layers(model, D, false, classes)),
    vgg("vgg16-bn", |model, classes| layers(model, D, true, classes)),
    vgg("vgg19", |model, classes| layers(model, E, false, classes)),
    vgg("vgg19-bn", |model, classes| layers(model, E, true, classes)),
];

const fn vgg(name: &'static str, layers: fn(&Model, usize) -> Blueprint) -> Definition {
    Definition {
        uses: |model| match model.head {
            Some(Head::Linear) => &[Field::Head],
            _ => &[Field::Head, Field::Dropout],
        },
        ..Definition::plain(name, layers)
    }
}

/// Width of the hidden layers of the original head.
const HIDDEN: usize = 4096;

/// Side of the grid of means that the original head stands on.
const GRID: usize = 7;

fn layers(model: &Model, convolutions: [usize; 5], normalised: bool, classes: usize) -> Blueprint {
    let mut layers = Vec::new();
    let mut names = Vec::new();
    // torchvision counts activations and poolings too.
    let mut number = 0;
    let mut add = |layer: Layer, places: usize| {
        layers.push(layer);
        names.push(format!("features.{number}"));
        number += places;
    };
    for (channels, count) in [64, 128, 256, 512, 512].into_iter().zip(convolutions) {
        for _ in 0..count {
            if normalised {
                add(conv(channels, 3, 1, Activation::None), 1);
                add(norm(Activation::Relu), 2);
            } else {
                add(conv(channels, 3, 1, Activation::Relu), 2);
            }
        }
        add(max_pool(2), 1);
    }
    let last = match model.head.unwrap_or_default() {
        Head::Mlp => mlp(model.dropout.unwrap_or(0.5), classes),
        Head::Linear => vec![
            (Layer::GlobalAvgPool(GlobalAvgPool {}), "avgpool"),
            (linear(classes, Activation::None), "classifier"),
        ],
    };
    for (layer, name) in last {
        layers.push(layer);
        names.push(name.into());
    }
    Blueprint { layers, names }
}

fn mlp(p: f64, classes: usize) -> Vec<(Layer, &'static str)> {
    let hidden = || linear(HIDDEN, Activation::Relu);
    vec![
        (
            Layer::AdaptiveAvgPool2d(AdaptiveAvgPool2d { size: GRID }),
            "avgpool",
        ),
        (Layer::Flatten(Flatten {}), "flatten"),
        (hidden(), "classifier.0"),
        (Layer::Dropout(Dropout { p }), "classifier.2"),
        (hidden(), "classifier.3"),
        (Layer::Dropout(Dropout { p }), "classifier.5"),
        (linear(classes, Activation::None), "classifier.6"),
    ]
}

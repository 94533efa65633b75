//! The networks of Simonyan and Zisserman 2014, with and without batch norm; parameter names as in torchvision.

use super::{Blueprint, conv, linear, max_pool};
use crate::profile::{Activation, Head, Layer, Model};

/// Width of the hidden layers of the original head.
const HIDDEN: usize = 4096;

/// Side of the grid of means that the original head stands on.
const GRID: usize = 7;

/// Convolutions in each of the five stages (columns A, B, D, E of the paper's table 1), and whether batch norm follows them.
fn stages(name: &str) -> Option<([usize; 5], bool)> {
    let (name, normalised) = match name.strip_suffix("-bn") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let convolutions = match name {
        "vgg11" => [1, 1, 2, 2, 2],
        "vgg13" => [2, 2, 2, 2, 2],
        "vgg16" => [2, 2, 3, 3, 3],
        "vgg19" => [2, 2, 4, 4, 4],
        _ => return None,
    };
    Some((convolutions, normalised))
}

pub(super) fn is_one(name: &str) -> bool {
    stages(name).is_some()
}

/// The VGG that a profile names, if it names one.
pub(super) fn blueprint(model: &Model, classes: usize) -> Option<Blueprint> {
    let (convolutions, normalised) = stages(&model.architecture)?;
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
                let activation = Activation::Relu;
                add(Layer::BatchNorm2d { activation }, 2);
            } else {
                add(conv(channels, 3, 1, Activation::Relu), 2);
            }
        }
        add(max_pool(2), 1);
    }
    let last = match model.head.unwrap_or_default() {
        Head::Mlp => mlp(model.dropout.unwrap_or(0.5), classes),
        Head::Linear => vec![
            (Layer::GlobalAvgPool, "avgpool"),
            (linear(classes, Activation::None), "classifier"),
        ],
    };
    for (layer, name) in last {
        layers.push(layer);
        names.push(name.into());
    }
    Some(Blueprint { layers, names })
}

fn mlp(p: f64, classes: usize) -> Vec<(Layer, &'static str)> {
    let hidden = || linear(HIDDEN, Activation::Relu);
    vec![
        (Layer::AdaptiveAvgPool2d { size: GRID }, "avgpool"),
        (Layer::Flatten, "flatten"),
        (hidden(), "classifier.0"),
        (Layer::Dropout { p }, "classifier.2"),
        (hidden(), "classifier.3"),
        (Layer::Dropout { p }, "classifier.5"),
        (linear(classes, Activation::None), "classifier.6"),
    ]
}

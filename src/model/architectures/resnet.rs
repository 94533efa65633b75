//! Residual networks of He, Zhang, Ren, Sun 2015: those for ImageNet, named as in torchvision, and those for CIFAR-10.

use super::{Blueprint, bare_conv, linear};
use crate::profile::{Activation, Layer, Model, Stem};

/// Blocks of a stage and whether they are bottlenecks (table 1 of the paper).
fn stages(name: &str) -> Option<([usize; 4], bool)> {
    match name {
        "resnet18" => Some(([2, 2, 2, 2], false)),
        "resnet34" => Some(([3, 4, 6, 3], false)),
        "resnet50" => Some(([3, 4, 6, 3], true)),
        _ => None,
    }
}

/// Whether the architecture begins with a stem that can be chosen.
pub(super) fn takes_stem(name: &str) -> bool {
    stages(name).is_some()
}

/// The residual network that a profile names, if it names one.
pub(super) fn blueprint(model: &Model, classes: usize) -> Option<Blueprint> {
    let name = model.architecture.as_str();
    if let Some((blocks, bottleneck)) = stages(name) {
        return Some(imagenet(
            model.stem.unwrap_or_default(),
            blocks,
            bottleneck,
            classes,
        ));
    }
    let depth = match name {
        "resnet20" => 20,
        "resnet32" => 32,
        "resnet44" => 44,
        "resnet56" => 56,
        _ => return None,
    };
    Some(cifar((depth - 2) / 6, classes))
}

/// Parameter names as in torchvision; a bottleneck's stride lies on its 3×3 convolution, as there.
fn imagenet(stem: Stem, blocks: [usize; 4], bottleneck: bool, classes: usize) -> Blueprint {
    let relu = Layer::BatchNorm2d {
        activation: Activation::Relu,
    };
    let (mut layers, names) = match stem {
        Stem::Imagenet => (
            vec![
                bare_conv(64, 7, 2, 3),
                relu,
                Layer::MaxPool2d {
                    kernel_size: 3,
                    stride: Some(2),
                    padding: 1,
                },
            ],
            &["conv1", "bn1", "maxpool"][..],
        ),
        Stem::Cifar => (vec![bare_conv(64, 3, 1, 1), relu], &["conv1", "bn1"][..]),
    };
    let mut names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
    let mut inputs = 64;
    for (stage, (channels, blocks)) in [64, 128, 256, 512].into_iter().zip(blocks).enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let outputs = if bottleneck { 4 * channels } else { channels };
            let shortcut = if stride == 1 && inputs == outputs {
                Vec::new()
            } else {
                vec![bare_conv(outputs, 1, stride, 0), norm(Activation::None)]
            };
            let body = if bottleneck {
                vec![
                    bare_conv(channels, 1, 1, 0),
                    norm(Activation::Relu),
                    bare_conv(channels, 3, stride, 1),
                    norm(Activation::Relu),
                    bare_conv(outputs, 1, 1, 0),
                    norm(Activation::None),
                ]
            } else {
                basic(channels, stride)
            };
            layers.push(residual(body, shortcut));
            names.push(format!("layer{}.{block}", stage + 1));
            inputs = outputs;
        }
    }
    layers.extend([Layer::GlobalAvgPool, linear(classes, Activation::None)]);
    names.extend(["avgpool", "fc"].map(String::from));
    Blueprint { layers, names }
}

/// Section 4.2 of the paper: 16, 32 and 64 maps, `blocks` blocks each, and shortcuts without weights (option A).
fn cifar(blocks: usize, classes: usize) -> Blueprint {
    let mut layers = vec![bare_conv(16, 3, 1, 1), norm(Activation::Relu)];
    let mut names: Vec<String> = ["conv1", "bn1"].map(String::from).into();
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..blocks {
            let (stride, shortcut) = if stage > 0 && block == 0 {
                let subsample = Layer::Subsample {
                    out_channels: channels,
                    stride: 2,
                };
                (2, vec![subsample])
            } else {
                (1, Vec::new())
            };
            layers.push(residual(basic(channels, stride), shortcut));
            names.push(format!("layer{}.{block}", stage + 1));
        }
    }
    layers.extend([Layer::GlobalAvgPool, linear(classes, Activation::None)]);
    names.extend(["avgpool", "linear"].map(String::from));
    Blueprint { layers, names }
}

/// Two 3×3 convolutions.
fn basic(channels: usize, stride: usize) -> Vec<Layer> {
    vec![
        bare_conv(channels, 3, stride, 1),
        norm(Activation::Relu),
        bare_conv(channels, 3, 1, 1),
        norm(Activation::None),
    ]
}

fn residual(layers: Vec<Layer>, shortcut: Vec<Layer>) -> Layer {
    Layer::Residual {
        layers,
        shortcut,
        activation: Activation::Relu,
    }
}

fn norm(activation: Activation) -> Layer {
    Layer::BatchNorm2d { activation }
}

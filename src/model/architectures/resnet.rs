//! Residual networks of He, Zhang, Ren, Sun 2015: those for ImageNet, named as in torchvision, and those for CIFAR-10.

use super::parts::{bare_conv, linear, norm};
use super::{Blueprint, Definition, Field};
use crate::layers::{Activation, GlobalAvgPool, Layer, MaxPool2d, Residual, Subsample};
use crate::profile::{Model, Stem};

/// Blocks of a stage and whether they are bottlenecks (table 1 of the paper); depths of section 4.2.
pub(super) const ALL: &[Definition] = &[
    with_stem("resnet18", |m, classes| {
        imagenet(m, [2, 2, 2, 2], false, classes)
    }),
    with_stem("resnet34", |m, classes| {
        imagenet(m, [3, 4, 6, 3], false, classes)
    }),
    with_stem("resnet50", |m, classes| {
        imagenet(m, [3, 4, 6, 3], true, classes)
    }),
    Definition::plain("resnet20", |_, classes| cifar(20, classes)),
    Definition::plain("resnet32", |_, classes| cifar(32, classes)),
    Definition::plain("resnet44", |_, classes| cifar(44, classes)),
    Definition::plain("resnet56", |_, classes| cifar(56, classes)),
];

/// One that begins with a stem that can be chosen.
const fn with_stem(name: &'static str, layers: fn(&Model, usize) -> Blueprint) -> Definition {
    Definition {
        uses: |_| &[Field::Stem],
        ..Definition::plain(name, layers)
    }
}

/// Parameter names as in torchvision; a bottleneck's stride lies on its 3×3 convolution, as there.
fn imagenet(model: &Model, blocks: [usize; 4], bottleneck: bool, classes: usize) -> Blueprint {
    let relu = norm(Activation::Relu);
    let (mut layers, names) = match model.stem.unwrap_or_default() {
        Stem::Imagenet => (
            vec![
                bare_conv(64, 7, 2, 3),
                relu,
                Layer::MaxPool2d(MaxPool2d {
                    kernel_size: 3,
                    stride: Some(2),
                    padding: 1,
                }),
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
    layers.extend([
        Layer::GlobalAvgPool(GlobalAvgPool {}),
        linear(classes, Activation::None),
    ]);
    names.extend(["avgpool", "fc"].map(String::from));
    Blueprint { layers, names }
}

/// Section 4.2 of the paper: 16, 32 and 64 maps, (`depth` − 2) / 6 blocks each, and shortcuts without weights (option
/// A).
fn cifar(depth: usize, classes: usize) -> Blueprint {
    let blocks = (depth - 2) / 6;
    let mut layers = vec![bare_conv(16, 3, 1, 1), norm(Activation::Relu)];
    let mut names: Vec<String> = ["conv1", "bn1"].map(String::from).into();
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..blocks {
            let (stride, shortcut) = if stage > 0 && block == 0 {
                let subsample = Layer::Subsample(Subsample {
                    out_channels: channels,
                    stride: 2,
                });
                (2, vec![subsample])
            } else {
                (1, Vec::new())
            };
            layers.push(residual(basic(channels, stride), shortcut));
            names.push(format!("layer{}.{block}", stage + 1));
        }
    }
    layers.extend([
        Layer::GlobalAvgPool(GlobalAvgPool {}),
        linear(classes, Activation::None),
    ]);
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
    Layer::Residual(Residual {
        layers,
        shortcut,
        activation: Activation::Relu,
    })
}

//! Every architecture a profile can name, written as the list of layers it stands for: one function each.
//!
//! Deliberately knows no shapes: [`resolve`](super::resolve()) finds out whether the layers fit the pictures.

mod resnet;
mod vgg;

use super::naming;
use super::resolve::LARGEST_SIZE;
use crate::error::{Error, Result};
use crate::profile::{Activation, Head, Layer, Model};
use crate::text;

/// Every name `model.architecture` may have, in the order of the study.
pub const NAMES: [&str; 23] = [
    "perceptron",
    "mlp",
    "mlp-scratch",
    "lenet5",
    "lenet5-1998",
    "modern-lenet",
    "improved-cnn",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "vgg11",
    "vgg11-bn",
    "vgg13",
    "vgg13-bn",
    "vgg16",
    "vgg16-bn",
    "vgg19",
    "vgg19-bn",
    "custom",
];

/// Whether an architecture learns by a rule of its own: it has no stages, and one learning rate.
#[must_use]
pub fn has_own_rule(name: &str) -> bool {
    matches!(name, "perceptron" | "mlp-scratch")
}

/// The most layers a profile may ask for; keeps a slip of the finger from filling memory.
const MOST_LAYERS: usize = 2000;

/// The layers of a network, each with the name its parameters go by.
#[derive(Clone, Debug, PartialEq)]
pub struct Blueprint {
    pub layers: Vec<Layer>,
    /// One per layer of `layers`; layers inside a residual block are named by [`naming`].
    pub names: Vec<String>,
}

impl Blueprint {
    /// Layers named by kind and number: `conv1`, `bn1`, `fc2`.
    fn counted(layers: Vec<Layer>) -> Self {
        let names = naming::counted(&layers);
        Self { layers, names }
    }
}

/// The layers of the architecture that a profile names.
///
/// # Errors
/// `Input` for an unknown name and for fields that the architecture does not use.
pub fn blueprint(model: &Model, classes: usize) -> Result<Blueprint> {
    let name = model.architecture.as_str();
    refuse_unused_fields(model)?;
    let layers = match name {
        "perceptron" => return Ok(perceptron(classes)),
        "mlp" | "mlp-scratch" => mlp(
            &model.hidden,
            model.activation.unwrap_or(Activation::Relu),
            classes,
        ),
        "lenet5" => lenet5(classes),
        "lenet5-1998" => lenet5_1998(classes),
        "modern-lenet" => modern_lenet(classes),
        "improved-cnn" => improved_cnn(classes),
        "custom" => model.layers.clone(),
        _ => {
            return resnet::blueprint(model, classes)
                .or_else(|| vgg::blueprint(model, classes))
                .ok_or_else(|| unknown(name));
        }
    };
    Ok(Blueprint::counted(layers))
}

fn unknown(name: &str) -> Error {
    let remedy = match text::nearest(name, NAMES) {
        Some(near) => format!("did you mean `{near}`? Known are {}", NAMES.join(", ")),
        None => format!("use one of {}", NAMES.join(", ")),
    };
    Error::input(
        "model.architecture",
        format!("`{}` is not known", text::sanitize(name)),
        remedy,
    )
}

fn refuse_unused_fields(model: &Model) -> Result<()> {
    let name = model.architecture.as_str();
    if !NAMES.contains(&name) {
        return Err(unknown(name));
    }
    let (mlp, custom) = (matches!(name, "mlp" | "mlp-scratch"), name == "custom");
    let refuse = |field: &str, wanted_by: &str| {
        Err(Error::input(
            format!("model.{field}"),
            format!("the architecture `{name}` does not use it"),
            format!("remove it, or set model.architecture = \"{wanted_by}\""),
        ))
    };
    if !mlp && !model.hidden.is_empty() {
        return refuse("hidden", "mlp");
    }
    if !mlp && model.activation.is_some() {
        return refuse("activation", "mlp");
    }
    if !resnet::takes_stem(name) && model.stem.is_some() {
        return refuse("stem", "resnet18");
    }
    if !vgg::is_one(name) && model.head.is_some() {
        return refuse("head", "vgg11-bn");
    }
    if (!vgg::is_one(name) || model.head == Some(Head::Linear)) && model.dropout.is_some() {
        return refuse("dropout", "vgg11-bn");
    }
    if !custom && !model.layers.is_empty() {
        return refuse("layers", "custom");
    }
    if custom && model.layers.is_empty() {
        return Err(Error::input(
            "model.layers",
            "a custom network needs at least one layer",
            "add [[model.layers]] entries, such as kind = \"flatten\" and kind = \"linear\"",
        ));
    }
    if let Some(index) = model
        .hidden
        .iter()
        .position(|width| !(1..=LARGEST_SIZE).contains(width))
    {
        return Err(Error::input(
            format!("model.hidden[{index}]"),
            format!("{} is out of range", model.hidden[index]),
            format!("use 1 to {LARGEST_SIZE}"),
        ));
    }
    let layers = model.hidden.len().max(count(&model.layers));
    if layers > MOST_LAYERS {
        return Err(Error::input(
            if mlp { "model.hidden" } else { "model.layers" },
            format!("{layers} layers are more than the {MOST_LAYERS} that are allowed"),
            "use fewer layers",
        ));
    }
    Ok(())
}

fn count(layers: &[Layer]) -> usize {
    layers
        .iter()
        .map(|layer| match layer {
            Layer::Residual {
                layers, shortcut, ..
            } => 1 + count(layers) + count(shortcut),
            _ => 1,
        })
        .sum()
}

/// One linear layer on the pixels, trained by Rosenblatt's rule (1958) instead of a gradient.
fn perceptron(classes: usize) -> Blueprint {
    Blueprint {
        layers: vec![Layer::Flatten, linear(classes, Activation::None)],
        names: vec!["flatten".into(), "fc".into()],
    }
}

/// Linear layers of the given widths with an activation between them.
fn mlp(hidden: &[usize], activation: Activation, classes: usize) -> Vec<Layer> {
    let mut layers = vec![Layer::Flatten];
    layers.extend(hidden.iter().map(|width| linear(*width, activation)));
    layers.push(linear(classes, Activation::None));
    layers
}

/// The study's LeNet-5: a first 3×3 convolution on 32×32 pictures and wider maps than the original, max pooling, tanh.
fn lenet5(classes: usize) -> Vec<Layer> {
    use Activation::Tanh;
    vec![
        conv(8, 3, 1, Tanh),
        max_pool(2),
        conv(25, 5, 0, Tanh),
        conv(84, 4, 0, Tanh),
        max_pool(2),
        Layer::Flatten,
        linear(120, Tanh),
        linear(84, Tanh),
        linear(classes, Activation::None),
    ]
}

/// LeCun, Bottou, Bengio, Haffner 1998: C1, S2, C3 (fully connected to S2), S4, C5, F6 and a linear output.
///
/// S2 and S4 average without the original's trained factor and bias; the output is linear instead of radial basis functions.
fn lenet5_1998(classes: usize) -> Vec<Layer> {
    use Activation::Tanh;
    let average = || Layer::AvgPool2d {
        kernel_size: 2,
        stride: None,
        padding: 0,
    };
    vec![
        conv(6, 5, 2, Tanh),
        average(),
        conv(16, 5, 0, Tanh),
        average(),
        conv(120, 5, 0, Tanh),
        Layer::Flatten,
        linear(84, Tanh),
        linear(classes, Activation::None),
    ]
}

/// The study's LeNet-5 with ReLU, and batch norm after each convolution's ReLU (in that order).
fn modern_lenet(classes: usize) -> Vec<Layer> {
    use Activation::Relu;
    let norm = || Layer::BatchNorm2d {
        activation: Activation::None,
    };
    vec![
        conv(8, 3, 1, Relu),
        norm(),
        max_pool(2),
        conv(25, 5, 0, Relu),
        norm(),
        conv(84, 4, 0, Relu),
        norm(),
        max_pool(2),
        Layer::Flatten,
        linear(120, Relu),
        linear(84, Relu),
        linear(classes, Activation::None),
    ]
}

/// Three 3×3 convolutions with batch norm, then a wide hidden layer with batch norm and dropout.
fn improved_cnn(classes: usize) -> Vec<Layer> {
    use Activation::{None, Relu};
    vec![
        conv(32, 3, 1, None),
        Layer::BatchNorm2d { activation: Relu },
        conv(64, 3, 1, None),
        Layer::BatchNorm2d { activation: Relu },
        max_pool(2),
        conv(128, 3, 1, None),
        Layer::BatchNorm2d { activation: Relu },
        max_pool(2),
        Layer::Flatten,
        linear(256, None),
        Layer::BatchNorm1d { activation: Relu },
        Layer::Dropout { p: 0.5 },
        linear(classes, None),
    ]
}

fn conv(out_channels: usize, kernel_size: usize, padding: usize, activation: Activation) -> Layer {
    Layer::Conv2d {
        out_channels,
        kernel_size,
        stride: 1,
        padding,
        bias: true,
        activation,
    }
}

/// A convolution without bias: the batch norm that follows has one.
fn bare_conv(out_channels: usize, kernel_size: usize, stride: usize, padding: usize) -> Layer {
    Layer::Conv2d {
        out_channels,
        kernel_size,
        stride,
        padding,
        bias: false,
        activation: Activation::None,
    }
}

fn max_pool(kernel_size: usize) -> Layer {
    Layer::MaxPool2d {
        kernel_size,
        stride: None,
        padding: 0,
    }
}

fn linear(out_features: usize, activation: Activation) -> Layer {
    Layer::Linear {
        out_features,
        bias: true,
        activation,
    }
}

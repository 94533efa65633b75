//! Shape inference: from layers as written to layers with known shapes, or an error that names the layer and what it needs.
//!
//! Bounds every size before anything is allocated. Builds no tensor and draws no weight.

use super::architectures::blueprint;
use super::naming;
use super::{Architecture, Node, Op, Shape};
use crate::error::{Error, Result};
use crate::profile::{Activation, Layer, Model};
use crate::text::grouped;

/// The largest width, number of channels, kernel, stride or padding.
pub(super) const LARGEST_SIZE: usize = 1 << 20;
/// The most parameters of a network, and the most numbers per picture between two layers.
const MOST_NUMBERS: u64 = 1 << 31;
/// How deep residual blocks may lie in one another.
const DEEPEST: usize = 16;

/// Expands the architecture that `model` names and infers the shape between every two layers.
///
/// # Errors
/// `Input` naming the layer and the shape it needs: an unknown architecture, a layer that does not fit its input, a size
/// that is zero or absurd, or an output that is not one number per class.
pub fn resolve(model: &Model, input: Shape, classes: usize) -> Result<Architecture> {
    let numbers = elements(input);
    if numbers == Some(0) || numbers.is_none() {
        return Err(Error::input(
            "the pictures",
            format!("{input} is not a size to work with"),
            "check data.image_size and data.channels",
        ));
    }
    let blueprint = blueprint(model, classes)?;
    let mut resolver = Resolver { parameters: 0 };
    let site = Site {
        architecture: (model.architecture != "custom").then_some(model.architecture.as_str()),
        path: "model.layers".into(),
        depth: 0,
    };
    let nodes = resolver.sequence(&blueprint.layers, &blueprint.names, input, &site)?;
    let architecture = Architecture { input, nodes };
    check_output(&architecture, &site, classes)?;
    Ok(architecture)
}

fn check_output(architecture: &Architecture, site: &Site, classes: usize) -> Result<()> {
    let output = architecture.output();
    if output == Shape::Flat(classes) {
        return Ok(());
    }
    let remedy = match output {
        Shape::Map { .. } => {
            format!("end with a flatten layer and a linear layer of out_features = {classes}")
        }
        Shape::Flat(_) => format!("end with a linear layer of out_features = {classes}"),
    };
    Err(Error::input(
        site.architecture.unwrap_or("model.layers"),
        format!("the last layer gives {output} where {classes} classes need {classes} numbers"),
        remedy,
    ))
}

/// Where a list of layers stands, for messages.
struct Site<'a> {
    /// The preset architecture; its layers are spoken of by name, those of a custom network by their place in the file.
    architecture: Option<&'a str>,
    path: String,
    depth: usize,
}

impl Site<'_> {
    fn subject(&self, index: usize, name: &str, layer: &Layer) -> String {
        let kind = naming::kind(layer);
        match self.architecture {
            Some(architecture) => {
                format!("model.architecture \"{architecture}\", layer {name} ({kind})")
            }
            None => format!("{}[{index}] ({kind})", self.path),
        }
    }

    fn inside(&self, index: usize, field: &str) -> Self {
        Self {
            architecture: self.architecture,
            path: format!("{}[{index}].{field}", self.path),
            depth: self.depth + 1,
        }
    }
}

/// What is wrong with a layer and what to do about it.
struct Fault {
    problem: String,
    remedy: String,
}

impl Fault {
    fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

struct Resolver {
    /// Of all layers so far.
    parameters: u64,
}

impl Resolver {
    fn sequence(
        &mut self,
        layers: &[Layer],
        names: &[String],
        input: Shape,
        site: &Site,
    ) -> Result<Vec<Node>> {
        let mut nodes: Vec<Node> = Vec::with_capacity(layers.len());
        for (index, (layer, name)) in layers.iter().zip(names).enumerate() {
            let input = nodes.last().map_or(input, |node| node.output);
            let subject = || site.subject(index, name, layer);
            let blame = |fault: Fault| Error::input(subject(), fault.problem, fault.remedy);
            let (op, output) = match layer {
                Layer::Residual {
                    layers,
                    shortcut,
                    activation,
                } => {
                    if site.depth >= DEEPEST {
                        return Err(blame(Fault::new(
                            format!("residual blocks lie more than {DEEPEST} deep in one another"),
                            "nest less",
                        )));
                    }
                    let names = naming::body(name, layers);
                    let site_of = |field| site.inside(index, field);
                    let body = self.sequence(layers, &names, input, &site_of("layers"))?;
                    let names = naming::shortcut(name, shortcut);
                    let shortcut = self.sequence(shortcut, &names, input, &site_of("shortcut"))?;
                    residual(body, shortcut, *activation, input).map_err(blame)?
                }
                Layer::Activation {
                    function: Activation::None,
                } => continue,
                _ => plain(layer, input).map_err(blame)?,
            };
            self.bound(&op, output).map_err(blame)?;
            nodes.push(Node {
                name: name.clone(),
                op,
                input,
                output,
            });
            if let Some(function) = activation_of(layer) {
                nodes.push(Node {
                    name: format!("{name}.{}", function.name()),
                    op: Op::Activation(function),
                    input: output,
                    output,
                });
            }
        }
        Ok(nodes)
    }

    /// Refuses what could not be held in memory anyway, before it is asked for.
    fn bound(&mut self, op: &Op, output: Shape) -> Result<(), Fault> {
        if elements(output).is_none_or(|numbers| numbers > MOST_NUMBERS) {
            return Err(Fault::new(
                format!(
                    "its output of {output} is more than {} numbers per picture",
                    grouped(MOST_NUMBERS)
                ),
                "make it smaller",
            ));
        }
        // The layers of a residual block have been counted one by one.
        if !matches!(op, Op::Residual { .. }) {
            self.parameters = self.parameters.saturating_add(op.parameters());
        }
        if self.parameters > MOST_NUMBERS {
            return Err(Fault::new(
                format!(
                    "with it the network has more than {} parameters",
                    grouped(MOST_NUMBERS)
                ),
                "make this layer or the ones before it smaller",
            ));
        }
        Ok(())
    }
}

/// A layer's own activation; a residual block applies its own itself.
fn activation_of(layer: &Layer) -> Option<Activation> {
    match layer {
        Layer::Conv2d { activation, .. }
        | Layer::BatchNorm2d { activation }
        | Layer::BatchNorm1d { activation }
        | Layer::Linear { activation, .. } => Some(*activation).filter(|a| !a.is_none()),
        _ => None,
    }
}

/// Operation and output shape of a layer without layers inside.
fn plain(layer: &Layer, input: Shape) -> Result<(Op, Shape), Fault> {
    match *layer {
        Layer::Conv2d {
            out_channels,
            kernel_size,
            stride,
            padding,
            bias,
            ..
        } => {
            within("out_channels", out_channels, 1)?;
            let window = Window::new(kernel_size, stride, padding)?;
            let (in_channels, height, width) = window.over(input)?;
            let op = Op::Conv2d {
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                bias,
            };
            Ok((op, map(out_channels, height, width)))
        }
        Layer::MaxPool2d {
            kernel_size,
            stride,
            padding,
        } => {
            let stride = stride.unwrap_or(kernel_size);
            let (channels, height, width) =
                Window::new(kernel_size, stride, padding)?.pooling(input)?;
            let op = Op::MaxPool2d {
                kernel_size,
                stride,
                padding,
            };
            Ok((op, map(channels, height, width)))
        }
        Layer::AvgPool2d {
            kernel_size,
            stride,
            padding,
        } => {
            let stride = stride.unwrap_or(kernel_size);
            let (channels, height, width) =
                Window::new(kernel_size, stride, padding)?.pooling(input)?;
            let op = Op::AvgPool2d {
                kernel_size,
                stride,
                padding,
            };
            Ok((op, map(channels, height, width)))
        }
        Layer::GlobalAvgPool => {
            let (channels, ..) = as_map(input)?;
            Ok((Op::GlobalAvgPool, Shape::Flat(channels)))
        }
        Layer::BatchNorm2d { .. } => match input {
            Shape::Map { channels, .. } => Ok((Op::BatchNorm { features: channels }, input)),
            Shape::Flat(_) => Err(Fault::new(
                format!("needs maps of channels × height × width but gets {input} features"),
                "use batch-norm1d here",
            )),
        },
        Layer::BatchNorm1d { .. } => match input {
            Shape::Flat(features) => Ok((Op::BatchNorm { features }, input)),
            Shape::Map { .. } => Err(Fault::new(
                format!("needs a vector of features but gets {input}"),
                "use batch-norm2d here, or put a flatten layer before it",
            )),
        },
        Layer::Linear {
            out_features, bias, ..
        } => {
            within("out_features", out_features, 1)?;
            let Shape::Flat(in_features) = input else {
                return Err(Fault::new(
                    format!("needs a vector of features but gets {input}"),
                    "put a flatten layer before it",
                ));
            };
            let op = Op::Linear {
                in_features,
                out_features,
                bias,
            };
            Ok((op, Shape::Flat(out_features)))
        }
        Layer::Dropout { p } if (0.0..1.0).contains(&p) => Ok((Op::Dropout { p }, input)),
        Layer::Dropout { p } => Err(Fault::new(
            format!("p = {p} is not a share of numbers to drop"),
            "use 0 ≤ p < 1",
        )),
        Layer::Flatten => Ok((Op::Flatten, Shape::Flat(input.elements()))),
        Layer::Activation { function } => Ok((Op::Activation(function), input)),
        Layer::Residual { .. } => Err(Fault::new(
            "a residual block is not a plain layer",
            "report this as a fault of fmtui",
        )),
    }
}

fn residual(
    body: Vec<Node>,
    shortcut: Vec<Node>,
    activation: Activation,
    input: Shape,
) -> Result<(Op, Shape), Fault> {
    let Some(output) = body.last().map(|node| node.output) else {
        return Err(Fault::new(
            "has no layers to add to its shortcut",
            "put some into its layers",
        ));
    };
    let other = shortcut.last().map_or(input, |node| node.output);
    if output != other {
        let what = if shortcut.is_empty() {
            "its input, which the empty shortcut passes on, is"
        } else {
            "its shortcut gives"
        };
        let remedy = match output {
            Shape::Map { channels, .. } => format!(
                "make both equal; a shortcut of a 1 × 1 conv2d with out_channels = {channels} and the layers' stride does it"
            ),
            Shape::Flat(features) => format!(
                "make both equal; a shortcut of a linear layer with out_features = {features} does it"
            ),
        };
        return Err(Fault::new(
            format!("its layers give {output} but {what} {other}"),
            remedy,
        ));
    }
    let op = Op::Residual {
        body,
        shortcut,
        activation,
    };
    Ok((op, output))
}

/// A window that slides over a map.
#[derive(Clone, Copy)]
struct Window {
    kernel_size: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    fn new(kernel_size: usize, stride: usize, padding: usize) -> Result<Self, Fault> {
        within("kernel_size", kernel_size, 1)?;
        within("stride", stride, 1)?;
        within("padding", padding, 0)?;
        Ok(Self {
            kernel_size,
            stride,
            padding,
        })
    }

    /// Channels of the input, height and width of the output.
    fn over(self, input: Shape) -> Result<(usize, usize, usize), Fault> {
        let (channels, height, width) = as_map(input)?;
        let Self {
            kernel_size: k,
            stride,
            padding,
        } = self;
        let side = |length: usize| {
            let padded = length + 2 * padding;
            padded
                .checked_sub(k)
                .map(|room| room / stride + 1)
                .ok_or_else(|| {
                    let with = if padding > 0 {
                        format!(" with its padding of {padding}")
                    } else {
                        String::new()
                    };
                    Fault::new(
                        format!("its {k} × {k} kernel does not fit into {input}{with}"),
                        "lower kernel_size, pool less before it, or raise data.image_size",
                    )
                })
        };
        Ok((channels, side(height)?, side(width)?))
    }

    /// The same for pooling, where a window must never lie in the padding alone.
    fn pooling(self, input: Shape) -> Result<(usize, usize, usize), Fault> {
        if self.padding > self.kernel_size / 2 {
            return Err(Fault::new(
                format!(
                    "padding = {} is more than half of kernel_size = {}",
                    self.padding, self.kernel_size
                ),
                "lower the padding",
            ));
        }
        self.over(input)
    }
}

fn as_map(input: Shape) -> Result<(usize, usize, usize), Fault> {
    match input {
        Shape::Map {
            channels,
            height,
            width,
        } => Ok((channels, height, width)),
        Shape::Flat(_) => Err(Fault::new(
            format!("needs maps of channels × height × width but gets {input} features"),
            "put it before the flatten layer",
        )),
    }
}

fn map(channels: usize, height: usize, width: usize) -> Shape {
    Shape::Map {
        channels,
        height,
        width,
    }
}

fn within(field: &str, value: usize, lowest: usize) -> Result<(), Fault> {
    if (lowest..=LARGEST_SIZE).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(
        format!("{field} = {value} is out of range"),
        format!("use {lowest} to {LARGEST_SIZE}"),
    ))
}

/// Numbers per picture; nothing where it does not fit 64 bits.
fn elements(shape: Shape) -> Option<u64> {
    let product = |sizes: &[usize]| {
        sizes
            .iter()
            .try_fold(1u64, |p, s| p.checked_mul(u64::try_from(*s).ok()?))
    };
    match shape {
        Shape::Map {
            channels,
            height,
            width,
        } => product(&[channels, height, width]),
        Shape::Flat(features) => product(&[features]),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

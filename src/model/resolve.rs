//! Shape inference: from layers as written to layers with known shapes, or an error that names the layer and what it needs.
//!
//! Bounds every size before anything is allocated. Builds no tensor and draws no weight.

mod layers;

pub(super) use self::layers::LARGEST_SIZE;
use self::layers::{Fault, plain, residual};
use super::architectures::blueprint;
use super::naming;
use super::{Architecture, Node, Op, Shape};
use crate::error::{Error, Result};
use crate::profile::{Activation, Layer, Model};
use crate::text::grouped;

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
    if elements(input).is_none_or(|numbers| numbers == 0 || numbers > MOST_NUMBERS) {
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
                    if layers.is_empty() {
                        return Err(blame(Fault::new(
                            "has no layers to add to its shortcut",
                            "put some into its layers",
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
mod tests;

//! Shape inference: from layers as written to layers with known shapes, or an error that names the layer and what it
//! needs.
//!
//! Bounds every size before anything is allocated. Builds no tensor and draws no weight.

use super::architectures::blueprint;
use super::naming;
use super::{Architecture, Node, Shape};
use crate::error::{Error, Result};
use crate::layers::{Activate, Activation, Fault, INSIDE, Kind, Layer};
use crate::profile::Model;
use crate::text::grouped;

/// The most parameters of a network, and the most numbers per image between two layers.
const MOST_NUMBERS: u64 = 1 << 31;

/// Expands the architecture that `model` names and infers the shape between every two layers.
///
/// # Errors
/// `Input` naming the layer and the shape it needs: an unknown architecture, a layer that does not fit its input, a
/// size that is zero or absurd, or an output that is not one number per class.
pub fn resolve(model: &Model, input: Shape, classes: usize) -> Result<Architecture> {
    let numbers = input.checked_elements();
    if numbers.is_none_or(|numbers| numbers == 0 || numbers > MOST_NUMBERS) {
        return Err(Error::input(
            "the images",
            format!("{input} is not a valid input size"),
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
        let kind = layer.name();
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
            if let Layer::Activation(Activate {
                function: Activation::None,
            }) = layer
            {
                continue;
            }
            let kind = layer.kind();
            kind.check().map_err(|number| blame(number.into()))?;
            let mut node = Node::plain(name, layer.clone(), input, input);
            if let Layer::Residual(block) = layer {
                block.enter(site.depth).map_err(blame)?;
            }
            node.branches = self.inside(kind, name, input, |f| site.inside(index, f))?;
            node.output = kind.output(input).map_err(blame)?;
            self.bound(&node).map_err(blame)?;
            let output = node.output;
            nodes.push(node);
            let function = kind.facts().activation;
            if !function.is_none() {
                let name = format!("{name}.{}", function.name());
                let layer = Layer::Activation(Activate { function });
                nodes.push(Node::plain(name, layer, output, output));
            }
        }
        Ok(nodes)
    }

    /// The layers of a block and those of its shortcut.
    fn inside<'a>(
        &mut self,
        kind: &dyn Kind,
        name: &str,
        input: Shape,
        site_of: impl Fn(&str) -> Site<'a>,
    ) -> Result<[Vec<Node>; 2]> {
        let ([body, shortcut], [of_body, of_shortcut]) = (kind.inside(), INSIDE.map(site_of));
        let names = naming::body(name, body);
        let nodes = self.sequence(body, &names, input, &of_body)?;
        let names = naming::shortcut(name, shortcut);
        Ok([nodes, self.sequence(shortcut, &names, input, &of_shortcut)?])
    }

    /// Refuses what could not be held in memory anyway, before it is asked for.
    fn bound(&mut self, node: &Node) -> Result<(), Fault> {
        let output = node.output;
        let numbers = output.checked_elements();
        if numbers.is_none_or(|numbers| numbers > MOST_NUMBERS) {
            return Err(Fault::new(
                format!(
                    "its output of {output} is more than {} numbers per image",
                    grouped(MOST_NUMBERS)
                ),
                "make it smaller",
            ));
        }
        // The layers inside of a block have been counted one by one.
        if node.branches.iter().all(Vec::is_empty) {
            self.parameters = self.parameters.saturating_add(node.parameters());
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

#[cfg(test)]
mod tests;

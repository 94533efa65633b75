//! Which layers are trained and which keep their weights: a network cut in two.

use super::{Architecture, Node};
use crate::error::{Error, Result};
use crate::text;

/// A network's frozen beginning and the rest, which is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    pub frozen: Architecture,
    pub trained: Architecture,
}

/// All layers before the first linear one.
pub const BACKBONE: &str = "backbone";

/// Cuts a network as `model.freeze` says; nothing for `none` and the empty text.
///
/// # Errors
/// `Input` naming what can be frozen when `freeze` is no stage, or when nothing would be left to train.
pub fn cut(architecture: &Architecture, freeze: &str) -> Result<Option<Cut>> {
    if matches!(freeze, "" | "none") {
        return Ok(None);
    }
    let Some(end) = end(architecture, freeze) else {
        return Err(unknown(architecture, freeze));
    };
    let nodes = &architecture.nodes;
    let part = |input, nodes: &[Node]| Architecture {
        input,
        nodes: nodes.to_vec(),
    };
    let frozen = part(architecture.input, &nodes[..end]);
    Ok(Some(Cut {
        trained: part(frozen.output(), &nodes[end..]),
        frozen,
    }))
}

/// Where the frozen layers end; none where there is no such stage, or no weights on both sides of its end.
fn end(architecture: &Architecture, freeze: &str) -> Option<usize> {
    let nodes = &architecture.nodes;
    let end = if freeze == BACKBONE {
        nodes
            .iter()
            .position(|node| node.layer.kind().facts().begins_head)
    } else {
        nodes
            .iter()
            .rposition(|node| belongs(&node.name, freeze))
            // A stage ends behind its last activation and pooling.
            .map(|last| last + 1 + weightless(&nodes[last + 1..]))
    };
    let has_weights = |nodes| with_weights(nodes).next().is_some();
    end.filter(|end| has_weights(&nodes[..*end]) && has_weights(&nodes[*end..]))
}

/// The names that `freeze` can have, beside `none`.
#[must_use]
pub fn choices(architecture: &Architecture) -> Vec<String> {
    let mut names = vec![BACKBONE.to_string()];
    names.extend(stages(architecture));
    names.retain(|name| end(architecture, name).is_some());
    names
}

/// Names of the arrays of the last layer with weights: what a network for other classes has of its own.
#[must_use]
pub fn head(architecture: &Architecture) -> Vec<String> {
    let last = with_weights(&architecture.nodes).next_back();
    last.into_iter()
        .flat_map(Node::arrays)
        .filter(|(_, array)| array.trained)
        .map(|(name, _)| name)
        .collect()
}

/// Name of the last layer with weights.
pub(super) fn last_layer(architecture: &Architecture) -> Option<&str> {
    let last = with_weights(&architecture.nodes).next_back()?;
    Some(&last.name)
}

fn with_weights(nodes: &[Node]) -> impl DoubleEndedIterator<Item = &Node> {
    nodes.iter().filter(|node| node.parameters() > 0)
}

/// Names of the stages with weights, in their order.
#[must_use]
pub fn stages(architecture: &Architecture) -> Vec<String> {
    let mut names: Vec<String> = with_weights(&architecture.nodes)
        .map(|node| stage(&node.name).to_string())
        .collect();
    names.dedup();
    names
}

/// A layer's stage: `layer2` of `layer2.0`; VGG's numbered features are stages of their own.
fn stage(name: &str) -> &str {
    match name.split_once('.') {
        Some((first, _)) if first != "features" => first,
        _ => name,
    }
}

/// Whether a layer or parameter is the stage or inside it.
pub(super) fn belongs(name: &str, stage: &str) -> bool {
    name.strip_prefix(stage)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Layers without weights at the start, of those that go with what is before them.
fn weightless(nodes: &[Node]) -> usize {
    let goes_along = |node: &&Node| node.layer.kind().facts().ends_stage;
    nodes.iter().take_while(goes_along).count()
}

fn has_stage(architecture: &Architecture, stage: &str) -> bool {
    let mut nodes = architecture.nodes.iter();
    nodes.any(|node| belongs(&node.name, stage))
}

fn unknown(architecture: &Architecture, freeze: &str) -> Error {
    let mut names = vec!["none".to_string()];
    names.extend(choices(architecture));
    let wanted = text::sanitize(freeze);
    Error::input(
        "model.freeze",
        if freeze == BACKBONE || has_stage(architecture, freeze) {
            format!("`{wanted}` freezes nothing or everything in this network")
        } else {
            format!("`{wanted}` is not a stage of this network")
        },
        format!("use one of {}", names.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Shape, resolve};
    use crate::profile::Profile;

    fn network(name: &str) -> Architecture {
        let input = Shape::Map {
            channels: 3,
            height: 32,
            width: 32,
        };
        resolve(&Profile::new(name).model, input, 10).unwrap()
    }

    #[test]
    fn a_refusal_names_only_what_can_be_frozen() {
        let input = Shape::Map {
            channels: 1,
            height: 28,
            width: 28,
        };
        let perceptron = resolve(&Profile::new("perceptron").model, input, 10).unwrap();
        let refused = cut(&perceptron, BACKBONE).unwrap_err().to_string();
        assert!(refused.ends_with("use one of none"), "{refused}");
    }

    #[test]
    fn a_backbone_leaves_the_head() {
        for (name, parameters, features) in [
            ("resnet18", 5_130, 512),
            ("resnet20", 650, 64),
            ("resnet50", 20_490, 2048),
        ] {
            let network = network(name);
            let cut = cut(&network, "backbone").unwrap().unwrap();
            assert_eq!(cut.trained.parameters(), parameters, "{name}");
            assert_eq!(cut.frozen.output(), Shape::Flat(features));
            assert_eq!(cut.frozen.parameters() + parameters, network.parameters());
            assert_eq!(cut.trained.output(), Shape::Flat(10));
        }
        assert_eq!(cut(&network("resnet18"), "none").unwrap(), None);
    }

    #[test]
    fn a_stage_is_frozen_to_its_end() {
        let network = network("resnet18");
        let cut = cut(&network, "layer2").unwrap().unwrap();
        assert_eq!(cut.frozen.nodes.last().unwrap().name, "layer2.1");
        assert_eq!(cut.trained.nodes[0].name, "layer3.0");
        let stem = super::cut(&network, "bn1").unwrap().unwrap();
        assert_eq!(stem.frozen.nodes.last().unwrap().name, "maxpool");
        assert_eq!(
            choices(&network),
            [
                "backbone", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4"
            ]
        );
        assert_eq!(head(&network), ["fc.weight", "fc.bias"]);
    }

    #[test]
    fn what_cannot_be_frozen_is_refused_with_what_can() {
        for (name, freeze) in [
            ("resnet18", "layer9"),
            ("resnet18", "fc"),
            ("mlp", "backbone"),
        ] {
            let message = cut(&network(name), freeze).unwrap_err().to_string();
            assert!(message.starts_with("model.freeze: `"), "{message}");
        }
        let message = cut(&network("resnet18"), "layer9").unwrap_err().to_string();
        assert!(
            message
                .ends_with("use one of none, backbone, conv1, bn1, layer1, layer2, layer3, layer4"),
            "{message}"
        );
    }
}

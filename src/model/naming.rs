//! Names of layers, and so of their parameters: kind and number, as people write them in PyTorch (`conv1`, `bn2`, `fc1`).
//!
//! A layer's name depends only on the layers of its own kind before it, so it stays when another kind is put in between.

use std::collections::BTreeMap;

use crate::profile::Layer;

/// Names for layers on one level.
pub(super) fn counted(layers: &[Layer]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    layers
        .iter()
        .map(|layer| {
            let stem = stem(layer);
            let number = seen.entry(stem).and_modify(|n| *n += 1).or_insert(1);
            format!("{stem}{number}")
        })
        .collect()
}

/// Names for the layers of a residual block's body: `layer1.0.conv1`.
pub(super) fn body(block: &str, layers: &[Layer]) -> Vec<String> {
    counted(layers)
        .iter()
        .map(|name| format!("{block}.{name}"))
        .collect()
}

/// Names for the layers of a residual block's shortcut: `layer2.0.downsample.0`.
pub(super) fn shortcut(block: &str, layers: &[Layer]) -> Vec<String> {
    (0..layers.len())
        .map(|index| format!("{block}.downsample.{index}"))
        .collect()
}

fn stem(layer: &Layer) -> &'static str {
    match layer {
        Layer::Conv2d { .. } => "conv",
        Layer::MaxPool2d { .. }
        | Layer::AvgPool2d { .. }
        | Layer::AdaptiveAvgPool2d { .. }
        | Layer::GlobalAvgPool => "pool",
        Layer::Subsample { .. } => "subsample",
        Layer::BatchNorm2d { .. } | Layer::BatchNorm1d { .. } => "bn",
        Layer::Linear { .. } => "fc",
        Layer::Dropout { .. } => "dropout",
        Layer::Flatten => "flatten",
        Layer::Activation { .. } => "act",
        Layer::Residual { .. } => "block",
    }
}

/// A layer's `kind` in a profile.
pub(super) fn kind(layer: &Layer) -> &'static str {
    match layer {
        Layer::Conv2d { .. } => "conv2d",
        Layer::MaxPool2d { .. } => "max-pool2d",
        Layer::AvgPool2d { .. } => "avg-pool2d",
        Layer::GlobalAvgPool => "global-avg-pool",
        Layer::AdaptiveAvgPool2d { .. } => "adaptive-avg-pool2d",
        Layer::Subsample { .. } => "subsample",
        Layer::BatchNorm2d { .. } => "batch-norm2d",
        Layer::BatchNorm1d { .. } => "batch-norm1d",
        Layer::Linear { .. } => "linear",
        Layer::Dropout { .. } => "dropout",
        Layer::Flatten => "flatten",
        Layer::Activation { .. } => "activation",
        Layer::Residual { .. } => "residual",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds in messages are the ones serde reads.
    #[test]
    fn kinds_are_those_of_profiles() {
        let texts = [
            "kind = 'conv2d'\nout_channels = 1\nkernel_size = 1",
            "kind = 'max-pool2d'\nkernel_size = 1",
            "kind = 'avg-pool2d'\nkernel_size = 1",
            "kind = 'global-avg-pool'",
            "kind = 'adaptive-avg-pool2d'\nsize = 7",
            "kind = 'subsample'\nout_channels = 2\nstride = 2",
            "kind = 'batch-norm2d'",
            "kind = 'batch-norm1d'",
            "kind = 'linear'\nout_features = 1",
            "kind = 'dropout'\np = 0.5",
            "kind = 'flatten'",
            "kind = 'activation'\nfunction = 'relu'",
            "kind = 'residual'\nlayers = []",
        ];
        for text in texts {
            let layer: Layer = toml::from_str(text).unwrap();
            assert!(text.contains(&format!("'{}'", kind(&layer))), "{text}");
        }
    }

    #[test]
    fn names_count_by_kind() {
        let layers = [
            Layer::Flatten,
            Layer::Dropout { p: 0.1 },
            Layer::Dropout { p: 0.2 },
        ];
        assert_eq!(counted(&layers), ["flatten1", "dropout1", "dropout2"]);
        assert_eq!(
            shortcut("block1", &layers[..2]),
            ["block1.downsample.0", "block1.downsample.1"]
        );
    }
}

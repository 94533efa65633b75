//! Names of layers, and so of their parameters: kind and number, as people write them in PyTorch (`conv1`, `bn2`,
//! `fc1`).
//!
//! A layer's name depends only on the layers of its own kind before it, so it stays when another kind is put in
//! between.

use std::collections::BTreeMap;

use crate::layers::Layer;

/// Names for layers on one level.
pub(super) fn counted(layers: &[Layer]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    layers
        .iter()
        .map(|layer| {
            let stem = layer.kind().facts().stem;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Dropout, Flatten};

    #[test]
    fn names_count_by_kind() {
        let layers = [
            Layer::Flatten(Flatten {}),
            Layer::Dropout(Dropout { p: 0.1 }),
            Layer::Dropout(Dropout { p: 0.2 }),
        ];
        assert_eq!(counted(&layers), ["flatten1", "dropout1", "dropout2"]);
        assert_eq!(
            shortcut("block1", &layers[..2]),
            ["block1.downsample.0", "block1.downsample.1"]
        );
    }
}

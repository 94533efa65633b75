//! A network whose layers stand in the profile.

use super::{Blueprint, Definition, Field};
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition {
    uses: |_| &[Field::Layers],
    ..Definition::plain("custom", layers)
}];

fn layers(model: &Model, _: usize) -> Blueprint {
    Blueprint::counted(model.layers.clone())
}

/// Refuses a network of no layers.
pub(super) fn check(layers: &[Layer]) -> Result<()> {
    if !layers.is_empty() {
        return Ok(());
    }
    Err(Error::input(
        "model.layers",
        "a custom network needs at least one layer",
        "add [[model.layers]] entries, such as kind = \"flatten\" and kind = \"linear\"",
    ))
}

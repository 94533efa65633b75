//! A network whose layers stand in the profile.

use super::{Blueprint, Definition, Field};
use crate::error::{Error, Result};
use crate::layers::{self, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition {
    uses: |_| &[Field::Layers],
    ..Definition::plain("custom", layers)
}];

fn layers(model: &Model, _: usize) -> Blueprint {
    Blueprint::counted(model.layers.clone())
}

/// Refuses a network of no layers, and one of too many.
pub(super) fn check(layers: &[Layer]) -> Result<()> {
    let refused = |problem: String, remedy| Err(Error::input("model.layers", problem, remedy));
    let (count, most) = (layers::count(layers), layers::MOST);
    match count {
        0 => refused(
            "a custom network needs at least one layer".into(),
            "add [[model.layers]] entries, such as kind = \"flatten\" and kind = \"linear\"",
        ),
        count if count > most => refused(
            format!("{count} layers are more than the {most} that are allowed"),
            "use fewer layers",
        ),
        _ => Ok(()),
    }
}

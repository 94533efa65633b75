//! A network whose layers stand in the profile.

use super::{Blueprint, Definition, Field};
use crate::error::{Error, Result};
use crate::layers;
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition {
    uses: |_| &[Field::Layers],
    ..Definition::plain("custom", layers)
}];

fn layers(model: &Model, _: usize) -> Result<Blueprint> {
    let refused = |problem: String, remedy| Err(Error::input("model.layers", problem, remedy));
    if model.layers.is_empty() {
        return refused(
            "a custom network needs at least one layer".into(),
            "add [[model.layers]] entries, such as kind = \"flatten\" and kind = \"linear\"",
        );
    }
    let (count, most) = (layers::count(&model.layers), layers::MOST);
    if count > most {
        return refused(
            format!("{count} layers are more than the {most} that are allowed"),
            "use fewer layers",
        );
    }
    Ok(Blueprint::counted(model.layers.clone()))
}

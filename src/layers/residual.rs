//! Layers whose result is added to what goes past them.

use serde::{Deserialize, Serialize};

use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Shape, weightless};

/// Residual blocks may lie this deep in one another.
pub(super) const DEEPEST: usize = 4;

/// output = activation(layers(x) + shortcut(x)); an empty shortcut is the identity, and so are layers of an activation
/// `none`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    pub layers: Vec<Layer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<Layer>,
    #[serde(default, skip_serializing_if = "Activation::is_none")]
    pub activation: Activation,
}

impl Residual {
    /// Refuses a block in `depth` others that lies too deep or has no layers, before anything inside is looked at.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn enter(&self, depth: usize) -> Result<(), Fault> {
        if depth >= DEEPEST {
            return Err(Fault::new(
                format!("residual blocks are nested more than {DEEPEST} deep"),
                "nest less",
            ));
        }
        if self.layers.is_empty() {
            return Err(Fault::new(
                "has no layers to add to its shortcut",
                "add some to its layers",
            ));
        }
        Ok(())
    }
}

fn through(layers: &[Layer], input: Shape) -> Result<Shape, Fault> {
    layers
        .iter()
        .try_fold(input, |shape, layer| layer.kind().output(shape))
}

/// Its own properties; the layers inside have theirs.
impl Kind for Residual {
    fn facts(&self) -> Facts {
        Facts {
            stem: "block",
            // Applied along with the sum.
            activation: Activation::None,
            ends_stage: false,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&self.layers, &self.shortcut]
    }

    fn label(&self) -> String {
        if self.activation.is_none() {
            return "residual".into();
        }
        format!("residual · {}", self.activation.name())
    }

    fn check(&self) -> Result<(), OutOfRange> {
        Ok(())
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        let output = through(&self.layers, input)?;
        let other = through(&self.shortcut, input)?;
        if output == other {
            return Ok(output);
        }
        let what = if self.shortcut.is_empty() {
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
        Err(Fault::new(
            format!("its layers give {output} but {what} {other}"),
            remedy,
        ))
    }

    weightless!();
}

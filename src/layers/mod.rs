//! Kinds of layers, one file each: its form in a profile, bounds, shape rule, arrays, cost and label.
//!
//! Plain data that knows no tensor. What a kind computes lies in `nn/<kind>.rs` and in the plan's compiler.

mod activation;
mod conv;
mod dropout;
mod fault;
mod flatten;
mod kinds;
pub mod layer_norm;
mod linear;
pub(crate) mod norm;
mod parameter;
mod pool;
mod residual;
mod shape;
mod subsample;
mod window;

pub use activation::Activation;
pub use fault::{Fault, OutOfRange};
pub use kinds::*;
pub use linear::WIDEST;
pub use norm::BatchNorm;
pub use parameter::{Parameter, Start};
pub use pool::Pool;
pub use shape::Shape;

use crate::error::{Error, Result};
use residual::DEEPEST;

/// What every kind of layer has to answer. Layers inside of one answer for themselves, and nothing has a default.
pub trait Kind {
    fn facts(&self) -> Facts;

    /// The layers inside of it: its own and those of a shortcut past them.
    fn inside(&self) -> [&[Layer]; 2];

    /// As the summary shows it, such as `conv 3×3 p1`: stride as `s2` and padding as `p1` where they are not the usual
    /// ones.
    fn label(&self) -> String;

    /// The range of each of its numbers.
    ///
    /// # Errors
    /// The first number that is out of its range.
    fn check(&self) -> std::result::Result<(), OutOfRange>;

    /// The shape that it makes of its input's, where [`check`](Self::check) has passed it.
    ///
    /// # Errors
    /// What does not fit and how to mend it.
    fn output(&self, input: Shape) -> std::result::Result<Shape, Fault>;

    /// The arrays that it owns, in PyTorch's order.
    fn parameters(&self, input: Shape) -> Vec<Parameter>;

    /// Of one image, forward. Counted as usual: products with weights, without biases. Saturates instead of
    /// overflowing.
    fn multiply_adds(&self, input: Shape, output: Shape) -> u64;
}

/// What is to be known of a kind beside what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the names of its layers begin with, as people write them in PyTorch (`conv1`, `bn2`, `fc1`).
    pub stem: &'static str,
    /// Applied to its output, by a layer of its own.
    pub activation: Activation,
    /// Whether it goes along with the layer before it, where that is frozen.
    pub ends_stage: bool,
    /// Whether it trains on means over the batch, for which one number a channel is too few.
    pub mixes_images: bool,
    /// Whether the first of its kind begins the head of a network, and what comes before is the backbone.
    pub begins_head: bool,
}

/// The answers of a kind that has no arrays and multiplies with none.
macro_rules! weightless {
    () => {
        fn parameters(&self, _: Shape) -> Vec<crate::layers::Parameter> {
            Vec::new()
        }

        fn multiply_adds(&self, _: Shape, _: Shape) -> u64 {
            0
        }
    };
}
use weightless;

/// The fields of the lists that layers have [inside](Kind::inside).
pub const INSIDE: [&str; 2] = ["layers", "shortcut"];

/// The most layers of a network in a profile, those inside of others too; keeps a slip of the finger from filling
/// memory.
const MOST: usize = 2000;

/// Refuses layers of a profile that are too many, too deep in one another, or have numbers out of their range.
///
/// # Errors
/// `Input` naming the field below `path` and the range.
pub fn check(path: &str, layers: &[Layer]) -> Result<()> {
    check_list(path, layers, 0)?;
    let count = count(layers);
    if count > MOST {
        return Err(Error::input(
            path,
            format!("has {count} layers"),
            format!("give at most {MOST}"),
        ));
    }
    Ok(())
}

fn check_list(path: &str, layers: &[Layer], depth: usize) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::input(
            path,
            format!("nests residual blocks more than {DEEPEST} deep"),
            "put the blocks one after the other",
        ));
    }
    for (i, layer) in layers.iter().enumerate() {
        let path = format!("{path}[{i}]");
        layer.kind().check().map_err(|number| number.at(&path))?;
        for (field, layers) in INSIDE.into_iter().zip(layer.kind().inside()) {
            if !layers.is_empty() {
                check_list(&format!("{path}.{field}"), layers, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// All layers of a list, those inside of others too.
#[must_use]
pub fn count(layers: &[Layer]) -> usize {
    let inside = |layer: &Layer| layer.kind().inside().map(count).iter().sum::<usize>();
    layers.iter().map(|layer| 1 + inside(layer)).sum()
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

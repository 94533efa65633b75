//! Architectures: from a profile's `[model]` to a list of layers with known shapes, and from there to a network.

pub mod architecture;
pub mod architectures;
mod naming;
pub mod perceptron;
pub mod presets;
pub mod resolve;
pub mod summary;

pub use architecture::{Architecture, Node, Op, Shape};
pub use resolve::resolve;

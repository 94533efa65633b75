//! Architectures: from a profile's `[model]` to a list of layers with known shapes, and from there to a network.

pub mod architecture;
pub mod network;

pub use architecture::{Architecture, Node, Op, Shape};
pub use network::{Mode, Network};

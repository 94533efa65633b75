//! Architectures: from a profile's `[model]` to a list of layers with known shapes, and from there to a network.

pub mod architecture;
pub mod architectures;
pub mod freeze;
pub mod lr_multipliers;
pub mod mlp_scratch;
mod naming;
pub mod network;
pub mod perceptron;
pub mod presets;
pub mod pretrained;
pub mod resolve;
pub mod summary;

pub use crate::layers::Shape;
pub use crate::nn::Mode;
pub use architecture::{Architecture, Node};
pub use network::Network;
pub use resolve::resolve;

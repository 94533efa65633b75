//! Architectures: from a profile's `[model]` to a list of layers with known shapes, and from there to a network.

pub(crate) mod architecture;
pub(crate) mod architectures;
pub mod freeze;
pub(crate) mod lr_multipliers;
pub(crate) mod mlp_scratch;
mod naming;
pub(crate) mod network;
pub(crate) mod perceptron;
pub mod presets;
pub(crate) mod pretrained;
pub(crate) mod resolve;
pub(crate) mod summary;

pub use crate::layers::Shape;
pub use crate::nn::Mode;
pub use architecture::{Architecture, Node};
pub use network::Network;
pub use resolve::resolve;

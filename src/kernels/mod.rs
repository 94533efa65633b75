//! The numeric kernels training runs on: convolution, linear layers, pooling, normalisation, activations, losses, optimizers.
//!
//! Plain functions on contiguous slices, image tensors in NCHW order. [`cpu`] is the fast version, [`reference`](mod@reference) the readable
//! one that every fast version is held to. Deliberately knows nothing of layers, parameters, tensors or autograd.

pub mod cpu;
pub mod reference;
pub mod shape;

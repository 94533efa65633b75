//! The things that learn: through autograd, by hand, by the perceptron rule.

pub mod graph;
pub mod perceptron;
pub mod scratch;

//! Named arrays: weights, statistics and moments, whatever device they came from. Plain data.

use std::collections::BTreeMap;

/// An array of state.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Named arrays in name order.
pub type StateDict = BTreeMap<String, Array>;

/// Names and shapes of arrays, in name order.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// The shapes of arrays.
#[must_use]
pub fn shapes(state: &StateDict) -> Shapes {
    let shape = |(name, array): (&String, &Array)| (name.clone(), array.shape.clone());
    state.iter().map(shape).collect()
}

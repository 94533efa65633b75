//! Training: the loop, what learns in it, evaluation and checkpoints. Prints nothing and knows no screen.

pub mod learner;

pub use learner::{Array, Learner, StateDict, StepOutcome, Update};

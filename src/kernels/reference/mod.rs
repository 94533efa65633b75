//! The readable version of every kernel: one loop per index, sums in f64, single-threaded.
//!
//! Generic over f32 and f64, so that a fast kernel is compared on its own input and a gradient is checked by finite
//! differences in f64. Deliberately slow; nothing but tests and documentation depends on it.

pub mod conv;
pub mod elementwise;
#[cfg(test)]
mod gradients;
pub mod linear;
pub mod loss;
pub mod norm;
pub mod optimizer;
pub mod pool;

/// A number a reference kernel reads and writes; all arithmetic is in f64.
pub trait Real: Copy {
    /// The value in f64.
    fn get(self) -> f64;
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    fn get(self) -> f64 {
        f64::from(self)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to f32 is the point"
    )]
    fn of(value: f64) -> Self {
        value as Self
    }
}

impl Real for f64 {
    fn get(self) -> f64 {
        self
    }

    fn of(value: f64) -> Self {
        value
    }
}

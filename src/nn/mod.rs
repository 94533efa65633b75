//! The pieces networks are made of: layers with their own forward and backward, losses, named parameters,
//! initialisation, devices.
//!
//! On the CPU the layers run `kernels::cpu` as Candle custom operations; on other devices they are composed of Candle's
//! operations (`composed`, beside each). Knows the kinds of [`layers`](crate::layers), but no architecture, no profile
//! beyond its enums, and no training loop.

pub mod activation;
pub mod conv;
pub mod device;
pub mod dropout;
mod flatten;
pub(crate) mod forward;
pub(crate) mod init;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod norm;
pub(crate) mod parameters;
pub mod pool;
pub mod resample;
mod residual;
mod slices;
pub(crate) mod state;
pub mod statistics;
pub(crate) mod tape;
mod taps;

pub use forward::Mode;
pub use parameters::Parameters;
pub use state::{Array, StateDict};
pub use tape::Tape;

use crate::error::{Error, Result};

/// Turns Candle's failures into the core's.
pub(crate) trait During<T> {
    /// Names what was being done.
    fn during(self, doing: &str) -> Result<T>;
}

impl<T> During<T> for candle_core::Result<T> {
    fn during(self, doing: &str) -> Result<T> {
        self.map_err(|e| Error::compute(doing, e))
    }
}

//! A map as a vector: the same numbers in another shape.

use candle_core::Tensor;

use super::forward::{Forward, Pass, Site};
use crate::error::Result;
use crate::layers::{Activation, Flatten};

impl Forward for Flatten {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> Result<Tensor> {
        let shape = (x.dims()[0], site.output.elements());
        site.named(pass.tape.reshape(x, shape))
    }
}

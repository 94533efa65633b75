//! The sum of a block's layers and its shortcut.

use candle_core::Tensor;

use super::activation::activate;
use super::forward::{Forward, Pass, Site};
use crate::error::Result;
use crate::layers::{Activation, Residual};

impl Forward for Residual {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> Result<Tensor> {
        let [body, shortcut] = (site.branches)(pass, x)?;
        let sum = pass.tape.add(&body, &shortcut);
        site.named(sum.and_then(|sum| activate(pass.tape, &sum, self.activation)))
    }
}

//! Dropout whose mask is a pure function of (seed, layer, step): nothing to save, the same on every device.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::forward::{Forward, Mode, Pass, Site};
use super::{Tape, slices};
use crate::error;
use crate::kernels::cpu::elementwise;
use crate::layers::{self, Activation};
use crate::rng::{Purpose, Stream};

/// The stream of one layer's mask at one step; layers are told apart by the upper bits of the place.
#[must_use]
pub fn stream(seed: u64, layer: usize, step: u64) -> Stream {
    let layer = u64::try_from(layer).unwrap_or(u64::MAX);
    Stream::new(seed, Purpose::Dropout, (layer << 40) ^ step)
}

/// Zeroes each number with probability `p` and scales the others by 1/(1−p).
///
/// **Reference** `torch.nn.functional.dropout` in training mode (another generator).
///
/// # Errors
/// When p is outside [0, 1) or the device fails.
pub fn dropout(tape: &Tape, x: &Tensor, p: f64, stream: Stream) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        bail!("dropout with p = {p}; it must be at least 0 and below 1");
    }
    if p == 0.0 {
        return Ok(x.clone());
    }
    if x.device().is_cpu() {
        return tape.op1(x, Dropout { p, stream });
    }
    let mut mask = vec![0.0; x.elem_count()];
    elementwise::dropout(&vec![1.0; mask.len()], &stream, p, &mut mask);
    x * Tensor::from_vec(mask, x.shape(), x.device())?
}

impl Forward for layers::Dropout {
    fn takes(&self, _: Activation) -> bool {
        false
    }

    fn forward(&self, pass: &mut Pass<'_>, site: &Site<'_>, x: &Tensor) -> error::Result<Tensor> {
        let number = pass.dropouts;
        pass.dropouts += 1;
        let Mode {
            training,
            step,
            seed,
        } = pass.mode;
        if !training {
            return Ok(x.clone());
        }
        site.named(dropout(pass.tape, x, self.p, stream(seed, number, step)))
    }
}

struct Dropout {
    p: f64,
    stream: Stream,
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slices::of(x, layout)?;
        let mut y = vec![0.0; x.len()];
        elementwise::dropout(x, &self.stream, self.p, &mut y);
        Ok(slices::output(y, layout.shape()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        elementwise::dropout(&slices::read(&dy)?, &self.stream, self.p, &mut dx);
        slices::tensor(dx, x.shape()).map(Some)
    }
}

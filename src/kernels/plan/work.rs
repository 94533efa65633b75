//! The kinds of work a plan is made of: each names its operands and writes one buffer.

use std::ops::Range;

use crate::kernels::cpu::lanes::LANES;
pub use crate::kernels::cpu::lanes::conv::{Conv, Geometry};
pub use crate::kernels::cpu::lanes::pointwise::is_gate;
pub use crate::kernels::cpu::lanes::pool::Pool;
pub use crate::kernels::cpu::lanes::resample::Resample;
use crate::profile::Activation;

/// A place in the plan's memory: every block has its own stretch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub(in crate::kernels) id: usize,
    /// Numbers of one block.
    pub(in crate::kernels) size: usize,
}

impl Buffer {
    /// Numbers of one block.
    #[must_use]
    pub fn size(self) -> usize {
        self.size
    }
}

/// Weights by their place among all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    pub start: usize,
    pub len: usize,
}

impl Weights {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// A convolution's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    pub weight: Weights,
    pub bias: Option<Weights>,
}

/// A batch normalisation's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Its number among the plan's normalisations.
    pub index: usize,
    pub channels: usize,
    pub gamma: Weights,
    pub beta: Weights,
}

/// One piece of work. Maps are buffers in lanes: `[pixels][channels][32]`.
#[derive(Clone, Debug)]
pub enum Work {
    /// The batch's pictures into lanes, and as rows where a weight gradient wants those.
    Load {
        channels: usize,
        pixels: usize,
        rows: Option<Buffer>,
        to: Buffer,
    },
    /// y = f(x ∗ w + bias).
    Conv {
        conv: Box<Conv>,
        kernel: Kernel,
        activation: Activation,
        x: Buffer,
        y: Buffer,
    },
    /// dx = the gradient through a convolution, or added to what dx holds.
    ConvBack {
        conv: Box<Conv>,
        kernel: Kernel,
        add: bool,
        dy: Buffer,
        dx: Buffer,
    },
    /// Each pixel turned over, for a convolution whose weight gradient wants it.
    Turn {
        channels: usize,
        x: Buffer,
        turned: Buffer,
    },
    /// The gradients to a convolution's weights and biases, over all blocks.
    ConvWeights {
        conv: Box<Conv>,
        kernel: Kernel,
        /// Turned over where the convolution wants it.
        x: Buffer,
        dy: Buffer,
    },
    /// A block's moments of every channel.
    Moments {
        norm: Norm,
        x: Buffer,
    },
    /// y = f(γ·(x − mean)/deviation + β) with the batch's moments.
    Normalise {
        norm: Norm,
        relu: bool,
        x: Buffer,
        y: Buffer,
    },
    /// A block's sums of the gradient and of its product with x.
    GradientSums {
        norm: Norm,
        x: Buffer,
        dy: Buffer,
    },
    /// The input's gradient, from the batch's sums; `dx` may be `dy`.
    NormaliseBack {
        norm: Norm,
        x: Buffer,
        dy: Buffer,
        dx: Buffer,
    },
    /// y = f(γ·(x − running mean)/running deviation + β).
    Affine {
        norm: Norm,
        relu: bool,
        x: Buffer,
        y: Buffer,
    },
    Activate {
        activation: Activation,
        x: Buffer,
        y: Buffer,
    },
    ActivateBack {
        activation: Activation,
        x: Buffer,
        y: Buffer,
        dy: Buffer,
        dx: Buffer,
    },
    /// dx = dy · f′, from the result y; `dx` may be `dy`.
    Gate {
        activation: Activation,
        y: Buffer,
        dy: Buffer,
        dx: Buffer,
    },
    MaxPool {
        pool: Pool,
        x: Buffer,
        y: Buffer,
    },
    MaxPoolBack {
        pool: Pool,
        x: Buffer,
        y: Buffer,
        dy: Buffer,
        dx: Buffer,
    },
    MeanPool {
        pool: Pool,
        x: Buffer,
        y: Buffer,
    },
    MeanPoolBack {
        pool: Pool,
        dy: Buffer,
        dx: Buffer,
    },
    /// Weightless sums of pixels.
    Resample {
        resample: Resample,
        x: Buffer,
        y: Buffer,
    },
    ResampleBack {
        resample: Resample,
        dy: Buffer,
        dx: Buffer,
    },
    /// y[channel][pixel] = x[pixel][channel], of so many: a map as PyTorch flattens it. With both turned about, the way back.
    Reorder {
        channels: usize,
        pixels: usize,
        x: Buffer,
        y: Buffer,
    },
    /// y = x where the mask keeps it; forward and back are the same.
    Dropout {
        /// Number among the network's dropout layers.
        layer: usize,
        p: f64,
        channels: usize,
        x: Buffer,
        y: Buffer,
    },
    /// y = f(a + b).
    Add {
        activation: Activation,
        a: Buffer,
        b: Buffer,
        y: Buffer,
    },
    /// to = to + from.
    Accumulate {
        from: Buffer,
        to: Buffer,
    },
    /// The loss of the logits, and its gradient.
    Loss {
        logits: Buffer,
        gradient: Buffer,
    },
}

/// How a piece of work is cut up.
pub(super) enum Cut {
    /// Every block into so many units.
    Blocks(usize),
    /// Not by blocks: it needs them all.
    Whole,
}

/// Channels that the sums of a normalisation are cut into.
const CHANNEL_UNIT: usize = 16;

impl Work {
    pub(super) fn cut(&self) -> Cut {
        Cut::Blocks(match self {
            Self::ConvWeights { .. } => return Cut::Whole,
            Self::Conv { conv, .. } => conv.forward_units(),
            Self::ConvBack { conv, .. } => conv.backward_units(),
            Self::Turn { channels, x, .. } => x.size / (channels * LANES),
            Self::Moments { norm, .. } | Self::GradientSums { norm, .. } => {
                norm.channels.div_ceil(CHANNEL_UNIT)
            }
            Self::Normalise { norm, x, .. }
            | Self::NormaliseBack { norm, x, .. }
            | Self::Affine { norm, x, .. } => x.size / (norm.channels * LANES),
            Self::MaxPool { pool, .. } | Self::MeanPool { pool, .. } => pool.forward_units(),
            Self::MaxPoolBack { pool, .. } | Self::MeanPoolBack { pool, .. } => {
                pool.backward_units()
            }
            Self::Load { .. }
            | Self::Dropout { .. }
            | Self::Resample { .. }
            | Self::ResampleBack { .. }
            | Self::Reorder { .. }
            | Self::Loss { .. } => 1,
            Self::Activate { x, .. } | Self::ActivateBack { x, .. } => lines(*x),
            Self::Gate { y, .. } | Self::Add { y, .. } => lines(*y),
            Self::Accumulate { to, .. } => lines(*to),
        })
    }

    /// Whether it reads what other blocks' work before it wrote.
    pub(super) fn needs_all_blocks(&self) -> bool {
        matches!(
            self,
            Self::Normalise { .. } | Self::NormaliseBack { .. } | Self::ConvWeights { .. }
        )
    }

    /// The buffers it reads or writes.
    pub(super) fn buffers(&self) -> Vec<Buffer> {
        match self {
            Self::Load { rows, to, .. } => rows.iter().chain([to]).copied().collect(),
            Self::Moments { x, .. } => vec![*x],
            Self::Conv { x, y, .. }
            | Self::Normalise { x, y, .. }
            | Self::Affine { x, y, .. }
            | Self::Activate { x, y, .. }
            | Self::MaxPool { x, y, .. }
            | Self::MeanPool { x, y, .. }
            | Self::Resample { x, y, .. }
            | Self::Reorder { x, y, .. }
            | Self::Dropout { x, y, .. } => vec![*x, *y],
            Self::Turn { x, turned, .. } => vec![*x, *turned],
            Self::ConvBack { dy, dx, .. }
            | Self::MeanPoolBack { dy, dx, .. }
            | Self::ResampleBack { dy, dx, .. } => vec![*dy, *dx],
            Self::ConvWeights { x, dy, .. } | Self::GradientSums { x, dy, .. } => vec![*x, *dy],
            Self::NormaliseBack { x, dy, dx, .. } => vec![*x, *dy, *dx],
            Self::ActivateBack { x, y, dy, dx, .. } | Self::MaxPoolBack { x, y, dy, dx, .. } => {
                vec![*x, *y, *dy, *dx]
            }
            Self::Gate { y, dy, dx, .. } => vec![*y, *dy, *dx],
            Self::Add { a, b, y, .. } => vec![*a, *b, *y],
            Self::Accumulate { from, to } => vec![*from, *to],
            Self::Loss { logits, gradient } => vec![*logits, *gradient],
        }
    }

    /// The numbers of a block that some units of it write: of the buffer [`written`](Self::written).
    pub(super) fn range(&self, units: &Range<usize>) -> Range<usize> {
        let by = |size: usize| units.start * size..units.end * size;
        match self {
            Self::Conv { conv, .. } => conv.forward_range(units),
            Self::ConvBack { conv, .. } => conv.backward_range(units),
            Self::Turn { channels, .. } => by(channels * LANES),
            Self::Normalise { norm, .. }
            | Self::NormaliseBack { norm, .. }
            | Self::Affine { norm, .. } => by(norm.channels * LANES),
            Self::MaxPool { pool, .. } | Self::MeanPool { pool, .. } => pool.forward_range(units),
            Self::MaxPoolBack { pool, .. } | Self::MeanPoolBack { pool, .. } => {
                pool.backward_range(units)
            }
            Self::Activate { y: to, .. }
            | Self::ActivateBack { dx: to, .. }
            | Self::Gate { dx: to, .. }
            | Self::Add { y: to, .. }
            | Self::Accumulate { to, .. } => units.start * LINE..(units.end * LINE).min(to.size),
            Self::Load { to, .. }
            | Self::Dropout { y: to, .. }
            | Self::Resample { y: to, .. }
            | Self::Reorder { y: to, .. }
            | Self::ResampleBack { dx: to, .. } => 0..to.size,
            Self::Loss { gradient, .. } => 0..gradient.size,
            Self::Moments { .. } | Self::GradientSums { .. } | Self::ConvWeights { .. } => 0..0,
        }
    }

    /// The buffer it writes, where it writes one.
    pub(super) fn written(&self) -> Option<Buffer> {
        match self {
            Self::Load { to, .. }
            | Self::Turn { turned: to, .. }
            | Self::Conv { y: to, .. }
            | Self::Normalise { y: to, .. }
            | Self::Affine { y: to, .. }
            | Self::Activate { y: to, .. }
            | Self::MaxPool { y: to, .. }
            | Self::MeanPool { y: to, .. }
            | Self::Resample { y: to, .. }
            | Self::ResampleBack { dx: to, .. }
            | Self::Reorder { y: to, .. }
            | Self::Dropout { y: to, .. }
            | Self::Add { y: to, .. }
            | Self::ConvBack { dx: to, .. }
            | Self::NormaliseBack { dx: to, .. }
            | Self::ActivateBack { dx: to, .. }
            | Self::Gate { dx: to, .. }
            | Self::MaxPoolBack { dx: to, .. }
            | Self::MeanPoolBack { dx: to, .. }
            | Self::Accumulate { to, .. }
            | Self::Loss { gradient: to, .. } => Some(*to),
            Self::Moments { .. } | Self::GradientSums { .. } | Self::ConvWeights { .. } => None,
        }
    }

    /// Channels of some units of [`Moments`](Self::Moments) and [`GradientSums`](Self::GradientSums).
    pub(super) fn channels(norm: &Norm, units: &Range<usize>) -> Range<usize> {
        let end = (units.end * CHANNEL_UNIT).min(norm.channels);
        (units.start * CHANNEL_UNIT).min(end)..end
    }

    /// The work's name in a table of times.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Load { .. } => "load",
            Self::Conv { .. } => "product",
            Self::ConvBack { .. } => "input gradient",
            Self::Turn { .. } => "turn",
            Self::ConvWeights { .. } => "weight gradient",
            Self::Moments { .. } => "moments",
            Self::Normalise { .. } | Self::Affine { .. } => "normalise",
            Self::GradientSums { .. } => "gradient sums",
            Self::NormaliseBack { .. } => "normalise back",
            Self::Activate { .. } => "activation",
            Self::ActivateBack { .. } | Self::Gate { .. } => "activation back",
            Self::MaxPool { .. } | Self::MeanPool { .. } => "pool",
            Self::MaxPoolBack { .. } | Self::MeanPoolBack { .. } => "pool back",
            Self::Resample { .. } => "resample",
            Self::ResampleBack { .. } => "resample back",
            Self::Reorder { .. } => "reorder",
            Self::Dropout { .. } => "dropout",
            Self::Add { .. } | Self::Accumulate { .. } => "sum",
            Self::Loss { .. } => "loss",
        }
    }

    /// The name, and what tells it from others of its kind.
    pub(in crate::kernels) fn label(&self) -> String {
        let name = self.name();
        match self {
            Self::Conv { conv, .. }
            | Self::ConvBack { conv, .. }
            | Self::ConvWeights { conv, .. } => {
                let g = &conv.geometry;
                let (from, to) = (g.in_channels, g.out_channels);
                let (k, height, width) = (g.kernel_height, g.height, g.width);
                let tiled = if conv.tiled() { " in tiles" } else { "" };
                format!("{name} {from}→{to} {k}×{k} on {height}×{width}{tiled}")
            }
            Self::Moments { norm, x }
            | Self::Normalise { norm, x, .. }
            | Self::GradientSums { norm, x, .. }
            | Self::NormaliseBack { norm, x, .. } => {
                let pixels = x.size / (norm.channels * LANES);
                format!("{name} {} × {pixels}", norm.channels)
            }
            _ => format!("{name} {}", self.written().map_or(0, |b| b.size / LANES)),
        }
    }

    /// Multiply-adds for one picture, as they are worked out.
    pub(in crate::kernels) fn multiply_adds(&self) -> usize {
        match self {
            Self::Conv { conv, .. } | Self::ConvWeights { conv, .. } => conv.multiplications()[0],
            Self::ConvBack { conv, .. } => conv.multiplications()[1],
            _ => 0,
        }
    }
}

/// Numbers of a unit of elementwise work.
const LINE: usize = 64 * LANES;

fn lines(buffer: Buffer) -> usize {
    buffer.size.div_ceil(LINE)
}

//! What happens number by number in lanes: biases, activations and their gates, sums, dropout.

use super::{LANES, Row, put, rows_mut};
use crate::kernels::cpu::elementwise;
use crate::kernels::cpu::isa::{Isa, mul_add, per_isa};
use crate::kernels::cpu::math;
use crate::kernels::cpu::simd::per_vector;
use crate::profile::Activation;
use crate::rng::Stream;

/// Slope of leaky ReLU below zero.
const LEAK: f32 = 0.01;

/// Whether an activation's slope follows from its result, so that its input need not be kept.
#[must_use]
pub(crate) fn is_gate(activation: Activation) -> bool {
    !matches!(activation, Activation::Gelu | Activation::Silu)
}

/// y = f(y + bias), a bias a row of lanes.
pub(crate) fn finish(isa: Isa, bias: Option<&[f32]>, activation: Activation, y: &mut [f32]) {
    if let Some(bias) = bias {
        let relu = activation == Activation::Relu;
        add_bias(isa, bias, relu, y);
        if relu {
            return;
        }
    }
    match activation {
        Activation::None => {}
        Activation::Relu => relu(isa, y),
        Activation::LeakyRelu => leaky_relu(isa, y),
        Activation::Tanh => tanh(isa, y),
        Activation::Sigmoid => sigmoid(isa, y),
        Activation::Gelu => gelu(isa, y),
        Activation::Silu => silu(isa, y),
    }
}

/// dy = dy · f′, with f′ from the result y; the activation must be a [gate](is_gate).
pub(crate) fn gate(isa: Isa, activation: Activation, y: &[f32], dy: &mut [f32]) {
    match activation {
        Activation::Relu => relu_gate(isa, y, dy),
        Activation::LeakyRelu => leaky_relu_gate(isa, y, dy),
        Activation::Tanh => tanh_gate(isa, y, dy),
        Activation::Sigmoid => sigmoid_gate(isa, y, dy),
        Activation::None | Activation::Gelu | Activation::Silu => {}
    }
}

/// y = f(x).
pub(crate) fn activate(isa: Isa, activation: Activation, x: &[f32], y: &mut [f32]) {
    elementwise::forward_here(isa, activation, x, y);
}

/// dx = dy · f′(x), with y = f(x).
pub(crate) fn activate_back(
    isa: Isa,
    activation: Activation,
    (x, y): (&[f32], &[f32]),
    dy: &[f32],
    dx: &mut [f32],
) {
    elementwise::backward_here(isa, activation, x, y, dy, dx);
}

per_vector! {
    /// y + bias, then ReLU where asked.
    fn add_bias<V>(bias: &[f32], relu: bool, y: &mut [f32]) {
        for (y, bias) in rows_mut(y).iter_mut().zip(bias) {
            // SAFETY: inside the row; the features are the caller's.
            unsafe {
                let bias = V::splat(*bias);
                for v in 0..LANES / V::LANES {
                    let sum = y.vector::<V>(v).add(bias);
                    put(y, v, if relu { V::zero().max(sum) } else { sum });
                }
            }
        }
    }
}

per_isa! {
    /// to = to + from.
    pub(crate) fn accumulate<FMA>(from: &[f32], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to += *from;
        }
    }
}

per_isa! {
    /// y = a + b.
    pub(crate) fn add<FMA>(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a + *b;
        }
    }
}

/// Functions of one slice in place.
macro_rules! in_place {
    ($($name:ident($x:ident) = $value:expr;)*) => { $(
        per_isa! {
            fn $name<FMA>(x: &mut [f32]) {
                for slot in x {
                    let $x = *slot;
                    *slot = $value;
                }
            }
        }
    )* };
}

in_place! {
    relu(x) = if x < 0.0 { 0.0 } else { x };
    leaky_relu(x) = if x < 0.0 { LEAK * x } else { x };
    tanh(x) = math::tanh::<FMA>(x);
    sigmoid(x) = math::sigmoid::<FMA>(x);
    gelu(x) = x * math::normal::<FMA>(x).0;
    silu(x) = x * math::sigmoid::<FMA>(x);
}

/// Gradients through an activation, from its result.
macro_rules! gates {
    ($($name:ident($y:ident, $dy:ident) = $value:expr;)*) => { $(
        per_isa! {
            fn $name<FMA>(y: &[f32], dy: &mut [f32]) {
                for (slot, $y) in dy.iter_mut().zip(y) {
                    let ($y, $dy) = (*$y, *slot);
                    *slot = $value;
                }
            }
        }
    )* };
}

gates! {
    relu_gate(y, dy) = if y > 0.0 { dy } else { 0.0 };
    leaky_relu_gate(y, dy) = if y > 0.0 { dy } else { LEAK * dy };
    tanh_gate(y, dy) = dy * mul_add::<FMA>(-y, y, 1.0);
    sigmoid_gate(y, dy) = dy * y * (1.0 - y);
}

/// Where a block's numbers stand in the batch as rows of images, which is how a mask is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPosition {
    /// Images before this block.
    pub first_image: usize,
    pub pixels: usize,
    pub channels: usize,
}

/// y = x/(1−p) where the mask keeps it, else 0: the mask of `elementwise::dropout` on the batch in rows of images.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the threshold is in [0, 2²⁴] and the factor is rounded once"
)]
pub(crate) fn dropout(
    isa: Isa,
    places: BlockPosition,
    stream: &Stream,
    p: f64,
    x: &[f32],
    y: &mut [f32],
) {
    let threshold = (p * f64::from(1 << 24)).ceil() as u32;
    let factor = (1.0 / (1.0 - p)) as f32;
    drop_rows(isa, places, stream, threshold, factor, x, y);
}

per_isa! {
    fn drop_rows<FMA>(places: BlockPosition, stream: &Stream, threshold: u32, factor: f32, x: &[f32], y: &mut [f32]) {
        let BlockPosition { first_image, pixels, channels } = places;
        let features = pixels * channels;
        let mut words = [[0u32; LANES]; 4];
        // Four neighbours along an image share a block of random words where images are whole blocks.
        let shared = features.is_multiple_of(4);
        let mut held = None;
        for pixel in 0..pixels {
            for channel in 0..channels {
                let feature = channel * pixels + pixel;
                let of_block = (feature / 4, shared);
                if held != Some(of_block) || !shared {
                    for lane in 0..LANES {
                        let at = (first_image + lane) * features + feature;
                        let block = stream.block(at as u64 / 4);
                        for (words, word) in words.iter_mut().zip(block) {
                            words[lane] = word;
                        }
                    }
                    held = Some(of_block);
                }
                let row = (pixel * channels + channel) * LANES;
                let (x, y) = (&x[row..row + LANES], &mut y[row..row + LANES]);
                if shared {
                    for ((y, x), word) in y.iter_mut().zip(x).zip(&words[feature % 4]) {
                        *y = if word >> 8 >= threshold { *x * factor } else { 0.0 };
                    }
                } else {
                    for (lane, (y, x)) in y.iter_mut().zip(x).enumerate() {
                        let at = (first_image + lane) * features + feature;
                        let word = words[at % 4][lane];
                        *y = if word >> 8 >= threshold { *x * factor } else { 0.0 };
                    }
                }
            }
        }
    }
}

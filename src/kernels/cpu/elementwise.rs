//! Activations, dropout and sums.
//!
//! tanh, sigmoid, GELU and their derivatives come from `math`: within 1e-6 of the exact value, and the same bits
//! wherever in a slice a number stands. NaN goes through every one of them.

use super::isa::{Isa, isa, mul_add, per_isa};
use super::{math, pieces};
use crate::profile::Activation;
use crate::rng::Stream;

/// Slope of leaky ReLU below zero.
const LEAK: f32 = 0.01;

/// A loop over x or y, dy and dx.
type Backward = fn(Isa, &[f32], &[f32], &mut [f32]);

/// y = f(x).
///
/// # Panics
/// When the lengths differ.
pub(crate) fn forward(activation: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    let isa = isa();
    pieces::for_each(y, |start, y| {
        forward_here(isa, activation, &x[start..start + y.len()], y);
    });
}

/// [`forward`] on this thread.
pub(super) fn forward_here(isa: Isa, activation: Activation, x: &[f32], y: &mut [f32]) {
    let apply = match activation {
        Activation::None => |_: Isa, x: &[f32], y: &mut [f32]| y.copy_from_slice(x),
        Activation::Relu => relu,
        Activation::LeakyRelu => leaky_relu,
        Activation::Gelu => gelu,
        Activation::Silu => silu,
        Activation::Tanh => tanh,
        Activation::Sigmoid => sigmoid,
    };
    apply(isa, x, y);
}

/// dx = dy · f′(x), with y = f(x) as [`forward`] wrote it; ReLU's slope at 0 is 0.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn backward(activation: Activation, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(x.len() == y.len() && dy.len() == x.len() && dx.len() == x.len());
    let isa = isa();
    pieces::for_each(dx, |start, dx| {
        let part = start..start + dx.len();
        let (x, y) = (&x[part.clone()], &y[part.clone()]);
        backward_here(isa, activation, x, y, &dy[part], dx);
    });
}

/// [`backward`] on this thread.
pub(super) fn backward_here(
    isa: Isa,
    activation: Activation,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    // What the derivative is cheapest from: the input or the output.
    let (apply, from): (Backward, _) = match activation {
        Activation::None => (|_, _, dy, dx| dx.copy_from_slice(dy), x),
        Activation::Relu => (relu_back, x),
        Activation::LeakyRelu => (leaky_relu_back, x),
        Activation::Gelu => (gelu_back, x),
        Activation::Silu => (silu_back, x),
        Activation::Tanh => (tanh_back, y),
        Activation::Sigmoid => (sigmoid_back, y),
    };
    apply(isa, from, dy, dx);
}

/// y = x/(1−p) where `stream.uniform(i) ≥ p`, else 0.
///
/// Linear in x: the gradient is the same call on dy.
///
/// # Panics
/// When the lengths differ or p is not in [0, 1).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the threshold is in [0, 2²⁴] and the factor is rounded once"
)]
pub(crate) fn dropout(x: &[f32], stream: &Stream, p: f64, y: &mut [f32]) {
    assert!(x.len() == y.len() && (0.0..1.0).contains(&p));
    // Uniform numbers are multiples of 2⁻²⁴: comparing the integers is comparing the numbers.
    let threshold = (p * f64::from(1 << 24)).ceil() as u32;
    let factor = (1.0 / (1.0 - p)) as f32;
    let isa = isa();
    pieces::for_each(y, |start, y| {
        let x = &x[start..start + y.len()];
        drop_piece(isa, x, stream, start as u64 / 4, threshold, factor, y);
    });
}

per_isa! {
    /// Dropout from block number `first` of the stream on, sixteen blocks at a time to fill vectors.
    fn drop_piece<FMA>(x: &[f32], stream: &Stream, first: u64, threshold: u32, factor: f32, y: &mut [f32]) {
        const BLOCKS: usize = 16;
        let mut words = [[0; BLOCKS]; 4];
        for (group, (x, y)) in (0..).zip(x.chunks(4 * BLOCKS).zip(y.chunks_mut(4 * BLOCKS))) {
            for i in 0..BLOCKS {
                let block = stream.block(first + group * BLOCKS as u64 + i as u64);
                for (words, word) in words.iter_mut().zip(block) {
                    words[i] = word;
                }
            }
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                let word = words[i % 4][i / 4];
                *y = if word >> 8 >= threshold { x * factor } else { 0.0 };
            }
        }
    }
}

/// Functions of one slice, or of one slice and the output's gradient, number by number.
macro_rules! elementwise {
    ($($name:ident($x:ident $(, $dy:ident)?) = $value:expr;)*) => { $(
        per_isa! {
            fn $name<FMA>(x: &[f32], $($dy: &[f32],)? y: &mut [f32]) {
                elementwise!(@loop x, y, $x $(, $dy)?, $value);
            }
        }
    )* };
    (@loop $xs:ident, $ys:ident, $x:ident, $value:expr) => {
        for (slot, $x) in $ys.iter_mut().zip($xs) {
            let $x = *$x;
            *slot = $value;
        }
    };
    (@loop $xs:ident, $ys:ident, $x:ident, $dy:ident, $value:expr) => {
        for ((slot, $x), $dy) in $ys.iter_mut().zip($xs).zip($dy) {
            let ($x, $dy) = (*$x, *$dy);
            *slot = $value;
        }
    };
}

elementwise! {
    relu(x) = if x < 0.0 { 0.0 } else { x };
    leaky_relu(x) = if x < 0.0 { LEAK * x } else { x };
    gelu(x) = x * math::normal::<FMA>(x).0;
    silu(x) = x * math::sigmoid::<FMA>(x);
    tanh(x) = math::tanh::<FMA>(x);
    sigmoid(x) = math::sigmoid::<FMA>(x);
    relu_back(x, dy) = if x > 0.0 { dy } else { 0.0 };
    leaky_relu_back(x, dy) = if x > 0.0 { dy } else { LEAK * dy };
    gelu_back(x, dy) = {
        let (cumulative, density) = math::normal::<FMA>(x);
        dy * mul_add::<FMA>(x, density, cumulative)
    };
    silu_back(x, dy) = {
        let s = math::sigmoid::<FMA>(x);
        dy * s * mul_add::<FMA>(x, 1.0 - s, 1.0)
    };
    tanh_back(y, dy) = dy * mul_add::<FMA>(-y, y, 1.0);
    sigmoid_back(y, dy) = dy * y * (1.0 - y);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
    use super::*;
    use crate::kernels::reference;
    use crate::rng::Purpose;

    /// From −100 to 100, dense around zero, with the numbers where something changes.
    fn inputs() -> Vec<f32> {
        let dense = numbers(5000, 1).into_iter().map(|v| v * v * v * 12.0);
        let wide = (-1000..=1000).map(|i| i as f32 * 0.1);
        let special = [
            0.0,
            -0.0,
            0.625,
            -0.625,
            1e-20,
            -1e-20,
            88.5,
            -88.5,
            f32::MAX,
        ];
        dense.chain(wide).chain(special).collect()
    }

    #[test]
    fn every_activation_agrees_with_the_reference() {
        let x = inputs();
        let dy = numbers(x.len(), 2);
        for_each_isa(|isa| {
            for activation in Activation::ALL {
                let (mut y, mut dx) = (vec![9.0; x.len()], vec![9.0; x.len()]);
                forward(activation, &x, &mut y);
                backward(activation, &x, &y, &dy, &mut dx);
                let (mut exact_y, mut exact_dx) = (y.clone(), dx.clone());
                reference::elementwise::forward(activation, &x, &mut exact_y);
                reference::elementwise::backward(activation, &x, &dy, &mut exact_dx);
                for i in 0..x.len() {
                    let what = format!("{activation:?} at {} with {isa:?}", x[i]);
                    let error = (y[i] - exact_y[i]).abs();
                    assert!(error <= 1e-6 * exact_y[i].abs().max(1.0), "{what}: {error}");
                    let error = (dx[i] - exact_dx[i]).abs();
                    assert!(error <= 2e-6, "derivative of {what}: {error}");
                }
            }
        });
    }

    #[test]
    fn results_do_not_depend_on_the_position() {
        for_each_isa(|_| {
            for activation in Activation::ALL {
                let x = [0.7; 101];
                let mut y = [0.0; 101];
                forward(activation, &x, &mut y);
                assert!(y.iter().all(|v| v.to_bits() == y[0].to_bits()));
            }
        });
    }

    #[test]
    fn not_a_number_stays_so() {
        for_each_isa(|_| {
            for activation in Activation::ALL {
                let mut y = [0.0; 20];
                forward(activation, &[f32::NAN; 20], &mut y);
                assert!(y.iter().all(|v| v.is_nan()), "{activation:?}");
            }
        });
    }

    #[test]
    fn dropout_is_the_references_and_keeps_its_share() {
        let stream = Stream::new(3, Purpose::Dropout, 1);
        let x = vec![1.0; 50_003];
        for p in [0.0, 0.1, 0.5, 0.9] {
            let (mut y, mut expected) = (vec![9.0; x.len()], vec![0.0; x.len()]);
            dropout(&x, &stream, p, &mut y);
            reference::elementwise::dropout(&x, &stream, p, &mut expected);
            assert_close(&y, &expected, 1e-7, "dropout");
            let kept = y.iter().filter(|v| **v > 0.0).count() as f64 / 50_003.0;
            assert!((kept - (1.0 - p)).abs() < 0.01);
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let (x, stream) = (numbers(70_001, 1), Stream::new(3, Purpose::Dropout, 1));
        assert_thread_invariant(|| {
            let mut y = vec![0.0; 2 * x.len()];
            forward(Activation::Tanh, &x, &mut y[..x.len()]);
            dropout(&x, &stream, 0.3, &mut y[x.len()..]);
            y
        });
    }
}

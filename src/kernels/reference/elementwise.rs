//! Activations, dropout and sums, one number at a time.

use super::Real;
use crate::profile::Activation;
use crate::rng::Stream;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// y = f(x).
pub fn forward<T: Real>(activation: Activation, x: &[T], y: &mut [T]) {
    for (out, value) in y.iter_mut().zip(x) {
        *out = T::of(function(activation, value.get()));
    }
}

/// dx = dy · f′(x); ReLU and leaky ReLU have the slope of their negative side at 0.
pub fn backward<T: Real>(activation: Activation, x: &[T], dy: &[T], dx: &mut [T]) {
    for (i, out) in dx.iter_mut().enumerate() {
        *out = T::of(dy[i].get() * derivative(activation, x[i].get()));
    }
}

/// y = x/(1−p) where `stream.uniform(i) ≥ p`, else 0; the gradient is the same function of dy.
pub fn dropout<T: Real>(x: &[T], stream: &Stream, p: f64, y: &mut [T]) {
    for (i, (out, value)) in (0..).zip(y.iter_mut().zip(x)) {
        let kept = f64::from(stream.uniform(i)) >= p;
        *out = T::of(if kept { value.get() / (1.0 - p) } else { 0.0 });
    }
}

/// y = a + b.
pub fn add<T: Real>(a: &[T], b: &[T], y: &mut [T]) {
    for (i, out) in y.iter_mut().enumerate() {
        *out = T::of(a[i].get() + b[i].get());
    }
}

fn function(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu if x < 0.0 => 0.0,
        Activation::None | Activation::Relu => x,
        Activation::LeakyRelu => x.max(0.0) + 0.01 * x.min(0.0),
        Activation::Gelu => x * normal_cdf(x),
        Activation::Silu => x * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
    }
}

fn derivative(activation: Activation, x: f64) -> f64 {
    let step = |below| if x > 0.0 { 1.0 } else { below };
    match activation {
        Activation::None => 1.0,
        Activation::Relu => step(0.0),
        Activation::LeakyRelu => step(0.01),
        Activation::Gelu => normal_cdf(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt(),
        Activation::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
        Activation::Tanh => 1.0 - x.tanh().powi(2),
        Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn normal_cdf(x: f64) -> f64 {
    f64::midpoint(1.0, erf(x * FRAC_1_SQRT_2))
}

/// The error function. **Reference**: Abramowitz and Stegun 7.1.6, a series of positive terms.
#[must_use]
pub fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / (2.0 * f64::from(n) + 1.0);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

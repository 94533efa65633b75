//! Every backward here against finite differences of its forward: what the fast kernels are held to is itself held.

use super::{conv, elementwise, linear, loss, norm, pool};
use crate::kernels::shape::{ConvShape, PoolShape};
use crate::profile::Activation;
use crate::rng::{Purpose, Stream};

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut values = vec![0.0; count];
    Stream::new(seed, Purpose::Initialisation, 0).fill_uniform(&mut values, -1.0, 1.0);
    values.into_iter().map(f64::from).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Asserts that `gradient` is that of `value` at `x`, by central differences.
fn assert_gradient(x: &[f64], gradient: &[f64], what: &str, value: impl Fn(&[f64]) -> f64) {
    const STEP: f64 = 1e-5;
    let mut at = x.to_vec();
    assert_eq!(x.len(), gradient.len());
    for i in 0..x.len() {
        at[i] = x[i] + STEP;
        let above = value(&at);
        at[i] = x[i] - STEP;
        let slope = (above - value(&at)) / (2.0 * STEP);
        at[i] = x[i];
        let error = (slope - gradient[i]).abs();
        assert!(
            error < 1e-7 * slope.abs().max(1.0),
            "{what}: {} is not {slope}",
            gradient[i]
        );
    }
}

#[test]
fn convolution() {
    for (kernel, stride, padding) in [(3, 1, 1), (2, 2, 0), (3, 2, 2), (4, 3, 1)] {
        let s = ConvShape {
            batch: 2,
            in_channels: 2,
            height: 5,
            width: 6,
            out_channels: 3,
            kernel,
            stride,
            padding,
        };
        let (x, w, b) = (
            numbers(s.input_len(), 1),
            numbers(s.weights_len(), 2),
            numbers(3, 3),
        );
        let dy = numbers(s.output_len(), 4);
        let value = |x: &[f64], w: &[f64], b: &[f64]| {
            let mut y = vec![0.0; s.output_len()];
            conv::forward(&s, x, w, Some(b), &mut y);
            dot(&y, &dy)
        };
        let (mut dx, mut dw, mut db) = (x.clone(), w.clone(), b.clone());
        conv::backward_input(&s, &dy, &w, &mut dx);
        conv::backward_weights(&s, &x, &dy, &mut dw, Some(&mut db));
        assert_gradient(&x, &dx, "dx", |x| value(x, &w, &b));
        assert_gradient(&w, &dw, "dw", |w| value(&x, w, &b));
        assert_gradient(&b, &db, "db", |b| value(&x, &w, b));
    }
}

#[test]
fn linear_layer() {
    let (batch, inputs, outputs) = (3, 4, 5);
    let (x, w) = (numbers(batch * inputs, 1), numbers(outputs * inputs, 2));
    let (b, dy) = (numbers(outputs, 3), numbers(batch * outputs, 4));
    let value = |x: &[f64], w: &[f64], b: &[f64]| {
        let mut y = dy.clone();
        linear::forward(batch, inputs, outputs, x, w, Some(b), &mut y);
        dot(&y, &dy)
    };
    let (mut dx, mut dw, mut db) = (x.clone(), w.clone(), b.clone());
    linear::backward_input(batch, inputs, outputs, &dy, &w, &mut dx);
    linear::backward_weights(batch, inputs, outputs, &x, &dy, &mut dw, Some(&mut db));
    assert_gradient(&x, &dx, "dx", |x| value(x, &w, &b));
    assert_gradient(&w, &dw, "dw", |w| value(&x, w, &b));
    assert_gradient(&b, &db, "db", |b| value(&x, &w, b));
}

#[test]
fn pooling() {
    for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)] {
        let s = PoolShape {
            planes: 2,
            height: 7,
            width: 6,
            kernel,
            stride,
            padding,
        };
        let x = numbers(s.planes * s.area(), 1);
        let dy = numbers(s.planes * s.out_area(), 2);
        let (mut y, mut argmax) = (dy.clone(), vec![0; dy.len()]);
        let mut dx = x.clone();
        pool::max_forward(&s, &x, &mut y, &mut argmax);
        pool::max_backward(&s, &dy, &argmax, &mut dx);
        assert_gradient(&x, &dx, "max", |x| {
            let (mut y, mut argmax) = (dy.clone(), argmax.clone());
            pool::max_forward(&s, x, &mut y, &mut argmax);
            dot(&y, &dy)
        });
        pool::avg_backward(&s, &dy, &mut dx);
        assert_gradient(&x, &dx, "average", |x| {
            let mut y = dy.clone();
            pool::avg_forward(&s, x, &mut y);
            dot(&y, &dy)
        });
        pool::global_avg_backward(s.area(), &dy[..2], &mut dx);
        assert_gradient(&x, &dx, "global average", |x| {
            let mut y = [0.0; 2];
            pool::global_avg_forward(s.area(), x, &mut y);
            dot(&y, &dy)
        });
    }
}

#[test]
fn batch_normalisation() {
    let (b, c, a) = (3, 2, 4);
    let (x, gamma, beta) = (numbers(b * c * a, 1), numbers(c, 2), numbers(c, 3));
    let dy = numbers(x.len(), 4);
    for relu in [false, true] {
        let forward = |x: &[f64], gamma: &[f64], beta: &[f64]| {
            let (mut y, mut s) = (x.to_vec(), [[0.0; 2]; 3]);
            let [mean, inv, var] = &mut s;
            norm::train_forward(b, c, a, x, gamma, beta, 1e-5, relu, &mut y, mean, inv, var);
            (y, s)
        };
        let value = |x: &[f64], gamma: &[f64], beta: &[f64]| dot(&forward(x, gamma, beta).0, &dy);
        let (_, [mean, inv, _]) = forward(&x, &gamma, &beta);
        let (mut dx, mut dgamma, mut dbeta) = (x.clone(), [0.0; 2], [0.0; 2]);
        norm::backward(
            b,
            c,
            a,
            &x,
            &gamma,
            &beta,
            &mean,
            &inv,
            relu,
            &dy,
            &mut dx,
            &mut dgamma,
            &mut dbeta,
        );
        assert_gradient(&x, &dx, "dx", |x| value(x, &gamma, &beta));
        assert_gradient(&gamma, &dgamma, "dgamma", |g| value(&x, g, &beta));
        assert_gradient(&beta, &dbeta, "dbeta", |b| value(&x, &gamma, b));
    }
}

#[test]
fn activations() {
    let x: Vec<f64> = numbers(60, 1).iter().map(|v| v * 4.0).collect();
    let dy = numbers(60, 2);
    for activation in Activation::ALL {
        let mut dx = x.clone();
        elementwise::backward(activation, &x, &dy, &mut dx);
        assert_gradient(&x, &dx, activation.name(), |x| {
            let mut y = x.to_vec();
            elementwise::forward(activation, x, &mut y);
            dot(&y, &dy)
        });
    }
}

#[test]
fn losses() {
    let (x, labels) = (numbers(12, 1), [2, 0, 1, 2]);
    let mut dx = x.clone();
    for smoothing in [0.0, 0.1] {
        loss::cross_entropy(4, 3, &x, &labels, smoothing, &mut dx);
        assert_gradient(&x, &dx, "cross-entropy", |x| {
            loss::cross_entropy(4, 3, x, &labels, smoothing, &mut x.to_vec())
        });
    }
    loss::mse_one_hot(4, 3, &x, &labels, &mut dx);
    assert_gradient(&x, &dx, "mse", |x| {
        loss::mse_one_hot(4, 3, x, &labels, &mut x.to_vec())
    });
}

/// Values from Python's `math.erf`.
#[test]
fn error_function() {
    for (x, erf) in [
        (0.0, 0.0),
        (0.1, 0.1124629160182849),
        (1.0, 0.8427007929497149),
        (2.5, 0.999593047982555),
        (5.0, 0.9999999999984626),
        (7.0, 1.0),
    ] {
        assert!((elementwise::erf(x) - erf).abs() < 1e-14);
        assert!((elementwise::erf(-x) + erf).abs() < 1e-14);
    }
}

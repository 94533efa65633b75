//! Batch normalisation, channel by channel, two passes.
//!
//! **Reference**: Ioffe and Szegedy, "Batch normalization", 2015; PyTorch's `BatchNorm1d` and `BatchNorm2d`.

#![expect(
    clippy::too_many_arguments,
    reason = "the arguments are the operation's inputs and outputs"
)]
#![expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]

use super::Real;

/// y = γ·(x−mean)·inv\_std + β with the batch's own mean and biased variance, then optionally ReLU.
///
/// **Shape**: x, y `[batch, channels, area]`; everything else `[channels]`. `var_unbiased` (n−1 below) is what running
/// statistics average; for one number per channel it is the biased variance, 0.
pub fn train_forward<T: Real>(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[T],
    gamma: &[T],
    beta: &[T],
    eps: f64,
    relu: bool,
    y: &mut [T],
    mean: &mut [T],
    inv_std: &mut [T],
    var_unbiased: &mut [T],
) {
    let n = (batch * area) as f64;
    for c in 0..channels {
        let at = || indices(batch, channels, area, c);
        let mu = at().map(|i| x[i].get()).sum::<f64>() / n;
        let squares = at().map(|i| (x[i].get() - mu).powi(2)).sum::<f64>();
        let inv = 1.0 / (squares / n + eps).sqrt();
        for i in at() {
            let value = gamma[c].get() * (x[i].get() - mu) * inv + beta[c].get();
            y[i] = T::of(if relu { value.max(0.0) } else { value });
        }
        mean[c] = T::of(mu);
        inv_std[c] = T::of(inv);
        var_unbiased[c] = T::of(squares / (n - 1.0).max(1.0));
    }
}

/// Gradients to x, γ and β; with `relu` the ReLU after the normalisation is gone back through too.
pub fn backward<T: Real>(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[T],
    gamma: &[T],
    beta: &[T],
    mean: &[T],
    inv_std: &[T],
    relu: bool,
    dy: &[T],
    dx: &mut [T],
    dgamma: &mut [T],
    dbeta: &mut [T],
) {
    let n = (batch * area) as f64;
    for c in 0..channels {
        let at = || indices(batch, channels, area, c);
        let (scale, shift) = (gamma[c].get(), beta[c].get());
        let normal = |i: usize| (x[i].get() - mean[c].get()) * inv_std[c].get();
        let gradient = |i: usize| {
            if relu && scale * normal(i) + shift <= 0.0 {
                0.0
            } else {
                dy[i].get()
            }
        };
        let sum = at().map(gradient).sum::<f64>();
        let dot = at().map(|i| gradient(i) * normal(i)).sum::<f64>();
        for i in at() {
            let centred = gradient(i) - sum / n - normal(i) * dot / n;
            dx[i] = T::of(scale * inv_std[c].get() * centred);
        }
        dgamma[c] = T::of(dot);
        dbeta[c] = T::of(sum);
    }
}

/// y = γ·(x−running\_mean)/√(running\_var+ε) + β, then optionally ReLU.
pub fn eval_forward<T: Real>(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[T],
    gamma: &[T],
    beta: &[T],
    running_mean: &[T],
    running_var: &[T],
    eps: f64,
    relu: bool,
    y: &mut [T],
) {
    for c in 0..channels {
        let inv = 1.0 / (running_var[c].get() + eps).sqrt();
        for i in indices(batch, channels, area, c) {
            let value = gamma[c].get() * (x[i].get() - running_mean[c].get()) * inv + beta[c].get();
            y[i] = T::of(if relu { value.max(0.0) } else { value });
        }
    }
}

/// Where channel `c` lies.
fn indices(batch: usize, channels: usize, area: usize, c: usize) -> impl Iterator<Item = usize> {
    (0..batch).flat_map(move |b| (0..area).map(move |i| (b * channels + c) * area + i))
}

//! Batch normalisation, alone or followed by ReLU in the same pass.
//!
//! A channel is one task: its mean, its variance about that mean, and the result are three passes over numbers that are
//! then in the cache. Deliberately doesn't keep running statistics: the caller averages `mean` and `var_unbiased`.
//!
//! **Shape**: x, y and their gradients `[batch, channels, area]` (area 1 for features), everything else `[channels]`.
//! **Reference**: Ioffe and Szegedy, "Batch normalization", 2015; PyTorch's `BatchNorm1d` and `BatchNorm2d`.

#![expect(
    clippy::too_many_arguments,
    reason = "the arguments are the operation's inputs and outputs"
)]

mod passes;

use super::isa::isa;
use super::layout::transpose;
use super::{reduce, scratch};
use passes::{Gate, apply, apply_features, combine, sums};
use rayon::prelude::*;

/// y = γ·(x−mean)·inv\_std + β with the batch's own statistics, which it writes too.
///
/// `inv_std` is 1/√(biased variance + eps); `var_unbiased` (divided by n−1) is what running statistics average.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn train_forward(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f64,
    y: &mut [f32],
    mean: &mut [f32],
    inv_std: &mut [f32],
    var_unbiased: &mut [f32],
) {
    check(
        batch,
        channels,
        area,
        [x, y],
        &[gamma, beta, mean, inv_std, var_unbiased],
    );
    let affine = Affine {
        gamma,
        beta,
        relu: false,
    };
    let statistics = (mean, inv_std, var_unbiased);
    let shape = (batch, channels, area);
    channels_first(shape, [x, x], y, |(batch, area), [x, _], y| {
        normalise(batch, area, x, affine, eps, y, statistics);
    });
}

/// [`train_forward`] and then ReLU.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn train_forward_relu(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f64,
    y: &mut [f32],
    mean: &mut [f32],
    inv_std: &mut [f32],
    var_unbiased: &mut [f32],
) {
    check(
        batch,
        channels,
        area,
        [x, y],
        &[gamma, beta, mean, inv_std, var_unbiased],
    );
    let affine = Affine {
        gamma,
        beta,
        relu: true,
    };
    let statistics = (mean, inv_std, var_unbiased);
    let shape = (batch, channels, area);
    channels_first(shape, [x, x], y, |(batch, area), [x, _], y| {
        normalise(batch, area, x, affine, eps, y, statistics);
    });
}

/// The gradients to x, γ and β, from the statistics [`train_forward`] wrote.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn backward(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[f32],
    gamma: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    check(
        batch,
        channels,
        area,
        [x, dx],
        &[gamma, mean, inv_std, dgamma, dbeta],
    );
    assert_eq!(dy.len(), x.len());
    let affine = Affine {
        gamma,
        beta: gamma,
        relu: false,
    };
    let shape = (batch, channels, area);
    channels_first(shape, [x, dy], dx, |(batch, area), [x, dy], dx| {
        backward_channels(
            batch,
            area,
            x,
            affine,
            (mean, inv_std),
            dy,
            dx,
            (dgamma, dbeta),
        );
    });
}

/// [`backward`] through the ReLU of [`train_forward_relu`] as well; `dy` is the gradient after the ReLU.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn backward_relu(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    check(
        batch,
        channels,
        area,
        [x, dx],
        &[gamma, beta, mean, inv_std, dgamma, dbeta],
    );
    assert_eq!(dy.len(), x.len());
    let affine = Affine {
        gamma,
        beta,
        relu: true,
    };
    let shape = (batch, channels, area);
    channels_first(shape, [x, dy], dx, |(batch, area), [x, dy], dx| {
        backward_channels(
            batch,
            area,
            x,
            affine,
            (mean, inv_std),
            dy,
            dx,
            (dgamma, dbeta),
        );
    });
}

/// y = γ·(x−running\_mean)/√(running\_var+eps) + β.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn eval_forward(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    running_mean: &[f32],
    running_var: &[f32],
    eps: f64,
    y: &mut [f32],
) {
    check(
        batch,
        channels,
        area,
        [x, y],
        &[gamma, beta, running_mean, running_var],
    );
    let affine = Affine {
        gamma,
        beta,
        relu: false,
    };
    let running = (running_mean, running_var);
    eval(area, x, affine, running, eps, y);
}

/// [`eval_forward`] and then ReLU.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn eval_forward_relu(
    batch: usize,
    channels: usize,
    area: usize,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    running_mean: &[f32],
    running_var: &[f32],
    eps: f64,
    y: &mut [f32],
) {
    check(
        batch,
        channels,
        area,
        [x, y],
        &[gamma, beta, running_mean, running_var],
    );
    let affine = Affine {
        gamma,
        beta,
        relu: true,
    };
    let running = (running_mean, running_var);
    eval(area, x, affine, running, eps, y);
}

fn check(batch: usize, channels: usize, area: usize, full: [&[f32]; 2], per_channel: &[&[f32]]) {
    assert!(batch > 0 && area > 0);
    assert!(full.iter().all(|s| s.len() == batch * channels * area));
    assert!(per_channel.iter().all(|s| s.len() == channels));
}

/// What follows the normalisation.
#[derive(Clone, Copy)]
struct Affine<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
    relu: bool,
}

/// Calls `work((batch, area), inputs, output)` with every channel's numbers in runs: as they are, or, where area is 1,
/// turned over to one image of `batch` positions and back.
fn channels_first(
    (batch, channels, area): (usize, usize, usize),
    inputs: [&[f32]; 2],
    output: &mut [f32],
    work: impl FnOnce((usize, usize), [&[f32]; 2], &mut [f32]),
) {
    if area > 1 {
        return work((batch, area), inputs, output);
    }
    let len = output.len();
    scratch::with(3 * len, |turned| {
        let (a, rest) = turned.split_at_mut(len);
        let (b, result) = rest.split_at_mut(len);
        transpose(batch, channels, inputs[0], a);
        transpose(batch, channels, inputs[1], b);
        work((1, batch), [a, b], result);
        transpose(channels, batch, result, output);
    });
}

/// A tensor `[batch, channels, area]` whose channels are written by different threads.
#[derive(Clone, Copy)]
struct Planes {
    start: *mut f32,
    channels: usize,
    area: usize,
}

// SAFETY: every channel is written by one task only, and the borrow the pointer comes from outlives the tasks.
unsafe impl Send for Planes {}
// SAFETY: as above.
unsafe impl Sync for Planes {}

impl Planes {
    /// The plane of a channel in an image.
    ///
    /// # Safety
    /// No two planes alive at once may be the same; both indices lie inside the tensor.
    unsafe fn plane<'a>(self, image: usize, channel: usize) -> &'a mut [f32] {
        let at = (image * self.channels + channel) * self.area;
        // SAFETY: the plane lies inside the tensor and the caller vouches that it isn't shared.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), self.area) }
    }
}

/// The planes of one channel, image by image.
fn planes(x: &[f32], channels: usize, area: usize, channel: usize) -> impl Iterator<Item = &[f32]> {
    x.chunks_exact(area).skip(channel).step_by(channels)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "statistics are computed in f64 and rounded once"
)]
fn normalise(
    batch: usize,
    area: usize,
    x: &[f32],
    affine: Affine<'_>,
    eps: f64,
    y: &mut [f32],
    (mean, inv_std, var_unbiased): (&mut [f32], &mut [f32], &mut [f32]),
) {
    let (isa, channels, count) = (isa(), mean.len(), (batch * area) as f64);
    let out = Planes {
        start: y.as_mut_ptr(),
        channels,
        area,
    };
    let statistics = mean.par_iter_mut().zip(inv_std).zip(var_unbiased);
    statistics
        .enumerate()
        .for_each(|(c, ((mean, inv_std), unbiased))| {
            let own = || planes(x, channels, area, c);
            *mean = (own().map(|x| reduce::sum(isa, x)).sum::<f64>() / count) as f32;
            let squares: f64 = own().map(|x| reduce::squares(isa, x, *mean)).sum();
            *inv_std = (1.0 / (squares / count + eps).sqrt()) as f32;
            *unbiased = (squares / (count - 1.0).max(1.0)) as f32;
            let scale = affine.gamma[c] * *inv_std;
            for (image, x) in own().enumerate() {
                // SAFETY: channel c is this task's alone, and planes are taken one after the other.
                let y = unsafe { out.plane(image, c) };
                apply(isa, x, *mean, scale, affine.beta[c], affine.relu, y);
            }
        });
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "sums are kept in f64 and rounded once"
)]
fn backward_channels(
    batch: usize,
    area: usize,
    x: &[f32],
    affine: Affine<'_>,
    (mean, inv_std): (&[f32], &[f32]),
    dy: &[f32],
    dx: &mut [f32],
    (dgamma, dbeta): (&mut [f32], &mut [f32]),
) {
    let (isa, channels, count) = (isa(), mean.len(), (batch * area) as f64);
    let out = Planes {
        start: dx.as_mut_ptr(),
        channels,
        area,
    };
    dgamma
        .par_iter_mut()
        .zip(dbeta)
        .enumerate()
        .for_each(|(c, (dgamma, dbeta))| {
            let own = || planes(x, channels, area, c).zip(planes(dy, channels, area, c));
            let scale = affine.gamma[c] * inv_std[c];
            let gate = Gate {
                mean: mean[c],
                scale,
                shift: affine.beta[c],
                relu: affine.relu,
            };
            let (mut sum, mut dot) = (0.0, 0.0);
            for (x, dy) in own() {
                let (s, d) = sums(isa, x, dy, &gate);
                sum += s;
                dot += d;
            }
            dot *= f64::from(inv_std[c]);
            (*dgamma, *dbeta) = (dot as f32, sum as f32);
            let scale = f64::from(scale);
            let slope = (-scale * f64::from(inv_std[c]) * dot / count) as f32;
            let average = (sum / count) as f32;
            for (image, (x, dy)) in own().enumerate() {
                // SAFETY: channel c is this task's alone, and planes are taken one after the other.
                let dx = unsafe { out.plane(image, c) };
                combine(isa, x, dy, &gate, slope, average, dx);
            }
        });
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the deviation is computed in f64 and rounded once"
)]
fn eval(
    area: usize,
    x: &[f32],
    affine: Affine<'_>,
    (mean, var): (&[f32], &[f32]),
    eps: f64,
    y: &mut [f32],
) {
    let (isa, channels) = (isa(), mean.len());
    let image = channels * area;
    let scales: Vec<f32> = var
        .iter()
        .zip(affine.gamma)
        .map(|(var, gamma)| (f64::from(*gamma) / (f64::from(*var) + eps).sqrt()) as f32)
        .collect();
    y.par_chunks_mut(image.max(1))
        .zip(x.par_chunks(image.max(1)))
        .for_each(|(y, x)| {
            if area == 1 {
                return apply_features(isa, x, mean, &scales, affine.beta, affine.relu, y);
            }
            for (c, (y, x)) in y.chunks_mut(area).zip(x.chunks(area)).enumerate() {
                apply(isa, x, mean[c], scales[c], affine.beta[c], affine.relu, y);
            }
        });
}

#[cfg(test)]
mod tests;

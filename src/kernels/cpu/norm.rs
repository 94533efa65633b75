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

use super::isa::{isa, mul_add, per_isa};
use super::layout::transpose;
use super::{reduce, scratch};
use rayon::prelude::*;

/// y = γ·(x−mean)·inv\_std + β with the batch's own statistics, which it writes too.
///
/// `inv_std` is 1/√(biased variance + eps); `var_unbiased` (divided by n−1) is what running statistics average.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub fn train_forward(
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
pub fn train_forward_relu(
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
pub fn backward(
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
        go_back(
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
pub fn backward_relu(
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
        go_back(
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
pub fn eval_forward(
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
pub fn eval_forward_relu(
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
fn go_back(
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

per_isa! {
    /// y = (x − mean)·scale + shift, then optionally ReLU.
    fn apply<FMA>(x: &[f32], mean: f32, scale: f32, shift: f32, relu: bool, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            let value = mul_add::<FMA>(*x - mean, scale, shift);
            *y = if relu && value < 0.0 { 0.0 } else { value };
        }
    }
}

per_isa! {
    /// [`apply`] to one number a channel.
    fn apply_features<FMA>(x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], relu: bool, y: &mut [f32]) {
        for ((((y, x), mean), scale), shift) in y.iter_mut().zip(x).zip(mean).zip(scale).zip(shift) {
            let value = mul_add::<FMA>(*x - *mean, *scale, *shift);
            *y = if relu && value < 0.0 { 0.0 } else { value };
        }
    }
}

/// What decides whether a gradient passes the ReLU: the very value the forward pass computed.
struct Gate {
    mean: f32,
    scale: f32,
    shift: f32,
    relu: bool,
}

impl Gate {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "features are the caller's")]
    fn pass<const FMA: bool>(&self, x: f32, dy: f32) -> f32 {
        let value = mul_add::<FMA>(x - self.mean, self.scale, self.shift);
        if self.relu && value <= 0.0 { 0.0 } else { dy }
    }
}

per_isa! {
    /// Σ g and Σ g·(x − mean) of the gradients g that pass.
    fn sums<FMA>(x: &[f32], dy: &[f32], gate: &Gate) -> (f64, f64) {
        const LANES: usize = 32;
        let (mut sum, mut dot) = ([0.0f32; LANES], [0.0f32; LANES]);
        for (x, dy) in x.chunks(LANES).zip(dy.chunks(LANES)) {
            for (((sum, dot), x), dy) in sum.iter_mut().zip(&mut dot).zip(x).zip(dy) {
                let gradient = gate.pass::<FMA>(*x, *dy);
                *sum += gradient;
                *dot = mul_add::<FMA>(gradient, *x - gate.mean, *dot);
            }
        }
        let total = |lanes: [f32; LANES]| lanes.iter().map(|v| f64::from(*v)).sum();
        (total(sum), total(dot))
    }
}

per_isa! {
    /// dx = scale·(g − average) + slope·(x − mean).
    fn combine<FMA>(x: &[f32], dy: &[f32], gate: &Gate, slope: f32, average: f32, dx: &mut [f32]) {
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            let gradient = gate.pass::<FMA>(*x, *dy) - average;
            *dx = mul_add::<FMA>(gate.scale, gradient, slope * (*x - gate.mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
    use super::*;
    use crate::kernels::reference;

    const SHAPES: [(usize, usize, usize); 8] = [
        (1, 1, 1),
        (1, 3, 5),
        (64, 10, 1),
        (7, 33, 1),
        (4, 3, 49),
        (3, 5, 100),
        (2, 4, 784),
        (9, 2, 16),
    ];

    struct Case {
        x: Vec<f32>,
        gamma: Vec<f32>,
        beta: Vec<f32>,
        dy: Vec<f32>,
    }

    fn case(batch: usize, channels: usize, area: usize) -> Case {
        let count = batch * channels * area;
        Case {
            // Away from zero, where a variance from squares would lose its digits.
            x: numbers(count, 1).iter().map(|v| v * 0.5 + 30.0).collect(),
            gamma: numbers(channels, 2),
            beta: numbers(channels, 3),
            dy: numbers(count, 4),
        }
    }

    /// y, mean, inv_std, var_unbiased, dx, dgamma, dbeta, evaluation's y.
    fn all(case: &Case, (b, c, a): (usize, usize, usize), relu: bool, fast: bool) -> Vec<Vec<f32>> {
        let Case { x, gamma, beta, dy } = case;
        let (mut y, mut dx, mut ey) = (dy.clone(), dy.clone(), dy.clone());
        let mut s: [Vec<f32>; 5] = std::array::from_fn(|_| vec![9.0; c]);
        let [mean, inv, var, dgamma, dbeta] = &mut s;
        match (fast, relu) {
            (true, false) => {
                train_forward(b, c, a, x, gamma, beta, 1e-5, &mut y, mean, inv, var);
                backward(b, c, a, x, gamma, mean, inv, dy, &mut dx, dgamma, dbeta);
                eval_forward(b, c, a, x, gamma, beta, mean, var, 1e-5, &mut ey);
            }
            (true, true) => {
                train_forward_relu(b, c, a, x, gamma, beta, 1e-5, &mut y, mean, inv, var);
                backward_relu(
                    b, c, a, x, gamma, beta, mean, inv, dy, &mut dx, dgamma, dbeta,
                );
                eval_forward_relu(b, c, a, x, gamma, beta, mean, var, 1e-5, &mut ey);
            }
            (false, _) => {
                use reference::norm;
                norm::train_forward(b, c, a, x, gamma, beta, 1e-5, relu, &mut y, mean, inv, var);
                norm::backward(
                    b, c, a, x, gamma, beta, mean, inv, relu, dy, &mut dx, dgamma, dbeta,
                );
                norm::eval_forward(b, c, a, x, gamma, beta, mean, var, 1e-5, relu, &mut ey);
            }
        }
        let [mean, inv, var, dgamma, dbeta] = s;
        vec![y, mean, inv, var, dx, dgamma, dbeta, ey]
    }

    #[test]
    fn all_agree_with_the_reference() {
        for shape in SHAPES {
            let case = case(shape.0, shape.1, shape.2);
            for relu in [false, true] {
                let exact = all(&case, shape, relu, false);
                for_each_isa(|isa| {
                    let fast = all(&case, shape, relu, true);
                    for (i, (fast, exact)) in fast.iter().zip(&exact).enumerate() {
                        let what = format!("result {i} of {shape:?}, relu {relu}, {isa:?}");
                        assert_close(fast, exact, 2e-5, &what);
                    }
                });
            }
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let shape = (5, 37, 99);
        let case = case(shape.0, shape.1, shape.2);
        assert_thread_invariant(|| all(&case, shape, true, true).concat());
    }

    /// ```python
    /// import torch
    /// x = torch.tensor([[[1., 2.], [0., -1.]], [[4., 3.], [2., 2.5]]], dtype=torch.float64, requires_grad=True)
    /// n = torch.nn.BatchNorm1d(2).double()
    /// n.weight.data = torch.tensor([2., 0.5]).double(); n.bias.data = torch.tensor([0.1, -0.2]).double()
    /// y = n(x); y.backward(torch.tensor([[[1., 0.], [2., -1.]], [[0.5, 0.], [1., 1.]]]).double())
    /// print(y.flatten().tolist(), x.grad.flatten().tolist(), n.weight.grad.tolist(), n.bias.grad.tolist())
    /// print(((n.running_var - 0.9) / 0.1).tolist())
    /// ```
    #[test]
    fn forward_and_backward_are_pytorchs() {
        let case = Case {
            x: vec![1.0, 2.0, 0.0, -1.0, 4.0, 3.0, 2.0, 2.5],
            gamma: vec![2.0, 0.5],
            beta: vec![0.1, -0.2],
            dy: vec![1.0, 0.0, 2.0, -1.0, 0.5, 0.0, 1.0, 1.0],
        };
        let results = all(&case, (2, 2, 2), false, true);
        assert_close(
            &results[0],
            &[
                -2.5832708, -0.7944236, -0.5057957, -0.8552764, 2.7832708, 0.9944236, 0.1931659,
                0.3679062,
            ],
            1e-6,
            "y",
        );
        assert_close(&results[3], &[1.6666667, 2.7291667], 1e-6, "var_unbiased");
        assert_close(
            &results[4],
            &[
                0.7155421, -0.8049802, 0.5442291, -0.3814954, 0.6260933, -0.5366552, -0.0506874,
                -0.1120463,
            ],
            1e-5,
            "dx",
        );
        assert_close(&results[5], &[-0.6708177, 2.0095144], 1e-6, "dgamma");
        assert_close(&results[6], &[1.5000000, 3.0000000], 1e-6, "dbeta");
    }
}

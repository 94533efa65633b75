//! Batch normalisation, alone or followed by ReLU in the same pass.
//!
//! **Shape**: x, y and their gradients `[batch, channels, area]` (area 1 for features), everything else `[channels]`.
//! **Reference**: Ioffe and Szegedy, "Batch normalization", 2015; PyTorch's `BatchNorm1d` and `BatchNorm2d`.

#![expect(
    clippy::too_many_arguments,
    reason = "the arguments are the operation's inputs and outputs"
)]

use crate::kernels::reference;

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
    reference::norm::train_forward(
        batch,
        channels,
        area,
        x,
        gamma,
        beta,
        eps,
        false,
        y,
        mean,
        inv_std,
        var_unbiased,
    );
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
    reference::norm::train_forward(
        batch,
        channels,
        area,
        x,
        gamma,
        beta,
        eps,
        true,
        y,
        mean,
        inv_std,
        var_unbiased,
    );
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
    reference::norm::backward(
        batch, channels, area, x, gamma, gamma, mean, inv_std, false, dy, dx, dgamma, dbeta,
    );
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
    reference::norm::backward(
        batch, channels, area, x, gamma, beta, mean, inv_std, true, dy, dx, dgamma, dbeta,
    );
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
    reference::norm::eval_forward(
        batch,
        channels,
        area,
        x,
        gamma,
        beta,
        running_mean,
        running_var,
        eps,
        false,
        y,
    );
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
    reference::norm::eval_forward(
        batch,
        channels,
        area,
        x,
        gamma,
        beta,
        running_mean,
        running_var,
        eps,
        true,
        y,
    );
}

fn check(batch: usize, channels: usize, area: usize, full: [&[f32]; 2], per_channel: &[&[f32]]) {
    assert!(batch > 0 && area > 0);
    assert!(full.iter().all(|s| s.len() == batch * channels * area));
    assert!(per_channel.iter().all(|s| s.len() == channels));
}

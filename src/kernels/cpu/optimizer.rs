//! One fused pass per optimizer step over parameters, gradients and state.
//!
//! Gradients are multiplied by `gradient_scale` first, so that clipping needs no pass of its own. State starts as zeros.

use crate::kernels::reference;

/// Settings of Adam and `AdamW` for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: u64,
    /// Factor on the gradients; 1 leaves them alone.
    pub gradient_scale: f64,
}

/// Settings of SGD for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    pub learning_rate: f64,
    pub momentum: f64,
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Factor on the gradients; 1 leaves them alone.
    pub gradient_scale: f64,
}

/// Settings of `RMSprop` for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    pub learning_rate: f64,
    pub alpha: f64,
    pub epsilon: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    /// Factor on the gradients; 1 leaves them alone.
    pub gradient_scale: f64,
}

/// Adam, weight decay added to the gradient (L2). **Reference**: Kingma and Ba, 2015; `torch.optim.Adam`.
///
/// # Panics
/// When the lengths differ.
pub fn adam(settings: &Adam, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    assert!(g.len() == p.len() && m.len() == p.len() && v.len() == p.len());
    reference::optimizer::adam(settings, false, p, g, m, v);
}

/// Adam with decoupled weight decay. **Reference**: Loshchilov and Hutter, 2019; `torch.optim.AdamW`.
///
/// # Panics
/// When the lengths differ.
pub fn adamw(settings: &Adam, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    assert!(g.len() == p.len() && m.len() == p.len() && v.len() == p.len());
    reference::optimizer::adam(settings, true, p, g, m, v);
}

/// SGD with L2; give `velocity` where momentum isn't 0. **Reference**: `torch.optim.SGD` (dampening 0).
///
/// # Panics
/// When the lengths differ.
pub fn sgd(settings: &Sgd, p: &mut [f32], g: &[f32], velocity: Option<&mut [f32]>) {
    assert!(g.len() == p.len() && velocity.as_ref().is_none_or(|v| v.len() == p.len()));
    reference::optimizer::sgd(settings, p, g, velocity);
}

/// `RMSprop` with L2; give `velocity` where momentum isn't 0. **Reference**: `torch.optim.RMSprop` (not centred).
///
/// # Panics
/// When the lengths differ.
pub fn rmsprop(
    settings: &RmsProp,
    p: &mut [f32],
    g: &[f32],
    square: &mut [f32],
    velocity: Option<&mut [f32]>,
) {
    assert!(g.len() == p.len() && square.len() == p.len());
    assert!(velocity.as_ref().is_none_or(|v| v.len() == p.len()));
    reference::optimizer::rmsprop(settings, p, g, square, velocity);
}

/// Σ x², added in a fixed order.
#[must_use]
pub fn squared_norm(x: &[f32]) -> f64 {
    reference::optimizer::squared_norm(x)
}

/// average = decay·average + (1−decay)·p.
///
/// # Panics
/// When the lengths differ.
pub fn ema(decay: f64, average: &mut [f32], p: &[f32]) {
    assert_eq!(average.len(), p.len());
    reference::optimizer::ema(decay, average, p);
}

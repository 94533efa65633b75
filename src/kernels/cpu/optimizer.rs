//! One fused pass per optimizer step over parameters, gradients and state.
//!
//! Gradients are multiplied by `gradient_scale` first, so that clipping needs no pass of its own. State starts as
//! zeros.

#![expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once a step"
)]

use super::isa::{Isa, isa, mul_add, per_isa};
use super::{pieces, reduce};
use rayon::prelude::*;

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

/// An optimizer's rule for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    Sgd(Sgd),
    RmsProp(RmsProp),
    /// Weight decay added to the gradient.
    Adam(Adam),
    /// Weight decay decoupled.
    AdamW(Adam),
}

impl Rule {
    /// The same with this factor on the gradients, and this one on the learning rate.
    #[must_use]
    pub fn scaled(mut self, gradient_scale: f64, factor: f64) -> Self {
        let (rate, scale) = match &mut self {
            Self::Sgd(s) => (&mut s.learning_rate, &mut s.gradient_scale),
            Self::RmsProp(s) => (&mut s.learning_rate, &mut s.gradient_scale),
            Self::Adam(s) | Self::AdamW(s) => (&mut s.learning_rate, &mut s.gradient_scale),
        };
        *rate *= factor;
        *scale = gradient_scale;
        self
    }
}

/// One step of any rule: `first` is the first moment or the velocity, `second` the squared gradients' mean.
///
/// # Panics
/// When the lengths differ or state that the rule needs is missing.
pub fn update(
    rule: &Rule,
    p: &mut [f32],
    g: &[f32],
    first: Option<&mut [f32]>,
    second: Option<&mut [f32]>,
) {
    match (rule, first, second) {
        (Rule::Sgd(s), velocity, _) => sgd(s, p, g, velocity),
        (Rule::RmsProp(s), velocity, Some(square)) => rmsprop(s, p, g, square, velocity),
        (Rule::Adam(s), Some(m), Some(v)) => adam(s, p, g, m, v),
        (Rule::AdamW(s), Some(m), Some(v)) => adamw(s, p, g, m, v),
        _ => panic!("a rule without its state"),
    }
}

/// The same on this thread.
///
/// # Panics
/// When the lengths differ or state that the rule needs is missing.
pub(in crate::kernels) fn update_here(
    rule: &Rule,
    p: &mut [f32],
    g: &[f32],
    first: Option<&mut [f32]>,
    second: Option<&mut [f32]>,
) {
    assert!(g.len() == p.len());
    assert!(first.as_ref().is_none_or(|s| s.len() == p.len()));
    assert!(second.as_ref().is_none_or(|s| s.len() == p.len()));
    let isa = isa();
    match (rule, first, second) {
        (Rule::Sgd(s), None, _) => sgd_piece(isa, s, p, g),
        (Rule::Sgd(s), Some(velocity), _) => momentum_piece(isa, s, p, g, velocity),
        (Rule::RmsProp(s), None, Some(square)) => still_rmsprop(isa, s, p, g, square),
        (Rule::RmsProp(s), Some(velocity), Some(square)) => {
            rmsprop_piece(isa, s, p, g, square, velocity);
        }
        (Rule::Adam(s), Some(m), Some(v)) => adam_piece(isa, &s.factors(false), p, g, m, v),
        (Rule::AdamW(s), Some(m), Some(v)) => adam_piece(isa, &s.factors(true), p, g, m, v),
        _ => panic!("a rule without its state"),
    }
}

/// Adam, weight decay added to the gradient (L2). **Reference**: Kingma and Ba, 2015; `torch.optim.Adam`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn adam(settings: &Adam, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    adam_step(&settings.factors(false), p, g, m, v);
}

/// Adam with decoupled weight decay. **Reference**: Loshchilov and Hutter, 2019; `torch.optim.AdamW`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn adamw(settings: &Adam, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    adam_step(&settings.factors(true), p, g, m, v);
}

/// What a step of Adam multiplies with, in f32.
struct AdamFactors {
    gradient_scale: f32,
    /// Share of the weights added to the gradient.
    l2: f32,
    /// Factor on the weights.
    keep: f32,
    beta1: f32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    step_size: f32,
    /// 1/√(1 − β₂ᵗ).
    correction2: f32,
    epsilon: f32,
}

impl Adam {
    fn factors(&self, decoupled: bool) -> AdamFactors {
        let step = i32::try_from(self.step).unwrap_or(i32::MAX);
        let decay = self.learning_rate * self.weight_decay;
        AdamFactors {
            gradient_scale: self.gradient_scale as f32,
            l2: if decoupled {
                0.0
            } else {
                self.weight_decay as f32
            },
            keep: if decoupled { (1.0 - decay) as f32 } else { 1.0 },
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            rest1: (1.0 - self.beta1) as f32,
            rest2: (1.0 - self.beta2) as f32,
            step_size: (self.learning_rate / (1.0 - self.beta1.powi(step))) as f32,
            correction2: (1.0 / (1.0 - self.beta2.powi(step)).sqrt()) as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

fn adam_step(factors: &AdamFactors, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    assert!(g.len() == p.len() && m.len() == p.len() && v.len() == p.len());
    let isa = isa();
    p.par_chunks_mut(pieces::PIECE)
        .zip(g.par_chunks(pieces::PIECE))
        .zip(m.par_chunks_mut(pieces::PIECE))
        .zip(v.par_chunks_mut(pieces::PIECE))
        .for_each(|(((p, g), m), v)| adam_piece(isa, factors, p, g, m, v));
}

per_isa! {
    fn adam_piece<FMA>(f: &AdamFactors, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let gradient = mul_add::<FMA>(f.l2, *p, *g * f.gradient_scale);
            let first = mul_add::<FMA>(f.beta1, *m, f.rest1 * gradient);
            let second = mul_add::<FMA>(f.beta2, *v, f.rest2 * gradient * gradient);
            let deviation = mul_add::<FMA>(second.sqrt(), f.correction2, f.epsilon);
            *p = *p * f.keep - f.step_size * first / deviation;
            (*m, *v) = (first, second);
        }
    }
}

/// SGD with L2; give `velocity` where momentum isn't 0. **Reference**: `torch.optim.SGD` (dampening 0).
///
/// # Panics
/// When the lengths differ.
pub(crate) fn sgd(settings: &Sgd, p: &mut [f32], g: &[f32], velocity: Option<&mut [f32]>) {
    assert!(g.len() == p.len() && velocity.as_ref().is_none_or(|v| v.len() == p.len()));
    let isa = isa();
    let pieces = p
        .par_chunks_mut(pieces::PIECE)
        .zip(g.par_chunks(pieces::PIECE));
    match velocity {
        Some(v) => pieces
            .zip(v.par_chunks_mut(pieces::PIECE))
            .for_each(|((p, g), v)| momentum_piece(isa, settings, p, g, v)),
        None => pieces.for_each(|(p, g)| sgd_piece(isa, settings, p, g)),
    }
}

per_isa! {
    fn sgd_piece<FMA>(s: &Sgd, p: &mut [f32], g: &[f32]) {
        let (rate, l2, scale) = (s.learning_rate as f32, s.weight_decay as f32, s.gradient_scale as f32);
        for (p, g) in p.iter_mut().zip(g) {
            *p -= rate * mul_add::<FMA>(l2, *p, *g * scale);
        }
    }
}

per_isa! {
    fn momentum_piece<FMA>(s: &Sgd, p: &mut [f32], g: &[f32], v: &mut [f32]) {
        let (rate, l2, scale) = (s.learning_rate as f32, s.weight_decay as f32, s.gradient_scale as f32);
        let momentum = s.momentum as f32;
        for ((p, g), v) in p.iter_mut().zip(g).zip(v) {
            let gradient = mul_add::<FMA>(l2, *p, *g * scale);
            let moved = mul_add::<FMA>(momentum, *v, gradient);
            let ahead = mul_add::<FMA>(momentum, moved, gradient);
            *p -= rate * if s.nesterov { ahead } else { moved };
            *v = moved;
        }
    }
}

/// `RMSprop` with L2; give `velocity` where momentum isn't 0. **Reference**: `torch.optim.RMSprop` (not centred).
///
/// # Panics
/// When the lengths differ.
pub(crate) fn rmsprop(
    settings: &RmsProp,
    p: &mut [f32],
    g: &[f32],
    square: &mut [f32],
    velocity: Option<&mut [f32]>,
) {
    assert!(g.len() == p.len() && square.len() == p.len());
    assert!(velocity.as_ref().is_none_or(|v| v.len() == p.len()));
    let isa = isa();
    let pieces = p
        .par_chunks_mut(pieces::PIECE)
        .zip(g.par_chunks(pieces::PIECE))
        .zip(square.par_chunks_mut(pieces::PIECE));
    match velocity {
        Some(v) => pieces
            .zip(v.par_chunks_mut(pieces::PIECE))
            .for_each(|(((p, g), square), v)| rmsprop_piece(isa, settings, p, g, square, v)),
        None => pieces.for_each(|((p, g), square)| still_rmsprop(isa, settings, p, g, square)),
    }
}

/// `RMSprop` without momentum. Any velocity serves: it is multiplied by 0 and forgotten.
fn still_rmsprop(isa: Isa, settings: &RmsProp, p: &mut [f32], g: &[f32], square: &mut [f32]) {
    let still = RmsProp {
        momentum: 0.0,
        ..*settings
    };
    let mut velocity = [0.0; 256];
    let each = p
        .chunks_mut(256)
        .zip(g.chunks(256))
        .zip(square.chunks_mut(256));
    for ((p, g), square) in each {
        rmsprop_piece(isa, &still, p, g, square, &mut velocity[..g.len()]);
        velocity.fill(0.0);
    }
}

per_isa! {
    fn rmsprop_piece<FMA>(s: &RmsProp, p: &mut [f32], g: &[f32], square: &mut [f32], v: &mut [f32]) {
        let (rate, l2, scale) = (s.learning_rate as f32, s.weight_decay as f32, s.gradient_scale as f32);
        let (alpha, rest, epsilon) = (s.alpha as f32, (1.0 - s.alpha) as f32, s.epsilon as f32);
        let momentum = s.momentum as f32;
        for (((p, g), square), v) in p.iter_mut().zip(g).zip(square).zip(v) {
            let gradient = mul_add::<FMA>(l2, *p, *g * scale);
            *square = mul_add::<FMA>(alpha, *square, rest * gradient * gradient);
            *v = mul_add::<FMA>(momentum, *v, gradient / (square.sqrt() + epsilon));
            *p -= rate * *v;
        }
    }
}

/// Σ x², added in a fixed order.
#[must_use]
pub(crate) fn squared_norm(x: &[f32]) -> f64 {
    let pieces: Vec<f64> = x.par_chunks(pieces::PIECE).map(squared_norm_here).collect();
    pieces.iter().sum()
}

/// Σ x² of one piece, on this thread.
pub(in crate::kernels) fn squared_norm_here(piece: &[f32]) -> f64 {
    let isa = isa();
    let lines = piece.chunks(1024);
    lines.map(|x| reduce::squares(isa, x, 0.0)).sum()
}

/// The factor that brings gradients of this norm down to `clip`; 1 where they are smaller or `clip` is 0.
///
/// **Reference** `torch.nn.utils.clip_grad_norm_`.
#[must_use]
pub fn clip_factor(norm: f64, clip: f64) -> f64 {
    if clip > 0.0 {
        (clip / (norm + 1e-6)).min(1.0)
    } else {
        1.0
    }
}

/// average = decay·average + (1−decay)·p.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn ema(decay: f64, average: &mut [f32], p: &[f32]) {
    assert_eq!(average.len(), p.len());
    pieces::for_each(average, |start, average| {
        ema_here(decay, average, &p[start..start + average.len()]);
    });
}

/// [`ema`] on this thread.
pub(in crate::kernels) fn ema_here(decay: f64, average: &mut [f32], p: &[f32]) {
    ema_piece(isa(), decay as f32, (1.0 - decay) as f32, average, p);
}

per_isa! {
    fn ema_piece<FMA>(decay: f32, rest: f32, average: &mut [f32], p: &[f32]) {
        for (slot, value) in average.iter_mut().zip(p) {
            *slot = mul_add::<FMA>(decay, *slot, rest * *value);
        }
    }
}

#[cfg(test)]
mod tests;

//! One fused pass per optimizer step over parameters, gradients and state.
//!
//! Gradients are multiplied by `gradient_scale` first, so that clipping needs no pass of its own. State starts as zeros.

#![expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once a step"
)]

use super::isa::{isa, mul_add, per_isa};
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

/// Adam, weight decay added to the gradient (L2). **Reference**: Kingma and Ba, 2015; `torch.optim.Adam`.
///
/// # Panics
/// When the lengths differ.
pub fn adam(settings: &Adam, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    adam_step(&settings.factors(false), p, g, m, v);
}

/// Adam with decoupled weight decay. **Reference**: Loshchilov and Hutter, 2019; `torch.optim.AdamW`.
///
/// # Panics
/// When the lengths differ.
pub fn adamw(settings: &Adam, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
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
pub fn sgd(settings: &Sgd, p: &mut [f32], g: &[f32], velocity: Option<&mut [f32]>) {
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
pub fn rmsprop(
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
        // Without momentum, any velocity serves: it is multiplied by 0 and forgotten.
        None => pieces.for_each(|((p, g), square)| {
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
        }),
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
pub fn squared_norm(x: &[f32]) -> f64 {
    let isa = isa();
    let pieces: Vec<f64> = x
        .par_chunks(pieces::PIECE)
        .map(|piece| {
            piece
                .chunks(1024)
                .map(|x| reduce::squares(isa, x, 0.0))
                .sum()
        })
        .collect();
    pieces.iter().sum()
}

/// average = decay·average + (1−decay)·p.
///
/// # Panics
/// When the lengths differ.
pub fn ema(decay: f64, average: &mut [f32], p: &[f32]) {
    assert_eq!(average.len(), p.len());
    let isa = isa();
    pieces::for_each(average, |start, average| {
        let p = &p[start..start + average.len()];
        ema_piece(isa, decay as f32, (1.0 - decay) as f32, average, p);
    });
}

per_isa! {
    fn ema_piece<FMA>(decay: f32, rest: f32, average: &mut [f32], p: &[f32]) {
        for (slot, value) in average.iter_mut().zip(p) {
            *slot = mul_add::<FMA>(decay, *slot, rest * *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
    use super::*;
    use crate::kernels::reference;

    const COUNT: usize = 40_003;

    fn adam_settings(step: u64) -> Adam {
        Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.02,
            step,
            gradient_scale: 0.7,
        }
    }

    const SGD: Sgd = Sgd {
        learning_rate: 0.1,
        momentum: 0.9,
        nesterov: false,
        weight_decay: 5e-4,
        gradient_scale: 0.5,
    };

    const RMSPROP: RmsProp = RmsProp {
        learning_rate: 0.01,
        alpha: 0.99,
        epsilon: 1e-8,
        momentum: 0.0,
        weight_decay: 1e-3,
        gradient_scale: 1.0,
    };

    /// Three steps of every optimizer on the same gradients; `fast` tells which version.
    fn three_steps(fast: bool) -> Vec<Vec<f32>> {
        let (start, zeros) = (numbers(COUNT, 1), vec![0.0; COUNT]);
        let mut all = Vec::new();
        for kind in 0..7 {
            let (mut p, mut m, mut v) = (start.clone(), zeros.clone(), zeros.clone());
            for step in 1..=3 {
                let g = numbers(COUNT, 10 + step);
                let (adam_s, nesterov) = (
                    adam_settings(step),
                    Sgd {
                        nesterov: true,
                        ..SGD
                    },
                );
                let moving = RmsProp {
                    momentum: 0.9,
                    ..RMSPROP
                };
                match (kind, fast) {
                    (0, true) => adam(&adam_s, &mut p, &g, &mut m, &mut v),
                    (0, false) => {
                        reference::optimizer::adam(&adam_s, false, &mut p, &g, &mut m, &mut v)
                    }
                    (1, true) => adamw(&adam_s, &mut p, &g, &mut m, &mut v),
                    (1, false) => {
                        reference::optimizer::adam(&adam_s, true, &mut p, &g, &mut m, &mut v)
                    }
                    (2, true) => sgd(&SGD, &mut p, &g, None),
                    (2, false) => reference::optimizer::sgd(&SGD, &mut p, &g, None),
                    (3, true) => sgd(&SGD, &mut p, &g, Some(&mut m)),
                    (3, false) => reference::optimizer::sgd(&SGD, &mut p, &g, Some(&mut m)),
                    (4, true) => sgd(&nesterov, &mut p, &g, Some(&mut m)),
                    (4, false) => reference::optimizer::sgd(&nesterov, &mut p, &g, Some(&mut m)),
                    (5, true) => rmsprop(&RMSPROP, &mut p, &g, &mut v, None),
                    (5, false) => reference::optimizer::rmsprop(&RMSPROP, &mut p, &g, &mut v, None),
                    (_, true) => rmsprop(&moving, &mut p, &g, &mut v, Some(&mut m)),
                    (_, false) => {
                        reference::optimizer::rmsprop(&moving, &mut p, &g, &mut v, Some(&mut m));
                    }
                }
            }
            all.extend([p, m, v]);
        }
        all
    }

    #[test]
    fn every_optimizer_agrees_with_the_reference() {
        let exact = three_steps(false);
        for_each_isa(|isa| {
            for (i, (fast, exact)) in three_steps(true).iter().zip(&exact).enumerate() {
                assert_close(fast, exact, 3e-6, &format!("state {i} with {isa:?}"));
            }
        });
    }

    #[test]
    fn norm_and_average_agree_with_the_reference() {
        let (x, mut average) = (numbers(COUNT, 1), numbers(COUNT, 2));
        let mut exact = average.clone();
        let norm = reference::optimizer::squared_norm(&x);
        assert!((squared_norm(&x) - norm).abs() < 1e-6 * norm);
        ema(0.99, &mut average, &x);
        reference::optimizer::ema(0.99, &mut exact, &x);
        assert_close(&average, &exact, 1e-6, "average");
    }

    #[test]
    fn threads_do_not_matter() {
        assert_thread_invariant(|| {
            let mut all = three_steps(true).concat();
            all.push(squared_norm(&all) as f32);
            all
        });
    }

    /// ```python
    /// import torch
    /// def run(make):
    ///     p = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    ///     o = make([p])
    ///     for s in range(3):
    ///         p.grad = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64) * (s + 1)
    ///         o.step()
    ///     print(p.tolist())
    /// run(lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1))
    /// run(lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1))
    /// run(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1))
    /// run(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1, nesterov=True))
    /// run(lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9, weight_decay=0.1))
    /// ```
    #[test]
    fn three_steps_are_pytorchs() {
        let expected = [
            [0.9702142, -1.9702168, 0.4706109],
            [0.9678008, -1.9648038, 0.4692993],
            [0.9848906, -1.9697812, 0.4686848],
            [0.9774234, -1.9548468, 0.4523580],
            [0.4994312, -1.4977625, -0.0165095],
        ];
        for (kind, expected) in expected.iter().enumerate() {
            let (mut p, mut m, mut v) = ([1.0, -2.0, 0.5], [0.0; 3], [0.0; 3]);
            for step in 1..=3u8 {
                let g = [0.1, -0.2, 0.3].map(|g| g * f32::from(step));
                let adam_s = Adam {
                    learning_rate: 0.01,
                    weight_decay: 0.1,
                    gradient_scale: 1.0,
                    ..adam_settings(u64::from(step))
                };
                let sgd_s = Sgd {
                    learning_rate: 0.01,
                    weight_decay: 0.1,
                    gradient_scale: 1.0,
                    nesterov: kind == 3,
                    ..SGD
                };
                let rms_s = RmsProp {
                    weight_decay: 0.1,
                    momentum: 0.9,
                    ..RMSPROP
                };
                match kind {
                    0 => adam(&adam_s, &mut p, &g, &mut m, &mut v),
                    1 => adamw(&adam_s, &mut p, &g, &mut m, &mut v),
                    2 | 3 => sgd(&sgd_s, &mut p, &g, Some(&mut m)),
                    _ => rmsprop(&rms_s, &mut p, &g, &mut v, Some(&mut m)),
                }
            }
            assert_close(&p, expected, 1e-6, &format!("optimizer {kind}"));
        }
    }
}

//! The optimizers' update rules, parameter by parameter, as PyTorch documents them.

use super::Real;
use crate::kernels::cpu::optimizer::{Adam, RmsProp, Sgd};

/// Adam with L2 added to the gradient, or (`decoupled`) AdamW.
pub fn adam<T: Real>(
    settings: &Adam,
    decoupled: bool,
    p: &mut [T],
    g: &[T],
    m: &mut [T],
    v: &mut [T],
) {
    let s = settings;
    let step = i32::try_from(s.step).unwrap_or(i32::MAX);
    for i in 0..p.len() {
        let (mut weight, mut gradient) = (p[i].get(), g[i].get() * s.gradient_scale);
        if decoupled {
            weight *= 1.0 - s.learning_rate * s.weight_decay;
        } else {
            gradient += s.weight_decay * weight;
        }
        let first = s.beta1 * m[i].get() + (1.0 - s.beta1) * gradient;
        let second = s.beta2 * v[i].get() + (1.0 - s.beta2) * gradient * gradient;
        let step_size = s.learning_rate / (1.0 - s.beta1.powi(step));
        let deviation = (second / (1.0 - s.beta2.powi(step))).sqrt() + s.epsilon;
        p[i] = T::of(weight - step_size * first / deviation);
        m[i] = T::of(first);
        v[i] = T::of(second);
    }
}

/// SGD with momentum (optionally Nesterov's) and L2; without momentum `velocity` is left alone.
pub fn sgd<T: Real>(settings: &Sgd, p: &mut [T], g: &[T], mut velocity: Option<&mut [T]>) {
    let s = settings;
    for i in 0..p.len() {
        let gradient = g[i].get() * s.gradient_scale + s.weight_decay * p[i].get();
        let direction = if let Some(velocity) = velocity.as_deref_mut() {
            let moved = s.momentum * velocity[i].get() + gradient;
            velocity[i] = T::of(moved);
            if s.nesterov {
                gradient + s.momentum * moved
            } else {
                moved
            }
        } else {
            gradient
        };
        p[i] = T::of(p[i].get() - s.learning_rate * direction);
    }
}

/// RMSprop, with momentum where `velocity` is given.
pub fn rmsprop<T: Real>(
    settings: &RmsProp,
    p: &mut [T],
    g: &[T],
    square: &mut [T],
    mut velocity: Option<&mut [T]>,
) {
    let s = settings;
    for i in 0..p.len() {
        let gradient = g[i].get() * s.gradient_scale + s.weight_decay * p[i].get();
        let second = s.alpha * square[i].get() + (1.0 - s.alpha) * gradient * gradient;
        let mut direction = gradient / (second.sqrt() + s.epsilon);
        if let Some(velocity) = velocity.as_deref_mut() {
            direction += s.momentum * velocity[i].get();
            velocity[i] = T::of(direction);
        }
        p[i] = T::of(p[i].get() - s.learning_rate * direction);
        square[i] = T::of(second);
    }
}

/// average = decay·average + (1−decay)·p.
pub fn ema<T: Real>(decay: f64, average: &mut [T], p: &[T]) {
    for (slot, value) in average.iter_mut().zip(p) {
        *slot = T::of(decay * slot.get() + (1.0 - decay) * value.get());
    }
}

/// Σ x².
pub fn squared_norm<T: Real>(x: &[T]) -> f64 {
    x.iter().map(|v| v.get().powi(2)).sum()
}

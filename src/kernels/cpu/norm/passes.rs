//! The loops of batch normalisation over one plane, compiled for every instruction set.

use crate::kernels::cpu::isa::{mul_add, per_isa};

per_isa! {
    /// y = (x − mean)·scale + shift, then optionally ReLU.
    pub(super) fn apply<FMA>(x: &[f32], mean: f32, scale: f32, shift: f32, relu: bool, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            let value = mul_add::<FMA>(*x - mean, scale, shift);
            *y = if relu && value < 0.0 { 0.0 } else { value };
        }
    }
}

per_isa! {
    /// [`apply`] to one number a channel.
    pub(super) fn apply_features<FMA>(x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], relu: bool, y: &mut [f32]) {
        for ((((y, x), mean), scale), shift) in y.iter_mut().zip(x).zip(mean).zip(scale).zip(shift) {
            let value = mul_add::<FMA>(*x - *mean, *scale, *shift);
            *y = if relu && value < 0.0 { 0.0 } else { value };
        }
    }
}

/// What decides whether a gradient passes the ReLU: the very value the forward pass computed.
pub(super) struct Gate {
    pub(super) mean: f32,
    pub(super) scale: f32,
    pub(super) shift: f32,
    pub(super) relu: bool,
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
    pub(super) fn sums<FMA>(x: &[f32], dy: &[f32], gate: &Gate) -> (f64, f64) {
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
    pub(super) fn combine<FMA>(x: &[f32], dy: &[f32], gate: &Gate, slope: f32, average: f32, dx: &mut [f32]) {
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            let gradient = gate.pass::<FMA>(*x, *dy) - average;
            *dx = mul_add::<FMA>(gate.scale, gradient, slope * (*x - gate.mean));
        }
    }
}

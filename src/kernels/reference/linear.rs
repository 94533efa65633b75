//! y = x·wᵀ + bias and its gradients, one sum per result.

use super::Real;

/// **Shape**: x `[batch, in_f]`, w `[out_f, in_f]`, bias `[out_f]`, y `[batch, out_f]`.
pub fn forward<T: Real>(
    batch: usize,
    in_f: usize,
    out_f: usize,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
) {
    for b in 0..batch {
        for o in 0..out_f {
            let start = bias.map_or(0.0, |bias| bias[o].get());
            let sum = sum(in_f, |i| x[b * in_f + i].get() * w[o * in_f + i].get());
            y[b * out_f + o] = T::of(start + sum);
        }
    }
}

/// dx = dy·w.
pub fn backward_input<T: Real>(
    batch: usize,
    in_f: usize,
    out_f: usize,
    dy: &[T],
    w: &[T],
    dx: &mut [T],
) {
    for b in 0..batch {
        for i in 0..in_f {
            let sum = sum(out_f, |o| dy[b * out_f + o].get() * w[o * in_f + i].get());
            dx[b * in_f + i] = T::of(sum);
        }
    }
}

/// dw = dyᵀ·x, db = Σ dy over the batch.
pub fn backward_weights<T: Real>(
    batch: usize,
    in_f: usize,
    out_f: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    db: Option<&mut [T]>,
) {
    for o in 0..out_f {
        for i in 0..in_f {
            let sum = sum(batch, |b| dy[b * out_f + o].get() * x[b * in_f + i].get());
            dw[o * in_f + i] = T::of(sum);
        }
    }
    if let Some(db) = db {
        for (o, slot) in db.iter_mut().enumerate() {
            *slot = T::of(sum(batch, |b| dy[b * out_f + o].get()));
        }
    }
}

fn sum(count: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..count).map(term).sum()
}

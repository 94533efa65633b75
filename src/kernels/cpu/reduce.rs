//! Sums whose order is fixed: by lanes within a row in f32, then row by row in f64.

use super::isa::{Isa, mul_add, per_isa};
use rayon::prelude::*;

/// Partial sums kept side by side.
const LANES: usize = 32;

per_isa! {
    /// Σ x.
    pub(super) fn sum<FMA>(x: &[f32]) -> f64 {
        let mut sums = [0.0f32; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += *value;
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            *sum += *value;
        }
        sums.iter().map(|s| f64::from(*s)).sum()
    }
}

per_isa! {
    /// Σ (x − centre)².
    pub(super) fn squares<FMA>(x: &[f32], centre: f32) -> f64 {
        let mut sums = [0.0f32; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                let off = *value - centre;
                *sum = mul_add::<FMA>(off, off, *sum);
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            let off = *value - centre;
            *sum = mul_add::<FMA>(off, off, *sum);
        }
        sums.iter().map(|s| f64::from(*s)).sum()
    }
}

/// Sums of every channel over batch and area. **Shape**: x `[batch, channels, area]`, sums `[channels]`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the sum's nearest f32 is the result"
)]
pub(super) fn channel_sums(isa: Isa, channels: usize, area: usize, x: &[f32], sums: &mut [f32]) {
    sums.par_iter_mut().enumerate().for_each(|(c, slot)| {
        let planes = x.chunks_exact(area).skip(c).step_by(channels);
        *slot = planes.map(|plane| sum(isa, plane)).sum::<f64>() as f32;
    });
}

/// Sums of every column, in the order of the rows. **Shape**: x `[rows, columns]`, sums `[columns]`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the sum's nearest f32 is the result"
)]
pub(super) fn column_sums(x: &[f32], sums: &mut [f32]) {
    let mut exact = vec![0.0f64; sums.len()];
    for row in x.chunks_exact(sums.len().max(1)) {
        for (sum, value) in exact.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    for (slot, sum) in sums.iter_mut().zip(exact) {
        *slot = sum as f32;
    }
}

//! Sobol's sequence, scrambled by the seed: every stretch of it covers the space evenly.

use sobol_burley::sample;

use super::by_share;
use crate::error::{Error, Result};
use crate::search::space::{Point, Space};

/// Of the sequence.
const LONGEST: usize = 1 << 16;

/// The point of a trial. Every parameter has a dimension of its own, used or not.
pub(super) fn propose(space: &Space, seed: u64, number: usize) -> Result<Point> {
    let dimensions = space.parameters.len();
    if dimensions > sobol_burley::NUM_DIMENSIONS as usize || number >= LONGEST {
        return Err(Error::input(
            "sweep.sampler",
            format!(
                "is `sobol`, which has {} dimensions and {LONGEST} points",
                sobol_burley::NUM_DIMENSIONS
            ),
            "search fewer parameters, or use another sampler",
        ));
    }
    let index = u32::try_from(number).unwrap_or(u32::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are mixed")]
    let seed = (seed ^ (seed >> 32)) as u32;
    let mut dimension = 0;
    Ok(space.point(|_, distribution| {
        let share = f64::from(sample(index, dimension, seed));
        dimension += 1;
        by_share(distribution, share)
    }))
}

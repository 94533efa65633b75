//! Random numbers of a search: those of a trial depend on the seed and its number alone, not on who asks, or when.

use crate::rng::{Purpose, Stream};

/// Numbers one after the other.
pub(crate) struct Draws {
    stream: Stream,
    next: u64,
}

impl Draws {
    /// Those of a trial.
    #[must_use]
    pub(crate) fn of(seed: u64, number: usize) -> Self {
        Self {
            stream: Stream::new(seed, Purpose::Search, number as u64),
            next: 0,
        }
    }

    /// A number in [0, 1) with 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64")]
    pub(crate) fn uniform(&mut self) -> f64 {
        let [low, high, ..] = self.stream.block(self.next);
        self.next += 1;
        let word = u64::from(high) << 32 | u64::from(low);
        (word >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A number below `count`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts are far below 2^53"
    )]
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        ((self.uniform() * count as f64) as u64).min(count.saturating_sub(1))
    }
}

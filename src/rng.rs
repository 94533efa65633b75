//! Randomness by counting: every random number is a pure function of (seed, purpose, epoch, step, index).
//!
//! Nothing has to be saved or restored, no order of calls matters, and any thread may draw any number.
//! Generator: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

/// What a stream of random numbers is used for; two purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    Initialisation = 1,
    Shuffle = 2,
    Dropout = 3,
    Augmentation = 4,
    Split = 5,
    Search = 6,
}

/// A stream of random numbers, addressed by index.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 2],
    high: [u32; 2],
}

impl Stream {
    /// The stream for one purpose; `place` tells its users apart (a layer, an epoch, a step).
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are kept")]
    pub fn new(seed: u64, purpose: Purpose, place: u64) -> Self {
        let key = seed ^ (u64::from(purpose as u32) << 56);
        Self {
            key: [key as u32, (key >> 32) as u32],
            high: [place as u32, (place >> 32) as u32],
        }
    }

    /// The four words of block `index`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are kept")]
    #[inline]
    pub fn block(&self, index: u64) -> [u32; 4] {
        philox4x32(
            [
                index as u32,
                (index >> 32) as u32,
                self.high[0],
                self.high[1],
            ],
            self.key,
        )
    }

    /// Word number `index` of the stream.
    #[must_use]
    #[inline]
    pub fn word(&self, index: u64) -> u32 {
        self.block(index / 4)[(index % 4) as usize]
    }

    /// A uniform number in [0, 1) with 24 bits.
    #[must_use]
    #[inline]
    pub fn uniform(&self, index: u64) -> f32 {
        unit(self.word(index))
    }

    /// Fills `out` with uniform numbers in [low, high).
    pub fn fill_uniform(&self, out: &mut [f32], low: f32, high: f32) {
        for (block, chunk) in (0..).zip(out.chunks_mut(4)) {
            for (slot, word) in chunk.iter_mut().zip(self.block(block)) {
                *slot = low + (high - low) * unit(word);
            }
        }
    }

    /// Fills `out` with normal numbers (Box and Muller, 1958).
    pub fn fill_normal(&self, out: &mut [f32], mean: f32, deviation: f32) {
        for (block, chunk) in (0..).zip(out.chunks_mut(4)) {
            let [a, b, c, d] = self.block(block).map(unit);
            let pair = |u: f32, v: f32| {
                let radius = (-2.0 * (1.0 - u).ln()).sqrt();
                let (sin, cos) = (std::f32::consts::TAU * v).sin_cos();
                [radius * cos, radius * sin]
            };
            let normals = [pair(a, b), pair(c, d)].concat();
            for (slot, normal) in chunk.iter_mut().zip(normals) {
                *slot = mean + deviation * normal;
            }
        }
    }

    /// Shuffles in place (Fisher and Yates), the same for the same stream.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product's high word is below the bound"
    )]
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let block = self.block(i as u64);
            let word = u64::from(block[0]) | u64::from(block[1]) << 32;
            let j = ((u128::from(word) * (i as u128 + 1)) >> 64) as usize;
            items.swap(i, j);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32")]
#[inline]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are kept")]
#[inline]
fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the Random123 distribution (kat_vectors, philox4x32 10 rounds).
    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_are_separate_and_repeatable() {
        let draw = |purpose, place| {
            let mut v = [0.0; 8];
            Stream::new(42, purpose, place).fill_uniform(&mut v, 0.0, 1.0);
            v
        };
        assert_eq!(draw(Purpose::Dropout, 3), draw(Purpose::Dropout, 3));
        assert_ne!(draw(Purpose::Dropout, 3), draw(Purpose::Dropout, 4));
        assert_ne!(draw(Purpose::Dropout, 3), draw(Purpose::Shuffle, 3));
    }

    #[test]
    fn moments_are_right() {
        let mut v = vec![0.0f32; 100_000];
        Stream::new(1, Purpose::Initialisation, 0).fill_normal(&mut v, 1.0, 2.0);
        let mean = v.iter().map(|x| f64::from(*x)).sum::<f64>() / 1e5;
        let variance = v
            .iter()
            .map(|x| (f64::from(*x) - mean).powi(2))
            .sum::<f64>()
            / 1e5;
        assert!((mean - 1.0).abs() < 0.02 && (variance - 4.0).abs() < 0.08);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut v: Vec<u32> = (0..1000).collect();
        Stream::new(7, Purpose::Shuffle, 1).shuffle(&mut v);
        assert_ne!(v, (0..1000).collect::<Vec<_>>());
        v.sort_unstable();
        assert_eq!(v, (0..1000).collect::<Vec<_>>());
    }
}

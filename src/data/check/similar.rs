//! Images that are copies of each other, to the pixel or nearly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::picture::{Facts, Fill, Plain, roughly};

/// Bits of the perceptual hash that may differ. Hashes that differ in no more than seven have one byte in common.
const DISTANCE: u32 = 5;

/// Of [`roughly`] at most, to be looked at.
const ROUGHLY: f32 = 0.15;

/// Of [`Plain::difference`] at most, to be told. Measured on Fashion-MNIST, where pairs of unlike images begin at 0.15.
pub(super) const NEAR: f32 = 0.1;

/// Two images that nearly agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    pub first: u32,
    pub second: u32,
    pub difference: f32,
}

/// Groups of images with the same pixels, of two or more; each ascending, in the order of their first.
pub(super) fn copies(facts: &[Option<Facts>]) -> Vec<Vec<u32>> {
    let mut of_digest: HashMap<[u8; 16], Vec<u32>> = HashMap::new();
    for (index, facts) in (0..).zip(facts) {
        if let Some(facts) = facts {
            of_digest.entry(facts.digest).or_default().push(index);
        }
    }
    let mut groups: Vec<_> = of_digest.into_values().filter(|g| g.len() > 1).collect();
    groups.sort();
    groups
}

/// Pairs of images that nearly agree, each ascending, sorted. Of copies only the first takes part, and no image that is
/// nearly blank. `read` gives an image.
pub(super) fn near(
    facts: &[Option<Facts>],
    copies: &[Vec<u32>],
    read: &(dyn Fn(u32) -> Option<Plain> + Sync),
    cancel: &AtomicBool,
) -> Vec<Near> {
    let mut is_copy = vec![false; facts.len()];
    for copy in copies.iter().flat_map(|group| &group[1..]) {
        is_copy[*copy as usize] = true;
    }
    let compared: Vec<(u32, &Facts)> = (0..)
        .zip(facts)
        .filter_map(|(index, facts)| Some((index, facts.as_ref()?)))
        .filter(|(index, facts)| facts.fill == Fill::Full && !is_copy[*index as usize])
        .collect();
    let hashes: Vec<u64> = compared.iter().map(|(_, facts)| facts.hash).collect();
    let of = |at: u32| compared[at as usize].1;
    let looks_alike = |a, b| roughly(&of(a).thumbnail, &of(b).thumbnail) <= ROUGHLY;
    let candidates = within(&hashes, &looks_alike, cancel);
    let by_first: Vec<&[(u32, u32)]> = candidates.chunk_by(|a, b| a.0 == b.0).collect();
    let index = |at: u32| compared[at as usize].0;
    let compare = |pairs: &&[(u32, u32)]| -> Vec<Near> {
        if cancel.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let Some(own) = pairs.first().and_then(|(first, _)| read(index(*first))) else {
            return Vec::new();
        };
        let near = |(first, second): &(u32, u32)| {
            let difference = own.difference(&read(index(*second))?)?;
            (difference <= NEAR).then_some(Near {
                first: index(*first),
                second: index(*second),
                difference,
            })
        };
        pairs.iter().filter_map(near).collect()
    };
    by_first.par_iter().flat_map_iter(compare).collect()
}

/// Pairs of hashes that differ in at most [`DISTANCE`] bits and pass the test, each ascending, sorted.
///
/// Hashes are compared only with those that have one of their eight bytes in common, which every such pair has.
fn within(
    hashes: &[u64],
    passes: &(dyn Fn(u32, u32) -> bool + Sync),
    cancel: &AtomicBool,
) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for band in 0..8_u32 {
        let byte = |hash: u64| (hash >> (8 * band)) & 0xff;
        let before = (1_u64 << (8 * band)) - 1;
        let mut sorted: Vec<(u64, u32)> = hashes.iter().copied().zip(0..).collect();
        sorted.sort_by_key(|(hash, index)| (byte(*hash), *index));
        let ends: Vec<usize> = sorted
            .chunk_by(|a, b| byte(a.0) == byte(b.0))
            .scan(0, |end, bucket| {
                *end += bucket.len();
                Some(vec![*end; bucket.len()])
            })
            .flatten()
            .collect();
        let found = sorted.par_iter().enumerate().flat_map_iter(|(at, own)| {
            let end = if cancel.load(Ordering::Relaxed) {
                at + 1
            } else {
                ends[at]
            };
            let others = sorted[at + 1..end].iter();
            others.filter_map(|other| {
                let differing = own.0 ^ other.0;
                let is_new =
                    differing.count_ones() <= DISTANCE && !has_zero_byte(differing, before);
                (is_new && passes(own.1, other.1)).then_some((own.1, other.1))
            })
        });
        pairs.par_extend(found);
    }
    pairs.par_sort_unstable();
    pairs
}

/// Whether one of the bytes under the mask is zero: the pair was found by that one.
fn has_zero_byte(value: u64, mask: u64) -> bool {
    let value = value | !mask;
    value.wrapping_sub(0x0101_0101_0101_0101) & !value & 0x8080_8080_8080_8080 != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(hashes: &[u64]) -> Vec<(u32, u32)> {
        within(hashes, &|_, _| true, &AtomicBool::new(false))
    }

    proptest! {
        /// Each pair once, as when all are compared with all.
        #[test]
        fn no_pair_is_missed(
            seeds in prop::collection::vec(any::<u64>(), 1..8),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), any::<u64>(), any::<u64>()), 0..120),
        ) {
            let mut hashes = seeds.clone();
            for (of, a, b, c) in changes {
                // About one bit in eight changes: distances on both sides of the bound.
                hashes.push(of.get(&seeds) ^ (a & b & c));
            }
            let mut expected = Vec::new();
            for (a, first) in (0..).zip(&hashes) {
                for (b, second) in (0..).zip(&hashes).skip(a as usize + 1) {
                    if (first ^ second).count_ones() <= DISTANCE {
                        expected.push((a, b));
                    }
                }
            }
            prop_assert_eq!(search(&hashes), expected);
        }
    }

    #[test]
    fn a_zero_byte_is_seen_under_the_mask_alone() {
        assert!(!has_zero_byte(0, 0));
        assert!(has_zero_byte(0x00ff_00ff, 0xff_ffff));
        assert!(!has_zero_byte(0x00ff_00ff, 0xff));
        assert!(!has_zero_byte(0x0001_8001, 0xff_ffff));
    }

    #[test]
    fn a_cancelled_search_ends() {
        let hashes = vec![7; 100_000];
        assert!(within(&hashes, &|_, _| true, &AtomicBool::new(true)).is_empty());
    }
}

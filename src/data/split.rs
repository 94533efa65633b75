//! Which images are trained on, which are held out, which are tested on. Pooled indices, ascending, never shared.
//!
//! Each part depends on the labels, the settings and `split_seed` alone. Shuffling between epochs is the loader's.

use super::{Dataset, Part};
use crate::error::{Error, Result};
use crate::profile::{Data, Split};
use crate::rng::{Purpose, Stream};

/// The three parts, as pooled indices in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
}

/// Places of the split's random numbers: the pooled split, then one per class.
const POOLED: u64 = 0;
const FIRST_CLASS: u64 = 1;

/// Splits the set as the profile says.
///
/// The validation set is held out before `per_class` shortens the training set, so that it is the same for every
/// `per_class`.
///
/// # Errors
/// `Input` naming the field when nothing would be left to train or test on.
pub(crate) fn split(dataset: &Dataset, settings: &Data) -> Result<Parts> {
    let (pool, mut test) = match settings.split {
        Split::Standard => (
            [Part::Train, Part::Validation]
                .into_iter()
                .flat_map(|part| indices(dataset.range(part)))
                .collect(),
            indices(dataset.range(Part::Test)),
        ),
        Split::Pooled => pooled(dataset.len(), settings)?,
    };
    let (mut train, mut validation) = if has_own_validation(dataset, settings) {
        let own = indices(dataset.range(Part::Validation));
        (indices(dataset.range(Part::Train)), own)
    } else {
        let held_out = validation_count(settings.validation, pool.len())?;
        hold_out(dataset, pool, held_out, settings.split_seed)
    };
    // Afterwards, so that all others stay in their splits.
    for part in [&mut train, &mut validation, &mut test] {
        part.retain(|index| dataset.excluded.binary_search(index).is_err());
    }
    if settings.per_class > 0 {
        let mut taken = vec![0; dataset.classes.len()];
        train.retain(|index| {
            let count = &mut taken[class_of(dataset, *index)];
            *count += 1;
            *count <= settings.per_class
        });
    }
    Ok(Parts {
        train,
        validation,
        test,
    })
}

/// Whether there are images to test on: the set's own, or some of the pool.
#[must_use]
pub(crate) fn has_test_set(dataset: &Dataset, settings: &Data) -> bool {
    settings.split == Split::Pooled || !dataset.test.is_empty()
}

/// Whether the set comes with a validation set and nobody asked for another: where somebody does, its images are
/// trained on too, but for those that are held out.
fn has_own_validation(dataset: &Dataset, settings: &Data) -> bool {
    let is_default = settings.validation.to_bits() == Data::default().validation.to_bits();
    is_default && settings.split == Split::Standard && !dataset.validation.is_empty()
}

/// How many of `pool` images `data.validation` holds out: a count as it is, a fraction rounded.
///
/// # Errors
/// `Input` when it is not such a number or leaves nothing to train on.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a count of images"
)]
pub(crate) fn validation_count(validation: f64, pool: usize) -> Result<usize> {
    let wrong = |problem: String| {
        Error::input(
            "data.validation",
            problem,
            "set a count, a fraction below 1 such as 0.1, or 0 for none",
        )
    };
    if !validation.is_finite() || validation < 0.0 {
        return Err(wrong(format!("{validation} is neither")));
    }
    let count = if validation < 1.0 {
        (validation * pool as f64).round()
    } else {
        validation
    };
    if count.fract() != 0.0 {
        return Err(wrong(format!("{validation} is not a whole number")));
    }
    if count >= pool as f64 {
        return Err(wrong(format!(
            "{validation} leaves none of {pool} images to train on"
        )));
    }
    Ok(count as usize)
}

/// All images at random, not stratified; the test set is rounded up as scikit-learn's `train_test_split` does.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the fraction is checked to be between 0 and 1"
)]
fn pooled(len: usize, settings: &Data) -> Result<(Vec<u32>, Vec<u32>)> {
    let fraction = settings.test_fraction;
    let count = (fraction * len as f64).ceil();
    if !(fraction > 0.0 && count < len as f64) {
        return Err(Error::input(
            "data.test_fraction",
            format!("{fraction} leaves nothing to train or test on"),
            "set a fraction between 0 and 1 such as 0.2",
        ));
    }
    let mut all = indices(0..len);
    Stream::new(settings.split_seed, Purpose::Split, POOLED).shuffle(&mut all);
    let mut pool = all.split_off(count as usize);
    pool.sort_unstable();
    all.sort_unstable();
    Ok((pool, all))
}

/// Takes `count` images out of `pool`, of each class its share, and returns what is left and what was taken.
fn hold_out(dataset: &Dataset, pool: Vec<u32>, count: usize, seed: u64) -> (Vec<u32>, Vec<u32>) {
    if count == 0 {
        return (pool, Vec::new());
    }
    let mut members = vec![Vec::new(); dataset.classes.len()];
    for index in &pool {
        members[class_of(dataset, *index)].push(*index);
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut validation = Vec::with_capacity(count);
    for ((place, mut class), share) in (FIRST_CLASS..).zip(members).zip(shares(&sizes, count)) {
        Stream::new(seed, Purpose::Split, place).shuffle(&mut class);
        validation.extend_from_slice(&class[..share]);
    }
    validation.sort_unstable();
    let train = pool
        .into_iter()
        .filter(|index| validation.binary_search(index).is_err())
        .collect();
    (train, validation)
}

/// Divides `count` in proportion to `sizes` by the largest remainders, so that the sum is exact.
///
/// Ties go to the lower class. No share exceeds its size as long as `count` does not exceed their sum.
fn shares(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let exact = |size: usize| size as u128 * count as u128;
    let total = (total as u128).max(1);
    let mut shares: Vec<usize> = sizes
        .iter()
        .map(|size| usize::try_from(exact(*size) / total).unwrap_or(*size))
        .collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|class| std::cmp::Reverse(exact(sizes[*class]) % total));
    let left = count - shares.iter().sum::<usize>();
    for class in by_remainder.into_iter().take(left) {
        shares[class] += 1;
    }
    shares
}

fn class_of(dataset: &Dataset, index: u32) -> usize {
    usize::from(dataset.label(index as usize))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a set has at most u32::MAX images; checked when it is loaded"
)]
fn indices(range: std::ops::Range<usize>) -> Vec<u32> {
    range.map(|index| index as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;

    fn settings(validation: f64) -> Data {
        Data {
            name: mini::NAME.into(),
            validation,
            ..Data::default()
        }
    }

    fn counts(dataset: &Dataset, indices: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; dataset.classes.len()];
        for index in indices {
            counts[class_of(dataset, *index)] += 1;
        }
        counts
    }

    fn union(parts: &Parts) -> Vec<u32> {
        let mut all = [&parts.train[..], &parts.validation, &parts.test].concat();
        all.sort_unstable();
        all
    }

    #[test]
    fn parts_are_disjoint_complete_stratified_and_repeatable() {
        let dataset = mini::load().unwrap();
        for (validation, expected) in [(0.0, 0), (0.1, 200), (500.0, 500), (7.0, 7), (0.3333, 667)]
        {
            let parts = split(&dataset, &settings(validation)).unwrap();
            assert_eq!(parts.validation.len(), expected);
            assert_eq!(parts.train.len(), 2000 - expected);
            assert_eq!(union(&parts), (0..2500).collect::<Vec<u32>>());
            let per_class = counts(&dataset, &parts.validation);
            let spread = per_class.iter().max().unwrap() - per_class.iter().min().unwrap();
            assert!(spread <= 1, "{per_class:?}");
            assert_eq!(parts, split(&dataset, &settings(validation)).unwrap());
        }
        let other = Data {
            split_seed: 43,
            ..settings(0.1)
        };
        assert_ne!(
            split(&dataset, &other).unwrap().validation,
            split(&dataset, &settings(0.1)).unwrap().validation
        );
    }

    #[test]
    fn pooled_tests_on_a_fifth_of_everything() {
        let dataset = mini::load().unwrap();
        let pooled = Data {
            split: Split::Pooled,
            ..settings(0.1)
        };
        let parts = split(&dataset, &pooled).unwrap();
        assert_eq!((parts.test.len(), parts.validation.len()), (500, 200));
        assert_eq!(union(&parts), (0..2500).collect::<Vec<u32>>());
        assert!(parts.test.iter().any(|i| *i < 2000) && parts.test.iter().any(|i| *i >= 2000));
        // At random: hardly ever exactly 50 of each class.
        assert_ne!(counts(&dataset, &parts.test), vec![50; 10]);
    }

    #[test]
    fn per_class_takes_the_first_and_leaves_validation_alone() {
        let dataset = mini::load().unwrap();
        let all = split(&dataset, &settings(0.1)).unwrap();
        let few = Data {
            per_class: 5,
            ..settings(0.1)
        };
        let parts = split(&dataset, &few).unwrap();
        assert_eq!(counts(&dataset, &parts.train), vec![5; 10]);
        assert_eq!(parts.validation, all.validation);
        assert_eq!(parts.train[0], all.train[0]);
    }

    #[test]
    fn shares_are_exact_and_proportional() {
        assert_eq!(shares(&[10, 20, 30], 6), [1, 2, 3]);
        assert_eq!(shares(&[1, 1, 1], 2), [1, 1, 0]);
        assert_eq!(shares(&[0, 5, 7], 11), [0, 5, 6]);
        assert_eq!(shares(&[3, 3], 6), [3, 3]);
    }

    #[test]
    fn impossible_splits_name_the_field() {
        let dataset = mini::load().unwrap();
        for validation in [2000.0, 5000.0, -1.0, f64::NAN, f64::INFINITY, 10.5] {
            let message = split(&dataset, &settings(validation))
                .unwrap_err()
                .to_string();
            assert!(message.starts_with("data.validation: "), "{message}");
        }
        for fraction in [0.0, 1.0, -0.5, f64::NAN, 0.9999] {
            let wrong = Data {
                split: Split::Pooled,
                test_fraction: fraction,
                ..settings(0.0)
            };
            let message = split(&dataset, &wrong).unwrap_err().to_string();
            assert!(message.starts_with("data.test_fraction: "), "{message}");
        }
    }
}

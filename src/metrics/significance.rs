//! What figures of so many images, or of so many seeds, say: intervals and tests. Values are those of scipy and
//! statsmodels (`scripts/significance.py`).

use statrs::distribution::{Binomial, ContinuousCDF, Discrete, DiscreteCDF, Normal, StudentsT};

use super::Scores;
use crate::rng::{Purpose, Stream};

/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;

/// How often images are drawn anew for an interval.
const RESAMPLES: usize = 2000;

/// The bootstrap of a comparison is the same whenever it is made.
const SEED: u64 = 0x0062_6f6f_7473;

/// Where a figure may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// `92.61 … 93.58`: of a share, in percent, with so many decimals.
    #[must_use]
    pub fn percent(&self, decimals: usize) -> String {
        let share = |share: f64| format!("{:.decimals$}", 100.0 * share);
        format!("{} … {}", share(self.low), share(self.high))
    }

    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Wilson's score interval (1927) of a share of `hits` in `total`, without continuity correction. `None` of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
pub fn wilson(hits: u64, total: u64) -> Option<Interval> {
    if total == 0 {
        return None;
    }
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
    let (n, share) = (total as f64, hits as f64 / total as f64);
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    // At its ends the interval reaches 0 and 1, but for the last bit.
    Some(Interval {
        low: if hits == 0 {
            0.0
        } else {
            (middle - half) / scale
        },
        high: if hits == total {
            1.0
        } else {
            (middle + half) / scale
        },
    })
}

/// The interval of an accuracy for the images that it was counted on; `None` of no images.
#[must_use]
pub fn wilson_of(scores: &Scores) -> Option<Interval> {
    wilson(scores.confusion.correct(), scores.confusion.total())
}

/// Figures of the same recipe with several seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    pub count: usize,
    pub mean: f64,
    /// Of the sample, with n − 1; NaN of one figure.
    pub deviation: f64,
    /// Student's t interval of the mean; `None` of one figure.
    pub interval: Option<Interval>,
}

impl Group {
    /// `None` of no figures.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seeds are few")]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let n = count as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / (n - 1.0)).sqrt();
        let interval = (count > 1).then(|| around(mean, deviation / n.sqrt(), n - 1.0, CONFIDENCE));
        Some(Self {
            count,
            mean,
            deviation,
            interval,
        })
    }

    /// Variance of the mean.
    #[expect(clippy::cast_precision_loss, reason = "seeds are few")]
    fn variance(&self) -> f64 {
        self.deviation * self.deviation / self.count as f64
    }
}

/// Student's t interval.
fn around(middle: f64, error: f64, freedom: f64, level: f64) -> Interval {
    let t = student(freedom).map_or(f64::NAN, |t| t.inverse_cdf(f64::midpoint(1.0, level)));
    Interval {
        low: middle - t * error,
        high: middle + t * error,
    }
}

fn student(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom).ok()
}

/// Two groups of seeds by Welch's test (1947), which takes no equal variances for granted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// Mean of the second less that of the first.
    pub difference: f64,
    pub interval: Interval,
    /// Degrees of freedom, by Welch and Satterthwaite.
    pub freedom: f64,
    pub p: f64,
}

/// `None` where a group has fewer than two figures, or none of the figures differ. `level` is that of the interval,
/// such as [`CONFIDENCE`].
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "seeds are few")]
pub fn welch(first: &Group, second: &Group, level: f64) -> Option<Welch> {
    if first.count < 2 || second.count < 2 {
        return None;
    }
    let (a, b) = (first.variance(), second.variance());
    if a + b <= 0.0 {
        return None;
    }
    let share = |variance: f64, count: usize| variance * variance / (count - 1) as f64;
    let freedom = (a + b).powi(2) / (share(a, first.count) + share(b, second.count));
    let (difference, error) = (second.mean - first.mean, (a + b).sqrt());
    let t = difference / error;
    Some(Welch {
        difference,
        interval: around(difference, error, freedom, level),
        freedom,
        p: 2.0 * student(freedom)?.cdf(-t.abs()),
    })
}

/// Two runs on the same images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paired {
    pub both: u64,
    /// Right by the first alone.
    pub first: u64,
    /// Right by the second alone.
    pub second: u64,
    pub neither: u64,
}

impl Paired {
    /// Counts an image.
    pub fn add(&mut self, first: bool, second: bool) {
        *match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.first,
            (false, true) => &mut self.second,
            (false, false) => &mut self.neither,
        } += 1;
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.both + self.first + self.second + self.neither
    }

    /// Images that one of the two has right and the other wrong: all that decide.
    #[must_use]
    pub fn deciding(&self) -> u64 {
        self.first + self.second
    }

    /// Accuracy of the second less that of the first. NaN of no images.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn difference(&self) -> f64 {
        (self.second as f64 - self.first as f64) / self.total() as f64
    }

    /// The exact test of McNemar (1947): the chance of a division as uneven as this one, or more, of the images that
    /// decide, were either as likely to have each right. 1 where none decides.
    #[must_use]
    pub fn exact_p(&self) -> f64 {
        let Some(coin) = self.coin() else { return 1.0 };
        (2.0 * coin.cdf(self.first.min(self.second))).min(1.0)
    }

    /// The same with half the chance of the division itself (mid-p), which is less cautious and as honest (Fagerland,
    /// Lydersen and Laake, 2013).
    #[must_use]
    pub fn mid_p(&self) -> f64 {
        let Some(coin) = self.coin() else { return 1.0 };
        let fewer = self.first.min(self.second);
        (2.0 * coin.cdf(fewer) - coin.pmf(fewer)).min(1.0)
    }

    fn coin(&self) -> Option<Binomial> {
        Binomial::new(0.5, self.deciding())
            .ok()
            .filter(|_| self.deciding() > 0)
    }

    /// The interval of [`difference`](Self::difference) by the percentiles of the paired bootstrap: as many images are
    /// drawn anew from these, some of them several times, and the rest not at all. `level` is the interval's, such as
    /// [`CONFIDENCE`]. `None` of no images.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are below 2^32"
    )]
    pub fn bootstrap(&self, level: f64) -> Option<Interval> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let one = |resample: usize| {
            let stream = Stream::new(SEED, Purpose::Split, resample as u64);
            let mut sum = 0_i64;
            for block in 0..total.div_ceil(4) {
                let left = (total - 4 * block).min(4) as usize;
                for word in &stream.block(block)[..left] {
                    // Which image it is does not matter, only of which of the four kinds.
                    let image = (u64::from(*word) * total) >> 32;
                    sum += i64::from(image < self.second);
                    sum -= i64::from(image >= self.second && image < self.deciding());
                }
            }
            sum as f64 / total as f64
        };
        let mut drawn: Vec<f64> = (0..RESAMPLES).map(one).collect();
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (RESAMPLES - 1) as f64;
            let (below, rest) = (place.floor() as usize, place.fract());
            let above = (below + 1).min(RESAMPLES - 1);
            drawn[below] + rest * (drawn[above] - drawn[below])
        };
        let tail = (1.0 - level) / 2.0;
        Some(Interval {
            low: at(tail),
            high: at(1.0 - tail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::references;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1e-3)
    }

    #[test]
    fn wilsons_intervals_are_those_of_statsmodels() {
        for case in references().shares {
            let found = wilson(case.hits, case.total).unwrap();
            assert!(
                near(found.low, case.low) && near(found.high, case.high),
                "{case:?}: {found:?}"
            );
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn groups_and_welchs_test_are_those_of_scipy() {
        for case in references().groups {
            let groups = [&case.first, &case.second].map(|values| Group::of(values).unwrap());
            let own = groups[0].interval.unwrap();
            assert!(near(groups[0].mean, case.mean) && near(groups[0].deviation, case.deviation));
            assert!(
                near(own.low, case.interval[0]) && near(own.high, case.interval[1]),
                "{own:?}, {case:?}"
            );
            let found = welch(&groups[0], &groups[1], CONFIDENCE).unwrap();
            assert!(near(found.freedom, case.freedom), "{found:?}, {case:?}");
            assert!((found.p - case.p).abs() < 1e-9, "{found:?}, {case:?}");
            let [low, high] = case.difference;
            assert!(
                near(found.interval.low, low) && near(found.interval.high, high),
                "{found:?}, {case:?}"
            );
        }
        let one = Group::of(&[0.5]).unwrap();
        assert!(one.deviation.is_nan() && one.interval.is_none());
        assert_eq!(Group::of(&[]), None);
        let same = Group::of(&[0.5, 0.5]).unwrap();
        assert_eq!(
            (
                welch(&one, &same, CONFIDENCE),
                welch(&same, &same, CONFIDENCE)
            ),
            (None, None)
        );
    }

    #[test]
    fn mcnemars_tests_are_those_of_statsmodels() {
        for case in references().pairs {
            let paired = Paired {
                both: 10,
                first: case.first,
                second: case.second,
                neither: 10,
            };
            assert!(
                near(paired.exact_p(), case.exact),
                "{case:?}: {}",
                paired.exact_p()
            );
            assert!(
                near(paired.mid_p(), case.mid),
                "{case:?}: {}",
                paired.mid_p()
            );
        }
    }

    /// Against the normal approximation, which holds for many images; and it is the same every time.
    #[test]
    fn the_bootstrap_is_about_the_difference() {
        let paired = Paired {
            both: 8000,
            first: 400,
            second: 500,
            neither: 1100,
        };
        let found = paired.bootstrap(CONFIDENCE).unwrap();
        let n = paired.total() as f64;
        let error = ((900.0 / n - paired.difference().powi(2)) / n).sqrt();
        for (end, z) in [(found.low, -1.96), (found.high, 1.96)] {
            assert!(
                (end - paired.difference() - z * error).abs() < 0.15 * error,
                "{found:?}, {error}"
            );
        }
        assert_eq!(paired.bootstrap(CONFIDENCE), Some(found));
        assert!(!found.contains(0.0) && found.contains(0.01));
        let even = Paired {
            first: 12,
            second: 12,
            ..Paired::default()
        };
        assert!(even.bootstrap(CONFIDENCE).unwrap().contains(0.0));
        assert_eq!(Paired::default().bootstrap(CONFIDENCE), None);
    }

    /// An interval that says 95 % holds what is true as often, in groups of any size.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        for (count, mean) in [(3, 0.9), (5, 0.5), (20, 0.7)] {
            let held = (0..2000)
                .filter(|round| {
                    let mut values = vec![0.0_f32; count];
                    Stream::new(5, Purpose::Augmentation, *round).fill_normal(
                        &mut values,
                        mean,
                        0.01,
                    );
                    let values: Vec<f64> = values.into_iter().map(f64::from).collect();
                    Group::of(&values)
                        .unwrap()
                        .interval
                        .unwrap()
                        .contains(f64::from(mean))
                })
                .count();
            assert!((1860..1940).contains(&held), "{count}: {held} of 2000");
        }
    }
}

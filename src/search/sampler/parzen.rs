//! Densities of points that were seen: a mixture of one kernel around each and one over the whole space, each the
//! product of one-dimensional kernels (Bergstra et al. 2011; Falkner et al. 2018; Watanabe 2023).

use super::normal::{ln_mass, quantile};
use crate::search::distribution::{Distribution, Range, index, to_f64};
use crate::search::draws::Draws;

/// A density over some parameters.
pub(crate) struct Parzen<'a> {
    /// Of the kernels: the one over the whole space is the last.
    ln_weights: Vec<f64>,
    cumulative: Vec<f64>,
    axes: Vec<Axis<'a>>,
}

/// The kernels' share in one parameter.
enum Axis<'a> {
    Number {
        range: &'a Range,
        means: Vec<f64>,
        deviations: Vec<f64>,
        /// −ln σ√2π − ln(mass within the axis), of values without steps: without ln σ√2π.
        ln_scales: Vec<f64>,
        /// For each kernel the place of the first that is the same.
        same_as: Vec<usize>,
    },
    /// Of a kernel around a choice: it, any other; and of the one over all.
    Choice {
        seen: Vec<usize>,
        hit: f64,
        miss: f64,
        count: usize,
    },
}

impl<'a> Parzen<'a> {
    /// `seen[i]` are the points' values of parameter `i`, in the order in which the points were tried; `weights` those
    /// of the points. The kernel over the whole space has weight 1.
    #[must_use]
    pub(crate) fn new(
        distributions: &[&'a Distribution],
        seen: &[Vec<f64>],
        weights: &[f64],
    ) -> Self {
        let all: f64 = weights.iter().sum::<f64>() + 1.0;
        let shares: Vec<f64> = weights.iter().chain(&[1.0]).map(|w| w / all).collect();
        let mut sum = 0.0;
        let cumulative = shares
            .iter()
            .map(|share| {
                sum += share;
                sum
            })
            .collect();
        let axes = distributions.iter().zip(seen);
        Self {
            ln_weights: shares.iter().map(|share| share.ln()).collect(),
            cumulative,
            axes: axes.map(|(of, seen)| Axis::new(of, seen)).collect(),
        }
    }

    /// A point drawn from it.
    pub(crate) fn draw(&self, draws: &mut Draws) -> Vec<f64> {
        let share = draws.uniform();
        let last = self.cumulative.len() - 1;
        let found = self.cumulative.iter().position(|upto| share < *upto);
        let kernel = found.unwrap_or(last);
        let axes = self.axes.iter();
        axes.map(|axis| axis.draw(kernel, draws.uniform()))
            .collect()
    }

    /// The logarithms of its density at points.
    #[must_use]
    pub(crate) fn ln_density(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let kernels = self.ln_weights.len();
        let mut sums = Vec::with_capacity(points.len() * kernels);
        for _ in points {
            sums.extend_from_slice(&self.ln_weights);
        }
        let mut steps = Vec::new();
        for (at, axis) in self.axes.iter().enumerate() {
            match axis.steps() {
                Some(of) => steps.push((at, of)),
                None => axis.add_ln_density(points.iter().map(|point| point[at]), &mut sums),
            }
        }
        for (point, sums) in points.iter().zip(sums.chunks_exact_mut(kernels)) {
            // The kernel over the whole space is near everything: what lies far below it adds nothing.
            let over_all: f64 = steps
                .iter_mut()
                .map(|(at, of)| {
                    let place = of.place(point[*at]);
                    of.ln_mass(place, kernels - 1)
                })
                .sum();
            let all = steps.iter().map(|_| LARGEST_SCALE).sum::<f64>();
            let least = sums[kernels - 1] + over_all - NOTHING - all;
            for (at, of) in &mut steps {
                let place = of.place(point[*at]);
                for (kernel, sum) in sums.iter_mut().enumerate() {
                    *sum = if *sum < least {
                        f64::NEG_INFINITY
                    } else {
                        *sum + of.ln_mass(place, kernel)
                    };
                }
            }
        }
        sums.chunks_exact(kernels).map(ln_sum_exp).collect()
    }
}

/// What lies so far below the largest term of a sum is lost in its rounding, a million times over.
///
/// **Units** natural logarithm.
const NOTHING: f64 = 50.0;

/// The most that cutting a kernel off at both ends adds to it: it lies within, and is no wider than the axis.
///
/// **Units** natural logarithm.
const LARGEST_SCALE: f64 = 1.1;

/// The masses of an axis' kernels around values with steps, each found once.
struct Steps<'p> {
    range: &'p Range,
    step: f64,
    means: &'p [f64],
    deviations: &'p [f64],
    ln_scales: &'p [f64],
    same_as: &'p [usize],
    found: Vec<Masses>,
}

/// Masses around a value: those that are not known yet are no numbers.
struct Masses {
    value: f64,
    /// Half a step below and above, on the axis.
    ends: [f64; 2],
    ln: Vec<f64>,
}

impl Steps<'_> {
    /// Where a value's masses are.
    fn place(&mut self, value: f64) -> usize {
        let known = self.found.iter();
        let mut known = known.map(|masses| masses.value.total_cmp(&value).is_eq());
        known.position(|is_it| is_it).unwrap_or_else(|| {
            let half = self.step / 2.0;
            self.found.push(Masses {
                value,
                ends: [value - half, value + half].map(|end| self.range.on_axis(end)),
                ln: vec![f64::NAN; self.means.len()],
            });
            self.found.len() - 1
        })
    }

    /// The logarithm of a kernel's mass around the value at a place.
    fn ln_mass(&mut self, place: usize, kernel: usize) -> f64 {
        let kernel = self.same_as[kernel];
        let masses = &mut self.found[place];
        if masses.ln[kernel].is_nan() {
            let (mean, deviation) = (self.means[kernel], self.deviations[kernel]);
            let [left, right] = masses.ends.map(|end| (end - mean) / deviation);
            masses.ln[kernel] = self.ln_scales[kernel] + ln_mass(left, right);
        }
        masses.ln[kernel]
    }
}

fn ln_sum_exp(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    let terms = terms.iter().map(|term| term - most);
    // What is less is lost in rounding.
    let terms = terms.filter(|term| *term > -NOTHING);
    most + terms.map(f64::exp).sum::<f64>().ln()
}

impl<'a> Axis<'a> {
    fn new(distribution: &'a Distribution, seen: &[f64]) -> Self {
        let range = match distribution {
            Distribution::Choice(choices) => return Self::choice(choices.len(), seen),
            Distribution::Number(range) => range,
        };
        let (means, deviations, same_as) = kernels(range, seen);
        let (low, high) = range.axis();
        let mut ln_scales: Vec<f64> = Vec::with_capacity(means.len());
        for (at, (mean, deviation)) in means.iter().zip(&deviations).enumerate() {
            let first = same_as[at];
            ln_scales.push(if first < at {
                ln_scales[first]
            } else {
                let ends = [(low - mean) / deviation, (high - mean) / deviation];
                // Far from both ends nothing is cut off.
                let mass = match ends {
                    [left, right] if left < -9.0 && right > 9.0 => 0.0,
                    [left, right] => ln_mass(left, right),
                };
                let width = if range.step.is_none() {
                    deviation.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln()
                } else {
                    0.0
                };
                -mass - width
            });
        }
        Self::Number {
            range,
            means,
            deviations,
            ln_scales,
            same_as,
        }
    }

    fn choice(count: usize, seen: &[f64]) -> Self {
        let kernels = to_f64(seen.len() as u64 + 1);
        let prior = 1.0 / kernels;
        let all = 1.0 + to_f64(count as u64) * prior;
        Self::Choice {
            seen: seen.iter().map(|s| index(*s).unwrap_or(0)).collect(),
            hit: (1.0 + prior) / all,
            miss: prior / all,
            count,
        }
    }

    fn draw(&self, kernel: usize, share: f64) -> f64 {
        match self {
            Self::Number {
                range,
                means,
                deviations,
                ..
            } => {
                let (low, high) = range.axis();
                let (mean, deviation) = (means[kernel], deviations[kernel]);
                let to = |point: f64| (point - mean) / deviation;
                range.off_axis(mean + deviation * quantile(share, to(low), to(high)))
            }
            Self::Choice {
                seen,
                hit,
                miss,
                count,
            } => {
                let mut upto = 0.0;
                for choice in 0..*count {
                    upto += match seen.get(kernel) {
                        None => 1.0 / to_f64(*count as u64),
                        Some(own) if *own == choice => *hit,
                        Some(_) => *miss,
                    };
                    if share < upto {
                        return to_f64(choice as u64);
                    }
                }
                to_f64(*count as u64 - 1)
            }
        }
    }

    /// Adds the logarithm of each kernel's density at each value, which has no steps, to `sums`, of which each value
    /// has as many as there are kernels.
    fn add_ln_density(&self, values: impl Iterator<Item = f64>, sums: &mut [f64]) {
        match self {
            Self::Choice {
                seen,
                hit,
                miss,
                count,
            } => {
                let (hit, miss) = (hit.ln(), miss.ln());
                let even = -to_f64(*count as u64).ln();
                for (value, sums) in values.zip(sums.chunks_exact_mut(seen.len() + 1)) {
                    let choice = index(value);
                    for (sum, own) in sums.iter_mut().zip(seen) {
                        *sum += if choice == Some(*own) { hit } else { miss };
                    }
                    sums[seen.len()] += even;
                }
            }
            Self::Number {
                range,
                means,
                deviations,
                ln_scales,
                ..
            } => {
                for (value, sums) in values.zip(sums.chunks_exact_mut(means.len())) {
                    let point = range.on_axis(value);
                    let kernels = means.iter().zip(deviations).zip(ln_scales);
                    for (sum, ((mean, deviation), ln_scale)) in sums.iter_mut().zip(kernels) {
                        let z = (point - mean) / deviation;
                        *sum += ln_scale - 0.5 * z * z;
                    }
                }
            }
        }
    }

    /// Its kernels' masses, where values have steps.
    fn steps(&self) -> Option<Steps<'_>> {
        let Self::Number {
            range,
            means,
            deviations,
            ln_scales,
            same_as,
        } = self
        else {
            return None;
        };
        Some(Steps {
            range,
            step: range.step?,
            means,
            deviations,
            ln_scales,
            same_as,
            found: Vec::new(),
        })
    }
}

/// Means and standard deviations of the kernels around values, and of the one over the whole axis, which is the last:
/// as wide as the larger gap to a neighbour, within limits ("magic clip"). And for each the place of the first that is
/// the same: of whole numbers most are.
fn kernels(range: &Range, seen: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let (low, high) = range.axis();
    let mut means: Vec<f64> = seen.iter().map(|value| range.on_axis(*value)).collect();
    let count = means.len();
    let mut order: Vec<(f64, usize)> = means.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|one, two| one.0.total_cmp(&two.0).then(one.1.cmp(&two.1)));
    let widest = high - low;
    let narrowest = widest / to_f64(count as u64 + 2).min(100.0);
    let mut deviations = vec![0.0; count];
    let mut same_as: Vec<usize> = (0..=count).collect();
    // Of those with the same mean only the outer two have another gap than none.
    let mut inner: Option<usize> = None;
    for (place, (mean, at)) in order.iter().copied().enumerate() {
        let before = place.checked_sub(1).map(|place| mean - order[place].0);
        let after = order.get(place + 1).map(|next| next.0 - mean);
        let gap = match (before, after) {
            (None, None) => (mean - low).max(high - mean),
            // The ends of the axis are no neighbours.
            (Some(gap), None) | (None, Some(gap)) => gap,
            (Some(before), Some(after)) => before.max(after),
        };
        deviations[at] = gap.clamp(narrowest, widest);
        let is_same = |one: f64, other: f64| one.total_cmp(&other).is_eq();
        if let Some(first) = inner
            && is_same(means[first], mean)
            && is_same(deviations[first], deviations[at])
        {
            same_as[at] = first;
        } else {
            inner = Some(at);
        }
    }
    means.push(f64::midpoint(low, high));
    deviations.push(widest);
    (means, deviations, same_as)
}

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
        for (at, axis) in self.axes.iter().enumerate() {
            axis.add_ln_density(points.iter().map(|point| point[at]), &mut sums);
        }
        sums.chunks_exact(kernels).map(ln_sum_exp).collect()
    }
}

fn ln_sum_exp(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + terms
        .iter()
        .map(|term| (term - most).exp())
        .sum::<f64>()
        .ln()
}

impl<'a> Axis<'a> {
    fn new(distribution: &'a Distribution, seen: &[f64]) -> Self {
        let range = match distribution {
            Distribution::Choice(choices) => return Self::choice(choices.len(), seen),
            Distribution::Number(range) => range,
        };
        let (means, deviations) = kernels(range, seen);
        let same_as = same_as(&means, &deviations);
        let (low, high) = range.axis();
        let mut ln_scales: Vec<f64> = Vec::with_capacity(means.len());
        for (at, (mean, deviation)) in means.iter().zip(&deviations).enumerate() {
            let first = same_as[at];
            ln_scales.push(if first < at {
                ln_scales[first]
            } else {
                let mass = ln_mass((low - mean) / deviation, (high - mean) / deviation);
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

    /// Adds the logarithm of each kernel's density at each value to `sums`, of which each value has as many as there
    /// are kernels.
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
                same_as,
            } => match range.step {
                None => {
                    for (value, sums) in values.zip(sums.chunks_exact_mut(means.len())) {
                        let point = range.on_axis(value);
                        for (kernel, sum) in sums.iter_mut().enumerate() {
                            let z = (point - means[kernel]) / deviations[kernel];
                            *sum += ln_scales[kernel] - 0.5 * z * z;
                        }
                    }
                }
                Some(step) => {
                    let mut done: Vec<(f64, Vec<f64>)> = Vec::new();
                    for (value, sums) in values.zip(sums.chunks_exact_mut(means.len())) {
                        let known = done.iter().position(|(of, _)| of.total_cmp(&value).is_eq());
                        let terms = if let Some(at) = known {
                            &done[at].1
                        } else {
                            let ends = [value - step / 2.0, value + step / 2.0];
                            let [left, right] = ends.map(|end| range.on_axis(end));
                            let mut terms: Vec<f64> = Vec::with_capacity(means.len());
                            for (kernel, first) in same_as.iter().enumerate() {
                                terms.push(if *first < kernel {
                                    terms[*first]
                                } else {
                                    let (mean, deviation) = (means[kernel], deviations[kernel]);
                                    let to = |point: f64| (point - mean) / deviation;
                                    ln_scales[kernel] + ln_mass(to(left), to(right))
                                });
                            }
                            done.push((value, terms));
                            &done[done.len() - 1].1
                        };
                        for (sum, term) in sums.iter_mut().zip(terms) {
                            *sum += term;
                        }
                    }
                }
            },
        }
    }
}

/// Means and standard deviations of the kernels around values, and of the one over the whole axis, which is the last:
/// as wide as the larger gap to a neighbour, within limits ("magic clip").
fn kernels(range: &Range, seen: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (low, high) = range.axis();
    let mut means: Vec<f64> = seen.iter().map(|value| range.on_axis(*value)).collect();
    let count = means.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, two| means[*one].total_cmp(&means[*two]));
    let widest = high - low;
    let narrowest = widest / to_f64(count as u64 + 2).min(100.0);
    let mut deviations = vec![0.0; count];
    for (place, at) in order.iter().enumerate() {
        let mean = means[*at];
        let before = place.checked_sub(1).map(|place| mean - means[order[place]]);
        let after = order.get(place + 1).map(|next| means[*next] - mean);
        let gap = match (before, after) {
            (None, None) => (mean - low).max(high - mean),
            // The ends of the axis are no neighbours.
            (Some(gap), None) | (None, Some(gap)) => gap,
            (Some(before), Some(after)) => before.max(after),
        };
        deviations[*at] = gap.clamp(narrowest, widest);
    }
    means.push(f64::midpoint(low, high));
    deviations.push(widest);
    (means, deviations)
}

/// For each kernel the first that is the same: of whole numbers most are.
fn same_as(means: &[f64], deviations: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..means.len()).collect();
    let key = |at: &usize| (means[*at], deviations[*at]);
    order.sort_by(|one, two| {
        let (one, two) = (key(one), key(two));
        one.0.total_cmp(&two.0).then(one.1.total_cmp(&two.1))
    });
    let mut same_as = vec![0; means.len()];
    let mut first = order[0];
    for at in order {
        if key(&at) != key(&first) {
            first = at;
        }
        same_as[at] = first;
    }
    same_as
}

//! Whether a network is as often right as it says: reliability diagram, calibration error, temperature (Guo et al.,
//! 2017).

/// Bins of a reliability diagram.
pub const BINS: usize = 15;

/// Images whose highest probability lies in one part of 0–1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    pub images: u64,
    /// Mean of the highest probabilities. NaN of no images, as the next.
    pub confidence: f64,
    /// Share that is right.
    pub accuracy: f64,
}

/// A reliability diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Of equal width; the upper end belongs to a bin.
    pub bins: Vec<Bin>,
    /// Expected calibration error: the gap between confidence and accuracy, averaged over the images.
    pub ece: f64,
    /// The largest gap.
    pub mce: f64,
}

impl Reliability {
    /// Of the highest probability of each image, and whether that class is the right one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bins are few"
    )]
    pub fn of(images: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut sums = [(0_u64, 0.0, 0_u64); BINS];
        for (confidence, is_right) in images {
            let place = (confidence * BINS as f64).ceil() as usize;
            let (count, sum, right) = &mut sums[place.clamp(1, BINS) - 1];
            *count += 1;
            *sum += confidence;
            *right += u64::from(is_right);
        }
        let total: u64 = sums.iter().map(|(count, ..)| count).sum();
        let bin = |(images, sum, right): &(u64, f64, u64)| Bin {
            images: *images,
            confidence: sum / *images as f64,
            accuracy: *right as f64 / *images as f64,
        };
        let bins: Vec<Bin> = sums.iter().map(bin).collect();
        let gaps = bins.iter().filter(|bin| bin.images > 0);
        let gaps = gaps.map(|bin| (bin.images, (bin.confidence - bin.accuracy).abs()));
        let ece = gaps
            .clone()
            .map(|(images, gap)| images as f64 * gap)
            .sum::<f64>()
            / total as f64;
        Self {
            ece,
            mce: gaps.map(|(_, gap)| gap).fold(f64::NAN, f64::max),
            bins,
        }
    }
}

/// The least probability that is taken for one: what is kept as 0 is below 2⁻²⁵.
const LEAST: f64 = 3e-8;

/// The temperature that makes the labels of these images likeliest: probabilities are softmax(z / T), and `images`
/// gives those of T = 1 with the label. To be fitted on validation images, never on those that it is judged by. `None`
/// where there is no best one: all images right, or none at all.
///
/// The logarithm of the likelihood is concave in 1/T; its slope is followed by bisection.
#[must_use]
pub fn temperature(images: &[(Vec<f64>, usize)]) -> Option<f64> {
    let logits: Vec<(Vec<f64>, f64)> = images
        .iter()
        .map(|(all, label)| {
            let logits: Vec<f64> = all.iter().map(|p| p.max(LEAST).ln()).collect();
            let own = logits[*label];
            (logits, own)
        })
        .collect();
    // The slope by 1/T: what the label has more than is expected.
    let slope = |inverse: f64| -> f64 {
        let one = |(logits, own): &(Vec<f64>, f64)| {
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights = logits.iter().map(|z| ((z - most) * inverse).exp());
            let (sum, weighted) = weights
                .zip(logits)
                .fold((0.0, 0.0), |(sum, weighted), (w, z)| {
                    (sum + w, weighted + w * z)
                });
            own - weighted / sum
        };
        logits.iter().map(one).sum()
    };
    let (mut low, mut high) = (1e-3_f64, 1e3_f64);
    if images.is_empty() || slope(low) <= 0.0 || slope(high) >= 0.0 {
        return None;
    }
    // By halves of the logarithm, to the last digits.
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(1.0 / (low * high).sqrt())
}

/// Probabilities at another temperature.
#[must_use]
pub fn scaled(probabilities: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = probabilities
        .iter()
        .map(|p| (p.max(LEAST).ln() / temperature).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::references;

    #[test]
    fn errors_and_temperatures_are_those_of_numpy_and_scipy() {
        for case in references().calibrations {
            let images: Vec<(Vec<f64>, usize)> = case
                .probabilities
                .iter()
                .cloned()
                .zip(case.labels.iter().copied())
                .collect();
            let answers = images.iter().map(|(all, label)| {
                let most = (0..all.len())
                    .max_by(|a, b| all[*a].total_cmp(&all[*b]))
                    .unwrap();
                (all[most], most == *label)
            });
            let found = Reliability::of(answers);
            assert!(
                (found.ece - case.ece).abs() < 1e-12,
                "{} {}",
                found.ece,
                case.ece
            );
            assert!(found.mce >= found.ece);
            let counted: u64 = found.bins.iter().map(|bin| bin.images).sum();
            assert_eq!(counted, images.len() as u64);
            let fitted = temperature(&images).unwrap();
            assert!(
                (fitted / case.temperature - 1.0).abs() < 1e-5,
                "{fitted} {}",
                case.temperature
            );
            let all = &images[0].0;
            let same = scaled(all, 1.0);
            assert!(same.iter().zip(all).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    #[test]
    fn where_none_is_best_there_is_no_temperature() {
        let right = vec![(vec![0.75, 0.25], 0); 9];
        assert_eq!(temperature(&right), None);
        assert_eq!(temperature(&[]), None);
        let mut some = right;
        some.push((vec![0.75, 0.25], 1));
        let fitted = temperature(&some).unwrap();
        // Then the network is as sure as it is right: nine times of ten.
        assert!((scaled(&some[0].0, fitted)[0] - 0.9).abs() < 1e-9);
    }

    #[test]
    fn ends_of_bins_belong_to_them() {
        let found = Reliability::of([(0.0, false), (1.0 / 15.0, true), (1.0, true)]);
        assert_eq!(found.bins[0].images, 2);
        assert_eq!(found.bins[BINS - 1].images, 1);
        assert!(found.bins[3].confidence.is_nan());
        assert!(Reliability::of([]).ece.is_nan());
    }
}

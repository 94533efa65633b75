//! One class against the rest, by how likely each image was to be of it: ROC and precision–recall. Figures match
//! scikit-learn's.

/// Of images in the order of falling scores: how many of the class and how many others are at or above a threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// At each different score, the highest first: images of the class, and others.
    steps: Vec<(u64, u64)>,
}

impl Ranking {
    /// Of scores and whether each image is of the class. What is no number counts as the least.
    #[must_use]
    pub fn of(images: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let number = |score: f64| {
            if score.is_nan() {
                f64::NEG_INFINITY
            } else {
                score
            }
        };
        let images = images
            .into_iter()
            .map(|(score, is_own)| (number(score), is_own));
        let mut images: Vec<(f64, bool)> = images.collect();
        images.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut steps, mut hits, mut others) = (Vec::new(), 0, 0);
        let mut images = images.into_iter().peekable();
        while let Some((score, is_own)) = images.next() {
            hits += u64::from(is_own);
            others += u64::from(!is_own);
            // Images of one score are taken together: no order among them is known.
            let is_last = images
                .peek()
                .is_none_or(|(next, _)| next.total_cmp(&score).is_ne());
            if is_last {
                steps.push((hits, others));
            }
        }
        Self { steps }
    }

    fn total(&self) -> (u64, u64) {
        self.steps.last().copied().unwrap_or_default()
    }

    /// Points of the ROC curve from (0, 0) to (1, 1): false and true positive rate. Empty where one of the two sides
    /// has no images.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn roc(&self) -> Vec<(f64, f64)> {
        let (own, others) = self.total();
        if own == 0 || others == 0 {
            return Vec::new();
        }
        let point =
            |(hit, wrong): &(u64, u64)| (*wrong as f64 / others as f64, *hit as f64 / own as f64);
        std::iter::once((0.0, 0.0))
            .chain(self.steps.iter().map(point))
            .collect()
    }

    /// Area under the ROC curve: the chance that an image of the class ranks above another. NaN where there is none.
    #[must_use]
    pub fn auc(&self) -> f64 {
        let points = self.roc();
        if points.is_empty() {
            return f64::NAN;
        }
        let strip =
            |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1);
        points.windows(2).map(strip).sum()
    }

    /// Points of the precision–recall curve from the highest threshold on: recall and precision. Empty where no image
    /// is of the class.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn precision_recall(&self) -> Vec<(f64, f64)> {
        let (own, _) = self.total();
        if own == 0 {
            return Vec::new();
        }
        let point = |(hit, wrong): &(u64, u64)| {
            (*hit as f64 / own as f64, *hit as f64 / (hit + wrong) as f64)
        };
        self.steps.iter().map(point).collect()
    }

    /// Average precision: precision averaged over the steps of recall, without interpolation. NaN where no image is of
    /// the class.
    #[must_use]
    pub fn average_precision(&self) -> f64 {
        let points = self.precision_recall();
        if points.is_empty() {
            return f64::NAN;
        }
        let mut before = 0.0;
        let step = |(recall, precision): &(f64, f64)| {
            let gain = (recall - before) * precision;
            before = *recall;
            gain
        };
        points.iter().map(step).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::references;

    /// With ties: scores are rounded.
    #[test]
    fn areas_are_those_of_scikit_learn() {
        let mut checked = 0;
        for case in references().calibrations {
            let scores = case
                .probabilities
                .iter()
                .map(|all| (all[0] * 100.0).round_ties_even() / 100.0);
            let images = scores.zip(case.labels.iter().map(|label| *label == 0));
            let ranking = Ranking::of(images);
            let Some((auc, average)) = case.auc.zip(case.average_precision) else {
                continue;
            };
            assert!(
                (ranking.auc() - auc).abs() < 1e-12,
                "{} {auc}",
                ranking.auc()
            );
            assert!(
                (ranking.average_precision() - average).abs() < 1e-12,
                "{average}"
            );
            assert_eq!(ranking.roc().last(), Some(&(1.0, 1.0)));
            checked += 1;
        }
        assert!(checked > 5);
    }

    #[test]
    fn without_one_of_the_sides_nothing_is_known() {
        let own = Ranking::of([(0.5, true), (0.25, true)]);
        assert!(own.auc().is_nan() && own.roc().is_empty());
        assert!((own.average_precision() - 1.0).abs() < 1e-12);
        let others = Ranking::of([(0.5, false)]);
        assert!(others.average_precision().is_nan());
        let broken = Ranking::of([(f64::NAN, true), (0.1, false)]);
        assert!(broken.auc().abs() < 1e-12);
    }
}

//! Rosenblatt's perceptron, one against the rest: ten neurons that learn from their mistakes, one image at a time.
//!
//! Each class k has one neuron with weights w and bias b. Shown an image x it answers with the sign of its score s =
//! w·x + b; the right answer is y = +1 when the image is of class k, else −1. Where y·s > 0 it was right and nothing
//! happens. Where y·s ≤ 0 it was wrong (or undecided), and it moves towards the image or away from it:
//!
//! ```text
//! w ← w + η·y·x        b ← b + η·y
//! ```
//!
//! which raises y·s by η·(|x|² + 1) > 0. There is no gradient of a smooth loss here and no minimum to settle in: if
//! some plane separates the class from the rest, the rule finds one after finitely many mistakes (Novikoff 1962); if
//! none does, as for Fashion-MNIST, the weights wander for ever. As everything starts at zero, η only sets the scale of
//! the scores, never an answer.
//!
//! **Reference** Rosenblatt 1958; scikit-learn's `Perceptron` (without penalty), whose ten problems are these ten
//! neurons. Deliberately not parallel: each image must see the weights that the image before it left.

use crate::kernels::cpu::optimizer::ema;

/// Lanes of the scores' sums: enough to fill vector registers, and fixed, so that every machine adds in one order.
const LANES: usize = 16;

/// The weights of all neurons.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Perceptron {
    features: usize,
    /// **Shape** `[K, features]`.
    weight: Vec<f32>,
    /// **Shape** `[K]`.
    bias: Vec<f32>,
}

/// What one image, or the sum over several, gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PerceptronUpdate {
    /// The perceptron loss max(0, −y·s), mean over the classes, before the weights moved. scikit-learn reports the same
    /// for each class by itself.
    pub loss: f64,
    /// 1 where the class with the highest score was the right one.
    pub correct: usize,
    /// Neurons that were wrong and learned.
    pub mistakes: usize,
}

impl Perceptron {
    /// All weights zero, as the rule starts.
    #[must_use]
    pub(crate) fn new(features: usize, classes: usize) -> Self {
        Self {
            features,
            weight: vec![0.0; features * classes],
            bias: vec![0.0; classes],
        }
    }

    #[must_use]
    pub(crate) fn features(&self) -> usize {
        self.features
    }

    #[must_use]
    pub(crate) fn classes(&self) -> usize {
        self.bias.len()
    }

    /// **Shape** `[K, features]`.
    #[must_use]
    pub(crate) fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// **Shape** `[K]`.
    #[must_use]
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Replaces weights and biases. Lengths that differ are a bug and change nothing.
    pub(crate) fn set(&mut self, weight: &[f32], bias: &[f32]) {
        if weight.len() == self.weight.len() && bias.len() == self.bias.len() {
            self.weight.copy_from_slice(weight);
            self.bias.copy_from_slice(bias);
        }
    }

    /// Moves these weights towards another's: decay of their own and 1 − decay of the other's. Sizes must be equal.
    ///
    /// # Panics
    /// When they are not.
    pub(crate) fn approach(&mut self, other: &Self, decay: f64) {
        ema(decay, &mut self.weight, &other.weight);
        ema(decay, &mut self.bias, &other.bias);
    }

    /// The score of every class for one image. **Shape** x `[features]`, scores `[K]`.
    pub(crate) fn scores(&self, x: &[f32], scores: &mut [f32]) {
        let neurons = self.weight.chunks_exact(self.features).zip(&self.bias);
        for (score, (w, b)) in scores.iter_mut().zip(neurons) {
            *score = dot(w, x) + b;
        }
    }

    /// Shows one image and lets the neurons that are wrong learn, with step width `eta`.
    ///
    /// `scores` is work space of one number per class; it is left holding the scores before the update.
    pub(crate) fn learn(
        &mut self,
        x: &[f32],
        label: u32,
        eta: f32,
        scores: &mut [f32],
    ) -> PerceptronUpdate {
        self.scores(x, scores);
        let mut lesson = PerceptronUpdate {
            correct: usize::from(highest(scores) == label as usize),
            ..PerceptronUpdate::default()
        };
        let neurons = self
            .weight
            .chunks_exact_mut(self.features)
            .zip(&mut self.bias);
        for (class, ((w, b), score)) in (0u32..).zip(neurons.zip(&*scores)) {
            let y = if class == label { 1.0 } else { -1.0 };
            let margin = y * score;
            if margin > 0.0 {
                continue;
            }
            lesson.loss -= f64::from(margin);
            lesson.mistakes += 1;
            for (w, x) in w.iter_mut().zip(x) {
                *w += eta * y * x;
            }
            *b += eta * y;
        }
        #[expect(clippy::cast_precision_loss, reason = "few classes")]
        let classes = scores.len().max(1) as f64;
        lesson.loss /= classes;
        lesson
    }
}

/// The first of the highest.
fn highest(scores: &[f32]) -> usize {
    let first = (0, f32::NEG_INFINITY);
    let best = scores.iter().enumerate().fold(
        first,
        |best, (i, s)| {
            if *s > best.1 { (i, *s) } else { best }
        },
    );
    best.0
}

/// w·x, summed in [`LANES`] lanes and then from the first to the last.
fn dot(w: &[f32], x: &[f32]) -> f32 {
    let (wide_w, rest_w) = w.as_chunks::<LANES>();
    let (wide_x, rest_x) = x.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (w, x) in wide_w.iter().zip(wide_x) {
        for lane in 0..LANES {
            lanes[lane] += w[lane] * x[lane];
        }
    }
    let rest: f32 = rest_w.iter().zip(rest_x).map(|(w, x)| w * x).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    reason = "small whole numbers are exact, and no other result would be right"
)]
mod tests {
    use super::*;

    /// ```python
    /// X = [[2., 1.], [-1., 1.], [0.5, -2.], [1., 1.]]; y = [0, 1, 2, 1]
    /// p = sklearn.linear_model.Perceptron(max_iter=3, tol=None, shuffle=False).fit(X, y)
    /// print(p.coef_, p.intercept_)
    /// ```
    #[test]
    fn three_passes_are_scikit_learns() {
        let xs = [[2.0, 1.0], [-1.0, 1.0], [0.5, -2.0], [1.0, 1.0]];
        let labels = [0, 1, 2, 1];
        let mut perceptron = Perceptron::new(2, 3);
        for _ in 0..3 {
            for (x, label) in xs.iter().zip(labels) {
                perceptron.learn(x, label, 1.0, &mut [0.0; 3]);
            }
        }
        assert_eq!(perceptron.weight(), [1.5, 0.0, -2.0, 2.0, -1.0, -2.0]);
        assert_eq!(perceptron.bias(), [-3.0, 2.0, -2.0]);
    }

    #[test]
    fn a_mistake_is_counted_and_corrected() {
        let mut perceptron = Perceptron::new(20, 2);
        let x = [1.0; 20];
        let mut scores = [0.0; 2];
        // All scores are 0: undecided counts as wrong, and costs nothing.
        let lesson = perceptron.learn(&x, 0, 0.5, &mut scores);
        assert_eq!((lesson.mistakes, lesson.loss, lesson.correct), (2, 0.0, 1));
        perceptron.scores(&x, &mut scores);
        assert_eq!(scores, [10.5, -10.5]);
        // The same image with the other label: both neurons are wrong by 10.5.
        let lesson = perceptron.learn(&x, 1, 0.5, &mut scores);
        assert_eq!((lesson.mistakes, lesson.loss, lesson.correct), (2, 10.5, 0));
        // Right answers change nothing.
        perceptron.learn(&x, 1, 0.5, &mut scores);
        let before = perceptron.clone();
        assert_eq!(perceptron.learn(&x, 1, 0.5, &mut scores).mistakes, 0);
        assert_eq!(perceptron, before);
    }

    #[test]
    fn the_step_width_only_scales() {
        let mut one = Perceptron::new(3, 2);
        let mut four = one.clone();
        let xs = [[1.0, 2.0, -1.0], [0.5, -1.0, 3.0], [1.5, 1.0, 1.0]];
        for (x, label) in xs.iter().zip([0, 1, 1]).cycle().take(30) {
            one.learn(x, label, 1.0, &mut [0.0; 2]);
            four.learn(x, label, 4.0, &mut [0.0; 2]);
        }
        let scaled: Vec<f32> = one.weight().iter().map(|w| 4.0 * w).collect();
        assert_eq!(four.weight(), scaled);
    }
}

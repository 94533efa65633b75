//! The perceptron rule behind the [`Learner`] seam: a step is one pass over the batch, picture by picture.
//!
//! The rule has no gradient, so what belongs to gradients (optimizer kind, momentum, smoothing, clipping, averaging) is
//! refused instead of ignored where it was asked for; only `train.optimizer.learning_rate` is used.

use std::time::Instant;

use crate::data::Batch;
use crate::error::{Error, Result};
use crate::model::perceptron::Perceptron;
use crate::model::{Architecture, Op};
use crate::profile::{Loss, Profile, Train};
use crate::train::{Array, Learner, StateDict, StepOutcome, Update};

const WEIGHT: &str = "fc.weight";
const BIAS: &str = "fc.bias";

/// Learns by [`Perceptron::learn`]; its state is `fc.weight [K, features]` and `fc.bias [K]`.
pub struct PerceptronLearner {
    perceptron: Perceptron,
    /// What a step works on, so that a step that fails leaves `perceptron` as it was.
    next: Perceptron,
}

impl PerceptronLearner {
    /// Neurons with zero weights for a `perceptron` architecture.
    ///
    /// # Errors
    /// `Input` for another architecture, and for settings that the rule has no use for.
    pub fn new(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Self> {
        refuse_gradient_settings(&profile.train)?;
        let features = architecture.input.elements();
        let fits = architecture.nodes.iter().all(|node| match node.op {
            Op::Flatten => true,
            Op::Linear {
                in_features,
                out_features,
                bias,
            } => in_features == features && out_features == classes && bias,
            _ => false,
        });
        if !fits || architecture.output().elements() != classes {
            return Err(Error::input(
                "model.architecture",
                "the perceptron rule trains one linear layer on the pixels and nothing else",
                "set it to \"perceptron\"",
            ));
        }
        let perceptron = Perceptron::new(features, classes);
        Ok(Self {
            next: perceptron.clone(),
            perceptron,
        })
    }
}

fn refuse_gradient_settings(train: &Train) -> Result<()> {
    let asked_for = [
        (train.loss != Loss::CrossEntropy, "train.loss"),
        (train.label_smoothing != 0.0, "train.label_smoothing"),
        (train.clip != 0.0, "train.clip"),
        (train.ema != 0.0, "train.ema"),
        (train.optimizer.momentum != 0.0, "train.optimizer.momentum"),
        (
            train.optimizer.weight_decay != 0.0,
            "train.optimizer.weight_decay",
        ),
    ];
    match asked_for.iter().find(|(asked, _)| *asked) {
        None => Ok(()),
        Some((_, field)) => Err(Error::input(
            *field,
            "the perceptron rule has no gradient that it could apply to",
            "remove it, or train model.architecture = \"mlp\" without hidden layers",
        )),
    }
}

impl Learner for PerceptronLearner {
    /// Here the gradient's norm is that of the weights' change per picture and unit of learning rate, and the time is
    /// all forward, as scores and updates take turns.
    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        let start = Instant::now();
        let now = &self.perceptron;
        self.next.set(now.weight(), now.bias());
        #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
        let eta = update.learning_rate as f32;
        let mut scores = vec![0.0; now.classes()];
        let (mut loss, mut correct) = (0.0, 0);
        for (x, label) in pictures(batch, now.features())?.zip(&batch.labels) {
            let lesson = self.next.learn(x, *label, eta, &mut scores);
            loss += lesson.loss;
            correct += lesson.correct;
        }
        #[expect(clippy::cast_precision_loss, reason = "few pictures")]
        let count = batch.len().max(1) as f64;
        let moved = distance(now, &self.next);
        for (quantity, value) in [("the loss", loss / count), ("the weights' change", moved)] {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    quantity,
                    value,
                    step: update.step,
                });
            }
        }
        std::mem::swap(&mut self.perceptron, &mut self.next);
        Ok(StepOutcome {
            loss: loss / count,
            correct,
            gradient_norm: moved / (update.learning_rate.max(f64::MIN_POSITIVE) * count),
            seconds: [start.elapsed().as_secs_f64(), 0.0, 0.0],
        })
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let classes = self.perceptron.classes();
        let mut logits = vec![0.0; batch.len() * classes];
        let rows = pictures(batch, self.perceptron.features())?;
        for (x, scores) in rows.zip(logits.chunks_exact_mut(classes)) {
            self.perceptron.scores(x, scores);
        }
        Ok(logits)
    }

    fn weights(&self) -> Result<StateDict> {
        let (features, classes) = (self.perceptron.features(), self.perceptron.classes());
        let array = |shape: &[usize], values: &[f32]| Array {
            shape: shape.into(),
            values: values.into(),
        };
        Ok(StateDict::from([
            (
                WEIGHT.into(),
                array(&[classes, features], self.perceptron.weight()),
            ),
            (BIAS.into(), array(&[classes], self.perceptron.bias())),
        ]))
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        let (features, classes) = (self.perceptron.features(), self.perceptron.classes());
        refuse_unknown(weights, |name| name == WEIGHT || name == BIAS)?;
        let weight = expect(weights, WEIGHT, &[classes, features])?;
        let bias = expect(weights, BIAS, &[classes])?;
        self.perceptron.set(&weight.values, &bias.values);
        Ok(())
    }

    fn state(&self) -> Result<StateDict> {
        self.weights()
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        self.set_weights(state)
    }
}

/// The batch's pictures as vectors of pixels.
fn pictures(batch: &Batch, features: usize) -> Result<impl Iterator<Item = &[f32]>> {
    if batch.images.len() != batch.len() * features {
        return Err(Error::compute(
            "taking a batch",
            format!(
                "{} numbers are not {} pictures of {features}",
                batch.images.len(),
                batch.len()
            ),
        ));
    }
    Ok(batch.images.chunks_exact(features))
}

/// How far apart the weights of two perceptrons are.
fn distance(a: &Perceptron, b: &Perceptron) -> f64 {
    let squares = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (f64::from(*b) - f64::from(*a)).powi(2))
            .sum()
    };
    (squares(a.weight(), b.weight()) + squares(a.bias(), b.bias())).sqrt()
}

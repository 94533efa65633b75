//! The perceptron rule behind the [`Learner`] seam: a step is one pass over the batch, image by image.
//!
//! The rule has no gradient, so what belongs to gradients (losses, smoothing, momentum, weight decay, clipping) is
//! refused instead of ignored where it was asked for. `train.ema` evaluates averaged weights, which calms the rule's
//! wandering (Freund and Schapire 1999) without touching what it learns.

use std::time::Instant;

use crate::data::Batch;
use crate::error::{Error, Result};
use crate::layers::{Layer, Linear, Shape};
use crate::model::Architecture;
use crate::model::perceptron::Perceptron;
use crate::nn::state::{expect, refuse_unknown};
use crate::profile::{Loss, Profile, Train};
use crate::schedule::average_decay;
use crate::train::{Array, Learner, StateDict, StepOutcome, Update};

const WEIGHT: &str = "fc.weight";
const BIAS: &str = "fc.bias";
/// Before the names of averaged weights in the state.
const AVERAGE: &str = "ema.";

/// Learns by [`Perceptron::learn`]; its state is `fc.weight [K, features]` and `fc.bias [K]`.
pub(crate) struct PerceptronLearner {
    perceptron: Perceptron,
    /// What a step works on, so that a step that fails leaves `perceptron` as it was.
    next: Perceptron,
    /// Where `train.ema` asks for averaged weights: they and their decay.
    average: Option<(Perceptron, f64)>,
}

impl PerceptronLearner {
    /// Neurons with zero weights for a `perceptron` architecture.
    ///
    /// # Errors
    /// `Input` for another architecture, and for settings that the rule has no use for.
    pub(crate) fn new(
        profile: &Profile,
        architecture: &Architecture,
        classes: usize,
    ) -> Result<Self> {
        refuse_gradient_settings(&profile.train)?;
        let features = architecture.input.elements();
        let fits = architecture.nodes.iter().all(|node| match node.layer {
            Layer::Flatten(_) => true,
            Layer::Linear(Linear {
                out_features, bias, ..
            }) => node.input == Shape::Flat(features) && out_features == classes && bias,
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
        let decay = profile.train.ema;
        Ok(Self {
            next: perceptron.clone(),
            average: (decay > 0.0).then(|| (perceptron.clone(), decay)),
            perceptron,
        })
    }

    /// The weights a user would want.
    fn best(&self) -> &Perceptron {
        match &self.average {
            Some((average, _)) => average,
            None => &self.perceptron,
        }
    }
}

fn refuse_gradient_settings(train: &Train) -> Result<()> {
    let asked_for = [
        (train.loss != Loss::CrossEntropy, "train.loss"),
        (train.label_smoothing != 0.0, "train.label_smoothing"),
        (train.clip != 0.0, "train.clip"),
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
            "the perceptron rule computes no gradient for it",
            "remove it, or train model.architecture = \"mlp\" without hidden layers",
        )),
    }
}

fn refuse_targets(batch: &Batch) -> Result<()> {
    if batch.targets.is_none() && batch.weights.is_none() {
        return Ok(());
    }
    Err(Error::input(
        "model.architecture",
        "the perceptron rule takes plain labels only: no mixed images, no weights of images or classes",
        "train \"mlp\" without hidden layers, or images that are neither mixed nor weighted",
    ))
}

impl Learner for PerceptronLearner {
    fn backend(&self) -> &'static str {
        "perceptron rule"
    }

    /// Here the gradient's norm is that of the weights' change per image and unit of learning rate, and the time is
    /// all forward, as scores and updates take turns.
    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        let start = Instant::now();
        refuse_targets(batch)?;
        let now = &self.perceptron;
        self.next.set(now.weight(), now.bias());
        #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
        let eta = update.learning_rate as f32;
        let mut scores = vec![0.0; now.classes()];
        let (mut loss, mut correct) = (0.0, 0);
        for (x, label) in rows(batch, now.features())?.zip(&batch.labels) {
            let lesson = self.next.learn(x, *label, eta, &mut scores);
            loss += lesson.loss;
            correct += lesson.correct;
        }
        #[expect(clippy::cast_precision_loss, reason = "few images")]
        let count = batch.len().max(1) as f64;
        let moved = distance(now, &self.next);
        for (quantity, value) in [("loss", loss / count), ("the weights' change", moved)] {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    quantity,
                    value,
                    step: update.step,
                });
            }
        }
        std::mem::swap(&mut self.perceptron, &mut self.next);
        if let Some((average, decay)) = &mut self.average {
            if update.step == 0 {
                average.clone_from(&self.perceptron);
            } else {
                average.approach(&self.perceptron, average_decay(*decay, update.step));
            }
        }
        Ok(StepOutcome {
            loss: loss / count,
            correct,
            gradient_norm: moved / (update.learning_rate.max(f64::MIN_POSITIVE) * count),
            load_seconds: 0.0,
            seconds: [start.elapsed().as_secs_f64(), 0.0, 0.0],
        })
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let best = self.best();
        let classes = best.classes();
        let mut logits = vec![0.0; batch.len() * classes];
        let rows = rows(batch, best.features())?;
        for (x, scores) in rows.zip(logits.chunks_exact_mut(classes)) {
            best.scores(x, scores);
        }
        Ok(logits)
    }

    fn weights(&self) -> Result<StateDict> {
        Ok(named("", self.best()).into())
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        refuse_unknown(weights, |name| name == WEIGHT || name == BIAS)?;
        take("", weights, &mut self.perceptron)?;
        if let Some((average, _)) = &mut self.average {
            average.clone_from(&self.perceptron);
        }
        Ok(())
    }

    fn state(&self) -> Result<StateDict> {
        let mut state = StateDict::from(named("", &self.perceptron));
        if let Some((average, _)) = &self.average {
            state.extend(named(AVERAGE, average));
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let known = self.state()?;
        refuse_unknown(state, |name| known.contains_key(name))?;
        let mut average = self.average.clone();
        if let Some((average, _)) = &mut average {
            take(AVERAGE, state, average)?;
        }
        take("", state, &mut self.perceptron)?;
        self.average = average;
        Ok(())
    }
}

/// A perceptron's weights by name.
fn named(prefix: &str, perceptron: &Perceptron) -> [(String, Array); 2] {
    let (features, classes) = (perceptron.features(), perceptron.classes());
    let array = |shape: &[usize], values: &[f32]| Array {
        shape: shape.into(),
        values: values.into(),
    };
    [
        (
            format!("{prefix}{WEIGHT}"),
            array(&[classes, features], perceptron.weight()),
        ),
        (
            format!("{prefix}{BIAS}"),
            array(&[classes], perceptron.bias()),
        ),
    ]
}

/// Sets a perceptron's weights from what [`named`] gave, or leaves them all.
fn take(prefix: &str, state: &StateDict, perceptron: &mut Perceptron) -> Result<()> {
    let (features, classes) = (perceptron.features(), perceptron.classes());
    let weight = expect(state, &format!("{prefix}{WEIGHT}"), &[classes, features])?;
    let bias = expect(state, &format!("{prefix}{BIAS}"), &[classes])?;
    perceptron.set(&weight.values, &bias.values);
    Ok(())
}

/// The batch's images as vectors of pixels.
fn rows(batch: &Batch, features: usize) -> Result<impl Iterator<Item = &[f32]>> {
    if batch.images.len() != batch.len() * features {
        return Err(Error::compute(
            "taking a batch",
            format!(
                "{} numbers are not {} images of {features}",
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

#[cfg(test)]
mod tests;

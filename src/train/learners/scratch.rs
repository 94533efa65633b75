//! The network with hand-written gradients behind the [`Learner`] seam: forward, loss, backward, clip, step, average.
//!
//! State beyond the weights lies in plain slices, so a step can be read from top to bottom without a tensor library.
//! Deliberately on the CPU only, whatever `train.device` says.

mod rule;

use std::time::Instant;

use rayon::ThreadPool;

use self::rule::{Part, Updated};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::kernels::cpu::optimizer;
use crate::kernels::targets::Targets;
use crate::model::Architecture;
use crate::model::mlp_scratch::{Dense, Mlp, Trace, loss};
use crate::nn::state::{expect, refuse_unknown};
use crate::optim::{self, FIRST, SECOND, StepSettings, clip_factor};
use crate::profile::{Loss, Profile, Train};
use crate::schedule::average_decay;
use crate::train::learners::targets;
use crate::train::{Array, Learner, StateDict, StepOutcome, Update};

/// Where averaged weights lie in the state.
const AVERAGE: &str = "ema.";

/// Learns by [`Mlp::backward`].
pub struct ScratchLearner {
    mlp: Mlp,
    train: Train,
    classes: usize,
    gradients: Vec<Dense>,
    /// Adam's first moment, or the velocity where there is momentum.
    first: Option<Vec<Dense>>,
    /// Adam's second moment, RMSprop's mean square.
    second: Option<Vec<Dense>>,
    /// Where `train.ema` asks for averaged weights.
    average: Option<Vec<Dense>>,
    trace: Trace,
    pool: ThreadPool,
}

impl ScratchLearner {
    /// A learner with the initial weights that `train.seed` gives.
    ///
    /// # Errors
    /// `Input` for an architecture that is not a plain MLP, `Compute` when no threads are to be had.
    pub fn new(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Self> {
        let mlp = Mlp::new(architecture, profile.model.init, profile.train.seed)?;
        let [first, second] = profile.train.optimizer.keeps();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(profile.train.threads)
            .build()
            .map_err(|error| Error::compute("starting threads", error))?;
        Ok(Self {
            gradients: mlp.zeros(),
            first: first.then(|| mlp.zeros()),
            second: second.then(|| mlp.zeros()),
            average: (profile.train.ema > 0.0).then(|| mlp.weights.clone()),
            trace: Trace::default(),
            train: profile.train.clone(),
            classes,
            mlp,
            pool,
        })
    }

    /// Loss and gradients of a batch with the weights as they are.
    fn differentiate(&mut self, batch: &Batch) -> Result<Differentiated> {
        let start = Instant::now();
        check(batch, self.mlp.features(), self.classes)?;
        let targets = targets::of(batch, &self.train, self.classes)?;
        let Self {
            mlp, trace, pool, ..
        } = self;
        pool.install(|| mlp.forward(&mlp.weights, batch.len(), &batch.images, trace));
        let logits = trace.logits();
        let mut delta = vec![0.0; logits.len()];
        let labels = targets.as_ref().map_or(&*batch.labels, Targets::labels);
        let loss = match (&targets, self.train.loss) {
            (Some(targets), _) => loss::soft_cross_entropy(logits, targets.all(), &mut delta),
            (None, Loss::CrossEntropy) => {
                let smoothing = self.train.label_smoothing;
                loss::cross_entropy(logits, labels, smoothing, &mut delta)
            }
            (None, Loss::Mse) => loss::mean_squared(logits, labels, &mut delta),
        };
        let correct = count_correct(logits, labels);
        let forward_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let gradients = &mut self.gradients;
        let images = &batch.images;
        pool.install(|| mlp.backward(batch.len(), images, trace, &delta, gradients));
        Ok(Differentiated {
            loss,
            correct,
            gradient_norm: norm(gradients),
            forward_seconds,
            backward_seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Moves every weight by the gradients times `gradient_scale`, and the averages after them.
    fn descend(&mut self, update: Update, gradient_scale: f64) {
        let step = StepSettings {
            learning_rate: update.learning_rate,
            gradient_scale,
        };
        let rule = optim::rule(&self.train.optimizer, step, update.step + 1);
        let (weights, gradients) = (&mut self.mlp.weights, &self.gradients);
        for (layer, (weights, gradients)) in weights.iter_mut().zip(gradients).enumerate() {
            let mut first = self.first.as_mut().map(|slot| &mut slot[layer]);
            let mut second = self.second.as_mut().map(|slot| &mut slot[layer]);
            for part in [Part::Weight, Part::Bias] {
                let array = Updated {
                    weights: part.of_mut(weights),
                    gradients: part.of(gradients),
                    first: first.as_deref_mut().map(|slot| part.of_mut(slot)),
                    second: second.as_deref_mut().map(|slot| part.of_mut(slot)),
                };
                array.by(&rule);
            }
        }
        let Some(averages) = &mut self.average else {
            return;
        };
        if update.step == 0 {
            averages.clone_from(&self.mlp.weights);
            return;
        }
        let decay = average_decay(self.train.ema, update.step);
        for (average, weights) in averages.iter_mut().zip(&self.mlp.weights) {
            for part in [Part::Weight, Part::Bias] {
                optimizer::ema(decay, part.of_mut(average), part.of(weights));
            }
        }
    }

    /// All arrays of the state: a prefix to their names, and one number per weight.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &Vec<Dense>)> {
        let beside = [
            (FIRST, &self.first),
            (SECOND, &self.second),
            (AVERAGE, &self.average),
        ];
        let beside = beside.into_iter();
        let present = beside.filter_map(|(prefix, part)| part.as_ref().map(|part| (prefix, part)));
        std::iter::once(("", &self.mlp.weights)).chain(present)
    }

    /// Names, shapes and numbers of one value per weight.
    fn named<'a>(
        &'a self,
        prefix: &'a str,
        values: &'a [Dense],
    ) -> impl Iterator<Item = (String, Array)> + 'a {
        let layers = self.mlp.layers().iter().zip(values);
        layers.flat_map(move |(layer, dense)| {
            let array = |shape: &[usize], values: &[f32]| Array {
                shape: shape.into(),
                values: values.into(),
            };
            let (inputs, outputs) = (layer.in_features, layer.out_features);
            let name = &layer.name;
            [
                (
                    format!("{prefix}{name}.weight"),
                    array(&[outputs, inputs], &dense.weight),
                ),
                (
                    format!("{prefix}{name}.bias"),
                    array(&[outputs], &dense.bias),
                ),
            ]
        })
    }

    /// Reads one value per weight from `state`.
    fn taken(&self, prefix: &str, state: &StateDict) -> Result<Vec<Dense>> {
        let layers = self.mlp.layers().iter();
        layers
            .map(|layer| {
                let (inputs, outputs) = (layer.in_features, layer.out_features);
                let weight = format!("{prefix}{}.weight", layer.name);
                let bias = format!("{prefix}{}.bias", layer.name);
                Ok(Dense {
                    weight: expect(state, &weight, &[outputs, inputs])?.values.clone(),
                    bias: expect(state, &bias, &[outputs])?.values.clone(),
                })
            })
            .collect()
    }
}

struct Differentiated {
    loss: f64,
    correct: usize,
    gradient_norm: f64,
    forward_seconds: f64,
    backward_seconds: f64,
}

impl Learner for ScratchLearner {
    fn backend(&self) -> &'static str {
        "by hand"
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        let found = self.differentiate(batch)?;
        for (quantity, value) in [
            ("loss", found.loss),
            ("the gradient's norm", found.gradient_norm),
        ] {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    quantity,
                    value,
                    step: update.step,
                });
            }
        }
        let start = Instant::now();
        self.descend(update, clip_factor(found.gradient_norm, self.train.clip));
        let update_seconds = start.elapsed().as_secs_f64();
        Ok(StepOutcome {
            loss: found.loss,
            correct: found.correct,
            gradient_norm: found.gradient_norm,
            load_seconds: 0.0,
            seconds: [
                found.forward_seconds,
                found.backward_seconds,
                update_seconds,
            ],
        })
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        check(batch, self.mlp.features(), self.classes)?;
        let Self {
            mlp,
            average,
            trace,
            pool,
            ..
        } = self;
        let weights = average.as_ref().unwrap_or(&mlp.weights);
        pool.install(|| mlp.forward(weights, batch.len(), &batch.images, trace));
        Ok(trace.logits().to_vec())
    }

    fn weights(&self) -> Result<StateDict> {
        let weights = self.average.as_ref().unwrap_or(&self.mlp.weights);
        Ok(self.named("", weights).collect())
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        let taken = self.taken("", weights)?;
        refuse_unknown(weights, |name| {
            self.named("", &taken).any(|(known, _)| known == name)
        })?;
        if self.average.is_some() {
            self.average = Some(taken.clone());
        }
        self.mlp.weights = taken;
        Ok(())
    }

    fn state(&self) -> Result<StateDict> {
        let parts = self.parts();
        Ok(parts
            .flat_map(|(prefix, part)| self.named(prefix, part))
            .collect())
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let known = self.state()?;
        refuse_unknown(state, |name| known.contains_key(name))?;
        let part = |prefix, own: &Option<_>| match own {
            Some(_) => self.taken(prefix, state).map(Some),
            None => Ok(None),
        };
        let first = part(FIRST, &self.first)?;
        let second = part(SECOND, &self.second)?;
        let average = part(AVERAGE, &self.average)?;
        self.mlp.weights = self.taken("", state)?;
        self.first = first;
        self.second = second;
        self.average = average;
        Ok(())
    }
}

/// L2 norm over all arrays, summed in layer order.
fn norm(gradients: &[Dense]) -> f64 {
    let squares = gradients
        .iter()
        .map(|dense| optimizer::squared_norm(&dense.weight) + optimizer::squared_norm(&dense.bias));
    squares.sum::<f64>().sqrt()
}

/// Images whose highest logit, the first of equals, is the label's.
fn count_correct(logits: &[f32], labels: &[u32]) -> usize {
    let classes = (logits.len() / labels.len().max(1)).max(1);
    logits
        .chunks_exact(classes)
        .zip(labels)
        .filter(|(row, label)| {
            let first = (0, f32::NEG_INFINITY);
            let best = row.iter().enumerate().fold(
                first,
                |best, (k, z)| {
                    if *z > best.1 { (k, *z) } else { best }
                },
            );
            best.0 == **label as usize
        })
        .count()
}

fn check(batch: &Batch, features: usize, classes: usize) -> Result<()> {
    let problem = if batch.is_empty() {
        "it is empty".into()
    } else if batch.images.len() != batch.len() * features {
        let (numbers, images) = (batch.images.len(), batch.len());
        format!("{numbers} numbers are not {images} images of {features}")
    } else if let Some(label) = batch.labels.iter().find(|l| **l as usize >= classes) {
        format!("label {label} is not below {classes}")
    } else {
        return Ok(());
    };
    Err(Error::compute("taking a batch", problem))
}

#[cfg(test)]
mod tests;

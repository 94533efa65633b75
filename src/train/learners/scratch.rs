//! The network with hand-written gradients behind the [`Learner`] seam: forward, loss, backward, clip, step, average.
//!
//! State beyond the weights lies in plain slices, so a step can be read from top to bottom without a tensor library.
//! Deliberately on the CPU only, whatever `train.device` says.

use std::time::Instant;

use rayon::ThreadPool;

use crate::data::Batch;
use crate::error::{Error, Result};
use crate::kernels::cpu::optimizer::{self, Adam, RmsProp, Sgd};
use crate::model::Architecture;
use crate::model::mlp_scratch::{Dense, Mlp, Trace, loss};
use crate::nn::state::{expect, refuse_unknown};
use crate::profile::{Loss, Optimizer, OptimizerKind, Profile, Train};
use crate::train::{Array, Learner, StateDict, StepOutcome, Update};

/// Names of the optimizer's numbers in the state, before the parameter's name: `first.fc1.weight`.
const SLOTS: [&str; 2] = ["optimizer.first.", "optimizer.second."];
/// The same for averaged weights.
const AVERAGE: &str = "average.";

/// Learns by [`Mlp::backward`].
pub struct ScratchLearner {
    mlp: Mlp,
    train: Train,
    classes: usize,
    gradients: Vec<Dense>,
    /// What the optimizer remembers of each weight: Adam's two moments, RMSprop's square and velocity, SGD's velocity.
    slots: Vec<Vec<Dense>>,
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
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(profile.train.threads)
            .build()
            .map_err(|error| Error::compute("starting threads", error))?;
        Ok(Self {
            gradients: mlp.zeros(),
            slots: vec![mlp.zeros(); slots(&profile.train.optimizer)],
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
        let Self {
            mlp, trace, pool, ..
        } = self;
        pool.install(|| mlp.forward(&mlp.weights, batch.len(), &batch.images, trace));
        let logits = trace.logits();
        let mut delta = vec![0.0; logits.len()];
        let loss = match self.train.loss {
            Loss::CrossEntropy => {
                let smoothing = self.train.label_smoothing;
                loss::cross_entropy(logits, &batch.labels, smoothing, &mut delta)
            }
            Loss::Mse => loss::mean_squared(logits, &batch.labels, &mut delta),
        };
        let correct = count_correct(logits, &batch.labels);
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

    /// Moves every weight by the gradients times `gradient_scale`.
    fn descend(&mut self, update: Update, gradient_scale: f64) {
        let rule = &self.train.optimizer;
        for (layer, (weights, gradients)) in
            self.mlp.weights.iter_mut().zip(&self.gradients).enumerate()
        {
            let mut slots: Vec<&mut Dense> =
                self.slots.iter_mut().map(|slot| &mut slot[layer]).collect();
            let (first, second) = match slots.as_mut_slice() {
                [] => (None, None),
                [first, rest @ ..] => (Some(first), rest.first_mut()),
            };
            let (mut first, mut second) = (first.map(|s| &mut **s), second.map(|s| &mut **s));
            for part in [Part::Weight, Part::Bias] {
                apply(
                    rule,
                    update,
                    gradient_scale,
                    part.of_mut(weights),
                    part.of(gradients),
                    first.as_deref_mut().map(|slot| part.of_mut(slot)),
                    second.as_deref_mut().map(|slot| part.of_mut(slot)),
                );
            }
        }
        if let Some(average) = &mut self.average {
            for (average, weights) in average.iter_mut().zip(&self.mlp.weights) {
                for part in [Part::Weight, Part::Bias] {
                    optimizer::ema(self.train.ema, part.of_mut(average), part.of(weights));
                }
            }
        }
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
    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        let found = self.differentiate(batch)?;
        for (quantity, value) in [("loss", found.loss), ("gradient norm", found.gradient_norm)] {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    quantity,
                    value,
                    step: update.step,
                });
            }
        }
        let start = Instant::now();
        self.descend(update, clip_factor(self.train.clip, found.gradient_norm));
        let update_seconds = start.elapsed().as_secs_f64();
        Ok(StepOutcome {
            loss: found.loss,
            correct: found.correct,
            gradient_norm: found.gradient_norm,
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
        let mut state: StateDict = self.named("", &self.mlp.weights).collect();
        for (prefix, slot) in SLOTS.iter().zip(&self.slots) {
            state.extend(self.named(prefix, slot));
        }
        if let Some(average) = &self.average {
            state.extend(self.named(AVERAGE, average));
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let known = self.state()?;
        refuse_unknown(state, |name| known.contains_key(name))?;
        let weights = self.taken("", state)?;
        let slots = SLOTS
            .iter()
            .zip(&self.slots)
            .map(|(prefix, _)| self.taken(prefix, state))
            .collect::<Result<_>>()?;
        let average = match self.average {
            Some(_) => Some(self.taken(AVERAGE, state)?),
            None => None,
        };
        self.mlp.weights = weights;
        self.slots = slots;
        self.average = average;
        Ok(())
    }
}

/// Which of a layer's two arrays.
#[derive(Clone, Copy)]
enum Part {
    Weight,
    Bias,
}

impl Part {
    fn of(self, dense: &Dense) -> &[f32] {
        match self {
            Self::Weight => &dense.weight,
            Self::Bias => &dense.bias,
        }
    }

    fn of_mut(self, dense: &mut Dense) -> &mut [f32] {
        match self {
            Self::Weight => &mut dense.weight,
            Self::Bias => &mut dense.bias,
        }
    }
}

/// How many numbers the optimizer keeps per weight.
fn slots(rule: &Optimizer) -> usize {
    let momentum = usize::from(rule.momentum != 0.0);
    match rule.kind {
        OptimizerKind::Sgd => momentum,
        OptimizerKind::Rmsprop => 1 + momentum,
        OptimizerKind::Adam | OptimizerKind::Adamw => 2,
    }
}

/// One optimizer step on one array. The slots a rule needs are there, as [`slots`] has counted them.
fn apply(
    rule: &Optimizer,
    update: Update,
    gradient_scale: f64,
    weights: &mut [f32],
    gradients: &[f32],
    first: Option<&mut [f32]>,
    second: Option<&mut [f32]>,
) {
    let (learning_rate, weight_decay) = (update.learning_rate, rule.weight_decay);
    match (rule.kind, first, second) {
        (OptimizerKind::Sgd, velocity, _) => {
            let settings = Sgd {
                learning_rate,
                momentum: rule.momentum,
                nesterov: rule.nesterov,
                weight_decay,
                gradient_scale,
            };
            optimizer::sgd(&settings, weights, gradients, velocity);
        }
        (OptimizerKind::Rmsprop, Some(square), velocity) => {
            let settings = RmsProp {
                learning_rate,
                alpha: rule.alpha,
                epsilon: rule.epsilon,
                momentum: rule.momentum,
                weight_decay,
                gradient_scale,
            };
            optimizer::rmsprop(&settings, weights, gradients, square, velocity);
        }
        (OptimizerKind::Adam | OptimizerKind::Adamw, Some(first), Some(second)) => {
            let settings = Adam {
                learning_rate,
                beta1: rule.betas[0],
                beta2: rule.betas[1],
                epsilon: rule.epsilon,
                weight_decay,
                step: update.step + 1,
                gradient_scale,
            };
            if rule.kind == OptimizerKind::Adam {
                optimizer::adam(&settings, weights, gradients, first, second);
            } else {
                optimizer::adamw(&settings, weights, gradients, first, second);
            }
        }
        // `slots` gives each rule what it takes.
        (OptimizerKind::Rmsprop | OptimizerKind::Adam | OptimizerKind::Adamw, ..) => {}
    }
}

/// PyTorch's `clip_grad_norm_`: the factor that brings a norm above `clip` down to it.
fn clip_factor(clip: f64, norm: f64) -> f64 {
    if clip > 0.0 {
        (clip / (norm + 1e-6)).min(1.0)
    } else {
        1.0
    }
}

/// L2 norm over all arrays, summed in layer order.
fn norm(gradients: &[Dense]) -> f64 {
    let squares = gradients
        .iter()
        .map(|dense| optimizer::squared_norm(&dense.weight) + optimizer::squared_norm(&dense.bias));
    squares.sum::<f64>().sqrt()
}

/// Pictures whose highest logit, the first of equals, is the label's.
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
        let (numbers, pictures) = (batch.images.len(), batch.len());
        format!("{numbers} numbers are not {pictures} pictures of {features}")
    } else if let Some(label) = batch.labels.iter().find(|l| **l as usize >= classes) {
        format!("label {label} is not below {classes}")
    } else {
        return Ok(());
    };
    Err(Error::compute("taking a batch", problem))
}

//! A network that learns by a planned step on the CPU: the same parameters, names and arithmetic as `graph`, laid out once.
//!
//! Parameters live in the plan's row, in its order; they become arrays by PyTorch's names where they leave it.

mod compile;
mod layout;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::data::{Batch, Prepared};
use crate::error::{Error, Result};
use crate::kernels::plan::{
    Adam, Criterion, Input, Parts, Pictures, Plan, RmsProp, Rule, Settings, Sgd,
};
use crate::model::rates::Rates;
use crate::model::{Architecture, Shape};
use crate::nn::state::{Array, expect, refuse_unknown};
use crate::nn::{init, norm};
use crate::optim::{FIRST, SECOND, STEP, step_array, step_count};
use crate::profile::{Loss, OptimizerKind, Profile, Train};
use crate::schedule::average_decay;
use crate::train::learners::graph::{AVERAGE, check_finite};
use crate::train::{Learner, PieceTime, StateDict, StepOutcome, Update};
use layout::{Places, obstacle};

/// A network, its optimizer and the averaged weights where the profile wants some, all in one plan.
pub struct PlanLearner {
    plan: Plan,
    places: Places,
    settings: Train,
    /// Factors on the learning rate, from each place in the plan's row on.
    rates: Vec<(usize, f64)>,
    classes: usize,
    /// Optimizer steps taken.
    steps: u64,
    /// A normalisation of single pixels, which one picture cannot train.
    norm_of_pixels: Option<String>,
}

/// Why an architecture cannot be planned, if it can't.
#[must_use]
pub fn why_not(architecture: &Architecture) -> Option<String> {
    obstacle(&architecture.nodes)
}

impl PlanLearner {
    /// A network with fresh weights, the same as `graph`'s.
    ///
    /// # Errors
    /// `Input` when the architecture does not end in one number per class or cannot be planned, `Compute` when no threads
    /// can be started.
    pub fn new(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Self> {
        if architecture.output() != Shape::Flat(classes) {
            return Err(Error::input(
                "model",
                format!("the last layer gives {}", architecture.output()),
                format!("end the network in {classes} numbers, one per class"),
            ));
        }
        if let Some(why) = why_not(architecture) {
            return Err(Error::input(
                "model",
                why,
                "train it with train.path = \"graph\"",
            ));
        }
        let settings = profile.train.clone();
        let programs = compile::compile(architecture, settings.batch_size);
        let places = programs.places;
        let optimizer = &settings.optimizer;
        let first = match optimizer.kind {
            OptimizerKind::Adam | OptimizerKind::Adamw => true,
            OptimizerKind::Sgd | OptimizerKind::Rmsprop => optimizer.momentum != 0.0,
        };
        #[expect(clippy::cast_possible_truncation, reason = "0.1 in f32")]
        let momentum = norm::MOMENTUM as f32;
        let mut plan = Plan::new(Parts {
            training: programs.training,
            evaluation: programs.evaluation,
            logits: programs.logits,
            parameters: places.total,
            norms: places.norms.iter().map(|n| n.channels).collect(),
            epsilon: norm::EPSILON,
            momentum,
            criterion: match settings.loss {
                Loss::CrossEntropy => Criterion::CrossEntropy(settings.label_smoothing),
                Loss::Mse => Criterion::Mse,
            },
            keeps: [first, optimizer.kind != OptimizerKind::Sgd],
            averages: settings.ema > 0.0,
            batch: settings.batch_size,
            threads: threads(settings.threads),
        })
        .map_err(|e| Error::compute("starting the compute threads", e))?;
        initialise(&mut plan, &places, profile);
        Ok(Self {
            plan,
            rates: places.rates(&Rates::new(architecture, &settings.rates)),
            places,
            settings,
            classes,
            steps: 0,
            norm_of_pixels: norm_of_pixels(architecture),
        })
    }

    /// Threads that work on a step.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.plan.threads()
    }

    /// The last step's gradients by parameter name, before clipping.
    #[must_use]
    pub fn gradients(&self) -> StateDict {
        self.by_name("", self.plan.gradients()).collect()
    }

    fn rule(&self, learning_rate: f64) -> Rule {
        let optimizer = &self.settings.optimizer;
        let weight_decay = optimizer.weight_decay;
        let adam = Adam {
            learning_rate,
            beta1: optimizer.betas[0],
            beta2: optimizer.betas[1],
            epsilon: optimizer.epsilon,
            weight_decay,
            step: self.steps + 1,
            gradient_scale: 1.0,
        };
        match optimizer.kind {
            OptimizerKind::Adam => Rule::Adam(adam),
            OptimizerKind::Adamw => Rule::AdamW(adam),
            OptimizerKind::Sgd => Rule::Sgd(Sgd {
                learning_rate,
                momentum: optimizer.momentum,
                nesterov: optimizer.nesterov,
                weight_decay,
                gradient_scale: 1.0,
            }),
            OptimizerKind::Rmsprop => Rule::RmsProp(RmsProp {
                learning_rate,
                alpha: optimizer.alpha,
                epsilon: optimizer.epsilon,
                momentum: optimizer.momentum,
                weight_decay,
                gradient_scale: 1.0,
            }),
        }
    }

    fn step_input(&mut self, input: Input<'_>, update: Update) -> Result<StepOutcome> {
        if let (1, Some(name)) = (input.labels.len(), &self.norm_of_pixels) {
            return Err(Error::input(
                format!("layer {name}"),
                "batch normalisation cannot train on a batch of one picture: its variance is undefined",
                "choose a train.batch_size that leaves no single picture over",
            ));
        }
        let first = self.steps == 0;
        let outcome = self.plan.step(
            input,
            &Settings {
                rule: self.rule(update.learning_rate),
                rates: &self.rates,
                clip: self.settings.clip,
                average_decay: if first {
                    0.0
                } else {
                    average_decay(self.settings.ema, update.step)
                },
                seed: self.settings.seed,
                step: update.step,
            },
        );
        check_finite("loss", outcome.loss, update.step)?;
        check_finite("the gradient's norm", outcome.gradient_norm, update.step)?;
        self.steps += 1;
        Ok(StepOutcome {
            loss: outcome.loss,
            correct: outcome.correct,
            gradient_norm: outcome.gradient_norm,
            load_seconds: outcome.load_seconds,
            seconds: outcome.seconds,
        })
    }

    /// A row of the plan as arrays by name.
    fn by_name<'a>(
        &'a self,
        prefix: &'a str,
        row: &'a [f32],
    ) -> impl Iterator<Item = (String, Array)> + 'a {
        self.places.parameters.iter().map(move |p| {
            let array = Array {
                shape: p.shape.clone(),
                values: p.read(row),
            };
            (format!("{prefix}{}", p.name), array)
        })
    }

    /// The running statistics by name.
    fn statistics(&self) -> impl Iterator<Item = (String, Array)> + '_ {
        self.places.norms.iter().enumerate().flat_map(|(i, norm)| {
            let [mean, var] = self.plan.running(i);
            let array = |values: &[f32]| Array {
                shape: vec![norm.channels],
                values: values.to_vec(),
            };
            [
                (format!("{}.running_mean", norm.name), array(mean)),
                (format!("{}.running_var", norm.name), array(var)),
            ]
        })
    }

    /// The prefixes of the arrays that the optimizer keeps.
    fn kept(&self) -> impl Iterator<Item = (usize, &'static str)> + '_ {
        [(0, FIRST), (1, SECOND)]
            .into_iter()
            .filter(|(which, _)| self.plan.kept(*which).is_some())
    }

    /// Checks that the arrays behind each prefix, and the statistics, are all there and fit.
    fn check(&self, state: &StateDict, prefixes: &[&str]) -> Result<()> {
        for prefix in prefixes {
            for p in &self.places.parameters {
                expect(state, &format!("{prefix}{}", p.name), &p.shape)?;
            }
        }
        for norm in &self.places.norms {
            for what in ["running_mean", "running_var"] {
                expect(state, &format!("{}.{what}", norm.name), &[norm.channels])?;
            }
        }
        Ok(())
    }

    /// Takes over what [`check`](Self::check) found.
    fn take_statistics(&mut self, state: &StateDict) -> Result<()> {
        for (i, norm) in self.places.norms.iter().enumerate() {
            let to = self.plan.running_mut(i);
            for (what, to) in ["running_mean", "running_var"].into_iter().zip(to) {
                let array = expect(state, &format!("{}.{what}", norm.name), &[norm.channels])?;
                to.copy_from_slice(&array.values);
            }
        }
        Ok(())
    }
}

impl Places {
    /// Where in the row which factor on the learning rate begins; none where all are 1.
    fn rates(&self, rates: &Rates) -> Vec<(usize, f64)> {
        let mut starts: Vec<(usize, f64)> = Vec::new();
        for p in &self.parameters {
            let factor = rates.of(&p.name);
            let before = starts.last().map_or(1.0, |(_, last)| *last);
            if factor.to_bits() != before.to_bits() {
                starts.push((p.place.start, factor));
            }
        }
        starts
    }

    /// Writes the arrays behind a prefix into a row.
    fn take(&self, state: &StateDict, prefix: &str, row: &mut [f32]) -> Result<()> {
        for p in &self.parameters {
            let array = expect(state, &format!("{prefix}{}", p.name), &p.shape)?;
            p.write(&array.values, row);
        }
        Ok(())
    }

    fn contains(&self, name: &str) -> bool {
        self.parameters.iter().any(|p| p.name == name)
    }

    fn has_statistic(&self, name: &str) -> bool {
        self.norms.iter().any(|norm| {
            name.strip_prefix(norm.name.as_str())
                .is_some_and(|rest| matches!(rest, ".running_mean" | ".running_var"))
        })
    }
}

impl Learner for PlanLearner {
    fn path(&self) -> &'static str {
        "plan"
    }

    fn time_pieces(&mut self) {
        self.plan.measure();
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn pieces(&self) -> Vec<PieceTime> {
        let steps = self.steps.max(1) as f64;
        let batch = self.settings.batch_size as f64 / self.plan.threads() as f64;
        let of = |(name, seconds, multiply_adds): (String, f64, usize)| PieceTime {
            name,
            seconds: seconds / steps,
            gflops: 2e-9 * multiply_adds as f64 * batch * steps / seconds.max(1e-12),
        };
        self.plan.times().into_iter().map(of).collect()
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        self.step_input(
            Input {
                pictures: Pictures::Rows(&batch.images),
                labels: &batch.labels,
            },
            update,
        )
    }

    fn step_on(
        &mut self,
        data: &Prepared,
        indices: &[u32],
        batch: &mut Batch,
        update: Update,
    ) -> Result<StepOutcome> {
        data.labels(indices, &mut batch.labels);
        self.step_input(
            Input {
                pictures: Pictures::Gathered(&|part, rows| data.rows(&indices[part], rows)),
                labels: &batch.labels,
            },
            update,
        )
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let mut logits = vec![0.0; batch.len() * self.classes];
        self.plan.logits(Pictures::Rows(&batch.images), &mut logits);
        Ok(logits)
    }

    fn logits_on(
        &mut self,
        data: &Prepared,
        indices: &[u32],
        batch: &mut Batch,
    ) -> Result<Vec<f32>> {
        data.labels(indices, &mut batch.labels);
        let mut logits = vec![0.0; indices.len() * self.classes];
        let gather = |part: Range<usize>, rows: &mut [f32]| data.rows(&indices[part], rows);
        self.plan.logits(Pictures::Gathered(&gather), &mut logits);
        Ok(logits)
    }

    fn weights(&self) -> Result<StateDict> {
        let row = self.plan.average().unwrap_or(self.plan.parameters());
        Ok(self.by_name("", row).chain(self.statistics()).collect())
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        refuse_unknown(weights, |name| {
            self.places.contains(name) || self.places.has_statistic(name)
        })?;
        self.check(weights, &[""])?;
        self.places.take(weights, "", self.plan.parameters_mut())?;
        if let Some(average) = self.plan.average_mut() {
            self.places.take(weights, "", average)?;
        }
        self.take_statistics(weights)
    }

    fn state(&self) -> Result<StateDict> {
        let mut state: StateDict = self.by_name("", self.plan.parameters()).collect();
        state.extend(self.statistics());
        state.insert(STEP.into(), step_array(self.steps));
        for (which, prefix) in self.kept() {
            if let Some(row) = self.plan.kept(which) {
                state.extend(self.by_name(prefix, row));
            }
        }
        if let Some(row) = self.plan.average() {
            state.extend(self.by_name(AVERAGE, row));
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let mut prefixes = vec![""];
        prefixes.extend(self.kept().map(|(_, prefix)| prefix));
        prefixes.extend(self.plan.average().map(|_| AVERAGE));
        refuse_unknown(state, |name| {
            let own = |prefix: &&str| {
                name.strip_prefix(*prefix)
                    .is_some_and(|rest| self.places.contains(rest))
            };
            name == STEP || self.places.has_statistic(name) || prefixes.iter().any(own)
        })?;
        let steps = step_count(expect(state, STEP, &[2])?);
        self.check(state, &prefixes)?;
        self.places.take(state, "", self.plan.parameters_mut())?;
        for (which, prefix) in [(0, FIRST), (1, SECOND)] {
            if let Some(row) = self.plan.kept_mut(which) {
                self.places.take(state, prefix, row)?;
            }
        }
        if let Some(row) = self.plan.average_mut() {
            self.places.take(state, AVERAGE, row)?;
        }
        self.take_statistics(state)?;
        self.steps = steps;
        Ok(())
    }
}

/// Fresh weights, by the same streams as `model::Network`'s.
fn initialise(plan: &mut Plan, places: &Places, profile: &Profile) {
    let (kind, seed) = (profile.model.init, profile.train.seed);
    for p in &places.parameters {
        let of_norm = places.norms.iter().any(|n| {
            p.name
                .strip_prefix(n.name.as_str())
                .is_some_and(|rest| matches!(rest, ".weight" | ".bias"))
        });
        let is_bias = p.shape.len() == 1;
        let array = if of_norm {
            let value = if p.name.ends_with(".weight") {
                1.0
            } else {
                0.0
            };
            init::constant(p.shape[0], value)
        } else if is_bias {
            let weight = format!("{}.weight", p.name.trim_end_matches(".bias"));
            let fan_in = places
                .parameters
                .iter()
                .find(|other| other.name == weight)
                .map_or(1, |w| w.shape.iter().skip(1).product());
            init::bias(kind, seed, &p.name, p.shape[0], fan_in)
        } else {
            init::weight(kind, seed, &p.name, &p.shape)
        };
        p.write(&array.values, plan.parameters_mut());
        if let Some(average) = plan.average_mut() {
            p.write(&array.values, average);
        }
    }
}

/// The first normalisation that sees one number a channel and picture.
fn norm_of_pixels(architecture: &Architecture) -> Option<String> {
    use crate::model::Op;
    fn find(nodes: &[crate::model::Node]) -> Option<String> {
        nodes.iter().find_map(|node| match &node.op {
            Op::BatchNorm { features } => {
                (node.input.elements() == *features).then(|| node.name.clone())
            }
            Op::Residual { body, shortcut, .. } => find(body).or_else(|| find(shortcut)),
            _ => None,
        })
    }
    find(&architecture.nodes)
}

fn threads(asked: usize) -> usize {
    if asked > 0 {
        return asked;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

//! A network that learns by a planned step on CPU or GPU: the same parameters, names and arithmetic as `graph`, laid
//! out once.
//!
//! Parameters live in the plan's row, in its order; they become arrays by PyTorch's names where they leave it.

mod compile;
mod engine;
mod layout;
#[cfg(test)]
mod tests;

use candle_core::{Device, DeviceLocation};

use crate::data::{Batch, SplitDataset};
use crate::error::{Error, Result};
use crate::kernels::plan::{Goal, Images, Input, LossKind, Outcome, Parts, Row, Rule, Settings};
use crate::kernels::targets::Targets;
use crate::model::lr_multipliers::LrMultipliers;
use crate::model::{Architecture, Shape};
use crate::nn::state::{Array, expect, refuse_unknown};
use crate::nn::{device, init, norm, statistics};
use crate::optim::{self, FIRST, SECOND, STEP, StepSettings, step_array, step_count};
use crate::profile::{Loss, Profile, Train};
use crate::schedule::average_decay;
use crate::train::learners::graph::{AVERAGE, check_finite};
use crate::train::learners::targets;
use crate::train::{Learner, PieceTime, StateDict, StepOutcome, Update};
use engine::{Engine, Target};
use layout::{Normalisation, ParameterLayout, ParameterSlot};

/// A network, its optimizer and the averaged weights where the profile wants some, all in one plan.
pub struct PlanLearner {
    engine: Engine,
    places: ParameterLayout,
    settings: Train,
    /// Factors on the learning rate, from each place in the plan's row on.
    rates: Vec<(usize, f64)>,
    classes: usize,
    /// Optimizer steps taken.
    steps: u64,
    /// A normalisation that one image cannot train.
    single_norm: Option<String>,
}

/// Why nothing can be planned on a device, if it can't.
#[must_use]
pub fn why_not_on(device: &Device) -> Option<String> {
    match device.location() {
        DeviceLocation::Cpu => None,
        #[cfg(feature = "cuda")]
        DeviceLocation::Cuda { gpu_id } => crate::kernels::cuda::obstacle(gpu_id),
        _ => Some("plans run on CPUs and on CUDA's GPUs".into()),
    }
}

/// What a plan is made of, with the places of its parameters.
fn parts(settings: &Train, architecture: &Architecture, place: Target) -> (Parts, ParameterLayout) {
    let programs = compile::compile(architecture, settings.batch_size, place);
    let places = programs.places;
    #[expect(clippy::cast_possible_truncation, reason = "0.1 in f32")]
    let momentum = statistics::MOMENTUM as f32;
    let parts = Parts {
        training: programs.training,
        evaluation: programs.evaluation,
        logits: programs.logits,
        parameters: places.total,
        norms: places.norms.iter().map(|n| n.channels).collect(),
        epsilon: norm::EPSILON,
        momentum,
        criterion: match settings.loss {
            Loss::CrossEntropy => LossKind::CrossEntropy(settings.label_smoothing),
            Loss::Mse => LossKind::Mse,
        },
        keeps: settings.optimizer.keeps(),
        averages: settings.ema > 0.0,
        batch: settings.batch_size,
        precision: settings.precision,
        threads: settings.thread_count(),
    };
    (parts, places)
}

/// Memory that the plan of a network takes on the CPU, without taking it.
///
/// **Units** bytes.
#[must_use]
pub fn memory_bytes(settings: &Train, architecture: &Architecture) -> u64 {
    parts(settings, architecture, Target::Cpu).0.bytes()
}

impl PlanLearner {
    /// A network with fresh weights, the same as `graph`'s.
    ///
    /// # Errors
    /// `Input` when the architecture does not end in one number per class, `Compute` when no threads can be started.
    pub fn new(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Self> {
        if architecture.output() != Shape::Flat(classes) {
            return Err(Error::input(
                "model",
                format!("the last layer gives {}", architecture.output()),
                format!("end the network in {classes} numbers, one per class"),
            ));
        }
        let settings = profile.train.clone();
        let place = place(&settings.device)?;
        let (parts, places) = parts(&settings, architecture, place);
        let mut engine = Engine::new(place, parts)?;
        initialise(&mut engine, &places, profile)?;
        Ok(Self {
            engine,
            rates: places.rates(&LrMultipliers::new(architecture, &settings.lr_multipliers)),
            places,
            settings,
            classes,
            steps: 0,
            single_norm: architecture.norm_of_single_numbers().map(str::to_owned),
        })
    }

    /// Threads that work on a step.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.engine.threads()
    }

    /// The last step's gradients by parameter name, before clipping.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn gradients(&self) -> Result<StateDict> {
        self.row("", Row::Gradients)
    }

    fn rule(&self, learning_rate: f64) -> Rule {
        let step = StepSettings {
            learning_rate,
            gradient_scale: 1.0,
        };
        optim::rule(&self.settings.optimizer, step, self.steps + 1)
    }

    /// What varies from step to step, but for the factors on the learning rate.
    fn varying(&self, update: Update) -> Settings<'static> {
        Settings {
            rule: self.rule(update.learning_rate),
            rates: &[],
            clip: self.settings.clip,
            average_decay: if self.steps == 0 {
                0.0
            } else {
                average_decay(self.settings.ema, update.step)
            },
            seed: self.settings.seed,
            step: update.step,
        }
    }

    /// Refuses a batch of one image where that has no variance.
    fn check_batch(&self, images: usize) -> Result<()> {
        match &self.single_norm {
            Some(name) if images == 1 => Err(Error::input(
                format!("layer {name}"),
                "batch normalisation cannot train on a batch of one image: its variance is undefined",
                "choose a train.batch_size that leaves no single image over",
            )),
            _ => Ok(()),
        }
    }

    fn taken(&mut self, outcome: Outcome, update: Update) -> Result<StepOutcome> {
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

    /// A row as arrays by name; none where it isn't kept.
    fn row(&self, prefix: &str, row: Row) -> Result<StateDict> {
        let values = self.engine.read(row)?;
        let named = values.iter().flat_map(|v| self.by_name(prefix, v));
        Ok(named.collect())
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
    fn statistics(&self) -> Result<StateDict> {
        let mut named = StateDict::new();
        for (i, norm) in self.places.norms.iter().enumerate() {
            let of = self.engine.running(i)?;
            for (name, values) in norm.statistics().into_iter().zip(of) {
                let array = Array {
                    shape: vec![norm.channels],
                    values: values.into_owned(),
                };
                named.insert(name, array);
            }
        }
        Ok(named)
    }

    /// The prefixes of the arrays that the optimizer keeps.
    fn kept(&self) -> impl Iterator<Item = (Row, &'static str)> + '_ {
        [(Row::Kept(0), FIRST), (Row::Kept(1), SECOND)]
            .into_iter()
            .filter(|(row, _)| self.engine.keeps(*row))
    }

    /// Checks that the arrays behind each prefix, and the statistics, are all there and fit.
    fn check(&self, state: &StateDict, prefixes: &[&str]) -> Result<()> {
        for prefix in prefixes {
            for p in &self.places.parameters {
                expect(state, &format!("{prefix}{}", p.name), &p.shape)?;
            }
        }
        for norm in &self.places.norms {
            for name in norm.statistics() {
                expect(state, &name, &[norm.channels])?;
            }
        }
        Ok(())
    }

    /// Takes over what [`check`](Self::check) found.
    fn take_statistics(&mut self, state: &StateDict) -> Result<()> {
        for (i, norm) in self.places.norms.iter().enumerate() {
            let [mean, variance] = norm.statistics();
            let of = |name: &str| expect(state, name, &[norm.channels]);
            let (mean, variance) = (of(&mean)?, of(&variance)?);
            self.engine
                .set_running(i, [&mean.values, &variance.values])?;
        }
        Ok(())
    }

    /// Takes the arrays behind a prefix over into a row.
    fn take(&mut self, state: &StateDict, prefix: &str, row: Row) -> Result<()> {
        let places = &self.places;
        self.engine
            .change(row, |values| places.take(state, prefix, values))
    }
}

impl ParameterLayout {
    /// Where in the row which factor on the learning rate begins; none where all are 1.
    fn rates(&self, rates: &LrMultipliers) -> Vec<(usize, f64)> {
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
        let mut statistics = self.norms.iter().flat_map(Normalisation::statistics);
        statistics.any(|statistic| statistic == name)
    }
}

impl Learner for PlanLearner {
    fn backend(&self) -> &'static str {
        "plan"
    }

    fn time_pieces(&mut self) {
        self.engine.measure();
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn pieces(&self) -> Vec<PieceTime> {
        let steps = self.steps.max(1) as f64;
        let batch = self.settings.batch_size as f64 / self.engine.threads() as f64;
        let of = |(name, seconds, multiply_adds): (String, f64, usize)| PieceTime {
            name,
            seconds: seconds / steps,
            gflops: 2e-9 * multiply_adds as f64 * batch * steps / seconds.max(1e-12),
        };
        self.engine.times().into_iter().map(of).collect()
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        self.check_batch(batch.labels.len())?;
        let targets = targets::of(batch, &self.settings, self.classes)?;
        let input = Input {
            images: Images::Rows(&batch.images),
            goal: goal(batch, targets.as_ref()),
        };
        let settings = Settings {
            rates: &self.rates,
            ..self.varying(update)
        };
        let outcome = self.engine.step(input, &settings)?;
        self.taken(outcome, update)
    }

    fn step_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        batch: &mut Batch,
        update: Update,
    ) -> Result<StepOutcome> {
        self.check_batch(indices.len())?;
        data.label(indices, batch);
        let targets = targets::of(batch, &self.settings, self.classes)?;
        let goal = goal(batch, targets.as_ref());
        let settings = Settings {
            rates: &self.rates,
            ..self.varying(update)
        };
        let outcome = self.engine.step_on(data, indices, goal, &settings)?;
        self.taken(outcome, update)
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let mut logits = vec![0.0; batch.len() * self.classes];
        self.engine
            .logits(Images::Rows(&batch.images), &mut logits)?;
        Ok(logits)
    }

    fn logits_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        batch: &mut Batch,
    ) -> Result<Vec<f32>> {
        data.label(indices, batch);
        let mut logits = vec![0.0; indices.len() * self.classes];
        self.engine.logits_on(data, indices, &mut logits)?;
        Ok(logits)
    }

    fn weights(&self) -> Result<StateDict> {
        let averaged = self.engine.keeps(Row::Average);
        let row = if averaged {
            Row::Average
        } else {
            Row::Parameters
        };
        let mut weights = self.row("", row)?;
        weights.extend(self.statistics()?);
        Ok(weights)
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        refuse_unknown(weights, |name| {
            self.places.contains(name) || self.places.has_statistic(name)
        })?;
        self.check(weights, &[""])?;
        for row in [Row::Parameters, Row::Average] {
            self.take(weights, "", row)?;
        }
        self.take_statistics(weights)
    }

    fn state(&self) -> Result<StateDict> {
        let mut state = self.row("", Row::Parameters)?;
        state.extend(self.statistics()?);
        state.insert(STEP.into(), step_array(self.steps));
        for (row, prefix) in self.kept() {
            state.extend(self.row(prefix, row)?);
        }
        state.extend(self.row(AVERAGE, Row::Average)?);
        Ok(state)
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let mut rows = vec![(Row::Parameters, "")];
        rows.extend(self.kept());
        if self.engine.keeps(Row::Average) {
            rows.push((Row::Average, AVERAGE));
        }
        let prefixes: Vec<_> = rows.iter().map(|(_, prefix)| *prefix).collect();
        refuse_unknown(state, |name| {
            let own = |prefix: &&str| {
                name.strip_prefix(*prefix)
                    .is_some_and(|rest| self.places.contains(rest))
            };
            name == STEP || self.places.has_statistic(name) || prefixes.iter().any(own)
        })?;
        let steps = step_count(expect(state, STEP, &[2])?);
        self.check(state, &prefixes)?;
        for (row, prefix) in rows {
            self.take(state, prefix, row)?;
        }
        self.take_statistics(state)?;
        self.steps = steps;
        Ok(())
    }
}

/// What the plan is held to.
fn goal<'a>(batch: &'a Batch, targets: Option<&'a Targets>) -> Goal<'a> {
    Goal {
        labels: targets.map_or(&batch.labels, Targets::labels),
        targets,
    }
}

/// Fresh weights, by the same streams as `model::Network`'s.
fn initialise(engine: &mut Engine, places: &ParameterLayout, profile: &Profile) -> Result<()> {
    let (kind, seed) = (profile.model.init, profile.train.seed);
    let fresh = |p: &ParameterSlot| init::fresh(p.start, &p.shape, kind, seed, &p.name);
    let arrays: Vec<_> = places.parameters.iter().map(fresh).collect();
    for row in [Row::Parameters, Row::Average] {
        engine.change(row, |values| {
            for (p, array) in places.parameters.iter().zip(&arrays) {
                p.write(&array.values, values);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Where a plan runs on the device that a profile names.
fn place(name: &str) -> Result<Target> {
    let (device, _) = device::select(name)?;
    match device.location() {
        #[cfg(feature = "cuda")]
        DeviceLocation::Cuda { gpu_id } => Ok(Target::Cuda(gpu_id)),
        _ => Ok(Target::Cpu),
    }
}

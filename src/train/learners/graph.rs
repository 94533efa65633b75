//! A network that learns through Candle's autograd, on any device.
//!
//! On the CPU everything runs in the learner's own thread pool, whose size does not change the result. On a GPU the
//! calling thread must always be the same one: Candle keeps a stream per thread.

use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rayon::ThreadPool;

use crate::data::Batch;
use crate::error::{Error, Result};
use crate::kernels::targets::Targets;
use crate::model::lr_multipliers::LrMultipliers;
use crate::model::{Architecture, Mode, Network, Shape};
use crate::nn::state::{expect, refuse_unknown};
use crate::nn::statistics::PendingStatistics;
use crate::nn::{During, Tape, device, loss, parameters};
use crate::optim::{Gradients, Optimizer, StepSettings, clip_factor, update_average};
use crate::profile::{Profile, Train};
use crate::schedule::average_decay;
use crate::train::learners::targets;
use crate::train::{Learner, StateDict, StepOutcome, Update};

/// Candle's backward pass recurses over the graph's depth.
const STACK_BYTES: usize = 64 << 20;
/// Where averaged weights lie in the state.
pub(super) const AVERAGE: &str = "ema.";

/// A network, its optimizer, and the averaged weights where the profile wants some.
pub struct GraphLearner {
    network: Network,
    /// Shares the running statistics with `network`.
    averaged: Option<Network>,
    optimizer: Optimizer,
    settings: Train,
    classes: usize,
    /// None on a GPU.
    workers: Option<Arc<ThreadPool>>,
    device: String,
    /// Why it isn't a plan.
    note: Option<String>,
}

impl GraphLearner {
    /// The same learner with what is to be told about it at the start.
    #[must_use]
    pub fn because(mut self, note: String) -> Self {
        self.note = Some(note);
        self
    }

    /// A network with fresh weights on the profile's device.
    ///
    /// # Errors
    /// `Input` when the device is not there or the architecture does not end in one number per class, `Compute` when
    /// the device has no room or no threads can be started.
    pub fn new(profile: &Profile, architecture: &Architecture, classes: usize) -> Result<Self> {
        if architecture.output() != Shape::Flat(classes) {
            return Err(Error::input(
                "model",
                format!("the last layer gives {}", architecture.output()),
                format!("end the network in {classes} numbers, one per class"),
            ));
        }
        let settings = profile.train.clone();
        let (device, description) = device::select(&settings.device)?;
        if device.is_cuda() {
            device::check(&device, &format!("device {description}"))?;
        }
        let workers = match device {
            Device::Cpu => Some(Arc::new(thread_pool(settings.threads)?)),
            _ => None,
        };
        let network = Network::new(architecture, profile.model.init, settings.seed, &device)?;
        let averaged = (settings.ema > 0.0)
            .then(|| network.with_own_weights())
            .transpose()?;
        let rates = LrMultipliers::new(architecture, &settings.lr_multipliers);
        Ok(Self {
            optimizer: Optimizer::new(&settings.optimizer, network.parameters())?
                .with_rates(|name| rates.of(name)),
            network,
            averaged,
            settings,
            classes,
            workers,
            device: description,
            note: None,
        })
    }

    /// The device in words, such as `cpu` or `cuda:0`.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Threads of the pool; 1 on a GPU.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.as_ref().map_or(1, |w| w.current_num_threads())
    }

    /// The network whose weights a user would want.
    fn best_network(&self) -> &Network {
        self.averaged.as_ref().unwrap_or(&self.network)
    }

    fn images(&self, batch: &Batch) -> Result<Tensor> {
        let shape = (batch.len(), batch.channels, batch.height, batch.width);
        Tensor::from_slice(&batch.images, shape, self.network.device()).during("placing a batch")
    }

    fn step_here(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        let started = Instant::now();
        let mode = Mode {
            training: true,
            step: update.step,
            seed: self.settings.seed,
        };
        let mut pending = PendingStatistics::new();
        let tape = match self.workers {
            Some(_) => Tape::on(),
            None => Tape::off(),
        };
        let targets = targets::of(batch, &self.settings, self.classes)?;
        let images = self.images(batch)?;
        let logits = self
            .network
            .forward_pending(&images, mode, &tape, &mut pending)?;
        drop(images);
        let labels = targets.as_ref().map_or(&*batch.labels, Targets::labels);
        let (kind, smoothing) = (self.settings.loss, self.settings.label_smoothing);
        let loss = if let Some(targets) = &targets {
            loss::mean_of_targets(&tape, &logits, targets)
        } else {
            loss::mean(&tape, kind, smoothing, &logits, labels)
        };
        let loss = loss.during("the loss")?;
        let correct = correct(&parameters::array(&logits)?.values, labels);
        drop(logits);
        check_finite("loss", loss.value, update.step)?;
        let forward = started.elapsed().as_secs_f64();

        let store = tape.backward(loss.tensor).during("the backward pass")?;
        let gradients = Gradients::collect(self.network.parameters(), store)?;
        let gradient_norm = gradients.norm()?;
        check_finite("the gradient's norm", gradient_norm, update.step)?;
        let backward = started.elapsed().as_secs_f64();

        // Everything is finite: from here on things are written.
        self.network.commit(&pending)?;
        let step = StepSettings {
            learning_rate: update.learning_rate,
            gradient_scale: clip_factor(gradient_norm, self.settings.clip),
        };
        self.optimizer.step(&gradients, step)?;
        if let Some(averaged) = &self.averaged {
            let first = self.optimizer.steps() == 1;
            update_average(
                averaged.parameters(),
                self.network.parameters(),
                average_decay(self.settings.ema, update.step),
                first,
            )?;
        }
        let total = started.elapsed().as_secs_f64();
        Ok(StepOutcome {
            loss: loss.value,
            correct,
            gradient_norm,
            load_seconds: 0.0,
            seconds: [forward, backward - forward, total - backward],
        })
    }

    fn logits_here(&self, batch: &Batch) -> Result<Vec<f32>> {
        let images = self.images(batch)?;
        let logits = self.best_network().forward(&images, Mode::evaluation())?;
        Ok(parameters::array(&logits)?.values)
    }
}

impl Learner for GraphLearner {
    fn backend_note(&self) -> Option<String> {
        self.note.clone()
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<StepOutcome> {
        match self.workers.clone() {
            Some(workers) => workers.install(|| self.step_here(batch, update)),
            None => self.step_here(batch, update),
        }
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        match self.workers.clone() {
            Some(workers) => workers.install(|| self.logits_here(batch)),
            None => self.logits_here(batch),
        }
    }

    fn weights(&self) -> Result<StateDict> {
        self.best_network().parameters().export()
    }

    fn set_weights(&mut self, weights: &StateDict) -> Result<()> {
        self.network.parameters().import(weights)?;
        match &self.averaged {
            Some(averaged) => averaged.parameters().import(weights),
            None => Ok(()),
        }
    }

    fn state(&self) -> Result<StateDict> {
        let mut state = self.network.parameters().export()?;
        state.extend(self.optimizer.export()?);
        if let Some(averaged) = &self.averaged {
            for (name, var) in averaged.parameters().trainable() {
                state.insert(format!("{AVERAGE}{name}"), parameters::array(var)?);
            }
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &StateDict) -> Result<()> {
        let averages: Vec<_> = self
            .averaged
            .iter()
            .flat_map(|network| network.parameters().trainable())
            .map(|(name, var)| (format!("{AVERAGE}{name}"), var.clone()))
            .collect();
        refuse_unknown(state, |name| {
            self.network.parameters().contains(name)
                || self.optimizer.contains(name)
                || averages.iter().any(|(own, _)| own == name)
        })?;
        self.network.parameters().check(state)?;
        self.optimizer.check(state)?;
        for (name, var) in &averages {
            expect(state, name, var.dims())?;
        }
        self.network.parameters().set(state)?;
        self.optimizer.import(state)?;
        for (name, var) in &averages {
            parameters::set(var, &expect(state, name, var.dims())?.values)?;
        }
        Ok(())
    }
}

fn thread_pool(threads: usize) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK_BYTES)
        .thread_name(|i| format!("compute-{i}"))
        .build()
        .map_err(|e| Error::compute("starting the compute threads", e))
}

pub(super) fn check_finite(quantity: &'static str, value: f64, step: u64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::NotFinite {
        quantity,
        value,
        step,
    })
}

/// Images whose largest output (the first of equal ones) is the label's.
fn correct(logits: &[f32], labels: &[u32]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    let hit = |(row, label): (&[f32], &u32)| {
        let best = row.iter().enumerate().fold(
            0,
            |best, (i, value)| {
                if *value > row[best] { i } else { best }
            },
        );
        best == *label as usize
    };
    let rows = logits.chunks(classes.max(1)).zip(labels);
    rows.filter(|pair| hit(*pair)).count()
}

#[cfg(test)]
mod tests;

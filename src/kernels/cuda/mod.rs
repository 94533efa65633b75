//! A planned step on a GPU: the same programs as on the CPU, each piece of work a kernel, the whole step one CUDA
//! graph.
//!
//! Maps lie in lanes here too, which suits warps of 32 threads: a row of a map is what a warp reads at once, and a
//! convolution is a matrix product on tensor cores without any rearrangement. Images are on the GPU once; a step sends
//! the numbers of its images and gets loss, hits and norm back. Sums have a fixed order: the same GPU gives the same
//! bits.

mod build;
mod settings;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use candle_core::cuda::cudarc::driver::sys::{
    CUevent_flags_enum, CUgraphInstantiate_flags, CUstreamCaptureMode_enum,
};
use candle_core::cuda::cudarc::driver::{CudaEvent, CudaGraph, CudaStream, result};

pub(crate) use super::launch::device::obstacle;

use self::settings::head;
use super::launch::Tables;
use super::launch::arguments::{self as args, Head};
use super::launch::device::{Launch, Memory, OnGpu, Pinned, free_memory};
use super::plan::{Goal, Images, Input, LossKind, Outcome, Row, Settings};
use super::targets::Targets;
use crate::error::Result;

/// After how many steps the parts of one are timed again.
const TIMED_EVERY: u64 = 512;

const HEAD_WORDS: usize = size_of::<Head>() / 4;
const OUTCOME_WORDS: usize = size_of::<args::Outcome>() / 4;

/// All parameters in one row, with what belongs to each.
struct Flat {
    parameters: Memory<f32>,
    gradients: Memory<f32>,
    kept: [Option<Memory<f32>>; 2],
    average: Option<Memory<f32>>,
    /// Factors on the learning rate, once some are given.
    rates: Memory<f32>,
}

/// The running statistics of all normalisations, one after the other.
struct Statistics {
    mean: Memory<f32>,
    variance: Memory<f32>,
    /// Where each normalisation starts, and its channels.
    places: Vec<Range<usize>>,
}

/// Images that lie on the GPU, a row each.
struct Held {
    rows: Memory<f32>,
    count: usize,
}

/// A program laid out.
struct Ready {
    launches: Vec<Launch>,
    /// Where the way back begins, and where the update does.
    marks: [usize; 2],
    /// What the pieces are, with multiply-adds for one image.
    labels: Vec<(String, usize)>,
    /// Held for the launches.
    _memory: Memory<f32>,
}

/// A planned step on a GPU with all its memory.
pub(crate) struct CudaPlan {
    stream: Arc<CudaStream>,
    training: Ready,
    evaluation: Ready,
    graph: Option<Graph>,
    flat: Flat,
    statistics: Statistics,
    held: Option<Held>,
    staging: Memory<f32>,
    head: Memory<u32>,
    /// As the loss's kernel takes them: rows for as many images as the head has room for, then their factors.
    targets: Memory<f32>,
    sent: Pinned,
    outcome: Memory<u32>,
    received: Pinned,
    logits: Memory<f32>,
    /// Numbers of an image.
    features: usize,
    classes: usize,
    batch: usize,
    criterion: LossKind,
    evaluated: usize,
    /// Images that the head has room for.
    capacity: usize,
    steps: u64,
    /// The parts of a step's time as last timed, which the first step is: forward with the loss, backward, update.
    shares: [f64; 3],
    /// Seconds of every piece, where measured.
    times: Option<Vec<f64>>,
    /// Held for the launches.
    _shared: Vec<Memory<u32>>,
    _tables: Tables,
}

/// A captured step.
struct Graph(CudaGraph);

// SAFETY: a plan has its graph alone, and goes from thread to thread as a whole.
unsafe impl Send for Graph {}

impl CudaPlan {
    /// Puts images on the GPU for [`step_on_held`](Self::step_on_held), where there is room; says whether there was.
    ///
    /// `fill` writes the rows of some of the `count` images.
    ///
    /// # Errors
    /// When the GPU refuses.
    pub(crate) fn hold(
        &mut self,
        count: usize,
        fill: &dyn Fn(Range<usize>, &mut [f32]),
    ) -> Result<bool> {
        self.held = None;
        let numbers = count * self.features;
        if numbers > free_memory(self.stream.context())? / size_of::<f32>() / 2 {
            return Ok(false);
        }
        let mut rows = Memory::zeros(&self.stream, numbers)?;
        let at_once = (1 << 22) / self.features.max(1) + 1;
        let mut own = Vec::new();
        for start in (0..count).step_by(at_once) {
            let part = start..(start + at_once).min(count);
            own.resize(part.len() * self.features, 0.0);
            fill(part, &mut own);
            rows.write(start * self.features, &own)?;
        }
        self.held = Some(Held { rows, count });
        Ok(true)
    }

    /// Numbers of a row, where the plan keeps it.
    ///
    /// # Errors
    /// When the GPU refuses.
    pub(crate) fn read(&self, row: Row) -> Result<Option<Vec<f32>>> {
        let memory = match row {
            Row::Parameters => Some(&self.flat.parameters),
            Row::Gradients => Some(&self.flat.gradients),
            Row::Kept(which) => self.flat.kept[which].as_ref(),
            Row::Average => self.flat.average.as_ref(),
        };
        memory.map(|m| m.read(0, m.len())).transpose()
    }

    /// Replaces a row that the plan keeps.
    ///
    /// # Errors
    /// When the GPU refuses.
    pub(crate) fn write(&mut self, row: Row, values: &[f32]) -> Result<()> {
        let memory = match row {
            Row::Parameters => Some(&mut self.flat.parameters),
            Row::Gradients => Some(&mut self.flat.gradients),
            Row::Kept(which) => self.flat.kept[which].as_mut(),
            Row::Average => self.flat.average.as_mut(),
        };
        memory.map_or(Ok(()), |m| m.write(0, values))
    }

    /// Whether the plan keeps a row.
    #[must_use]
    pub(crate) fn keeps(&self, row: Row) -> bool {
        match row {
            Row::Parameters | Row::Gradients => true,
            Row::Kept(which) => self.flat.kept[which].is_some(),
            Row::Average => self.flat.average.is_some(),
        }
    }

    /// A normalisation's running mean and variance.
    ///
    /// # Errors
    /// When the GPU refuses.
    pub(crate) fn running(&self, norm: usize) -> Result<[Vec<f32>; 2]> {
        let place = &self.statistics.places[norm];
        let read = |m: &Memory<f32>| m.read(place.start, place.len());
        Ok([
            read(&self.statistics.mean)?,
            read(&self.statistics.variance)?,
        ])
    }

    /// Replaces a normalisation's running mean and variance.
    ///
    /// # Errors
    /// When the GPU refuses.
    pub(crate) fn set_running(&mut self, norm: usize, [mean, variance]: [&[f32]; 2]) -> Result<()> {
        let start = self.statistics.places[norm].start;
        self.statistics.mean.write(start, mean)?;
        self.statistics.variance.write(start, variance)
    }

    /// Keeps the time that every piece of work takes from now on; steps are slower then.
    pub(crate) fn measure(&mut self) {
        self.times = Some(vec![0.0; self.training.launches.len()]);
    }

    /// Seconds by piece of work since [`measure`](Self::measure), with the work's multiply-adds for one image.
    #[must_use]
    pub(crate) fn times(&self) -> Vec<(String, f64, usize)> {
        let times = self.times.iter().flatten();
        let labels = self.training.labels.iter().zip(times);
        labels
            .map(|((name, multiply_adds), time)| (name.clone(), *time, *multiply_adds))
            .collect()
    }

    /// Takes one step. Nothing is written when the outcome's loss or gradient norm is not finite.
    ///
    /// # Errors
    /// When the GPU refuses.
    ///
    /// # Panics
    /// When the batch is empty, larger than the plan's, of other images, a label is not a class, or targets do not fit.
    pub(crate) fn step(&mut self, input: Input<'_>, settings: &Settings<'_>) -> Result<Outcome> {
        let begun = Instant::now();
        self.stage(input.images, 0..input.goal.labels.len())?;
        let load_seconds = begun.elapsed().as_secs_f64();
        let outcome = self.step_by(self.staging.address(0), None, input.goal, settings)?;
        Ok(Outcome {
            load_seconds,
            ..outcome
        })
    }

    /// [`step`](Self::step) on some of the images that the GPU [holds](Self::hold).
    ///
    /// # Errors
    /// When the GPU refuses.
    ///
    /// # Panics
    /// As `step`, or when an image is not held.
    pub(crate) fn step_on_held(
        &mut self,
        picks: &[u32],
        goal: Goal<'_>,
        settings: &Settings<'_>,
    ) -> Result<Outcome> {
        let rows = self.held_rows(picks);
        self.step_by(rows, Some(picks), goal, settings)
    }

    fn held_rows(&self, picks: &[u32]) -> u64 {
        match &self.held {
            Some(held) => {
                assert!(picks.iter().all(|p| (*p as usize) < held.count));
                held.rows.address(0)
            }
            None => panic!("no images are held"),
        }
    }

    fn step_by(
        &mut self,
        rows: u64,
        picks: Option<&[u32]>,
        goal: Goal<'_>,
        settings: &Settings<'_>,
    ) -> Result<Outcome> {
        goal.check(self.batch, self.classes, self.criterion);
        let begun = Instant::now();
        if self.steps == 0 {
            self.set_rates(settings.rates)?;
        }
        if let Some(targets) = goal.targets.map(Targets::all) {
            self.targets.write(0, targets.rows)?;
            let factors_at = self.capacity * self.classes;
            self.targets.write(factors_at, targets.factors)?;
        }
        let head = Head {
            soft: u32::from(goal.targets.is_some()),
            ..head(rows, goal.labels.len(), settings)
        };
        self.send(&head, picks, goal.labels)?;
        let timed = self.steps % TIMED_EVERY == TIMED_EVERY / 8;
        if self.times.is_some() {
            self.run_measured()?;
        } else if self.steps == 0 || timed {
            self.run_in_parts()?;
        } else {
            self.run_captured()?;
        }
        self.steps += 1;
        let outcome = self.receive()?;
        let total = begun.elapsed().as_secs_f64();
        Ok(Outcome {
            loss: outcome.loss,
            correct: outcome.correct as usize,
            gradient_norm: outcome.norm,
            load_seconds: 0.0,
            seconds: self.shares.map(|share| share * total),
        })
    }

    /// A factor for every parameter, from where each begins.
    #[expect(clippy::cast_possible_truncation, reason = "factors are kept in f32")]
    fn set_rates(&mut self, rates: &[(usize, f64)]) -> Result<()> {
        let mut factors = vec![1.0; self.flat.rates.len()];
        for (start, factor) in rates {
            factors[*start..].fill(*factor as f32);
        }
        self.flat.rates.write(0, &factors)
    }

    /// Rows of images of this machine, for a step or an evaluation.
    fn stage(&mut self, images: Images<'_>, part: Range<usize>) -> Result<()> {
        match images {
            Images::Rows(all) => {
                let numbers = part.start * self.features..part.end * self.features;
                self.staging.write(0, &all[numbers])
            }
            Images::Gathered(gather) => {
                let mut rows = vec![0.0; part.len() * self.features];
                gather(part, &mut rows);
                self.staging.write(0, &rows)
            }
        }
    }

    /// What a step or an evaluation goes by.
    fn send(&mut self, head: &Head, picks: Option<&[u32]>, labels: &[u32]) -> Result<()> {
        let words = self.sent.words_mut();
        // SAFETY: a head is plain numbers, `HEAD_WORDS` words of them.
        let own = unsafe {
            std::slice::from_raw_parts(std::ptr::from_ref(head).cast::<u32>(), HEAD_WORDS)
        };
        words[..HEAD_WORDS].copy_from_slice(own);
        let rest = &mut words[HEAD_WORDS..];
        match picks {
            Some(picks) => rest[..picks.len()].copy_from_slice(picks),
            None => (0..)
                .zip(&mut rest[..head.count as usize])
                .for_each(|(i, pick)| *pick = i),
        }
        rest[self.capacity..][..labels.len()].copy_from_slice(labels);
        let doing = "sending a step";
        let context = self.stream.context();
        context.bind_to_thread().on_gpu(doing)?;
        // SAFETY: both are as long as the head with all it has room for, and live as long as the plan.
        unsafe {
            result::memcpy_htod_async(
                self.head.address(0),
                self.sent.words(),
                self.stream.cu_stream(),
            )
        }
        .on_gpu(doing)
    }

    fn receive(&mut self) -> Result<args::Outcome> {
        let doing = "a step";
        // SAFETY: both are as long as an outcome, and live as long as the plan.
        unsafe {
            result::memcpy_dtoh_async(
                self.received.words_mut(),
                self.outcome.address(0),
                self.stream.cu_stream(),
            )
        }
        .on_gpu(doing)?;
        self.stream.synchronize().on_gpu(doing)?;
        // SAFETY: an outcome is plain numbers, and pinned memory starts at a page.
        #[expect(clippy::cast_ptr_alignment, reason = "pinned memory starts at a page")]
        Ok(unsafe {
            self.received
                .words()
                .as_ptr()
                .cast::<args::Outcome>()
                .read()
        })
    }

    /// The whole step at once, captured when it is first asked for.
    fn run_captured(&mut self) -> Result<()> {
        let doing = "a step";
        if self.graph.is_none() {
            self.stream
                .begin_capture(CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
                .on_gpu("capturing a step")?;
            let ran = self.launch(0..self.training.launches.len());
            let captured = self.stream.end_capture(CUgraphInstantiate_flags(0));
            ran?;
            self.graph = captured.on_gpu("capturing a step")?.map(Graph);
        }
        match &self.graph {
            Some(graph) => graph.0.launch().on_gpu(doing),
            None => self.launch(0..self.training.launches.len()),
        }
    }

    fn launch(&self, which: Range<usize>) -> Result<()> {
        let launches = &self.training.launches[which];
        launches
            .iter()
            .try_for_each(|launch| launch.run(&self.stream))
            .on_gpu("a step")
    }

    /// Forward, backward and update with the time between them.
    fn run_in_parts(&mut self) -> Result<()> {
        let [back, update] = self.training.marks;
        let parts = [0..back, back..update, update..self.training.launches.len()];
        let mut events = vec![self.event()?];
        for part in parts {
            self.launch(part)?;
            events.push(self.event()?);
        }
        self.stream.synchronize().on_gpu("a step")?;
        self.share_out(&between(&events)?);
        Ok(())
    }

    /// Takes the parts of a step's time over.
    fn share_out(&mut self, times: &[f64]) {
        let all: f64 = times.iter().sum();
        if all > 0.0 {
            self.shares = std::array::from_fn(|i| times[i] / all);
        }
    }

    /// Every piece of work with the time it takes.
    fn run_measured(&mut self) -> Result<()> {
        let mut events = vec![self.event()?];
        for index in 0..self.training.launches.len() {
            self.launch(index..index + 1)?;
            events.push(self.event()?);
        }
        self.stream.synchronize().on_gpu("a step")?;
        let own = between(&events)?;
        let [back, update] = self.training.marks;
        let parts = [&own[..back], &own[back..update], &own[update..]];
        self.share_out(&parts.map(|part| part.iter().sum()));
        for (time, own) in self.times.iter_mut().flatten().zip(own) {
            *time += own;
        }
        Ok(())
    }

    fn event(&self) -> Result<CudaEvent> {
        self.stream
            .record_event(Some(CUevent_flags_enum::CU_EVENT_DEFAULT))
            .on_gpu("timing a step")
    }

    /// Logits in evaluation mode, with the averaged parameters where some are kept.
    ///
    /// **Shape** logits `[B, classes]`, overwritten.
    ///
    /// # Errors
    /// When the GPU refuses.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn logits(&mut self, images: Images<'_>, logits: &mut [f32]) -> Result<()> {
        let count = logits.len() / self.classes;
        for start in (0..count).step_by(self.evaluated) {
            let part = start..(start + self.evaluated).min(count);
            self.stage(images, part.clone())?;
            let of_part = part.start * self.classes..part.end * self.classes;
            self.evaluate(self.staging.address(0), None, &mut logits[of_part])?;
        }
        Ok(())
    }

    /// [`logits`](Self::logits) of some of the images that the GPU [holds](Self::hold).
    ///
    /// # Errors
    /// When the GPU refuses.
    ///
    /// # Panics
    /// When the lengths do not fit, or an image is not held.
    pub(crate) fn logits_of_held(&mut self, picks: &[u32], logits: &mut [f32]) -> Result<()> {
        let rows = self.held_rows(picks);
        let parts = picks.chunks(self.evaluated);
        for (picks, logits) in parts.zip(logits.chunks_mut(self.evaluated * self.classes)) {
            self.evaluate(rows, Some(picks), logits)?;
        }
        Ok(())
    }

    fn evaluate(&mut self, rows: u64, picks: Option<&[u32]>, logits: &mut [f32]) -> Result<()> {
        let head = Head {
            rows,
            count: u32::try_from(logits.len() / self.classes).unwrap_or(u32::MAX),
            ..Head::default()
        };
        self.send(&head, picks, &[])?;
        self.evaluation
            .launches
            .iter()
            .try_for_each(|launch| launch.run(&self.stream))
            .on_gpu("an evaluation")?;
        logits.copy_from_slice(&self.logits.read(0, logits.len())?);
        Ok(())
    }
}

/// Seconds between neighbours.
fn between(events: &[CudaEvent]) -> Result<Vec<f64>> {
    events
        .windows(2)
        .map(|pair| pair[0].elapsed_ms(&pair[1]).map(|ms| f64::from(ms) * 1e-3))
        .collect::<Result<_, _>>()
        .on_gpu("timing a step")
}

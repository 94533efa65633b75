//! A planned step on a GPU: the same programs as on the CPU, each piece of work a kernel, the whole step one CUDA graph.
//!
//! Maps lie in lanes here too, which suits warps of 32 threads: a row of a map is what a warp reads at once, and a
//! convolution is a matrix product on tensor cores without any rearrangement. Pictures are on the GPU once; a step sends
//! the numbers of its pictures and gets loss, hits and norm back. Sums have a fixed order: the same GPU gives the same bits.

mod arguments;
mod device;
mod lower;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use candle_core::cuda::cudarc::driver::sys::{
    CUevent_flags_enum, CUgraphInstantiate_flags, CUstreamCaptureMode_enum,
};
use candle_core::cuda::cudarc::driver::{CudaEvent, CudaGraph, CudaStream, result};

pub use device::obstacle;

use self::arguments::{self as args, FACTORS, Head, SHARE_WORDS};
use self::device::{Gpu, Launch, Memory, OnGpu, Pinned, THREADS};
use self::lower::{COUNTERS, Lowering, PARTIAL, SUMS, Shared, Tables};
use super::plan::{
    Adam, Input, LANES, Layout, Outcome, Parts, Pictures, Program, Row, Rule, Settings, Step,
};
use crate::error::Result;

/// Pictures that are evaluated at a time, where there is memory for them.
const EVALUATED: usize = 2048;

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

/// Pictures that lie on the GPU, a row each.
struct Held {
    rows: Memory<f32>,
    count: usize,
}

/// A program laid out.
struct Ready {
    launches: Vec<Launch>,
    /// Where the way back begins, and where the update does.
    marks: [usize; 2],
    /// What the pieces are, with multiply-adds for one picture.
    labels: Vec<(String, usize)>,
    /// Held for the launches.
    _memory: Memory<f32>,
}

/// A planned step on a GPU with all its memory.
pub struct CudaPlan {
    stream: Arc<CudaStream>,
    training: Ready,
    evaluation: Ready,
    graph: Option<Graph>,
    flat: Flat,
    statistics: Statistics,
    held: Option<Held>,
    staging: Memory<f32>,
    head: Memory<u32>,
    sent: Pinned,
    outcome: Memory<u32>,
    received: Pinned,
    logits: Memory<f32>,
    /// Numbers of a picture.
    features: usize,
    classes: usize,
    batch: usize,
    evaluated: usize,
    /// Pictures that the head has room for.
    capacity: usize,
    steps: u64,
    /// The parts of a step's time: forward with the loss, backward, update.
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
    /// A plan on GPU number `ordinal` with all parameters zero and running statistics of mean 0 and variance 1.
    ///
    /// # Errors
    /// `Compute` when the GPU refuses, for want of memory above all.
    pub fn new(ordinal: usize, parts: Parts) -> Result<Self> {
        let gpu = Gpu::open(ordinal)?;
        let stream = gpu.context.new_stream().on_gpu("starting a stream")?;
        let blocks = parts.batch.div_ceil(LANES);
        let features = features(&parts.training);
        let classes = parts.logits.size() / LANES;

        let zeros = |len: usize| Memory::<f32>::zeros(&stream, len);
        let kept = |keep: bool| keep.then(|| zeros(parts.parameters)).transpose();
        let flat = Flat {
            parameters: zeros(parts.parameters)?,
            gradients: zeros(parts.parameters)?,
            kept: [kept(parts.keeps[0])?, kept(parts.keeps[1])?],
            average: kept(parts.averages)?,
            rates: zeros(parts.parameters)?,
        };
        let mut channels = 0;
        let place = |of_one: &usize| {
            channels += of_one;
            channels - of_one..channels
        };
        let places: Vec<_> = parts.norms.iter().map(place).collect();
        let statistics = Statistics {
            mean: zeros(channels)?,
            variance: Memory::of(&stream, &vec![1.0; channels])?,
            places,
        };

        let training_layout = Layout::new(&parts.training.sizes, blocks, &uses(&parts.training));
        let training_memory = zeros(training_layout.total)?;
        let (evaluated, evaluation_layout) = evaluation(&gpu, &parts)?;
        let evaluation_memory = zeros(evaluation_layout.total)?;
        let capacity = parts.batch.max(evaluated);

        let words = |len: usize| Memory::<u32>::zeros(&stream, len);
        let head = words(HEAD_WORDS + 2 * capacity)?;
        let outcome = words(OUTCOME_WORDS)?;
        // In words: factors of normalisations, forward and back; variances; what parts give; shares of the loss.
        let shared = [
            channels * FACTORS,
            channels * FACTORS,
            channels,
            PARTIAL,
            SUMS * 4,
            COUNTERS,
            blocks * SHARE_WORDS * 2,
        ]
        .map(words)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
        let [affine, back, variance, partial, sums, counters, shares] =
            std::array::from_fn(|i| shared[i].address(0));
        let starts: Vec<_> = statistics.places.iter().map(|p| p.start).collect();
        let mut tables = Tables::new(&stream);
        let places = Shared {
            parameters: flat.parameters.address(0),
            gradients: flat.gradients.address(0),
            head: head.address(0),
            shares,
            affine,
            back,
            variance,
            running_mean: statistics.mean.address(0),
            running_variance: statistics.variance.address(0),
            partial,
            sums,
            counters,
        };
        let mut lowering = Lowering {
            gpu: &gpu,
            tables: &mut tables,
            layout: &training_layout,
            base: training_memory.address(0),
            blocks,
            shared: places,
            norms: &starts,
            epsilon: parts.epsilon,
            criterion: parts.criterion,
            capacity,
        };
        let steps = lowering.program(&parts.training)?;
        let back = steps.partition_point(|(step, _)| *step < parts.training.backward_from);
        let mut labels = labels(&parts.training, &steps);
        let mut launches: Vec<_> = steps.into_iter().map(|(_, launch)| launch).collect();
        let marks = [back, launches.len()];
        let context = Update {
            gpu: &gpu,
            shared: &places,
            outcome: outcome.address(0),
            flat: &flat,
            statistics: &statistics,
            momentum: parts.momentum,
            blocks,
        };
        launches.extend(context.launches()?);
        labels.extend(["measure", "update", "statistics"].map(|name| (name.to_string(), 0)));
        labels.truncate(launches.len());
        let training = Ready {
            launches,
            marks,
            labels,
            _memory: training_memory,
        };

        let averaged = flat.average.as_ref().unwrap_or(&flat.parameters);
        lowering.layout = &evaluation_layout;
        lowering.base = evaluation_memory.address(0);
        lowering.blocks = evaluated.div_ceil(LANES);
        lowering.shared.parameters = averaged.address(0);
        let logits = zeros(evaluated * classes)?;
        let steps = lowering.program(&parts.evaluation)?;
        let mut launches: Vec<_> = steps.into_iter().map(|(_, launch)| launch).collect();
        let unload = args::Unload {
            logits: lowering.at(parts.logits),
            rows: logits.address(0),
            size: logits.len() as u64,
            classes: i32::try_from(classes).unwrap_or(i32::MAX),
            padding: 0,
        };
        launches.push(over(&gpu, "unload", logits.len(), &unload)?);
        let evaluation = Ready {
            marks: [launches.len(); 2],
            labels: Vec::new(),
            launches,
            _memory: evaluation_memory,
        };

        Ok(Self {
            staging: zeros(capacity * features)?,
            sent: Pinned::new(&gpu, HEAD_WORDS + 2 * capacity)?,
            received: Pinned::new(&gpu, OUTCOME_WORDS)?,
            training,
            evaluation,
            graph: None,
            flat,
            statistics,
            held: None,
            head,
            outcome,
            logits,
            features,
            classes,
            batch: parts.batch,
            evaluated,
            capacity,
            steps: 0,
            shares: [0.4, 0.5, 0.1],
            times: None,
            _shared: shared,
            _tables: tables,
            stream,
        })
    }

    /// Puts pictures on the GPU for [`step_on_held`](Self::step_on_held), where there is room; says whether there was.
    ///
    /// `fill` writes the rows of some of the `count` pictures.
    ///
    /// # Errors
    /// When the GPU refuses.
    pub fn hold(&mut self, count: usize, fill: &dyn Fn(Range<usize>, &mut [f32])) -> Result<bool> {
        self.held = None;
        let numbers = count * self.features;
        let context = self.stream.context();
        context.bind_to_thread().on_gpu("placing pictures")?;
        let (free, _) = context.mem_get_info().on_gpu("placing pictures")?;
        if numbers > free / size_of::<f32>() / 2 {
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
    pub fn read(&self, row: Row) -> Result<Option<Vec<f32>>> {
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
    pub fn write(&mut self, row: Row, values: &[f32]) -> Result<()> {
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
    pub fn keeps(&self, row: Row) -> bool {
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
    pub fn running(&self, norm: usize) -> Result<[Vec<f32>; 2]> {
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
    pub fn set_running(&mut self, norm: usize, [mean, variance]: [&[f32]; 2]) -> Result<()> {
        let start = self.statistics.places[norm].start;
        self.statistics.mean.write(start, mean)?;
        self.statistics.variance.write(start, variance)
    }

    /// Keeps the time that every piece of work takes from now on; steps are slower then.
    pub fn measure(&mut self) {
        self.times = Some(vec![0.0; self.training.launches.len()]);
    }

    /// Seconds by piece of work since [`measure`](Self::measure), with the work's multiply-adds for one picture.
    #[must_use]
    pub fn times(&self) -> Vec<(String, f64, usize)> {
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
    /// When the batch is empty, larger than the plan's, of other pictures, or a label is no class.
    pub fn step(&mut self, input: Input<'_>, settings: &Settings<'_>) -> Result<Outcome> {
        let begun = Instant::now();
        let count = input.labels.len();
        self.stage(input.pictures, 0..count)?;
        let load_seconds = begun.elapsed().as_secs_f64();
        let outcome = self.step_by(self.staging.address(0), None, input.labels, settings)?;
        Ok(Outcome {
            load_seconds,
            ..outcome
        })
    }

    /// [`step`](Self::step) on some of the pictures that the GPU [holds](Self::hold).
    ///
    /// # Errors
    /// When the GPU refuses.
    ///
    /// # Panics
    /// As `step`, or when a picture is not held.
    pub fn step_on_held(
        &mut self,
        picks: &[u32],
        labels: &[u32],
        settings: &Settings<'_>,
    ) -> Result<Outcome> {
        let rows = self.held_rows(picks);
        self.step_by(rows, Some(picks), labels, settings)
    }

    fn held_rows(&self, picks: &[u32]) -> u64 {
        match &self.held {
            Some(held) => {
                assert!(picks.iter().all(|p| (*p as usize) < held.count));
                held.rows.address(0)
            }
            None => panic!("no pictures are held"),
        }
    }

    fn step_by(
        &mut self,
        rows: u64,
        picks: Option<&[u32]>,
        labels: &[u32],
        settings: &Settings<'_>,
    ) -> Result<Outcome> {
        let count = labels.len();
        assert!((1..=self.batch).contains(&count), "a batch of {count}");
        assert!(labels.iter().all(|l| (*l as usize) < self.classes));
        let begun = Instant::now();
        if self.steps == 0 {
            self.set_rates(settings.rates)?;
        }
        self.send(&head(rows, count, settings), picks, labels)?;
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

    /// Rows of pictures of this machine, for a step or an evaluation.
    fn stage(&mut self, pictures: Pictures<'_>, part: Range<usize>) -> Result<()> {
        match pictures {
            Pictures::Rows(all) => {
                let numbers = part.start * self.features..part.end * self.features;
                self.staging.write(0, &all[numbers])
            }
            Pictures::Gathered(gather) => {
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
        let times = between(&events)?;
        let all: f64 = times.iter().sum();
        if all > 0.0 {
            self.shares = std::array::from_fn(|i| times[i] / all);
        }
        Ok(())
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
    pub fn logits(&mut self, pictures: Pictures<'_>, logits: &mut [f32]) -> Result<()> {
        let count = logits.len() / self.classes;
        for start in (0..count).step_by(self.evaluated) {
            let part = start..(start + self.evaluated).min(count);
            self.stage(pictures, part.clone())?;
            let of_part = part.start * self.classes..part.end * self.classes;
            self.evaluate(self.staging.address(0), None, &mut logits[of_part])?;
        }
        Ok(())
    }

    /// [`logits`](Self::logits) of some of the pictures that the GPU [holds](Self::hold).
    ///
    /// # Errors
    /// When the GPU refuses.
    ///
    /// # Panics
    /// When the lengths do not fit, or a picture is not held.
    pub fn logits_of_held(&mut self, picks: &[u32], logits: &mut [f32]) -> Result<()> {
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

/// What ends a step.
struct Update<'a> {
    gpu: &'a Gpu,
    shared: &'a Shared,
    outcome: u64,
    flat: &'a Flat,
    statistics: &'a Statistics,
    momentum: f32,
    blocks: usize,
}

impl Update<'_> {
    fn launches(&self) -> Result<Vec<Launch>> {
        let Self {
            gpu, shared, flat, ..
        } = self;
        let numbers = flat.parameters.len();
        let address = |memory: &Option<Memory<f32>>| memory.as_ref().map_or(0, |m| m.address(0));
        let blocks = numbers.div_ceil(16 * THREADS as usize).clamp(1, 256);
        let measure = args::Measure {
            gradients: shared.gradients,
            head: shared.head,
            shares: shared.shares,
            result: self.outcome,
            partial: shared.sums,
            counter: shared.counters,
            size: numbers as u64,
            blocks: i32::try_from(self.blocks).unwrap_or(i32::MAX),
            padding: 0,
        };
        let grid = (u32::try_from(blocks).unwrap_or(u32::MAX), 1, 1);
        let update = args::Update {
            parameters: shared.parameters,
            gradients: shared.gradients,
            first: address(&flat.kept[0]),
            second: address(&flat.kept[1]),
            average: address(&flat.average),
            rates: flat.rates.address(0),
            head: shared.head,
            result: self.outcome,
            size: numbers as u64,
        };
        let mut launches = vec![
            Launch::new(gpu, "measure", grid, THREADS, &measure)?,
            over(gpu, "update", numbers, &update)?,
        ];
        let channels = self.statistics.places.last().map_or(0, |p| p.end);
        if channels > 0 {
            let commit = args::Commit {
                affine: shared.affine,
                variance: shared.variance,
                running_mean: shared.running_mean,
                running_variance: shared.running_variance,
                result: self.outcome,
                channels: i32::try_from(channels).unwrap_or(i32::MAX),
                momentum: self.momentum,
            };
            launches.push(over(gpu, "commit", channels, &commit)?);
        }
        Ok(launches)
    }
}

/// A thread for each of `size` numbers.
fn over<A: device::Argument>(
    gpu: &Gpu,
    kernel: &'static str,
    size: usize,
    argument: &A,
) -> Result<Launch> {
    let blocks = u32::try_from(size.div_ceil(THREADS as usize)).unwrap_or(u32::MAX);
    Launch::new(gpu, kernel, (blocks.max(1), 1, 1), THREADS, argument)
}

/// Seconds between neighbours.
fn between(events: &[CudaEvent]) -> Result<Vec<f64>> {
    events
        .windows(2)
        .map(|pair| pair[0].elapsed_ms(&pair[1]).map(|ms| f64::from(ms) * 1e-3))
        .collect::<Result<_, _>>()
        .on_gpu("timing a step")
}

fn uses(program: &Program) -> Vec<Vec<super::plan::Buffer>> {
    program.steps.iter().map(Step::buffers).collect()
}

/// What every launch does: the first of a step its products, another adds up their parts.
fn labels(program: &Program, launches: &[(usize, Launch)]) -> Vec<(String, usize)> {
    let mut before = None;
    let of = |(step, _): &(usize, Launch)| {
        let work = &program.steps[*step].work;
        let again = before.replace(*step) == Some(*step);
        if again {
            (format!("{}: sum", work.label()), 0)
        } else {
            (work.label(), work.multiply_adds())
        }
    };
    launches.iter().map(of).collect()
}

/// Numbers of a picture.
fn features(program: &Program) -> usize {
    program
        .steps
        .iter()
        .find_map(|step| match step.work {
            super::plan::Work::Load {
                channels, pixels, ..
            } => Some(channels * pixels),
            _ => None,
        })
        .unwrap_or(0)
}

/// How many pictures are evaluated at a time, and where their maps lie: a quarter of the free memory at most.
fn evaluation(gpu: &Gpu, parts: &Parts) -> Result<(usize, Layout)> {
    let room = gpu.memory()?.0 / size_of::<f32>() / 4;
    let uses = uses(&parts.evaluation);
    let mut evaluated = EVALUATED;
    loop {
        let layout = Layout::new(&parts.evaluation.sizes, evaluated / LANES, &uses);
        if layout.total <= room || evaluated == LANES {
            return Ok((evaluated, layout));
        }
        evaluated /= 2;
    }
}

/// A step's settings as the kernels take them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once a step, as on the CPU"
)]
fn head(rows: u64, count: usize, settings: &Settings<'_>) -> Head {
    let mut head = Head {
        rows,
        seed: settings.seed,
        step: settings.step,
        clip: settings.clip,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        average_decay: settings.average_decay as f32,
        average_rest: (1.0 - settings.average_decay) as f32,
        rated: u32::from(!settings.rates.is_empty()),
        ..Head::default()
    };
    match settings.rule {
        Rule::Sgd(s) => {
            head.rule = 0;
            head.learning_rate = s.learning_rate as f32;
            head.l2 = s.weight_decay as f32;
            head.momentum = s.momentum as f32;
            head.nesterov = u32::from(s.nesterov);
        }
        Rule::RmsProp(s) => {
            head.rule = 1;
            head.learning_rate = s.learning_rate as f32;
            head.l2 = s.weight_decay as f32;
            head.momentum = s.momentum as f32;
            head.beta2 = s.alpha as f32;
            head.rest2 = (1.0 - s.alpha) as f32;
            head.epsilon = s.epsilon as f32;
        }
        Rule::Adam(s) => adam(&mut head, &s, false),
        Rule::AdamW(s) => adam(&mut head, &s, true),
    }
    head
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once a step, as on the CPU"
)]
fn adam(head: &mut Head, s: &Adam, decoupled: bool) {
    let step = i32::try_from(s.step).unwrap_or(i32::MAX);
    head.rule = 2;
    if decoupled {
        head.decay = (s.learning_rate * s.weight_decay) as f32;
    } else {
        head.l2 = s.weight_decay as f32;
    }
    head.beta1 = s.beta1 as f32;
    head.rest1 = (1.0 - s.beta1) as f32;
    head.beta2 = s.beta2 as f32;
    head.rest2 = (1.0 - s.beta2) as f32;
    head.step_size = (s.learning_rate / (1.0 - s.beta1.powi(step))) as f32;
    head.correction2 = (1.0 / (1.0 - s.beta2.powi(step)).sqrt()) as f32;
    head.epsilon = s.epsilon as f32;
}

const _: () = assert!(EVALUATED.is_multiple_of(LANES) && (EVALUATED / LANES).is_power_of_two());

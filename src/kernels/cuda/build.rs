//! A plan laid out on a GPU: all its memory, and the launches of a step and of an evaluation.

use std::ops::Range;
use std::sync::Arc;

use candle_core::cuda::cudarc::driver::CudaStream;

use super::{CudaPlan, Flat, HEAD_WORDS, OUTCOME_WORDS, Ready, Statistics};
use crate::error::Result;
use crate::kernels::launch::arguments::{self as args, FACTORS, SHARE_WORDS};
use crate::kernels::launch::device::{
    Argument, Gpu, Launch, Memory, OnGpu, Pinned, THREADS, free_memory,
};
use crate::kernels::launch::{COUNTERS, Lowering, PARTIAL, SUMS, Shared, Tables};
use crate::kernels::memory::{Buffer, Layout};
use crate::kernels::plan::ops::{Outline, load::Load};
use crate::kernels::plan::{Instruction, LANES, Parts, Program};

/// Images that are evaluated at a time, where there is memory for them.
const EVALUATED: usize = 2048;

const _: () = assert!(EVALUATED.is_multiple_of(LANES) && (EVALUATED / LANES).is_power_of_two());

impl CudaPlan {
    /// A plan on GPU number `ordinal` with all parameters zero and running statistics of mean 0 and variance 1.
    ///
    /// # Errors
    /// `Compute` when the GPU refuses, for want of memory above all.
    pub(crate) fn new(ordinal: usize, parts: &Parts) -> Result<Self> {
        let gpu = Gpu::open(ordinal)?;
        let stream = gpu.context.new_stream().on_gpu("starting a stream")?;
        let blocks = parts.batch.div_ceil(LANES);
        let features = features(&parts.training);
        let classes = parts.logits.size() / LANES;
        let flat = Flat::zeros(&stream, parts)?;
        let statistics = Statistics::fresh(&stream, &parts.norms)?;

        let training_layout = Layout::new(&parts.training.sizes, blocks, &uses(&parts.training));
        let training_memory = Memory::zeros(&stream, training_layout.total)?;
        let (evaluated, evaluation_layout) = evaluation(&gpu, parts)?;
        let evaluation_memory = Memory::zeros(&stream, evaluation_layout.total)?;
        let capacity = parts.batch.max(evaluated);

        let head = Memory::zeros(&stream, HEAD_WORDS + 2 * capacity)?;
        let outcome = Memory::zeros(&stream, OUTCOME_WORDS)?;
        let targets = Memory::zeros(&stream, capacity * (classes + 1))?;
        let (shared, memory) = shared(&stream, blocks, &flat, &statistics, &head, &targets)?;
        let starts: Vec<_> = statistics.places.iter().map(|p| p.start).collect();
        let mut tables = Tables::new(&stream);
        let mut lowering = Lowering {
            gpu: &gpu,
            tables: &mut tables,
            layout: &training_layout,
            base: training_memory.address(0),
            blocks,
            shared,
            norms: &starts,
            epsilon: parts.epsilon,
            criterion: parts.criterion,
            precision: parts.precision,
            capacity,
        };
        let update = Update {
            gpu: &gpu,
            shared: &shared,
            outcome: outcome.address(0),
            flat: &flat,
            statistics: &statistics,
            momentum: parts.momentum,
            blocks,
        };
        let training = training(&mut lowering, &update, parts, training_memory)?;

        let averaged = flat.average.as_ref().unwrap_or(&flat.parameters);
        lowering.layout = &evaluation_layout;
        lowering.base = evaluation_memory.address(0);
        lowering.blocks = evaluated.div_ceil(LANES);
        lowering.shared.parameters = averaged.address(0);
        let logits = Memory::zeros(&stream, evaluated * classes)?;
        let steps = launches(&mut lowering, &parts.evaluation)?;
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
            staging: Memory::zeros(&stream, capacity * features)?,
            sent: Pinned::new(&gpu, HEAD_WORDS + 2 * capacity)?,
            received: Pinned::new(&gpu, OUTCOME_WORDS)?,
            training,
            evaluation,
            graph: None,
            flat,
            statistics,
            held: None,
            head,
            targets,
            outcome,
            logits,
            features,
            classes,
            batch: parts.batch,
            criterion: parts.criterion,
            evaluated,
            capacity,
            steps: 0,
            shares: [0.0; 3],
            times: None,
            _shared: memory,
            _tables: tables,
            stream,
        })
    }
}

impl Flat {
    fn zeros(stream: &Arc<CudaStream>, parts: &Parts) -> Result<Self> {
        let zeros = || Memory::zeros(stream, parts.parameters);
        let kept = |keep: bool| keep.then(zeros).transpose();
        Ok(Self {
            parameters: zeros()?,
            gradients: zeros()?,
            kept: [kept(parts.keeps[0])?, kept(parts.keeps[1])?],
            average: kept(parts.averages)?,
            rates: zeros()?,
        })
    }
}

impl Statistics {
    /// Mean 0 and variance 1 of normalisations with these channels.
    fn fresh(stream: &Arc<CudaStream>, norms: &[usize]) -> Result<Self> {
        let mut channels = 0;
        let place = |of_one: &usize| -> Range<usize> {
            channels += of_one;
            channels - of_one..channels
        };
        let places: Vec<_> = norms.iter().map(place).collect();
        Ok(Self {
            mean: Memory::zeros(stream, channels)?,
            variance: Memory::of(stream, &vec![1.0; channels])?,
            places,
        })
    }

    fn channels(&self) -> usize {
        self.places.last().map_or(0, |p| p.end)
    }
}

/// Where what all launches share lies, and the memory of what nobody else holds.
fn shared(
    stream: &Arc<CudaStream>,
    blocks: usize,
    flat: &Flat,
    statistics: &Statistics,
    head: &Memory<u32>,
    targets: &Memory<f32>,
) -> Result<(Shared, Vec<Memory<u32>>)> {
    let channels = statistics.channels();
    // In words: factors of normalisations, forward and back; variances; what parts give; shares of the loss.
    let memory = [
        channels * FACTORS,
        channels * FACTORS,
        channels,
        PARTIAL,
        SUMS * 4,
        COUNTERS,
        blocks * SHARE_WORDS * 2,
    ]
    .map(|words| Memory::zeros(stream, words))
    .into_iter()
    .collect::<Result<Vec<_>>>()?;
    let [affine, back, variance, partial, sums, counters, shares] =
        std::array::from_fn(|i| memory[i].address(0));
    let shared = Shared {
        parameters: flat.parameters.address(0),
        gradients: flat.gradients.address(0),
        head: head.address(0),
        shares,
        targets: targets.address(0),
        affine,
        back,
        variance,
        running_mean: statistics.mean.address(0),
        running_variance: statistics.variance.address(0),
        partial,
        sums,
        counters,
    };
    Ok((shared, memory))
}

/// The launches of a step, with where its parts begin and what each does.
fn training(
    lowering: &mut Lowering<'_>,
    update: &Update<'_>,
    parts: &Parts,
    memory: Memory<f32>,
) -> Result<Ready> {
    let steps = launches(lowering, &parts.training)?;
    let back = steps.partition_point(|(step, _)| *step < parts.training.backward_from);
    let mut labels = labels(&parts.training, &steps);
    let mut launches: Vec<_> = steps.into_iter().map(|(_, launch)| launch).collect();
    let marks = [back, launches.len()];
    launches.extend(update.launches()?);
    labels.extend(["measure", "update", "statistics"].map(|name| (name.to_string(), 0)));
    labels.truncate(launches.len());
    Ok(Ready {
        launches,
        marks,
        labels,
        _memory: memory,
    })
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
        let channels = self.statistics.channels();
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
fn over<A: Argument>(gpu: &Gpu, kernel: &'static str, size: usize, argument: &A) -> Result<Launch> {
    let blocks = u32::try_from(size.div_ceil(THREADS as usize)).unwrap_or(u32::MAX);
    Launch::new(gpu, kernel, (blocks.max(1), 1, 1), THREADS, argument)
}

/// The launches of every step, with its number.
fn launches(gpu: &mut Lowering<'_>, program: &Program) -> Result<Vec<(usize, Launch)>> {
    let mut launches = Vec::new();
    for (index, step) in program.steps.iter().enumerate() {
        let gate = gpu.gate(step.gate);
        let of_step = step.work.operation.lower(gpu, gate)?;
        launches.extend(of_step.into_iter().map(|launch| (index, launch)));
    }
    Ok(launches)
}

fn uses(program: &Program) -> Vec<Vec<Buffer>> {
    program.steps.iter().map(Instruction::buffers).collect()
}

/// What every launch does: the first of a step its products, another adds up their parts.
fn labels(program: &Program, launches: &[(usize, Launch)]) -> Vec<(String, usize)> {
    let mut before = None;
    let of = |(step, _): &(usize, Launch)| {
        let Outline {
            label,
            multiply_adds,
            ..
        } = &program.steps[*step].work.outline;
        let again = before.replace(*step) == Some(*step);
        if again {
            (format!("{label}: sum"), 0)
        } else {
            (label.clone(), *multiply_adds)
        }
    };
    launches.iter().map(of).collect()
}

/// Numbers of an image.
fn features(program: &Program) -> usize {
    let mut loads = program.steps.iter().filter_map(|s| s.work.is::<Load>());
    loads.next().map_or(0, |load| load.channels * load.pixels)
}

/// How many images are evaluated at a time, and where their maps lie: a quarter of the free memory at most.
fn evaluation(gpu: &Gpu, parts: &Parts) -> Result<(usize, Layout)> {
    let room = free_memory(&gpu.context)? / size_of::<f32>() / 4;
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

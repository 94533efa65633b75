//! A network's training step laid out once: a list of work in lanes, one arena, one team of threads.
//!
//! Nothing is allocated in a step, no graph is built, and no thread waits but at the borders of *groups*: runs of work
//! in which a block of 32 images needs nothing of other blocks. Every result is one chain of operations in a fixed
//! order, so neither the number of threads nor who does what changes a bit. Deliberately knows no architecture and no
//! names: whoever builds the programs (`train::learners::plan`) does.

mod context;
mod input;
pub(crate) mod ops;
mod program;
mod runner;
mod team;
mod update;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

pub(crate) use crate::kernels::cpu::lanes::LANES;
pub(crate) use crate::kernels::cpu::lanes::conv::{Conv, Geometry};
pub(crate) use crate::kernels::cpu::lanes::loss::LossKind;
pub(crate) use crate::kernels::cpu::lanes::pointwise::is_gate;
pub(crate) use crate::kernels::cpu::lanes::pool::Pool;
pub(crate) use crate::kernels::cpu::lanes::resample::Resample;
pub(crate) use crate::kernels::cpu::optimizer::Rule;
pub(crate) use crate::kernels::memory::{Buffer, Kernel, Norm, OUT_OF_MEMORY, Weights};
pub(crate) use input::{Goal, Images, Input};
pub(crate) use ops::Work;
pub(crate) use program::{Instruction, Program};

use crate::kernels::cpu::lanes::layout::into_rows;
use crate::kernels::cpu::lanes::loss::Share;
use crate::kernels::cpu::lanes::norm::Moments;
use crate::kernels::cpu::{Isa, isa};
use crate::kernels::memory::{Layout, Memory};
use crate::profile::Precision;
use context::{Context, Shared};
use program::{Group, groups};
use runner::{Runner, run_block};
use team::{Team, TeamBarrier};
use update::Flat;

/// What a plan is made of.
pub(crate) struct Parts {
    /// Ends in `Loss`, then goes back.
    pub training: Program,
    /// Ends with the logits, each block by itself.
    pub evaluation: Program,
    /// The evaluation's logits. **Shape** `[classes, 32]`.
    pub logits: Buffer,
    /// All parameters, one after the other.
    pub parameters: usize,
    /// Channels of every normalisation.
    pub norms: Vec<usize>,
    /// Added to variances.
    pub epsilon: f64,
    /// Share of a batch's moments in the running ones.
    pub momentum: f32,
    pub criterion: LossKind,
    /// Whether the rule keeps a first moment or velocity, and a mean of squares.
    pub keeps: [bool; 2],
    /// Whether averaged parameters are kept, and evaluated with.
    pub averages: bool,
    /// Images of the largest batch that is trained on.
    pub batch: usize,
    /// Of products on a GPU; the CPU's are f32.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has one"))]
    pub precision: Precision,
    pub threads: usize,
}

/// What varies from step to step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// The rule, but for its `gradient_scale`, which clipping decides.
    pub rule: Rule,
    /// Factors on its learning rate, each from a place in the row of parameters to the next one's; 1 before the first.
    pub rates: &'a [(usize, f64)],
    /// Largest norm of the whole gradient; 0 does not clip.
    pub clip: f64,
    /// Decay of the averaged parameters; 0 takes the parameters over.
    pub average_decay: f64,
    /// Decides the dropout masks.
    pub seed: u64,
    pub step: u64,
}

/// What a step gave. Nothing was written when loss or gradient norm are not finite.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub loss: f64,
    pub correct: usize,
    /// Before clipping; not a number where the loss already wasn't finite.
    pub gradient_norm: f64,
    /// A member's, on average, for gathering its images.
    pub load_seconds: f64,
    /// Forward with the loss, backward, update.
    pub seconds: [f64; 3],
}

/// A row of numbers, one for every parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Parameters,
    /// The last step's, before clipping.
    Gradients,
    /// What the rule keeps: first moment or velocity, mean of squares.
    Kept(usize),
    Average,
}

/// A planned step with all its memory.
pub(crate) struct Plan {
    team: Team,
    barrier: TeamBarrier,
    isa: Isa,
    training: Ready,
    /// One block's memory for every member.
    evaluation: Ready,
    logits: Buffer,
    classes: usize,
    flat: Flat,
    norms: Vec<NormState>,
    /// A step's moments of every normalisation, one after the other. **Shape** `[blocks][channels]` each.
    moments: Vec<Moments>,
    /// Its gradient sums, likewise.
    sums: Vec<[f64; 2]>,
    epsilon: f64,
    momentum: f32,
    criterion: LossKind,
    shares: Vec<Share>,
    batch: usize,
    /// Nanoseconds spent in every step of the training program by the first member, where measured.
    times: Option<Vec<AtomicU64>>,
}

/// A program with its memory.
struct Ready {
    program: Program,
    layout: Layout,
    memory: Memory,
    groups: Vec<Group>,
    /// What of every step's tasks is taken.
    claims: Vec<AtomicUsize>,
}

impl Ready {
    fn new(program: Program, blocks: usize, copies: usize, each_step: bool) -> Self {
        let groups = groups(&program);
        let layout = lay_out(&program, &groups, blocks, each_step);
        Self {
            memory: Memory::new(layout.total * copies),
            claims: program.steps.iter().map(|_| AtomicUsize::new(0)).collect(),
            program,
            layout,
            groups,
        }
    }

    fn reset(&mut self) {
        for claim in &mut self.claims {
            *claim.get_mut() = 0;
        }
    }
}

/// Where a program's buffers lie: apart where one step, or one group of steps, needs them together.
fn lay_out(program: &Program, groups: &[Group], blocks: usize, each_step: bool) -> Layout {
    let moments: Vec<_> = if each_step {
        program.steps.iter().map(Instruction::buffers).collect()
    } else {
        let of_group = |g: &Group| {
            program.steps[g.steps.clone()]
                .iter()
                .flat_map(Instruction::buffers)
        };
        groups.iter().map(|g| of_group(g).collect()).collect()
    };
    Layout::new(&program.sizes, blocks, &moments)
}

impl Parts {
    /// Memory that a plan of these parts takes on the CPU, without taking it.
    ///
    /// **Units** bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        let blocks = self.batch.div_ceil(LANES);
        let total = |program: &Program, blocks, each_step| {
            lay_out(program, &groups(program), blocks, each_step).total as u64
        };
        let copies = 2 + self.keeps.iter().filter(|k| **k).count() + usize::from(self.averages);
        let numbers = (self.parameters as u64)
            .saturating_mul(copies as u64)
            .saturating_add(total(&self.training, blocks, false))
            .saturating_add(
                total(&self.evaluation, 1, true).saturating_mul(self.threads.max(1) as u64),
            );
        let rows = (blocks * self.norms.iter().sum::<usize>()) as u64;
        let of_row = (size_of::<Moments>() + size_of::<[f64; 2]>()) as u64;
        numbers
            .saturating_mul(size_of::<f32>() as u64)
            .saturating_add(rows.saturating_mul(of_row))
    }
}

/// A normalisation's running statistics and what a step works out.
struct NormState {
    channels: usize,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
    /// Where its moments and sums start among those of all.
    start: usize,
}

impl Plan {
    /// A plan with all parameters zero and running statistics of mean 0 and variance 1.
    ///
    /// # Errors
    /// When the system starts no threads.
    pub(crate) fn new(parts: Parts) -> std::io::Result<Self> {
        let team = Team::new(parts.threads)?;
        let blocks = parts.batch.div_ceil(LANES);
        let mut rows = 0;
        let norm = |channels: &usize| {
            rows += blocks * channels;
            NormState {
                channels: *channels,
                running_mean: vec![0.0; *channels],
                running_var: vec![1.0; *channels],
                start: rows - blocks * channels,
            }
        };
        let norms: Vec<_> = parts.norms.iter().map(norm).collect();
        Ok(Self {
            barrier: team.barrier(),
            isa: isa(),
            evaluation: Ready::new(parts.evaluation, 1, team.members(), true),
            training: Ready::new(parts.training, blocks, 1, false),
            logits: parts.logits,
            classes: parts.logits.size / LANES,
            flat: Flat::new(parts.parameters, parts.keeps, parts.averages),
            norms,
            moments: vec![Moments::default(); rows],
            sums: vec![[0.0; 2]; rows],
            epsilon: parts.epsilon,
            momentum: parts.momentum,
            criterion: parts.criterion,
            shares: vec![Share::default(); blocks],
            batch: parts.batch,
            times: None,
            team,
        })
    }

    #[must_use]
    pub(crate) fn threads(&self) -> usize {
        self.team.members()
    }

    /// A row, where it is kept.
    #[must_use]
    pub(crate) fn row(&self, row: Row) -> Option<&[f32]> {
        match row {
            Row::Parameters => Some(&self.flat.parameters),
            Row::Gradients => Some(&self.flat.gradients),
            Row::Kept(which) => self.flat.kept[which].as_deref(),
            Row::Average => self.flat.average.as_deref(),
        }
    }

    pub(crate) fn row_mut(&mut self, row: Row) -> Option<&mut [f32]> {
        match row {
            Row::Parameters => Some(&mut self.flat.parameters),
            Row::Gradients => Some(&mut self.flat.gradients),
            Row::Kept(which) => self.flat.kept[which].as_deref_mut(),
            Row::Average => self.flat.average.as_deref_mut(),
        }
    }

    /// A normalisation's running mean and variance.
    #[must_use]
    pub(crate) fn running(&self, norm: usize) -> [&[f32]; 2] {
        let state = &self.norms[norm];
        [&state.running_mean, &state.running_var]
    }

    pub(crate) fn running_mut(&mut self, norm: usize) -> [&mut [f32]; 2] {
        let state = &mut self.norms[norm];
        [&mut state.running_mean, &mut state.running_var]
    }

    /// Keeps the time that every piece of work takes from now on.
    pub(crate) fn measure(&mut self) {
        let steps = &self.training.program.steps;
        self.times = Some(steps.iter().map(|_| AtomicU64::new(0)).collect());
    }

    /// Seconds of the first member by piece of work since [`measure`](Self::measure), with the work's multiply-adds for
    /// one image.
    #[must_use]
    pub(crate) fn times(&self) -> Vec<(String, f64, usize)> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nanoseconds of minutes are far below 2⁵²"
        )]
        let seconds = |t: &AtomicU64| t.load(Ordering::Relaxed) as f64 * 1e-9;
        let times = self.times.iter().flatten();
        let steps = self.training.program.steps.iter();
        steps
            .zip(times)
            .map(|(step, time)| (&step.work.outline, seconds(time)))
            .map(|(outline, time)| (outline.label.clone(), time, outline.multiply_adds))
            .collect()
    }

    /// Takes one step. Nothing is written when the outcome's loss or gradient norm is not finite.
    ///
    /// # Panics
    /// When the batch is empty, larger than the plan's, of other images, or a label is not a class, or targets do not
    /// fit.
    pub(crate) fn step(&mut self, input: Input<'_>, settings: &Settings<'_>) -> Outcome {
        let count = input.goal.labels.len();
        input.goal.check(self.batch, self.classes, self.criterion);
        self.training.reset();
        let begun = Instant::now();
        let flat = self.flat.share();
        let shared = Shared {
            base: self.training.memory.start(),
            parameters: flat.parameters,
            parameter_count: flat.len,
            gradients: flat.gradients,
            gradient_count: flat.len,
            moments: self.moments.as_mut_ptr(),
            sums: self.sums.as_mut_ptr(),
            shares: self.shares.as_mut_ptr(),
        };
        let context = Context {
            isa: self.isa,
            layout: &self.training.layout,
            shared: &shared,
            norms: &self.norms,
            epsilon: self.epsilon,
            input,
            criterion: self.criterion,
            seed: settings.seed,
            step: settings.step,
            only: None,
            load_nanos: AtomicU64::new(0),
        };
        let back_from = self.training.program.backward_from;
        let marks = [AtomicU64::new(0), AtomicU64::new(0)];
        let mark = |which: usize, member: usize| {
            if member == 0 {
                let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                marks[which].store(nanos, Ordering::Relaxed);
            }
        };
        let (training, barrier, times) = (&self.training, &self.barrier, self.times.as_deref());
        let members = self.team.members();
        self.team.run(&|member| {
            let runner = Runner {
                context: &context,
                ready: training,
                barrier,
                times,
                member,
                members,
            };
            let groups = training.groups.iter();
            for group in groups.clone().filter(|g| g.steps.start < back_from) {
                runner.group(group);
            }
            mark(0, member);
            // SAFETY: every block's share was written before the barrier that ended the forward groups.
            if !unsafe { context.loss() }.0.is_finite() {
                return;
            }
            for group in groups.filter(|g| g.steps.start >= back_from) {
                runner.group(group);
            }
            // SAFETY: the gradients are complete, and each piece is one member's.
            unsafe { flat.measure(member, members) };
            barrier.wait();
            mark(1, member);
            // SAFETY: all pieces were measured before the barrier; every piece is one member's.
            unsafe { flat.update(settings, member, members) };
        });
        // SAFETY: the team has come back, and all it wrote is here.
        let (loss, correct) = unsafe { context.loss() };
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a step")]
        let load_seconds =
            context.load_nanos.load(Ordering::Relaxed) as f64 * 1e-9 / members as f64;
        let total = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a step")]
        let [ahead, back] = marks.map(|m| m.load(Ordering::Relaxed) as f64 * 1e-9);
        let gradient_norm = if loss.is_finite() {
            self.flat.norm()
        } else {
            f64::NAN
        };
        if loss.is_finite() && gradient_norm.is_finite() {
            self.commit_moments(count.div_ceil(LANES));
        }
        Outcome {
            loss,
            correct,
            gradient_norm,
            load_seconds,
            seconds: [
                (ahead - load_seconds).max(0.0),
                (back - ahead).max(0.0),
                (total - back).max(0.0),
            ],
        }
    }

    /// Moves the running statistics on by the step's moments.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "statistics are kept in f32"
    )]
    fn commit_moments(&mut self, blocks: usize) {
        let momentum = self.momentum;
        for norm in &mut self.norms {
            for channel in 0..norm.channels {
                let of_blocks = self.moments[norm.start..][..blocks * norm.channels].iter();
                let all = of_blocks
                    .skip(channel)
                    .step_by(norm.channels)
                    .fold(Moments::default(), |sum, m| sum.and(*m));
                let mean = &mut norm.running_mean[channel];
                *mean = *mean * (1.0 - momentum) + all.mean as f32 * momentum;
                let var = &mut norm.running_var[channel];
                *var = *var * (1.0 - momentum) + all.unbiased_variance() as f32 * momentum;
            }
        }
    }

    /// Logits in evaluation mode, with the averaged parameters where some are kept.
    ///
    /// **Shape** logits `[B, classes]`, overwritten.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn logits(&mut self, images: Images<'_>, logits: &mut [f32]) {
        let count = logits.len() / self.classes;
        assert!(count * self.classes == logits.len());
        if count == 0 {
            return;
        }
        self.evaluation.reset();
        let parameters = self
            .flat
            .average
            .as_deref()
            .unwrap_or(&self.flat.parameters);
        let shared = Shared {
            base: self.evaluation.memory.start(),
            parameters: parameters.as_ptr(),
            parameter_count: parameters.len(),
            gradients: std::ptr::null_mut(),
            gradient_count: 0,
            moments: std::ptr::null_mut(),
            sums: std::ptr::null_mut(),
            shares: std::ptr::null_mut(),
        };
        let (program, layout) = (&self.evaluation.program, &self.evaluation.layout);
        let next = AtomicUsize::new(0);
        let out = Rows {
            start: logits.as_mut_ptr(),
        };
        let (norms, classes, isa, of) = (&self.norms, self.classes, self.isa, self.logits);
        let (criterion, epsilon) = (self.criterion, self.epsilon);
        self.team.run(&|member| {
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                let of_block = block * LANES..((block + 1) * LANES).min(count);
                if of_block.start >= count {
                    return;
                }
                let context = Context {
                    isa,
                    layout,
                    shared: &shared.for_member(member, layout.total),
                    norms,
                    epsilon,
                    input: Input {
                        images,
                        goal: Goal::default(),
                    },
                    criterion,
                    seed: 0,
                    step: 0,
                    only: Some(of_block.clone()),
                    load_nanos: AtomicU64::new(0),
                };
                for step in &program.steps {
                    // SAFETY: each member has memory of its own, and works through the program alone.
                    unsafe { run_block(&context, step, 0) };
                }
                // SAFETY: this block's rows of the output are this member's alone; the logits are complete.
                unsafe {
                    let rows = out.of(of_block.start * classes, of_block.len() * classes);
                    into_rows(classes, context.block(of, 0), rows);
                }
            }
        });
    }
}

/// Where blocks' logits go.
struct Rows {
    start: *mut f32,
}

// SAFETY: members write the rows of different blocks.
unsafe impl Sync for Rows {}

impl Rows {
    /// # Safety
    /// The range lies inside the output and belongs to one member.
    #[expect(clippy::mut_from_ref, reason = "members write different rows")]
    unsafe fn of(&self, start: usize, len: usize) -> &mut [f32] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

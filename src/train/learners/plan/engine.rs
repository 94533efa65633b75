//! What runs a plan: threads of the CPU, or a GPU.

#![cfg_attr(
    not(feature = "cuda"),
    expect(clippy::unnecessary_wraps, reason = "a GPU can refuse")
)]

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

#[cfg(feature = "cuda")]
use crate::data::Key;
use crate::data::SplitDataset;
use crate::error::{Error, Result};
#[cfg(feature = "cuda")]
use crate::kernels::cuda::CudaPlan;
use crate::kernels::plan::{Goal, Images, Input, Outcome, Parts, Plan, Row, Settings};

/// Where a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Cpu,
    /// A GPU by its number.
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

/// A plan on its processor.
pub(super) enum Engine {
    Cpu(Box<Plan>),
    #[cfg(feature = "cuda")]
    Cuda {
        plan: Box<CudaPlan>,
        holds: Holds,
    },
}

/// Which images a GPU holds.
#[cfg(feature = "cuda")]
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Holds {
    Nothing,
    Set(Key),
    /// They do not fit, and are sent step by step.
    TooMuch,
}

impl Engine {
    /// # Errors
    /// `Compute` when no threads can be started, or the GPU refuses.
    pub(super) fn new(place: Target, parts: Parts) -> Result<Self> {
        match place {
            Target::Cpu => {
                let plan = Plan::new(parts);
                let plan = plan.map_err(|e| Error::compute("starting the compute threads", e))?;
                Ok(Self::Cpu(Box::new(plan)))
            }
            #[cfg(feature = "cuda")]
            Target::Cuda(ordinal) => Ok(Self::Cuda {
                plan: Box::new(CudaPlan::new(ordinal, &parts)?),
                holds: Holds::Nothing,
            }),
        }
    }

    /// Threads of the CPU that work on a step.
    pub(super) fn threads(&self) -> usize {
        match self {
            Self::Cpu(plan) => plan.threads(),
            #[cfg(feature = "cuda")]
            Self::Cuda { .. } => 1,
        }
    }

    /// A row, where it is kept.
    pub(super) fn read(&self, row: Row) -> Result<Option<Cow<'_, [f32]>>> {
        match self {
            Self::Cpu(plan) => Ok(plan.row(row).map(Cow::Borrowed)),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => Ok(plan.read(row)?.map(Cow::Owned)),
        }
    }

    pub(super) fn keeps(&self, row: Row) -> bool {
        match self {
            Self::Cpu(plan) => plan.row(row).is_some(),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => plan.keeps(row),
        }
    }

    /// Changes a row, where it is kept.
    pub(super) fn change(
        &mut self,
        row: Row,
        change: impl FnOnce(&mut [f32]) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Cpu(plan) => plan.row_mut(row).map_or(Ok(()), change),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => {
                let Some(mut values) = plan.read(row)? else {
                    return Ok(());
                };
                change(&mut values)?;
                plan.write(row, &values)
            }
        }
    }

    /// A normalisation's running mean and variance.
    pub(super) fn running(&self, norm: usize) -> Result<[Cow<'_, [f32]>; 2]> {
        match self {
            Self::Cpu(plan) => Ok(plan.running(norm).map(Cow::Borrowed)),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => Ok(plan.running(norm)?.map(Cow::Owned)),
        }
    }

    pub(super) fn set_running(&mut self, norm: usize, values: [&[f32]; 2]) -> Result<()> {
        match self {
            Self::Cpu(plan) => {
                for (to, from) in plan.running_mut(norm).into_iter().zip(values) {
                    to.copy_from_slice(from);
                }
                Ok(())
            }
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => plan.set_running(norm, values),
        }
    }

    pub(super) fn measure(&mut self) {
        match self {
            Self::Cpu(plan) => plan.measure(),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => plan.measure(),
        }
    }

    pub(super) fn times(&self) -> Vec<(String, f64, usize)> {
        match self {
            Self::Cpu(plan) => plan.times(),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => plan.times(),
        }
    }

    pub(super) fn step(&mut self, input: Input<'_>, settings: &Settings<'_>) -> Result<Outcome> {
        match self {
            Self::Cpu(plan) => Ok(plan.step(input, settings)),
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => plan.step(input, settings),
        }
    }

    /// [`step`](Self::step) on the images of these pooled indices.
    pub(super) fn step_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        goal: Goal<'_>,
        settings: &Settings<'_>,
    ) -> Result<Outcome> {
        #[cfg(feature = "cuda")]
        if let Self::Cuda { plan, holds } = self
            && !data.augments()
            && holds.these(plan, data)?
        {
            return plan.step_on_held(indices, goal, settings);
        }
        let step = settings.step;
        reading(
            |part, rows| data.training_rows(&indices[part.clone()], step, part.start, rows),
            |images| self.step(Input { images, goal }, settings),
        )
    }

    pub(super) fn logits(&mut self, images: Images<'_>, logits: &mut [f32]) -> Result<()> {
        match self {
            Self::Cpu(plan) => {
                plan.logits(images, logits);
                Ok(())
            }
            #[cfg(feature = "cuda")]
            Self::Cuda { plan, .. } => plan.logits(images, logits),
        }
    }

    /// [`logits`](Self::logits) of the images of these pooled indices.
    pub(super) fn logits_on(
        &mut self,
        data: &SplitDataset,
        indices: &[u32],
        logits: &mut [f32],
    ) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Self::Cuda { plan, holds } = self
            && holds.these(plan, data)?
        {
            return plan.logits_of_held(indices, logits);
        }
        reading(
            |part, rows| data.rows(&indices[part], rows),
            |images| self.logits(images, logits),
        )
    }
}

/// Runs a plan on images that may be unreadable. Its threads have nobody to tell, so what cannot be read becomes no
/// number, with which no weight is written, and the first error is given after.
fn reading<T>(
    read: impl Fn(Range<usize>, &mut [f32]) -> Result<()> + Sync,
    run: impl FnOnce(Images<'_>) -> Result<T>,
) -> Result<T> {
    let failed = OnceLock::new();
    let gather = |part: Range<usize>, rows: &mut [f32]| {
        if let Err(error) = read(part, rows) {
            rows.fill(f32::NAN);
            let _ = failed.set(error);
        }
    };
    let outcome = run(Images::Gathered(&gather));
    failed.into_inner().map_or(outcome, Err)
}

#[cfg(feature = "cuda")]
impl Holds {
    /// Whether the GPU holds the images of `data`, which it takes up where it doesn't yet and has the room.
    fn these(&mut self, plan: &mut CudaPlan, data: &SplitDataset) -> Result<bool> {
        match self {
            Self::Set(key) if key.is_of(data) => return Ok(true),
            Self::TooMuch => return Ok(false),
            Self::Set(_) | Self::Nothing => {}
        }
        let count = data.dataset.len();
        let failed = OnceLock::new();
        let fits = plan.hold(count, &|part, rows| {
            use rayon::prelude::*;
            let size = rows.len() / part.len().max(1);
            let indices: Vec<u32> = part.filter_map(|i| u32::try_from(i).ok()).collect();
            let read = rows
                .par_chunks_mut(64 * size)
                .zip(indices.par_chunks(64))
                .try_for_each(|(rows, indices)| data.rows(indices, rows));
            if let Err(error) = read {
                let _ = failed.set(error);
            }
        })?;
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        *self = if fits {
            Self::Set(data.key())
        } else {
            Self::TooMuch
        };
        Ok(fits)
    }
}

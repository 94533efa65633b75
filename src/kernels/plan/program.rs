//! A list of work, and where a team has to meet in it.

use std::ops::Range;

use super::ops::load::Load;
use super::ops::{Scope, Work};
use crate::kernels::memory::Buffer;
use crate::profile::Activation;

/// Work in the order of its results, with the buffers it goes through.
#[derive(Default)]
pub(crate) struct Program {
    pub(in crate::kernels) steps: Vec<Instruction>,
    pub(in crate::kernels) sizes: Vec<usize>,
    /// The first step of the way back.
    pub(in crate::kernels) backward_from: usize,
}

/// A piece of work, and an activation whose slope multiplies what it writes.
pub(crate) struct Instruction {
    pub(in crate::kernels) work: Work,
    /// The activation and its result.
    pub(in crate::kernels) gate: Option<(Activation, Buffer)>,
}

impl Instruction {
    pub(in crate::kernels) fn buffers(&self) -> Vec<Buffer> {
        let mut buffers = self.work.outline.buffers.clone();
        buffers.extend(self.gate.map(|(_, y)| y));
        buffers
    }
}

impl Program {
    /// A new buffer of `size` numbers a block.
    pub(crate) fn buffer(&mut self, size: usize) -> Buffer {
        self.sizes.push(size);
        Buffer {
            id: self.sizes.len() - 1,
            size,
        }
    }

    /// Appends work; its number can be given to [`gate`](Self::gate).
    pub(crate) fn push(&mut self, work: impl Into<Work>) -> usize {
        let work = work.into();
        self.steps.push(Instruction { work, gate: None });
        self.steps.len() - 1
    }

    /// Multiplies what step `step` writes, a gradient, with the slope of an activation at its result `y`.
    pub(crate) fn gate(&mut self, step: usize, activation: Activation, y: Buffer) {
        self.steps[step].gate = Some((activation, y));
    }

    /// Leaves the images in `buffer` too, a row each, when they are loaded.
    pub(crate) fn keep_rows(&mut self, buffer: Buffer) {
        for step in &mut self.steps {
            if let Some(load) = step.work.is::<Load>() {
                let rows = Some(buffer);
                step.work = Load { rows, ..*load }.into();
            }
        }
    }

    /// The way back begins with the next step.
    pub(crate) fn begin_backward(&mut self) {
        self.backward_from = self.steps.len();
    }
}

/// Steps after which all members meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) steps: Range<usize>,
    /// Not by blocks.
    pub(super) whole: bool,
}

/// Cuts a program where work needs what other blocks' work wrote, and at the turn.
pub(super) fn groups(program: &Program) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, step) in program.steps.iter().enumerate() {
        let scope = step.work.outline.scope;
        let whole = scope == Scope::Batch;
        let joins = groups.last().is_some_and(|last| {
            last.whole == whole && scope != Scope::BlockAfterAll && index != program.backward_from
        });
        match groups.last_mut().filter(|_| joins) {
            Some(last) => last.steps.end = index + 1,
            None => groups.push(Group {
                steps: index..index + 1,
                whole,
            }),
        }
    }
    groups
}

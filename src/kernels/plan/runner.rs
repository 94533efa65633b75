//! How a team's members go through a program: each its own blocks where they divide evenly, else tasks claimed one by
//! one.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Ready;
use super::context::{Context, Part};
use super::program::{Group, Instruction};
use super::team::TeamBarrier;
use crate::kernels::cpu::lanes::pointwise;
use crate::kernels::cpu::portion;

/// One member's way through a program.
pub(super) struct Runner<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) ready: &'a Ready,
    pub(super) barrier: &'a TeamBarrier,
    pub(super) times: Option<&'a [AtomicU64]>,
    pub(super) member: usize,
    pub(super) members: usize,
}

impl Runner<'_> {
    /// The member's share of a group; returns when every member is through.
    pub(super) fn group(&self, group: &Group) {
        let blocks = self.context.blocks();
        if group.whole {
            for index in group.steps.clone() {
                self.timed(index, || {
                    let step = &self.ready.program.steps[index];
                    let units = portion(step.work.units(), self.members, self.member);
                    // SAFETY: members take different units, and all they read is complete.
                    unsafe { run(self.context, step, 0, units) };
                });
            }
        } else if blocks.is_multiple_of(self.members) {
            let each = blocks / self.members;
            for block in self.member * each..(self.member + 1) * each {
                for index in group.steps.clone() {
                    self.timed(index, || {
                        // SAFETY: within a group a block needs only itself, and this member has it alone.
                        unsafe {
                            run_block(self.context, &self.ready.program.steps[index], block);
                        };
                    });
                }
            }
        } else {
            for index in group.steps.clone() {
                self.timed(index, || self.claimed(index, blocks));
                if index + 1 < group.steps.end {
                    self.barrier.wait();
                }
            }
        }
        self.barrier.wait();
    }

    /// Takes tasks of a step as long as there are some.
    fn claimed(&self, index: usize, blocks: usize) {
        let step = &self.ready.program.steps[index];
        let units = step.work.units();
        let tasks = blocks * units;
        let each = (tasks / (4 * self.members)).max(1);
        loop {
            let first = self.ready.claims[index].fetch_add(each, Ordering::Relaxed);
            let end = (first + each).min(tasks);
            let mut at = first;
            while at < end {
                let block = at / units;
                let from = at % units;
                let to = (from + end - at).min(units);
                // SAFETY: a claimed unit is this member's alone, and the step before is complete.
                unsafe { run(self.context, step, block, from..to) };
                at += to - from;
            }
            if end >= tasks {
                return;
            }
        }
    }

    fn timed(&self, index: usize, work: impl FnOnce()) {
        match self.times.filter(|_| self.member == 0) {
            None => work(),
            Some(times) => {
                let begun = Instant::now();
                work();
                let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                times[index].fetch_add(nanos, Ordering::Relaxed);
            }
        }
    }
}

/// A whole step of one block.
///
/// # Safety
/// What it reads is complete, and nobody else works on the block.
pub(super) unsafe fn run_block(context: &Context<'_>, step: &Instruction, block: usize) {
    // SAFETY: the caller's.
    unsafe { run(context, step, block, 0..step.work.units()) }
}

/// Some units of a step, of one block or of no block.
///
/// # Safety
/// What it reads is complete, and nobody else works on these units.
unsafe fn run(context: &Context<'_>, step: &Instruction, block: usize, units: Range<usize>) {
    let written = step.work.outline.stretch(&units);
    let range = written.clone().map_or(0..0, |(_, range)| range);
    let part = Part {
        context,
        block,
        units,
        range,
    };
    // SAFETY: the caller's; a unit's stretch of what is written is its own.
    unsafe {
        let out = match written {
            Some((buffer, range)) => context.part(buffer, block, range),
            None => &mut [],
        };
        step.work.operation.run(&part, out);
        if let Some((activation, y)) = step.gate {
            pointwise::gate(context.isa, activation, part.same(y), out);
        }
    }
}

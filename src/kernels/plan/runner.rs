//! How a team's members go through a program: each its own blocks where they divide evenly, else tasks claimed one by one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Ready;
use super::context::Context;
use super::program::Group;
use super::team::Meeting;

/// One member's way through a program.
pub(super) struct Runner<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) ready: &'a Ready,
    pub(super) meeting: &'a Meeting,
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
                    // SAFETY: members take different rows of the result, and all it reads is complete.
                    unsafe { self.context.whole(step, self.member, self.members) };
                });
            }
        } else if blocks.is_multiple_of(self.members) {
            let each = blocks / self.members;
            for block in self.member * each..(self.member + 1) * each {
                for index in group.steps.clone() {
                    self.timed(index, || {
                        // SAFETY: within a group a block needs only itself, and this member has it alone.
                        unsafe {
                            self.context
                                .all_of_block(&self.ready.program.steps[index], block);
                        };
                    });
                }
            }
        } else {
            for index in group.steps.clone() {
                self.timed(index, || self.claimed(index, blocks));
                if index + 1 < group.steps.end {
                    self.meeting.wait();
                }
            }
        }
        self.meeting.wait();
    }

    /// Takes tasks of a step as long as there are some.
    fn claimed(&self, index: usize, blocks: usize) {
        let step = &self.ready.program.steps[index];
        let units = step.units();
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
                unsafe { self.context.units(step, block, from..to) };
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

//! The loss of the logits, and its gradient.

use super::{Operation, Outline, Units};
use crate::kernels::cpu::lanes::loss;
#[cfg(feature = "cuda")]
use crate::kernels::launch::{Launches, Lowering, arguments as args, number};
use crate::kernels::memory::Buffer;
use crate::kernels::plan::context::Part;

/// The loss of the logits, and its gradient.
pub(crate) struct Loss {
    pub logits: Buffer,
    pub gradient: Buffer,
}

impl Operation for Loss {
    fn outline(&self) -> Outline {
        Outline::of_block("loss", Units::ONE, &[self.logits], self.gradient)
    }

    unsafe fn run(&self, part: &Part<'_>, gradient: &mut [f32]) {
        let context = part.context;
        let (batch, labels) = (context.batch(), &context.input.goal.labels[part.images()]);
        let targets = context.input.goal.targets.map(|t| t.of(part.images()));
        // SAFETY: the caller's; the plan keeps a share for every block, which is this unit's.
        unsafe {
            let logits = part.all(self.logits);
            let criterion = context.criterion;
            let share = loss::loss(
                context.isa,
                criterion,
                batch,
                labels,
                targets,
                logits,
                gradient,
            );
            *context.shared.shares.add(part.block) = share;
        }
    }

    #[cfg(feature = "cuda")]
    fn lower(&self, gpu: &mut Lowering<'_>, _: args::Gate) -> Launches {
        use crate::kernels::cpu::lanes::{LANES, loss::LossKind};
        let (squared, smoothing) = match gpu.criterion {
            LossKind::CrossEntropy(smoothing) => (0, smoothing),
            LossKind::Mse => (1, 0.0),
        };
        let argument = args::Loss {
            logits: gpu.at(self.logits),
            gradient: gpu.at(self.gradient),
            head: gpu.shared.head,
            shares: gpu.shared.shares,
            targets: gpu.shared.targets,
            smoothing,
            classes: number(self.logits.size / LANES),
            squared,
            capacity: number(gpu.capacity),
            padding: 0,
        };
        gpu.a_thread_an_image("loss", &argument)
    }
}

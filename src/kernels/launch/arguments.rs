//! What the kernels take and give, field by field as in the `.cu` files. Addresses are those of the GPU; 0 is none.

/// The arguments of kernels, as both sides know them: plain numbers, with every padding a field.
macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => { $(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default)]
        pub(in crate::kernels) struct $name { $(pub(in crate::kernels) $field: $kind,)* }

        // SAFETY: plain numbers in the order of the `.cu` file, whose padding is a field of its own.
        unsafe impl $crate::kernels::launch::device::Argument for $name {}

        const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$kind>())*, "padding that is no field");
    )* };
}

pub(in crate::kernels) use arguments;

arguments! {
    /// Written before every step.
    Head {
        rows: u64, seed: u64, step: u64, clip: f64,
        count: u32, rule: u32, nesterov: u32, rated: u32,
        learning_rate: f32, l2: f32, decay: f32, momentum: f32,
        beta1: f32, rest1: f32, beta2: f32, rest2: f32,
        step_size: f32, correction2: f32, epsilon: f32,
        average_decay: f32, average_rest: f32, soft: u32,
    }
    /// Read after it.
    Outcome {
        loss: f64, norm: f64, correct: u32, finite: u32, clip: f32, padding: u32,
    }
    Gate {
        y: u64, activation: u64,
    }
    Product {
        x: u64, w: u64, bias: u64, y: u64, taps: u64, counts: u64, gate: Gate,
        x_block: u64, y_block: u64,
        slots: i32, pixels: i32, columns: i32, rows: i32, depth: i32,
        row_step: i32, depth_step: i32, tap_step: i32,
        activation: i32, add: i32, parts: i32, padding: i32,
    }
    WeightGradient {
        x: u64, dy: u64, dw: u64, db: u64, sources: u64, partial: u64,
        x_block: u64, y_block: u64,
        slots: i32, pixels: i32, items: i32, rows: i32, depth: i32, columns: i32,
        parts: i32, padding: i32,
    }
    Norm {
        x: u64, y_or_dy: u64, to: u64, head: u64, gamma: u64, beta: u64, dgamma: u64, dbeta: u64,
        affine: u64, back: u64, variance: u64, running_mean: u64, running_variance: u64,
        partial: u64, counters: u64, gate: Gate, epsilon: f64, size: u64,
        channels: i32, pixels: i32, blocks: i32, parts: i32, relu: i32, padding: i32,
    }
    Pointwise {
        a: u64, b: u64, x: u64, to: u64, gate: Gate, size: u64, activation: i32, padding: i32,
    }
    Pool {
        x: u64, y: u64, dy: u64, to: u64, gate: Gate, size: u64,
        channels: i32, height: i32, width: i32, kernel_height: i32, kernel_width: i32,
        stride: i32, margin: i32, out_height: i32, out_width: i32, share: f32,
    }
    Resample {
        from: u64, to: u64, starts: u64, terms: u64, gate: Gate, size: u64,
        channels: i32, pixels: i32, from_channels: i32, from_pixels: i32, shift: i32, padding: i32,
    }
    Reorder {
        x: u64, to: u64, gate: Gate, size: u64, channels: i32, pixels: i32,
    }
    Dropout {
        x: u64, to: u64, head: u64, gate: Gate, size: u64, layer: u64, purpose: u64,
        channels: i32, pixels: i32, threshold: u32, factor: f32,
    }
    Load {
        to: u64, head: u64, channels: i32, pixels: i32,
    }
    Unload {
        logits: u64, rows: u64, size: u64, classes: i32, padding: i32,
    }
    Loss {
        logits: u64, gradient: u64, head: u64, shares: u64, targets: u64, smoothing: f64,
        classes: i32, squared: i32, capacity: i32, padding: i32,
    }
    Measure {
        gradients: u64, head: u64, shares: u64, result: u64, partial: u64, counter: u64, size: u64,
        blocks: i32, padding: i32,
    }
    Update {
        parameters: u64, gradients: u64, first: u64, second: u64, average: u64, rates: u64,
        head: u64, result: u64, size: u64,
    }
    Commit {
        affine: u64, variance: u64, running_mean: u64, running_variance: u64, result: u64,
        channels: i32, momentum: f32,
    }
}

/// Numbers of a normalisation's factors for one channel: the `Affine` and the `Back` of the `.cu` files.
pub(in crate::kernels) const FACTORS: usize = 4;

/// **Units** words of what a block contributes to the loss: `Share` there.
pub(in crate::kernels) const SHARE_WORDS: usize = 2;

//! What the kernels' tests share: numbers, comparisons, thread counts.

use super::isa::Isa;
use super::isa::tests::{available, with_isa};
use crate::kernels::targets::Targets;
use crate::rng::{Purpose, Stream};

/// Uniform numbers in [−1, 1).
pub(super) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Stream::new(seed, Purpose::Initialisation, 0).fill_uniform(&mut values, -1.0, 1.0);
    values
}

/// Targets that lie between classes, some of them 0, and weights, some of them 0.
pub(super) fn targets(batch: usize, classes: usize, seed: u64, smoothing: f64) -> Targets {
    let stream = Stream::new(seed, Purpose::Initialisation, 1);
    let mut soft = vec![0.0; batch * classes];
    stream.fill_uniform(&mut soft, -0.5, 1.0);
    for row in soft.chunks_exact_mut(classes) {
        row[0] = 0.5;
        let sum: f32 = row.iter().map(|t| t.max(0.0)).sum();
        for t in row {
            *t = t.max(0.0) / sum;
        }
    }
    let mut weights = vec![0.0; batch];
    Stream::new(seed, Purpose::Initialisation, 2).fill_uniform(&mut weights, -0.3, 2.0);
    weights[0] = 1.5;
    let weights: Vec<f32> = weights.iter().map(|w| w.max(0.0)).collect();
    let labels = vec![0; batch];
    Targets::new(classes, &labels, Some(&soft), Some(&weights), smoothing).unwrap()
}

/// Asserts that every number is within `tolerance` of the expected one, relative to the largest expected.
pub(super) fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (a - e).abs() <= tolerance * scale,
            "{what}: {a} is not {e} at {i} (scale {scale})"
        );
    }
}

/// Runs `work` with every instruction set this processor has.
pub(super) fn for_each_isa(mut work: impl FnMut(Isa)) {
    for isa in available() {
        with_isa(isa, || work(isa));
    }
}

/// Asserts that `work` gives the same bits on 1, 2, 3 and 8 threads.
pub(super) fn assert_thread_invariant(work: impl Fn() -> Vec<f32> + Sync) {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let bits: Vec<u32> = pool.install(&work).iter().map(|v| v.to_bits()).collect();
        bits
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads differ from one");
    }
}

//! What the kernels' tests share: numbers, comparisons, thread counts.

use super::isa::Isa;
use super::isa::tests::{available, with_isa};
use crate::rng::{Purpose, Stream};

/// Uniform numbers in [−1, 1).
pub(super) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Stream::new(seed, Purpose::Initialisation, 0).fill_uniform(&mut values, -1.0, 1.0);
    values
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

/// Rate of the fastest of some runs of calls, in 10⁹ a second of one core's time, for `work` in units a call.
pub(super) fn rate_per_core(work: f64, mut call: impl FnMut() + Send) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    pool.install(|| {
        let mut run = || {
            let (start, mut calls) = (core_seconds(), 0.0);
            loop {
                call();
                calls += 1.0;
                let seconds = core_seconds() - start;
                if seconds > 0.05 {
                    return calls * work / seconds * 1e-9;
                }
            }
        };
        (0..5).map(|_| run()).fold(0.0, f64::max)
    })
}

/// Time this thread has run: what other programs take doesn't count where the system tells.
fn core_seconds() -> f64 {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(|| START.elapsed().as_secs_f64(), |ns| ns * 1e-9)
}

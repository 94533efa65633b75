//! Measurements, not checks: `cargo test --release kernels_speed -- --ignored --nocapture`.
//!
//! Figures are those of one core, by the time this thread ran, so that a busy machine changes them little.

use super::conv::{self, ConvShape};
use super::optimizer::Adam;
use super::pool::{self, PoolShape};
use super::testing::numbers;
use super::{elementwise, linear, norm, optimizer};
use crate::profile::Activation;
use crate::rng::{Purpose, Stream};

#[test]
#[ignore = "a measurement, not a check"]
fn kernels_speed_of_convolutions() {
    let layers = [
        ("improved-cnn 1", [64, 1, 28, 28, 32, 3, 1, 1]),
        ("improved-cnn 2", [64, 32, 28, 28, 64, 3, 1, 1]),
        ("improved-cnn 3", [64, 64, 14, 14, 128, 3, 1, 1]),
        ("lenet5 1", [64, 1, 32, 32, 8, 3, 1, 1]),
        ("lenet5 2", [64, 8, 16, 16, 25, 5, 1, 0]),
        ("lenet5 3", [64, 25, 12, 12, 84, 4, 1, 0]),
        ("resnet layer1", [64, 64, 14, 14, 64, 3, 1, 1]),
        ("resnet layer2", [64, 64, 28, 28, 128, 3, 2, 1]),
        ("resnet layer4", [64, 512, 4, 4, 512, 3, 1, 1]),
    ];
    for (
        name,
        [
            batch,
            in_channels,
            height,
            width,
            out_channels,
            kernel,
            stride,
            padding,
        ],
    ) in layers
    {
        let s = ConvShape {
            batch,
            in_channels,
            height,
            width,
            out_channels,
            kernel,
            stride,
            padding,
        };
        let (x, w) = (numbers(s.input_len(), 1), numbers(s.weights_len(), 2));
        let (b, dy) = (numbers(s.out_channels, 3), numbers(s.output_len(), 4));
        let (mut y, mut dx) = (dy.clone(), x.clone());
        let (mut dw, mut db) = (w.clone(), b.clone());
        let work = 2.0 * s.multiply_adds() as f64;
        let rates = [
            rate_per_core(work, || conv::forward(&s, &x, &w, Some(&b), &mut y)),
            rate_per_core(work, || conv::backward_input(&s, &dy, &w, &mut dx)),
            rate_per_core(work, || {
                conv::backward_weights(&s, &x, &dy, &mut dw, Some(&mut db));
            }),
        ];
        let milliseconds: f64 = rates.iter().map(|r| work / r * 1e-6).sum();
        eprintln!(
            "{name:15} forward, input, weights {rates:4.0?} GFLOP/s, together {milliseconds:.2} ms"
        );
    }
}

#[test]
#[ignore = "a measurement, not a check"]
fn kernels_speed_of_linear_layers() {
    for (batch, in_f, out_f) in [
        (64, 784, 100),
        (64, 6272, 256),
        (64, 1344, 120),
        (64, 100, 50),
        (1024, 784, 100),
    ] {
        let (x, w) = (numbers(batch * in_f, 1), numbers(out_f * in_f, 2));
        let (b, dy) = (numbers(out_f, 3), numbers(batch * out_f, 4));
        let (mut y, mut dx) = (dy.clone(), x.clone());
        let (mut dw, mut db) = (w.clone(), b.clone());
        let work = 2.0 * (batch * in_f * out_f) as f64;
        let rates = [
            rate_per_core(work, || {
                linear::forward(batch, in_f, out_f, &x, &w, Some(&b), &mut y);
            }),
            rate_per_core(work, || {
                linear::backward_input(batch, in_f, out_f, &dy, &w, &mut dx);
            }),
            rate_per_core(work, || {
                linear::backward_weights(batch, in_f, out_f, &x, &dy, &mut dw, Some(&mut db));
            }),
        ];
        eprintln!("{batch}×{in_f}→{out_f}: forward, input, weights {rates:4.0?} GFLOP/s");
    }
}

#[test]
#[ignore = "a measurement, not a check"]
fn kernels_speed_of_everything_else() {
    let (batch, channels, area) = (64, 64, 784);
    let count = batch * channels * area;
    let (x, dy) = (numbers(count, 1), numbers(count, 2));
    let (mut y, mut dx) = (x.clone(), x.clone());
    let report = |name: &str, numbers: usize, call: &mut (dyn FnMut() + Send)| {
        let rate = rate_per_core(numbers as f64, call);
        eprintln!("{name:28} {rate:6.2}e9 numbers/s");
    };
    for activation in Activation::ALL {
        let name = activation.name();
        report(name, count, &mut || {
            elementwise::forward(activation, &x, &mut y);
        });
        report(&format!("{name} backward"), count, &mut || {
            elementwise::backward(activation, &x, &x, &dy, &mut dx);
        });
    }
    let stream = Stream::new(1, Purpose::Dropout, 1);
    report("dropout", count, &mut || {
        elementwise::dropout(&x, &stream, 0.5, &mut y);
    });
    let mut s: [Vec<f32>; 5] = std::array::from_fn(|_| numbers(channels, 3));
    let (gamma, beta) = (numbers(channels, 4), numbers(channels, 5));
    let [mean, inv, var, dgamma, dbeta] = &mut s;
    report("batch norm + relu", count, &mut || {
        norm::train_forward_relu(
            batch, channels, area, &x, &gamma, &beta, 1e-5, &mut y, mean, inv, var,
        );
    });
    report("batch norm + relu backward", count, &mut || {
        norm::backward_relu(
            batch, channels, area, &x, &gamma, &beta, mean, inv, &dy, &mut dx, dgamma, dbeta,
        );
    });
    let shape = PoolShape {
        planes: batch * channels,
        height: 28,
        width: 28,
        kernel: 2,
        stride: 2,
        padding: 0,
    };
    let mut argmax = vec![0; count / 4];
    report("max pool, of inputs", count, &mut || {
        pool::max_forward(&shape, &x, &mut y[..count / 4], &mut argmax);
    });
    report("max pool backward", count, &mut || {
        pool::max_backward(&shape, &dy[..count / 4], &argmax, &mut dx);
    });
    report("average pool, of inputs", count, &mut || {
        pool::avg_forward(&shape, &x, &mut y[..count / 4]);
    });
    let settings = Adam {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        step: 10,
        gradient_scale: 1.0,
    };
    let (mut m, mut v) = (vec![0.0; count], vec![0.0; count]);
    report("adam", count, &mut || {
        optimizer::adam(&settings, &mut y, &dy, &mut m, &mut v);
    });
    let mut norm = 0.0;
    report("squared norm", count, &mut || {
        norm += optimizer::squared_norm(&x);
    });
    assert!(norm > 0.0);
}

/// Rate of the fastest of some runs of calls, in 10⁹ a second of one core's time, for `work` in units a call.
fn rate_per_core(work: f64, mut call: impl FnMut() + Send) -> f64 {
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

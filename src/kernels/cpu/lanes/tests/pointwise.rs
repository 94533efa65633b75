//! Activations, sums, dropout and losses.

use super::super::LANES;
use super::super::loss::{LossKind, Share, loss};
use super::super::pointwise::{
    BlockPosition, accumulate, activate, activate_back, add, dropout, finish, gate, is_gate,
};
use super::{bits, blocks, rows};
use crate::kernels::cpu::elementwise;
use crate::kernels::cpu::testing::{assert_close, for_each_isa, numbers, targets};
use crate::kernels::reference;
use crate::profile::Activation;
use crate::rng::{Purpose, Stream};

const ACTIVATIONS: [Activation; 7] = [
    Activation::None,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Gelu,
    Activation::Silu,
    Activation::Tanh,
    Activation::Sigmoid,
];

#[test]
fn activations_and_their_gates_are_the_references() {
    let channels = 7;
    let mut x: Vec<f32> = numbers(channels * LANES, 1)
        .iter()
        .map(|v| v * 6.0)
        .collect();
    x[..4].copy_from_slice(&[0.0, -0.0, 40.0, -40.0]);
    let (dy, bias) = (numbers(x.len(), 2), numbers(channels, 3));
    let biased: Vec<f32> = (0..x.len()).map(|i| x[i] + bias[i / LANES]).collect();
    for activation in ACTIVATIONS {
        let [mut y, mut with_bias, mut dx] = [(); 3].map(|()| vec![0.0; x.len()]);
        reference::elementwise::forward(activation, &x, &mut y);
        reference::elementwise::forward(activation, &biased, &mut with_bias);
        reference::elementwise::backward(activation, &x, &dy, &mut dx);
        for_each_isa(|isa| {
            let what = |part| format!("{part} of {activation:?} with {isa:?}");
            let mut out = x.clone();
            finish(isa, None, activation, &mut out);
            assert_close(&out, &y, 2e-6, &what("finish"));
            let mut apart = vec![f32::NAN; x.len()];
            activate(isa, activation, &x, &mut apart);
            assert_close(&apart, &y, 2e-6, &what("activate"));
            let mut sum = x.clone();
            finish(isa, Some(&bias), activation, &mut sum);
            assert_close(&sum, &with_bias, 2e-6, &what("finish with a bias"));
            let mut back = vec![f32::NAN; x.len()];
            activate_back(isa, activation, (&x, &out), &dy, &mut back);
            assert_close(&back, &dx, 3e-6, &what("activate_back"));
            if is_gate(activation) {
                let mut gated = dy.clone();
                gate(isa, activation, &out, &mut gated);
                assert_close(&gated, &dx, 3e-6, &what("gate"));
            }
        });
    }
}

#[test]
fn nan_goes_through_every_activation() {
    for activation in ACTIVATIONS {
        for_each_isa(|isa| {
            let mut y = vec![f32::NAN; LANES];
            finish(isa, Some(&[0.5]), activation, &mut y);
            assert!(y.iter().all(|v| v.is_nan()), "{activation:?} with {isa:?}");
        });
    }
}

#[test]
fn sums_are_sums() {
    let (a, b) = (numbers(1000, 4), numbers(1000, 5));
    let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    for_each_isa(|isa| {
        let (mut y, mut to) = (vec![f32::NAN; 1000], b.clone());
        add(isa, &a, &b, &mut y);
        accumulate(isa, &a, &mut to);
        assert!(y == expected && to == expected, "{isa:?}");
    });
}

/// The mask is that of the batch in rows, whatever the block, and whether or not images are whole blocks of the stream.
#[test]
fn dropout_is_that_of_rows() {
    let stream = Stream::new(7, Purpose::Dropout, (3 << 40) ^ 0xb);
    for (batch, channels, pixels) in [
        (1, 3, 1),
        (32, 256, 1),
        (40, 5, 1),
        (70, 4, 9),
        (49, 3, 5),
        (33, 6, 6),
        (64, 1, 7),
        (17, 2, 2),
    ] {
        let x = numbers(batch * channels * pixels, 6);
        for p in [0.0, 0.2, 0.5, 0.9] {
            for_each_isa(|isa| {
                let mut expected = vec![0.0; x.len()];
                elementwise::dropout(&x, &stream, p, &mut expected);
                let mut found = Vec::new();
                for (number, (images, x)) in blocks(channels, pixels, &x).iter().enumerate() {
                    let places = BlockPosition {
                        first_image: number * LANES,
                        pixels,
                        channels,
                    };
                    let mut y = vec![f32::NAN; x.len()];
                    dropout(isa, places, &stream, p, x, &mut y);
                    found.extend(rows(channels, pixels, [(*images, &y[..])]));
                }
                let what = format!("{batch} × {channels} × {pixels}, {p}, {isa:?}");
                assert!(bits(&found) == bits(&expected), "{what}");
            });
        }
    }
}

#[test]
fn losses_and_their_gradients_are_the_references() {
    for (batch, classes, scale) in [
        (1, 10, 1.0),
        (17, 10, 5.0),
        (32, 2, 1.0),
        (64, 10, 3.0),
        (75, 100, 40.0),
    ] {
        let logits: Vec<f32> = numbers(batch * classes, 7)
            .iter()
            .map(|v| v * scale)
            .collect();
        let labels: Vec<u32> = (0..batch as u32)
            .map(|i| (7 * i + 3) % classes as u32)
            .collect();
        let highest = |row: &[f32]| {
            (0..classes)
                .rev()
                .max_by(|a, b| row[*a].total_cmp(&row[*b]))
        };
        let correct = logits
            .chunks_exact(classes)
            .zip(&labels)
            .filter(|(row, label)| highest(row) == Some(**label as usize))
            .count();
        for criterion in [
            LossKind::CrossEntropy(0.0),
            LossKind::CrossEntropy(0.1),
            LossKind::Mse,
        ] {
            let mut gradient = vec![0.0; logits.len()];
            let expected = match criterion {
                LossKind::CrossEntropy(smoothing) => reference::loss::cross_entropy(
                    batch,
                    classes,
                    &logits,
                    &labels,
                    smoothing,
                    &mut gradient,
                ),
                LossKind::Mse => {
                    reference::loss::mse_one_hot(batch, classes, &logits, &labels, &mut gradient)
                }
            };
            for_each_isa(|isa| {
                let what = format!("{batch} × {classes} {criterion:?} with {isa:?}");
                let mut total = Share::default();
                let mut found = Vec::new();
                for ((images, logits), labels) in
                    blocks(classes, 1, &logits).iter().zip(labels.chunks(LANES))
                {
                    let mut gradient = vec![f32::NAN; logits.len()];
                    let share = loss(isa, criterion, batch, labels, None, logits, &mut gradient);
                    total.loss += share.loss;
                    total.correct += share.correct;
                    for row in gradient.chunks_exact(LANES) {
                        assert!(row[*images..].iter().all(|v| *v == 0.0), "{what}");
                    }
                    found.extend(rows(classes, 1, [(*images, &gradient[..])]));
                }
                let mean = total.loss / batch as f64;
                assert!(
                    (mean / expected - 1.0).abs() < 1e-6,
                    "{what}: {mean} {expected}"
                );
                assert_eq!(total.correct, correct, "{what}");
                assert_close(&found, &gradient, 2e-6, &what);
            });
        }
    }
}

#[test]
fn losses_of_targets_are_the_references() {
    for (batch, classes, scale, smoothing) in [
        (1, 10, 1.0, 0.0),
        (17, 1, 1.0, 0.0),
        (64, 10, 3.0, 0.1),
        (75, 100, 40.0, 0.2),
    ] {
        let logits: Vec<f32> = numbers(batch * classes, 7)
            .iter()
            .map(|v| v * scale)
            .collect();
        let targets = targets(batch, classes, 5, smoothing);
        let mut gradient = vec![0.0; logits.len()];
        let expected = reference::loss::soft_cross_entropy(
            batch,
            classes,
            &logits,
            targets.all(),
            &mut gradient,
        );
        for_each_isa(|isa| {
            let what = format!("{batch} × {classes} with {isa:?}");
            let (mut total, mut found, mut start) = (0.0, Vec::new(), 0);
            for (images, logits) in &blocks(classes, 1, &logits) {
                let of_block = start..start + images;
                start = of_block.end;
                let labels = &targets.labels()[of_block.clone()];
                let targets = Some(targets.of(of_block));
                let mut gradient = vec![f32::NAN; logits.len()];
                let criterion = LossKind::CrossEntropy(smoothing);
                let share = loss(
                    isa,
                    criterion,
                    batch,
                    labels,
                    targets,
                    logits,
                    &mut gradient,
                );
                total += share.loss;
                for row in gradient.chunks_exact(LANES) {
                    assert!(row[*images..].iter().all(|v| *v == 0.0), "{what}");
                }
                found.extend(rows(classes, 1, [(*images, &gradient[..])]));
            }
            let mean = total / batch as f64;
            assert!(
                (mean - expected).abs() < 1e-6 * expected.max(1.0),
                "{what}: {mean} {expected}"
            );
            assert_close(&found, &gradient, 2e-6, &what);
        });
    }
}

/// Of equal outputs the first is the prediction; a NaN makes the loss one.
#[test]
fn ties_and_nan_of_outputs() {
    for_each_isa(|isa| {
        let mut logits = vec![1.0; 3 * LANES];
        let mut gradient = vec![f32::NAN; logits.len()];
        let criterion = LossKind::CrossEntropy(0.0);
        let share = loss(isa, criterion, 3, &[0, 1, 2], None, &logits, &mut gradient);
        assert_eq!(share.correct, 1, "{isa:?}");
        logits[LANES + 1] = f32::NAN;
        let share = loss(isa, criterion, 3, &[0, 0, 0], None, &logits, &mut gradient);
        assert!(share.loss.is_nan(), "{isa:?}");
    });
}

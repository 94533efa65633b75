//! Every layer's gradient through Candle's graph against finite differences, and every composed layer against its own
//! kernel: odd sizes, stride 2, padding, ties, a batch of one, input that is not contiguous.

use candle_core::{Device, Result, Tensor, Var};
use fmtui::kernels::cpu::layer_norm::Groups;
use fmtui::kernels::shape::ResampleShape;
use fmtui::kernels::targets::Targets;
use fmtui::layers::layer_norm::Axis;
use fmtui::layers::{LayerNorm, Shape};
use fmtui::nn::{Tape, activation, conv, dropout, layer_norm, linear, loss, norm, pool, resample};
use fmtui::profile::{Activation, Loss};
use fmtui::rng::{Purpose, Stream};

fn values(stream: u64, count: usize, low: f32, high: f32) -> Vec<f32> {
    let mut out = vec![0.0; count];
    Stream::new(9, Purpose::Split, stream).fill_uniform(&mut out, low, high);
    out
}

fn var(stream: u64, shape: &[usize]) -> Var {
    let count = shape.iter().product();
    Var::from_vec(values(stream, count, -1.0, 1.0), shape, &Device::Cpu).unwrap()
}

/// Distinct multiples of 1/20 in mixed order, so that no maximum changes hands within a finite difference.
fn distinct(shape: &[usize]) -> Var {
    let count: usize = shape.iter().product();
    let mut order: Vec<u32> = (0..u32::try_from(count).unwrap()).collect();
    Stream::new(9, Purpose::Shuffle, 1).shuffle(&mut order);
    let values: Vec<f32> = order.iter().map(|v| *v as f32 / 20.0 - 2.0).collect();
    Var::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// A fixed weighting of the outputs, so that the loss Σ r·y has a gradient of r at y.
fn weighting(y: &Tensor) -> Tensor {
    let r = values(77, y.elem_count(), -1.0, 1.0);
    Tensor::from_vec(r, y.shape(), &Device::Cpu).unwrap()
}

fn weighted_sum(y: &Tensor, r: &Tensor) -> f64 {
    let pairs = numbers(y).into_iter().zip(numbers(r));
    pairs.map(|(y, r)| f64::from(y) * f64::from(r)).sum()
}

/// Holds the graph's gradient of Σ r·f(inputs) to central differences of step `eps`, for every number of every input.
fn check(
    what: &str,
    inputs: &[Var],
    eps: f32,
    tolerance: f64,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let tensors: Vec<Tensor> = inputs.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors).unwrap();
    let r = weighting(&y);
    let grads = (&y * &r).unwrap().sum_all().unwrap().backward().unwrap();
    for (which, input) in inputs.iter().enumerate() {
        let gradient = grads.get(input).map(numbers);
        let gradient = gradient.unwrap_or_else(|| panic!("{what}: input {which} has no gradient"));
        let start = numbers(input);
        for i in 0..start.len() {
            let at = |value: f32| {
                let mut moved = start.clone();
                moved[i] = value;
                let moved = Tensor::from_vec(moved, input.shape(), &Device::Cpu).unwrap();
                input.set(&moved).unwrap();
                weighted_sum(&f(&tensors).unwrap(), &r)
            };
            let (up, down) = (start[i] + eps, start[i] - eps);
            let measured = (at(up) - at(down)) / f64::from(up - down);
            at(start[i]);
            let expected = f64::from(gradient[i]);
            assert!(
                (measured - expected).abs() <= tolerance * (1.0 + expected.abs()),
                "{what}: input {which}, number {i}: graph {expected}, difference {measured}"
            );
        }
    }
}

#[test]
fn convolution() {
    for (x, w, stride, padding) in [
        ([2, 3, 7, 5], [4, 3, 3, 3], 1, 1),
        ([1, 2, 6, 7], [3, 2, 3, 3], 2, 1),
        ([3, 1, 8, 8], [2, 1, 5, 5], 2, 2),
        ([2, 2, 5, 5], [3, 2, 4, 4], 1, 0),
        ([1, 3, 5, 4], [2, 3, 1, 1], 2, 0),
        ([2, 1, 3, 3], [2, 1, 3, 3], 1, 2),
    ] {
        let inputs = [var(1, &x), var(2, &w), var(3, &[w[0]])];
        let what = format!("conv {x:?} {w:?} stride {stride} padding {padding}");
        check(&what, &inputs, 0.25, 1e-4, |t| {
            conv::conv2d(&Tape::off(), &t[0], &t[1], Some(&t[2]), stride, padding)
        });
        check(&what, &inputs[..2], 0.25, 1e-4, |t| {
            conv::conv2d(&Tape::off(), &t[0], &t[1], None, stride, padding)
        });
    }
}

#[test]
fn convolution_of_a_transposed_image() {
    let inputs = [var(1, &[2, 2, 5, 6]), var(2, &[3, 2, 3, 3]), var(3, &[3])];
    check("conv of a transposed image", &inputs, 0.25, 1e-4, |t| {
        let x = t[0].transpose(2, 3)?;
        assert!(!x.is_contiguous());
        conv::conv2d(&Tape::off(), &x, &t[1].transpose(2, 3)?, Some(&t[2]), 1, 1)?.transpose(1, 2)
    });
}

#[test]
fn an_image_that_is_no_variable_gets_no_gradient() {
    let x = var(1, &[2, 1, 6, 6]).as_detached_tensor();
    let (w, frozen) = (var(2, &[3, 1, 3, 3]), var(4, &[3, 3, 3, 3]));
    let y = conv::conv2d(&Tape::off(), &x, &w, None, 1, 1).unwrap();
    let y = conv::conv2d(&Tape::off(), &y, &frozen.as_detached_tensor(), None, 1, 1).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&w).is_some());
    assert!(grads.get(&x).is_none());
    assert!(grads.get(&frozen).is_none());
}

#[test]
fn linear_layers() {
    for (batch, inputs, outputs) in [(1, 5, 3), (7, 3, 1), (4, 17, 9)] {
        let vars = [
            var(1, &[batch, inputs]),
            var(2, &[outputs, inputs]),
            var(3, &[outputs]),
        ];
        let what = format!("linear {batch} × {inputs} → {outputs}");
        check(&what, &vars, 0.25, 1e-4, |t| {
            linear::linear(&Tape::off(), &t[0], &t[1], Some(&t[2]))
        });
        check(&what, &vars[..2], 0.25, 1e-4, |t| {
            linear::linear(&Tape::off(), &t[0], &t[1], None)
        });
    }
    let transposed = [var(1, &[6, 4]), var(2, &[6, 5])];
    check(
        "linear of transposed matrices",
        &transposed,
        0.25,
        1e-4,
        |t| linear::linear(&Tape::off(), &t[0].t()?, &t[1].t()?, None),
    );
}

#[test]
fn pooling() {
    for (shape, kernel, stride, padding) in [
        ([2, 3, 6, 6], 2, 2, 0),
        ([1, 2, 7, 5], 2, 2, 0),
        ([2, 2, 7, 6], 3, 2, 1),
        ([1, 1, 5, 5], 3, 1, 0),
        ([3, 1, 4, 9], 2, 3, 1),
    ] {
        let what = format!("pool {shape:?} kernel {kernel} stride {stride} padding {padding}");
        check(&what, &[distinct(&shape)], 0.01, 1e-3, |t| {
            pool::max_pool2d(&Tape::off(), &t[0], kernel, stride, padding)
        });
        check(&what, &[var(1, &shape)], 0.25, 1e-4, |t| {
            pool::avg_pool2d(&Tape::off(), &t[0], kernel, stride, padding)
        });
        check(&what, &[var(1, &shape)], 0.25, 1e-4, |t| {
            pool::global_avg_pool(&Tape::off(), &t[0])
        });
        check(&what, &[distinct(&shape)], 0.01, 1e-3, |t| {
            let x = t[0].transpose(2, 3)?;
            pool::max_pool2d(&Tape::off(), &x, kernel, stride, padding)?.transpose(0, 1)
        });
    }
}

#[test]
fn resampling() {
    let x = [var(1, &[2, 3, 5, 4])];
    for size in [1, 2, 3, 7] {
        check(&format!("adaptive means, {size}"), &x, 0.25, 1e-4, |t| {
            resample::adaptive_avg_pool2d(&Tape::off(), &t[0], size)
        });
        agree(
            &format!("composed adaptive means, {size}"),
            &x,
            |t| resample::adaptive_avg_pool2d(&Tape::off(), &t[0], size),
            |t| resample::composed(&t[0], &ResampleShape::adaptive((3, 5, 4), size)),
            1e-6,
        );
    }
    for (channels, stride) in [(3, 1), (7, 2), (5, 3)] {
        check(
            &format!("subsample {channels} {stride}"),
            &x,
            0.25,
            1e-4,
            |t| resample::subsample(&Tape::off(), &t[0], channels, stride),
        );
        agree(
            &format!("composed subsample {channels} {stride}"),
            &x,
            |t| resample::subsample(&Tape::off(), &t[0], channels, stride),
            |t| {
                resample::composed(
                    &t[0],
                    &ResampleShape::subsample((3, 5, 4), channels, stride),
                )
            },
            1e-6,
        );
    }
}

#[test]
fn of_equal_maxima_the_first_takes_the_gradient() {
    let x = Var::from_slice(
        &[
            1.0f32, 1.0, 0.0, 2.0, 1.0, 1.0, 2.0, 2.0, 0.0, 0.0, 5.0, 5.0,
        ],
        (1, 1, 3, 4),
        &Device::Cpu,
    )
    .unwrap();
    for y in [
        pool::max_pool2d(&Tape::off(), &x, 2, 2, 0).unwrap(),
        pool::composed_max(&x, 2, 2, 0).unwrap(),
    ] {
        assert_eq!(numbers(&y), [1.0, 2.0]);
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(
            numbers(grads.get(&x).unwrap()),
            [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
    }
}

#[test]
fn batch_normalisation() {
    for shape in [&[3, 2, 3, 5][..], &[1, 3, 4, 1], &[5, 4], &[2, 1]] {
        let channels = shape[1];
        let inputs = [var(1, shape), var(2, &[channels]), var(3, &[channels])];
        let what = format!("batch norm {shape:?}");
        check(&what, &inputs, 5e-3, 3e-3, |t| {
            norm::batch_norm_train(&Tape::off(), &t[0], &t[1], &t[2], false).map(|(y, _)| y)
        });
        let (mean, variance) = (var(4, &[channels]), var(5, &[channels]));
        let variance = (variance.abs().unwrap() + 0.5).unwrap();
        check(&what, &inputs, 0.05, 1e-3, |t| {
            norm::batch_norm_eval(&t[0], &t[1], &t[2], &mean, &variance, false)
        });
    }
}

#[test]
fn batch_normalisation_with_relu() {
    let shape = [4, 3, 3, 5];
    let inputs = [var(1, &shape), var(2, &[3]), var(3, &[3])];
    let fused = |t: &[Tensor]| {
        norm::batch_norm_train(&Tape::off(), &t[0], &t[1], &t[2], true).map(|(y, _)| y)
    };
    let apart = |t: &[Tensor]| {
        let (y, _) = norm::batch_norm_train(&Tape::off(), &t[0], &t[1], &t[2], false)?;
        activation::activate(&Tape::off(), &y, Activation::Relu)
    };
    agree("batch norm with ReLU", &inputs, fused, apart, 1e-5);
}

/// Both axes of a map, and a vector, as groups of its numbers.
fn layer_groups(axis: Axis, shape: &[usize]) -> Groups {
    let input = match *shape {
        [_, channels, height, width] => Shape::Map {
            channels,
            height,
            width,
        },
        ref other => Shape::Flat(other[1]),
    };
    let layer = LayerNorm {
        axis,
        epsilon: 1e-5,
        activation: Activation::None,
    };
    let [outer, count, inner] = layer.groups(input);
    Groups {
        outer: outer * shape[0],
        count,
        inner,
    }
}

#[test]
fn layer_normalisation() {
    for (axis, shape) in [
        (Axis::Last, &[2, 3, 4, 5][..]),
        (Axis::Channels, &[2, 3, 4, 5]),
        (Axis::Last, &[5, 4]),
        (Axis::Channels, &[3, 1, 2, 2]),
    ] {
        let groups = layer_groups(axis, shape);
        let vectors = [2, 3].map(|stream| var(stream, &[groups.count]));
        let inputs = [vec![distinct(shape)], vectors.to_vec()].concat();
        let own =
            |t: &[Tensor]| layer_norm::layer_norm(&Tape::off(), &t[0], &t[1], &t[2], groups, 1e-5);
        let what = format!("layer norm {axis:?} {shape:?}");
        check(&what, &inputs, 5e-3, 3e-3, own);
        let composed = |t: &[Tensor]| layer_norm::composed(&t[0], &t[1], &t[2], groups, 1e-5);
        agree(&what, &inputs, own, composed, 1e-5);
    }
}

/// ```python
/// import torch
/// from torch.nn import functional as F
/// x = (torch.arange(36.) * 7 % 11 / 4 - 1).reshape(2, 3, 2, 3).requires_grad_()
/// for last in (True, False):
///     x.grad = None
///     w, b = (torch.arange(3.) / 2 + 0.5).requires_grad_(), (torch.arange(3.) - 1).requires_grad_()
///     if last: y = F.layer_norm(x, (3,), w, b, 1e-5)
///     else: y = F.layer_norm(x.permute(0, 2, 3, 1), (3,), w, b, 1e-5).permute(0, 3, 1, 2)
///     (y * torch.arange(36.).reshape(y.shape) / 10).sum().backward()
///     print(y.flatten().tolist()[:6], x.grad.flatten().tolist()[:6], w.grad.tolist(), b.grad.tolist())
/// ```
#[test]
fn layer_normalisation_is_pytorchs() {
    let shape = [2, 3, 2, 3];
    let ramp = |count: u16, of: &dyn Fn(f32) -> f32, shape: &[usize]| {
        let values: Vec<f32> = (0..count).map(|i| of(f32::from(i))).collect();
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let x = ramp(36, &|i| i * 7.0 % 11.0 / 4.0 - 1.0, &shape);
    let (w, b) = (
        ramp(3, &|i| i / 2.0 + 0.5, &[3]),
        ramp(3, &|i| i - 1.0, &[3]),
    );
    let r = ramp(36, &|i| i / 10.0, &shape);
    let expected: [(Axis, [&[f32]; 4]); 2] = [
        (
            Axis::Last,
            [
                &[-1.58123, 1.27871, 0.82563, -0.387632, 0.0, -0.837103],
                &[
                    -0.135727, -0.101793, 0.23752, 0.0204067, -0.0408246, 0.0204177,
                ],
                &[-10.2803, 6.26569, 4.22142],
                &[19.8, 21.0, 22.2],
            ],
        ),
        (
            Axis::Channels,
            [
                &[
                    -1.69109, -0.387646, -1.21597, -0.387646, -0.387646, -1.21597,
                ],
                &[-0.185673, 0.244802, -0.619664, 0.244787, 0.24478, -0.734546],
                &[5.05307, 3.801, -13.6993],
                &[13.8, 21.0, 28.2],
            ],
        ),
    ];
    for (axis, expected) in expected {
        let groups = layer_groups(axis, &shape);
        let y = layer_norm::layer_norm(&Tape::off(), &x, &w, &b, groups, 1e-5).unwrap();
        let gradients = (&y * r.as_tensor())
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        let found = [&x, &w, &b].map(|v| numbers(gradients.get(v).unwrap()));
        let found = [vec![numbers(&y)], found.to_vec()].concat();
        for (found, expected) in found.iter().zip(expected) {
            for (found, expected) in found.iter().zip(expected) {
                let apart = (found - expected).abs();
                assert!(apart < 1e-5 * (1.0 + expected.abs()), "{found} {expected}");
            }
        }
    }
}

#[test]
fn one_number_per_channel_is_refused() {
    let (gamma, beta) = (var(2, &[3]), var(3, &[3]));
    for shape in [&[1, 3][..], &[1, 3, 1, 1]] {
        let error =
            norm::batch_norm_train(&Tape::off(), &var(1, shape), &gamma, &beta, false).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("more than one number per channel")
        );
    }
}

#[test]
fn activations() {
    // Away from the kinks by more than the step.
    let mut x = values(1, 40, 0.05, 3.0);
    x.iter_mut().step_by(2).for_each(|v| *v = -*v);
    let x = [Var::from_vec(x, (5, 8), &Device::Cpu).unwrap()];
    for function in Activation::ALL {
        check(function.name(), &x, 0.02, 1e-3, |t| {
            activation::activate(&Tape::off(), &t[0].t()?, function)
        });
    }
}

#[test]
fn dropout_goes_back_the_way_it_came() {
    let stream = dropout::stream(3, 1, 5);
    check("dropout", &[var(1, &[9, 7])], 0.25, 1e-4, |t| {
        dropout::dropout(&Tape::off(), &t[0].t()?, 0.4, stream)
    });
    let ones = Tensor::ones((100, 100), candle_core::DType::F32, &Device::Cpu).unwrap();
    let mask = |layer, step| {
        numbers(
            &dropout::dropout(&Tape::off(), &ones, 0.4, dropout::stream(3, layer, step)).unwrap(),
        )
    };
    let kept = mask(0, 0);
    let share = kept.iter().filter(|v| **v > 0.0).count() as f64 / 1e4;
    assert!((share - 0.6).abs() < 0.02, "{share}");
    assert!(
        kept.iter()
            .all(|v| *v == 0.0 || (v - 1.0 / 0.6).abs() < 1e-6)
    );
    assert_eq!(kept, mask(0, 0));
    assert_ne!(kept, mask(0, 1));
    assert_ne!(kept, mask(1, 0));
    assert!(dropout::dropout(&Tape::off(), &ones, 1.0, stream).is_err());
}

#[test]
fn losses() {
    let labels = [2, 0, 3, 1, 1];
    for (kind, smoothing) in [
        (Loss::CrossEntropy, 0.0),
        (Loss::CrossEntropy, 0.2),
        (Loss::Mse, 0.0),
    ] {
        check(&format!("{kind:?}"), &[var(1, &[5, 4])], 0.02, 1e-3, |t| {
            Ok(loss::mean(&Tape::off(), kind, smoothing, &t[0], &labels)?.tensor)
        });
    }
    let (soft, weights) = ([0.1, 0.0, 0.7, 0.2].repeat(5), [1.0, 0.5, 0.0, 2.0, 1.0]);
    let targets = Targets::new(4, &labels, Some(&soft), Some(&weights), 0.1).unwrap();
    check("targets", &[var(1, &[5, 4])], 0.02, 1e-3, |t| {
        Ok(loss::mean_of_targets(&Tape::off(), &t[0], &targets)?.tensor)
    });
    let logits = var(1, &[5, 4]);
    assert!(loss::mean_of_targets(&Tape::off(), &var(1, &[4, 5]), &targets).is_err());
    assert!(loss::mean(&Tape::off(), Loss::Mse, 0.0, &logits, &[0; 4]).is_err());
    assert!(loss::mean(&Tape::off(), Loss::Mse, 0.0, &logits, &[0, 1, 2, 3, 4]).is_err());
}

/// Holds two ways of computing the same to each other: outputs and all gradients.
fn agree(
    what: &str,
    inputs: &[Var],
    one: impl Fn(&[Tensor]) -> Result<Tensor>,
    other: impl Fn(&[Tensor]) -> Result<Tensor>,
    tolerance: f32,
) {
    let tensors: Vec<Tensor> = inputs.iter().map(|v| v.as_tensor().clone()).collect();
    let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
        let y = f(&tensors).unwrap();
        let loss = (&y * weighting(&y)).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let mut all = vec![numbers(&y)];
        all.extend(inputs.iter().map(|v| numbers(grads.get(v).unwrap())));
        (y.dims().to_vec(), all)
    };
    let ((dims, one), (other_dims, other)) = (run(&one), run(&other));
    assert_eq!(dims, other_dims, "{what}");
    for (which, (one, other)) in one.iter().zip(&other).enumerate() {
        assert_eq!(one.len(), other.len(), "{what}: part {which}");
        for (i, (a, b)) in one.iter().zip(other).enumerate() {
            assert!(
                (a - b).abs() <= tolerance * (1.0 + a.abs()),
                "{what}: part {which}, number {i}: {a} against {b}"
            );
        }
    }
}

#[test]
fn composed_convolution_is_the_same() {
    for (x, w, stride, padding) in [
        ([2, 3, 7, 5], [4, 3, 3, 3], 1, 1),
        ([1, 2, 6, 7], [3, 2, 3, 3], 2, 1),
        ([3, 1, 8, 8], [2, 1, 5, 5], 2, 2),
        ([2, 2, 9, 8], [3, 2, 2, 2], 3, 0),
        ([1, 3, 5, 4], [2, 3, 1, 1], 2, 0),
        ([2, 1, 3, 3], [2, 1, 3, 3], 1, 2),
        ([2, 2, 8, 7], [2, 2, 7, 7], 2, 3),
    ] {
        let inputs = [var(1, &x), var(2, &w), var(3, &[w[0]])];
        let what = format!("composed conv {x:?} {w:?} stride {stride} padding {padding}");
        let own =
            |t: &[Tensor]| conv::conv2d(&Tape::off(), &t[0], &t[1], Some(&t[2]), stride, padding);
        let other = |t: &[Tensor]| conv::composed(&t[0], &t[1], Some(&t[2]), stride, padding);
        agree(&what, &inputs, own, other, 1e-5);
    }
}

#[test]
fn composed_pooling_is_the_same() {
    for (shape, kernel, stride, padding) in [
        ([2, 3, 6, 6], 2, 2, 0),
        ([1, 2, 7, 5], 2, 2, 0),
        ([2, 2, 7, 6], 3, 2, 1),
        ([1, 1, 5, 5], 3, 1, 1),
        ([3, 1, 4, 9], 2, 3, 1),
    ] {
        let what =
            format!("composed pool {shape:?} kernel {kernel} stride {stride} padding {padding}");
        // Quarters have ties.
        let tied: Vec<f32> = numbers(&var(1, &shape))
            .iter()
            .map(|v| (v * 4.0).round() / 4.0)
            .collect();
        let tied = [Var::from_vec(tied, &shape[..], &Device::Cpu).unwrap()];
        agree(
            &what,
            &tied,
            |t| pool::max_pool2d(&Tape::off(), &t[0], kernel, stride, padding),
            |t| pool::composed_max(&t[0], kernel, stride, padding),
            1e-6,
        );
        agree(
            &what,
            &tied,
            |t| pool::avg_pool2d(&Tape::off(), &t[0], kernel, stride, padding),
            |t| pool::composed_avg(&t[0], kernel, stride, padding),
            1e-6,
        );
        agree(
            &what,
            &tied,
            |t| pool::global_avg_pool(&Tape::off(), &t[0]),
            |t| pool::composed_global_avg(&t[0]),
            1e-6,
        );
    }
}

#[test]
fn composed_layers_are_the_same() {
    let inputs = [var(1, &[4, 3, 3, 5]), var(2, &[3]), var(3, &[3])];
    for relu in [false, true] {
        agree(
            "composed batch norm",
            &inputs,
            |t| norm::batch_norm_train(&Tape::off(), &t[0], &t[1], &t[2], relu).map(|(y, _)| y),
            |t| norm::composed_train(&t[0], &t[1], &t[2], relu).map(|(y, _)| y),
            2e-5,
        );
        let (mean, variance) = (var(4, &[3]), (var(5, &[3]).abs().unwrap() + 0.5).unwrap());
        let plain: Vec<Tensor> = inputs.iter().map(Var::as_detached_tensor).collect();
        let own = norm::batch_norm_eval(&plain[0], &plain[1], &plain[2], &mean, &variance, relu);
        let other = norm::composed_eval(&plain[0], &plain[1], &plain[2], &mean, &variance, relu);
        for (a, b) in numbers(&own.unwrap()).iter().zip(numbers(&other.unwrap())) {
            assert!((a - b).abs() < 1e-5, "{a} against {b}");
        }
    }
    let own = norm::batch_norm_train(&Tape::off(), &inputs[0], &inputs[1], &inputs[2], false)
        .unwrap()
        .1;
    let other = norm::composed_train(&inputs[0], &inputs[1], &inputs[2], false)
        .unwrap()
        .1;
    for (a, b) in [(own.mean, other.mean), (own.variance, other.variance)] {
        for (a, b) in numbers(&a).iter().zip(numbers(&b)) {
            assert!((a - b).abs() < 1e-6, "{a} against {b}");
        }
    }
    let inputs = [var(1, &[5, 7]), var(2, &[3, 7]), var(3, &[3])];
    agree(
        "composed linear",
        &inputs,
        |t| linear::linear(&Tape::off(), &t[0], &t[1], Some(&t[2])),
        |t| linear::composed(&t[0], &t[1], Some(&t[2])),
        1e-5,
    );
    let mut x = values(1, 40, -4.0, 4.0);
    x[7] = 0.0;
    let x = [Var::from_vec(x, (5, 8), &Device::Cpu).unwrap()];
    for function in Activation::ALL {
        agree(
            function.name(),
            &x,
            |t| activation::activate(&Tape::off(), &t[0], function),
            |t| activation::composed(&t[0], function),
            1e-5,
        );
    }
    for (kind, smoothing) in [
        (Loss::CrossEntropy, 0.0),
        (Loss::CrossEntropy, 0.2),
        (Loss::Mse, 0.0),
    ] {
        let labels = [2, 0, 7, 1, 1];
        agree(
            "composed loss",
            &x,
            |t| Ok(loss::mean(&Tape::off(), kind, smoothing, &t[0], &labels)?.tensor),
            |t| loss::composed(kind, smoothing, &t[0], &labels),
            1e-5,
        );
    }
    let classes = x[0].dims()[1];
    let weights = [1.0, 0.5, 0.0, 2.0, 1.0];
    let targets = Targets::new(classes, &[2, 0, 7, 1, 1], None, Some(&weights), 0.2).unwrap();
    agree(
        "composed loss of targets",
        &x,
        |t| Ok(loss::mean_of_targets(&Tape::off(), &t[0], &targets)?.tensor),
        |t| loss::composed_of_targets(&t[0], &targets),
        1e-5,
    );
}

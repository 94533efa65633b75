//! The same numbers as PyTorch: layers, losses, optimizers, clipping, averaging, and ten steps of training.
//!
//! The expected values in `torch_parity/values.rs` are written by `scripts/torch_parity.py`.

mod values;

use candle_core::{Device, Tensor, Var};
use fmtui::model::{Mode, Network, Shape, resolve};
use fmtui::nn::statistics::Statistics;
use fmtui::nn::{Array, Parameters, StateDict, Tape, activation, conv, linear, loss, norm, pool};
use fmtui::optim::{Gradients, Optimizer, StepSettings, clip_factor, update_average};
use fmtui::profile::{self, Activation, Init, Loss, OptimizerKind, Profile};

/// A number in [-1, 1) with 24 bits, from a multiplicative hash of stream and index; the script's `unit`.
fn unit(stream: u32, index: u32) -> f32 {
    let mut h = index
        .wrapping_mul(2_654_435_761)
        .wrapping_add(stream.wrapping_mul(40_503))
        .wrapping_add(12_345);
    h ^= h >> 16;
    h = h.wrapping_mul(0x045d_9f3b);
    h ^= h >> 16;
    (h >> 8) as f32 / 8_388_608.0 - 1.0
}

fn fill(stream: u32, shape: &[usize], scale: f32) -> Array {
    let count = shape.iter().product::<usize>() as u32;
    Array {
        shape: shape.to_vec(),
        values: (0..count).map(|i| unit(stream, i) * scale).collect(),
    }
}

fn tensor(array: Array) -> Tensor {
    Tensor::from_vec(array.values, array.shape, &Device::Cpu).unwrap()
}

fn leaf(stream: u32, shape: &[usize], scale: f32) -> Var {
    Var::from_tensor(&tensor(fill(stream, shape, scale))).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_close(what: &str, measured: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(measured.len(), expected.len(), "{what}");
    for (i, (m, e)) in measured.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*m) - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}, number {i}: {m}, PyTorch {e}"
        );
    }
}

/// Goes back from Σ dy·y and returns the gradients of `leaves`.
fn backward(y: &Tensor, dy: u32, leaves: &[&Var]) -> Vec<Vec<f32>> {
    let dy = tensor(fill(dy, y.dims(), 1.0));
    let grads = (y * dy).unwrap().sum_all().unwrap().backward().unwrap();
    leaves
        .iter()
        .map(|v| numbers(grads.get(v).unwrap()))
        .collect()
}

fn parameters(arrays: &[(&str, Array)]) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, array) in arrays {
        parameters
            .add_trainable(name, array.clone(), &Device::Cpu)
            .unwrap();
    }
    parameters
}

/// Gradients that are given numbers: those of Σ g·p.
fn gradients_of(parameters: &Parameters, given: &[(&str, Array)]) -> Gradients {
    let mut total: Option<Tensor> = None;
    for (name, array) in given {
        let product = (parameters.get(name).unwrap().as_tensor() * tensor(array.clone())).unwrap();
        let sum = product.sum_all().unwrap();
        total = Some(match total {
            Some(t) => (t + sum).unwrap(),
            None => sum,
        });
    }
    Gradients::collect(parameters, total.unwrap().backward().unwrap()).unwrap()
}

#[test]
fn optimizers() {
    use OptimizerKind::{Adam, Adamw, Rmsprop, Sgd};
    let base = |kind, learning_rate| profile::Optimizer {
        kind,
        learning_rate,
        ..profile::Optimizer::default()
    };
    let cases = [
        ("SGD", base(Sgd, 0.1), values::SGD),
        (
            "SGD momentum",
            profile::Optimizer {
                momentum: 0.9,
                ..base(Sgd, 0.1)
            },
            values::SGD_MOMENTUM,
        ),
        (
            "SGD Nesterov decay",
            profile::Optimizer {
                momentum: 0.9,
                nesterov: true,
                weight_decay: 0.05,
                ..base(Sgd, 0.1)
            },
            values::SGD_NESTEROV_DECAY,
        ),
        ("RMSprop", base(Rmsprop, 0.01), values::RMSPROP),
        (
            "RMSprop momentum decay",
            profile::Optimizer {
                momentum: 0.9,
                alpha: 0.9,
                weight_decay: 0.05,
                ..base(Rmsprop, 0.01)
            },
            values::RMSPROP_MOMENTUM_DECAY,
        ),
        ("Adam", base(Adam, 0.01), values::ADAM),
        (
            "Adam decay",
            profile::Optimizer {
                betas: [0.8, 0.95],
                epsilon: 1e-6,
                weight_decay: 0.05,
                ..base(Adam, 0.01)
            },
            values::ADAM_DECAY,
        ),
        (
            "AdamW decay",
            profile::Optimizer {
                weight_decay: 0.05,
                ..base(Adamw, 0.01)
            },
            values::ADAMW_DECAY,
        ),
    ];
    for (what, settings, expected) in cases {
        let p = parameters(&[("p", fill(1, &[6], 1.0))]);
        let mut optimizer = Optimizer::new(&settings, &p).unwrap();
        for step in 0..6 {
            let gradients = gradients_of(&p, &[("p", fill(10 + step, &[6], 1.0))]);
            let step = StepSettings {
                learning_rate: settings.learning_rate,
                gradient_scale: 1.0,
            };
            optimizer.step(&gradients, step).unwrap();
            // Half way everything moves to a new optimizer by name, as a resume does.
            let state = optimizer.export().unwrap();
            optimizer = Optimizer::new(&settings, &p).unwrap();
            optimizer.import(&state).unwrap();
        }
        assert_close(what, &numbers(p.get("p").unwrap()), &expected, 3e-7);
    }
}

#[test]
fn clipping() {
    let p = parameters(&[("a", fill(1, &[4], 1.0)), ("b", fill(2, &[2, 3], 1.0))]);
    let given = [("a", fill(20, &[4], 3.0)), ("b", fill(21, &[2, 3], 3.0))];
    let gradients = gradients_of(&p, &given);
    let norm = gradients.norm().unwrap();
    assert_close("norm", &[norm as f32], &values::CLIP_NORM, 1e-6);

    // SGD at rate 1 from zero weights leaves the negative clipped gradient.
    let zero = |name: &str, shape: &[usize]| (name.to_string(), fill(0, shape, 0.0));
    p.import(&StateDict::from([zero("a", &[4]), zero("b", &[2, 3])]))
        .unwrap();
    let settings = profile::Optimizer {
        kind: OptimizerKind::Sgd,
        ..profile::Optimizer::default()
    };
    let step = StepSettings {
        learning_rate: 1.0,
        gradient_scale: clip_factor(norm, 1.5),
    };
    Optimizer::new(&settings, &p)
        .unwrap()
        .step(&gradients, step)
        .unwrap();
    let moved: Vec<f32> = ["a", "b"]
        .iter()
        .flat_map(|name| numbers(p.get(name).unwrap()))
        .map(|v| -v)
        .collect();
    assert_close("clipped", &moved, &values::CLIPPED, 1e-6);
    assert!((clip_factor(0.3, 1.5) - 1.0).abs() < f64::EPSILON);
    assert!((clip_factor(1e9, 0.0) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn averaged_weights() {
    let average = parameters(&[("w", fill(0, &[2, 3], 0.0))]);
    for step in 0..4 {
        let current = parameters(&[("w", fill(30 + step, &[2, 3], 1.0))]);
        update_average(&average, &current, 0.9, step == 0).unwrap();
    }
    let measured = numbers(average.get("w").unwrap());
    assert_close("average", &measured, &values::AVERAGED, 3e-7);
}

#[test]
fn losses() {
    for (kind, smoothing, value, gradient) in [
        (
            Loss::CrossEntropy,
            0.0,
            values::CROSS_ENTROPY,
            values::CROSS_ENTROPY_GRADIENT,
        ),
        (
            Loss::CrossEntropy,
            0.1,
            values::CROSS_ENTROPY_SMOOTH,
            values::CROSS_ENTROPY_SMOOTH_GRADIENT,
        ),
        (Loss::Mse, 0.0, values::MSE, values::MSE_GRADIENT),
    ] {
        let what = format!("{kind:?} {smoothing}");
        let logits = leaf(40, &[5, 4], 3.0);
        let result = loss::mean(&Tape::off(), kind, smoothing, &logits, &[2, 0, 3, 3, 1]).unwrap();
        assert_close(&what, &[result.value as f32], &value, 1e-6);
        let grads = result.tensor.backward().unwrap();
        assert_close(
            &what,
            &numbers(grads.get(&logits).unwrap()),
            &gradient,
            1e-6,
        );
    }
}

#[test]
fn batch_norm_2d() {
    check_batch_norm(
        &[3, 2, 3, 5],
        [
            &values::BN2D_Y,
            &values::BN2D_DX,
            &values::BN2D_DGAMMA,
            &values::BN2D_DBETA,
            &values::BN2D_MEAN,
            &values::BN2D_VAR,
            &values::BN2D_EVAL,
        ],
    );
}

#[test]
fn batch_norm_1d() {
    check_batch_norm(
        &[4, 3],
        [
            &values::BN1D_Y,
            &values::BN1D_DX,
            &values::BN1D_DGAMMA,
            &values::BN1D_DBETA,
            &values::BN1D_MEAN,
            &values::BN1D_VAR,
            &values::BN1D_EVAL,
        ],
    );
}

fn check_batch_norm(shape: &[usize], expected: [&[f64]; 7]) {
    let [y_, dx, dgamma, dbeta, mean_, var_, eval] = expected;
    let channels = [shape[1]];
    let shifted = |stream, shape: &[usize], scale, shift: f64| {
        let t = (tensor(fill(stream, shape, scale)) + shift).unwrap();
        Var::from_tensor(&t).unwrap()
    };
    let (gamma, beta) = (shifted(50, &channels, 1.0, 1.5), leaf(51, &channels, 1.0));
    let (mean, variance) = (leaf(0, &channels, 0.0), shifted(0, &channels, 0.0, 1.0));
    for stream in [52, 53] {
        let x = shifted(stream, shape, 2.0, 0.75);
        let (y, statistics): (Tensor, Statistics) =
            norm::batch_norm_train(&Tape::off(), &x, &gamma, &beta, false).unwrap();
        statistics.commit(&mean, &variance).unwrap();
        if stream == 53 {
            assert_close("y", &numbers(&y), y_, 2e-6);
            let grads = backward(&y, 54, &[&x, &gamma, &beta]);
            assert_close("dx", &grads[0], dx, 2e-6);
            assert_close("dgamma", &grads[1], dgamma, 2e-6);
            assert_close("dbeta", &grads[2], dbeta, 2e-6);
            assert_close("running mean", &numbers(&mean), mean_, 1e-6);
            assert_close("running variance", &numbers(&variance), var_, 1e-6);
            let (x, gamma) = (x.as_detached_tensor(), gamma.as_detached_tensor());
            let beta = beta.as_detached_tensor();
            let y = norm::batch_norm_eval(
                &x,
                &gamma,
                &beta,
                &mean.as_detached_tensor(),
                &variance.as_detached_tensor(),
                false,
            );
            assert_close("evaluation", &numbers(&y.unwrap()), eval, 2e-6);
        }
    }
}

#[test]
fn convolution_and_linear() {
    let (x, w, b) = (
        leaf(60, &[2, 3, 7, 5], 1.0),
        leaf(61, &[4, 3, 3, 3], 1.0),
        leaf(62, &[4], 1.0),
    );
    let y = conv::conv2d(&Tape::off(), &x, &w, Some(&b), 2, 1).unwrap();
    assert_close("conv y", &numbers(&y), &values::CONV_Y, 2e-6);
    let grads = backward(&y, 63, &[&x, &w, &b]);
    assert_close("conv dx", &grads[0], &values::CONV_DX, 2e-6);
    assert_close("conv dw", &grads[1], &values::CONV_DW, 2e-6);
    assert_close("conv db", &grads[2], &values::CONV_DB, 2e-6);

    let (x, w, b) = (
        leaf(66, &[3, 5], 1.0),
        leaf(67, &[4, 5], 1.0),
        leaf(68, &[4], 1.0),
    );
    let y = linear::linear(&Tape::off(), &x, &w, Some(&b)).unwrap();
    assert_close("linear y", &numbers(&y), &values::LINEAR_Y, 2e-6);
    let grads = backward(&y, 69, &[&x, &w, &b]);
    assert_close("linear dx", &grads[0], &values::LINEAR_DX, 2e-6);
    assert_close("linear dw", &grads[1], &values::LINEAR_DW, 2e-6);
    assert_close("linear db", &grads[2], &values::LINEAR_DB, 2e-6);
}

/// Inputs rounded to quarters: windows have ties, and the gradient must go where PyTorch sends it.
#[test]
fn pooling_with_ties() {
    let shape = [2, 2, 7, 6];
    let mut quarters = fill(64, &shape, 4.0);
    quarters
        .values
        .iter_mut()
        .for_each(|v| *v = v.round_ties_even() / 4.0);
    let x = Var::from_tensor(&tensor(quarters)).unwrap();
    let y = pool::max_pool2d(&Tape::off(), &x, 3, 2, 1).unwrap();
    assert_close("max y", &numbers(&y), &values::MAX_POOL_Y, 1e-7);
    assert_close(
        "max dx",
        &backward(&y, 65, &[&x])[0],
        &values::MAX_POOL_DX,
        1e-6,
    );
    let y = pool::avg_pool2d(&Tape::off(), &x, 3, 2, 1).unwrap();
    assert_close("avg y", &numbers(&y), &values::AVG_POOL_Y, 1e-6);
    assert_close(
        "avg dx",
        &backward(&y, 65, &[&x])[0],
        &values::AVG_POOL_DX,
        1e-6,
    );
}

#[test]
fn activations() {
    let points: [f32; 10] = [-30.0, -3.0, -1.0, -0.25, 0.0, 0.125, 0.5, 2.0, 4.0, 30.0];
    for (function, expected, slopes) in [
        (Activation::Relu, values::RELU, values::RELU_SLOPE),
        (
            Activation::LeakyRelu,
            values::LEAKY_RELU,
            values::LEAKY_RELU_SLOPE,
        ),
        (Activation::Gelu, values::GELU, values::GELU_SLOPE),
        (Activation::Silu, values::SILU, values::SILU_SLOPE),
        (Activation::Tanh, values::TANH, values::TANH_SLOPE),
        (Activation::Sigmoid, values::SIGMOID, values::SIGMOID_SLOPE),
    ] {
        let x = Var::from_slice(&points, 10, &Device::Cpu).unwrap();
        let y = activation::activate(&Tape::off(), &x, function).unwrap();
        assert_close(function.name(), &numbers(&y), &expected, 1e-6);
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert_close(
            function.name(),
            &numbers(grads.get(&x).unwrap()),
            &slopes,
            1e-6,
        );
    }
}

/// Ten steps of Adam on the study's networks from filled weights: PyTorch's losses to 1e-4.
fn check_training(architecture: &str, expected_losses: &[f64], expected_logits: &[f64]) {
    let input = Shape::Map {
        channels: 1,
        height: 32,
        width: 32,
    };
    let model = Profile::new(architecture).model;
    let architecture = resolve(&model, input, 10).unwrap();
    let network = Network::new(&architecture, Init::Torch, 0, &Device::Cpu).unwrap();
    let mut state = network.parameters().export().unwrap();
    let layers = ["conv1", "conv2", "conv3", "fc1", "fc2", "fc3"];
    for (i, layer) in (0..).zip(layers) {
        let weight = state.get_mut(&format!("{layer}.weight")).unwrap();
        let fan_in: usize = weight.shape.iter().skip(1).product();
        let bound = (1.0 / (fan_in as f64).sqrt()) as f32;
        *weight = fill(100 + 2 * i, &weight.shape.clone(), bound);
        let bias = state.get_mut(&format!("{layer}.bias")).unwrap();
        *bias = fill(101 + 2 * i, &bias.shape.clone(), bound);
    }
    network.parameters().import(&state).unwrap();

    let settings = profile::Optimizer::default();
    let mut optimizer = Optimizer::new(&settings, network.parameters()).unwrap();
    for (step, expected) in (0..).zip(expected_losses) {
        let x = tensor(fill(200 + step % 2, &[8, 1, 32, 32], 1.7));
        let labels: Vec<u32> = (0..8).map(|i| (3 * i + step % 2) % 10).collect();
        let mode = Mode {
            training: true,
            step: u64::from(step),
            seed: 0,
        };
        let logits = network.forward(&x, mode).unwrap();
        let loss = loss::mean(&Tape::off(), Loss::CrossEntropy, 0.0, &logits, &labels).unwrap();
        assert!(
            (loss.value - expected).abs() < 1e-4,
            "step {step}: loss {}, PyTorch {expected}",
            loss.value
        );
        let store = loss.tensor.backward().unwrap();
        let gradients = Gradients::collect(network.parameters(), store).unwrap();
        let step = StepSettings {
            learning_rate: 1e-3,
            gradient_scale: 1.0,
        };
        optimizer.step(&gradients, step).unwrap();
    }
    let x = tensor(fill(300, &[2, 1, 32, 32], 1.7));
    let logits = network.forward(&x, Mode::evaluation()).unwrap();
    assert_close(
        "logits after training",
        &numbers(&logits),
        expected_logits,
        1e-3,
    );
}

#[test]
fn ten_steps_of_lenet5() {
    check_training("lenet5", &values::LENET5_LOSSES, &values::LENET5_LOGITS);
}

#[test]
fn ten_steps_of_modern_lenet() {
    check_training(
        "modern-lenet",
        &values::MODERN_LENET_LOSSES,
        &values::MODERN_LENET_LOGITS,
    );
}

//! The hand-written gradients against PyTorch's and against this program's own autograd.

#![expect(clippy::cast_possible_truncation, reason = "small test numbers")]

use crate::nn::Tape;
use candle_core::{Device, Tensor};

use super::*;
use crate::kernels::targets::Targets;
use crate::model::{Mode, Network, Shape, resolve};
use crate::profile::{Loss, Model, Profile};

fn architecture(
    hidden: &[usize],
    activation: Activation,
    input: usize,
    classes: usize,
) -> Architecture {
    let model = Model {
        hidden: hidden.into(),
        activation: Some(activation),
        ..Profile::new("mlp-scratch").model
    };
    resolve(&model, Shape::Flat(input), classes).unwrap()
}

/// 6 → 5 → 4 → 3 with weights ½·sin 1.7k, counted through all parameters in layer order.
fn small(activation: Activation) -> Mlp {
    let architecture = architecture(&[5, 4], activation, 6, 3);
    let mut mlp = Mlp::new(&architecture, Init::Torch, 1).unwrap();
    let mut k = 0;
    for layer in &mut mlp.weights {
        for value in layer.weight.iter_mut().chain(&mut layer.bias) {
            *value = ((1.7 * f64::from(k)).sin() * 0.5) as f32;
            k += 1;
        }
    }
    mlp
}

fn close(got: &[f32], want: &[f64]) {
    assert!(got.len() >= want.len());
    let scale = want.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!(
            (f64::from(*got) - want).abs() <= 1e-5 * scale,
            "{got} is not {want}"
        );
    }
}

/// ```python
/// def net(act):
///     m = nn.Sequential(nn.Linear(6,5), act, nn.Linear(5,4), act, nn.Linear(4,3)).double(); k = 0
///     for p in m.parameters():
///         for i in range(p.numel()):
///             p.data.view(-1)[i] = torch.tensor(math.sin(1.7*k)*0.5).float().double(); k += 1
///     return m
/// x = torch.tensor([[math.cos(0.9*(6*b+i)) for i in range(6)] for b in range(4)]).float().double()
/// y = torch.tensor([2,0,1,2])
/// m = net(nn.Tanh()); l = F.cross_entropy(m(x), y, label_smoothing=0.1); l.backward()
/// m = net(nn.GELU()); l = F.mse_loss(m(x), F.one_hot(y, 3).double()); l.backward()
/// print(l.item(), m[0].weight.grad.view(-1)[:6], m[2].bias.grad, m[4].weight.grad.view(-1)[:4])
/// ```
#[test]
fn gradients_are_pytorchs() {
    let images: Vec<f32> = (0..24).map(|i| (0.9 * f64::from(i)).cos() as f32).collect();
    let labels = [2, 0, 1, 2];
    let mut delta = [0.0; 12];
    let mut trace = Trace::default();

    let mlp = small(Activation::Tanh);
    let mut gradients = mlp.zeros();
    mlp.forward(&mlp.weights, 4, &images, &mut trace);
    let loss = loss::cross_entropy(trace.logits(), &labels, 0.1, &mut delta);
    mlp.backward(4, &images, &trace, &delta, &mut gradients);
    assert!((loss - 1.553_749_320_1).abs() < 1e-6, "{loss}");
    close(
        &gradients[0].weight,
        &[
            -0.000_776_899,
            0.001_808_346,
            0.003_025_071,
            0.001_952_483,
            -0.000_597_706,
            -0.002_695_562,
        ],
    );
    close(
        &gradients[1].bias,
        &[-0.105_771_977, 0.068_216_019, 0.084_975_826, -0.053_755_976],
    );
    close(
        &gradients[2].weight,
        &[-0.229_212_787, 0.102_222_319, 0.254_619_234, -0.279_031_449],
    );

    let mlp = small(Activation::Gelu);
    mlp.forward(&mlp.weights, 4, &images, &mut trace);
    let loss = loss::mean_squared(trace.logits(), &labels, &mut delta);
    mlp.backward(4, &images, &trace, &delta, &mut gradients);
    assert!((loss - 0.770_100_335_6).abs() < 1e-6, "{loss}");
    close(
        &gradients[0].weight,
        &[
            0.050_129_787,
            0.072_548_657,
            0.040_064_148,
            -0.022_740_11,
            -0.068_335_105,
            -0.062_215_456,
        ],
    );
    close(
        &gradients[1].bias,
        &[
            -0.021_932_046,
            -0.123_211_417,
            0.380_150_662,
            -0.003_622_779,
        ],
    );
    close(
        &gradients[2].weight,
        &[-0.038_929_587, 0.054_610_577, 0.169_098_539, -0.038_225_7],
    );
}

/// The same weights, batch and loss through Candle's autograd: every array within 1e-5 of its largest number.
#[test]
fn gradients_are_autograds() {
    let (batch, features, classes) = (17, 30, 10);
    let stream = crate::rng::Stream::new(3, crate::rng::Purpose::Augmentation, 0);
    let mut images = vec![0.0; batch * features];
    stream.fill_normal(&mut images, 0.0, 1.0);
    let labels: Vec<u32> = (0..batch as u32).map(|i| i * 7 % 10).collect();
    for (activation, kind, smoothing) in [
        (Activation::Relu, Loss::CrossEntropy, 0.0),
        (Activation::LeakyRelu, Loss::CrossEntropy, 0.1),
        (Activation::Gelu, Loss::Mse, 0.0),
        (Activation::Silu, Loss::CrossEntropy, 0.2),
        (Activation::Tanh, Loss::Mse, 0.0),
        (Activation::Sigmoid, Loss::CrossEntropy, 0.0),
        (Activation::None, Loss::CrossEntropy, 0.0),
    ] {
        let architecture = architecture(&[23, 12], activation, features, classes);
        let mlp = Mlp::new(&architecture, Init::Torch, 5).unwrap();
        let mut trace = Trace::default();
        let mut delta = vec![0.0; batch * classes];
        let mut gradients = mlp.zeros();
        mlp.forward(&mlp.weights, batch, &images, &mut trace);
        let by_hand = match kind {
            Loss::CrossEntropy => {
                loss::cross_entropy(trace.logits(), &labels, smoothing, &mut delta)
            }
            Loss::Mse => loss::mean_squared(trace.logits(), &labels, &mut delta),
        };
        mlp.backward(batch, &images, &trace, &delta, &mut gradients);

        let device = Device::Cpu;
        let network = Network::new(&architecture, Init::Torch, 5, &device).unwrap();
        let x = Tensor::from_slice(&images, (batch, features), &device).unwrap();
        let mode = Mode {
            training: true,
            step: 0,
            seed: 0,
        };
        let logits = network.forward(&x, mode).unwrap();
        let autograd =
            crate::nn::loss::mean(&Tape::off(), kind, smoothing, &logits, &labels).unwrap();
        let store = autograd.tensor.backward().unwrap();
        assert!(
            (by_hand / autograd.value - 1.0).abs() < 1e-6,
            "{activation:?}: loss {by_hand} and {}",
            autograd.value
        );
        let compared = mlp.layers().iter().zip(&mlp.weights).zip(&gradients);
        for ((layer, weights), gradients) in compared {
            for (what, weights, by_hand) in [
                ("weight", &weights.weight, &gradients.weight),
                ("bias", &weights.bias, &gradients.bias),
            ] {
                let name = format!("{}.{what}", layer.name);
                let var = network.parameters().get(&name).unwrap();
                let theirs: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
                assert_eq!(weights, &theirs, "{name} starts alike");
                let by_graph = store.get(var).unwrap();
                let by_graph: Vec<f32> = by_graph.flatten_all().unwrap().to_vec1().unwrap();
                let largest = by_graph.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                assert!(largest > 0.0, "{activation:?} {name} has a gradient");
                for (a, b) in by_hand.iter().zip(&by_graph) {
                    assert!(
                        (a - b).abs() <= 1e-5 * largest,
                        "{activation:?} {name}: {a} by hand, {b} by autograd, largest {largest}"
                    );
                }
            }
        }
    }
}

/// The second writing of the loss of targets is the kernels'.
#[test]
fn targets_are_the_kernels() {
    let (batch, classes) = (9, 4);
    let stream = crate::rng::Stream::new(3, crate::rng::Purpose::Augmentation, 0);
    let mut logits = vec![0.0; batch * classes];
    stream.fill_normal(&mut logits, 0.0, 5.0);
    let soft = [0.1, 0.2, 0.7, 0.0].repeat(batch);
    let weights: Vec<f32> = (0..batch as u8).map(|i| f32::from(i) / 3.0).collect();
    let labels = vec![0; batch];
    let targets = Targets::new(classes, &labels, Some(&soft), Some(&weights), 0.1).unwrap();
    let (mut by_hand, mut expected) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
    let a = loss::soft_cross_entropy(&logits, targets.all(), &mut by_hand);
    let b = crate::kernels::reference::loss::soft_cross_entropy(
        batch,
        classes,
        &logits,
        targets.all(),
        &mut expected,
    );
    assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
    for (a, b) in by_hand.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn huge_logits_do_not_overflow() {
    let mut delta = [0.0; 3];
    let loss = loss::cross_entropy(&[1000.0, -1000.0, 0.0], &[0], 0.0, &mut delta);
    assert!(loss.abs() < 1e-12, "{loss}");
    assert!(delta.iter().all(|d| d.abs() < 1e-12));
    let loss = loss::cross_entropy(&[1000.0, -1000.0, 0.0], &[1], 0.0, &mut delta);
    assert!((loss - 2000.0).abs() < 1e-9, "{loss}");
    let loss = loss::cross_entropy(&[f32::NAN, 0.0, 0.0], &[1], 0.0, &mut delta);
    assert!(loss.is_nan());
}

#[test]
fn other_layers_have_no_backward_by_hand() {
    let model = Profile::new("lenet5").model;
    let input = Shape::Map {
        channels: 1,
        height: 32,
        width: 32,
    };
    let lenet = resolve(&model, input, 10).unwrap();
    let message = Mlp::new(&lenet, Init::Torch, 1).unwrap_err().to_string();
    assert!(
        message.starts_with("layer conv1: mlp-scratch has no backward pass for it"),
        "{message}"
    );
}

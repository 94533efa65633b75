//! Residual blocks whose layers do nothing, as with PyTorch's `nn.Identity`: output = activation(x + shortcut(x)).

use candle_core::{Device, Tensor};
use fmtui::data::Batch;
use fmtui::model::{Architecture, Mode, Network, Shape, freeze, resolve};
use fmtui::profile::{Backend, Init, Profile};
use fmtui::train::{Learner, StateDict, Update, learners};

const SIDE: usize = 8;

/// A network with two such blocks: the one adds its input to itself, the other to a convolution of it.
fn profile() -> Profile {
    let text = "
        [model]
        architecture = 'custom'
        [[model.layers]]
        kind = 'conv2d'
        out_channels = 4
        kernel_size = 3
        padding = 1
        [[model.layers]]
        kind = 'residual'
        layers = [{ kind = 'activation', function = 'none' }]
        activation = 'relu'
        [[model.layers]]
        kind = 'residual'
        layers = [{ kind = 'activation', function = 'none' }]
        shortcut = [{ kind = 'conv2d', out_channels = 4, kernel_size = 3, padding = 1, bias = false }]
        activation = 'tanh'
        [[model.layers]]
        kind = 'flatten'
        [[model.layers]]
        kind = 'linear'
        out_features = 10
        [train]
        device = 'cpu'
        threads = 2
        batch_size = 16
    ";
    Profile::parse(text, "identity").unwrap()
}

fn architecture(profile: &Profile) -> Architecture {
    let input = Shape::Map {
        channels: 1,
        height: SIDE,
        width: SIDE,
    };
    resolve(&profile.model, input, 10).unwrap()
}

fn batch() -> Batch {
    let pixels: u16 = 16 * 64;
    Batch {
        images: (0..pixels).map(|i| (f32::from(i) * 0.7).sin()).collect(),
        labels: (0..16).map(|i| i * 7 % 10).collect(),
        channels: 1,
        height: SIDE,
        width: SIDE,
        ..Batch::default()
    }
}

fn learner(profile: &Profile, path: Backend) -> Box<dyn Learner> {
    let mut profile = profile.clone();
    profile.train.backend = path;
    learners::build(&profile, &architecture(&profile), 10).unwrap()
}

fn losses(learner: &mut dyn Learner, steps: u64) -> Vec<f64> {
    let update = |step| Update {
        learning_rate: 1e-2,
        step,
    };
    (0..steps)
        .map(|step| learner.step(&batch(), update(step)).unwrap().loss)
        .collect()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// The same from Candle's own operations.
fn by_hand(weights: &StateDict, x: &Tensor) -> Tensor {
    let array = |name: &str| {
        let array = &weights[name];
        Tensor::from_slice(&array.values, array.shape.clone(), &Device::Cpu).unwrap()
    };
    let bias = array("conv1.bias").reshape((1, 4, 1, 1)).unwrap();
    let x = x.conv2d(&array("conv1.weight"), 1, 1, 1, 1).unwrap();
    let x = x.broadcast_add(&bias).unwrap();
    let x = (&x + &x).unwrap().relu().unwrap();
    let shortcut = x.conv2d(&array("block2.downsample.0.weight"), 1, 1, 1, 1);
    let x = (&x + shortcut.unwrap()).unwrap().tanh().unwrap();
    let x = x.flatten_from(1).unwrap();
    x.matmul(&array("fc1.weight").t().unwrap())
        .unwrap()
        .broadcast_add(&array("fc1.bias"))
        .unwrap()
}

#[test]
fn the_block_adds_its_input_to_its_shortcut() {
    let network = Network::new(&architecture(&profile()), Init::He, 3, &Device::Cpu).unwrap();
    let images = Tensor::from_vec(batch().images, (16, 1, SIDE, SIDE), &Device::Cpu).unwrap();
    let weights = network.parameters().export().unwrap();
    let names: Vec<&str> = weights.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "block2.downsample.0.weight",
            "conv1.bias",
            "conv1.weight",
            "fc1.bias",
            "fc1.weight"
        ]
    );
    let measured = network.forward(&images, Mode::evaluation()).unwrap();
    let expected = by_hand(&weights, &images);
    for (a, b) in numbers(&measured).iter().zip(numbers(&expected)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

/// On the path that `auto` takes and through the graph.
#[test]
fn it_learns_on_every_path() {
    let mut profile = profile();
    for only_with_shortcut in [false, true] {
        if only_with_shortcut {
            profile.model.layers.remove(1);
        }
        let [auto, graph] = [Backend::Auto, Backend::Graph].map(|path| {
            let mut learner = learner(&profile, path);
            losses(learner.as_mut(), 20)
        });
        assert!(auto[19] < 0.5 * auto[0], "{auto:?}");
        for (a, b) in auto.iter().zip(&graph) {
            assert!((a - b).abs() < 1e-3 * b, "{auto:?}\n{graph:?}");
        }
    }
}

/// A block without weights is no stage, and lies on the side that the layers before or after it say.
#[test]
fn layers_around_it_can_be_frozen() {
    let mut profile = profile();
    let architecture = architecture(&profile);
    assert_eq!(
        freeze::choices(&architecture),
        ["backbone", "conv1", "block2"]
    );
    for stage in ["conv1", "block2", "backbone"] {
        profile.model.freeze = stage.into();
        let mut learner = learner(&profile, Backend::Auto);
        let before = learner.weights().unwrap();
        let losses = losses(learner.as_mut(), 20);
        assert!(losses[19] < losses[0], "{stage}: {losses:?}");
        let after = learner.weights().unwrap();
        assert_eq!(before["conv1.weight"], after["conv1.weight"], "{stage}");
        assert_ne!(before["fc1.weight"], after["fc1.weight"], "{stage}");
    }
}

//! Parameter counts and names of every architecture, and what is said about layers that do not fit.

use super::*;
use crate::layers::{Conv2d, Flatten, Linear, MaxPool2d};

const GREY_28: Shape = Shape::Map {
    channels: 1,
    height: 28,
    width: 28,
};
const GREY_32: Shape = Shape::Map {
    channels: 1,
    height: 32,
    width: 32,
};
const COLOUR_28: Shape = Shape::Map {
    channels: 3,
    height: 28,
    width: 28,
};

fn preset(name: &str, hidden: &[usize], input: Shape) -> Architecture {
    let model = Model {
        architecture: name.into(),
        hidden: hidden.into(),
        activation: None,
        ..crate::profile::Profile::new(name).model
    };
    resolve(&model, input, 10).unwrap()
}

fn custom(layers: &str) -> Result<Architecture> {
    #[derive(serde::Deserialize)]
    struct File {
        layers: Vec<Layer>,
    }
    let file: File = toml::from_str(layers).unwrap();
    let model = Model {
        layers: file.layers,
        ..crate::profile::Profile::new("custom").model
    };
    resolve(&model, GREY_28, 10)
}

fn refusal(layers: &str) -> String {
    let error = custom(layers).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn names(architecture: &Architecture) -> Vec<&str> {
    architecture.nodes.iter().map(|n| n.name.as_str()).collect()
}

/// The study's table; the counts are those of the notebooks' PyTorch and scikit-learn models.
#[test]
fn parameter_counts_are_the_studys() {
    let counts: [(&str, &[usize], Shape, u64); 11] = [
        ("perceptron", &[], GREY_28, 7_850),
        ("mlp", &[], GREY_28, 7_850),
        ("mlp", &[20], GREY_28, 15_910),
        ("mlp", &[100, 100, 50], GREY_28, 94_160),
        ("mlp-scratch", &[100, 100, 50], GREY_28, 94_160),
        ("lenet5", &[], GREY_32, 211_203),
        ("lenet5-1998", &[], GREY_28, 61_706),
        ("modern-lenet", &[], GREY_32, 211_437),
        ("improved-cnn", &[], GREY_28, 1_702_090),
        ("resnet18", &[], COLOUR_28, 11_181_642),
        ("mlp", &[2], Shape::Flat(3), 8 + 30),
    ];
    for (name, hidden, input, want) in counts {
        let architecture = preset(name, hidden, input);
        assert_eq!(architecture.parameters(), want, "{name} {hidden:?}");
        assert_eq!(architecture.output(), Shape::Flat(10));
    }
}

#[test]
fn the_studys_lenet_has_1344_features_before_its_head() {
    let lenet = preset("lenet5", &[], GREY_32);
    let flatten = lenet
        .nodes
        .iter()
        .find(|n| n.layer == Layer::Flatten(Flatten {}))
        .unwrap();
    assert_eq!(flatten.output, Shape::Flat(1344));
    assert_eq!(
        names(&lenet),
        [
            "conv1",
            "conv1.tanh",
            "pool1",
            "conv2",
            "conv2.tanh",
            "conv3",
            "conv3.tanh",
            "pool2",
            "flatten1",
            "fc1",
            "fc1.tanh",
            "fc2",
            "fc2.tanh",
            "fc3"
        ]
    );
    let modern = preset("modern-lenet", &[], GREY_32);
    assert_eq!(
        names(&modern)[..4],
        ["conv1", "conv1.relu", "bn1", "pool1"],
        "batch norm comes after the ReLU"
    );
}

/// ```python
/// m = torchvision.models.resnet18(num_classes=10)
/// import hashlib
/// names = [f"{k} {list(v.shape)}" for k, v in m.named_parameters()]
/// print(len(names)); print(hashlib.sha256("\n".join(names).encode()).hexdigest())
/// ```
#[test]
fn resnet18_has_torchvisions_parameters() {
    let resnet = preset("resnet18", &[], COLOUR_28);
    let mut listed = Vec::new();
    list_parameters(&resnet.nodes, &mut listed);
    assert_eq!(listed.len(), 62);
    let hex = crate::storage::sha256(listed.join("\n").as_bytes());
    assert_eq!(
        hex, "e9a339ec08990962738ab0ddffbf68a2485f4a7a566b07047d4f49a049d6561c",
        "{listed:#?}"
    );
}

fn list_parameters(nodes: &[Node], out: &mut Vec<String>) {
    for node in nodes {
        for (name, array) in node.arrays().filter(|(_, array)| array.trained) {
            out.push(format!("{name} {:?}", array.shape));
        }
        for branch in &node.branches {
            list_parameters(branch, out);
        }
    }
}

#[test]
fn a_custom_network_resolves() {
    let network = custom(
        "layers = [
            { kind = 'conv2d', out_channels = 8, kernel_size = 3, padding = 1, activation = 'gelu' },
            { kind = 'residual', activation = 'relu', layers = [
                { kind = 'conv2d', out_channels = 16, kernel_size = 3, stride = 2, padding = 1, bias = false },
                { kind = 'batch-norm2d' } ],
              shortcut = [ { kind = 'conv2d', out_channels = 16, kernel_size = 1, stride = 2 } ] },
            { kind = 'activation', function = 'none' },
            { kind = 'max-pool2d', kernel_size = 3, stride = 2 },
            { kind = 'global-avg-pool' },
            { kind = 'batch-norm1d', activation = 'silu' },
            { kind = 'dropout', p = 0.25 },
            { kind = 'linear', out_features = 10, bias = false } ]",
    )
    .unwrap();
    assert_eq!(
        names(&network),
        [
            "conv1",
            "conv1.gelu",
            "block1",
            "pool1",
            "pool2",
            "bn1",
            "bn1.silu",
            "dropout1",
            "fc1"
        ]
    );
    let shapes: Vec<String> = network.nodes.iter().map(|n| n.output.to_string()).collect();
    assert_eq!(
        shapes,
        [
            "8 × 28 × 28",
            "8 × 28 × 28",
            "16 × 14 × 14",
            "16 × 6 × 6",
            "16",
            "16",
            "16",
            "16",
            "10"
        ]
    );
    let [body, shortcut] = &network.nodes[2].branches;
    assert_eq!(body[1].name, "block1.bn1");
    assert_eq!(shortcut[0].name, "block1.downsample.0");
    assert_eq!(network.parameters(), 80 + 1152 + 32 + 144 + 32 + 160);
}

/// As with PyTorch's `nn.Identity` for a body.
#[test]
fn a_body_that_does_nothing_is_the_identity() {
    let network = custom(
        "layers = [
            { kind = 'residual', layers = [ { kind = 'activation', function = 'none' } ], activation = 'relu' },
            { kind = 'residual', layers = [ { kind = 'activation', function = 'none' }, { kind = 'activation', function = 'none' } ],
              shortcut = [ { kind = 'conv2d', out_channels = 1, kernel_size = 3, padding = 1 } ] },
            { kind = 'flatten' },
            { kind = 'linear', out_features = 10 },
        ]",
    )
    .unwrap();
    assert_eq!(names(&network), ["block1", "block2", "flatten1", "fc1"]);
    for (node, layers) in network.nodes.iter().zip([0, 1]) {
        let [body, shortcut] = &node.branches;
        assert_eq!((body.len(), shortcut.len()), (0, layers));
        assert_eq!((node.input, node.output), (GREY_28, GREY_28));
    }
    assert_eq!(network.parameters(), 10 + 7_850);
    let summary = crate::model::summary::summarise(&network);
    let rows: Vec<_> = summary
        .rows
        .iter()
        .map(|row| (row.name.as_str(), row.kind.as_str(), row.depth))
        .collect();
    assert_eq!(
        rows[..3],
        [
            ("block1", "residual · relu", 0),
            ("block2", "residual", 0),
            ("block2.downsample.0", "conv 3×3 p1", 1)
        ]
    );
    assert_eq!(summary.multiply_adds, 9 * 784 + 7_840);
}

#[test]
fn a_wrong_layer_is_named_with_what_it_needs() {
    let wrong = [
        (
            "layers = [ { kind = 'conv2d', out_channels = 8, kernel_size = 1, stride = 2 }, { kind = 'linear', out_features = 10 } ]",
            "model.layers[1] (linear) needs a vector of features but gets 8 × 14 × 14; put a flatten layer before it",
        ),
        (
            "layers = [ { kind = 'flatten' }, { kind = 'conv2d', out_channels = 8, kernel_size = 1 } ]",
            "model.layers[1] (conv2d) needs maps of channels × height × width but gets 784 features; put it before the flatten layer",
        ),
        (
            "layers = [ { kind = 'conv2d', out_channels = 8, kernel_size = 29 } ]",
            "model.layers[0] (conv2d): its 29 × 29 kernel does not fit into 1 × 28 × 28; lower kernel_size, pool less before it, or raise data.image_size",
        ),
        (
            "layers = [ { kind = 'conv2d', out_channels = 0, kernel_size = 3 } ]",
            "model.layers[0] (conv2d): out_channels = 0 is out of range; use 1 to 65536",
        ),
        (
            "layers = [ { kind = 'max-pool2d', kernel_size = 2, stride = 0 } ]",
            "model.layers[0] (max-pool2d): stride = 0 is out of range; use 1 to 63",
        ),
        (
            "layers = [ { kind = 'max-pool2d', kernel_size = 2, padding = 2 } ]",
            "model.layers[0] (max-pool2d): padding = 2 is out of range; use 0 to 1",
        ),
        (
            "layers = [ { kind = 'batch-norm1d' } ]",
            "model.layers[0] (batch-norm1d) needs a vector of features but gets 1 × 28 × 28; use batch-norm2d here, or put a flatten layer before it",
        ),
        (
            "layers = [ { kind = 'flatten' }, { kind = 'batch-norm2d' } ]",
            "model.layers[1] (batch-norm2d) needs maps of channels × height × width but gets 784 features; use batch-norm1d here",
        ),
        (
            "layers = [ { kind = 'dropout', p = 1.0 } ]",
            "model.layers[0] (dropout): p = 1 is out of range; use 0 to 0.999",
        ),
        (
            "layers = [ { kind = 'dropout', p = nan } ]",
            "model.layers[0] (dropout): p = NaN is out of range; use 0 to 0.999",
        ),
        (
            "layers = [ { kind = 'residual', layers = [] } ]",
            "model.layers[0] (residual) has no layers to add to its shortcut; add some to its layers",
        ),
        (
            "layers = [ { kind = 'residual', layers = [], shortcut = [ { kind = 'flatten' } ] } ]",
            "model.layers[0] (residual) has no layers to add to its shortcut; add some to its layers",
        ),
        (
            "layers = [ { kind = 'residual', layers = [ { kind = 'activation', function = 'none' } ], shortcut = [ { kind = 'conv2d', out_channels = 8, kernel_size = 1 } ] } ]",
            "model.layers[0] (residual): its layers give 1 × 28 × 28 but its shortcut gives 8 × 28 × 28; make both equal; a shortcut of a 1 × 1 conv2d with out_channels = 1 and the layers' stride does it",
        ),
        (
            "layers = [ { kind = 'residual', layers = [ { kind = 'conv2d', out_channels = 8, kernel_size = 3 } ] } ]",
            "model.layers[0] (residual): its layers give 8 × 26 × 26 but its input, which the empty shortcut passes on, is 1 × 28 × 28; make both equal; a shortcut of a 1 × 1 conv2d with out_channels = 8 and the layers' stride does it",
        ),
        (
            "layers = [ { kind = 'residual', layers = [ { kind = 'flatten' }, { kind = 'linear', out_features = 0 } ] } ]",
            "model.layers[0].layers[1] (linear): out_features = 0 is out of range; use 1 to 1048576",
        ),
        (
            "layers = [ { kind = 'flatten' }, { kind = 'linear', out_features = 84 } ]",
            "model.layers: the last layer gives 84 where 10 classes need 10 numbers; end with a linear layer of out_features = 10",
        ),
        (
            "layers = [ { kind = 'flatten' }, { kind = 'linear', out_features = 1000000 }, { kind = 'linear', out_features = 1000000 } ]",
            "model.layers[2] (linear): with it the network has more than 2,147,483,648 parameters; make this layer or the ones before it smaller",
        ),
        (
            "layers = [ { kind = 'conv2d', out_channels = 65536, kernel_size = 1, padding = 63 }, { kind = 'conv2d', out_channels = 65536, kernel_size = 1, padding = 63 } ]",
            "model.layers[1] (conv2d): its output of 65536 × 280 × 280 is more than 2,147,483,648 numbers per image; make it smaller",
        ),
        (
            "layers = [ { kind = 'linear', out_features = 9223372036854775807 } ]",
            "model.layers[0] (linear): out_features = 9223372036854775807 is out of range; use 1 to 1048576",
        ),
    ];
    for (layers, message) in wrong {
        assert_eq!(refusal(layers), message);
    }
}

#[test]
fn a_preset_is_spoken_of_by_its_layers_names() {
    let model = crate::profile::Profile::new("lenet5").model;
    let small = Shape::Map {
        channels: 1,
        height: 8,
        width: 8,
    };
    let message = resolve(&model, small, 10).unwrap_err().to_string();
    assert!(
        message.starts_with("model.architecture \"lenet5\", layer conv2 (conv2d): its 5 × 5 kernel does not fit into 8 × 4 × 4;"),
        "{message}"
    );
}

#[test]
fn fields_of_another_architecture_are_refused() {
    let mut model = crate::profile::Profile::new("lenet6").model;
    let message = |model: &Model| resolve(model, GREY_28, 10).unwrap_err().to_string();
    assert!(
        message(&model)
            .starts_with("model.architecture: `lenet6` is not known; did you mean `lenet5`?")
    );
    model.architecture = "lenet5".into();
    model.hidden = vec![20];
    assert_eq!(
        message(&model),
        "model.hidden: the architecture `lenet5` does not use it; remove it, or set model.architecture = \"mlp\""
    );
    model.architecture = "mlp".into();
    model.hidden = vec![20, 0];
    assert_eq!(
        message(&model),
        "model.architecture \"mlp\", layer fc2 (linear): out_features = 0 is out of range; use 1 to 1048576"
    );
    model.architecture = "custom".into();
    model.hidden.clear();
    assert!(message(&model).starts_with("model.layers: a custom network needs at least one layer"));
    assert!(
        resolve(
            &crate::profile::Profile::new("mlp").model,
            Shape::Map {
                channels: 0,
                height: 28,
                width: 28
            },
            10
        )
        .is_err()
    );
}

proptest::proptest! {
    /// Whatever sizes a profile asks for, the answer is an architecture or an error, never a panic or a huge
    /// allocation.
    #[test]
    fn no_size_panics(out in proptest::num::usize::ANY, k in 0usize..40, stride in 0usize..5, padding in 0usize..40) {
        let layers = vec![
            Layer::Conv2d(Conv2d { out_channels: out, kernel_size: k, stride, padding, bias: true, activation: Activation::Relu }),
            Layer::MaxPool2d(MaxPool2d { kernel_size: k, stride: Some(stride), padding }),
            Layer::Flatten(Flatten {}),
            Layer::Linear(Linear { out_features: 10, bias: true, activation: Activation::None }),
        ];
        let model = Model { layers, ..crate::profile::Profile::new("custom").model };
        if let Ok(architecture) = resolve(&model, GREY_28, 10) {
            proptest::prop_assert!(architecture.nodes.iter().all(|n| n.output.elements() > 0));
        }
    }
}

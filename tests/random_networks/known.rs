//! Networks that were wrong once, by plan.

use fmtui::layers::Layer;
use fmtui::profile::{OptimizerKind, Profile};

use super::check;
use super::generator::Case;

#[derive(serde::Deserialize)]
struct Layers {
    layers: Vec<Layer>,
}

/// A case of layers as a profile writes them, on grey images of these sides.
fn case(layers: &str, freeze: &str, (height, width): (usize, usize), classes: usize) -> Case {
    let mut profile = Profile::new("custom");
    profile.data.validation = 0.0;
    profile.model.layers = toml::from_str::<Layers>(layers).unwrap().layers;
    profile.model.freeze = freeze.into();
    profile.train.device = "cpu".into();
    profile.train.batch_size = 40;
    profile.train.optimizer.kind = OptimizerKind::Sgd;
    Case {
        profile,
        input: (1, height, width),
        classes,
        last: 33,
        seed: 7,
        new_head: false,
    }
}

#[test]
fn networks_that_were_wrong_are_right() {
    let conv = "{ kind = 'conv2d', out_channels = 4, kernel_size = 3, padding = 1 }";
    for (what, layers, freeze, classes) in [
        (
            "batch norm on the input, in a residual block",
            "layers = [{ kind = 'residual', layers = [{ kind = 'batch-norm2d' }] }, { kind = 'flatten' },
                { kind = 'linear', out_features = 10 }]"
                .to_string(),
            "",
            10,
        ),
        (
            "batch norm on the input, as a first shortcut",
            format!(
                "layers = [{{ kind = 'residual', layers = [{conv}], shortcut = [{{ kind = 'batch-norm2d' }},
                    {{ kind = 'subsample', out_channels = 4, stride = 1 }}] }}, {{ kind = 'flatten' }}]"
            )
            .replace("out_channels = 4, stride", "out_channels = 5, stride")
            .replace("out_channels = 4, kernel", "out_channels = 5, kernel"),
            "",
            5 * 6 * 7,
        ),
        (
            "a block without activation as last layer of another's branch",
            format!(
                "layers = [{conv}, {{ kind = 'residual', layers = [{{ kind = 'residual', layers = [{conv}] }}] }},
                    {{ kind = 'flatten' }}, {{ kind = 'linear', out_features = 10 }}]"
            ),
            "",
            10,
        ),
        (
            "a flattened map in a residual block",
            format!(
                "layers = [{conv}, {{ kind = 'residual', layers = [{{ kind = 'flatten' }},
                    {{ kind = 'linear', out_features = 168 }}], shortcut = [{{ kind = 'flatten' }}] }},
                    {{ kind = 'linear', out_features = 10 }}]"
            ),
            "",
            10,
        ),
        (
            "a flattened map at the end",
            format!("layers = [{conv}, {{ kind = 'flatten' }}]"),
            "",
            168,
        ),
        (
            "batch norm of a flattened map",
            format!(
                "layers = [{conv}, {{ kind = 'flatten' }}, {{ kind = 'batch-norm1d' }}, {{ kind = 'linear', out_features = 10 }}]"
            ),
            "",
            10,
        ),
        (
            "frozen layers that end in a flatten",
            format!("layers = [{conv}, {{ kind = 'flatten' }}, {{ kind = 'linear', out_features = 10 }}]"),
            "backbone",
            10,
        ),
        (
            "batch norm on what a frozen stage gives",
            format!(
                "layers = [{conv}, {{ kind = 'residual', layers = [{{ kind = 'batch-norm2d', activation = 'relu' }}, {conv}] }},
                    {{ kind = 'flatten' }}, {{ kind = 'linear', out_features = 10 }}]"
            ),
            "conv1",
            10,
        ),
        (
            "two linear layers on the images",
            "layers = [{ kind = 'residual', layers = [{ kind = 'flatten' }, { kind = 'linear', out_features = 10 }],
                shortcut = [{ kind = 'flatten' }, { kind = 'linear', out_features = 10 }] }]"
                .to_string(),
            "",
            10,
        ),
        (
            "a tensor added to itself",
            format!(
                "layers = [{conv}, {{ kind = 'residual', layers = [{{ kind = 'dropout', p = 0.0 }}] }}, {{ kind = 'flatten' }},
                    {{ kind = 'linear', out_features = 10 }}]"
            ),
            "",
            10,
        ),
    ] {
        let case = case(&layers, freeze, (6, 7), classes);
        let counts = check(&case, "cpu").unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(counts.refused, 0, "{what}");
    }
}

use fmtui::layers::{
    Activate, Activation, BatchNorm2d, Conv2d, Flatten, GlobalAvgPool, Layer, Linear, Residual,
    Shape, Subsample,
};
use fmtui::model::Node;

use super::super::draw::{Draw, fitting};
use super::super::generator::fewer;
use super::super::reference::Pass;
use super::{Example, Values, activation, map, modules};

impl Values for Residual {
    const ODDS: usize = 19;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'residual', activation = 'relu', layers = [
                { kind = 'conv2d', out_channels = 4, kernel_size = 3, stride = 2, padding = 1, bias = false },
                { kind = 'batch-norm2d', activation = 'relu' }
            ], shortcut = [{ kind = 'conv2d', out_channels = 4, kernel_size = 1, stride = 2 }] }",
            input: map(3, 5, 6),
            torch: "Residual({\"conv1\": nn.Conv2d(3, 4, 3, 2, 1, bias=False), \"bn1\": nn.BatchNorm2d(4), \"bn1_relu\": nn.ReLU()}, \
                    {\"0\": nn.Conv2d(3, 4, 1, 2, 0, bias=True)}, nn.ReLU())",
            output: map(4, 3, 3),
            arrays: &[
                ("conv1.weight", &[4, 3, 3, 3]),
                ("bn1.weight", &[4]),
                ("bn1.bias", &[4]),
                ("bn1.running_mean", &[4]),
                ("bn1.running_var", &[4]),
                ("downsample.0.weight", &[4, 3, 1, 1]),
                ("downsample.0.bias", &[4]),
            ],
        },
        Example {
            profile: "{ kind = 'residual', layers = [{ kind = 'linear', out_features = 7 }] }",
            input: Shape::Flat(7),
            torch: "Residual({\"fc1\": nn.Linear(7, 7, bias=True)}, {}, nn.Identity())",
            output: Shape::Flat(7),
            arrays: &[("fc1.weight", &[7, 7]), ("fc1.bias", &[7])],
        },
    ];

    fn draw(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Self> {
        let (mut layers, mut shortcut) = draw.inside(|draw| branches(draw, input, keeping))?;
        if layers.is_empty() {
            if draw.once_in(2) {
                return None;
            }
            let function = draw.activation();
            layers.push(Activate { function }.into());
        }
        if !shortcut.is_empty() && draw.once_in(2) {
            std::mem::swap(&mut layers, &mut shortcut);
        }
        let activation = if draw.once_in(2) {
            Activation::None
        } else {
            draw.activation()
        };
        Some(Self {
            layers,
            shortcut,
            activation,
        })
    }

    fn simpler(&self) -> Vec<Self> {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut block = self.clone();
            change(&mut block);
            block
        };
        let mut found = vec![with(&|block| block.activation = Activation::None)];
        for layers in fewer(&self.layers) {
            found.push(with(&|block| block.layers.clone_from(&layers)));
        }
        for layers in fewer(&self.shortcut) {
            found.push(with(&|block| block.shortcut.clone_from(&layers)));
        }
        found
    }

    fn reference(&self, pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let [body, shortcut] = &node.branches;
        let a = pass.chain(body, x.clone());
        let b = pass.chain(shortcut, x);
        let sum: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        activation::apply(self.activation, &sum)
    }

    fn torch(&self, node: &Node) -> String {
        let [body, shortcut] = &node.branches;
        let body = modules(body, &format!("{}.", node.name));
        let shortcut = modules(shortcut, &format!("{}.downsample.", node.name));
        let function = activation::module(self.activation);
        format!("Residual({body}, {shortcut}, {function})")
    }
}

/// Layers that keep a shape; none is possible.
fn branch(draw: &mut Draw, shape: Shape) -> Vec<Layer> {
    let layers = 0..draw.from(0, 2);
    let drawn = layers.filter_map(|_| draw.layer(shape, true));
    drawn.map(|(layer, _)| layer).collect()
}

/// Two branches that end alike.
type Branches = (Vec<Layer>, Vec<Layer>);

fn branches(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Branches> {
    match input {
        Shape::Map { channels, .. } if !keeping => match draw.below(6) {
            0 | 1 => Some(kept(draw, input)),
            2 => strided(draw, input, channels),
            3 | 4 => Some(flattened(draw, input)),
            _ => pooled(draw, input, channels),
        },
        Shape::Flat(_) if !keeping && draw.once_in(3) => widened(draw, input),
        Shape::Map { .. } | Shape::Flat(_) => Some(kept(draw, input)),
    }
}

fn kept(draw: &mut Draw, input: Shape) -> Branches {
    let layers = branch(draw, input);
    let shortcut = if draw.once_in(3) {
        branch(draw, input)
    } else {
        Vec::new()
    };
    (layers, shortcut)
}

/// Two convolutions of the same stride, or one and every so manieth pixel.
fn strided(draw: &mut Draw, input: Shape, channels: usize) -> Option<Branches> {
    let (out_channels, stride) = (channels + 2 * draw.from(0, 2), draw.from(1, 3));
    let conv = |draw: &mut Draw, kernel_size, padding| Conv2d {
        out_channels,
        kernel_size,
        stride,
        padding,
        bias: !draw.once_in(3),
        activation: draw.activation(),
    };
    let (first, output) = fitting(conv(draw, 3, 1), input)?;
    let mut layers = vec![first];
    layers.extend(branch(draw, output));
    let mut shortcut: Vec<Layer> = vec![if draw.once_in(2) {
        Subsample {
            out_channels,
            stride,
        }
        .into()
    } else {
        conv(draw, 1, 0).into()
    }];
    if draw.once_in(2) {
        let activation = Activation::None;
        shortcut.push(BatchNorm2d { activation }.into());
    }
    Some((layers, shortcut))
}

/// A flatten in both branches.
fn flattened(draw: &mut Draw, input: Shape) -> Branches {
    let output = Shape::Flat(input.elements());
    let mut layers = branch(draw, input);
    layers.push(Flatten {}.into());
    layers.extend(branch(draw, output));
    let mut shortcut = vec![Flatten {}.into()];
    shortcut.extend(branch(draw, output));
    (layers, shortcut)
}

/// Means of maps beside a linear layer.
fn pooled(draw: &mut Draw, input: Shape, channels: usize) -> Option<Branches> {
    let mut layers = branch(draw, input);
    layers.push(GlobalAvgPool {}.into());
    let (linear, _) = linear(draw, Shape::Flat(input.elements()), channels)?;
    Some((layers, vec![Flatten {}.into(), linear]))
}

/// Two linear layers.
fn widened(draw: &mut Draw, input: Shape) -> Option<Branches> {
    let out = draw.from(1, 20);
    let (first, output) = linear(draw, input, out)?;
    let mut layers = vec![first];
    layers.extend(branch(draw, output));
    Some((layers, vec![linear(draw, input, out)?.0]))
}

fn linear(draw: &mut Draw, input: Shape, out_features: usize) -> Option<(Layer, Shape)> {
    let layer = Linear {
        out_features,
        ..Linear::draw(draw, input, false)?
    };
    fitting(layer, input)
}

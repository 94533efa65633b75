use fmtui::layers::layer_norm::Axis;
use fmtui::layers::{Activation, LayerNorm, Shape};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, map};

impl Values for LayerNorm {
    const ODDS: usize = 3;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'layer-norm' }",
            input: Shape::Flat(7),
            torch: "nn.LayerNorm(7, eps=1e-5)",
            output: Shape::Flat(7),
            arrays: &[("weight", &[7]), ("bias", &[7])],
        },
        Example {
            profile: "{ kind = 'layer-norm', epsilon = 1e-6 }",
            input: map(3, 5, 6),
            torch: "nn.LayerNorm(6, eps=1e-6)",
            output: map(3, 5, 6),
            arrays: &[("weight", &[6]), ("bias", &[6])],
        },
        Example {
            profile: "{ kind = 'layer-norm', axis = 'channels' }",
            input: map(3, 5, 6),
            torch: OVER_CHANNELS_OF_3,
            output: map(3, 5, 6),
            arrays: &[("weight", &[3]), ("bias", &[3])],
        },
    ];

    fn draw(draw: &mut Draw, input: Shape, _: bool) -> Option<Self> {
        let layer = Self {
            axis: draw.of(&[Axis::Last, Axis::Channels]),
            // With PyTorch's, groups of nearly equal numbers make a rounding as large as any gradient.
            epsilon: draw.of(&[1e-2, 1e-1, 1.0]),
            activation: draw.activation(),
        };
        // Of one number nothing but the offset is left: no gradient comes further back that others could be compared
        // with.
        let [_, count, _] = layer.groups(input);
        (count > 1).then_some(layer)
    }

    fn simpler(&self) -> Vec<Self> {
        vec![Self {
            activation: Activation::None,
            ..self.clone()
        }]
    }

    fn reference(&self, pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let [outer, count, inner] = self.groups(node.input);
        let (gamma, beta) = (pass.of(node, "weight"), pass.of(node, "bias"));
        let n = count as f64;
        let mut y = vec![0.0; x.len()];
        for group in 0..pass.batch * outer * inner {
            let place = |k: usize| (group / inner * count + k) * inner + group % inner;
            let mean = (0..count).map(|k| x[place(k)]).sum::<f64>() / n;
            let squares = (0..count).map(|k| (x[place(k)] - mean).powi(2));
            let deviation = (squares.sum::<f64>() / n + self.epsilon).sqrt();
            for k in 0..count {
                y[place(k)] = (x[place(k)] - mean) / deviation * gamma[k] + beta[k];
            }
        }
        y
    }

    fn torch(&self, node: &Node) -> String {
        let (channels, _, width) = node.input.sides();
        let eps = format!("{:e}", self.epsilon);
        match (node.input, self.axis) {
            (Shape::Flat(features), _) => format!("nn.LayerNorm({features}, eps={eps})"),
            (Shape::Map { .. }, Axis::Last) => format!("nn.LayerNorm({width}, eps={eps})"),
            (Shape::Map { .. }, Axis::Channels) => {
                OVER_CHANNELS_OF_3.replace("(3, eps=1e-5)", &format!("({channels}, eps={eps})"))
            }
        }
    }
}

/// As ConvNeXt's: the last axis of the map with its channels last.
const OVER_CHANNELS_OF_3: &str = "type('LayerNorm2d', (nn.LayerNorm,), {'forward': lambda self, x: \
     nn.LayerNorm.forward(self, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)})(3, eps=1e-5)";

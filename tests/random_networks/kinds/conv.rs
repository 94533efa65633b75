use fmtui::layers::{Activation, Conv2d, Shape};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::window::Window;
use super::{Example, Values, map, python};

impl Values for Conv2d {
    const ODDS: usize = 12;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'conv2d', out_channels = 4, kernel_size = 3 }",
            input: map(2, 5, 6),
            torch: "nn.Conv2d(2, 4, 3, 1, 0, bias=True)",
            output: map(4, 3, 4),
            arrays: &[("weight", &[4, 2, 3, 3]), ("bias", &[4])],
        },
        Example {
            profile: "{ kind = 'conv2d', out_channels = 5, kernel_size = 4, stride = 2, padding = 1, bias = false }",
            input: map(3, 7, 8),
            torch: "nn.Conv2d(3, 5, 4, 2, 1, bias=False)",
            output: map(5, 3, 4),
            arrays: &[("weight", &[5, 3, 4, 4])],
        },
    ];

    fn draw(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Self> {
        let Shape::Map { channels, .. } = input else {
            return None;
        };
        let mut layer = Self {
            out_channels: draw.edged(1, 9),
            kernel_size: draw.edged(1, 5),
            stride: draw.of(&[1, 1, 1, 2, 3]),
            padding: 0,
            bias: !draw.once_in(3),
            activation: draw.activation(),
        };
        layer.padding = draw.edged(0, layer.kernel_size / 2 + 1);
        if keeping {
            let half = draw.from(0, 2);
            (layer.out_channels, layer.kernel_size) = (channels, 2 * half + 1);
            (layer.stride, layer.padding) = (1, half);
        }
        Some(layer)
    }

    fn simpler(&self) -> Vec<Self> {
        vec![Self {
            activation: Activation::None,
            ..self.clone()
        }]
    }

    fn reference(&self, pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let weight = pass.of(node, "weight");
        let bias = self.bias.then(|| pass.of(node, "bias"));
        let (channels, height, width) = node.input.sides();
        let (_, out_height, out_width) = node.output.sides();
        let window = Window {
            kernel: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
        };
        let k = window.kernel;
        let mut y = Vec::with_capacity(pass.batch * node.output.elements());
        for image in x.chunks_exact(channels * height * width) {
            for out in 0..self.out_channels {
                for row in 0..out_height {
                    for column in 0..out_width {
                        let mut sum = bias.map_or(0.0, |b| b[out]);
                        for channel in 0..channels {
                            for (u, i) in window.places(row, height) {
                                for (v, j) in window.places(column, width) {
                                    sum += image[(channel * height + i) * width + j]
                                        * weight[((out * channels + channel) * k + u) * k + v];
                                }
                            }
                        }
                        y.push(sum);
                    }
                }
            }
        }
        y
    }

    fn torch(&self, node: &Node) -> String {
        let ((channels, ..), bias) = (node.input.sides(), python(self.bias));
        let (out, k) = (self.out_channels, self.kernel_size);
        let (stride, padding) = (self.stride, self.padding);
        format!("nn.Conv2d({channels}, {out}, {k}, {stride}, {padding}, bias={bias})")
    }
}

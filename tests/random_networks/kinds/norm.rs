use fmtui::layers::{Activation, BatchNorm, Kind, Layer, Shape};
use fmtui::model::Node;
use fmtui::nn::norm::EPSILON;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, map};

impl<const MAPS: bool> Values for BatchNorm<MAPS>
where
    Self: Into<Layer>,
{
    const ODDS: usize = if MAPS { 2 } else { 3 };

    const EXAMPLES: &'static [Example] = if MAPS {
        &[Example {
            profile: "{ kind = 'batch-norm2d' }",
            input: map(3, 5, 6),
            torch: "nn.BatchNorm2d(3)",
            output: map(3, 5, 6),
            arrays: &[
                ("weight", &[3]),
                ("bias", &[3]),
                ("running_mean", &[3]),
                ("running_var", &[3]),
            ],
        }]
    } else {
        &[Example {
            profile: "{ kind = 'batch-norm1d' }",
            input: Shape::Flat(7),
            torch: "nn.BatchNorm1d(7)",
            output: Shape::Flat(7),
            arrays: &[
                ("weight", &[7]),
                ("bias", &[7]),
                ("running_mean", &[7]),
                ("running_var", &[7]),
            ],
        }]
    };

    fn draw(draw: &mut Draw, input: Shape, _: bool) -> Option<Self> {
        let activation = draw.activation();
        let layer = Self { activation };
        layer.output(input).is_ok().then_some(layer)
    }

    fn simpler(&self) -> Vec<Self> {
        vec![Self {
            activation: Activation::None,
        }]
    }

    fn reference(&self, pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let (channels, height, width) = node.input.sides();
        let area = height * width;
        let count = (pass.batch * area) as f64;
        let (gamma, beta) = (pass.of(node, "weight"), pass.of(node, "bias"));
        let mut y = vec![0.0; x.len()];
        for channel in 0..channels {
            let places = || {
                (0..pass.batch).flat_map(move |image| {
                    let start = (image * channels + channel) * area;
                    start..start + area
                })
            };
            let (mean, variance) = if pass.training {
                let mean = places().map(|i| x[i]).sum::<f64>() / count;
                let squares = places().map(|i| (x[i] - mean).powi(2));
                (mean, squares.sum::<f64>() / count)
            } else {
                let of = |what| pass.of(node, what)[channel];
                (of("running_mean"), of("running_var"))
            };
            let scale = gamma[channel] / (variance + EPSILON).sqrt();
            for i in places() {
                y[i] = (x[i] - mean) * scale + beta[channel];
            }
        }
        y
    }

    fn torch(&self, node: &Node) -> String {
        let (channels, ..) = node.input.sides();
        format!("nn.BatchNorm{}d({channels})", if MAPS { 2 } else { 1 })
    }
}

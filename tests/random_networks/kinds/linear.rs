use fmtui::layers::{Activation, Linear, Shape};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, python};

impl Values for Linear {
    const ODDS: usize = 8;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'linear', out_features = 3 }",
            input: Shape::Flat(7),
            torch: "nn.Linear(7, 3, bias=True)",
            output: Shape::Flat(3),
            arrays: &[("weight", &[3, 7]), ("bias", &[3])],
        },
        Example {
            profile: "{ kind = 'linear', out_features = 3, bias = false }",
            input: Shape::Flat(7),
            torch: "nn.Linear(7, 3, bias=False)",
            output: Shape::Flat(3),
            arrays: &[("weight", &[3, 7])],
        },
    ];

    fn draw(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Self> {
        let Shape::Flat(features) = input else {
            return None;
        };
        let out_features = if keeping { features } else { draw.edged(1, 40) };
        let (bias, activation) = (!draw.once_in(3), draw.activation());
        Some(Self {
            out_features,
            bias,
            activation,
        })
    }

    fn simpler(&self) -> Vec<Self> {
        vec![Self {
            activation: Activation::None,
            ..self.clone()
        }]
    }

    fn reference(&self, pass: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let in_features = node.input.elements();
        let weight = pass.of(node, "weight");
        let bias = self.bias.then(|| pass.of(node, "bias"));
        let of = |row: &[f64], out: usize| {
            let products = row.iter().zip(&weight[out * in_features..]);
            products.map(|(a, b)| a * b).sum::<f64>() + bias.map_or(0.0, |b| b[out])
        };
        x.chunks_exact(in_features)
            .flat_map(|row| (0..self.out_features).map(move |out| of(row, out)))
            .collect()
    }

    fn torch(&self, node: &Node) -> String {
        let (input, bias) = (node.input.elements(), python(self.bias));
        format!("nn.Linear({input}, {}, bias={bias})", self.out_features)
    }
}

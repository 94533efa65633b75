use fmtui::kernels::reference::elementwise;
use fmtui::layers::{Activate, Activation, Shape};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, map};

impl Values for Activate {
    const ODDS: usize = 3;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'activation', function = 'leaky-relu' }",
            input: map(3, 5, 6),
            torch: "nn.LeakyReLU()",
            output: map(3, 5, 6),
            arrays: &[],
        },
        Example {
            profile: "{ kind = 'activation', function = 'gelu' }",
            input: Shape::Flat(7),
            torch: "nn.GELU()",
            output: Shape::Flat(7),
            arrays: &[],
        },
    ];

    fn draw(draw: &mut Draw, _: Shape, _: bool) -> Option<Self> {
        let function = draw.activation();
        Some(Self { function })
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    fn reference(&self, _: &mut Pass, _: &Node, x: Vec<f64>) -> Vec<f64> {
        apply(self.function, &x)
    }

    fn torch(&self, _: &Node) -> String {
        module(self.function).into()
    }
}

pub(super) fn apply(function: Activation, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    elementwise::forward(function, x, &mut y);
    y
}

pub(super) fn module(function: Activation) -> &'static str {
    match function {
        Activation::None => "nn.Identity()",
        Activation::Relu => "nn.ReLU()",
        Activation::LeakyRelu => "nn.LeakyReLU()",
        Activation::Gelu => "nn.GELU()",
        Activation::Silu => "nn.SiLU()",
        Activation::Tanh => "nn.Tanh()",
        Activation::Sigmoid => "nn.Sigmoid()",
    }
}

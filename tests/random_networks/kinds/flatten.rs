use fmtui::layers::{Flatten, Shape};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, map};

impl Values for Flatten {
    const ODDS: usize = 2;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'flatten' }",
            input: map(3, 5, 6),
            torch: "nn.Flatten()",
            output: Shape::Flat(90),
            arrays: &[],
        },
        Example {
            profile: "{ kind = 'flatten' }",
            input: Shape::Flat(7),
            torch: "nn.Flatten()",
            output: Shape::Flat(7),
            arrays: &[],
        },
    ];

    fn draw(_: &mut Draw, _: Shape, _: bool) -> Option<Self> {
        Some(Self {})
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    fn reference(&self, _: &mut Pass, _: &Node, x: Vec<f64>) -> Vec<f64> {
        x
    }

    fn torch(&self, _: &Node) -> String {
        "nn.Flatten()".into()
    }
}

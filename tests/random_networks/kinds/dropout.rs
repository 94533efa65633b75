use fmtui::kernels::reference::elementwise;
use fmtui::layers::{Dropout, Shape};
use fmtui::model::Node;
use fmtui::rng::{Purpose, Stream};

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, map};

impl Values for Dropout {
    const ODDS: usize = 3;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'dropout', p = 0.5 }",
            input: map(3, 5, 6),
            torch: "nn.Dropout(0.5)",
            output: map(3, 5, 6),
            arrays: &[],
        },
        Example {
            profile: "{ kind = 'dropout', p = 0.0 }",
            input: Shape::Flat(7),
            torch: "nn.Dropout(0)",
            output: Shape::Flat(7),
            arrays: &[],
        },
    ];

    fn draw(draw: &mut Draw, _: Shape, _: bool) -> Option<Self> {
        let p = draw.of(&[0.0, 0.1, 0.5, 0.9]);
        Some(Self { p })
    }

    fn simpler(&self) -> Vec<Self> {
        vec![Self { p: 0.0 }]
    }

    fn reference(&self, pass: &mut Pass, _: &Node, x: Vec<f64>) -> Vec<f64> {
        let layer = pass.dropouts as u64;
        pass.dropouts += 1;
        if !pass.training || self.p == 0.0 {
            return x;
        }
        let stream = Stream::new(pass.seed, Purpose::Dropout, (layer << 40) ^ pass.step);
        let mut y = vec![0.0; x.len()];
        elementwise::dropout(&x, &stream, self.p, &mut y);
        y
    }

    fn torch(&self, _: &Node) -> String {
        format!("nn.Dropout({})", self.p)
    }
}

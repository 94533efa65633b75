use fmtui::layers::{Shape, Subsample};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::{Example, Values, map};

impl Values for Subsample {
    const ODDS: usize = 2;

    const EXAMPLES: &'static [Example] = &[Example {
        profile: "{ kind = 'subsample', out_channels = 5, stride = 2 }",
        input: map(3, 5, 6),
        torch: "Function(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1)))",
        output: map(5, 3, 3),
        arrays: &[],
    }];

    fn draw(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Self> {
        let (channels, ..) = input.sides();
        let (more, stride) = (2 * draw.from(0, 2), draw.from(1, 3));
        let (more, stride) = if keeping { (0, 1) } else { (more, stride) };
        Some(Self {
            out_channels: channels + more,
            stride,
        })
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    fn reference(&self, _: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let (channels, height, width) = node.input.sides();
        let (_, out_height, out_width) = node.output.sides();
        let before = (self.out_channels - channels) / 2;
        let mut y = Vec::new();
        for image in x.chunks_exact(channels * height * width) {
            for out in 0..self.out_channels {
                for row in (0..out_height).map(|row| row * self.stride) {
                    for column in (0..out_width).map(|column| column * self.stride) {
                        let from = out.checked_sub(before).filter(|c| *c < channels);
                        y.push(from.map_or(0.0, |c| image[(c * height + row) * width + column]));
                    }
                }
            }
        }
        y
    }

    fn torch(&self, node: &Node) -> String {
        let ((channels, ..), s) = (node.input.sides(), self.stride);
        let zeros = (self.out_channels - channels) / 2;
        format!("Function(lambda x: F.pad(x[:, :, ::{s}, ::{s}], (0, 0, 0, 0, {zeros}, {zeros})))")
    }
}

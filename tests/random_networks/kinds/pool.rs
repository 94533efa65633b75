use fmtui::layers::{AdaptiveAvgPool2d, GlobalAvgPool, Layer, Pool, Shape};
use fmtui::model::Node;

use super::super::draw::Draw;
use super::super::reference::Pass;
use super::window::Window;
use super::{Example, Values, map};

impl<const MAX: bool> Values for Pool<MAX>
where
    Self: Into<Layer>,
{
    const ODDS: usize = 2;

    const EXAMPLES: &'static [Example] = if MAX {
        &[
            Example {
                profile: "{ kind = 'max-pool2d', kernel_size = 3 }",
                input: map(2, 7, 8),
                torch: "nn.MaxPool2d(3, 3, 0)",
                output: map(2, 2, 2),
                arrays: &[],
            },
            Example {
                profile: "{ kind = 'max-pool2d', kernel_size = 3, stride = 2, padding = 1 }",
                input: map(2, 7, 8),
                torch: "nn.MaxPool2d(3, 2, 1)",
                output: map(2, 4, 4),
                arrays: &[],
            },
        ]
    } else {
        &[
            Example {
                profile: "{ kind = 'avg-pool2d', kernel_size = 2 }",
                input: map(2, 7, 8),
                torch: "nn.AvgPool2d(2, 2, 0)",
                output: map(2, 3, 4),
                arrays: &[],
            },
            Example {
                profile: "{ kind = 'avg-pool2d', kernel_size = 4, stride = 1, padding = 2 }",
                input: map(3, 5, 6),
                torch: "nn.AvgPool2d(4, 1, 2)",
                output: map(3, 6, 7),
                arrays: &[],
            },
        ]
    };

    fn draw(draw: &mut Draw, _: Shape, keeping: bool) -> Option<Self> {
        let kernel_size = draw.edged(1, 4);
        let layer = Self {
            kernel_size,
            stride: draw.of(&[None, Some(1), Some(2), Some(3)]),
            padding: draw.edged(0, kernel_size / 2),
        };
        let around = Self {
            kernel_size: 3,
            stride: Some(1),
            padding: 1,
        };
        Some(if keeping { around } else { layer })
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    fn reference(&self, _: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let (_, height, width) = node.input.sides();
        let (_, out_height, out_width) = node.output.sides();
        let window = Window {
            kernel: self.kernel_size,
            stride: self.stride(),
            padding: self.padding,
        };
        let mut y = Vec::new();
        for plane in x.chunks_exact(height * width) {
            for row in 0..out_height {
                for column in 0..out_width {
                    let columns = window.places(column, width);
                    let places = window
                        .places(row, height)
                        .flat_map(|(_, i)| columns.clone().map(move |(_, j)| (i, j)));
                    let values = places.map(|(i, j)| plane[i * width + j]);
                    y.push(if MAX {
                        values.fold(f64::NEG_INFINITY, f64::max)
                    } else {
                        values.sum::<f64>() / (self.kernel_size * self.kernel_size) as f64
                    });
                }
            }
        }
        y
    }

    fn torch(&self, _: &Node) -> String {
        let (name, k) = (if MAX { "Max" } else { "Avg" }, self.kernel_size);
        format!("nn.{name}Pool2d({k}, {}, {})", self.stride(), self.padding)
    }
}

impl Values for GlobalAvgPool {
    const ODDS: usize = 1;

    const EXAMPLES: &'static [Example] = &[Example {
        profile: "{ kind = 'global-avg-pool' }",
        input: map(3, 5, 6),
        torch: "Function(lambda x: x.mean((2, 3)))",
        output: Shape::Flat(3),
        arrays: &[],
    }];

    fn draw(_: &mut Draw, _: Shape, _: bool) -> Option<Self> {
        Some(Self {})
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    fn reference(&self, _: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let (_, height, width) = node.input.sides();
        let area = height * width;
        x.chunks_exact(area)
            .map(|plane| plane.iter().sum::<f64>() / area as f64)
            .collect()
    }

    fn torch(&self, _: &Node) -> String {
        "Function(lambda x: x.mean((2, 3)))".into()
    }
}

impl Values for AdaptiveAvgPool2d {
    const ODDS: usize = 2;

    const EXAMPLES: &'static [Example] = &[
        Example {
            profile: "{ kind = 'adaptive-avg-pool2d', size = 7 }",
            input: map(3, 5, 6),
            torch: "nn.AdaptiveAvgPool2d(7)",
            output: map(3, 7, 7),
            arrays: &[],
        },
        Example {
            profile: "{ kind = 'adaptive-avg-pool2d', size = 2 }",
            input: map(3, 5, 6),
            torch: "nn.AdaptiveAvgPool2d(2)",
            output: map(3, 2, 2),
            arrays: &[],
        },
    ];

    fn draw(draw: &mut Draw, input: Shape, keeping: bool) -> Option<Self> {
        let (_, height, _) = input.sides();
        let size = if keeping { height } else { draw.edged(1, 4) };
        Some(Self { size })
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    /// **Reference** PyTorch's `adaptive_avg_pool2d`.
    fn reference(&self, _: &mut Pass, node: &Node, x: Vec<f64>) -> Vec<f64> {
        let (size, (_, height, width)) = (self.size, node.input.sides());
        let range = |at: usize, side: usize| at * side / size..((at + 1) * side).div_ceil(size);
        let mut y = Vec::new();
        for plane in x.chunks_exact(height * width) {
            for row in 0..size {
                for column in 0..size {
                    let (rows, columns) = (range(row, height), range(column, width));
                    let cells = (rows.len() * columns.len()) as f64;
                    let sum: f64 = rows
                        .map(|i| columns.clone().map(|j| plane[i * width + j]).sum::<f64>())
                        .sum();
                    y.push(sum / cells);
                }
            }
        }
        y
    }

    fn torch(&self, _: &Node) -> String {
        format!("nn.AdaptiveAvgPool2d({})", self.size)
    }
}

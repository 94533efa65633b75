//! The same networks in f64, layer by layer as their definitions say, for central differences.

use std::collections::BTreeMap;

use fmtui::kernels::reference::{elementwise, loss as losses};
use fmtui::layers::{Activation, Layer, Shape};
use fmtui::model::Node;
use fmtui::nn::norm;
use fmtui::profile::{Loss, Train};
use fmtui::rng::{Purpose, Stream};

/// Arrays by name.
pub type Weights = BTreeMap<String, Vec<f64>>;

/// A forward pass over a batch.
pub struct Pass<'a> {
    pub weights: &'a Weights,
    pub batch: usize,
    /// Dropout on and batch norm by the batch.
    pub training: bool,
    pub seed: u64,
    pub step: u64,
    pub dropouts: usize,
}

impl Pass<'_> {
    /// **Shape** `[B, …input]` → `[B, …output]`.
    pub fn chain(&mut self, nodes: &[Node], mut x: Vec<f64>) -> Vec<f64> {
        for node in nodes {
            x = self.layer(node, x);
        }
        x
    }

    fn of(&self, node: &Node, what: &str) -> &[f64] {
        &self.weights[&format!("{}.{what}", node.name)]
    }

    fn layer(&mut self, node: &Node, x: Vec<f64>) -> Vec<f64> {
        match &node.layer {
            Layer::Conv2d(layer) => {
                let window = Window {
                    kernel: layer.kernel_size,
                    stride: layer.stride,
                    padding: layer.padding,
                };
                let bias = layer.bias.then(|| self.of(node, "bias"));
                let weight = self.of(node, "weight");
                conv(weight, bias, layer.out_channels, window, node, &x)
            }
            Layer::Linear(linear) => {
                let in_features = node.input.elements();
                let weight = self.of(node, "weight");
                let bias = linear.bias.then(|| self.of(node, "bias"));
                let rows = x.chunks_exact(in_features);
                let of = |row: &[f64], out: usize| {
                    let products = row.iter().zip(&weight[out * in_features..]);
                    products.map(|(a, b)| a * b).sum::<f64>() + bias.map_or(0.0, |b| b[out])
                };
                rows.flat_map(|row| (0..linear.out_features).map(move |out| of(row, out)))
                    .collect()
            }
            Layer::BatchNorm1d(_) | Layer::BatchNorm2d(_) => {
                self.batch_norm(node, node.input.sides().0, &x)
            }
            Layer::MaxPool2d(layer) => {
                let window = Window {
                    kernel: layer.kernel_size,
                    stride: layer.stride(),
                    padding: layer.padding,
                };
                pool(window, node, &x, |values| {
                    values.fold(f64::NEG_INFINITY, f64::max)
                })
            }
            Layer::AvgPool2d(layer) => {
                let window = Window {
                    kernel: layer.kernel_size,
                    stride: layer.stride(),
                    padding: layer.padding,
                };
                let cells = (layer.kernel_size * layer.kernel_size) as f64;
                pool(window, node, &x, |values| values.sum::<f64>() / cells)
            }
            Layer::GlobalAvgPool(_) => {
                let (_, height, width) = node.input.sides();
                let area = height * width;
                x.chunks_exact(area)
                    .map(|p| p.iter().sum::<f64>() / area as f64)
                    .collect()
            }
            Layer::AdaptiveAvgPool2d(layer) => adaptive(layer.size, node, &x),
            Layer::Subsample(layer) => subsample(layer.out_channels, layer.stride, node, &x),
            Layer::Flatten(_) => x,
            Layer::Activation(layer) => activate(layer.function, &x),
            Layer::Dropout(dropout) => {
                let layer = self.dropouts as u64;
                self.dropouts += 1;
                if !self.training || dropout.p == 0.0 {
                    return x;
                }
                let stream = Stream::new(self.seed, Purpose::Dropout, (layer << 40) ^ self.step);
                let mut y = vec![0.0; x.len()];
                elementwise::dropout(&x, &stream, dropout.p, &mut y);
                y
            }
            Layer::Residual(block) => {
                let [body, shortcut] = &node.branches;
                let a = self.chain(body, x.clone());
                let b = self.chain(shortcut, x);
                let sum: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
                activate(block.activation, &sum)
            }
        }
    }

    fn batch_norm(&self, node: &Node, features: usize, x: &[f64]) -> Vec<f64> {
        let area = node.input.elements() / features;
        let count = (self.batch * area) as f64;
        let (gamma, beta) = (self.of(node, "weight"), self.of(node, "bias"));
        let mut y = vec![0.0; x.len()];
        for channel in 0..features {
            let places = || {
                (0..self.batch).flat_map(move |picture| {
                    let start = (picture * features + channel) * area;
                    start..start + area
                })
            };
            let (mean, variance) = if self.training {
                let mean = places().map(|i| x[i]).sum::<f64>() / count;
                (
                    mean,
                    places().map(|i| (x[i] - mean).powi(2)).sum::<f64>() / count,
                )
            } else {
                let of = |what| self.of(node, what)[channel];
                (of("running_mean"), of("running_var"))
            };
            let scale = gamma[channel] / (variance + norm::EPSILON).sqrt();
            for i in places() {
                y[i] = (x[i] - mean) * scale + beta[channel];
            }
        }
        y
    }
}

/// The mean loss of a batch.
pub fn loss(train: &Train, classes: usize, logits: &[f64], labels: &[u32]) -> f64 {
    let (batch, mut gradient) = (labels.len(), vec![0.0; logits.len()]);
    match train.loss {
        Loss::CrossEntropy => {
            let smoothing = train.label_smoothing;
            losses::cross_entropy(batch, classes, logits, labels, smoothing, &mut gradient)
        }
        Loss::Mse => losses::mse_one_hot(batch, classes, logits, labels, &mut gradient),
    }
}

fn activate(function: Activation, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    elementwise::forward(function, x, &mut y);
    y
}

#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    /// Pairs of (place in the window, place on the side) of the window number `at`.
    fn places(self, at: usize, side: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
        let place = move |k: usize| {
            (at * self.stride + k)
                .checked_sub(self.padding)
                .filter(|p| *p < side)
                .map(|p| (k, p))
        };
        (0..self.kernel).filter_map(place)
    }
}

fn conv(
    weight: &[f64],
    bias: Option<&[f64]>,
    out_channels: usize,
    window: Window,
    node: &Node,
    x: &[f64],
) -> Vec<f64> {
    let (channels, height, width) = node.input.sides();
    let (_, out_height, out_width) = node.output.sides();
    let k = window.kernel;
    let mut y = Vec::with_capacity(x.len() / node.input.elements() * node.output.elements());
    for picture in x.chunks_exact(channels * height * width) {
        for out in 0..out_channels {
            for row in 0..out_height {
                for column in 0..out_width {
                    let mut sum = bias.map_or(0.0, |b| b[out]);
                    for channel in 0..channels {
                        for (u, i) in window.places(row, height) {
                            for (v, j) in window.places(column, width) {
                                sum += picture[(channel * height + i) * width + j]
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

fn pool(
    window: Window,
    node: &Node,
    x: &[f64],
    of: impl Fn(&mut dyn Iterator<Item = f64>) -> f64,
) -> Vec<f64> {
    let (_, height, width) = node.input.sides();
    let (_, out_height, out_width) = node.output.sides();
    let mut y = Vec::new();
    for plane in x.chunks_exact(height * width) {
        for row in 0..out_height {
            for column in 0..out_width {
                let columns = window.places(column, width);
                let cells = window
                    .places(row, height)
                    .flat_map(|(_, i)| columns.clone().map(move |(_, j)| (i, j)));
                y.push(of(&mut cells.map(|(i, j)| plane[i * width + j])));
            }
        }
    }
    y
}

/// **Reference** PyTorch's `adaptive_avg_pool2d`.
fn adaptive(size: usize, node: &Node, x: &[f64]) -> Vec<f64> {
    let (_, height, width) = node.input.sides();
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

fn subsample(out_channels: usize, stride: usize, node: &Node, x: &[f64]) -> Vec<f64> {
    let (channels, height, width) = node.input.sides();
    let Shape::Map {
        height: out_height,
        width: out_width,
        ..
    } = node.output
    else {
        panic!("maps stay maps");
    };
    let before = (out_channels - channels) / 2;
    let mut y = Vec::new();
    for picture in x.chunks_exact(channels * height * width) {
        for out in 0..out_channels {
            for row in 0..out_height {
                for column in 0..out_width {
                    let from = out.checked_sub(before).filter(|c| *c < channels);
                    y.push(from.map_or(0.0, |c| {
                        picture[(c * height + row * stride) * width + column * stride]
                    }));
                }
            }
        }
    }
    y
}

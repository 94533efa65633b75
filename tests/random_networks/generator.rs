//! Networks drawn at random: every layer kind and option, in neighbourhoods that presets do not have.
//!
//! Plain random layers rarely nest or flatten, so what has gone wrong before is drawn more often: residual blocks in one
//! another, flattens inside them and at the end, sums of a tensor with itself, norms on the input, frozen cuts.

use fmtui::layers::{
    Activate, Activation, AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout,
    Flatten, GlobalAvgPool, Layer, Linear, MaxPool2d, Residual, Subsample,
};
use fmtui::model::{Architecture, Shape, freeze, resolve};
use fmtui::profile::{Init, Loss, OptimizerKind, Profile, Unfreeze};
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

/// The most numbers between two layers, and the most parameters of one: larger ones only take longer.
const MOST_NUMBERS: usize = 700;
const MOST_PARAMETERS: usize = 12_000;

/// A network, how it is trained, and the pictures that it is tried on.
#[derive(Clone)]
pub struct Case {
    pub profile: Profile,
    /// Channels, height, width.
    pub input: (usize, usize, usize),
    pub classes: usize,
    /// Pictures of the third batch, after two whole ones.
    pub last: usize,
    /// Of pictures and weights.
    pub seed: u64,
    /// Whether the head is fresh and everything before it is not.
    pub new_head: bool,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            input,
            classes,
            last,
            seed,
            ..
        } = self;
        writeln!(
            f,
            "# input {input:?}, {classes} classes, last batch {last}, seed {seed}"
        )?;
        write!(f, "{}", self.profile.to_toml())
    }
}

impl Case {
    pub fn architecture(&self) -> Option<Architecture> {
        let (channels, height, width) = self.input;
        let input = Shape::Map {
            channels,
            height,
            width,
        };
        let architecture = resolve(&self.profile.model, input, self.classes).ok()?;
        freeze::cut(&architecture, &self.profile.model.freeze).ok()?;
        for step in &self.profile.model.unfreeze {
            freeze::cut(&architecture, &step.freeze).ok()?;
        }
        (architecture.parameters() > 0).then_some(architecture)
    }

    /// Whether it can be a data set of the program's: grey pictures and labels of a byte.
    pub fn fits_files(&self) -> bool {
        matches!(self.input.0, 1 | 3) && self.classes <= 256
    }
}

/// See [`Case`].
#[derive(Debug)]
pub struct Networks;

impl Strategy for Networks {
    type Tree = Tree;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut draw = Draw(runner.new_rng());
        loop {
            let case = draw.case();
            if case.architecture().is_some() {
                return Ok(Tree {
                    case,
                    before: None,
                    next: 0,
                });
            }
        }
    }
}

/// A case on its way to a smaller one that fails too.
#[derive(Debug)]
pub struct Tree {
    case: Case,
    /// The smallest that failed so far, whose simpler cases are being tried.
    before: Option<Case>,
    next: usize,
}

impl ValueTree for Tree {
    type Value = Case;

    fn current(&self) -> Case {
        self.case.clone()
    }

    fn simplify(&mut self) -> bool {
        self.before = Some(self.case.clone());
        self.next = 0;
        self.complicate()
    }

    fn complicate(&mut self) -> bool {
        let Some(failed) = &self.before else {
            return false;
        };
        let simpler = simpler(failed);
        let found = simpler
            .iter()
            .enumerate()
            .skip(self.next)
            .find(|(_, c)| c.architecture().is_some());
        if let Some((at, case)) = found {
            self.next = at + 1;
            self.case = case.clone();
            true
        } else {
            self.case = failed.clone();
            false
        }
    }
}

/// Cases with one thing less.
fn simpler(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut case = case.clone();
        change(&mut case);
        found.push(case);
    };
    for layers in fewer(&case.profile.model.layers) {
        with(&|case| case.profile.model.layers.clone_from(&layers));
    }
    let (train, fresh) = (&case.profile.train, Profile::new("custom").train);
    if train.optimizer.kind != OptimizerKind::Sgd || train.optimizer.momentum > 0.0 {
        with(&|case| {
            case.profile.train.optimizer = fresh.optimizer.clone();
            case.profile.train.optimizer.kind = OptimizerKind::Sgd;
        });
    }
    if train.clip > 0.0
        || train.ema > 0.0
        || train.loss != Loss::CrossEntropy
        || train.label_smoothing > 0.0
    {
        with(&|case| {
            let train = &mut case.profile.train;
            (train.clip, train.ema, train.label_smoothing) = (0.0, 0.0, 0.0);
            train.loss = Loss::CrossEntropy;
        });
    }
    if !case.profile.model.unfreeze.is_empty() {
        with(&|case| case.profile.model.unfreeze.clear());
    }
    if !case.profile.model.freeze.is_empty() {
        with(&|case| {
            case.profile.model.freeze.clear();
            case.profile.model.unfreeze.clear();
        });
    }
    for size in [2, 4, train.batch_size / 2] {
        if size >= 2 && size < train.batch_size {
            with(&|case| {
                case.profile.train.batch_size = size;
                case.last = size.min(case.last).max(2);
            });
        }
    }
    if case.input.0 > 1 {
        with(&|case| (case.input.0, case.profile.data.channels) = (1, 1));
    }
    found
}

/// Lists of layers with one thing less.
fn fewer(layers: &[Layer]) -> Vec<Vec<Layer>> {
    let mut found = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let mut with = |put: Vec<Layer>| {
            found.push([&layers[..i], &put, &layers[i + 1..]].concat());
        };
        with(Vec::new());
        let mut bare = layer.clone();
        match &mut bare {
            Layer::Conv2d(Conv2d { activation, .. })
            | Layer::BatchNorm2d(BatchNorm2d { activation })
            | Layer::BatchNorm1d(BatchNorm1d { activation })
            | Layer::Linear(Linear { activation, .. })
            | Layer::Residual(Residual { activation, .. })
                if !activation.is_none() =>
            {
                *activation = Activation::None;
                with(vec![bare]);
            }
            _ => {}
        }
        if let Layer::Residual(Residual {
            layers: body,
            shortcut,
            activation,
        }) = layer
        {
            with(body.clone());
            let block = |layers, shortcut| {
                vec![Layer::Residual(Residual {
                    layers,
                    shortcut,
                    activation: *activation,
                })]
            };
            for body in fewer(body) {
                with(block(body, shortcut.clone()));
            }
            for shortcut in fewer(shortcut) {
                with(block(body.clone(), shortcut));
            }
        }
    }
    found
}

/// A source of choices.
struct Draw<R>(R);

impl<R: Rng> Draw<R> {
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn from(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last + 1 - first)
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn case(&mut self) -> Case {
        let input = (self.from(1, 4), self.from(3, 11), self.from(3, 11));
        let input = if self.once_in(3) {
            (1, input.1, input.2)
        } else {
            input
        };
        let mut profile = Profile::new("custom");
        profile.name = "random".into();
        profile.data.channels = if input.0 == 3 { 3 } else { 1 };
        profile.data.validation = 0.0;
        let map = Shape::Map {
            channels: input.0,
            height: input.1,
            width: input.2,
        };
        let length = self.from(1, 5);
        let (mut layers, shape) = self.chain(map, length, 2);
        let classes = self.end(&mut layers, shape);
        profile.model.layers = layers;
        profile.model.init = self.of(&[Init::Torch, Init::He, Init::Xavier]);
        let train = &mut profile.train;
        train.seed = self.0.next_u64() % 1000;
        train.device = "cpu".into();
        train.threads = 2;
        train.epochs = 2;
        train.batch_size = if self.once_in(4) {
            self.from(1, 70)
        } else {
            self.from(4, 40)
        };
        let last = self.from(1, train.batch_size);
        self.training(&mut profile);
        let mut case = Case {
            profile,
            input,
            classes,
            last,
            seed: self.0.next_u64() >> 1,
            new_head: self.once_in(3),
        };
        self.freeze(&mut case);
        case
    }

    fn training(&mut self, profile: &mut Profile) {
        let train = &mut profile.train;
        if self.once_in(4) {
            train.loss = Loss::Mse;
        } else if self.once_in(3) {
            train.label_smoothing = 0.1;
        }
        train.clip = self.of(&[0.0, 0.0, 0.1, 1e3]);
        train.ema = self.of(&[0.0, 0.0, 0.9]);
        let optimizer = &mut train.optimizer;
        optimizer.kind = self.of(&[
            OptimizerKind::Sgd,
            OptimizerKind::Sgd,
            OptimizerKind::Rmsprop,
            OptimizerKind::Adam,
            OptimizerKind::Adamw,
        ]);
        optimizer.learning_rate = self.of(&[1e-3, 1e-2]);
        optimizer.weight_decay = self.of(&[0.0, 1e-2]);
        optimizer.momentum = self.of(&[0.0, 0.9]);
        optimizer.nesterov = optimizer.momentum > 0.0 && self.once_in(2);
        // The usual 1e-8 makes rounding of what has no gradient as large as any other step.
        optimizer.epsilon = 1e-3;
    }

    /// Freezes something in one of three networks that can, and sets some of it free again.
    fn freeze(&mut self, case: &mut Case) {
        let Some(architecture) = case.architecture().filter(|_| self.once_in(3)) else {
            return;
        };
        let choices = freeze::choices(&architecture);
        if choices.is_empty() {
            return;
        }
        let at = self.below(choices.len());
        case.profile.model.freeze.clone_from(&choices[at]);
        if self.once_in(2) {
            let mut less = vec!["none".to_string()];
            less.extend(
                choices[..at]
                    .iter()
                    .filter(|name| *name != freeze::BACKBONE)
                    .cloned(),
            );
            let freeze = self.of(&less);
            case.profile.model.unfreeze = vec![Unfreeze { epoch: 2, freeze }];
        }
    }

    /// Puts an end to the layers; gives the number of classes.
    fn end(&mut self, layers: &mut Vec<Layer>, shape: Shape) -> usize {
        let elements = shape.elements();
        let fits = (2..=300).contains(&elements);
        // Ends without a linear layer.
        if fits && self.once_in(4) {
            if matches!(shape, Shape::Map { .. }) {
                layers.push(Layer::Flatten(Flatten {}));
            }
            return elements;
        }
        if let Shape::Map { channels, .. } = shape
            && channels > 1
            && self.once_in(6)
        {
            layers.push(Layer::GlobalAvgPool(GlobalAvgPool {}));
            return channels;
        }
        if matches!(shape, Shape::Map { .. }) {
            layers.push(Layer::Flatten(Flatten {}));
            if self.once_in(3) {
                layers.push(self.of(&[
                    Layer::Dropout(Dropout { p: 0.3 }),
                    Layer::BatchNorm1d(BatchNorm1d {
                        activation: Activation::None,
                    }),
                    Layer::Activation(Activate {
                        function: Activation::Tanh,
                    }),
                ]));
            }
        }
        let classes = if self.once_in(5) {
            self.from(2, 300)
        } else {
            self.from(2, 12)
        };
        layers.push(Layer::Linear(Linear {
            out_features: classes,
            bias: !self.once_in(4),
            activation: if self.once_in(8) {
                self.activation()
            } else {
                Activation::None
            },
        }));
        classes
    }

    /// Up to `length` layers on a shape, with blocks nested up to `depth` deep.
    fn chain(&mut self, mut shape: Shape, length: usize, depth: usize) -> (Vec<Layer>, Shape) {
        let mut layers = Vec::new();
        for _ in 0..length {
            let drawn = if depth > 0 && self.below(5) < 2 {
                self.block(shape, depth)
            } else {
                self.layer(shape)
            };
            let Some((layer, next)) = drawn else { continue };
            if next.elements() == 0 || next.elements() > MOST_NUMBERS {
                continue;
            }
            layers.push(layer);
            shape = next;
        }
        (layers, shape)
    }

    fn activation(&mut self) -> Activation {
        if self.once_in(3) {
            Activation::Relu
        } else {
            self.of(&Activation::ALL)
        }
    }

    fn layer(&mut self, shape: Shape) -> Option<(Layer, Shape)> {
        match shape {
            Shape::Map {
                channels,
                height,
                width,
            } => self.on_map((channels, height, width)),
            Shape::Flat(features) => self.on_vector(features),
        }
    }

    fn on_vector(&mut self, features: usize) -> Option<(Layer, Shape)> {
        let shape = Shape::Flat(features);
        Some(match self.below(6) {
            0 | 1 => {
                let out_features = self.from(1, 40);
                self.linear(features, out_features)?
            }
            2 => (
                Layer::BatchNorm1d(BatchNorm1d {
                    activation: self.activation(),
                }),
                shape,
            ),
            3 => (
                Layer::Dropout(Dropout {
                    p: self.of(&[0.0, 0.1, 0.5]),
                }),
                shape,
            ),
            4 => (Layer::Flatten(Flatten {}), shape),
            _ => (
                Layer::Activation(Activate {
                    function: self.activation(),
                }),
                shape,
            ),
        })
    }

    fn linear(&mut self, features: usize, out_features: usize) -> Option<(Layer, Shape)> {
        let (bias, activation) = (!self.once_in(3), self.activation());
        (features * out_features <= MOST_PARAMETERS).then_some((
            Layer::Linear(Linear {
                out_features,
                bias,
                activation,
            }),
            Shape::Flat(out_features),
        ))
    }

    fn on_map(
        &mut self,
        (channels, height, width): (usize, usize, usize),
    ) -> Option<(Layer, Shape)> {
        let same = Shape::Map {
            channels,
            height,
            width,
        };
        Some(match self.below(12) {
            0..=3 => {
                let out_channels = self.from(1, 9);
                let (kernel_size, stride) = (self.from(1, 5), self.of(&[1, 1, 1, 2, 3]));
                let padding = self.from(0, kernel_size / 2 + 1);
                self.conv(
                    (channels, height, width),
                    out_channels,
                    (kernel_size, stride, padding),
                )?
            }
            4 | 5 => self.pool((channels, height, width))?,
            6 => (
                Layer::BatchNorm2d(BatchNorm2d {
                    activation: self.activation(),
                }),
                same,
            ),
            7 => (
                Layer::Dropout(Dropout {
                    p: self.of(&[0.0, 0.1, 0.5]),
                }),
                same,
            ),
            8 => (
                Layer::Activation(Activate {
                    function: self.activation(),
                }),
                same,
            ),
            9 => (Layer::Flatten(Flatten {}), Shape::Flat(same.elements())),
            10 => {
                let (more, stride) = (2 * self.from(0, 2), self.from(1, 3));
                let out_channels = channels + more;
                let (height, width) = (height.div_ceil(stride), width.div_ceil(stride));
                let shape = Shape::Map {
                    channels: out_channels,
                    height,
                    width,
                };
                (
                    Layer::Subsample(Subsample {
                        out_channels,
                        stride,
                    }),
                    shape,
                )
            }
            _ if self.once_in(2) => (
                Layer::GlobalAvgPool(GlobalAvgPool {}),
                Shape::Flat(channels),
            ),
            _ => {
                let size = self.from(1, 4);
                let shape = Shape::Map {
                    channels,
                    height: size,
                    width: size,
                };
                (Layer::AdaptiveAvgPool2d(AdaptiveAvgPool2d { size }), shape)
            }
        })
    }

    fn pool(&mut self, (channels, height, width): (usize, usize, usize)) -> Option<(Layer, Shape)> {
        let kernel_size = self.from(1, 4);
        let stride = self.of(&[None, Some(1), Some(2), Some(3)]);
        let padding = self.from(0, kernel_size / 2);
        let over = |side| windows(side, kernel_size, stride.unwrap_or(kernel_size), padding);
        let shape = Shape::Map {
            channels,
            height: over(height)?,
            width: over(width)?,
        };
        let layer = if self.once_in(2) {
            Layer::MaxPool2d(MaxPool2d {
                kernel_size,
                stride,
                padding,
            })
        } else {
            Layer::AvgPool2d(AvgPool2d {
                kernel_size,
                stride,
                padding,
            })
        };
        Some((layer, shape))
    }

    fn conv(
        &mut self,
        (channels, height, width): (usize, usize, usize),
        out_channels: usize,
        (kernel_size, stride, padding): (usize, usize, usize),
    ) -> Option<(Layer, Shape)> {
        let over = |side| windows(side, kernel_size, stride, padding);
        let shape = Shape::Map {
            channels: out_channels,
            height: over(height)?,
            width: over(width)?,
        };
        let (bias, activation) = (!self.once_in(3), self.activation());
        let few = channels * out_channels * kernel_size * kernel_size <= MOST_PARAMETERS;
        few.then_some((
            Layer::Conv2d(Conv2d {
                out_channels,
                kernel_size,
                stride,
                padding,
                bias,
                activation,
            }),
            shape,
        ))
    }

    /// A residual block; its branches end alike.
    fn block(&mut self, shape: Shape, depth: usize) -> Option<(Layer, Shape)> {
        let activation = if self.once_in(2) {
            Activation::None
        } else {
            self.activation()
        };
        let (layers, shortcut, output) = match shape {
            Shape::Map {
                channels,
                height,
                width,
            } => match self.below(6) {
                0 | 1 => (self.branch(shape, depth), Vec::new(), shape),
                // Two convolutions of the same stride, or one and every so manieth pixel.
                2 => {
                    let (out, stride) = (channels + 2 * self.from(0, 2), self.from(1, 3));
                    let (conv, output) =
                        self.conv((channels, height, width), out, (3, stride, 1))?;
                    let mut layers = vec![conv];
                    layers.extend(self.branch(output, depth));
                    let mut shortcut = if self.once_in(2) {
                        vec![Layer::Subsample(Subsample {
                            out_channels: out,
                            stride,
                        })]
                    } else {
                        vec![self.conv((channels, height, width), out, (1, stride, 0))?.0]
                    };
                    if self.once_in(2) {
                        shortcut.push(Layer::BatchNorm2d(BatchNorm2d {
                            activation: Activation::None,
                        }));
                    }
                    (layers, shortcut, output)
                }
                // A flatten in one branch or in both.
                3 | 4 => {
                    let mut layers = self.branch(shape, depth);
                    layers.push(Layer::Flatten(Flatten {}));
                    let output = Shape::Flat(shape.elements());
                    layers.extend(self.branch(output, depth));
                    let mut shortcut = vec![Layer::Flatten(Flatten {})];
                    shortcut.extend(self.branch(output, depth));
                    (layers, shortcut, output)
                }
                _ => {
                    let mut layers = self.branch(shape, depth);
                    layers.push(Layer::GlobalAvgPool(GlobalAvgPool {}));
                    let linear = self.linear(shape.elements(), channels)?.0;
                    (
                        layers,
                        vec![Layer::Flatten(Flatten {}), linear],
                        Shape::Flat(channels),
                    )
                }
            },
            Shape::Flat(features) => match self.below(3) {
                0 | 1 => (self.branch(shape, depth), Vec::new(), shape),
                _ => {
                    let out = self.from(1, 20);
                    let (linear, output) = self.linear(features, out)?;
                    let mut layers = vec![linear];
                    layers.extend(self.branch(output, depth));
                    (layers, vec![self.linear(features, out)?.0], output)
                }
            },
        };
        let layers = if layers.is_empty() {
            vec![Layer::Activation(Activate {
                function: self.activation(),
            })]
        } else {
            layers
        };
        let (layers, shortcut) = if !shortcut.is_empty() && self.once_in(2) {
            (shortcut, layers)
        } else {
            (layers, shortcut)
        };
        Some((
            Layer::Residual(Residual {
                layers,
                shortcut,
                activation,
            }),
            output,
        ))
    }

    /// Layers that keep a shape; none is possible.
    fn branch(&mut self, shape: Shape, depth: usize) -> Vec<Layer> {
        let mut layers = Vec::new();
        for _ in 0..self.from(0, 2) {
            let drawn = match shape {
                _ if depth > 1 && self.once_in(3) => {
                    let activation = if self.once_in(2) {
                        Activation::None
                    } else {
                        self.activation()
                    };
                    let layers = self.branch(shape, depth - 1);
                    let shortcut = self.branch(shape, depth - 1);
                    (!layers.is_empty()).then_some(Layer::Residual(Residual {
                        layers,
                        shortcut,
                        activation,
                    }))
                }
                Shape::Map {
                    channels,
                    height,
                    width,
                } => match self.below(6) {
                    0..=2 => {
                        let half = self.from(0, 2);
                        let size = (channels, height, width);
                        self.conv(size, channels, (2 * half + 1, 1, half))
                            .map(|(layer, _)| layer)
                    }
                    3 => Some(Layer::BatchNorm2d(BatchNorm2d {
                        activation: self.activation(),
                    })),
                    4 => Some(Layer::Dropout(Dropout {
                        p: self.of(&[0.0, 0.1, 0.5]),
                    })),
                    _ => Some(Layer::Activation(Activate {
                        function: self.activation(),
                    })),
                },
                Shape::Flat(features) => match self.below(6) {
                    0..=2 => self.linear(features, features).map(|(layer, _)| layer),
                    3 => Some(Layer::BatchNorm1d(BatchNorm1d {
                        activation: self.activation(),
                    })),
                    4 => Some(Layer::Dropout(Dropout {
                        p: self.of(&[0.0, 0.1, 0.5]),
                    })),
                    _ => Some(Layer::Activation(Activate {
                        function: self.activation(),
                    })),
                },
            };
            layers.extend(drawn);
        }
        layers
    }
}

/// How often a window fits along a side, if it does.
fn windows(side: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
    Some((side + 2 * padding).checked_sub(kernel)? / stride + 1)
}

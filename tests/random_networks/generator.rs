//! Networks drawn at random: every layer kind and option, in neighbourhoods that presets do not have.
//!
//! Plain random layers rarely nest or flatten, so what has gone wrong before is drawn more often: residual blocks in
//! one another, flattens inside them and at the end, sums of a tensor with itself, norms on the input, frozen cuts.

use fmtui::layers::{
    Activate, Activation, BatchNorm1d, Dropout, Flatten, GlobalAvgPool, Layer, Linear, Shape,
};
use fmtui::model::{Architecture, freeze, resolve};
use fmtui::profile::{Channels, Init, Loss, OptimizerKind, Profile, Unfreeze};
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

use super::draw::{Draw, fitting};
use super::kinds::{self, Values, map};

/// A network, training, and the images that it is tried on.
#[derive(Clone)]
pub struct Case {
    pub profile: Profile,
    /// Channels, height, width.
    pub input: (usize, usize, usize),
    pub classes: usize,
    /// Images of the third batch, after two whole ones.
    pub last: usize,
    /// Of images and weights.
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
        let input = map(channels, height, width);
        let architecture = resolve(&self.profile.model, input, self.classes).ok()?;
        freeze::cut(&architecture, &self.profile.model.freeze).ok()?;
        for step in &self.profile.model.unfreeze {
            freeze::cut(&architecture, &step.freeze).ok()?;
        }
        (architecture.parameters() > 0).then_some(architecture)
    }

    /// Whether it can be a data set of the program's: grey images and labels of a byte.
    pub fn fits_files(&self) -> bool {
        matches!(self.input.0, 1 | 3) && self.classes <= 256
    }
}

/// Cases as one of [`any`] and [`around`] draws them.
#[derive(Clone, Copy, Debug)]
pub struct Networks(pub fn(&mut Draw) -> Option<Case>);

/// Draws that give no network, until it is said that there is none.
const FRUITLESS: usize = 10_000;

impl Strategy for Networks {
    type Tree = Tree;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut draw = Draw::new(runner.new_rng());
        let case = (0..FRUITLESS).find_map(|_| (self.0)(&mut draw));
        Ok(Tree {
            case: case.ok_or("no network was drawn")?,
            before: None,
            next: 0,
        })
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
        with(&|case| (case.input.0, case.profile.data.channels) = (1, Channels::Of(1)));
    }
    found
}

/// Lists of layers with one thing less.
pub fn fewer(layers: &[Layer]) -> Vec<Vec<Layer>> {
    let mut found = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let mut with = |put: &[Layer]| found.push([&layers[..i], put, &layers[i + 1..]].concat());
        with(&[]);
        if let Layer::Residual(block) = layer {
            with(&block.layers);
        }
        for simpler in kinds::simpler(layer) {
            with(&[simpler]);
        }
    }
    found
}

/// A network of any layers, if they are one.
pub fn any(draw: &mut Draw) -> Option<Case> {
    let (input, shape) = images(draw);
    let length = draw.from(1, 5);
    let (mut layers, shape) = chain(draw, shape, length);
    let classes = end(draw, &mut layers, shape);
    case(draw, input, layers, classes)
}

/// A small network around a layer of one kind; none where it does not go.
pub fn around<K: Values>(draw: &mut Draw) -> Option<Case> {
    let (input, mut shape) = images(draw);
    let mut layers: Vec<Layer> = Vec::new();
    if draw.once_in(2) {
        layers.push(Flatten {}.into());
        shape = Shape::Flat(shape.elements());
    }
    if draw.once_in(2) {
        let (before, output) = draw.layer(shape, false)?;
        layers.push(before);
        shape = output;
    }
    let keeping = draw.once_in(4);
    let (layer, output) = fitting(K::draw(draw, shape, keeping)?, shape)?;
    layers.extend([layer, Flatten {}.into()]);
    let (out_features, bias, activation) = (draw.from(2, 12), true, Activation::None);
    let last = Linear {
        out_features,
        bias,
        activation,
    };
    layers.push(fitting(last, Shape::Flat(output.elements()))?.0);
    let mut case = case(draw, input, layers, out_features)?;
    // A norm of single numbers needs two images.
    let train = &mut case.profile.train;
    (train.batch_size, case.last) = (train.batch_size.max(2), case.last.max(2));
    Some(case)
}

/// Channels, height and width of images.
fn images(draw: &mut Draw) -> ((usize, usize, usize), Shape) {
    let (channels, height, width) = (draw.from(1, 4), draw.from(3, 11), draw.from(3, 11));
    let channels = if draw.once_in(3) { 1 } else { channels };
    ((channels, height, width), map(channels, height, width))
}

/// The case of a network, with whatever training; none where the layers are no network.
fn case(
    draw: &mut Draw,
    input: (usize, usize, usize),
    layers: Vec<Layer>,
    classes: usize,
) -> Option<Case> {
    let mut profile = Profile::new("custom");
    profile.name = "random".into();
    profile.data.channels = Channels::Of(if input.0 == 3 { 3 } else { 1 });
    profile.data.validation = 0.0;
    profile.model.layers = layers;
    profile.model.init = draw.of(&[Init::Torch, Init::He, Init::Xavier]);
    let train = &mut profile.train;
    train.seed = draw.word() % 1000;
    train.device = "cpu".into();
    train.threads = 2;
    train.epochs = 2;
    train.batch_size = if draw.once_in(4) {
        draw.from(1, 70)
    } else {
        draw.from(4, 40)
    };
    let last = draw.from(1, train.batch_size);
    training(draw, &mut profile);
    let mut case = Case {
        profile,
        input,
        classes,
        last,
        seed: draw.word() >> 1,
        new_head: draw.once_in(3),
    };
    case.architecture()?;
    freeze(draw, &mut case);
    Some(case)
}

fn training(draw: &mut Draw, profile: &mut Profile) {
    let train = &mut profile.train;
    if draw.once_in(4) {
        train.loss = Loss::Mse;
    } else if draw.once_in(3) {
        train.label_smoothing = 0.1;
    }
    train.clip = draw.of(&[0.0, 0.0, 0.1, 1e3]);
    train.ema = draw.of(&[0.0, 0.0, 0.9]);
    let optimizer = &mut train.optimizer;
    optimizer.kind = draw.of(&[
        OptimizerKind::Sgd,
        OptimizerKind::Sgd,
        OptimizerKind::Rmsprop,
        OptimizerKind::Adam,
        OptimizerKind::Adamw,
    ]);
    optimizer.learning_rate = draw.of(&[1e-3, 1e-2]);
    optimizer.weight_decay = draw.of(&[0.0, 1e-2]);
    optimizer.momentum = draw.of(&[0.0, 0.9]);
    optimizer.nesterov = optimizer.momentum > 0.0 && draw.once_in(2);
    // The usual 1e-8 makes rounding of what has no gradient as large as any other step.
    optimizer.epsilon = 1e-3;
}

/// Freezes something in one of three networks that can, and sets some of it free again.
fn freeze(draw: &mut Draw, case: &mut Case) {
    let Some(architecture) = case.architecture().filter(|_| draw.once_in(3)) else {
        return;
    };
    let choices = freeze::choices(&architecture);
    if choices.is_empty() {
        return;
    }
    let at = draw.below(choices.len());
    case.profile.model.freeze.clone_from(&choices[at]);
    if draw.once_in(2) {
        let mut less = vec!["none".to_string()];
        less.extend(
            choices[..at]
                .iter()
                .filter(|name| *name != freeze::BACKBONE)
                .cloned(),
        );
        let freeze = draw.of(&less);
        case.profile.model.unfreeze = vec![Unfreeze { epoch: 2, freeze }];
    }
}

/// Puts an end to the layers; gives the number of classes.
fn end(draw: &mut Draw, layers: &mut Vec<Layer>, shape: Shape) -> usize {
    let elements = shape.elements();
    let fits = (2..=300).contains(&elements);
    // Ends without a linear layer.
    if fits && draw.once_in(4) {
        if matches!(shape, Shape::Map { .. }) {
            layers.push(Flatten {}.into());
        }
        return elements;
    }
    if let Shape::Map { channels, .. } = shape
        && channels > 1
        && draw.once_in(6)
    {
        layers.push(GlobalAvgPool {}.into());
        return channels;
    }
    if matches!(shape, Shape::Map { .. }) {
        layers.push(Flatten {}.into());
        if draw.once_in(3) {
            layers.push(draw.of(&[
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
    let classes = if draw.once_in(5) {
        draw.from(2, 300)
    } else {
        draw.from(2, 12)
    };
    layers.push(Layer::Linear(Linear {
        out_features: classes,
        bias: !draw.once_in(4),
        activation: if draw.once_in(8) {
            draw.activation()
        } else {
            Activation::None
        },
    }));
    classes
}

/// Up to `length` layers on a shape.
fn chain(draw: &mut Draw, mut shape: Shape, length: usize) -> (Vec<Layer>, Shape) {
    let mut layers = Vec::new();
    for _ in 0..length {
        if let Some((layer, output)) = draw.layer(shape, false) {
            layers.push(layer);
            shape = output;
        }
    }
    (layers, shape)
}

//! The profile: one TOML file that is a recipe before the run and the record after it.
//!
//! Plain data with defaults; [`parse`](Profile::parse) refuses unknown keys and names the nearest known one,
//! [`validate`](Profile::validate) bounds every number before anything is allocated. Knows no Candle and no terminal.

mod augment;
mod channels;
mod early_stop;
mod format;
mod kept;
pub(crate) mod normalization;
pub(crate) mod parse;
mod record;
pub(crate) mod settings;
mod standing;
mod trunk;
mod validate;

pub use augment::Augment;
pub use channels::{Channels, PerChannel};
pub use early_stop::{EarlyStop, Monitor};
pub use format::{FORMAT, current_key};
pub use parse::{LONGEST, parse_table};
pub use record::{EpochRecord, Intervention, ResultRecord, RunRecord, Status, known_against};
pub use standing::{Measured, Standing, Subset, Weights, gap, why_untested};
pub use trunk::{Fork, Stage};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog;
pub use crate::layers::Activation;
use crate::layers::{Layer, Shape};
use crate::text;
pub use kept::Kept;

/// A whole profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    #[serde(default = "format")]
    pub format: u32,
    /// A label for people; never a file name.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub data: Data,
    #[serde(default, skip_serializing_if = "Augment::is_none")]
    pub augment: Augment,
    pub model: Model,
    #[serde(default)]
    pub train: Train,
    /// Written by the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRecord>,
    /// Written when the run has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultRecord>,
    /// One entry per finished epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<EpochRecord>,
    /// What another version wrote into these three.
    #[serde(skip)]
    pub kept: Kept,
}

fn format() -> u32 {
    FORMAT
}

/// The environment variable with the number of threads of a recipe that names none.
pub const THREADS: &str = "FMTUI_THREADS";

/// As many threads as [`THREADS`] says, else as this process may use.
fn own_threads() -> usize {
    let named = std::env::var(THREADS).ok().and_then(|n| n.parse().ok());
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    named.filter(|n| *n > 0).unwrap_or_else(all)
}

/// `[data]`: which images, how they are split and what is done to them before the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// Data set: one of [`catalog::SETS`], or the name of one in a data directory (docs/data.md).
    pub name: String,
    /// Held out of the training set: a count (≥ 1) or a fraction (< 1); 0 holds out nothing and draws the test curve.
    pub validation: f64,
    /// Seed of every split.
    pub split_seed: u64,
    pub split: Split,
    /// Share of the pooled images that is tested on, with `split = "pooled"`.
    pub test_fraction: f64,
    /// Train on the first N images of each class only; 0 for all.
    pub per_class: usize,
    pub normalize: Normalize,
    /// Mean and standard deviation of pixels in 0–1, with `normalize = "given"`; with `"dataset"` those that were found
    /// when a run began, in its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<PerChannel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<PerChannel>,
    /// Side of the network's input in pixels; 0 keeps the data's.
    pub image_size: usize,
    /// How images come to that size. Left out of the file when `bilinear`.
    #[serde(skip_serializing_if = "Resizing::is_bilinear")]
    pub resize: Resizing,
    /// Side of the squares in which images of files of their own are kept decoded, with `resize = "antialias"`, where
    /// it is larger than `image_size`: augmentation has more to move in. **Units** pixels.
    #[serde(skip_serializing_if = "is_zero")]
    pub store_size: usize,
    /// What images that are not opaque are laid over.
    #[serde(skip_serializing_if = "Background::is_white")]
    pub background: Background,
    /// 1 makes colours grey, 3 repeats grey.
    pub channels: Channels,
    /// Which images are left out. Left out of the file when `auto`.
    #[serde(skip_serializing_if = "Exclude::is_auto")]
    pub exclude: Exclude,
    /// SHA-256 of the list of these images, recorded when the run starts; with another list, or none, it is refused.
    /// Empty: the whole set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclude_sha256: String,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            name: catalog::DEFAULT.into(),
            validation: 5000.0,
            split_seed: 42,
            split: Split::Standard,
            test_fraction: 0.2,
            per_class: 0,
            normalize: Normalize::Dataset,
            mean: None,
            std: None,
            image_size: 0,
            resize: Resizing::Bilinear,
            store_size: 0,
            background: Background::White,
            channels: Channels::Auto,
            exclude: Exclude::Auto,
            exclude_sha256: String::new(),
        }
    }
}

impl Data {
    /// **Shape** of what a network gets of images of these channels and this size in pixels.
    #[must_use]
    pub fn input(&self, [channels, height, width]: [usize; 3]) -> Shape {
        let (height, width) = match self.image_size {
            0 => (height, width),
            side => (side, side),
        };
        Shape::Map {
            channels: self.channels.of(channels),
            height,
            width,
        }
    }
}

/// Where the test set comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The data set's own train and test files.
    #[default]
    Standard,
    /// Both pooled, then split at random by `test_fraction` (the MLP study's way).
    Pooled,
}

/// Which images of a set are in no split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclude {
    /// Those on the set's list, where it has one.
    #[default]
    Auto,
    None,
}

impl Exclude {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// How an image gets another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resizing {
    /// Interpolated, half-pixel centres.
    #[default]
    Bilinear,
    /// Its shorter side scaled with antialiasing, then the square in the middle (torchvision's `Resize`, `CenterCrop`).
    Antialias,
    /// Kept, in the middle of black.
    Pad,
}

impl Resizing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_bilinear(&self) -> bool {
        *self == Self::Bilinear
    }
}

/// What shows through images that are not opaque.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    #[default]
    White,
    Grey,
    Black,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Background {
    /// The value of every channel.
    #[must_use]
    pub fn value(self) -> u8 {
        match self {
            Self::White => u8::MAX,
            Self::Grey => 128,
            Self::Black => 0,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_white(&self) -> bool {
        *self == Self::White
    }
}

/// What is done to pixel values (0–1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalize {
    /// (x − mean) / std of each channel with the set's published mean and std, else with those of the training set.
    #[default]
    Dataset,
    /// The same with `data.mean` and `data.std`.
    Given,
    /// The same with mean and std of the training set.
    Computed,
    /// Each pixel by its own mean and std over the training set (scikit-learn's `StandardScaler`).
    PerPixel,
    /// 0–1 as it is.
    Unit,
    /// Each of three channels by its own mean and deviation over ImageNet, as most pretrained networks expect it.
    Imagenet,
}

/// `[model]`: the architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// One of `model::architectures::names`, such as `mlp`, `lenet5`, `resnet18`, `vgg16-bn` or `custom`.
    pub architecture: String,
    /// Widths of the hidden layers, for `mlp` and `mlp-scratch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers, for `mlp` and `mlp-scratch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    #[serde(default)]
    pub init: Init,
    /// Weights to start from instead of fresh ones: a file (safetensors or PyTorch's), or `run:ID`. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pretrained: String,
    /// SHA-256 of that file, recorded when the run starts; another file is refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pretrained_sha256: String,
    /// Takes over the last layer too, where it has as many classes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_head: bool,
    /// Layers that keep their weights: `backbone` is all before the first linear layer, a stage's name (`layer2`) all
    /// up to its end. Empty or `none`: every layer is trained.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub freeze: String,
    /// From which epochs on less is frozen, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfreeze: Vec<Unfreeze>,
    /// How `resnet18`, `resnet34` and `resnet50` begin; left out: `imagenet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stem: Option<Stem>,
    /// How the VGGs end; left out: `mlp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// Share of its numbers that each dropout of the VGGs' `mlp` head silences; left out: 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// The layers of a `custom` network; the last must give one number per class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
}

/// `[[model.unfreeze]]`: what is frozen from an epoch on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// 1-based; at least 2.
    pub epoch: usize,
    /// As `model.freeze`.
    pub freeze: String,
}

/// A residual network's first layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// A 7×7 convolution of stride 2 and a max pooling: a quarter of the side is left.
    #[default]
    Imagenet,
    /// A 3×3 convolution that keeps the size, for small images.
    Cifar,
}

/// A VGG's last layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// torchvision's: two hidden layers of 4096 on a grid of 7×7 means; 120 million weights.
    #[default]
    Mlp,
    /// One linear layer on the means of the maps.
    Linear,
}

/// How weights start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// PyTorch's default for linear and convolution: kaiming-uniform with a = √5, that is U(±1/√fan_in), biases too.
    #[default]
    Torch,
    /// He et al. 2015: N(0, 2/fan_in), biases zero.
    He,
    /// Glorot and Bengio 2010: U(±√(6/(fan_in + fan_out))), biases zero.
    Xavier,
}

/// `[train]`: training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    pub epochs: usize,
    pub batch_size: usize,
    /// Seed of initial weights, shuffling and dropout.
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:1` or `metal`.
    pub device: String,
    /// Threads on the CPU; 0 takes all cores. The result does not depend on it.
    pub threads: usize,
    /// Which program computes a step on the CPU; they differ in rounding. Left out of the file when `auto`.
    #[serde(skip_serializing_if = "Backend::is_auto")]
    pub backend: Backend,
    /// What the planned step multiplies in on CUDA's GPUs; everything else is f32. Left out of the file when `f32`.
    #[serde(skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    pub loss: Loss,
    /// Share of the target spread evenly over all classes (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Largest norm of the whole gradient; 0 does not clip.
    pub clip: f64,
    /// Decay of an exponential moving average of the weights, which is then evaluated and saved; 0 keeps none.
    /// The first steps decay faster (`schedule::average_decay`).
    pub ema: f64,
    /// Epochs between checkpoints.
    pub checkpoint_every: usize,
    /// Whether the test set is read at the end; without it a run is known by its validation set. Left out of the file
    /// when true.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub test: bool,
    /// Whether the held-out images are evaluated after each epoch; without it nothing is until the end, where the test
    /// set is read once. Left out of the file when true.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub curve: bool,
    /// Factors on the learning rate by stage (`layer1 = 0.1`); `backbone` is all but the last layer. 1 where none is
    /// named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lr_multipliers: BTreeMap<String, f64>,
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    pub early_stop: EarlyStop,
}

impl Train {
    /// Threads on the CPU: as many as there are cores where none are asked for.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => own_threads(),
            threads => threads,
        }
    }
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 64,
            seed: 42,
            device: "auto".into(),
            threads: 0,
            backend: Backend::Auto,
            precision: Precision::F32,
            loss: Loss::CrossEntropy,
            label_smoothing: 0.0,
            clip: 0.0,
            ema: 0.0,
            checkpoint_every: 1,
            test: true,
            curve: true,
            lr_multipliers: BTreeMap::new(),
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            early_stop: EarlyStop::default(),
        }
    }
}

/// Of the operands of convolutions and linear layers on tensor cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// As exact as f32.
    #[default]
    F32,
    /// Rounded to 11 bits, as `PyTorch` does it for convolutions; sums are f32.
    Tf32,
}

impl Precision {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// The program that computes a step. `perceptron` and `mlp-scratch` have one of their own, whatever is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The planned step where it knows the device and every layer, else the graph.
    #[default]
    Auto,
    /// The planned step, or an error.
    Plan,
    /// Candle's graph and automatic differentiation.
    Graph,
}

impl Backend {
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// The loss that is minimised, a mean over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `torch.nn.CrossEntropyLoss(label_smoothing=…)`.
    #[default]
    CrossEntropy,
    /// `torch.nn.MSELoss()` between the outputs and the one-hot label.
    Mse,
}

/// `[train.optimizer]`; the settings a kind does not use are ignored by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimizer {
    pub kind: OptimizerKind,
    pub learning_rate: f64,
    /// Adam, AdamW.
    pub betas: [f64; 2],
    pub epsilon: f64,
    /// L2 as PyTorch does it: added to the gradient (sgd, rmsprop, adam) or decoupled (adamw).
    pub weight_decay: f64,
    /// SGD, RMSprop.
    pub momentum: f64,
    /// SGD.
    pub nesterov: bool,
    /// RMSprop's smoothing constant.
    pub alpha: f64,
}

impl Optimizer {
    /// Whether it keeps a first and a second number per parameter: a velocity or first moment, and the mean of squared
    /// gradients.
    #[must_use]
    pub fn keeps(&self) -> [bool; 2] {
        match self.kind {
            OptimizerKind::Sgd => [self.momentum != 0.0, false],
            OptimizerKind::Rmsprop => [self.momentum != 0.0, true],
            OptimizerKind::Adam | OptimizerKind::Adamw => [true, true],
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            nesterov: false,
            alpha: 0.99,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    Sgd,
    Rmsprop,
    #[default]
    Adam,
    Adamw,
}

/// `[train.schedule]`: learning rate schedule, as a factor of `optimizer.learning_rate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    pub kind: ScheduleKind,
    /// Epochs of linear warm-up from zero; for one-cycle its rising part (0 takes 30 % of the run).
    pub warmup_epochs: f64,
    /// Step: epochs between drops after the warm-up, at least one step.
    pub step_epochs: f64,
    /// Step: epochs of the drops, counted from the end of the warm-up, in place of one every `step_epochs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<f64>,
    /// Step: factor at each drop.
    pub gamma: f64,
    /// Cosine: the final share of the learning rate.
    pub final_factor: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::Constant,
            warmup_epochs: 0.0,
            step_epochs: 10.0,
            milestones: Vec::new(),
            gamma: 0.1,
            final_factor: 0.0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    #[default]
    Constant,
    Step,
    Cosine,
    OneCycle,
}

impl Model {
    /// What is frozen in an epoch (1-based), as `freeze` says it.
    #[must_use]
    pub fn freeze_in(&self, epoch: usize) -> &str {
        let thawed = self.unfreeze.iter().rfind(|u| u.epoch <= epoch);
        thawed.map_or(&self.freeze, |u| &u.freeze)
    }
}

impl Profile {
    /// What of the network learns from when on and how fast, for people; empty where all of it does alike.
    #[must_use]
    pub fn learning(&self) -> Vec<(&'static str, String)> {
        let stage = |freeze: &str| match freeze {
            "" | "none" => "nothing".into(),
            stage => text::sanitize(stage),
        };
        let mut lines = Vec::new();
        if !matches!(self.model.freeze.as_str(), "" | "none") {
            lines.push(("frozen", stage(&self.model.freeze)));
        }
        for step in &self.model.unfreeze {
            let what = stage(&step.freeze);
            lines.push(("then", format!("{what} from epoch {} on", step.epoch)));
        }
        for (stage, factor) in &self.train.lr_multipliers {
            let stage = text::sanitize(stage);
            lines.push(("rate", format!("{stage} at {factor} of the learning rate")));
        }
        lines
    }

    /// A profile of defaults around an architecture.
    #[must_use]
    pub fn new(architecture: &str) -> Self {
        Self {
            format: FORMAT,
            name: architecture.into(),
            data: Data::default(),
            augment: Augment::default(),
            model: Model {
                architecture: architecture.into(),
                hidden: Vec::new(),
                activation: None,
                init: Init::default(),
                pretrained: String::new(),
                pretrained_sha256: String::new(),
                keep_head: false,
                freeze: String::new(),
                unfreeze: Vec::new(),
                stem: None,
                head: None,
                dropout: None,
                layers: Vec::new(),
            },
            train: Train::default(),
            run: None,
            result: None,
            history: Vec::new(),
            kept: Kept::default(),
        }
    }

    /// The recipe alone: what was asked for, without what the run wrote.
    #[must_use]
    pub fn recipe(&self) -> Self {
        Self {
            run: None,
            result: None,
            history: Vec::new(),
            kept: Kept::default(),
            ..self.clone()
        }
    }
}

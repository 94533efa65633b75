//! The rows, in the order of the file. A setting is a field with its default (`profile`) and one of these.

use toml::Value;

use super::Setting;
use super::kind::{Bounds, Kind, bounds, real, required, text, whole};
use crate::layers;
use crate::profile::{Normalize, OptimizerKind, Profile, Resizing, ScheduleKind, Split};

/// The largest whole number that every reader of a recipe takes as it is.
const LARGEST: u64 = 1 << 53;

/// **Units** bytes, of the path of a file.
const LONGEST_PATH: usize = 4096;

/// The tables of a recipe, and what each is for.
pub(crate) const TABLES: [(&str, &str); 8] = [
    ("", "at the top"),
    ("data", "data set, split and preprocessing"),
    (
        "augment",
        "data augmentation, such as flip 0.5, shift 2, erase 0.25; off by default",
    ),
    ("model", "network and initial weights"),
    ("train", "training"),
    ("train.optimizer", "the optimizer"),
    ("train.schedule", "learning rate schedule"),
    ("train.early_stop", "early stopping"),
];

macro_rules! row {
    ($first:ident $(. $rest:ident)*, $kind:expr, $help:literal) => {
        Setting {
            key: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            kind: $kind,
            unit: "",
            help: $help,
            left_out: "",
            by_gradient: false,
            lenient: false,
            applies: |_| true,
            get: |profile| Value::try_from(&profile.$first $(. $rest)*).ok(),
            set: |profile, value| match value.try_into() {
                Ok(value) => {
                    profile.$first $(. $rest)* = value;
                    true
                }
                Err(_) => false,
            },
            copy: |from, to| to.$first $(. $rest)*.clone_from(&from.$first $(. $rest)*),
        }
    };
}

impl Setting {
    const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    const fn left_out(self, left_out: &'static str) -> Self {
        Self { left_out, ..self }
    }

    const fn by_gradient(self) -> Self {
        Self {
            by_gradient: true,
            ..self
        }
    }

    const fn when(self, applies: fn(&Profile) -> bool) -> Self {
        Self { applies, ..self }
    }

    /// As [`when`](Self::when); where a recipe does not use it, it may be out of its bounds.
    const fn only_when(self, applies: fn(&Profile) -> bool) -> Self {
        Self {
            applies,
            lenient: true,
            ..self
        }
    }
}

/// Every setting of a recipe.
pub(crate) static ALL: &[Setting] = &[
    row!(name, text(200), "display name"),
    row!(
        data.name,
        required(&[]),
        "the data set: a name under data/ or --data-dir"
    ),
    row!(
        data.validation,
        real(0.0, 1e9),
        "validation images: a count, a fraction below 1, or 0 to use the test set"
    ),
    row!(data.split_seed, whole(0, LARGEST), "seed of random splits"),
    row!(
        data.split,
        Kind::Choice(&["standard", "pooled"]),
        "the set's own test images, or all pooled and split at random"
    ),
    row!(
        data.test_fraction,
        Kind::Number(bounds(0.0, 1.0).above().below()),
        "test share of the pooled images; split = \"pooled\""
    )
    .only_when(|p| p.data.split == Split::Pooled),
    row!(
        data.per_class,
        whole(0, 100_000_000),
        "training images per class; 0 takes all"
    )
    .unit("images"),
    row!(
        data.normalize,
        Kind::Choice(&[
            "dataset",
            "given",
            "computed",
            "per-pixel",
            "unit",
            "imagenet"
        ]),
        "which mean and std: the set's, data.mean, computed, none (unit), ImageNet's"
    ),
    row!(
        data.mean,
        Kind::PerChannel(bounds(-1e3, 1e3)),
        "mean of pixels in 0–1, or one per channel; normalize = \"given\""
    )
    .left_out("the set's")
    .when(|p| p.data.normalize == Normalize::Given),
    row!(
        data.std,
        Kind::PerChannel(bounds(1e-6, 1e6)).log(),
        "standard deviation of pixels in 0–1, or one per channel; normalize = \"given\""
    )
    .left_out("the set's")
    .when(|p| p.data.normalize == Normalize::Given),
    row!(
        data.image_size,
        whole(0, 512),
        "side length that the network sees; 0 keeps the images' own"
    )
    .unit("pixels"),
    row!(
        data.resize,
        Kind::Choice(&["bilinear", "antialias", "pad"]),
        "how images get that size: stretched, scaled and centre-cropped, or padded"
    )
    .when(|p| p.data.image_size > 0),
    row!(
        data.store_size,
        whole(0, 1024),
        "side length in which image files are kept decoded; 0 is data.image_size"
    )
    .unit("pixels")
    .when(|p| p.data.resize == Resizing::Antialias),
    row!(
        data.background,
        Kind::Choice(&["white", "grey", "black"]),
        "what shows through images that are not opaque"
    ),
    row!(
        data.channels,
        Kind::Among(&["auto", "1", "3"]),
        "the images' own, 1 (greyscale) or 3 (grey is repeated)"
    ),
    row!(
        data.exclude,
        Kind::Choice(&["auto", "none"]),
        "leave out the images in data/NAME/excluded.tsv, or none"
    ),
    row!(
        data.exclude_sha256,
        text(200),
        "SHA-256 of that list, recorded when the run starts"
    )
    .left_out("none")
    .when(|p| !p.data.exclude_sha256.is_empty()),
    row!(
        augment.flip,
        real(0.0, 1.0),
        "probability of a horizontal flip"
    ),
    row!(
        augment.shift,
        whole(0, 512),
        "maximum shift in each direction; filled with black"
    )
    .unit("pixels"),
    row!(
        augment.rotate,
        real(0.0, 180.0),
        "maximum rotation, either way"
    )
    .unit("degrees"),
    row!(
        augment.erase,
        real(0.0, 1.0),
        "probability of random erasing (a black rectangle of 2 to 33 % of the image)"
    ),
    row!(
        model.architecture,
        required(&[]),
        "such as mlp, lenet5, resnet18, vgg16-bn or custom"
    ),
    row!(
        model.hidden,
        Kind::Numbers {
            least: 0,
            most: 64,
            each: Bounds {
                is_whole: true,
                ..bounds(1.0, WIDEST)
            }
        },
        "widths of the hidden layers, as 100, 50; mlp and mlp-scratch"
    )
    .unit("units"),
    row!(
        model.activation,
        Kind::Choice(&[
            "none",
            "relu",
            "leaky-relu",
            "gelu",
            "silu",
            "tanh",
            "sigmoid"
        ]),
        "activation of the hidden layers; mlp and mlp-scratch"
    )
    .left_out("relu"),
    row!(
        model.init,
        Kind::Choice(&["torch", "he", "xavier"]),
        "weight initialisation: PyTorch's, He or Xavier"
    )
    .by_gradient(),
    row!(
        model.pretrained,
        text(LONGEST_PATH),
        "file (.safetensors, .pth), run:ID or hf:OWNER/NAME; none: random weights"
    )
    .left_out("none")
    .by_gradient(),
    row!(
        model.pretrained_sha256,
        text(200),
        "SHA-256 of that file, recorded when the run starts"
    )
    .left_out("none")
    .by_gradient()
    .when(is_pretrained),
    row!(
        model.keep_head,
        Kind::YesNo,
        "keep the pretrained last layer, if it has as many classes"
    )
    .by_gradient()
    .when(is_pretrained),
    row!(
        model.freeze,
        text(200),
        "frozen layers: the backbone, or everything up to a stage"
    )
    .left_out("none")
    .by_gradient(),
    row!(
        model.unfreeze,
        Kind::Tables("epochs, each with what is frozen from then on"),
        "epochs at which layers are unfrozen: epoch and freeze of each"
    )
    .left_out("none")
    .by_gradient(),
    row!(
        model.stem,
        Kind::Choice(&["imagenet", "cifar"]),
        "stem of resnet18, 34 and 50: quarter or full resolution"
    )
    .left_out("imagenet"),
    row!(
        model.head,
        Kind::Choice(&["mlp", "linear"]),
        "VGG classifier: two hidden layers of 4096, or none"
    )
    .left_out("mlp"),
    row!(
        model.dropout,
        real(0.0, layers::Dropout::MOST),
        "dropout probability in the VGG mlp head"
    )
    .left_out("0.5"),
    row!(
        model.layers,
        Kind::Tables("layers"),
        "layers of a custom network; the last gives one logit per class"
    )
    .left_out("none"),
    row!(
        train.epochs,
        whole(1, 1_000_000),
        "passes over the training images"
    ),
    row!(train.batch_size, whole(1, 65_536).log(), "images per step").unit("images"),
    row!(
        train.seed,
        whole(0, LARGEST),
        "seed of initial weights, shuffling and dropout"
    ),
    row!(
        train.device,
        required(&["auto", "cpu", "cuda", "metal"]),
        "auto uses a GPU if there is one; cuda:1 is the second"
    ),
    row!(
        train.threads,
        whole(0, 1024),
        "CPU threads; 0 uses all cores; results do not depend on it"
    ),
    row!(
        train.backend,
        Kind::Choice(&["auto", "plan", "graph"]),
        "execution backend; the two differ in rounding; auto uses plan where possible"
    )
    .by_gradient(),
    row!(
        train.precision,
        Kind::Choice(&["f32", "tf32"]),
        "matrix precision of plan on CUDA; everything else is f32"
    )
    .by_gradient(),
    row!(
        train.loss,
        Kind::Choice(&["cross-entropy", "mse"]),
        "the loss that is minimised"
    )
    .by_gradient(),
    row!(train.label_smoothing, real(0.0, 0.999), "label smoothing").by_gradient(),
    row!(
        train.clip,
        real(0.0, 1e9),
        "maximum gradient norm; 0 turns clipping off"
    )
    .by_gradient(),
    row!(
        train.ema,
        real(0.0, 0.999_999),
        "decay of the weights' moving average (EMA), which is evaluated; 0 turns it off"
    )
    .by_gradient(),
    row!(
        train.checkpoint_every,
        whole(1, 1_000_000),
        "epochs between checkpoints"
    )
    .unit("epochs"),
    row!(
        train.test,
        Kind::YesNo,
        "false: no test scores, the test set is never read; needs data.validation"
    ),
    row!(
        train.curve,
        Kind::YesNo,
        "false: nothing is evaluated until the end; needs data.validation = 0"
    ),
    row!(
        train.lr_multipliers,
        Kind::Factors(bounds(0.0, 1e3).above()),
        "learning rate multipliers by stage; backbone is all but the last layer"
    )
    .left_out("none")
    .by_gradient(),
    row!(
        train.optimizer.kind,
        Kind::Choice(&["sgd", "rmsprop", "adam", "adamw"]),
        "the optimizer"
    )
    .by_gradient(),
    row!(
        train.optimizer.learning_rate,
        real(1e-12, 1e3).log(),
        "learning rate; can be changed while it trains"
    ),
    row!(
        train.optimizer.betas,
        Kind::Numbers {
            least: 2,
            most: 2,
            each: bounds(0.0, 0.999_999_9)
        },
        "decays of the two running means of the gradient; adam and adamw"
    )
    .by_gradient()
    .when(is_adam),
    row!(
        train.optimizer.epsilon,
        real(1e-30, 1.0).log(),
        "added to the denominator; all but sgd"
    )
    .by_gradient()
    .when(|p| p.train.optimizer.kind != OptimizerKind::Sgd),
    row!(
        train.optimizer.weight_decay,
        real(0.0, 1e3),
        "weight decay (L2), decoupled with adamw (of which PyTorch's default is 0.01)"
    )
    .by_gradient(),
    row!(
        train.optimizer.momentum,
        real(0.0, 0.999_999),
        "momentum; sgd and rmsprop"
    )
    .by_gradient()
    .when(|p| !is_adam(p)),
    row!(
        train.optimizer.nesterov,
        Kind::YesNo,
        "Nesterov momentum; sgd"
    )
    .by_gradient()
    .when(|p| p.train.optimizer.kind == OptimizerKind::Sgd),
    row!(
        train.optimizer.alpha,
        real(0.0, 0.999_999_9),
        "decay of the running mean of the squared gradient; rmsprop"
    )
    .by_gradient()
    .when(|p| p.train.optimizer.kind == OptimizerKind::Rmsprop),
    row!(
        train.schedule.kind,
        Kind::Choice(&["constant", "step", "cosine", "one-cycle"]),
        "learning rate schedule"
    )
    .by_gradient(),
    row!(
        train.schedule.warmup_epochs,
        real(0.0, 1e6),
        "epochs in which the learning rate rises from zero; one-cycle: 0 takes 30 %"
    )
    .unit("epochs")
    .by_gradient(),
    row!(
        train.schedule.step_epochs,
        real(1e-3, 1e6),
        "epochs between drops after the warm-up, at least one step; step"
    )
    .unit("epochs")
    .by_gradient()
    .only_when(is_stepped),
    row!(
        train.schedule.milestones,
        Kind::Numbers {
            least: 0,
            most: 64,
            each: bounds(1e-3, 1e6)
        },
        "epochs of drops after the warm-up, as 82, 123, in place of step_epochs; step"
    )
    .unit("epochs")
    .by_gradient()
    .only_when(is_stepped),
    row!(
        train.schedule.gamma,
        real(1e-6, 1.0).log(),
        "factor on the learning rate at each drop; step"
    )
    .by_gradient()
    .when(is_stepped),
    row!(
        train.schedule.final_factor,
        real(0.0, 1.0),
        "final learning rate as a fraction of the base rate; cosine"
    )
    .by_gradient()
    .when(|p| p.train.schedule.kind == ScheduleKind::Cosine),
    row!(
        train.early_stop.patience,
        whole(0, 1_000_000),
        "patience in epochs; 0 turns early stopping off"
    )
    .unit("epochs"),
    row!(
        train.early_stop.min_delta,
        real(0.0, 1e6),
        "minimum improvement"
    )
    .when(stops_early),
    row!(
        train.early_stop.monitor,
        Kind::Choice(&["validation-loss", "validation-accuracy", "train-loss"]),
        "the monitored metric"
    )
    .when(stops_early),
];

#[expect(clippy::cast_precision_loss, reason = "it is 2^20")]
const WIDEST: f64 = layers::WIDEST as f64;

fn is_pretrained(profile: &Profile) -> bool {
    !profile.model.pretrained.is_empty()
}

fn is_adam(profile: &Profile) -> bool {
    let kind = profile.train.optimizer.kind;
    matches!(kind, OptimizerKind::Adam | OptimizerKind::Adamw)
}

fn is_stepped(profile: &Profile) -> bool {
    profile.train.schedule.kind == ScheduleKind::Step
}

fn stops_early(profile: &Profile) -> bool {
    profile.train.early_stop.patience > 0
}

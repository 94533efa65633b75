//! The hyperparameters that can be edited on the screen: their names, values, choices and what a typed value does. Pure.

use crate::error::{Error, Result};
use crate::model::architectures::{self, Rule, rule, uses};
use crate::profile::{
    Activation, Augment, Init, Loss, Normalize, OptimizerKind, Profile, ScheduleKind,
};

/// One field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Dataset,
    ImageSize,
    Normalize,
    Validation,
    Augment,
    Epochs,
    BatchSize,
    Seed,
    Device,
    Threads,
    Optimizer,
    LearningRate,
    WeightDecay,
    Momentum,
    Schedule,
    Warmup,
    Patience,
    Loss,
    LabelSmoothing,
    Clip,
    Ema,
    Init,
    Hidden,
    Activation,
    Pretrained,
    Freeze,
}

/// Fields of the form.
pub const SHOWN: usize = 24;

use Field as F;

const OPTIMIZERS: [(&str, OptimizerKind); 4] = [
    ("sgd", OptimizerKind::Sgd),
    ("rmsprop", OptimizerKind::Rmsprop),
    ("adam", OptimizerKind::Adam),
    ("adamw", OptimizerKind::Adamw),
];
const SCHEDULES: [(&str, ScheduleKind); 4] = [
    ("constant", ScheduleKind::Constant),
    ("step", ScheduleKind::Step),
    ("cosine", ScheduleKind::Cosine),
    ("one-cycle", ScheduleKind::OneCycle),
];
const LOSSES: [(&str, Loss); 2] = [("cross-entropy", Loss::CrossEntropy), ("mse", Loss::Mse)];
const INITS: [(&str, Init); 3] = [
    ("torch", Init::Torch),
    ("he", Init::He),
    ("xavier", Init::Xavier),
];
const NORMALIZATIONS: [(&str, Normalize); 5] = [
    ("given", Normalize::Given),
    ("computed", Normalize::Computed),
    ("per-pixel", Normalize::PerPixel),
    ("unit", Normalize::Unit),
    ("imagenet", Normalize::Imagenet),
];
const DEVICES: [&str; 4] = ["auto", "cpu", "cuda", "metal"];

impl Field {
    /// Those of a recipe, in the order of the form, column by column: the last two are an MLP's layers, or where another
    /// network's weights come from.
    #[must_use]
    pub fn of(profile: &Profile) -> [Self; SHOWN] {
        let mut fields = Self::SHARED;
        if !is_mlp(profile) {
            fields[SHOWN - 2..].copy_from_slice(&[F::Pretrained, F::Freeze]);
        }
        fields
    }

    const SHARED: [Self; SHOWN] = [
        F::Dataset,
        F::ImageSize,
        F::Normalize,
        F::Validation,
        F::Augment,
        F::Epochs,
        F::BatchSize,
        F::Seed,
        F::Device,
        F::Threads,
        F::Optimizer,
        F::LearningRate,
        F::WeightDecay,
        F::Momentum,
        F::Schedule,
        F::Warmup,
        F::Patience,
        F::Loss,
        F::LabelSmoothing,
        F::Clip,
        F::Ema,
        F::Init,
        F::Hidden,
        F::Activation,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            F::Dataset => "data",
            F::ImageSize => "image size",
            F::Normalize => "normalize",
            F::Validation => "validation",
            F::Augment => "augment",
            F::Epochs => "epochs",
            F::BatchSize => "batch size",
            F::Seed => "seed",
            F::Device => "device",
            F::Threads => "threads",
            F::Optimizer => "optimizer",
            F::LearningRate => "learning rate",
            F::WeightDecay => "weight decay",
            F::Momentum => "momentum",
            F::Schedule => "schedule",
            F::Warmup => "warm-up",
            F::Patience => "patience",
            F::Loss => "loss",
            F::LabelSmoothing => "smoothing",
            F::Clip => "clip",
            F::Ema => "ema",
            F::Init => "init",
            F::Hidden => "hidden",
            F::Activation => "activation",
            F::Pretrained => "start from",
            F::Freeze => "freeze",
        }
    }

    /// What it means, in a line.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            F::Dataset => "the set of pictures",
            F::ImageSize => "side of the pictures that the network sees; 0 leaves them as they are",
            F::Normalize => {
                "by data.mean and std, the set's, each pixel's own, not at all, or ImageNet's"
            }
            F::Validation => {
                "held out of training: a count, a fraction below 1, or 0 to watch the test set"
            }
            F::Augment => "random changes in training, as flip 0.5, shift 2, rotate 10, erase 0.25",
            F::Epochs => "passes over the training pictures",
            F::BatchSize => "pictures per step",
            F::Seed => "of initial weights, order of pictures and dropout",
            F::Device => "auto takes a GPU where there is one",
            F::Threads => "on the CPU; 0 takes all cores; the result does not depend on it",
            F::Optimizer => "how a gradient becomes a step",
            F::LearningRate => "length of a step; can be changed while it trains",
            F::WeightDecay => "pull of the weights to zero (L2)",
            F::Momentum => "share of the last step that is kept; sgd and rmsprop",
            F::Schedule => "the learning rate over time",
            F::Warmup => "epochs in which the learning rate rises from zero",
            F::Patience => "epochs without improvement before it stops early; 0 never",
            F::Loss => "what is minimised",
            F::LabelSmoothing => "share of the target spread over all classes",
            F::Clip => "largest norm of the gradient; 0 does not clip",
            F::Ema => "decay of the averaged weights that are evaluated; 0 keeps none",
            F::Init => "how weights start: PyTorch's way, He, or Xavier",
            F::Hidden => "widths of the hidden layers, as 100, 50",
            F::Activation => "of the hidden layers",
            F::Pretrained => {
                "file (.safetensors, .pth, .th), run:ID or hf:OWNER/NAME; none starts fresh"
            }
            F::Freeze => "layers that keep their weights: the backbone, or all up to a stage's end",
        }
    }

    /// Whether the recipe uses it.
    #[must_use]
    pub fn applies(self, profile: &Profile) -> bool {
        let is_perceptron = rule(&profile.model.architecture) == Rule::Perceptron;
        match self {
            F::Hidden | F::Activation => is_mlp(profile),
            F::Momentum => {
                !is_perceptron
                    && matches!(
                        profile.train.optimizer.kind,
                        OptimizerKind::Sgd | OptimizerKind::Rmsprop
                    )
            }
            F::Optimizer
            | F::WeightDecay
            | F::Schedule
            | F::Warmup
            | F::Loss
            | F::LabelSmoothing
            | F::Clip
            | F::Ema
            | F::Init
            | F::Pretrained
            | F::Freeze => !is_perceptron,
            _ => true,
        }
    }

    /// The value as it is shown and typed.
    #[must_use]
    pub fn get(self, profile: &Profile) -> String {
        let train = &profile.train;
        match self {
            F::Dataset => profile.data.name.clone(),
            F::ImageSize => profile.data.image_size.to_string(),
            F::Normalize => name_in(&NORMALIZATIONS, profile.data.normalize),
            F::Validation => number(profile.data.validation),
            F::Augment => profile.augment.to_string(),
            F::Epochs => train.epochs.to_string(),
            F::BatchSize => train.batch_size.to_string(),
            F::Seed => train.seed.to_string(),
            F::Device => train.device.clone(),
            F::Threads => train.threads.to_string(),
            F::Optimizer => name_in(&OPTIMIZERS, train.optimizer.kind),
            F::LearningRate => number(train.optimizer.learning_rate),
            F::WeightDecay => number(train.optimizer.weight_decay),
            F::Momentum => number(train.optimizer.momentum),
            F::Schedule => name_in(&SCHEDULES, train.schedule.kind),
            F::Warmup => number(train.schedule.warmup_epochs),
            F::Patience => train.early_stop.patience.to_string(),
            F::Loss => name_in(&LOSSES, train.loss),
            F::LabelSmoothing => number(train.label_smoothing),
            F::Clip => number(train.clip),
            F::Ema => number(train.ema),
            F::Init => name_in(&INITS, profile.model.init),
            F::Hidden => {
                let widths: Vec<String> = profile
                    .model
                    .hidden
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                widths.join(", ")
            }
            F::Activation => profile
                .model
                .activation
                .map_or("relu", Activation::name)
                .into(),
            F::Pretrained => or_none(&profile.model.pretrained),
            F::Freeze => or_none(&profile.model.freeze),
        }
    }

    /// The values to cycle through; `None` for fields that are typed. `stages` are those that can be frozen.
    #[must_use]
    pub fn choices(self, sets: &[String], stages: &[String]) -> Option<Vec<String>> {
        fn names<T>(of: &[(&str, T)]) -> Vec<String> {
            of.iter().map(|(name, _)| (*name).to_owned()).collect()
        }
        Some(match self {
            F::Dataset => sets.to_vec(),
            F::Normalize => names(&NORMALIZATIONS),
            F::Freeze => ["none".to_owned()].iter().chain(stages).cloned().collect(),
            F::Device => DEVICES.map(str::to_owned).to_vec(),
            F::Optimizer => names(&OPTIMIZERS),
            F::Schedule => names(&SCHEDULES),
            F::Loss => names(&LOSSES),
            F::Init => names(&INITS),
            F::Activation => Activation::ALL.map(|a| a.name().to_owned()).to_vec(),
            _ => return None,
        })
    }

    /// Puts a typed or chosen value into the profile, unchecked but for its form.
    ///
    /// # Errors
    /// `Input` naming the field when the text is not such a value.
    pub fn set(self, profile: &mut Profile, text: &str) -> Result<()> {
        let text = text.trim();
        let train = &mut profile.train;
        match self {
            F::Dataset => text.clone_into(&mut profile.data.name),
            F::ImageSize => profile.data.image_size = self.whole(text)?,
            F::Normalize => profile.data.normalize = self.one_of(&NORMALIZATIONS, text)?,
            F::Validation => profile.data.validation = self.real(text)?,
            F::Augment => profile.augment = self.augment(text)?,
            F::Epochs => train.epochs = self.whole(text)?,
            F::BatchSize => train.batch_size = self.whole(text)?,
            F::Seed => train.seed = self.whole(text)?,
            F::Device => text.clone_into(&mut train.device),
            F::Threads => train.threads = self.whole(text)?,
            F::Optimizer => train.optimizer.kind = self.one_of(&OPTIMIZERS, text)?,
            F::LearningRate => train.optimizer.learning_rate = self.real(text)?,
            F::WeightDecay => train.optimizer.weight_decay = self.real(text)?,
            F::Momentum => train.optimizer.momentum = self.real(text)?,
            F::Schedule => train.schedule.kind = self.one_of(&SCHEDULES, text)?,
            F::Warmup => train.schedule.warmup_epochs = self.real(text)?,
            F::Patience => train.early_stop.patience = self.whole(text)?,
            F::Loss => train.loss = self.one_of(&LOSSES, text)?,
            F::LabelSmoothing => train.label_smoothing = self.real(text)?,
            F::Clip => train.clip = self.real(text)?,
            F::Ema => train.ema = self.real(text)?,
            F::Init => profile.model.init = self.one_of(&INITS, text)?,
            F::Hidden => {
                profile.model.hidden = text
                    .split([',', ' '])
                    .filter(|w| !w.is_empty())
                    .map(|w| self.whole(w))
                    .collect::<Result<_>>()?;
            }
            F::Activation => {
                let ways = Activation::ALL.map(|a| (a.name(), a));
                profile.model.activation = Some(self.one_of(&ways, text)?);
            }
            F::Pretrained => {
                profile.model.pretrained = but_none(text);
                profile.model.pretrained_sha256.clear();
            }
            F::Freeze => profile.model.freeze = but_none(text),
        }
        Ok(())
    }

    fn real(self, text: &str) -> Result<f64> {
        text.parse()
            .map_err(|_| self.refuse(text, "is not a number", "type one such as 0.001 or 1e-3"))
    }

    /// Reads names with numbers behind them; what is not named is not done.
    fn augment(self, text: &str) -> Result<Augment> {
        let remedy = "type none, or such as flip 0.5, shift 2, rotate 10, erase 0.25";
        let mut augment = Augment::default();
        let words: Vec<&str> = text.split([',', ' ']).filter(|w| !w.is_empty()).collect();
        if words == ["none"] {
            return Ok(augment);
        }
        for pair in words.chunks(2) {
            match *pair {
                ["flip", value] => augment.flip = self.real(value)?,
                ["shift", value] => augment.shift = self.whole(value)?,
                ["rotate", value] => augment.rotate = self.real(value)?,
                ["erase", value] => augment.erase = self.real(value)?,
                _ => return Err(self.refuse(text, "is no list of changes", remedy)),
            }
        }
        Ok(augment)
    }

    fn whole<T: std::str::FromStr>(self, text: &str) -> Result<T> {
        text.parse()
            .map_err(|_| self.refuse(text, "is not a whole number", "type one such as 20"))
    }

    fn one_of<T: Copy>(self, ways: &[(&str, T)], text: &str) -> Result<T> {
        let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
        ways.iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| self.refuse(text, "is unknown", &format!("choose {}", names.join(", "))))
    }

    fn refuse(self, text: &str, problem: &str, remedy: &str) -> Error {
        Error::input(format!("{}: «{text}»", self.name()), problem, remedy)
    }
}

fn is_mlp(profile: &Profile) -> bool {
    uses(&profile.model, architectures::Field::Hidden)
}

fn or_none(text: &str) -> String {
    if text.is_empty() {
        "none".into()
    } else {
        text.into()
    }
}

fn but_none(text: &str) -> String {
    if text == "none" {
        String::new()
    } else {
        text.into()
    }
}

fn name_in<T: Copy + PartialEq>(ways: &[(&str, T)], value: T) -> String {
    let found = ways.iter().find(|(_, v)| *v == value);
    found.map_or("–", |(name, _)| *name).into()
}

/// Short and exact: `0.9`, `5000`, `1e-3`.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_what_it_shows() {
        let sets = ["fashion-mnist".to_owned(), "fashion-mnist-mini".to_owned()];
        let mut profile = Profile::new("mlp");
        profile.model.hidden = vec![100, 50];
        profile.train.optimizer.learning_rate = 3e-4;
        let both = [Field::of(&profile), Field::of(&Profile::new("resnet18"))].concat();
        for field in both {
            assert!(field.help().chars().count() <= 78, "{field:?}");
            let before = profile.clone();
            let shown = field.get(&profile);
            field.set(&mut profile, &shown).unwrap();
            assert_eq!(field.get(&profile), shown);
            if field != Field::Activation {
                assert_eq!(profile, before, "{field:?}");
            }
            for choice in field
                .choices(&sets, &["backbone".into()])
                .into_iter()
                .flatten()
            {
                field.set(&mut profile, &choice).unwrap();
                assert_eq!(field.get(&profile), choice);
            }
            profile = before;
        }
    }

    #[test]
    fn typed_values_take_effect() {
        let mut profile = Profile::new("mlp");
        Field::LearningRate.set(&mut profile, " 5e-2 ").unwrap();
        Field::Hidden.set(&mut profile, "20, 50 20").unwrap();
        let changes = "flip 0.5, shift 2, erase 0.25";
        Field::Augment.set(&mut profile, changes).unwrap();
        assert_eq!(Field::Augment.get(&profile), changes);
        assert_eq!((profile.augment.shift, profile.augment.rotate), (2, 0.0));
        assert!((profile.train.optimizer.learning_rate - 0.05).abs() < 1e-12);
        assert_eq!(profile.model.hidden, [20, 50, 20]);
        assert_eq!(Field::Hidden.get(&profile), "20, 50, 20");
    }

    #[test]
    fn refusals_name_the_field_and_a_remedy() {
        let mut profile = Profile::new("mlp");
        for (field, text) in [
            (Field::Epochs, "many"),
            (Field::LearningRate, ""),
            (Field::Optimizer, "adagrad"),
            (Field::Hidden, "20,x"),
            (Field::Seed, "-1"),
            (Field::Augment, "mirror 0.5"),
            (Field::Augment, "flip"),
            (Field::Augment, "shift 0.5"),
        ] {
            let refused = field.set(&mut profile, text).unwrap_err().to_string();
            assert!(refused.starts_with(field.name()), "{refused}");
        }
        assert_eq!(profile, Profile::new("mlp"));
    }
}

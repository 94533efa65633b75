//! The hyperparameters that can be edited on the screen: settings of the recipe, and `[augment]` as one. Pure.

use crate::error::{Error, Result};
use crate::model::architectures::{self, uses};
use crate::profile::Profile;
use crate::profile::settings::{self, Setting};

/// One field of the form: a setting, or all that differ from their defaults of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Of the setting or the table.
    pub key: &'static str,
    /// In the form.
    pub name: &'static str,
}

/// Fields of the form.
pub(super) const SHOWN: usize = 24;

pub(super) const DATASET: Field = Field::new("data.name", "data");
pub(super) const PRETRAINED: Field = Field::new("model.pretrained", "init. from");
pub(super) const VALIDATION: Field = Field::new("data.validation", "validation");
const FREEZE: Field = Field::new("model.freeze", "freeze");

/// Column by column. The last two are an MLP's layers.
const FORM: [Field; SHOWN] = [
    DATASET,
    Field::new("data.image_size", "image size"),
    Field::new("data.normalize", "normalize"),
    VALIDATION,
    Field::new("augment", "augment"),
    Field::new("train.epochs", "epochs"),
    Field::new("train.batch_size", "batch size"),
    Field::new("train.seed", "seed"),
    Field::new("train.device", "device"),
    Field::new("train.threads", "threads"),
    Field::new("train.optimizer.kind", "optimizer"),
    Field::new("train.optimizer.learning_rate", "learning rate"),
    Field::new("train.optimizer.weight_decay", "weight decay"),
    Field::new("train.optimizer.momentum", "momentum"),
    Field::new("train.schedule.kind", "schedule"),
    Field::new("train.schedule.warmup_epochs", "warm-up"),
    Field::new("train.early_stop.patience", "patience"),
    Field::new("train.loss", "loss"),
    Field::new("train.label_smoothing", "smoothing"),
    Field::new("train.clip", "clip"),
    Field::new("train.ema", "ema"),
    Field::new("model.init", "init"),
    Field::new("model.hidden", "hidden"),
    Field::new("model.activation", "activation"),
];

impl Field {
    const fn new(key: &'static str, name: &'static str) -> Self {
        Self { key, name }
    }

    #[cfg(test)]
    pub(super) fn named(name: &str) -> Self {
        let all = FORM.into_iter().chain([PRETRAINED, FREEZE]);
        all.into_iter().find(|field| field.name == name).unwrap()
    }

    /// Those of a recipe: where it is no MLP's, the last two are where its weights come from.
    #[must_use]
    pub(super) fn of(profile: &Profile) -> [Self; SHOWN] {
        let mut fields = FORM;
        if !uses(&profile.model, architectures::Field::Hidden) {
            fields[SHOWN - 2..].copy_from_slice(&[PRETRAINED, FREEZE]);
        }
        fields
    }

    /// The setting; of a field that is a table, none.
    fn setting(self) -> Option<&'static Setting> {
        settings::find(self.key)
    }

    fn settings(self) -> impl Iterator<Item = &'static Setting> {
        self.setting()
            .into_iter()
            .chain(settings::of_table(self.key))
    }

    /// What it means, in a line.
    #[must_use]
    pub(super) fn help(self) -> &'static str {
        let table = || settings::TABLES.iter().find(|(key, _)| *key == self.key);
        match self.setting() {
            Some(setting) => setting.help,
            None => table().map_or("", |(_, help)| help),
        }
    }

    /// Whether the recipe uses it.
    #[must_use]
    pub(super) fn applies(self, profile: &Profile) -> bool {
        self.settings()
            .any(|setting| architectures::applies(setting, profile))
    }

    /// The value as it is shown and typed: of a table such as `flip 0.5, shift 2`.
    #[must_use]
    pub(super) fn get(self, profile: &Profile) -> String {
        if let Some(setting) = self.setting() {
            return setting.show(profile);
        }
        let usual = Profile::new("");
        let set = self.settings().filter_map(|setting| {
            let value = setting.show(profile);
            (value != setting.show(&usual)).then(|| format!("{} {value}", setting.name()))
        });
        let words: Vec<String> = set.collect();
        if words.is_empty() {
            return "none".into();
        }
        words.join(", ")
    }

    /// The values to cycle through; `None` for fields that are typed. `stages` are those that can be frozen.
    #[must_use]
    pub(super) fn choices(self, sets: &[String], stages: &[String]) -> Option<Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        match self.key {
            "data.name" => Some(sets.to_vec()),
            "model.freeze" => Some(["none".to_owned()].iter().chain(stages).cloned().collect()),
            _ => {
                let choices = self.setting()?.kind.choices();
                (!choices.is_empty()).then(|| owned(choices))
            }
        }
    }

    /// Puts a typed or chosen value into the profile.
    ///
    /// # Errors
    /// `Input` naming the setting and what it takes, when the text is no such value.
    pub(super) fn set(self, profile: &mut Profile, text: &str) -> Result<()> {
        let Some(setting) = self.setting() else {
            return self.set_table(profile, text);
        };
        setting.put(profile, setting.read(text)?)?;
        if self == PRETRAINED {
            profile.model.pretrained_sha256.clear();
        } else if self.key.starts_with("data.") {
            profile.data.forget_figures();
            if self.key == "data.exclude" {
                profile.data.exclude_sha256.clear();
            }
        }
        Ok(())
    }

    /// Reads names with numbers behind them; what is not named gets its default.
    fn set_table(self, profile: &mut Profile, text: &str) -> Result<()> {
        let mut changed = profile.clone();
        self.copy(&Profile::new(""), &mut changed);
        let words: Vec<&str> = text.split([',', ' ']).filter(|w| !w.is_empty()).collect();
        let pairs = words.chunks(2).filter(|_| words != ["none"]);
        for pair in pairs {
            let find = |name| self.settings().find(|setting| setting.name() == name);
            let (Some(setting), [_, value]) = (find(pair[0]), pair) else {
                let names: Vec<&str> = self.settings().map(Setting::name).collect();
                let problem = match find(pair[0]) {
                    Some(_) => format!("`{}` has no number", pair[0]),
                    None => format!("`{}` is none of {}", pair[0], names.join(", ")),
                };
                let remedy = format!("type such as {} 0.5, or none", names[0]);
                return Err(Error::input(self.key, problem, remedy));
            };
            setting.put(&mut changed, setting.read(value)?)?;
        }
        *profile = changed;
        Ok(())
    }

    /// Gives one recipe the value of another.
    pub(super) fn copy(self, from: &Profile, to: &mut Profile) {
        for setting in self.settings() {
            setting.copy(from, to);
        }
        if self == PRETRAINED {
            let sha256 = &mut to.model.pretrained_sha256;
            sha256.clone_from(&from.model.pretrained_sha256);
        }
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
            if shown == "the set's" {
                // Nothing that could be typed.
                continue;
            }
            field.set(&mut profile, &shown).unwrap();
            assert_eq!(field.get(&profile), shown);
            if field.name != "activation" {
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
        Field::named("learning rate")
            .set(&mut profile, " 5e-2 ")
            .unwrap();
        Field::named("hidden")
            .set(&mut profile, "20, 50 20")
            .unwrap();
        let changes = "flip 0.5, shift 2, erase 0.25";
        Field::named("augment").set(&mut profile, changes).unwrap();
        assert_eq!(Field::named("augment").get(&profile), changes);
        assert_eq!((profile.augment.shift, profile.augment.rotate), (2, 0.0));
        assert!((profile.train.optimizer.learning_rate - 0.05).abs() < 1e-12);
        assert_eq!(profile.model.hidden, [20, 50, 20]);
        assert_eq!(Field::named("hidden").get(&profile), "20, 50, 20");
    }

    #[test]
    fn refusals_name_the_field_and_a_remedy() {
        let mut profile = Profile::new("mlp");
        for (field, text) in [
            (Field::named("epochs"), "many"),
            (Field::named("learning rate"), ""),
            (Field::named("optimizer"), "adagrad"),
            (Field::named("hidden"), "20,x"),
            (Field::named("seed"), "-1"),
            (Field::named("augment"), "mirror 0.5"),
            (Field::named("augment"), "flip"),
            (Field::named("augment"), "shift 0.5"),
        ] {
            let refused = field.set(&mut profile, text).unwrap_err().to_string();
            assert!(refused.starts_with(field.key), "{refused}");
        }
        assert_eq!(profile, Profile::new("mlp"));
    }
}

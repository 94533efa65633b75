//! Bounds: every number of a profile is finite and in range before anything is allocated for it.

use std::fmt::Display;

use super::{FORMAT, Init, Profile, ScheduleKind, Split, format};
use crate::error::{Error, Result};
use crate::layers;

/// **Units** bytes, of the path of a file.
const LONGEST_PATH: usize = 4096;

impl Profile {
    /// Checks every field's range.
    ///
    /// # Errors
    /// `Input` naming the field and the allowed range.
    pub fn validate(&self) -> Result<()> {
        if self.format != FORMAT {
            return Err(format::refused(&self.format));
        }
        self.validate_settings()
    }

    /// Checks every field's range, of whatever format the profile is.
    pub(super) fn validate_settings(&self) -> Result<()> {
        text("name", &self.name, 0)?;
        self.validate_data()?;
        let augment = &self.augment;
        within("augment.flip", augment.flip, 0.0, 1.0)?;
        within("augment.shift", augment.shift, 0, 512)?;
        within("augment.rotate", augment.rotate, 0.0, 180.0)?;
        within("augment.erase", augment.erase, 0.0, 1.0)?;
        self.validate_model()?;
        self.validate_train()
    }

    fn validate_data(&self) -> Result<()> {
        let data = &self.data;
        text("data.name", &data.name, 1)?;
        if data.name.contains(['/', '\\', '\0']) || data.name.starts_with('.') {
            return Err(Error::input(
                "data.name",
                "is a path",
                "give the name of a data set and its place with --data-dir",
            ));
        }
        within("data.validation", data.validation, 0.0, 1e9)?;
        if data.validation >= 1.0 && data.validation.fract() != 0.0 {
            return Err(Error::input(
                "data.validation",
                format!("is {}", data.validation),
                "give a whole number of pictures, or a fraction below 1",
            ));
        }
        if data.split == Split::Pooled {
            open("data.test_fraction", data.test_fraction)?;
        }
        within("data.per_class", data.per_class, 0, 100_000_000)?;
        within("data.mean", data.mean, -1e3, 1e3)?;
        within("data.std", data.std, 1e-6, 1e6)?;
        within("data.image_size", data.image_size, 0, 512)?;
        if !matches!(data.channels, 1 | 3) {
            return Err(Error::input(
                "data.channels",
                format!("is {}", data.channels),
                "give 1 or 3",
            ));
        }
        Ok(())
    }

    fn validate_model(&self) -> Result<()> {
        let model = &self.model;
        text("model.architecture", &model.architecture, 1)?;
        within("model.hidden (number of layers)", model.hidden.len(), 0, 64)?;
        for (i, width) in model.hidden.iter().enumerate() {
            within(&format!("model.hidden[{i}]"), *width, 1, layers::WIDEST)?;
        }
        if model.init != Init::Torch && model.architecture == "perceptron" {
            return Err(Error::input(
                "model.init",
                "a perceptron starts from zero",
                "leave model.init out",
            ));
        }
        layers::check("model.layers", &model.layers)
    }

    fn validate_train(&self) -> Result<()> {
        let train = &self.train;
        within("train.epochs", train.epochs, 1, 1_000_000)?;
        within("train.batch_size", train.batch_size, 1, 65_536)?;
        text("train.device", &train.device, 1)?;
        within("train.threads", train.threads, 0, 1024)?;
        within("train.label_smoothing", train.label_smoothing, 0.0, 0.999)?;
        within("train.clip", train.clip, 0.0, 1e9)?;
        within("train.ema", train.ema, 0.0, 0.999_999)?;
        within(
            "train.checkpoint_every",
            train.checkpoint_every,
            1,
            1_000_000,
        )?;
        let optimizer = &train.optimizer;
        within(
            "train.optimizer.learning_rate",
            optimizer.learning_rate,
            1e-12,
            1e3,
        )?;
        within(
            "train.optimizer.betas[0]",
            optimizer.betas[0],
            0.0,
            0.999_999_9,
        )?;
        within(
            "train.optimizer.betas[1]",
            optimizer.betas[1],
            0.0,
            0.999_999_9,
        )?;
        within("train.optimizer.epsilon", optimizer.epsilon, 1e-30, 1.0)?;
        within(
            "train.optimizer.weight_decay",
            optimizer.weight_decay,
            0.0,
            1e3,
        )?;
        within(
            "train.optimizer.momentum",
            optimizer.momentum,
            0.0,
            0.999_999,
        )?;
        within("train.optimizer.alpha", optimizer.alpha, 0.0, 0.999_999_9)?;
        if optimizer.nesterov && optimizer.momentum == 0.0 {
            return Err(Error::input(
                "train.optimizer.nesterov",
                "needs a momentum",
                "set train.optimizer.momentum, such as 0.9",
            ));
        }
        self.validate_start()?;
        let schedule = &train.schedule;
        #[expect(clippy::cast_precision_loss, reason = "at most a million epochs")]
        within(
            "train.schedule.warmup_epochs",
            schedule.warmup_epochs,
            0.0,
            train.epochs as f64,
        )?;
        if schedule.kind == ScheduleKind::Step {
            within(
                "train.schedule.step_epochs",
                schedule.step_epochs,
                1e-3,
                1e6,
            )?;
        }
        within("train.schedule.gamma", schedule.gamma, 1e-6, 1.0)?;
        within(
            "train.schedule.final_factor",
            schedule.final_factor,
            0.0,
            1.0,
        )?;
        within(
            "train.early_stop.patience",
            train.early_stop.patience,
            0,
            1_000_000,
        )?;
        within(
            "train.early_stop.min_delta",
            train.early_stop.min_delta,
            0.0,
            1e6,
        )
    }
}

impl Profile {
    /// What a network begins with, what of it is trained when, and how fast.
    fn validate_start(&self) -> Result<()> {
        path("model.pretrained", &self.model.pretrained)?;
        text("model.pretrained_sha256", &self.model.pretrained_sha256, 0)?;
        text("model.freeze", &self.model.freeze, 0)?;
        self.validate_unfreeze()?;
        within(
            "train.lr_multipliers (number of stages)",
            self.train.lr_multipliers.len(),
            0,
            1000,
        )?;
        for (stage, factor) in &self.train.lr_multipliers {
            text("train.lr_multipliers", stage, 1)?;
            let name = format!("train.lr_multipliers.{stage}");
            if *factor == 0.0 {
                let remedy = "keep its weights with model.freeze, or give a factor above 0";
                return Err(Error::input(name, "is 0", remedy));
            }
            within(&name, *factor, 0.0, 1e3)?;
        }
        if let Some(p) = self.model.dropout {
            within("model.dropout", p, 0.0, layers::Dropout::MOST)?;
        }
        Ok(())
    }

    fn validate_unfreeze(&self) -> Result<()> {
        let steps = &self.model.unfreeze;
        within("model.unfreeze (number of epochs)", steps.len(), 0, 1000)?;
        let mut earliest = 2;
        for (i, step) in steps.iter().enumerate() {
            let name = format!("model.unfreeze[{i}]");
            within(&format!("{name}.epoch"), step.epoch, earliest, 1_000_000)?;
            text(&format!("{name}.freeze"), &step.freeze, 1)?;
            earliest = step.epoch + 1;
        }
        Ok(())
    }
}

/// NaN is never within.
fn within<T: PartialOrd + Display + Copy>(field: &str, value: T, low: T, high: T) -> Result<()> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(Error::input(
        field,
        format!("is {value}"),
        format!("give a number from {low} to {high}"),
    ))
}

fn open(field: &str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(Error::input(
        field,
        format!("is {value}"),
        "give a number between 0 and 1",
    ))
}

fn path(field: &str, value: &str) -> Result<()> {
    if crate::text::is_harmless(value) && value.len() <= LONGEST_PATH {
        return Ok(());
    }
    Err(Error::input(
        field,
        format!("has control characters or is longer than {LONGEST_PATH} bytes"),
        "give a plain path",
    ))
}

fn text(field: &str, value: &str, shortest: usize) -> Result<()> {
    let clean = crate::text::sanitize(value);
    if clean != value || value.len() > 200 {
        return Err(Error::input(
            field,
            "has control characters or is longer than 200 bytes",
            "give plain text",
        ));
    }
    if value.chars().count() < shortest {
        return Err(Error::input(field, "is empty", "give it a value"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Dropout, Layer};

    fn refused(change: impl Fn(&mut Profile)) -> String {
        let mut profile = Profile::new("lenet5");
        assert!(profile.validate().is_ok());
        change(&mut profile);
        profile.validate().unwrap_err().to_string()
    }

    #[test]
    fn every_number_has_a_range() {
        assert_eq!(
            refused(|p| p.train.batch_size = 0),
            "train.batch_size: is 0; give a number from 1 to 65536"
        );
        for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            assert!(refused(|p| p.train.optimizer.learning_rate = bad).contains("learning_rate"));
        }
        assert!(refused(|p| p.train.epochs = usize::MAX).contains("train.epochs"));
        assert!(refused(|p| p.model.hidden = vec![1_000_000_000_000]).contains("model.hidden[0]"));
        assert!(refused(|p| p.data.validation = 10.5).contains("whole number"));
        assert!(
            refused(|p| p.model.layers = vec![Layer::Dropout(Dropout { p: 1.0 })])
                .contains("layers[0].p")
        );
    }

    #[test]
    fn names_are_labels() {
        for name in ["../x", "/etc/x", ".", "a\0b"] {
            assert!(refused(|p| p.data.name = name.into()).contains("data.name"));
        }
        assert!(refused(|p| p.name = "x".repeat(300)).contains("name"));
        assert!(refused(|p| p.name = "a\nb".into()).contains("name"));
    }
}

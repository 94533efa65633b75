//! Bounds: every setting is in its range (`settings`), and settings do not contradict one another, before anything is
//! allocated for them.

use super::settings::{self, whole};
use super::{FORMAT, Init, Profile, format};
use crate::error::{Error, Result};
use crate::layers;

impl Profile {
    /// Checks every setting's range, and the rules between settings.
    ///
    /// # Errors
    /// `Input` naming the field and the allowed range.
    pub fn validate(&self) -> Result<()> {
        if self.format != FORMAT {
            return Err(format::refused(&self.format));
        }
        self.validate_settings()
    }

    /// Checks all but the format.
    pub(super) fn validate_settings(&self) -> Result<()> {
        for setting in settings::ALL {
            setting.validate(self)?;
        }
        self.validate_data()?;
        self.validate_model()?;
        self.validate_unfreeze()?;
        self.validate_train()
    }

    fn validate_data(&self) -> Result<()> {
        let data = &self.data;
        if data.name.contains(['/', '\\', '\0']) || data.name.starts_with('.') {
            return Err(Error::input(
                "data.name",
                "is a path",
                "give the name of a data set and its place with --data-dir",
            ));
        }
        if data.validation >= 1.0 && data.validation.fract() != 0.0 {
            return Err(Error::input(
                "data.validation",
                format!("is {}", data.validation),
                "give a whole number of images, or a fraction below 1",
            ));
        }
        Ok(())
    }

    fn validate_model(&self) -> Result<()> {
        let model = &self.model;
        if model.init != Init::Torch && model.architecture == "perceptron" {
            return Err(Error::input(
                "model.init",
                "a perceptron starts from zero",
                "leave model.init out",
            ));
        }
        layers::check("model.layers", &model.layers)
    }

    fn validate_unfreeze(&self) -> Result<()> {
        let steps = &self.model.unfreeze;
        let number = |key: &str, number: usize, low, high| whole(low, high).holds(key, number);
        number("model.unfreeze (number of epochs)", steps.len(), 0, 1000)?;
        let mut earliest = 2;
        for (i, step) in steps.iter().enumerate() {
            let key = format!("model.unfreeze[{i}]");
            number(&format!("{key}.epoch"), step.epoch, earliest, 1_000_000)?;
            settings::required(&[]).holds(&format!("{key}.freeze"), &step.freeze)?;
            earliest = step.epoch as u64 + 1;
        }
        Ok(())
    }

    fn validate_train(&self) -> Result<()> {
        let train = &self.train;
        if !train.test && self.curve_is_test() {
            return Err(Error::input(
                "train.test",
                "is false, and with data.validation = 0 every epoch is measured on the test set",
                "set data.validation, such as 0.1, or leave train.test out",
            ));
        }
        if !train.curve && !self.curve_is_test() {
            return Err(Error::input(
                "train.curve",
                "is false, and the validation set that is held out would choose nothing",
                "set data.validation = 0, or leave train.curve out",
            ));
        }
        if train.optimizer.nesterov && train.optimizer.momentum == 0.0 {
            return Err(Error::input(
                "train.optimizer.nesterov",
                "needs a momentum",
                "set train.optimizer.momentum, such as 0.9",
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "at most a million epochs")]
        let longest = train.epochs as f64;
        settings::real(0.0, longest)
            .holds("train.schedule.warmup_epochs", train.schedule.warmup_epochs)
    }
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
            "train.batch_size is 0; give a whole number from 1 to 65,536"
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

//! Whose mean and deviation a recipe has: those that are the default are the default set's, and no other set gets them unasked.
//!
//! A recipe that states neither has them computed for any other set, and so has one that is turned to another set. What a
//! recipe states is used as it is, so that records give the same bits again.

use toml::{Table, Value};

use super::{Data, Normalize};
use crate::catalog;
use crate::error::{Error, Result};

/// Mean and standard deviation of the default set's training images, in 0–1.
pub(super) fn default_figures() -> (f64, f64) {
    figures(catalog::DEFAULT).unwrap_or((0.0, 1.0))
}

fn figures(name: &str) -> Option<(f64, f64)> {
    catalog::find(name)?.grey()
}

/// Whether the default's figures are the figures of the set called so.
fn has_defaults(name: &str) -> bool {
    figures(name) == Some(default_figures())
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 5e-5
}

impl Data {
    /// Takes another set; the mean and deviation of the default set are not taken along, but computed.
    pub fn use_set(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        if self.has_anothers_figures() {
            self.normalize = Normalize::Computed;
        }
    }

    /// Whether the images of another set are normalised by the default set's mean and deviation.
    #[must_use]
    pub fn has_anothers_figures(&self) -> bool {
        let (mean, std) = default_figures();
        self.normalize == Normalize::Given
            && !has_defaults(&self.name)
            && is_near(self.mean, mean)
            && is_near(self.std, std)
    }

    /// What is done to pixel values, for people.
    #[must_use]
    pub fn normalization_told(&self) -> String {
        match self.normalize {
            Normalize::Given => format!("by mean {} and deviation {}", self.mean, self.std),
            Normalize::Computed => "by mean and deviation of the training part".into(),
            Normalize::PerPixel => {
                "each pixel by its own mean and deviation over the training part".into()
            }
            Normalize::Unit => "not; pixels are 0–1".into(),
            Normalize::Imagenet => "by ImageNet's mean and deviation of each colour".into(),
        }
    }
}

/// Decides what a recipe leaves open: without a mean and a deviation of its own they are computed, but for the default
/// set, whose are known.
///
/// # Errors
/// `Input` when only one of the two is there.
pub(super) fn decide(recipe: &mut Table, source: &str) -> Result<()> {
    let Some(Value::Table(data)) = recipe.get_mut("data") else {
        return Ok(());
    };
    let is_given = data
        .get("normalize")
        .is_none_or(|normalize| normalize.as_str() == Some("given"));
    let is_known = data
        .get("name")
        .is_none_or(|name| name.as_str().is_none_or(has_defaults));
    if !is_given || is_known {
        return Ok(());
    }
    match (data.contains_key("mean"), data.contains_key("std")) {
        (true, true) => {}
        (false, false) => {
            data.insert("normalize".into(), "computed".into());
        }
        (mean, _) => {
            let (there, absent) = if mean {
                ("mean", "std")
            } else {
                ("std", "mean")
            };
            return Err(Error::input(
                format!("{source}: data.{absent}"),
                format!("is missing beside data.{there}"),
                "set both, or neither to have them computed",
            ));
        }
    }
    Ok(())
}

/// Leaves the default set's mean and deviation out of a recipe that has just been turned from the set called `before` to
/// another, where nobody has set them since.
pub fn turn(recipe: &mut Table, before: &str, is_set: impl Fn(&str) -> bool) {
    let Some(Value::Table(data)) = recipe.get_mut("data") else {
        return;
    };
    let now = data.get("name").and_then(Value::as_str).unwrap_or(before);
    if now == before || has_defaults(now) || !has_defaults(before) {
        return;
    }
    let (mean, std) = default_figures();
    for (key, value) in [("mean", mean), ("std", std)] {
        let there = data.get(key).and_then(Value::as_float);
        if there.is_some_and(|there| is_near(there, value)) && !is_set(key) {
            data.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn parsed(data: &str) -> std::result::Result<Data, String> {
        let text = format!("[data]\n{data}\n[model]\narchitecture = \"lenet5\"\n");
        let profile = Profile::parse(&text, "x").map_err(|e| e.to_string())?;
        Ok(profile.data)
    }

    #[test]
    fn fashion_mnists_figures_are_its_own_default_and_no_other_sets() {
        for (recipe, expected) in [
            ("", Normalize::Given),
            ("name = \"fashion-mnist-mini\"", Normalize::Given),
            ("name = \"mnist\"", Normalize::Computed),
            (
                "name = \"mnist\"\nnormalize = \"given\"",
                Normalize::Computed,
            ),
            ("name = \"mnist\"\nnormalize = \"unit\"", Normalize::Unit),
            ("name = \"mnist\"\nmean = 0.5\nstd = 0.5", Normalize::Given),
        ] {
            assert_eq!(parsed(recipe).unwrap().normalize, expected, "{recipe}");
        }
        let data = parsed("").unwrap();
        assert!((data.mean - 0.2859).abs() < 1e-12 && (data.std - 0.3530).abs() < 1e-12);
        assert_eq!(
            parsed("name = \"mnist\"\nmean = 0.13").unwrap_err(),
            "x: data.std: is missing beside data.mean; set both, or neither to have them computed"
        );
    }

    /// A record of 0.1 states both, whatever its set: it is used as it is, and told.
    #[test]
    fn what_a_recipe_states_is_used() {
        let data = parsed("name = \"mnist\"\nmean = 0.2859\nstd = 0.353").unwrap();
        assert_eq!(data.normalize, Normalize::Given);
        assert!(data.has_anothers_figures());
        assert!(
            !parsed("mean = 0.2859\nstd = 0.353")
                .unwrap()
                .has_anothers_figures()
        );
    }

    #[test]
    fn another_set_takes_no_figures_along() {
        let mut data = Data::default();
        data.use_set("fashion-mnist-mini");
        assert_eq!(data.normalize, Normalize::Given);
        data.use_set("mnist");
        assert_eq!(
            (data.name.as_str(), data.normalize),
            ("mnist", Normalize::Computed)
        );
        let mut own = Data {
            mean: 0.5,
            std: 0.5,
            ..Data::default()
        };
        own.use_set("mnist");
        assert_eq!(own.normalize, Normalize::Given);
    }
}

//! Whose mean and deviation a recipe has: those that it states, else the set's own, and no other set's unasked.
//!
//! What a recipe states is used as it is, so that records give the same bits again: the figures found for
//! `normalize = "dataset"` stand in them, and are another set's or another split's where a recipe is changed.

use toml::{Table, Value};

use super::{Data, Normalize, PerChannel};
use crate::catalog;

/// Mean and standard deviation of the default set's training images, in 0–1, which versions up to 0.2 stated for every
/// set.
fn default_figures() -> Option<(f64, f64)> {
    catalog::find(catalog::DEFAULT)?.grey()
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 5e-5
}

/// How the values of pixels are normalised.
pub(crate) type Figures = (Normalize, Option<PerChannel>, Option<PerChannel>);

impl Data {
    /// Takes another set, without the mean and deviation of the one before, but for those that somebody gave.
    pub fn use_set(&mut self, name: &str) {
        let is_other = self.name != name;
        name.clone_into(&mut self.name);
        if self.has_anothers_figures() {
            self.normalize = Normalize::Dataset;
        }
        if is_other {
            self.exclude_sha256.clear();
            self.forget_figures();
        }
    }

    /// Leaves the mean and deviation to be found, where nobody gave them.
    pub fn forget_figures(&mut self) {
        if self.normalize == Normalize::Dataset {
            (self.mean, self.std) = (None, None);
        }
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        (self.normalize, self.mean.clone(), self.std.clone())
    }

    pub fn set_figures(&mut self, (normalize, mean, std): Figures) {
        (self.normalize, self.mean, self.std) = (normalize, mean, std);
    }

    /// Whether the images of another set are normalised by the default set's mean and deviation.
    #[must_use]
    pub fn has_anothers_figures(&self) -> bool {
        let own = catalog::find(&self.name).and_then(catalog::Set::grey);
        let (Some((mean, std)), Some(PerChannel::All(has_mean)), Some(PerChannel::All(has_std))) =
            (default_figures(), &self.mean, &self.std)
        else {
            return false;
        };
        self.normalize == Normalize::Given
            && own != default_figures()
            && is_near(mean, *has_mean)
            && is_near(std, *has_std)
    }

    /// What is done to pixel values, for people.
    #[must_use]
    pub fn normalization_told(&self) -> String {
        let published = || {
            let figures = catalog::find(&self.name)?.statistics;
            let (mean, std): (Vec<_>, Vec<_>) = figures.iter().copied().unzip();
            let [mean, std] = [mean, std].map(PerChannel::from);
            (!figures.is_empty()).then(|| format!("mean {mean} and deviation {std}, the set's"))
        };
        match (self.normalize, &self.mean, &self.std) {
            (Normalize::Given | Normalize::Dataset, Some(mean), Some(std)) => {
                format!("by mean {mean} and deviation {std}")
            }
            (Normalize::Given | Normalize::Dataset, Some(mean), None) => {
                format!("by mean {mean} and the set's deviation")
            }
            (Normalize::Given | Normalize::Dataset, None, Some(std)) => {
                format!("by the set's mean and deviation {std}")
            }
            (Normalize::Given | Normalize::Dataset, None, None) => {
                let own = published();
                format!(
                    "by {}",
                    own.unwrap_or_else(|| "mean and deviation of the training set".into())
                )
            }
            (Normalize::Computed, ..) => "by mean and deviation of the training set".into(),
            (Normalize::PerPixel, ..) => {
                "each pixel by its own mean and deviation over the training set".into()
            }
            (Normalize::Unit, ..) => "not; pixels are 0–1".into(),
            (Normalize::Imagenet, ..) => "by ImageNet's mean and deviation of each colour".into(),
        }
    }
}

/// Decides what a recipe leaves open: a mean or a deviation that it states is used; what it does not state is the set's
/// own.
pub(super) fn decide(recipe: &mut Table) {
    let Some(Value::Table(data)) = recipe.get_mut("data") else {
        return;
    };
    let states = ["mean", "std"].iter().any(|key| data.contains_key(*key));
    if states && !data.contains_key("normalize") {
        data.insert("normalize".into(), "given".into());
    }
}

/// Leaves out the mean and deviation of a recipe of which `[data]` has just been changed, where they were found for
/// what it was and nobody has set them since: in a record, and in recipes of 0.1, which state the default set's. `set`
/// are the keys of `[data]` that were changed.
pub(crate) fn turn(recipe: &mut Table, before: &str, set: &[&str]) {
    let Some(Value::Table(data)) = recipe.get_mut("data") else {
        return;
    };
    let is_set = |key: &str| set.contains(&key);
    if set.is_empty() || is_set("mean") || is_set("std") {
        if (is_set("mean") || is_set("std")) && !is_set("normalize") {
            data.insert("normalize".into(), "given".into());
        }
        return;
    }
    let normalize = data.get("normalize").and_then(Value::as_str);
    let grey = |name: &str| catalog::find(name).and_then(catalog::Set::grey);
    let now = data.get("name").and_then(Value::as_str).unwrap_or(before);
    let is_defaults = |key: &str, figure: f64| {
        let there = data.get(key).and_then(Value::as_float);
        there.is_some_and(|there| is_near(there, figure))
    };
    let is_found = match normalize {
        Some("dataset") => true,
        None | Some("given") => default_figures().is_some_and(|(mean, std)| {
            now != before
                && grey(now) != default_figures()
                && grey(before) == default_figures()
                && is_defaults("mean", mean)
                && is_defaults("std", std)
        }),
        Some(_) => false,
    };
    if is_found {
        data.remove("mean");
        data.remove("std");
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
    fn a_recipe_without_figures_takes_those_of_its_set() {
        for (recipe, expected) in [
            ("", Normalize::Dataset),
            ("name = \"mnist\"", Normalize::Dataset),
            ("normalize = \"given\"", Normalize::Given),
            ("mean = 0.13", Normalize::Given),
            ("name = \"mnist\"\nnormalize = \"unit\"", Normalize::Unit),
            ("name = \"mnist\"\nmean = 0.5\nstd = 0.5", Normalize::Given),
            ("mean = [0.4, 0.5, 0.6]\nstd = [1, 1, 1]", Normalize::Given),
            (
                "normalize = \"dataset\"\nmean = 0.5\nstd = 0.5",
                Normalize::Dataset,
            ),
        ] {
            assert_eq!(parsed(recipe).unwrap().normalize, expected, "{recipe}");
        }
    }

    /// A record of 0.1 states both, whatever its set: it is used as it is, and told.
    #[test]
    fn what_a_recipe_states_is_used() {
        let data = parsed("name = \"mnist\"\nmean = 0.2859\nstd = 0.353").unwrap();
        assert_eq!(data.normalize, Normalize::Given);
        assert!(data.has_anothers_figures());
        let data = parsed("mean = 0.2859\nstd = 0.353").unwrap();
        assert!(!data.has_anothers_figures());
        let told = "by mean 0.2859 and deviation 0.353";
        assert_eq!(data.normalization_told(), told);
        assert_eq!(
            Data::default().normalization_told(),
            format!("{told}, the set's")
        );
    }

    #[test]
    fn another_set_takes_no_figures_along() {
        let found = Data {
            mean: Some(PerChannel::All(0.2859)),
            std: Some(PerChannel::All(0.353)),
            ..Data::default()
        };
        let mut data = found.clone();
        data.use_set(catalog::DEFAULT);
        assert_eq!(data, found);
        data.use_set("mnist");
        assert_eq!(data.figures(), (Normalize::Dataset, None, None));
        let mut old = Data {
            normalize: Normalize::Given,
            ..found
        };
        old.use_set("mnist");
        assert_eq!(old.figures(), (Normalize::Dataset, None, None));
        let mut own = Data {
            normalize: Normalize::Given,
            mean: Some(PerChannel::All(0.5)),
            std: Some(PerChannel::All(0.5)),
            ..Data::default()
        };
        let given = own.figures();
        own.use_set("mnist");
        assert_eq!(own.figures(), given);
    }
}

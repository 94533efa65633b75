//! A run that left another one at the end of an epoch: what its recipe was up to there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Profile, settings};
use crate::error::{Error, Result};

/// `[[run.forks]]`: where a run left another one, or its own earlier recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fork {
    /// The run that it left; empty where it is trained again as another run.
    pub run: String,
    /// The last epoch that both have.
    pub epoch: usize,
    /// The backend that it was trained on up to there, as the run's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The settings that were others up to there, and what they were.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub was: BTreeMap<String, String>,
}

/// Epochs that are trained by one recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The last of them.
    pub until: usize,
    /// As [`Fork::backend`].
    pub backend: String,
    pub recipe: Profile,
}

impl Profile {
    /// The recipes up to each fork, the earliest first; the profile's own follows them. Empty where it is no fork.
    ///
    /// # Errors
    /// `Input` when a setting of a fork is not what this version knows.
    pub fn trunk(&self) -> Result<Vec<Stage>> {
        let forks = self.run.as_ref().map_or(&[][..], |run| &run.forks);
        let mut recipe = self.clone();
        let mut stages = Vec::new();
        for fork in forks.iter().rev() {
            for (key, value) in &fork.was {
                let setting = settings::find(key).ok_or_else(|| {
                    Error::input(
                        format!("run.forks.was.{key}"),
                        "is not a setting",
                        "use the version of fmtui that recorded it",
                    )
                })?;
                if value.is_empty() {
                    setting.copy(&Self::new(&self.model.architecture), &mut recipe);
                } else {
                    setting.put(&mut recipe, setting.read(value)?)?;
                }
            }
            stages.push(Stage {
                until: fork.epoch,
                backend: fork.backend.clone(),
                recipe: recipe.clone(),
            });
        }
        stages.reverse();
        Ok(stages)
    }

    /// What the settings of this recipe are where those of `other` differ, in words that read back.
    #[must_use]
    pub fn unlike(&self, other: &Self) -> BTreeMap<String, String> {
        let mut was = BTreeMap::new();
        for setting in settings::ALL {
            let (own, others) = (setting.value(self), setting.value(other));
            if own != others {
                let text = own.map_or_else(String::new, |_| setting.show(self));
                was.insert(setting.key.to_owned(), text);
            }
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::RunRecord;

    /// A recipe with settings changed.
    fn with(profile: &Profile, changes: &[(&str, &str)]) -> Profile {
        let mut profile = profile.clone();
        for (key, text) in changes {
            let setting = settings::find(key).unwrap();
            setting
                .put(&mut profile, setting.read(text).unwrap())
                .unwrap();
        }
        profile
    }

    #[test]
    fn a_forks_recipes_are_those_of_its_ancestors() {
        let first = Profile::new("lenet5");
        let second = with(
            &first,
            &[
                ("train.optimizer.learning_rate", "0.5"),
                ("train.epochs", "20"),
                ("train.schedule.kind", "cosine"),
            ],
        );
        let mut third = with(
            &second,
            &[
                ("train.optimizer.learning_rate", "0.01"),
                ("augment.flip", "0.5"),
            ],
        );
        let fork = |epoch, was| Fork {
            run: "r".into(),
            epoch,
            backend: String::new(),
            was,
        };
        third.run = Some(RunRecord {
            forks: vec![
                fork(4, first.unlike(&second)),
                fork(9, second.unlike(&third)),
            ],
            ..RunRecord::default()
        });
        let read = Profile::parse_record(&third.to_toml(), "x").unwrap();
        assert_eq!(read, third);
        let stages = read.trunk().unwrap();
        let recipes: Vec<Profile> = stages.iter().map(|stage| stage.recipe.recipe()).collect();
        assert_eq!(recipes, [first.recipe(), second.recipe()]);
        assert_eq!(
            stages.iter().map(|stage| stage.until).collect::<Vec<_>>(),
            [4, 9]
        );
        assert_eq!(first.trunk().unwrap(), []);
    }
}

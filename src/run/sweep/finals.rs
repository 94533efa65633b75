//! What a sweep comes to: the best recipe trained on training and validation images together, and tested once.

use super::{Open, trial};
use crate::error::Result;
use crate::profile::Profile;
use crate::run::Workspace;

impl Open {
    /// The best trial's number, and its recipe for all images that are not the test set's; none before there is one.
    ///
    /// It trains for as many epochs as the trial's best weights took: the median over its seeds.
    ///
    /// # Errors
    /// As [`Open::best`].
    pub(crate) fn final_recipe(&self, workspace: &Workspace) -> Result<Option<(usize, Profile)>> {
        let Some((number, profile)) = self.best()? else {
            return Ok(None);
        };
        let Some(trial) = self.study()?.trials.get(number) else {
            return Ok(None);
        };
        let ids = trial::runs(trial).into_iter();
        let records: Vec<Profile> = ids.filter_map(|id| workspace.load(id).ok()).collect();
        let mut epochs: Vec<usize> = records
            .iter()
            .filter_map(|record| Some(record.best_epoch()?.epoch))
            .collect();
        if epochs.is_empty() {
            // Its runs were deleted: the journal knows the curve of the first objective.
            let direction = self.study()?.direction();
            let best = trial.reports.iter().min_by(|one, other| {
                let loss = |report: &(i64, f64)| direction.loss(report.1);
                loss(one).total_cmp(&loss(other))
            });
            epochs.extend(best.and_then(|(epoch, _)| usize::try_from(*epoch).ok()));
        }
        let epochs = median(&mut epochs).unwrap_or(profile.train.epochs);
        let held_out = records.iter().find_map(|record| {
            let scores = record.result.as_ref()?.validation.as_ref()?;
            let images = usize::try_from(scores.confusion.total()).ok()?;
            Some(images.div_ceil(scores.confusion.classes().max(1)))
        });
        Ok(Some((
            number,
            on_all_images(profile, epochs, held_out.unwrap_or(0)),
        )))
    }
}

/// A recipe that holds nothing out: no curve, no choice, the test set once. So many images of each class were held out
/// before.
fn on_all_images(mut profile: Profile, epochs: usize, held_out: usize) -> Profile {
    profile.name.push_str("-final");
    profile.data.validation = 0.0;
    if profile.data.per_class > 0 {
        profile.data.per_class += held_out;
    }
    let train = &mut profile.train;
    train.epochs = epochs;
    train.test = true;
    train.curve = false;
    train.early_stop.patience = 0;
    #[expect(clippy::cast_precision_loss, reason = "at most a million epochs")]
    let longest = epochs as f64;
    train.schedule.warmup_epochs = train.schedule.warmup_epochs.min(longest);
    profile
}

/// The middle one, of two in the middle their mean rounded up.
fn median(epochs: &mut [usize]) -> Option<usize> {
    epochs.sort_unstable();
    let middle = epochs.len() / 2;
    let upper = *epochs.get(middle)?;
    let is_odd = epochs.len() % 2 == 1;
    let lower = if is_odd { upper } else { epochs[middle - 1] };
    Some((lower + upper).div_ceil(2))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::data::{Examples, Store, mini};
    use crate::event::{Command, Event};
    use crate::model::presets;
    use crate::search::Sweep;
    use crate::train::{self, Outcome, Setup, TrainingContext};

    /// Images that count how often one of them is read.
    #[derive(Debug)]
    struct Counted {
        images: Arc<dyn Store>,
        reads: Arc<AtomicUsize>,
    }

    impl Store for Counted {
        fn size(&self, index: usize) -> (usize, usize) {
            self.images.size(index)
        }

        fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.images.read(index, out)
        }

        fn announce(&self, index: usize) {
            self.images.announce(index);
        }

        fn is_in_memory(&self) -> bool {
            self.images.is_in_memory()
        }

        fn bytes(&self) -> u64 {
            self.images.bytes()
        }
    }

    /// Whom nobody listens to.
    struct Alone;

    impl TrainingContext for Alone {
        fn next_command(&mut self, _: Duration) -> Option<Command> {
            None
        }

        fn emit(&mut self, _: Event) {}

        fn log_length(&self) -> u64 {
            0
        }

        fn rewind_log(&mut self, _: u64) -> Result<()> {
            Ok(())
        }
    }

    /// Trains a recipe on the built-in images; its outcome, and how many test images it read.
    fn train(profile: &Profile) -> (Outcome, usize) {
        let mut dataset = mini::load().unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Counted {
            images: Arc::clone(&dataset.test.images),
            reads: Arc::clone(&reads),
        };
        dataset.test = Examples {
            images: Arc::new(counted),
            labels: dataset.test.labels.clone(),
        };
        let directory = tempfile::tempdir().unwrap();
        let setup = Setup {
            profile,
            dataset,
            directory: directory.path(),
            resume: false,
            until: None,
            trunk: None,
            pretrained: None,
            warnings: Vec::new(),
        };
        let outcome = train::train(setup, &mut Alone).unwrap();
        (outcome, reads.load(Ordering::Relaxed))
    }

    #[test]
    fn trials_never_read_the_test_set_and_the_end_does_once() {
        let file = r#"
            [sweep]
            base = "mlp-20"
            [data]
            name = "fashion-mnist-mini"
            split = "standard"
            validation = 400
            [train]
            epochs = 2
            [train.early_stop]
            patience = 1
            [train.schedule]
            warmup_epochs = 2.0
            [space]
            "train.optimizer.learning_rate" = { low = 1e-3, high = 0.1 }
        "#;
        let base = |name: &str| {
            let toml = presets::find(name).unwrap().profile()?.to_toml();
            crate::profile::parse_table(&toml, name)
        };
        let sweep = Sweep::parse(file, "a test", (&[], "reads"), &base).unwrap();
        let recipe = super::super::recipe::example(&sweep).unwrap();
        let (trial, reads) = train(&recipe);
        assert!(trial.complete && trial.result.validation.is_some());
        assert_eq!(reads, 0);

        let last = on_all_images(recipe.clone(), 1, 40);
        last.validate().unwrap();
        let (end, reads) = train(&last);
        assert_eq!(reads, 500);
        assert_eq!((end.result.epochs, end.result.validation), (1, None));
        let test = end.result.test.unwrap();
        assert_eq!(test.confusion.total(), 500);
        // Those that were held out are trained on.
        assert_eq!(end.result.train.unwrap().confusion.total(), 2000);

        // Of few images of each class as many more, of those that were held out.
        let mut few = recipe;
        few.data.per_class = 20;
        let (trial, _) = train(&few);
        assert_eq!(trial.result.train.unwrap().confusion.total(), 200);
        let (end, _) = train(&on_all_images(few, 1, 40));
        assert_eq!(end.result.train.unwrap().confusion.total(), 600);
    }

    #[test]
    fn nothing_else_may_choose_without_a_curve() {
        let mut profile = Profile::new("mlp");
        profile.train.curve = false;
        profile.data.validation = 0.1;
        let refused = profile.validate().unwrap_err().to_string();
        assert!(refused.starts_with("train.curve is false"), "{refused}");
        profile.data.validation = 0.0;
        profile.validate().unwrap();
    }

    #[test]
    fn the_median_is_the_middle() {
        for (mut epochs, expected) in [
            (vec![], None),
            (vec![7], Some(7)),
            (vec![9, 4], Some(7)),
            (vec![9, 1, 3], Some(3)),
            (vec![4, 1, 2, 5], Some(3)),
        ] {
            assert_eq!(median(&mut epochs), expected);
        }
    }
}

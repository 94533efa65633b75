//! The beginning of a run: data, network and weights in place, and what is said of them.

use std::path::Path;
use std::sync::Arc;

use super::saving::Saving;
use super::{SetupRest, Trainer, architecture, thawed};
use crate::catalog;
use crate::data::SplitDataset;
use crate::data::split::has_test_set;
use crate::error::{Error, Result};
use crate::event::{self, Event, Started};
use crate::model::pretrained::Found;
use crate::model::summary::summarise;
use crate::model::{self, Architecture};
use crate::profile::{self, FORMAT, Monitor, Normalize, Profile, Stage, Train};
use crate::train::checkpoint::{self, Loaded, TrainingProgress, kept};
use crate::train::control::Control;
use crate::train::evaluate::LossKind;
use crate::train::{Learner, Setup, TrainingContext, learners};
use crate::{storage, text};

impl<'a> Trainer<'a> {
    pub(super) fn prepare(setup: Setup<'a>, context: &mut dyn TrainingContext) -> Result<Self> {
        let Setup {
            profile,
            dataset,
            directory,
            resume,
            until,
            trunk,
            pretrained,
            mut warnings,
        } = setup;
        let classes = dataset.classes.len();
        let data_sha256 = dataset.sha256.clone();
        let data = SplitDataset::new(Arc::new(dataset), &profile.data)?
            .tested(profile.train.test)?
            .augmented(&profile.augment, profile.train.seed)
            .reading_ahead()?;
        let architecture = architecture(profile, &data, classes)?;
        check(profile, &data, &architecture)?;
        let mut progress = TrainingProgress {
            format: FORMAT,
            learning_rate_factor: 1.0,
            recipe_sha256: recipe_sha256(profile, FORMAT),
            data_sha256,
            version: env!("CARGO_PKG_VERSION").into(),
            ..TrainingProgress::default()
        };
        std::fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
        let resumed = resume
            .then(|| {
                resume_from(
                    directory,
                    (profile, trunk),
                    &progress.data_sha256,
                    &mut warnings,
                )
            })
            .transpose()?;
        let frozen = match &resumed {
            None => profile.model.freeze_in(1).to_owned(),
            Some(Loaded { progress, .. }) => progress.frozen.clone().unwrap_or_else(|| {
                // Older checkpoints don't say it; one at an epoch's end is of what was frozen in it.
                let epoch = progress.epoch + usize::from(progress.batch > 0);
                profile.model.freeze_in(epoch.max(1)).to_owned()
            }),
        };
        let mut learner = learners::build(&thawed(profile, &frozen), &architecture, classes)?;
        let mut begun_from = None;
        if let Some(loaded) = resumed {
            let takes_over = trunk.filter(|trunk| is_end_of(trunk, &loaded.progress));
            if takes_over.is_some_and(|trunk| !keeps_memory(&trunk.recipe, profile)) {
                learner.set_weights(&learners::without_memory(loaded.state))?;
            } else {
                learner.set_state(&loaded.state)?;
            }
            context.rewind_log(loaded.progress.log_length)?;
            let recipe = progress.recipe_sha256;
            progress = loaded.progress;
            if let Some(trunk) = takes_over {
                begun_from = Some(take_over(&mut progress, trunk, profile, recipe));
            }
            let known = profile::known_against(&progress.version);
            warnings.extend(
                known.map(|known| format!("{known}: if it is one of those, train it again")),
            );
            warnings.extend(give_up_the_rest(directory, &progress, learner.as_ref())?);
        } else if let Some(found) = pretrained {
            begun_from = Some(begin_from(profile, &architecture, learner.as_mut(), found)?);
        }
        if !resume {
            kept::give_up_after(directory, 0)?;
            kept::restore(directory, &progress, || learner.weights())?;
            kept::sweep(directory, None);
        }
        let early = ended_early(profile, &progress);
        let summary = summarise(&architecture).with_frozen(&architecture, &frozen)?;
        progress.frozen = Some(frozen);
        let scheduled = profile.run.as_ref().map_or(&[][..], |r| &r.interventions);
        let control = Control::new(scheduled, progress.step, resume);
        Ok(Self {
            setup: SetupRest {
                profile,
                directory,
                until,
            },
            data,
            classes,
            criterion: LossKind::of(profile),
            learner,
            summary,
            architecture,
            begun_from,
            resumed_at: progress.step,
            saving: Saving::new(progress.step),
            features_ready: false,
            warnings,
            progress,
            control,
            early,
        })
    }

    pub(super) fn announce(&self, context: &mut dyn TrainingContext) {
        let (profile, train) = (self.setup.profile, self.train_settings());
        let run = profile.run.clone().unwrap_or_default();
        context.emit(Event::Started(Box::new(Started {
            format: event::FORMAT,
            run: run.id,
            name: profile.name.clone(),
            architecture: profile.model.architecture.clone(),
            dataset: profile.data.name.clone(),
            classes: self.data.dataset.classes.clone(),
            parameters: self.summary.parameters,
            trained_parameters: self.summary.trained_parameters,
            multiply_adds: self.summary.multiply_adds,
            epochs: train.epochs,
            steps_per_epoch: self.steps_per_epoch(),
            batch_size: train.batch_size,
            train_images: self.data.train.len(),
            validation_images: self.data.validation.len(),
            test_images: self.data.test.len(),
            no_test_set: !has_test_set(&self.data.dataset, &self.setup.profile.data),
            curve_is_test: self.curve_is_test(),
            device: run.device,
            threads: run.threads,
            backend: self.learner.backend().into(),
            learning_rate: train.optimizer.learning_rate,
            patience: train.early_stop.patience,
            resumed_at_step: self.resumed_at,
        })));
        let data = &self.setup.profile.data;
        let anothers = data.has_anothers_figures().then(|| {
            format!(
                "{} is normalised {}, {}'s, as the recipe says; without data.mean and data.std it gets its own",
                data.name,
                data.normalization_told(),
                catalog::title(catalog::DEFAULT),
            )
        });
        let grey = self.data.transform().conversion.loses_colours().then(|| {
            format!(
                "{} has colour images, converted to greyscale (data.channels = 1)",
                data.name
            )
        });
        let read = self.data.dataset.remarks.iter().cloned();
        let warnings = self.warnings.iter().cloned().chain(self.model_warnings());
        let untested = (!has_test_set(&self.data.dataset, data)).then(|| {
            format!(
                "{} has no test set, so there will be no test scores; data.split = \"pooled\" makes one",
                data.name
            )
        });
        for message in warnings
            .chain(read)
            .chain(anothers)
            .chain(grey)
            .chain(untested)
        {
            context.emit(Event::Warning { message });
        }
        let augment = &self.setup.profile.augment;
        let changes = (!augment.is_none()).then(|| format!("data augmentation: {augment}"));
        let is_computed = match data.normalize {
            Normalize::Computed => true,
            Normalize::Dataset => {
                catalog::find(&data.name).is_none_or(|set| set.statistics.is_empty())
            }
            _ => false,
        };
        let figures = self.data.transform().figures().filter(|_| is_computed);
        let computed = figures.map(|(mean, std)| {
            format!("images are normalised by mean {mean} and deviation {std}, those of the training set")
        });
        let begun_from = self.begun_from.iter().cloned();
        for message in begun_from
            .chain(self.learner.note(self.data.dataset.len()))
            .chain(computed)
            .chain(changes)
        {
            context.emit(Event::Note { message });
        }
        if let Some(message) = self.learner.backend_note() {
            context.emit(Event::Warning { message });
        }
    }

    /// What of `[model]` comes to nothing, or to little.
    fn model_warnings(&self) -> Vec<String> {
        let model = &self.setup.profile.model;
        let last = self.train_settings().epochs;
        let mut warnings = Vec::new();
        if let Some(never) = model.unfreeze.iter().find(|u| u.epoch > last) {
            warnings.push(format!(
                "model.unfreeze: epoch {} is never reached, the last is {last}",
                never.epoch
            ));
        }
        let rates = &self.train_settings().lr_multipliers;
        // What is frozen was cut before, so this cannot fail.
        let idle = model::lr_multipliers::idle(&self.architecture, model.freeze_in(last), rates);
        for stage in idle.unwrap_or_default() {
            let stage = text::sanitize(&stage);
            warnings.push(format!(
                "train.lr_multipliers.{stage} changes nothing: model.freeze keeps its weights"
            ));
        }
        if model.pretrained.is_empty() && !matches!(model.freeze.as_str(), "" | "none") {
            warnings.push(
                "model.freeze keeps layers at random weights: model.pretrained names none".into(),
            );
        }
        if model.pretrained.is_empty() && model.keep_head {
            warnings.push("model.keep_head keeps nothing: model.pretrained is not set".into());
        }
        warnings
    }
}

/// Puts pretrained weights in place of the fresh ones; tells what became of them.
fn begin_from(
    profile: &Profile,
    architecture: &Architecture,
    learner: &mut dyn Learner,
    found: Found,
) -> Result<String> {
    let model = &profile.model;
    let heads = model::freeze::head(architecture);
    let fresh = learner.weights()?;
    let fitting = model::pretrained::fit(&model.pretrained, fresh, found, &heads, model.keep_head)?;
    learner.set_weights(&fitting.weights)?;
    Ok(format!(
        "is initialised from the weights of {}: {}",
        model.pretrained,
        fitting.summary()
    ))
}

/// Checks what a training of these images needs: something to watch for early stopping, and batches that batch norm can
/// train on.
///
/// # Errors
/// `Input` naming the setting.
pub fn check(profile: &Profile, data: &SplitDataset, architecture: &Architecture) -> Result<()> {
    check_monitor(profile, data)?;
    check_last_batch(profile, data, architecture)
}

/// Checks that a run can go on from its newest checkpoint: that it was made with this recipe, on data of this hash. A
/// run that ended before its first checkpoint begins again.
///
/// # Errors
/// `Input` saying what is not so.
pub fn check_resumable(directory: &Path, profile: &Profile, data_sha256: &str) -> Result<()> {
    match checkpoint::newest_progress(directory) {
        Some(progress) => {
            let stages = profile.trunk()?;
            let is_of = |recipe: &&Profile| {
                progress.recipe_sha256 == recipe_sha256(recipe, progress.format)
            };
            // It may be under way to one of its forks.
            let own = stages.iter().map(|stage| &stage.recipe).find(is_of);
            check_same(directory, &progress, own.unwrap_or(profile), data_sha256)
        }
        None if profile.result.is_none() && !checkpoint::exists(directory) => Ok(()),
        // Says that there are none any more, or what is wrong with them.
        None => checkpoint::load_newest(directory).map(drop),
    }
}

fn check_monitor(profile: &Profile, data: &SplitDataset) -> Result<()> {
    let stop = &profile.train.early_stop;
    if stop.patience > 0 && stop.monitor != Monitor::TrainLoss && data.validation.is_empty() {
        return Err(Error::input(
            "train.early_stop.monitor",
            "needs a validation set, and data.validation is 0",
            "set data.validation, or monitor train-loss",
        ));
    }
    Ok(())
}

/// Batch norm needs two numbers a channel; on vectors a batch of one image gives one. Frozen ones take no batch.
fn check_last_batch(
    profile: &Profile,
    data: &SplitDataset,
    architecture: &Architecture,
) -> Result<()> {
    let batch_size = profile.train.batch_size;
    let has_single = batch_size == 1 || data.train.len() % batch_size == 1;
    // Less is frozen from one epoch to a later one.
    let freeze = profile.model.freeze_in(profile.train.epochs);
    let cut = model::freeze::cut(architecture, freeze)?;
    let trained = cut.as_ref().map_or(architecture, |cut| &cut.trained);
    match trained.norm_of_single_numbers() {
        Some(name) if has_single => Err(Error::input(
            "train.batch_size",
            format!(
                "leaves a batch of one of {} images, and batch norm ({name}) needs at least two",
                data.train.len(),
            ),
            "give another batch size",
        )),
        _ => Ok(()),
    }
}

/// SHA-256 of what of a recipe must be the same for a resume, written in this format: everything but the number of
/// epochs, threads, device and the label.
fn recipe_sha256(profile: &Profile, format: u32) -> String {
    let mut recipe = profile.recipe();
    recipe.name.clear();
    recipe.train.epochs = 1;
    recipe.train.threads = 0;
    recipe.train.device.clear();
    storage::sha256(recipe.to_toml_of(format).as_bytes())
}

/// Leaves nothing of what came after a checkpoint: the best epoch is that one's again. What to say where it is lost.
fn give_up_the_rest(
    directory: &Path,
    progress: &TrainingProgress,
    learner: &dyn Learner,
) -> Result<Option<String>> {
    kept::give_up_after(directory, progress.epoch)?;
    let is_there = kept::restore(directory, progress, || learner.weights())?;
    Ok(progress.best.as_ref().filter(|_| !is_there).map(|best| {
        format!(
            "the best weights so far, of epoch {}, are missing or damaged; the next better epoch is kept again",
            best.epoch
        )
    }))
}

/// Why training is over before all epochs are done, where a checkpoint was saved at that point.
fn ended_early(profile: &Profile, progress: &TrainingProgress) -> Option<String> {
    let patience = profile.train.early_stop.patience;
    match &progress.early {
        Some(reason) => Some(reason.clone()).filter(|reason| !reason.is_empty()),
        // Older checkpoints don't say it, but there the end of such an epoch was the end.
        None => (patience > 0
            && progress.epoch > 0
            && progress.batch == 0
            && progress.stale_epochs >= patience)
            .then(|| {
                format!(
                    "stopped early after epoch {}: nothing has improved for {} epochs",
                    progress.epoch, progress.stale_epochs
                )
            }),
    }
}

/// Whether a checkpoint is the end of a trunk, from which another recipe goes on.
fn is_end_of(trunk: &Stage, progress: &TrainingProgress) -> bool {
    progress.epoch == trunk.until
        && progress.batch == 0
        && progress.recipe_sha256 == recipe_sha256(&trunk.recipe, progress.format)
}

/// Whether the optimizer's state of one recipe is one of the other.
fn keeps_memory(before: &Profile, after: &Profile) -> bool {
    let (a, b) = (&before.train, &after.train);
    let momentum = |train: &Train| train.optimizer.momentum > 0.0;
    a.optimizer.kind == b.optimizer.kind
        && momentum(a) == momentum(b)
        && (a.ema > 0.0) == (b.ema > 0.0)
}

/// Makes a trunk's progress that of the recipe that goes on from it; what to say of it.
fn take_over(
    progress: &mut TrainingProgress,
    trunk: &Stage,
    profile: &Profile,
    recipe: String,
) -> String {
    progress.format = FORMAT;
    progress.recipe_sha256 = recipe;
    // What ended the other run is no end of this one.
    progress.early = Some(String::new());
    let (before, after) = (&trunk.recipe.train, &profile.train);
    if before.early_stop != after.early_stop {
        progress.monitored = None;
        progress.stale_epochs = 0;
    }
    if before.early_stop == after.early_stop && progress.stale_epochs >= after.early_stop.patience {
        progress.stale_epochs = 0;
    }
    if before.optimizer.learning_rate.to_bits() != after.optimizer.learning_rate.to_bits()
        || before.schedule != after.schedule
    {
        // Whoever sets a rate means that rate, whatever was changed by hand before.
        progress.learning_rate_factor = 1.0;
    }
    let state = if keeps_memory(&trunk.recipe, profile) {
        "with the optimizer's state"
    } else {
        "with the optimizer's state reset"
    };
    let schedule = if before.epochs == after.epochs {
        String::new()
    } else {
        format!(
            "; the schedule spans {} epochs, not {}",
            after.epochs, before.epochs
        )
    };
    format!("is forked after epoch {} {state}{schedule}", trunk.until)
}

/// The newest checkpoint, where it is one of this recipe on this data, or the end of its trunk.
fn resume_from(
    directory: &Path,
    (profile, trunk): (&Profile, Option<&Stage>),
    data_sha256: &str,
    warnings: &mut Vec<String>,
) -> Result<Loaded> {
    let loaded = checkpoint::load_newest(directory)?;
    let skipped = loaded.skipped.iter();
    warnings.extend(skipped.map(|why| format!("skipped a broken checkpoint: {why}")));
    let is_end = trunk.is_some_and(|trunk| is_end_of(trunk, &loaded.progress));
    let own = trunk
        .filter(|_| is_end)
        .map_or(profile, |trunk| &trunk.recipe);
    check_same(directory, &loaded.progress, own, data_sha256)?;
    Ok(loaded)
}

fn check_same(
    directory: &Path,
    then: &TrainingProgress,
    profile: &Profile,
    data_sha256: &str,
) -> Result<()> {
    for (what, is_same) in [
        (
            "the profile",
            then.recipe_sha256 == recipe_sha256(profile, then.format),
        ),
        ("the data set", then.data_sha256 == data_sha256),
    ] {
        if !is_same {
            return Err(Error::input(
                directory.display().to_string(),
                format!("{what} is not the one the checkpoint was made with"),
                "restore it, or train a new run",
            ));
        }
    }
    Ok(())
}

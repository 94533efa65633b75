//! Keeps a run's profile true while it runs: status, machine, history, interventions, result. The first observer of
//! every run.

use std::path::PathBuf;

use super::{history, lock};
use crate::data::Dataset;
use crate::data::split::has_test_set;
use crate::error::{Error, Result};
use crate::event::{Event, Observer, Stamped, Started};
use crate::profile::{EpochRecord, Intervention, Profile, RunRecord, Status};
use crate::train::Outcome;
use crate::{kernels, nn, storage, text};

/// fmtui's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision it was built from; empty where that is not known.
pub(crate) const REVISION: &str = match option_env!("FMTUI_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// The profile of a run that is written down and not yet running. Interventions of a recorded run are kept: they are
/// part of what makes the same run again, as are the recipes before its forks.
#[must_use]
pub(crate) fn created(profile: &Profile, id: &str) -> Profile {
    let before = profile.run.clone().unwrap_or_default();
    Profile {
        run: Some(RunRecord {
            id: id.into(),
            interventions: before.interventions,
            forks: before.forks,
            ..RunRecord::default()
        }),
        ..profile.recipe()
    }
}

/// The profile with this machine in its `[run]`: host, device, threads, instruction set, and the hash of the data, and
/// whether it has no test set.
///
/// # Errors
/// `Input` when the device it asks for is not here.
pub(crate) fn on_this_machine(profile: &Profile, dataset: &Dataset) -> Result<Profile> {
    let (_, device) = nn::device::select(&profile.train.device)?;
    let mut profile = profile.clone();
    let run = profile.run.get_or_insert_with(RunRecord::default);
    run.host = lock::host_name();
    run.device = device;
    run.threads = profile.train.thread_count();
    run.kernels = kernels::cpu::isa().name().into();
    run.data_sha256.clone_from(&dataset.sha256);
    run.pixels_sha256.clone_from(&dataset.pixels_sha256);
    run.no_test_set = !has_test_set(dataset, &profile.data);
    Ok(profile)
}

/// Refuses to change or repeat what a newer fmtui recorded.
///
/// # Errors
/// `Input` where it did.
pub(crate) fn check_known(profile: &Profile) -> Result<()> {
    if !profile.is_newer() {
        return Ok(());
    }
    let id = profile.run.as_ref().map_or("", |run| &run.id);
    Err(Error::input(
        format!("run {id}"),
        format!(
            "was recorded by a newer fmtui (format {}), and this one may only read it",
            profile.format
        ),
        "use that version of fmtui",
    ))
}

/// Refuses to go on with a run that is over, or of a newer fmtui.
///
/// # Errors
/// `Input` where it is.
pub(crate) fn check_unfinished(profile: &Profile) -> Result<()> {
    check_known(profile)?;
    let Some(run) = profile
        .run
        .as_ref()
        .filter(|r| r.status == Status::Finished)
    else {
        return Ok(());
    };
    Err(Error::input(
        format!("run {}", run.id),
        "is finished",
        format!("train its recipe again with `fmtui train {}`", run.id),
    ))
}

/// Makes every text that a run wrote harmless to show.
pub(crate) fn sanitize(profile: &mut Profile) {
    if let Some(result) = &mut profile.result {
        for text in [
            &mut result.note,
            &mut result.weights_sha256,
            &mut result.best_file_sha256,
            &mut result.last_file_sha256,
        ] {
            *text = text::sanitize(text);
        }
    }
    let Some(run) = &mut profile.run else { return };
    for text in [
        &mut run.id,
        &mut run.started,
        &mut run.finished,
        &mut run.host,
        &mut run.device,
        &mut run.kernels,
        &mut run.backend,
        &mut run.version,
        &mut run.revision,
        &mut run.data_sha256,
        &mut run.pixels_sha256,
        &mut run.group,
        &mut run.error,
    ] {
        *text = text::sanitize(text);
    }
    for fork in &mut run.forks {
        fork.run = text::sanitize(&fork.run);
    }
    for intervention in &mut run.interventions {
        intervention.what = text::sanitize(&intervention.what);
    }
}

/// Writes the profile at every event that changes it. The epochs are in the log, and come into the record at its end.
pub(crate) struct Recorder {
    path: PathBuf,
    /// Without its history as long as the run goes on.
    profile: Profile,
    history: Vec<EpochRecord>,
    /// The run's end is on disk: nothing follows it.
    is_over: bool,
}

impl Recorder {
    /// Begins to record: status `running` is on disk when this returns.
    ///
    /// # Errors
    /// `Io` when the profile cannot be written.
    pub(crate) fn begin(path: PathBuf, mut profile: Profile) -> Result<Self> {
        let history = std::mem::take(&mut profile.history);
        let mut recorder = Self {
            path,
            profile,
            history,
            is_over: false,
        };
        let run = recorder.run();
        run.status = Status::Running;
        run.finished.clear();
        run.error.clear();
        run.interrupted = false;
        if run.version.is_empty() {
            run.version = VERSION.into();
            run.revision = REVISION.into();
        }
        if run.started.is_empty() {
            run.started = text::exact_timestamp(text::now());
        }
        recorder.profile.result = None;
        recorder.save()?;
        Ok(recorder)
    }

    /// Takes note of where the run runs, and on what data; it is written with the next event.
    pub(crate) fn describe(&mut self, profile: &Profile) {
        let Some(here) = &profile.run else { return };
        let run = self.run();
        run.host.clone_from(&here.host);
        run.device.clone_from(&here.device);
        run.threads = here.threads;
        run.kernels.clone_from(&here.kernels);
        run.data_sha256.clone_from(&here.data_sha256);
        run.pixels_sha256.clone_from(&here.pixels_sha256);
        run.no_test_set = here.no_test_set;
    }

    /// Takes over what the training itself recorded of interventions; it is written with the next event. Of stops only
    /// the one that ended it counts: after any other the run was taken up again, as if it had not been stopped.
    pub(crate) fn conclude(&mut self, outcome: &Outcome, signalled: bool) {
        self.run().interrupted = signalled && !outcome.complete;
        let last = outcome.interventions.len().saturating_sub(1);
        let counts =
            |at: usize, i: &Intervention| i.what != "stop" || (at == last && !outcome.complete);
        self.run().interventions = outcome
            .interventions
            .iter()
            .enumerate()
            .filter(|(at, i)| counts(*at, i))
            .map(|(_, i)| i.clone())
            .collect();
    }

    fn run(&mut self) -> &mut RunRecord {
        self.profile.run.get_or_insert_with(RunRecord::default)
    }

    fn save(&self) -> Result<()> {
        storage::commit(&self.path, self.profile.to_toml().as_bytes())
    }

    fn on_started(&mut self, started: &Started) {
        history::resume(&mut self.history, started);
        self.run().backend = text::sanitize(&started.backend);
    }

    fn on_change(&mut self, intervention: Intervention) {
        let interventions = &mut self.run().interventions;
        // Applied again after a resume, it is told again; and of several before one step the last takes effect.
        interventions.retain(|i| i.step != intervention.step || i.what != intervention.what);
        interventions.push(intervention);
        interventions.sort_by_key(|i| i.step);
    }

    fn end(&mut self, status: Status, error: &str) {
        let run = self.run();
        run.status = status;
        run.error = text::sanitize(error);
        run.finished = text::exact_timestamp(text::now());
        let best = self.profile.result.as_ref().map_or(0, |r| r.best_epoch);
        self.profile.history = history::thinned(&self.history, best);
    }
}

impl Observer for Recorder {
    fn on_event(&mut self, stamped: &Stamped) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        match &stamped.event {
            Event::Started(started) => self.on_started(started),
            Event::EpochEnd(end) => history::add(&mut self.history, EpochRecord::from(&**end)),
            Event::Changed { step, what, to, .. } => self.on_change(Intervention {
                step: *step,
                what: what.clone(),
                value: *to,
            }),
            Event::Finished {
                complete, result, ..
            } => {
                let status = if *complete {
                    Status::Finished
                } else {
                    Status::Stopped
                };
                self.profile.result = Some((**result).clone());
                self.end(status, "");
            }
            Event::Failed { message, .. } => self.end(Status::Failed, message),
            Event::Paused { .. } => self.run().status = Status::Paused,
            Event::Waiting { .. } => self.run().status = Status::Waiting,
            Event::Continued { .. } => self.run().status = Status::Running,
            _ => {}
        }
        if self.takes(&stamped.event) {
            self.save()?;
        }
        self.is_over = matches!(stamped.event, Event::Finished { .. } | Event::Failed { .. });
        Ok(())
    }

    /// Whether an event changes the profile, which is then written.
    fn takes(&self, event: &Event) -> bool {
        match event {
            Event::Started(_)
            | Event::Changed { .. }
            | Event::Finished { .. }
            | Event::Failed { .. }
            | Event::Paused { .. }
            | Event::Waiting { .. }
            | Event::Continued { .. } => true,
            Event::Step(_)
            | Event::EpochEnd(_)
            | Event::Features(_)
            | Event::CheckpointSaved { .. }
            | Event::Warning { .. }
            | Event::Note { .. }
            | Event::Load(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EpochEnd;
    use crate::metrics::Scores;
    use crate::profile::ResultRecord;

    fn started(resumed_at_step: u64) -> Event {
        Event::Started(Box::new(Started {
            format: 1,
            run: "r".into(),
            name: String::new(),
            architecture: "mlp".into(),
            dataset: String::new(),
            classes: Vec::new(),
            parameters: 1,
            trained_parameters: 1,
            multiply_adds: 1,
            epochs: 3,
            steps_per_epoch: 10,
            batch_size: 1,
            train_images: 10,
            validation_images: 0,
            test_images: 0,
            no_test_set: false,
            curve_is_test: false,
            device: "cpu".into(),
            threads: 2,
            backend: "graph".into(),
            learning_rate: 0.1,
            patience: 0,
            resumed_at_step,
        }))
    }

    fn epoch(epoch: usize, train_loss: f64) -> Event {
        Event::EpochEnd(Box::new(EpochEnd {
            epoch,
            train: Scores::running(train_loss, 0.5),
            ..EpochEnd::default()
        }))
    }

    #[test]
    fn the_profile_follows_the_run_through_a_resume() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.toml");
        let on_disk = || Profile::parse(&std::fs::read_to_string(&path).unwrap(), "r").unwrap();
        let created = created(&Profile::new("mlp"), "r");
        let tell = |recorder: &mut Recorder, event| {
            recorder.on_event(&Stamped::now(event)).unwrap();
        };

        let mut recorder = Recorder::begin(path.clone(), created).unwrap();
        assert_eq!(on_disk().run.unwrap().status, Status::Running);
        recorder.describe(&Profile {
            run: Some(RunRecord {
                data_sha256: "5eed".into(),
                no_test_set: true,
                ..RunRecord::default()
            }),
            ..Profile::new("mlp")
        });
        tell(&mut recorder, started(0));
        tell(&mut recorder, epoch(1, 0.5));
        let change = Event::Changed {
            step: 12,
            what: "learning_rate".into(),
            from: 0.1,
            to: 0.05,
        };
        tell(&mut recorder, change.clone());
        tell(&mut recorder, Event::Paused { step: 15 });
        assert_eq!(on_disk().run.unwrap().status, Status::Paused);
        tell(&mut recorder, Event::Continued { step: 15 });
        assert_eq!(on_disk().run.unwrap().status, Status::Running);
        tell(&mut recorder, epoch(2, 0.4));
        let record = on_disk();
        assert!(record.history.is_empty());
        let history = std::mem::take(&mut recorder.history);
        drop(recorder);

        // Killed, then resumed from the checkpoint of epoch 1.
        let record = Profile { history, ..record };
        let mut recorder = Recorder::begin(path.clone(), record).unwrap();
        assert!(on_disk().history.is_empty());
        tell(&mut recorder, started(10));
        assert_eq!(recorder.history.len(), 1);
        tell(&mut recorder, change);
        tell(&mut recorder, epoch(2, 0.4));
        let result = Box::new(ResultRecord {
            epochs: 2,
            ..ResultRecord::default()
        });
        tell(
            &mut recorder,
            Event::Finished {
                complete: false,
                reason: "stopped".into(),
                result,
            },
        );
        let record = on_disk();
        assert_eq!(record.untested(), Some("no test set"));
        let run = record.run.unwrap();
        assert_eq!(run.status, Status::Stopped);
        assert_eq!(run.data_sha256, "5eed");
        assert_eq!(run.backend, "graph");
        assert_eq!(run.interventions.len(), 1);
        assert_eq!(
            record.history.iter().map(|e| e.epoch).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(record.result.unwrap().epochs, 2);
    }

    #[test]
    fn of_changes_before_one_step_the_last_is_kept_for_a_replay() {
        let dir = tempfile::tempdir().unwrap();
        let created = created(&Profile::new("mlp"), "r");
        let mut recorder = Recorder::begin(dir.path().join("r.toml"), created).unwrap();
        for (step, to) in [
            (4, 0.2),
            (5, 0.02),
            (5, 0.05),
            (5, 0.1),
            (5, 0.05),
            (4, 0.3),
        ] {
            let changed = Event::Changed {
                step,
                what: "learning_rate".into(),
                from: 0.1,
                to,
            };
            recorder.on_event(&Stamped::now(changed)).unwrap();
        }
        let kept = recorder.run().interventions.iter();
        let kept: Vec<(u64, f64)> = kept.map(|i| (i.step, i.value)).collect();
        assert_eq!(kept, [(4, 0.3), (5, 0.05)]);
    }

    #[test]
    fn only_the_stop_that_ended_a_run_is_part_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.toml");
        let of = |step, what: &str| Intervention {
            step,
            what: what.into(),
            value: 0.0,
        };
        for (complete, kept) in [(true, vec![20]), (false, vec![20, 30])] {
            let created = created(&Profile::new("mlp"), "r");
            let mut recorder = Recorder::begin(path.clone(), created).unwrap();
            recorder.conclude(
                &Outcome {
                    complete,
                    reason: String::new(),
                    result: ResultRecord::default(),
                    interventions: vec![of(10, "stop"), of(20, "learning_rate"), of(30, "stop")],
                },
                false,
            );
            let interventions = &recorder.run().interventions;
            let steps: Vec<u64> = interventions.iter().map(|i| i.step).collect();
            assert_eq!(steps, kept);
        }
    }

    #[test]
    fn a_failure_is_written_down_in_one_harmless_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.toml");
        let created = created(&Profile::new("mlp"), "r");
        let mut recorder = Recorder::begin(path.clone(), created).unwrap();
        let failed = Event::Failed {
            message: "loss\x1b[2J became NaN\nat step 3".into(),
            remedy: String::new(),
        };
        recorder.on_event(&Stamped::now(failed)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let run = Profile::parse(&text, "r").unwrap().run.unwrap();
        assert_eq!(run.status, Status::Failed);
        assert_eq!(run.error, "loss[2J became NaNat step 3");
    }
}
